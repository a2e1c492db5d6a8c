"""The role that serves requests can use the database and cannot weaken it."""

import collections
import itertools
import threading
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connections, transaction

from audit import inspection
from config import checks
from config.embedded import services
from config.management.commands import provision
from documents import errors
from documents.models import Country, Event, EventStatus
from documents.operations import checks as checks_of_health
from documents.vault import probes
from tests.payouts import making, telling

REFUSED = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse)
LOG = ("audit_event", "audit_eventdetail")
provisions = pytest.mark.django_db(transaction=True, databases=["default", "denials", "owner"])


@pytest.fixture
def runtime(
    django_db_setup: None,
    stack: services.Stack,
) -> Iterator[psycopg.Connection]:
    """A plain connection as the runtime role: no Django between the statement and PostgreSQL."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def force(
    django_db_setup: None,
    stack: services.Stack,
) -> Iterator[psycopg.Connection]:
    """A connection as PostgreSQL's superuser, to set up what provision must notice."""
    with psycopg.connect(stack.superuser_url, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("table", LOG)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {table}",
        "TRUNCATE {table} CASCADE",
        "ALTER TABLE {table} DISABLE TRIGGER ALL",
        "ALTER TABLE {table} DISABLE TRIGGER USER",
        "DROP TABLE {table} CASCADE",
        "ALTER TABLE {table} ADD COLUMN more int",
        "CREATE TRIGGER mine BEFORE INSERT ON {table} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE mine AS ON INSERT TO {table} DO INSTEAD NOTHING",
        "ALTER TABLE {table} OWNER TO billing_app",
    ],
)
def test_the_log_cannot_be_changed_by_the_role_that_serves(
    runtime: psycopg.Connection, statement: str, table: str
) -> None:
    with pytest.raises(REFUSED):
        runtime.execute(statement.format(table=table))


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_event SET outcome = 'ok'", "UPDATE audit_eventdetail SET details = '{}'"]
)
def test_a_recorded_event_cannot_be_altered(runtime: psycopg.Connection, statement: str) -> None:
    with pytest.raises(REFUSED):
        runtime.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SET session_replication_role = replica",
        "SET ROLE billing_owner",
        "CREATE TABLE public.mine ()",
        "CREATE SCHEMA mine",
        "CREATE TEMP TABLE audit_event ()",
        "CREATE FUNCTION public.audit_refuse() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE ROLE mine",
        "ALTER ROLE billing_app SUPERUSER",
        "DELETE FROM django_migrations",
        "TRUNCATE documents_document CASCADE",
        "ALTER TABLE documents_document DISABLE TRIGGER ALL",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ],
)
def test_no_guard_can_be_stepped_around_by_the_role_that_serves(runtime: psycopg.Connection, statement: str) -> None:
    with pytest.raises(REFUSED):
        runtime.execute(statement)


def test_the_role_that_serves_can_work(runtime: psycopg.Connection) -> None:
    runtime.execute("INSERT INTO django_session (session_key, session_data, expire_date) VALUES ('one', '', now())")
    runtime.execute("UPDATE django_session SET session_data = 'two' WHERE session_key = 'one'")
    runtime.execute("DELETE FROM django_session WHERE session_key = 'one'")


@pytest.mark.parametrize("table", ["auth_group", "auth_permission", "auth_group_permissions"])
def test_the_role_that_serves_makes_no_role_and_no_right(runtime: psycopg.Connection, table: str) -> None:
    for statement in (f"INSERT INTO {table} DEFAULT VALUES", f"DELETE FROM {table}", f"UPDATE {table} SET id = 1"):
        with pytest.raises(REFUSED):
            runtime.execute(statement)


@pytest.mark.parametrize("table", ["auth_user_groups", "guardian_userobjectpermission"])
def test_the_role_that_serves_moves_nobodys_role_or_scope_to_another(runtime: psycopg.Connection, table: str) -> None:
    with pytest.raises(REFUSED):
        runtime.execute(f"UPDATE {table} SET user_id = 1")


@provisions
def test_provisioning_again_changes_nothing(runtime: psycopg.Connection) -> None:
    question = "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname"
    before = runtime.execute(question).fetchall(), runtime.execute("SELECT name FROM auth_group ORDER BY 1").fetchall()
    _provision()
    assert (
        runtime.execute(question).fetchall(),
        runtime.execute("SELECT name FROM auth_group ORDER BY 1").fetchall(),
    ) == before


@provisions
def test_a_former_runtime_role_is_retired_without_an_alarm_and_can_be_dropped(force: psycopg.Connection) -> None:
    force.execute("CREATE ROLE former LOGIN")
    try:
        with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
            provision._grant(cursor=cursor, role="former")
        _provision()
        call_command("provision", verbosity=0, retire="former")
        assert inspection.weaknesses() == {}
        force.execute("DROP ROLE former")
    finally:
        force.execute("DO $$ BEGIN IF to_regrole('former') IS NOT NULL THEN DROP OWNED BY former; END IF; END $$")
        force.execute("DROP ROLE IF EXISTS former")
        _provision()


@provisions
@pytest.mark.parametrize(
    ("role", "said"), [("billing_app", "DATABASE_URL"), ("billing_owner", "OWNER"), ("nobody", "no role nobody")]
)
def test_a_role_that_is_needed_is_not_retired(role: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("provision", verbosity=0, retire=role)


@provisions
def test_a_role_that_somebody_uses_is_not_retired(force: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    user = connections["default"].settings_dict["USER"]
    connections["default"].ensure_connection()
    force.execute("CREATE ROLE newer LOGIN")
    try:
        with monkeypatch.context() as patch:
            patch.setitem(provision.settings.DATABASES["default"], "USER", "newer")
            with pytest.raises(CommandError, match=r"billing_app has .* sessions"):
                call_command("provision", verbosity=0, retire=user)
    finally:
        force.execute("DROP ROLE newer")


@provisions
def test_a_database_without_its_grants_takes_in_nothing_and_says_so(force: psycopg.Connection) -> None:
    force.execute("REVOKE INSERT ON documents_event FROM billing_app")
    try:
        look = checks_of_health.look()["postgresql"]
        assert (look.ok, look.detail) == (False, checks_of_health.NOT_PROVISIONED)
    finally:
        _provision()
    assert checks_of_health.look()["postgresql"].ok


@provisions
def test_a_vault_that_refuses_is_said_with_what_it_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"cause": "system", "doing": "probe", "error": "AccessDenied: GetObjectLockConfiguration"}
    problem = errors.WormError(code="worm_write_denied", values=values)
    monkeypatch.setattr(probes, "prove", lambda **_: problem)
    monkeypatch.setattr(probes, "is_proven", lambda: False)
    _provision()
    said = capsys.readouterr().err
    assert "GetObjectLockConfiguration" in said
    assert "worm_write_denied" in said


@provisions
def test_a_country_whose_pack_came_later_is_added() -> None:
    Country.objects.using("owner").filter(code="PE").delete()
    _provision()
    assert Country.objects.using("owner").get(code="PE").name == "Perú"


def test_every_role_of_the_product_has_its_group(runtime: psycopg.Connection) -> None:
    groups = {name for (name,) in runtime.execute("SELECT name FROM auth_group").fetchall()}
    assert groups >= {"support", "finance", "compliance", "auditor", "admin", "driver", "partner"}


@provisions
@pytest.mark.parametrize("table", LOG)
def test_a_grant_made_by_hand_is_taken_away_again(force: psycopg.Connection, table: str) -> None:
    force.execute(f"GRANT UPDATE, DELETE, TRUNCATE ON {table} TO billing_app".encode())
    _provision()
    allowed = force.execute(
        "SELECT has_table_privilege('billing_app', %s, 'UPDATE, DELETE, TRUNCATE')", [table]
    ).fetchone()
    assert allowed == (False,)


@provisions
@pytest.mark.parametrize(
    ("damage", "mend", "said"),
    [
        ("ALTER ROLE billing_app CREATEROLE", "ALTER ROLE billing_app NOCREATEROLE", "more than LOGIN"),
        ("GRANT billing_owner TO billing_app", "REVOKE billing_owner FROM billing_app", "member of the owner"),
        (
            "GRANT SET ON PARAMETER session_replication_role TO billing_app",
            "REVOKE SET ON PARAMETER session_replication_role FROM billing_app",
            "switch triggers off",
        ),
        (
            "ALTER TABLE documents_series OWNER TO billing_app",
            "ALTER TABLE documents_series OWNER TO billing_owner",
            "documents_series",
        ),
        (
            "GRANT TRUNCATE ON documents_series TO PUBLIC",
            "REVOKE TRUNCATE ON documents_series FROM PUBLIC",
            "documents_series",
        ),
    ],
)
def test_a_runtime_role_with_too_much_power_stops_the_provisioning(
    force: psycopg.Connection, damage: str, mend: str, said: str
) -> None:
    force.execute(damage.encode())
    try:
        with pytest.raises(CommandError, match=said):
            _provision()
    finally:
        force.execute(mend.encode())


@provisions
def test_the_service_takes_in_every_event_while_it_is_provisioned_again_and_again() -> None:
    telling.issuers()
    over, answers = threading.Event(), collections.Counter[tuple[int, str]]()

    def send(sender: int) -> None:
        try:
            for number in itertools.count():
                if over.is_set():
                    return
                answer = telling.tell(making.order(f"ord_{sender}_{number}", driver=f"drv_{sender}"))
                answers[answer.status, str(answer.problem)] += 1
        finally:
            connections.close_all()

    with futures.ThreadPoolExecutor(3) as pool:
        senders = [pool.submit(send, number) for number in range(3)]
        try:
            for _ in range(6):
                _provision()
        finally:
            over.set()
        for one in senders:
            one.result()
    assert set(answers) == {(201, "None")}
    assert sum(answers.values()) > 20
    assert set(Event.objects.values_list("status", flat=True)) == {EventStatus.PROCESSED}


@provisions
def test_what_a_pack_of_this_version_may_know_is_tried_again() -> None:
    telling.issuers()
    telling.told([
        making.order("ord_1"),
        making.order("ord_2", lines=[making.line("1.00", tax="IVA99")]),
        making.payout("po_1", "9.00", orders=["ord_1"]),
    ])  # fmt: skip
    _provision()
    retried = Event.objects.filter(status=EventStatus.HELD, next_try_at__isnull=False)
    assert list(retried.values_list("code", flat=True)) == ["tax_code_unknown"]


@provisions
def test_nobody_sees_a_right_taken_away_before_it_is_given_again(
    runtime: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = provision._run, []

    def look_after(**given: Any) -> None:
        run(**given)
        seen.append(runtime.execute("SELECT count(*) FROM documents_document").fetchone())

    monkeypatch.setattr(provision, "_run", look_after)
    _provision()
    assert len(seen) > 10
    assert set(seen) == {(0,)}


@provisions
def test_an_older_postgresql_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "POSTGRESQL_MIN", 99)
    sentence = r"PostgreSQL 99 or newer is needed; this is \d+\.\d+"
    with pytest.raises(CommandError, match=sentence):
        _provision()
    with pytest.raises(SystemCheckError, match=sentence):
        call_command("check", databases=["default"])


@provisions
def test_one_role_for_both_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections["owner"].settings_dict, "USER", services.RUNTIME_ROLE)
    with pytest.raises(CommandError, match="DATABASE_OWNER_URL"):
        _provision()


@provisions
def test_a_missing_runtime_role_is_named_with_the_statement_that_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "USER", "billing_absent")
    with pytest.raises(CommandError, match="CREATE ROLE billing_absent"):
        _provision()


@provisions
def test_an_owner_who_may_creates_the_runtime_role(
    force: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, stack: services.Stack
) -> None:
    force.execute("ALTER ROLE billing_owner CREATEROLE")
    monkeypatch.setitem(connections["default"].settings_dict, "USER", "billing_new")
    monkeypatch.setitem(connections["default"].settings_dict, "PASSWORD", "word-of-the-new-role")
    try:
        _provision()
        with psycopg.connect(
            stack.postgres.url(user="billing_new", password="word-of-the-new-role", database="billing")
        ) as new:
            assert new.execute("SELECT count(*) FROM documents_document").fetchone() == (0,)
    finally:
        force.execute("DROP OWNED BY billing_new")
        force.execute("DROP ROLE billing_new")
        force.execute("ALTER ROLE billing_owner NOCREATEROLE")


def _provision() -> None:
    call_command("provision", verbosity=0)
