"""Recording: in the caller's transaction, in the closed vocabulary, with nothing that must not lie there."""

import contextlib
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit import entries, guard, labels, leaf, log, models
from audit.actions import GRAMMAR, RETIRED, Action
from tests.audit.conftest import Toy

pytestmark = pytest.mark.django_db
TOKEN = "et33vzhOLhvRazvczc1KlpWjgLFKw11N3dfJC8tKlWk"  # the shape of a link's token, 32 random bytes


def record(**changes: Any) -> int:
    given: dict[str, Any] = {
        "action": Action.DOCUMENT_VIEWED,
        "object_type": "document",
        "object_id": "doc_1",
        "actor": log.SYSTEM,
    }
    return log.record(**(given | changes))


def test_every_word_of_the_vocabulary_follows_its_grammar() -> None:
    assert all(GRAMMAR.fullmatch(action) for action in Action)
    assert len(set(Action)) == len(Action.__members__)


@pytest.mark.parametrize("action", sorted(RETIRED))
def test_a_retired_word_is_still_read_and_nothing_records_it(action: Action) -> None:
    with pytest.raises(ValueError, match="retired"):
        record(action=action)
    assert labels.label(action.value) != action.value


def test_an_event_says_who_did_what_to_which_object(ana_acts: log.Actor) -> None:
    facts = {"number": "AES-OFS-2026-0000001"}
    identity = record(actor=ana_acts, outcome="failed", code="too_late", facts=facts, details={"n": 1})
    event = models.Event.objects.select_related("detail").get(id=identity)
    assert {name: getattr(event, name) for name in leaf.STATED} == {
        "action": "document.viewed",
        "object_type": "document",
        "object_id": "doc_1",
        "actor_kind": "user",
        "actor_id": "usr_ana",
        "role": "driver",
        "key": "",
        "service": "",
        "channel": "web",
        "outcome": "failed",
        "code": "too_late",
        "request_id": "req_1",
        "count": 1,
        "facts": {"number": "AES-OFS-2026-0000001"},
    }
    assert event.detail.details == {"n": 1, "address": "198.51.100.7", "agent": "Mozilla/5.0 (X11; Linux x86_64)"}
    assert len(bytes(event.detail.salt)) == 16


def test_what_is_personal_is_never_in_the_sealed_leaf(ana_acts: log.Actor) -> None:
    event = models.Event.objects.get(id=record(actor=ana_acts, details={"name": "Ana Gil Prieto"}))
    sealed = leaf.encode(event).decode()
    for personal in ("198.51.100.7", "Mozilla", "Ana Gil"):
        assert personal not in sealed


def test_the_same_details_never_have_the_same_digest_twice() -> None:
    first, second = (models.Event.objects.get(id=record(details={"name": "Ana"})) for _ in range(2))
    assert first.details_digest
    assert first.details_digest != second.details_digest


def test_an_event_without_details_has_no_digest_and_no_detail() -> None:
    event = models.Event.objects.get(id=record())
    assert event.details_digest is None
    assert not models.EventDetail.objects.exists()


def test_a_service_is_named_in_its_own_column() -> None:
    event = models.Event.objects.get(id=record(actor=log.Actor(kind="service", id="payments", channel="webhook")))
    assert event.service == "payments"


def test_one_event_costs_one_round_trip(ana_acts: log.Actor) -> None:
    with CaptureQueriesContext(connection) as queries:
        record(actor=ana_acts, details={"n": 1})
    assert len(queries) == 1


def test_several_events_cost_one_round_trip_and_keep_their_order_and_details(ana_acts: log.Actor) -> None:
    many = [
        log.Entry(
            action=Action.DOCUMENT_LISTED,
            object_type="document",
            object_id=f"doc_{number}",
            actor=ana_acts if number % 2 else log.SYSTEM,
            details={"n": number} if number % 3 else None,
        )
        for number in range(50)
    ]
    with CaptureQueriesContext(connection) as queries:
        ids = log.record_many(entries=many)
    assert len(queries) == 1
    events = models.Event.objects.select_related("detail").in_bulk(ids)
    assert [events[identity].object_id for identity in ids] == [entry.object_id for entry in many]
    for identity, entry in zip(ids, many, strict=True):
        expected = {**(entry.details or {}), **entry.actor.details()}
        detail = getattr(events[identity], "detail", None)
        assert (detail.details if detail else {}) == expected
        if detail:
            digest = leaf.digest(salt=bytes(detail.salt), body=leaf.canonical(detail.details))
            assert digest == events[identity].details_digest


def test_no_events_at_all_are_no_round_trip() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert log.record_many(entries=[]) == []
    assert len(queries) == 0


def test_too_many_events_at_once_are_refused() -> None:
    entry = log.Entry(action=Action.DOCUMENT_LISTED, object_type="document", object_id="doc_1", actor=log.SYSTEM)
    with pytest.raises(ValueError, match="more than 1000"):
        log.record_many(entries=[entry] * 1001)


@pytest.mark.parametrize("action", ["document.invented", "Document.Viewed", "viewed", "", None])
def test_a_word_outside_the_vocabulary_cannot_be_recorded(action: str | None) -> None:
    with pytest.raises(ValueError, match="is not a valid Action"):
        record(action=action)
    assert not models.Event.objects.exclude(action=Action.VAULT_PROBED).exists()


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_a_transaction_is_refused() -> None:
    with pytest.raises(transaction.TransactionManagementError, match="inside atomic"):
        record()
    assert not models.Event.objects.exclude(action=Action.VAULT_PROBED).exists()


@pytest.mark.django_db(transaction=True)
def test_an_event_goes_with_the_transaction_it_belongs_to() -> None:
    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        commit(record, fail)
    assert not models.Event.objects.exclude(action=Action.VAULT_PROBED).exists()


SECRETS = [
    TOKEN,
    "whsec_c2VjcmV0c2VjcmV0c2VjcmV0",
    "Bearer abcdefgh12345678",
    "basic dXNlcjpwYXNzd29yZA==",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "-----BEGIN RSA PRIVATE KEY-----",
    "AKIAIOSFODNN7EXAMPLE",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_never_comes_into_the_details(secret: str) -> None:
    for details in ({"note": f"he sent {secret} to us"}, {"list": [{"deep": secret}]}):
        with pytest.raises(log.LeakRefused) as refused:
            record(details=details)
        assert secret not in str(refused.value)


@pytest.mark.parametrize("name", ["password", "token", "link_token", "Authorization", "api_key", "client_secret"])
def test_a_name_of_a_secret_never_comes_into_the_details(name: str) -> None:
    with pytest.raises(log.LeakRefused):
        record(details={"outer": {name: "x"}})


@pytest.mark.parametrize(
    "details",
    [
        {"sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        {"token_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        {"version": "3HL4kqtJvjVBH40Nrjfkd3HL4kqtJvjV"},
        {"document_key": "ORDER_FINAL_STATEMENT:order:ord_9F2K:beneficiary:adj_1"},
        {"cause": "the basic plan cannot bear it"},
    ],
)
def test_what_is_no_secret_is_not_taken_for_one(details: dict[str, str]) -> None:
    assert models.EventDetail.objects.get(event_id=record(details=details)).details == details


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_in_an_address_or_agent_is_blotted_out(secret: str) -> None:
    actor = log.Actor(kind="anonymous", id="", address="198.51.100.7", agent=f"curl {secret} x")
    detail = models.EventDetail.objects.get(event_id=record(actor=actor))
    assert "redacted" in detail.details["agent"]
    assert secret.rpartition(" ")[2] not in str(detail.details)


def test_a_cut_agent_shows_no_half_of_a_token() -> None:
    actor = log.Actor(kind="anonymous", id="", agent="x" * 479 + " " + TOKEN)
    detail = models.EventDetail.objects.get(event_id=record(actor=actor))
    assert TOKEN[:8] not in detail.details["agent"]
    assert len(detail.details["agent"]) <= 500


@pytest.mark.parametrize(
    "changes",
    [
        {"object_id": "ana@example.com"},
        {"object_id": "Ana Gil"},
        {"object_id": "añadido"},
        {"object_id": TOKEN},
        {"object_id": "doc_1\x1fdoc_2"},
        {"code": "not allowed"},
        {"actor": log.Actor(kind="user", id="ana@example.com")},
        {"actor": log.Actor(kind="user", id="usr_1", key=SECRETS[1])},
    ],
)
def test_nothing_personal_and_no_secret_comes_into_a_sealed_column(changes: dict[str, Any]) -> None:
    with pytest.raises(log.LeakRefused):
        record(**changes)


@pytest.mark.parametrize("column", ["object_type", "object_id", "outcome", "code"])
def test_a_text_longer_than_its_column_is_refused_before_the_database(column: str) -> None:
    with pytest.raises(ValueError, match="longer than"):
        record(**{column: "x-" * 200})
    record(**{column: ("x." * 200)[: entries.LENGTH_MAX[column]]})


def test_the_columns_hold_what_the_code_lets_through() -> None:
    held = {field.name: field.max_length for field in models.Event._meta.get_fields() if hasattr(field, "max_length")}
    assert set(entries.LENGTH_MAX) == set(leaf.STATED) - {"count", "facts"} | leaf.FACTS
    assert {
        name: length for name, length in entries.LENGTH_MAX.items() if name not in leaf.FACTS
    }.items() <= held.items()


def test_facts_are_those_of_the_closed_list_and_never_a_name() -> None:
    with pytest.raises(ValueError, match="closed list"):
        record(facts={"legal_name": "Ana"})
    with pytest.raises(log.LeakRefused):
        record(facts={"owner": "Ana Gil"})


def test_every_leaf_has_sixteen_bytes_of_its_own_that_nobody_can_guess() -> None:
    drawn = [bytes(models.Event.objects.get(id=record()).blind) for _ in range(20)]
    assert {len(blind) for blind in drawn} == {16}
    assert len(set(drawn)) == 20


@pytest.mark.parametrize(
    "details",
    [
        {"amount": 1.5},
        {"large": 2**53},
        {"when": object()},
        {"nul": "\x00"},
        {"half": "\ud800"},
        {"na me": 1},
        {1: 1},
        {"address": "mine"},
        {"long": "x " * 9000},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}},
    ],
)
def test_details_that_would_not_come_back_as_they_were_are_refused(
    ana_acts: log.Actor, details: dict[Any, Any]
) -> None:
    with pytest.raises(ValueError, match=r"details"):
        record(actor=ana_acts, details=details)


@pytest.mark.parametrize("wrong", [{"kind": "robot"}, {"channel": "fax"}])
def test_an_actor_is_of_a_known_kind_and_came_by_a_known_channel(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no such"):
        log.Actor(**({"kind": "user", "id": "usr_1"} | wrong))


def revoked(owner: psycopg.Connection) -> None:
    owner.execute(f"REVOKE EXECUTE ON FUNCTION {guard.APPEND} FROM {connection.settings_dict['USER']}")


def dropped(owner: psycopg.Connection) -> None:
    owner.execute("DROP FUNCTION audit_append(jsonb, text)")


def full(owner: psycopg.Connection) -> None:
    owner.execute("ALTER TABLE audit_event ADD CONSTRAINT full_up CHECK (false) NOT VALID")


def disconnected(owner: psycopg.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    owner.execute("SELECT pg_terminate_backend(%s)", [pid])


def commit(*steps: Callable[[], object]) -> None:
    with transaction.atomic():
        for step in steps:
            step()


def rows(owner: psycopg.Connection) -> int:
    return len(owner.execute("SELECT 1 FROM toy").fetchall())


def issue() -> None:
    record(action=Action.DOCUMENT_ISSUED)


INSERT = "INSERT INTO toy (status, public_id) VALUES ('ISSUED', 'doc_1')"


@pytest.mark.parametrize("fault", [revoked, dropped, full])
def test_a_log_that_cannot_be_written_rolls_the_operation_back(
    toy: Toy, owner: psycopg.Connection, fault: Callable[[psycopg.Connection], None]
) -> None:
    fault(owner)
    with pytest.raises(log.AuditUnavailable):
        commit(toy(INSERT), issue)
    assert rows(owner) == 0


def test_a_connection_lost_between_change_and_event_leaves_neither(
    toy: Toy, owner: psycopg.Connection, superuser: psycopg.Connection
) -> None:
    with pytest.raises(log.AuditUnavailable):
        commit(toy(INSERT), lambda: disconnected(superuser), issue)
    assert rows(owner) == 0
    commit(toy(INSERT), issue)
    assert rows(owner) == 1


def test_a_log_that_hangs_is_given_up_and_rolls_the_operation_back(toy: Toy, owner: psycopg.Connection) -> None:
    with owner.transaction():
        owner.execute("LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(log.AuditUnavailable):
            commit(toy("SET LOCAL statement_timeout = '200ms'"), toy(INSERT), issue)
    assert rows(owner) == 0


def test_whoever_swallows_the_failure_still_commits_nothing(toy: Toy, owner: psycopg.Connection) -> None:
    def swallow() -> None:
        with contextlib.suppress(log.AuditUnavailable):
            issue()

    full(owner)
    commit(toy(INSERT), swallow)
    with pytest.raises(transaction.TransactionManagementError):
        commit(toy(INSERT), swallow, toy(INSERT))
    assert rows(owner) == 0


def test_no_query_of_the_log_carries_a_secret() -> None:
    actor = log.Actor(kind="link", id="lnk_1", channel="link", agent=f"x {TOKEN}")
    with CaptureQueriesContext(connection) as queries:
        record(actor=actor)
    assert not re.search(TOKEN, str(queries.captured_queries))
