"""A toy table with a state, guarded as an app guards its own, and a way to do what only the owner may."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection

from audit import enforcement, guard, log, tables
from audit.actions import Action
from audit.guard import Guard, TableRights
from config.embedded import services

Toy = Callable[[str], Callable[[], None]]
STATES = Guard(
    born=True,
    columns=("status", "public_id"),
    states={
        "ISSUED": (Action.DOCUMENT_ISSUED,),
        "LOCKED": (Action.DOCUMENT_LOCKED, Action.DOCUMENT_RELEASED),
        "BROKEN": (),
    },
)


@pytest.fixture
def ana_acts() -> log.Actor:
    return log.Actor(
        kind="user",
        id="usr_ana",
        role="driver",
        channel="web",
        request_id="req_1",
        address="198.51.100.7",
        agent="Mozilla/5.0 (X11; Linux x86_64)",
    )


@pytest.fixture
def owner(committed_db: None, stack: services.Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.database_owner_url, autocommit=True) as owner:
        yield owner


@pytest.fixture
def runtime(committed_db: None, stack: services.Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.database_url, autocommit=True) as runtime:
        yield runtime


@pytest.fixture
def superuser(committed_db: None, stack: services.Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.superuser_url, autocommit=True) as superuser:
        yield superuser


@pytest.fixture
def toy(owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Callable[[], None]]:
    """A guarded table; what it gives turns a statement into a step in Django's connection."""
    owner.execute("CREATE TABLE toy (id bigint GENERATED ALWAYS AS IDENTITY, status text, public_id text)")
    owner.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON toy TO {services.RUNTIME_ROLE}")
    monkeypatch.setitem(tables.TABLES, "toy", TableRights(guards=(STATES,)))
    name = enforcement.name_of(table="toy", guard=STATES)
    body = enforcement.body_of(table="toy", word=STATES.word)
    owner.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard${body}$guard$")
    for statement in (*guard.path_sql(function=name), *enforcement.triggers_sql(table="toy", guard=STATES).values()):
        owner.execute(statement)

    def prepared(statement: str) -> Callable[[], None]:
        def step() -> None:
            with connection.cursor() as cursor:
                cursor.execute(statement)

        return step

    return prepared
