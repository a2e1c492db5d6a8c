"""What only the owner of the tables can do, inside a test's own transaction: rows written without their events.

The product's role may write no such row, and neither may a test by accident. With `by_force` the connection acts as the
owner with the triggers off, until the block ends; in a transaction all of it is rolled back with the test.
"""

import contextlib
from collections.abc import Iterator

import psycopg
from django.db import connections

from config.embedded import services

_LEND = f"""
CREATE SCHEMA tests;
GRANT USAGE ON SCHEMA tests TO {services.RUNTIME_ROLE};
CREATE FUNCTION tests.lend(given boolean, triggers boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $lend$
BEGIN
    IF given THEN
        GRANT {services.OWNER_ROLE} TO {services.RUNTIME_ROLE};
        PERFORM set_config('session_replication_role', CASE WHEN triggers THEN 'origin' ELSE 'replica' END, false);
    ELSE
        PERFORM set_config('session_replication_role', 'origin', false);
        REVOKE {services.OWNER_ROLE} FROM {services.RUNTIME_ROLE};
    END IF;
END
$lend$;
"""


def prepare(*, stack: services.Stack) -> None:
    """Make what `by_force` needs, in a schema of its own beside the product's."""
    with psycopg.connect(stack.postgres.url(database=services.DATABASE), autocommit=True) as superuser:
        superuser.execute(_LEND)


_forced: set[str] = set()


@contextlib.contextmanager
def by_force(*, using: str = "default", triggers: bool = False) -> Iterator[None]:
    """Act as the owner, with no guard awake unless `triggers`; inside another `by_force` nothing changes.

    After an exception the rollback of the transaction ends it; where there is none, the connection is given up.
    """
    if using in _forced:
        yield
        return
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tests.lend(true, {triggers}); SET ROLE {services.OWNER_ROLE}")
    _forced.add(using)
    try:
        yield
    except BaseException:
        if not connection.in_atomic_block:
            connection.close()
            _take_back(using=using)
        raise
    else:
        _take_back(using=using)
    finally:
        _forced.discard(using)


def _take_back(*, using: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute("RESET ROLE; SELECT tests.lend(false, true)")
