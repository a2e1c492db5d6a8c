"""A payment that is canceled ends in one state whatever comes first: no receipt at all, or one that is credited whole."""

import concurrent.futures
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections
from django.db.models import F

from documents.events import waiting
from documents.models import Alert, Discrepancy, Document, Event, EventStatus
from documents.rendering import render
from payouts.reconciliation import run
from payouts.review import worklist
from tests.documents import pdf_reading
from tests.payouts import arrival, making, telling
from tests.services import force

BEFORE, CAPTURED, AFTER = "2026-02-17T08:59:59Z", "2026-02-17T09:00:00Z", "2026-02-18T10:00:00Z"
RECEIPT, NOTE = "PAYMENT_RECEIPT:payment:pay_1:customer", "CREDIT_NOTE:payment:pay_1:customer:canceled"
MUCH_LATER = telling.NOW + dt.timedelta(days=400)
LINES = [
    making.line("10.00", tax="IVA10"),
    making.line("-1.00", name="2", kind="PROMOTION", tax="IVA10"),
    making.line("5.55", name="3", kind="ITEM", tax="IVA21"),
    making.line("2.00", name="4", kind="TIP"),
]  # 9.90 + 6.72 + 2.00
PAYMENT = making.payment("pay_1", "18.62", LINES)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def issuers() -> None:
    telling.issuers()


def _keys() -> set[str]:
    return set(Document.objects.values_list("document_key_id", flat=True))


def _states() -> dict[str, tuple[str, str]]:
    return {row.event_id: (row.status, row.code) for row in Event.objects.defer("body")}


def _found() -> dict[str, int]:
    """Return what reconciliation finds: {code: how many}."""
    return run.run(walk=run.key_ranges(), now=MUCH_LATER, actor=telling.ACTOR).findings


def _other(event: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Return the same fact under another event id, with other members of its data."""
    other = json.loads(json.dumps(event)) | {"id": f"{event['id']}_other"}
    other["data"] |= changed
    return dict(other)


@pytest.mark.parametrize("events", [(0, 1), (1, 0)])
@pytest.mark.parametrize("at", [CAPTURED, AFTER])
def test_a_payment_canceled_after_it_was_captured_is_credited_whole(events: tuple[int, ...], at: str) -> None:
    both = [PAYMENT, making.cancellation("pay_1", at=at)]
    telling.told([both[place] for place in events])
    assert set(_states().values()) == {("processed", "")}
    receipt, note = telling.document(RECEIPT), telling.document(NOTE)
    assert (note.corrects, note.total_minor, _keys()) == (receipt, 1862, {RECEIPT, NOTE})
    content = json.loads(note.content)
    assert content["cancellation"]["reason"] == {"code": "CUSTOMER_LEFT", "text": "El cliente lo canceló"}
    given_back = {row["code"]: (row["base"], row["tax"]) for row in content["tax_groups"]}
    assert given_back == {"IVA10": ("9.00", "0.90"), "IVA21": ("5.55", "1.17")}


def test_one_canceled_before_it_was_captured_is_ignored_under_every_event_id_and_shape() -> None:
    parked = telling.tell(making.cancellation("pay_1", at=BEFORE))
    assert (parked.status, parked.body["status"], parked.body["missing"]) == (202, "parked", ["payment:pay_1"])
    ignored = telling.tell(PAYMENT)
    assert (ignored.status, ignored.body["status"], ignored.body["code"]) == (202, "ignored", "canceled_before")
    telling.catch_up()
    # A divergent one that could not be issued at all, and one that says it was captured before the cancellation.
    late = {"id": "pay_1", "method": "card", "captured_at": "2026-02-17T08:00:00Z", "amount": "99.00"}
    for other in (_other(PAYMENT), _other(PAYMENT, payment=late) | {"id": "evt_late"}, PAYMENT):
        assert telling.tell(other).body["code"] == "canceled_before"
    again = telling.tell(_other(making.cancellation("pay_1", at=BEFORE)))
    assert (again.body["status"], again.body["documents"]) == ("processed", [])
    assert {state for name, state in _states().items() if "canceled" not in name} == {("ignored", "canceled_before")}
    assert (_states()["evt_pay_1_canceled"], _keys()) == (("processed", ""), set())
    assert _found() == {}


def test_one_held_when_its_cancellation_comes_is_ignored_then() -> None:
    held = _other(PAYMENT, totals={"net": "1.00", "tax": "0.00", "gross": "1.00"})
    assert telling.told([held, making.cancellation("pay_1", at=BEFORE)]) == ["held", "parked"]
    assert _states() == {held["id"]: ("ignored", "canceled_before"), "evt_pay_1_canceled": ("processed", "")}
    assert not Alert.objects.filter(code="event_held", resolved_at=None).exists()


def test_one_issued_already_stands_and_is_credited_though_it_was_canceled_before() -> None:
    assert telling.told([PAYMENT, making.cancellation("pay_1", at=BEFORE), _other(PAYMENT)]) == ["processed"] * 3
    assert _keys() == {RECEIPT, NOTE}


def test_a_cancellation_waits_for_ever_without_a_timer_an_alert_or_a_place_on_the_list() -> None:
    told = telling.tell(making.cancellation("pay_1", at=AFTER))
    assert told.body["status"] == "parked"
    assert waiting.due(now=MUCH_LATER, limit=10) == []
    assert waiting.overdue(now=MUCH_LATER, limit_s=settings.PARKED_LIMIT_S) == 0
    assert worklist.counts(countries=None, now=MUCH_LATER)["parked"] == 0
    telling.tell(PAYMENT, now=MUCH_LATER)  # woken, and not run yet
    assert waiting.overdue(now=MUCH_LATER, limit_s=settings.PARKED_LIMIT_S) == 0
    assert len(waiting.due(now=MUCH_LATER, limit=10)) == 1
    assert not Alert.objects.filter(code="event_parked_too_long").exists()
    telling.catch_up()


def test_of_two_cancellations_the_first_to_come_counts_and_another_issuers_does_not() -> None:
    strange = making.cancellation("pay_1", at=BEFORE) | {"country": "MX", "issuer": "aventide-mx", "id": "evt_strange"}
    after = making.cancellation("pay_1", at=AFTER)
    telling.told([strange, after, _other(making.cancellation("pay_1", at=BEFORE)), PAYMENT])
    assert _keys() == {RECEIPT, NOTE}
    assert _states()["evt_strange"] == ("held", "country_unsupported")
    assert json.loads(telling.document(NOTE).content)["cancellation"]["canceled_date"] == "2026-02-18"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_payment_first", [True, False], ids=["payment first", "cancellation first"])
@pytest.mark.parametrize("place", ["INSERT INTO documents_event", "pg_advisory_xact_lock"], ids=["stored", "locked"])
def test_payment_and_cancellation_at_the_same_moment_see_each_other(place: str, *, is_payment_first: bool) -> None:
    events = [PAYMENT, making.cancellation("pay_1", at=BEFORE)]
    first, second = events if is_payment_first else reversed(events)
    rivals = [second]
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as other:
        coming: list[concurrent.futures.Future[object]] = []

        def overtake(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            result = execute(sql, *rest)
            if place in sql and rivals:
                coming.append(other.submit(_tell_apart, rivals.pop()))
                if place.startswith("INSERT"):  # nothing that the other needs is locked yet: it commits first
                    coming[0].result(timeout=20)
            return result

        with connection.execute_wrapper(overtake):
            telling.tell(first)
        coming[0].result(timeout=20)
    telling.catch_up()
    ignored = is_payment_first == place.startswith("INSERT")
    assert _keys() == (set() if ignored else {RECEIPT, NOTE})
    assert _states() == {
        "evt_pay_1": ("ignored", "canceled_before") if ignored else ("processed", ""),
        "evt_pay_1_canceled": ("processed", ""),
    }


def _tell_apart(event: dict[str, Any]) -> None:
    """Tell an event on a connection of its own."""
    try:
        telling.tell(event)
    finally:
        connections.close_all()


REFUND = making.refund("rf_1", "pay_1", [making.line("5.55", kind="REFUND_ITEM", tax="IVA21")])
WHOLE = making.refund("rf_1", "pay_1", LINES)


@pytest.mark.parametrize("refund", [REFUND, WHOLE], ids=["part", "whole"])
@pytest.mark.parametrize("order", arrival.orders(range(3)))
def test_refund_and_cancellation_give_back_the_same_sum_in_any_order(
    refund: dict[str, Any], order: tuple[int, ...]
) -> None:
    events = [PAYMENT, refund, making.cancellation("pay_1", at="2026-02-20T10:00:00Z")]
    telling.told([events[place] for place in order])
    notes = Document.objects.filter(kind="CREDIT_NOTE")
    assert sum(note.total_minor for note in notes) == 1862
    assert not notes.filter(total_minor=0).exists()
    assert _states()["evt_pay_1_canceled"] == ("processed", "")
    event = Event.objects.get(event_id="evt_rf_1")
    if event.status == EventStatus.HELD:
        assert event.code == "credit_exceeds_remaining"
        diagnosis = event.errors[-1]["values"]
        assert diagnosis["cause"].endswith("_canceled")
        assert diagnosis["documents"] == [telling.document(NOTE).number]
    else:
        assert event.status == EventStatus.PROCESSED
    assert _found() == {}


@pytest.mark.parametrize("order", [(2, 0, 1), (2, 1, 0), (1, 2, 0)])
def test_a_refund_of_a_payment_that_was_never_captured_is_held_and_says_so(order: tuple[int, ...]) -> None:
    events = [PAYMENT, REFUND, making.cancellation("pay_1", at=BEFORE)]
    telling.told([events[place] for place in order])
    assert _states()["evt_rf_1"] == ("held", "credit_exceeds_remaining")
    assert Event.objects.get(event_id="evt_rf_1").errors[0]["values"] == {
        "cause": "payment_canceled",
        "payment": "pay_1",
    }
    assert _keys() == set()


def test_a_cancellation_that_should_have_credited_and_did_not_is_found() -> None:
    telling.told([PAYMENT, making.cancellation("pay_1", at=AFTER)])
    with force.by_force():
        Event.objects.filter(event_id="evt_pay_1_canceled").update(document_ids=[])
        Document.objects.filter(document_key_id=NOTE).update(corrects=F("pk"))
    assert _found() == {"event_without_document": 1}


@pytest.mark.parametrize(
    ("at", "cause", "change"),
    [
        (AFTER, "ignored_and_issued", {"evt_pay_1": {"status": "ignored", "code": "canceled_before"}}),
        (BEFORE, "ignored_alone", {"evt_pay_1_canceled": {"status": "held", "code": "issuer_unknown"}}),
        (BEFORE, "asleep", {"evt_pay_1_canceled": {"status": "parked", "missing": ["payment:pay_1"]}}),
    ],
)
def test_a_fact_that_is_not_what_its_cancellation_says_is_found(
    at: str, cause: str, change: dict[str, dict[str, Any]]
) -> None:
    telling.told([making.cancellation("pay_1", at=at), PAYMENT])
    assert _found() == {}
    with force.by_force():
        for name, columns in change.items():
            Event.objects.filter(event_id=name).update(**columns)
    assert _found() == {"canceled_fact_differs": 1}
    assert Discrepancy.objects.get(resolved_at=None).facts["cause"] == cause


def test_a_cancellation_whose_note_left_something_is_found() -> None:
    telling.told([PAYMENT, REFUND, making.cancellation("pay_1", at=AFTER)])
    with force.by_force():
        Document.objects.filter(subject="refund:rf_1").update(corrects=F("pk"))
    assert _found() == {"canceled_fact_differs": 1}
    assert Discrepancy.objects.get(resolved_at=None).facts["cause"] == "not_whole"


def test_the_note_prints_what_was_canceled_when_and_why() -> None:
    telling.told([PAYMENT, making.cancellation("pay_1", at=AFTER)])
    note = telling.document(NOTE)
    text = pdf_reading.squashed(
        pdf_reading.text(render.render(content=json.loads(note.content), issued_at=note.issued_at).pdf)
    )
    for printed in ("El cliente lo canceló", "18/02/2026", "pay_1", telling.document(RECEIPT).number):
        assert pdf_reading.squashed(printed) in text
