"""Provisioning beside a service: broken off, twice at once, behind a table that is held, by whom it must not be."""

import contextlib
import gzip
import importlib
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections
from django.db.migrations.loader import MigrationLoader

from audit import patience, rollout
from config import env, migrating
from config.embedded import services
from tests.services import database
from tests.upgrades.record_baseline import FOLDER

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "denials", "owner"])
sealing_order = importlib.import_module("audit.migrations.0004_sealing_order")
INDEX = "audit_event_sealing"
WITHIN_S = 60  # two in turn take 15 s; two in each other's way, minutes


@pytest.fixture
def owner(committed_db: None, stack: services.Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.database_owner_url, autocommit=True) as connection:
        yield connection


@contextlib.contextmanager
def _open(stack: services.Stack, *, statement: str) -> Iterator[psycopg.Connection]:
    """Leave a transaction open that has read, as a copy by pg_dump does."""
    with psycopg.connect(stack.superuser_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(statement.encode())
        yield connection
        connection.rollback()


def test_two_provisionings_at_once_take_turns(stack: services.Stack, committed_db: None) -> None:
    database.load(stack=stack, dump=gzip.decompress((FOLDER / "database.sql.gz").read_bytes()))
    began = time.monotonic()
    variables = {**env.inherited(), **stack.environment(), "DJANGO_SETTINGS_MODULE": "config.settings"}
    both = [
        subprocess.Popen(
            [sys.executable, "manage.py", "provision", "--before"],
            cwd=env.BASE_DIR,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [each.communicate()[0] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert time.monotonic() - began < WITHIN_S
    assert sum("another provisioning is under way" in text for text in said) == 1


MANY = """
SET session_replication_role = replica;
INSERT INTO payouts_payout (payout_id, currency, amount_minor, opening_minor, closing_minor, sent_at, state, country_id,
                            event_id, issuer_id, payee_id)
SELECT 'many_' || number, currency, amount_minor, 0, 0, sent_at, state, country_id, 1000000 + number, issuer_id, payee_id
  FROM generate_series(1, 12000) AS number, (SELECT * FROM payouts_payout ORDER BY id LIMIT 1) AS one
"""


def test_many_payouts_get_their_places_in_several_transactions_none_of_which_holds_the_table_for_long(
    stack: services.Stack, committed_db: None
) -> None:
    database.load(stack=stack, dump=gzip.decompress((FOLDER / "database.sql.gz").read_bytes()))
    with psycopg.connect(stack.superuser_url, autocommit=True) as force:
        force.execute(MANY)
        call_command("provision", "--before", verbosity=0)
        written = force.execute(
            "SELECT count(DISTINCT xmin::text), bool_and(chained_at = sent_at AND chained_as = payout_id)"
            " FROM payouts_payout WHERE payout_id LIKE 'many%'"
        ).fetchone()
    assert written == (3, True)


def test_an_index_whose_making_broke_off_is_made_the_next_time(
    stack: services.Stack, owner: psycopg.Connection
) -> None:
    owner.execute(f"DROP INDEX {INDEX}".encode())
    state = MigrationLoader(None).project_state(("audit", "0003_sealed"), at_end=True)
    (operation,) = sealing_order.Migration.operations
    after = state.clone()
    operation.state_forwards("audit", after)

    def make() -> None:
        with connections["owner"].schema_editor(atomic=False) as editor:
            operation.database_forwards("audit", editor, state, after)

    with connections["owner"].cursor() as cursor:
        cursor.execute("SET statement_timeout = 300")
        with _open(stack, statement="SELECT count(*) FROM audit_event"), pytest.raises(OperationalError):
            make()
        cursor.execute("SET statement_timeout = 0")
    valid = f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{INDEX}'::regclass".encode()
    assert owner.execute(valid).fetchone() == (False,)
    make()
    assert owner.execute(valid).fetchone() == (True,)


def test_a_table_that_is_never_free_is_a_sentence_that_names_who_holds_it(
    stack: services.Stack, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "TRIES", 2)
    owner.execute("DROP TRIGGER audit_guard_documents_document_paid_moved ON documents_document")
    with _open(stack, statement="LOCK TABLE documents_document IN SHARE MODE") as holder:
        sentence = f"not free in 2 tries: held by process {holder.info.backend_pid} of postgres"
        with pytest.raises(CommandError, match=sentence):
            call_command("provision", verbosity=0)
    assert _stages(owner)[-1] == rollout.FAILED


def test_who_breaks_it_off_by_hand_leaves_word(owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_off(**_given: Any) -> None:
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT 1")
        raise KeyboardInterrupt

    monkeypatch.setattr(migrating, "run", broken_off)
    with pytest.raises(KeyboardInterrupt):
        call_command("provision", verbosity=0)
    assert _stages(owner)[-2:] == [rollout.BEGAN, rollout.FAILED]


@pytest.mark.parametrize("half", [["--before"], []])
def test_a_database_of_a_later_version_is_refused_before_anything_is_changed(
    owner: psycopg.Connection, half: list[str]
) -> None:
    owner.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('documents', '0999_later', now())")
    before = _stages(owner)
    with pytest.raises(CommandError, match=r"newer than this version, which does not know documents\.0999_later"):
        call_command("provision", *half, verbosity=0)
    assert _stages(owner) == before


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        ("GRANT CREATE, USAGE ON SCHEMA public TO stranger", "the tables belong to billing_owner, and stranger is"),
        (
            "ALTER TABLE django_migrations OWNER TO stranger; GRANT USAGE ON SCHEMA public TO stranger",
            "GRANT CREATE, USAGE ON SCHEMA public TO stranger",
        ),
    ],
)
def test_a_role_that_cannot_be_the_owner_is_refused_in_a_sentence(
    stack: services.Stack, committed_db: None, monkeypatch: pytest.MonkeyPatch, rights: str, said: str
) -> None:
    with psycopg.connect(stack.superuser_url, autocommit=True) as force:
        force.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'; GRANT CONNECT ON DATABASE billing TO stranger")
        force.execute(rights.encode())
        connections["owner"].close()
        try:
            with monkeypatch.context() as as_stranger:
                as_stranger.setitem(connections["owner"].settings_dict, "USER", "stranger")
                as_stranger.setitem(connections["owner"].settings_dict, "PASSWORD", "x")
                with pytest.raises(CommandError, match=said):
                    call_command("provision", verbosity=0)
        finally:
            connections["owner"].close()
            force.execute("REASSIGN OWNED BY stranger TO billing_owner; DROP OWNED BY stranger; DROP ROLE stranger")


@pytest.mark.parametrize(
    ("began_s", "seen_s", "is_former"), [(3600, 0, True), (0, 0, False), (3600, 300, False)], ids=str
)
def test_what_the_former_version_needs_stays_while_a_process_of_it_lives(
    owner: psycopg.Connection, began_s: int, seen_s: int, is_former: bool
) -> None:
    owner.execute("DELETE FROM django_migrations WHERE name = '0027_former_code'")
    owner.execute(
        "INSERT INTO documents_heartbeat (process, role, host, began_at, seen_at) VALUES ('web:one:1:a', 'web', 'one',"
        " now() - make_interval(secs => %s), now() - make_interval(secs => %s))",
        [began_s, seen_s],
    )
    call_command("provision", "--before", verbosity=0)
    refused = pytest.raises(CommandError, match=r"former version are alive \(web on one\)")
    with refused if is_former else contextlib.nullcontext():
        call_command("provision", verbosity=0)


def _stages(owner: psycopg.Connection) -> list[str]:
    return [stage for (stage,) in owner.execute("SELECT stage FROM audit_provisioning ORDER BY at").fetchall()]
