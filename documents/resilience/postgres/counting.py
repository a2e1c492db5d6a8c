"""Statements counted in django-prometheus' own families, by the name of their connection; what they say is in none.

Its `ExportingCursorWrapper` looks three series up at each statement, which cost an event 4 % of its time: here that is
done once, and `django_db_execute_total` is not written: the count of the histogram says the same.
"""

import functools
import time
from collections.abc import Iterable
from typing import Any, Self, cast

import psycopg
from django_prometheus.db import errors_total, query_duration_seconds
from psycopg.abc import Params, Query

VENDOR = "postgresql"


class CountingCursor(psycopg.Cursor[Any]):
    """A cursor that counts its statements, their errors and how long they take."""

    alias = ""
    duration = query_duration_seconds

    def execute(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = None, binary: bool | None = None
    ) -> Self:
        """Run one statement."""
        began = time.perf_counter()
        try:
            return super().execute(cast("bytes", query), params, prepare=prepare, binary=binary)
        except Exception as error:
            self._failed(error=error)
            raise
        finally:
            self.duration.observe(time.perf_counter() - began)

    def executemany(self, query: Query, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        """Run one statement for several rows."""
        began = time.perf_counter()
        try:
            super().executemany(query, params_seq, returning=returning)
        except Exception as error:
            self._failed(error=error)
            raise
        finally:
            self.duration.observe(time.perf_counter() - began)

    def _failed(self, *, error: Exception) -> None:
        errors_total.labels(self.alias, VENDOR, type(error).__name__).inc()


@functools.cache
def cursors(*, factory: type[psycopg.Cursor[Any]], alias: str) -> type[psycopg.Cursor[Any]]:
    """Return a class of cursors of Django's that count."""
    series = query_duration_seconds.labels(alias, VENDOR)
    return type("CountingDjangoCursor", (CountingCursor, factory), {"alias": alias, "duration": series})
