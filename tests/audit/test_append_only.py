"""The log in the database: nobody rewrites it, empties it, or chooses its ids and times."""

import datetime as dt

import psycopg
import pytest
from django.db import transaction
from django.db.models import QuerySet
from psycopg import errors

from audit import log
from audit.actions import Action
from audit.models import Event, EventDetail

CHANGES = [
    "UPDATE audit_event SET action = 'document.viewed'",
    "UPDATE audit_event SET details_digest = NULL WHERE false",
    "DELETE FROM audit_event",
    "DELETE FROM audit_event WHERE false",
    "TRUNCATE audit_event CASCADE",
    "UPDATE audit_eventdetail SET details = '{}'",
    "TRUNCATE audit_eventdetail",
    "MERGE INTO audit_event USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
    "INSERT INTO audit_eventdetail (event_id, salt, details) SELECT event_id, salt, '{}' FROM audit_eventdetail"
    " ON CONFLICT (event_id) DO UPDATE SET details = '{}'",
]


pytestmark = pytest.mark.usefixtures("committed_db")


def events() -> QuerySet[Event]:
    """Return the events of a test: every database begins with the one of the vault's first probe."""
    return Event.objects.exclude(action=Action.VAULT_PROBED)


@pytest.fixture
def event(committed_db: None, ana_acts: log.Actor) -> Event:
    with transaction.atomic():
        identity = log.record(
            action=Action.DOCUMENT_ISSUED, object_type="document", object_id="doc_1", actor=ana_acts, details={"n": 1}
        )
    return Event.objects.get(id=identity)


@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.parametrize("role", ["runtime", "owner", "superuser"])
def test_nobody_changes_or_empties_the_log(
    event: Event, role: str, statement: str, request: pytest.FixtureRequest
) -> None:
    session: psycopg.Connection = request.getfixturevalue(role)
    with pytest.raises(errors.InsufficientPrivilege):
        session.execute(statement)
    assert events().get() == event
    assert EventDetail.objects.get().details == {"n": 1, **log.Actor.details(actor_of(event))}


def actor_of(event: Event) -> log.Actor:
    return log.Actor(
        kind=event.actor_kind, id=event.actor_id, address="198.51.100.7", agent="Mozilla/5.0 (X11; Linux x86_64)"
    )


@pytest.mark.usefixtures("event")
def test_a_parent_table_is_no_way_around_the_triggers(owner: psycopg.Connection) -> None:
    owner.execute("CREATE TABLE above (action varchar(60))")
    owner.execute("ALTER TABLE audit_event INHERIT above")
    for statement in ("UPDATE above SET action = 'document.viewed'", "DELETE FROM above"):
        with pytest.raises(errors.InsufficientPrivilege, match="what is recorded stays"):
            owner.execute(statement)


@pytest.mark.usefixtures("event")
def test_a_superuser_in_replica_mode_meets_the_same_triggers(superuser: psycopg.Connection) -> None:
    superuser.execute("SET session_replication_role = replica")
    for statement in ("UPDATE audit_event SET action = 'document.viewed'", "DELETE FROM audit_event"):
        with pytest.raises(errors.InsufficientPrivilege, match="what is recorded stays"):
            superuser.execute(statement)


@pytest.mark.usefixtures("event")
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "ALTER TABLE audit_event DISABLE TRIGGER audit_event_stays",
        "DROP TRIGGER audit_event_stays ON audit_event",
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "DROP FUNCTION audit_append(jsonb, text)",
        "SET session_replication_role = replica",
        "ALTER TABLE audit_event RENAME TO forgotten",
        "DROP TABLE audit_event CASCADE",
        "CREATE RULE quiet AS ON INSERT TO audit_event DO INSTEAD NOTHING",
        "CREATE TRIGGER quiet BEFORE INSERT ON audit_event FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "DELETE FROM audit_eventdetail",
        "SELECT setval('audit_event_id_seq', 1)",
        "CREATE TEMP TABLE audit_event (id bigint)",
    ],
)
def test_the_runtime_role_cannot_switch_the_guards_off(runtime: psycopg.Connection, statement: str) -> None:
    with pytest.raises((errors.InsufficientPrivilege, errors.DuplicateFunction)):
        runtime.execute(statement)


COLUMNS = "action, object_type, object_id, actor_kind, actor_id, role, key, service, channel, outcome, code, request_id"
VALUES = "'document.issued', 'document', 'doc_2', 'user', 'usr_eve', '', '', '', '', 'ok', '', ''"


@pytest.mark.parametrize("column", ["id", "at", "xid", "details_digest", "code"])
def test_the_runtime_role_inserts_no_event_by_itself(runtime: psycopg.Connection, column: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        runtime.execute(
            f"INSERT INTO audit_event ({column}, {COLUMNS}) OVERRIDING SYSTEM VALUE VALUES (NULL, {VALUES})"
            if column != "code"
            else f"INSERT INTO audit_event ({COLUMNS}) VALUES ({VALUES})"
        )
    assert not events().exists()


def test_not_even_the_owner_chooses_an_id_by_accident(owner: psycopg.Connection) -> None:
    with pytest.raises(errors.GeneratedAlways):
        owner.execute(f"INSERT INTO audit_event (id, {COLUMNS}) VALUES (7, {VALUES})")


def test_an_event_bears_the_time_and_the_transaction_of_the_database(event: Event, runtime: psycopg.Connection) -> None:
    [(now, xid)] = runtime.execute("SELECT clock_timestamp(), pg_current_xact_id()::text::bigint").fetchall()
    assert dt.timedelta() < now - event.at < dt.timedelta(seconds=30)
    assert event.xid < xid


def test_two_events_of_one_transaction_have_their_own_times() -> None:
    with transaction.atomic():
        for _ in range(2):
            log.record(action=Action.DOCUMENT_VIEWED, object_type="document", object_id="doc_1", actor=log.SYSTEM)
    first, second = events().order_by("id")
    assert first.at < second.at
    assert first.xid == second.xid


@pytest.mark.parametrize(
    "change",
    [
        {"action": "'Issued'"},
        {"action": "'document.issued; drop'"},
        {"count": "0"},
        {"details_digest": r"'\x00'::bytea"},
    ],
)
def test_the_database_refuses_an_unsound_row(owner: psycopg.Connection, change: dict[str, str]) -> None:
    names = COLUMNS.split(", ")
    row = dict(zip(names, VALUES.split(", "), strict=True)) | change
    with pytest.raises(errors.CheckViolation):
        owner.execute(f"INSERT INTO audit_event ({', '.join(row)}) VALUES ({', '.join(row.values())})")


def test_no_detail_lies_in_wait_for_an_event_to_come(owner: psycopg.Connection) -> None:
    with pytest.raises(errors.ForeignKeyViolation):
        owner.execute(
            "INSERT INTO audit_eventdetail (event_id, salt, details) VALUES (1000, decode(repeat('00', 16), 'hex'), '{}')"
        )
