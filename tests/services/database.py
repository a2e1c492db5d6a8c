"""The test database: provisioned once per session, and put back to that state after a test that really commits.

Append-only triggers refuse to be emptied, even by a superuser, and that is how it should be. So nothing is emptied:
the database is thrown away and copied again from the state after provisioning, which takes 50 ms.
"""

import psycopg
from django.db import connections
from psycopg import sql

from config import services

BASELINE = "baseline"


def remember(*, stack: services.Stack) -> None:
    """This function will keep a copy of the provisioned database."""
    connections.close_all()
    with psycopg.connect(stack.postgres.url(), autocommit=True) as server:
        _copy(server=server, of=services.DATABASE, to=BASELINE)


def restore(*, stack: services.Stack) -> None:
    """This function will replace the database with its provisioned state; sessions that are still open are ended."""
    connections.close_all()
    with psycopg.connect(stack.postgres.url(), autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(services.DATABASE)))
        _copy(server=server, of=BASELINE, to=services.DATABASE)
        # A copy has the tables' grants; those of the database itself are made again, as `provision` makes them.
        for statement in ("REVOKE ALL ON DATABASE {} FROM PUBLIC", "GRANT CONNECT ON DATABASE {} TO {}"):
            server.execute(
                sql.SQL(statement).format(sql.Identifier(services.DATABASE), sql.Identifier(services.RUNTIME_ROLE))
            )


def _copy(*, server: psycopg.Connection[tuple[object, ...]], of: str, to: str) -> None:
    server.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy").format(
            sql.Identifier(to), sql.Identifier(services.OWNER_ROLE), sql.Identifier(of)
        )
    )
