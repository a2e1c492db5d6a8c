"""Django's PostgreSQL backend, whose connections wait for an answer no longer than a statement may take.

The server's own limit (`statement_timeout`) is of no use where the server, or the network before it, has fallen silent:
a thread would wait for ever, and sixteen of them are the whole web server. A connection whose answer has not come is
closed, and its caller gets an OperationalError, as for any other outage.

Below it is django-prometheus' backend, which counts connections, statements, their errors and how long they take, by
the name of the connection; what a statement says is in no metric.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import psycopg
from django_prometheus.db.backends.postgresql import base
from psycopg.abc import PQGen

from documents.resilience import dependencies
from documents.resilience.postgres import counting

ROW = dependencies.DEPENDENCIES["postgresql"]
MARGIN_S = 0.7  # the server says first that a statement took too long
LOOK_S = 1.0  # whether a connection that was left open still answers
WITHOUT_END = "owner"  # provisions: builds indexes, and takes what time it needs
WAIT_ENDED = "_WaitTimeout"  # psycopg's own error, which it leaves to its callers to name
T = TypeVar("T")


class PatientConnection(psycopg.Connection[Any]):
    """A connection that gives up after `patience_s` without an answer; None: never."""

    patience_s: float | None = ROW.total_s + MARGIN_S

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for what a generator of psycopg asks for.

        :raises psycopg.OperationalError: no answer; the connection is closed
        """
        if timeout is not None or self.patience_s is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience_s)
        except psycopg.OperationalError as error:
            if type(error).__name__ != WAIT_ENDED:
                raise
            self.close()
            raise psycopg.OperationalError(f"no answer within {self.patience_s:.1f} s") from error


class DatabaseWrapper(base.DatabaseWrapper):
    """The backend: Django's own as django-prometheus counts it, over patient connections."""

    def get_connection_params(self) -> dict[str, Any]:
        """Return what a connection is opened with: cursors that count."""
        params: dict[str, Any] = super(base.DatabaseWrapper, self).get_connection_params()
        return params | {"cursor_factory": counting.cursors(factory=params["cursor_factory"], alias=self.alias)}

    def get_new_connection(self, conn_params: Mapping[str, Any]) -> PatientConnection:
        """Connect, within the connection's own limit."""
        connection: Any = super().get_new_connection(conn_params)
        connection.__class__ = PatientConnection
        if self.alias == WITHOUT_END:
            connection.patience_s = None
        patient: PatientConnection = connection
        return patient

    def is_usable(self) -> bool:
        """Return whether the connection still answers, and soon: this is asked before each request."""
        with self._impatient():
            return bool(super().is_usable())

    @contextlib.contextmanager
    def _impatient(self) -> Iterator[None]:
        held: Any = self.connection
        before = held.patience_s
        held.patience_s = LOOK_S
        try:
            yield
        finally:
            held.patience_s = before
