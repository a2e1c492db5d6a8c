"""The deferred guard: no state commits without its own event of the same transaction."""

import contextlib
from collections.abc import Callable

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from audit import log
from audit.actions import RETIRED, Action
from audit.models import Event
from tests import factories
from tests.audit.conftest import Toy

ISSUE = "INSERT INTO toy (status, public_id) VALUES ('ISSUED', 'doc_1')"
LOCK = "UPDATE toy SET status = 'LOCKED' WHERE public_id = 'doc_1'"


def recorded(action: Action, object_id: str = "doc_1") -> Callable[[], None]:
    def step() -> None:
        log.record(action=action, object_type="document", object_id=object_id, actor=log.SYSTEM)

    return step


def commit(*steps: Callable[[], None]) -> None:
    with transaction.atomic():
        for step in steps:
            step()


def states() -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT public_id, status FROM toy ORDER BY id")
        return [tuple(row) for row in cursor.fetchall()]


@pytest.fixture
def issued(toy: Toy) -> Toy:
    commit(recorded(Action.DOCUMENT_ISSUED), toy(ISSUE))
    return toy


def test_a_state_with_its_event_commits_in_either_order(toy: Toy) -> None:
    commit(toy(ISSUE), recorded(Action.DOCUMENT_ISSUED))
    commit(recorded(Action.DOCUMENT_LOCKED), toy(LOCK))
    assert states() == [("doc_1", "LOCKED")]


def test_a_new_row_without_its_event_does_not_commit(toy: Toy) -> None:
    with pytest.raises(IntegrityError, match="cannot become ISSUED without its event"):
        commit(toy(ISSUE))
    assert states() == []


def test_outside_a_transaction_no_state_changes_at_all(issued: Toy) -> None:
    with pytest.raises(IntegrityError, match="cannot become LOCKED"):
        issued(LOCK)()
    assert states() == [("doc_1", "ISSUED")]


@pytest.mark.parametrize(
    ("action", "object_id"),
    [(Action.DOCUMENT_VIEWED, "doc_1"), (Action.DOCUMENT_ISSUED, "doc_1"), (Action.DOCUMENT_LOCKED, "doc_2")],
    ids=["another action", "the action of another state", "another object"],
)
def test_only_its_own_event_lets_a_state_commit(issued: Toy, action: Action, object_id: str) -> None:
    with pytest.raises(IntegrityError):
        commit(recorded(action, object_id), issued(LOCK))
    assert states() == [("doc_1", "ISSUED")]
    assert Event.objects.filter(object_id__startswith="doc_").count() == 1


def test_an_event_of_an_earlier_transaction_does_not_count(issued: Toy) -> None:
    commit(recorded(Action.DOCUMENT_LOCKED))
    with pytest.raises(IntegrityError):
        commit(issued(LOCK))


def test_an_event_of_a_rolled_back_savepoint_does_not_count(issued: Toy) -> None:
    def lost() -> None:
        raise LookupError

    def with_lost_savepoint() -> None:
        with contextlib.suppress(LookupError):
            commit(recorded(Action.DOCUMENT_LOCKED), lost)

    with pytest.raises(IntegrityError):
        commit(with_lost_savepoint, issued(LOCK))


def test_event_and_state_in_different_savepoints_commit(issued: Toy) -> None:
    commit(lambda: commit(recorded(Action.DOCUMENT_LOCKED)), lambda: commit(issued(LOCK)))
    assert states() == [("doc_1", "LOCKED")]


def test_each_of_several_allowed_actions_will_do(issued: Toy) -> None:
    commit(recorded(Action.DOCUMENT_RELEASED), issued(LOCK))
    assert states() == [("doc_1", "LOCKED")]


def test_every_step_of_one_transaction_needs_its_event(toy: Toy) -> None:
    with pytest.raises(IntegrityError):
        commit(recorded(Action.DOCUMENT_LOCKED), toy(ISSUE), toy(LOCK))
    commit(recorded(Action.DOCUMENT_ISSUED), recorded(Action.DOCUMENT_LOCKED), toy(ISSUE), toy(LOCK))
    assert states() == [("doc_1", "LOCKED")]


def test_one_row_of_many_without_its_event_keeps_all_from_committing(toy: Toy) -> None:
    with pytest.raises(IntegrityError, match="doc_2"):
        commit(
            toy("INSERT INTO toy (status, public_id) SELECT 'ISSUED', 'doc_' || n FROM generate_series(1, 3) AS n"),
            recorded(Action.DOCUMENT_ISSUED, "doc_1"),
            recorded(Action.DOCUMENT_ISSUED, "doc_3"),
        )
    assert states() == []


@pytest.mark.parametrize("state", ["'BROKEN'", "'UNHEARD'", "NULL"])
def test_a_state_that_no_action_is_mapped_for_never_commits(issued: Toy, state: str) -> None:
    with pytest.raises(IntegrityError):
        commit(*map(recorded, sorted(set(Action) - RETIRED)), issued(f"UPDATE toy SET status = {state}"))


def test_an_object_cannot_take_the_name_of_another_silently(issued: Toy) -> None:
    with pytest.raises(IntegrityError):
        commit(issued("UPDATE toy SET public_id = 'doc_2'"))


def test_a_change_that_is_no_state_needs_no_event(issued: Toy) -> None:
    commit(issued("UPDATE toy SET status = status"))
    assert states() == [("doc_1", "ISSUED")]


def test_checking_at_once_is_no_way_around(issued: Toy) -> None:
    with pytest.raises(IntegrityError):
        commit(issued("SET CONSTRAINTS ALL IMMEDIATE"), issued(LOCK))


def test_a_temporary_table_cannot_stand_in_for_the_log(issued: Toy, superuser: psycopg.Connection) -> None:
    role, name = connection.settings_dict["USER"], connection.settings_dict["NAME"]
    superuser.execute(f'GRANT TEMPORARY ON DATABASE "{name}" TO {role}')
    temporary = issued("CREATE TEMP TABLE audit_event (object_id text, xid bigint, action text) ON COMMIT DROP")
    with pytest.raises(IntegrityError, match="cannot become LOCKED"):
        commit(
            temporary,
            issued("SET LOCAL search_path = pg_temp, public"),
            issued("INSERT INTO audit_event VALUES ('doc_1', pg_current_xact_id()::text::bigint, 'document.locked')"),
            issued(LOCK),
        )
    commit(temporary, recorded(Action.DOCUMENT_VIEWED))
    assert Event.objects.filter(action="document.viewed").count() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE toy DISABLE TRIGGER audit_guard_toy_moved",
        "DROP TRIGGER audit_guard_toy_moved ON toy",
        "CREATE OR REPLACE FUNCTION audit_guard_toy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "ALTER FUNCTION audit_guard_toy() RESET ALL",
        "SET session_replication_role = replica",
    ],
)
def test_the_runtime_role_cannot_switch_a_guard_off(issued: Toy, statement: str) -> None:
    with pytest.raises(DatabaseError, match=r"permission denied|must be owner"):
        issued(statement)()


@pytest.mark.usefixtures("committed_db")
def test_an_event_of_another_incarnation_does_not_count_though_its_transaction_has_the_same_number(
    superuser: psycopg.Connection,
) -> None:
    """As after a logical restore: the new cluster counts transactions from the start, beside the events of the old one."""
    document = factories.document()
    superuser.execute(
        "CREATE OR REPLACE FUNCTION audit_incarnation() RETURNS text LANGUAGE sql AS $$SELECT '1-00000001'$$"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        log.record(
            action=Action.DOCUMENT_VERIFIED, object_type="document", object_id=document.public_id, actor=log.SYSTEM
        )
        cursor.execute("UPDATE documents_document SET verified_at = now()")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        superuser.execute(
            "CREATE OR REPLACE FUNCTION audit_incarnation() RETURNS text LANGUAGE sql AS $$SELECT '2-00000001'$$"
        )
        with pytest.raises(IntegrityError, match="verified"), transaction.atomic():
            cursor.execute("UPDATE documents_document SET verified_at = now() + interval '1 s'")
    assert Event.objects.filter(incarnation="1-00000001").count() == 1


@pytest.mark.usefixtures("committed_db")
def test_documents_themselves_are_guarded() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'documents_document'::regclass"
            " AND tgname ~ '^audit_guard_documents_document_(born|moved)$' AND tgdeferrable AND tginitdeferred ORDER BY tgname"
        )
        assert [name for (name,) in cursor.fetchall()] == [
            "audit_guard_documents_document_born",
            "audit_guard_documents_document_moved",
        ]
