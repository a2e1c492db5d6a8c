"""The door of the platform's services: a Standard Webhooks signature over the raw body, five minutes both ways."""

import base64
import dataclasses
import datetime as dt
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
import standardwebhooks
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from drf_spectacular.generators import SchemaGenerator

from audit import log
from audit.models import Event as AuditEvent
from config.events import TABLE
from config.simulation import sender
from documents import transactions
from documents.events import answers, effects, intake, outcomes, store, waiting
from documents.models import Alert, Discrepancy, Event
from documents.webhooks import inbound, signing
from tests.payouts import making, telling
from tests.services import rivals

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
SECRET = "whsec_" + base64.b64encode(b"a secret of at least twenty-four").decode()


def post(body: bytes, **headers: str) -> Any:
    secret = (settings.WEBHOOK_SECRETS["orders"] or [SECRET])[0]
    signed = sender.headers(body=body, secret=secret) | headers
    return Client().post(
        sender.PATH,
        data=body,
        content_type="application/json",
        headers={name: value for name, value in signed.items() if value and name != "content-type"},
    )


@pytest.fixture
def event() -> bytes:
    telling.issuers()
    return json.dumps(making.order("ord_1")).encode()


def test_the_signature_is_the_standards_own() -> None:
    """The example of the Standard Webhooks specification, computed here by hand."""
    signed = b"msg_1.1700000000.{}"
    by_hand = hmac.new(base64.b64decode(SECRET.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert signing.sign(secret=SECRET, signed=signed) == base64.b64encode(by_hand).decode()


def test_a_sender_with_the_public_library_signs_what_this_door_expects() -> None:
    at = dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC)
    theirs = standardwebhooks.Webhook(SECRET).sign("msg_1", at, '{"id":"evt_1"}')
    signed = b'msg_1.%d.{"id":"evt_1"}' % at.timestamp()
    assert theirs == f"v1,{signing.sign(secret=SECRET, signed=signed)}"


def test_a_well_signed_event_is_taken_in(event: bytes) -> None:
    assert post(event).status_code == 201


def test_each_outcome_is_answered_as_the_openapi_document_says_of_its_status(event: bytes) -> None:
    document = dict(SchemaGenerator().get_schema(request=None, public=True))
    stated = document["paths"]["/api/v1/events/"]["post"]
    other = json.dumps({**making.order("ord_1"), "country": "XX"}).encode()  # the same id tells something else
    told = {
        "processed": (event, 201),
        "again": (event, 200),
        "divergent": (other, 200),
        "held": (json.dumps(making.order("ord_2", driver="drv_1", totals={"payable": "1.00"})).encode(), 202),
        "parked": (json.dumps(making.adjustment("adj_1", "ord_9")).encode(), 202),
        "ignored": (json.dumps({**making.order("ord_3"), "type": "ORDER_ADMIRED"}).encode(), 202),
    }
    for name, (body, status) in told.items():
        answer = post(body)
        assert answer.status_code == status, (name, answer.content)
        schema = stated["responses"][str(status)]["content"]["application/json"]["schema"]
        jsonschema_rs.validate({**schema, "components": document["components"]}, answer.json())
        assert answer.json()["status"] == (name if status == 202 else "processed")
    assert {parameter["name"] for parameter in stated["parameters"]} == set(inbound.HEADERS)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_without_any_one_of_the_three_headers_nobody_gets_in(event: bytes, name: str) -> None:
    assert post(event, **{name: ""}).status_code == 401
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "\uff11\uff17\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff10"},
        {"webhook-id": "x" * 129},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-signature": "v1,ÄÖÜ"},
        {"webhook-signature": " ".join(["v1,AAAA"] * 11)},
    ],
)
def test_garbage_in_a_header_is_refused_and_never_an_error(event: bytes, headers: dict[str, str]) -> None:
    answer = post(event, **headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "webhook_signature_invalid")
    [(name, text)] = headers.items()
    malformed = not text.startswith("v1,")
    assert (name in answer.json()["detail"], answer.json()["values"]["cause"]) == (
        True,
        "headers" if malformed else "mismatch",
    )


def test_while_a_secret_is_rotated_both_are_good_and_then_the_old_one_is_not(event: bytes, settings: Any) -> None:
    old = settings.WEBHOOK_SECRETS["orders"][0]
    signed = sender.headers(body=event, secret=old)
    settings.WEBHOOK_SECRETS = {**settings.WEBHOOK_SECRETS, "orders": [SECRET, old]}
    assert post(event, **signed).status_code == 201
    settings.WEBHOOK_SECRETS = {**settings.WEBHOOK_SECRETS, "orders": [SECRET]}
    assert post(event, **signed).status_code == 401


def test_of_several_signatures_one_good_one_is_enough(event: bytes) -> None:
    good = sender.headers(body=event, secret=settings.WEBHOOK_SECRETS["orders"][0])
    assert post(event, **(good | {"webhook-signature": f"v1,AAAA {good['webhook-signature']}"})).status_code == 201


@pytest.mark.parametrize(("shift_s", "status"), [(-295, 201), (295, 201), (-305, 401), (305, 401)])
def test_five_minutes_both_ways_and_no_more(
    event: bytes, shift_s: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    with monkeypatch.context() as shifted:
        shifted.setattr(sender.time, "time", lambda: now + shift_s)
        signed = sender.headers(body=event, secret=settings.WEBHOOK_SECRETS["orders"][0])
    assert post(event, **signed).status_code == status


def test_a_service_without_a_secret_lets_nobody_in(event: bytes, settings: Any) -> None:
    signed = sender.headers(body=event, secret="whsec_")
    settings.WEBHOOK_SECRETS = {service: [] for service in settings.WEBHOOK_SECRETS}
    assert post(event, **signed).status_code == 401


def test_only_post_is_for_events_and_reading_is_for_those_who_sign_in() -> None:
    statuses = {method: getattr(Client(), method)(sender.PATH).status_code for method in ("put", "delete", "patch")}
    assert statuses == dict.fromkeys(statuses, 405)
    assert {Client().get(sender.PATH).status_code, Client().head(sender.PATH).status_code} == {401}


def test_a_refusal_costs_the_database_no_event_row(event: bytes) -> None:
    with CaptureQueriesContext(connection) as seen:
        post(event, **{"webhook-signature": "v1,AAAA"})
    assert not [query for query in seen.captured_queries if "documents_event" in query["sql"]]


def test_a_refusal_is_on_record_with_who_and_why_and_without_the_signature(event: bytes) -> None:
    answer = post(event, **{"webhook-signature": "v1,c2VjcmV0LXNpZ25hdHVyZQ=="})
    denied = AuditEvent.objects.using("denials").filter(action="event.denied", request_id=answer["Request-Id"]).get()
    assert (denied.code, denied.outcome, denied.channel) == ("webhook_signature_invalid", "denied", "webhook")


def test_a_database_that_is_out_is_a_503_that_says_when_to_come_back(
    event: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out(**_: object) -> None:
        raise OperationalError("the connection is gone")

    monkeypatch.setattr(intake, "_take_in", out)
    answer = post(event)
    assert (answer.status_code, answer["Retry-After"], answer.json()["retryable"]) == (503, "5", True)


def test_an_audit_that_fails_takes_the_event_back_and_is_a_503(event: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: object) -> None:
        raise log.AuditUnavailable("the log is full")

    monkeypatch.setattr(intake.log, "record", fails)
    answer = post(event)
    assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
    monkeypatch.undo()
    assert not Event.objects.exists()
    assert post(event).status_code == 201


def test_a_rival_that_makes_the_database_give_up_costs_the_sender_nothing(
    event: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in, tries = intake._take_in, 0

    class DeadlockError(Exception):
        sqlstate = "40P01"

    def once(**given: Any) -> answers.Answer:
        nonlocal tries
        tries += 1
        if tries < transactions.DEADLOCK_TRIES_MAX:
            raise OperationalError("deadlock detected") from DeadlockError()
        return take_in(**given)

    monkeypatch.setattr(intake, "_take_in", once)
    assert (post(event).status_code, tries) == (201, transactions.DEADLOCK_TRIES_MAX)


def broken(**_: object) -> None:
    raise ZeroDivisionError


def not_permitted(**_: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE documents_series CASCADE")  # the runtime role has no such right


def with_effect(kind: str, effect: Callable[..., Any]) -> dict[str, effects.EventType]:
    """Return the table of events with another effect for one type."""
    return {**TABLE, kind: dataclasses.replace(TABLE[kind], effect=effect)}


# Where a defect of ours may strike: in the effect; after its savepoint; before it; in all that runs the event.
DEFECTS = {
    "effect": ("config.events.TABLE", with_effect("ORDER_COMPLETED", broken)),
    "right": ("config.events.TABLE", with_effect("ORDER_COMPLETED", not_permitted)),
    "outcome": ("documents.events.outcomes.processed", broken),
    "outcome, right": ("documents.events.outcomes.processed", not_permitted),
    "before": ("documents.events.effects.lock_rows", broken),
}


@pytest.fixture(params=DEFECTS)
def defect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A defect; `undo` mends it."""
    monkeypatch.setattr(*DEFECTS[request.param])
    return monkeypatch


def test_a_defect_of_ours_is_no_2xx_and_a_repeat_tells_what_is_true_by_then(
    event: bytes, defect: pytest.MonkeyPatch
) -> None:
    for repeats in range(3):
        answer = post(event)
        assert (answer.status_code, answer["Retry-After"], answer.json()["code"]) == (503, "5", "internal_error")
        assert (answer.json()["status"], answer.json()["retryable"]) == (503, True)
        stored = Event.objects.get()
        assert (bytes(stored.body or b""), stored.status, stored.code) == (event, "held", "internal_error")
        assert (stored.repeats, stored.attempts) == (repeats, repeats + 1)
    alert = Alert.objects.get()
    assert (alert.code, alert.severity, alert.object_id, alert.resolved_at) == (
        "internal_error", "P2", stored.public_id, None,
    )  # fmt: skip
    defect.undo()
    again = post(event)
    assert (again.status_code, again.json()["status"], len(again.json()["documents"])) == (200, "processed", 1)
    assert Alert.objects.get().resolved_at is not None


def test_what_a_defect_of_ours_has_stopped_is_run_again_by_itself_ever_more_seldom(
    event: bytes, defect: pytest.MonkeyPatch
) -> None:
    post(event)
    (pk,) = Event.objects.values_list("pk", flat=True)

    def next_try_at() -> dt.datetime:
        at = Event.objects.get().next_try_at
        assert at
        return at

    pauses = []
    for _ in range(12):
        at = next_try_at()
        assert waiting.due(now=at - dt.timedelta(milliseconds=1), limit=9) == []
        assert waiting.due(now=at, limit=9) == [pk]
        intake.resume(event_id=pk, now=at)
        pauses.append((next_try_at() - at).total_seconds())
    assert pauses == [4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300, 300]
    assert Alert.objects.count() == 1
    defect.undo()
    at = next_try_at()
    intake.resume(event_id=pk, now=at)
    done = Event.objects.get()
    assert (done.status, done.code, done.next_try_at, len(done.document_ids)) == ("processed", "", None, 1)
    assert waiting.due(now=at + dt.timedelta(days=1), limit=9) == []
    assert Alert.objects.get().resolved_at is not None


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [({"issuer": "nobody"}, "held", "issuer_unknown"), ({"orders": ["ord_never"]}, "parked", "")],
)
def test_what_gets_past_a_defect_waits_for_its_own_reason_and_the_defects_alert_ends(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], status: str, code: str
) -> None:
    telling.issuers()
    told = making.payout("po_1", "10.00", **changes) if "orders" in changes else making.order("ord_1") | changes
    with monkeypatch.context() as defect:
        defect.setattr("config.events.TABLE", with_effect(told["type"], broken))
        assert telling.tell(told).status == 503
    assert Alert.objects.get(resolved_at=None).code == "internal_error"
    assert telling.tell(told).status == 202
    stored = Event.objects.get()
    assert (stored.status, stored.code) == (status, code)
    assert [alert.code for alert in Alert.objects.filter(resolved_at=None)] == (["event_held"] if code else [])


def test_what_an_earlier_version_held_for_a_defect_is_run_too(event: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as defect:
        defect.setattr("config.events.TABLE", with_effect("ORDER_COMPLETED", broken))
        post(event)
    Event.objects.update(next_try_at=None, attempts=0)
    (due,) = waiting.due(now=telling.NOW, limit=9)
    intake.resume(event_id=due, now=telling.NOW)
    assert Event.objects.get().status == "processed"


def test_another_telling_of_a_fact_that_a_defect_stopped_does_not_hide_that_they_differ(
    event: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as defect:
        defect.setattr("config.events.TABLE", with_effect("ORDER_COMPLETED", broken))
        post(event)
    first, run = Event.objects.get(), effects._run_one

    def broken_for_the_first(**given: Any) -> Any:
        if given["event"].pk == first.pk:
            outcomes.failed(event=given["event"], now=given["now"], actor=given["actor"])
            return None
        return run(**given)

    with monkeypatch.context() as defect:
        defect.setattr(effects, "_run_one", broken_for_the_first)
        assert post(json.dumps(making.order("ord_1", "99.00") | {"id": "evt_other"}).encode()).status_code == 201
    first.refresh_from_db()
    assert (first.status, first.superseded_by_id) == ("held", None)
    intake.resume(event_id=first.pk, now=telling.NOW + dt.timedelta(hours=1))
    first.refresh_from_db()
    assert (first.status, len(first.document_ids)) == ("processed", 1)
    assert Discrepancy.objects.filter(code="divergent_repeat").count() == 1


def test_where_not_even_the_event_can_be_stored_the_sender_is_told_so(
    event: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("insert", "keep_apart"):
        monkeypatch.setattr(store, name, not_permitted)
    for body in (event, b"{}"):
        answer = post(body)
        assert (answer.status_code, answer["Retry-After"], answer.json()["code"]) == (503, "5", "internal_error")
        assert answer.json()["values"] == {"cause": "event_not_stored"}
    assert not Event.objects.exists()
    monkeypatch.undo()
    assert post(event).status_code == 201


@pytest.mark.usefixtures("event")
@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_what_came_at_last_while_its_wait_was_looked_at_leaves_no_alert_behind() -> None:
    telling.tell(making.payout("po_1", "10.00", orders=["ord_1"]))
    (parked,) = Event.objects.values_list("pk", flat=True)

    def comes_at_last() -> None:
        telling.tell(making.order("ord_1"))
        intake.resume(event_id=parked, now=telling.NOW)

    with rivals.overtaken(after='FROM "documents_event"', by=comes_at_last):
        waiting.overdue(now=telling.NOW + dt.timedelta(hours=73), limit_s=72 * 3600)
    assert Event.objects.get(pk=parked).status == "processed"
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.usefixtures("event")
def test_what_is_parked_for_too_long_is_told_once() -> None:
    early = making.payout("po_1", "10.00", orders=["ord_never"])
    telling.tell(early)
    late = telling.NOW + dt.timedelta(hours=73)
    assert waiting.overdue(now=late, limit_s=72 * 3600) == 1
    assert waiting.overdue(now=late, limit_s=72 * 3600) == 1
    assert Alert.objects.filter(code="event_parked_too_long").count() == 1
