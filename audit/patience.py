"""Changes tables under a service that goes on: none waits long for a lock, because all others queue behind it."""

import time
from collections.abc import Callable

import psycopg
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import OperationalError, connections, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

# Below PostgreSQL's `deadlock_timeout` of 1 s: where two wait for each other it is this side that gives way.
WAIT_MS = 800
TRIES, PAUSE_S = 100, 0.3


def wait_briefly(*, using: str) -> None:
    """Let every later statement of a connection wait at most WAIT_MS for a lock."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{WAIT_MS}ms"])


def persist(work: Callable[[], None]) -> None:
    """Do some work, again where it did not get a lock in time; what it does must be able to begin anew.

    :raises OperationalError: TRIES times there was no lock, or PostgreSQL fails in another way
    """
    for left in reversed(range(TRIES)):
        try:
            work()
        except OperationalError as error:
            busy = isinstance(error.__cause__, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected)
            if not busy or not left:
                raise
            time.sleep(PAUSE_S)
        else:
            return


def run_at_once(*, using: str, statements: list[str]) -> None:
    """Run statements in one transaction of their own, which holds its locks for milliseconds."""

    def work() -> None:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    persist(work)


class AddMissingIndex(AddIndexConcurrently):
    """Make an index that the state has, while its table is written: where it is missing, or its making broke off."""

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Leave the state: an earlier migration has put the index there."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Make the index, which takes two looks at the table and blocks nobody."""
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [self.index.name])
            living = cursor.fetchone()
        if living == (False,):
            schema_editor.execute(f"DROP INDEX CONCURRENTLY {self.index.name}")
        if living != (True,):
            super().database_forwards(app_label, schema_editor, from_state, to_state)
