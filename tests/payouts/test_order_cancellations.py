"""An order that is canceled leaves nobody owed anything of it, whichever comes first; what was paid for it stays visible."""

import json
import random
from http import HTTPStatus
from typing import Any

import pytest
from django.db.models import F

from documents.models import Discrepancy, Document, Event, Kind
from payouts.reconciliation import run
from tests.payouts import arrival, making, telling
from tests.services import force

pytestmark = pytest.mark.django_db
OFS, CN, PS = "ORDER_FINAL_STATEMENT", "CREDIT_NOTE", "PAYOUT_STATEMENT"
STATEMENT, NOTE = f"{OFS}:order:ord_1:beneficiary", f"{CN}:order:ord_1:beneficiary:canceled"
BEFORE = "2026-02-17T09:00:00Z"  # the order is completed at ten


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _totals() -> dict[str, int]:
    return dict(Document.objects.values_list("document_key_id", "total_minor"))


def _owed() -> dict[str, int]:
    """Return {party: what its statements and their credit notes leave it}."""
    owed: dict[str, int] = {}
    for kind, party, total in Document.objects.values_list("kind", "owner__platform_id", "total_minor"):
        if kind in {Kind.ORDER_FINAL_STATEMENT, Kind.CREDIT_NOTE}:
            owed[party] = owed.get(party, 0) + (-total if kind == Kind.CREDIT_NOTE else total)
    return owed


def _open() -> dict[str, tuple[str, str]]:
    """Return {discrepancy: (whose, how much too much)}."""
    rows = Discrepancy.objects.filter(resolved_at=None)
    return {row.code: (row.facts["payee"], row.facts["difference"]) for row in rows}


def _statuses() -> dict[str, tuple[str, str]]:
    return {name: (status, code) for name, status, code in Event.objects.values_list("event_id", "status", "code")}


def _differences() -> dict[str, int]:
    return run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings


@pytest.mark.parametrize("canceled_first", [True, False])
def test_one_that_is_canceled_after_its_completion_is_issued_and_taken_back_whole(canceled_first: bool) -> None:
    events = [making.order("ord_1"), making.order_canceled("ord_1")]
    telling.told(events[::-1] if canceled_first else events)
    assert _totals() == {STATEMENT: 1000, NOTE: 1000}
    note = json.loads(telling.document(NOTE).content)
    assert note["cancellation"] == {
        "id": "ord_1",
        "canceled_date": "2026-02-20",
        "reason": {"code": "CUSTOMER_CANCELED", "text": "El cliente canceló el pedido"},
    }
    assert note["original"]["number"] == telling.document(STATEMENT).number
    assert (_open(), _differences()) == ({}, {})


def test_one_that_was_canceled_before_its_completion_is_ignored_and_takes_no_number() -> None:
    waits = [
        making.adjustment("adj_1", "ord_1", at=BEFORE),
        making.reassignment("ra_1", "ord_1"),
        making.adjustment("adj_2", "ord_1", at="2026-02-18T10:00:00Z"),
    ]
    telling.told([making.order_canceled("ord_1", at="2026-02-17T09:30:00Z"), *waits, making.order("ord_1")])
    answer = telling.tell(making.order("ord_1") | {"id": "evt_again"})
    assert (answer.status, answer.body["status"], answer.body["code"]) == (202, "ignored", "canceled_before")
    assert _statuses() == {
        "evt_ord_1": ("ignored", "canceled_before"),
        "evt_again": ("ignored", "canceled_before"),
        "evt_ord_1_canceled": ("processed", ""),
        "evt_adj_1": ("ignored", "canceled_before"),
        "evt_ra_1": ("ignored", "canceled_before"),
        "evt_adj_2": ("held", "party_unknown"),
    }
    assert (_totals(), _differences()) == ({}, {})


def test_a_cancellation_whose_order_never_comes_waits_for_ever() -> None:
    telling.told([making.order_canceled("ord_1")])
    row = Event.objects.get()
    assert (row.status, row.missing, row.next_try_at) == ("parked", ["order:ord_1"], None)


@pytest.mark.parametrize("payout_first", [True, False])
def test_a_payout_of_an_order_that_was_ignored_does_not_wait_for_it(payout_first: bool) -> None:
    """It pays what is left, or is held with the difference, which finance may issue."""
    gone = [making.order_canceled("ord_1", at=BEFORE), making.order("ord_1")]
    orders = ["ord_1", "ord_2"]
    paid = [
        making.payout("po_1", "17.00", orders=orders),
        making.payout("po_2", "7.00", orders=orders, at="2026-02-24T07:00:00Z"),
    ]
    telling.told([*(paid if payout_first else []), *gone, making.order("ord_2", "7.00")])
    telling.told([] if payout_first else paid)
    row = Event.objects.get(event_id="evt_po_1")
    assert (row.status, row.code) == ("held", "payout_does_not_close")
    assert {fault["code"]: fault["values"].get("who") for fault in row.errors[:2]} == {
        "difference": None,
        "diagnosis": ["ord_1"],
    }
    assert telling.document(f"{PS}:payout:po_2:payee").total_minor == 700


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_money_paid_for_it_is_a_discrepancy_until_the_payout_comes_back(order: tuple[int, ...]) -> None:
    events = [making.order("ord_1"), making.order_canceled("ord_1"), making.payout("po_1", "10.00", orders=["ord_1"])]
    telling.told([events[place] for place in order])
    assert _open() == {"paid_for_canceled": ("drv_1", "10.00")}
    assert _differences() == {"paid_for_canceled": 1}
    telling.told([making.reversal("po_1", "10.00")])
    assert (_open(), _differences()) == ({}, {})


def test_it_ends_when_a_later_payout_takes_the_credit_note_off() -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "10.00", orders=["ord_1"])])
    telling.told([making.order_canceled("ord_1"), making.order("ord_2", "30.00")])
    settles = [{"order": "ord_2", "amount": "30.00"}, {"credit": "ord_1", "amount": "-10.00"}]
    telling.told([making.payout("po_2", "20.00", settles=settles, at="2026-02-25T07:00:00Z")])
    assert (_open(), _differences()) == ({}, {})


def test_the_partner_is_taken_back_too_and_what_is_adjusted_since_stands() -> None:
    lines = [making.line("10.00"), making.line("8.00", name="2", kind="ITEM", party="partner")]
    ride = making.order("ord_1", lines=lines, partner={"id": "ptn_1", "legal_name": "Bar Sur"})
    both = [making.line("1.00", kind="TIP"), making.line("0.50", name="2", kind="ITEM", party="partner")]
    early = making.adjustment("adj_1", "ord_1", lines=both)
    fee = making.adjustment("adj_2", "ord_1", "2.50", at="2026-02-20T12:00:00Z")
    for events in ([early, making.order_canceled("ord_1"), fee], [fee, making.order_canceled("ord_1"), early]):
        telling.told([ride, *events])
    assert _totals() == {
        STATEMENT: 1000,
        f"{OFS}:order:ord_1:partner": 800,
        f"{STATEMENT}:adj_1": 100,
        f"{OFS}:order:ord_1:partner:adj_1": 50,
        f"{STATEMENT}:adj_2": 250,
        NOTE: 1000,
        f"{CN}:order:ord_1:partner:canceled": 800,
        f"{CN}:adjustment:adj_1:beneficiary:canceled": 100,
        f"{CN}:adjustment:adj_1:partner:canceled": 50,
    }
    assert (_owed(), _differences()) == ({"drv_1": 250, "ptn_1": 0}, {})


def test_a_repeat_is_answered_with_the_same_notes() -> None:
    event = making.order_canceled("ord_1")
    telling.tell(making.order("ord_1"))
    first, again = telling.tell(event), telling.tell(event | {"id": "evt_again"})
    assert (first.status, again.status, again.body["documents"]) == (201, 200, first.body["documents"])
    without_currency = {name: value for name, value in event["data"].items() if name != "currency"}
    assert telling.tell(event | {"id": "evt_bare", "data": without_currency}).status == HTTPStatus.OK
    assert (_totals(), _open()) == ({STATEMENT: 1000, NOTE: 1000}, {})


@pytest.mark.parametrize("canceled_first", [True, False])
def test_an_order_that_changed_hands_is_taken_back_from_who_has_it(canceled_first: bool) -> None:
    events = [making.reassignment("ra_1", "ord_1"), making.order_canceled("ord_1")]
    telling.told([making.order("ord_1"), *(events[::-1] if canceled_first else events)])
    own, theirs = (NOTE, f"{NOTE}-ra_1") if canceled_first else (f"{CN}:reassignment:ra_1:beneficiary", NOTE)
    assert _totals() == dict.fromkeys([STATEMENT, f"{OFS}:reassignment:ra_1:beneficiary", own, theirs], 1000)
    assert [telling.document(key).owner.platform_id for key in (own, theirs)] == ["drv_1", "drv_2"]
    assert "cancellation" in json.loads(telling.document(theirs).content)
    assert (_owed(), _differences()) == ({"drv_1": 0, "drv_2": 0}, {})


PAID_NEXT = {
    "7.00": making.payout("po_2", "10.00", settles=[{"order": "ord_1", "amount": "10.00"}], payee="drv_2"),
    "12.00": making.payout("po_2", "15.00", orders=["ord_1"], payee="drv_2"),
}


@pytest.mark.parametrize("over", PAID_NEXT)
@pytest.mark.parametrize("seed", arrival.shuffles(8))
def test_every_order_of_arrival_leaves_the_same_owed_and_the_same_open(seed: int, over: str) -> None:
    events: list[dict[str, Any]] = [
        making.order("ord_1"),
        making.adjustment("adj_1", "ord_1"),
        making.payout("po_1", "12.00", orders=["ord_1"], at="2026-02-18T12:00:00Z"),
        making.reassignment("ra_1", "ord_1"),
        PAID_NEXT[over],
        making.order_canceled("ord_1"),
        making.adjustment("adj_2", "ord_1", "3.00", at="2026-02-21T10:00:00Z"),
    ]
    if seed:
        random.Random(seed).shuffle(events)
    telling.told(events)
    assert {status for status, _ in _statuses().values()} == {"processed"}
    assert _owed() == {"drv_1": 0, "drv_2": 300}
    assert _open() == {"paid_to_former_owner": ("drv_1", "12.00"), "paid_for_canceled": ("drv_2", over)}
    assert _differences() == {"paid_to_former_owner": 1, "paid_for_canceled": 1}


@pytest.mark.parametrize("order", arrival.orders(range(3)))
def test_who_was_paid_and_lost_the_order_was_not_paid_for_a_canceled_one(order: tuple[int, ...]) -> None:
    events = [
        making.payout("po_1", "10.00", orders=["ord_1"], at="2026-02-18T12:00:00Z"),
        making.reassignment("ra_1", "ord_1"),
        making.order_canceled("ord_1"),
    ]
    telling.told([making.order("ord_1"), *(events[place] for place in order)])
    assert _open() == {"paid_to_former_owner": ("drv_1", "10.00")}
    assert Discrepancy.objects.get(resolved_at=None).facts["owner"] == "drv_2"
    assert _differences() == {"paid_to_former_owner": 1}


@pytest.mark.parametrize("order", arrival.orders(range(3)))
def test_what_was_paid_twice_and_canceled_is_one_discrepancy(order: tuple[int, ...]) -> None:
    events = [
        making.payout("po_1", "10.00", orders=["ord_1"], at="2026-02-18T12:00:00Z"),
        making.payout("po_2", "10.00", orders=["ord_1"], at="2026-02-19T12:00:00Z"),
        making.order_canceled("ord_1"),
    ]
    telling.told([making.order("ord_1"), *(events[place] for place in order)])
    assert _open() == {"paid_for_canceled": ("drv_1", "20.00")}
    assert _differences() == {"paid_for_canceled": 1}


def test_a_cancellation_whose_note_left_something_is_found() -> None:
    telling.told([making.order("ord_1"), making.order_canceled("ord_1")])
    with force.by_force():
        Document.objects.filter(document_key_id=NOTE).update(corrects=F("pk"))
    assert _differences() == {"canceled_fact_differs": 1}
