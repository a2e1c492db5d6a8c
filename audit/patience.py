"""Changes tables under a service that goes on: none waits long for a lock, because all others queue behind it."""

import contextlib
import time
from collections.abc import Callable

import psycopg
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import DatabaseError, OperationalError, connections, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.utils import CursorWrapper
from django.db.migrations.state import ProjectState

# Below PostgreSQL's `deadlock_timeout` of 1 s: where two wait for each other it is this side that gives way.
WAIT_MS = 800
TRIES, PAUSE_S = 100, 0.3
# One transaction is one name, however many tables it holds. The owner need not see what others do, but who they are.
_OTHERS = """
SELECT DISTINCT format('process %s of %s (transaction %s)', pid, coalesce(usename, 'PostgreSQL'), virtualtransaction)
  FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
 WHERE locktype = 'relation' AND granted AND pid <> pg_backend_pid()
   AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class TableBusyError(OperationalError):
    """A table was never free; the message says who holds it."""


def wait_briefly(*, using: str) -> None:
    """Let every later statement of a connection wait at most WAIT_MS for a lock."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{WAIT_MS}ms"])


def persist(work: Callable[[], None], *, using: str) -> None:
    """Do some work, again where it did not get a lock in time; what it does must be able to begin anew.

    :raises TableBusyError: TRIES times there was no lock; it names the transactions that were there all the time
    :raises OperationalError: PostgreSQL fails in another way
    """
    staying: set[str] | None = None
    for left in reversed(range(TRIES)):
        try:
            work()
        except OperationalError as error:
            leave_block(using=using)
            if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
                raise
            others = _others(using=using)
            staying = others if staying is None else staying & others
            if not left:
                raise TableBusyError(_busy(staying=staying)) from error
            time.sleep(PAUSE_S)
        except BaseException:
            leave_block(using=using)
            raise
        else:
            return


def leave_block(*, using: str) -> None:
    """Leave the transaction of a migration that failed in its last statements: Django keeps it open then."""
    connection = connections[using]
    if connection.in_atomic_block:
        connection.in_atomic_block = connection.needs_rollback = False
        connection.savepoint_ids.clear()
        connection.atomic_blocks.clear()
        with contextlib.suppress(DatabaseError):  # where PostgreSQL is gone, what was wrong is raised
            connection.rollback()
            connection.set_autocommit(True)


def take_turn(*, cursor: CursorWrapper, number: int, tell: Callable[[str], object]) -> None:
    """Return once this session has an advisory lock; say who is waited for.

    It asks again and again and waits in no statement: whoever makes an index concurrently waits for all statements.
    """
    said = False
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        if cursor.fetchone()[0]:
            return
        if not said:
            tell("another provisioning is under way: this one begins after it")
            said = True
        time.sleep(PAUSE_S)


def run_at_once(*, using: str, statements: list[str]) -> None:
    """Run statements in one transaction of their own, which holds its locks for milliseconds."""

    def work() -> None:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{WAIT_MS}ms"])
            for statement in statements:
                cursor.execute(statement)

    persist(work, using=using)


def _others(*, using: str) -> set[str]:
    """Return the transactions of others that hold tables now."""
    with connections[using].cursor() as cursor:
        cursor.execute(_OTHERS)
        return {name for (name,) in cursor.fetchall()}


def _busy(*, staying: set[str]) -> str:
    who = f"held by {'; '.join(sorted(staying))}" if staying else "under too much load"
    return (
        f"a table was not free in {TRIES} tries: {who}. What was done stays: let it end (a copy by pg_dump, a"
        " session left open), then type this again"
    )


class AddIndexOnce(AddIndexConcurrently):
    """Make an index while its table is written: where it is missing, or its making broke off."""

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


class AddMissingIndex(AddIndexOnce):
    """Make an index that the state has already: an earlier migration has put it there."""

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Leave the state."""
