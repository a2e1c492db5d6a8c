"""Changes tables under a service that goes on: none waits long for a lock, because all others queue behind it."""

import time
from collections.abc import Callable

import psycopg
from django.db import OperationalError, connections, transaction

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
