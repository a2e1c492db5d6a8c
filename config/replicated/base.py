"""Our PostgreSQL: a commit that the synchronous standby may not have is an error, and does not wait for ever.

A commit waits for the standby, without any timeout of PostgreSQL's: a standby that is gone would stop every thread. So
the wait is cancelled after COMMIT_S. PostgreSQL then answers with success and a warning: the transaction stands on this
host alone, and losing the host would lose what was acknowledged. That is raised as an outage: whoever told a fact tells
it again, and nothing that was to follow the commit is done.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from django.db import OperationalError
from psycopg.errors import Diagnostic

from documents.resilience.postgres import base

# The function of PostgreSQL in which a commit waits: the warning's text is in the server's language.
WAIT = "SyncRepWaitForLSN"
COMMIT_S = base.ROW.total_s  # before the connection itself gives up: PostgreSQL's session would wait on
LOOK_EVERY_S, CANCEL_S = 0.25, 2.0


class NotReplicatedError(OperationalError):
    """A commit stands on the primary alone; `mend` says to an operator what follows."""

    mend = "connect its standby, or go on with one copy, both by docs/operations/failover.md; then do it again"


class CommitWatch:
    """Cancels the commits of this process that have waited too long, from a thread that the first one starts."""

    def __init__(self) -> None:
        self._commits: dict[int, tuple[float, psycopg.Connection]] = {}
        self._changing, self._process = threading.Lock(), 0

    @contextlib.contextmanager
    def over(self, connection: psycopg.Connection) -> Iterator[None]:
        """Watch one commit."""
        with self._changing:
            self._commits[id(connection)] = time.monotonic() + COMMIT_S, connection
            if self._process != os.getpid():  # a fork has no thread of its parent
                self._process = os.getpid()
                threading.Thread(target=self._look, name="commits", daemon=True).start()
        try:
            yield
        finally:
            with self._changing:
                self._commits.pop(id(connection), None)

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            with self._changing:
                overdue = [waiting for ends, waiting in self._commits.values() if ends < time.monotonic()]
            for connection in overdue:
                with contextlib.suppress(psycopg.Error):  # its server is gone: the connection will notice
                    connection.cancel_safe(timeout=CANCEL_S)


_watch = CommitWatch()


class DatabaseWrapper(base.DatabaseWrapper):
    """The name that Django asks a backend for."""

    _alone = False

    def get_new_connection(self, conn_params: Mapping[str, Any]) -> base.PatientConnection:
        """Return a connection whose warnings are heard."""
        connection = super().get_new_connection(conn_params)
        connection.add_notice_handler(self._heard)
        return connection

    def _heard(self, diagnostic: Diagnostic) -> None:
        self._alone = self._alone or diagnostic.source_function == WAIT

    def commit(self) -> None:
        """Commit.

        :raises NotReplicatedError: it stands on the primary alone
        """
        if self.connection is None:
            return
        with contextlib.nullcontext() if self.alias == base.WITHOUT_END else _watch.over(self.connection):
            super().commit()
        alone, self._alone = self._alone, False
        if alone:
            raise NotReplicatedError("the commit stands on the primary alone: its standby did not answer in time")
