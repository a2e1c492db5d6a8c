"""A commit that no standby has is no success, whatever PostgreSQL answers."""

import shutil
from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import CommandError
from django.db import connections

from config import env
from config.embedded import ending, servers, services
from config.management.commands import provision
from config.replicated import base


@pytest.fixture
def primary() -> Iterator[servers.Postgres]:
    """A PostgreSQL that would have standbys."""
    folder, lock = services.throwaway_folder()
    server = servers.Postgres(folder=folder, fsync=True)
    try:
        server.create()
        server.start()
        with psycopg.connect(server.url(), autocommit=True) as owner:
            owner.execute("CREATE TABLE facts (fact text)")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
        lock.close()


pytestmark = pytest.mark.django_db
ALIAS = "replicated"


def wrapper(server: servers.Postgres, monkeypatch: pytest.MonkeyPatch) -> base.DatabaseWrapper:
    """Return a connection as the service has it, whose commits may take half a second."""
    monkeypatch.setenv("DATABASE_URL", server.url())
    monkeypatch.setattr(base, "COMMIT_S", 0.5)
    given = connections["default"].settings_dict | dict(env.database(name="DATABASE_URL"))
    made = base.DatabaseWrapper(given, alias=ALIAS)
    connections[ALIAS] = made
    return made


def told(connection: base.DatabaseWrapper, fact: str) -> None:
    connection.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO facts VALUES (%s)", [fact])
    connection.commit()


@pytest.mark.parametrize("standby", ["", "somebody"])
def test_a_commit_that_no_standby_has_is_an_outage(
    primary: servers.Postgres, standby: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = wrapper(primary, monkeypatch)
    with psycopg.connect(primary.url(), autocommit=True) as owner:
        owner.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
        owner.execute("SELECT pg_reload_conf()")
        if not standby:
            told(connection, "a fact")
        else:
            with pytest.raises(base.NotReplicatedError):
                told(connection, "a fact")
        assert owner.execute("SELECT fact FROM facts").fetchall() == [("a fact",)]  # it stands there all the same
        owner.execute("ALTER SYSTEM RESET synchronous_standby_names")
        owner.execute("SELECT pg_reload_conf()")
    told(connection, "the next one")  # the warning is of one commit and not of all that follow
    connection.close()
    del connections[ALIAS]


def test_a_command_without_the_standby_ends_in_a_sentence_and_provision_does_not_begin(
    primary: servers.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = wrapper(primary, monkeypatch)
    with connection.cursor() as cursor:
        provision._require_standby(cursor=cursor)
    with psycopg.connect(primary.url(), autocommit=True) as owner:
        owner.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        owner.execute("SELECT pg_reload_conf()")
        while owner.execute("SHOW synchronous_standby_names").fetchone() != ("*",):
            pass
    with connection.cursor() as cursor, pytest.raises(CommandError, match="failover"):
        provision._require_standby(cursor=cursor)
    with pytest.raises(SystemExit, match=r"alone.*failover"), ending.in_a_sentence():
        told(connection, "alone")
