"""A payout that is called off: its notice, and nothing at all where it was canceled before it was sent."""

import json
from typing import Any

import pytest

from documents.events import intake, waiting
from documents.models import Discrepancy, Document, Event
from payouts.models import Payout, Settlement
from payouts.reconciliation import run
from tests.payouts import arrival, making, telling

pytestmark = pytest.mark.django_db
NOTICE = "PAYOUT_REVERSAL_NOTICE:payout:po_1:payee:canceled"


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _canceled(of: str = "po_1", *, at: str, **more: Any) -> dict[str, Any]:
    event = making.contact("x", at=at) | {"id": f"evt_{of}_canceled", "type": "PAYOUT_CANCELED"} | more
    reason = {"code": "OPERATOR", "text": "Se ordenó por error"}
    return event | {"data": {"payout": {"id": of}, "reason": reason, "canceled_at": at}}


def _state() -> dict[str, Any]:
    return {
        "documents": sorted(Document.objects.values_list("document_key_id", "total_minor", "payout_status")),
        "payouts": sorted(Payout.objects.values_list("payout_id", "state", "returned_at")),
        "settled": sorted(Settlement.objects.values_list("payout__payout_id", "amount_minor", "effective")),
        "open": sorted(Discrepancy.objects.filter(resolved_at=None).values_list("dedup_key", flat=True)),
        "events": sorted(Event.objects.values_list("event_id", "status", "code")),
    }


def _differences() -> dict[str, int]:
    return dict(run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings)


@pytest.mark.parametrize("order", arrival.orders(range(4)))
def test_what_a_canceled_payout_settled_is_owed_again_in_any_order(order: tuple[int, ...]) -> None:
    events = [
        making.order("ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"]),
        _canceled(at="2026-02-23T08:00:00Z"),
        making.payout("po_2", "10.00", orders=["ord_1"], at="2026-02-24T07:00:00Z", replaces="po_1"),
    ]
    telling.told([events[place] for place in order])
    notice = telling.document(NOTICE)
    content = json.loads(notice.content)
    assert (notice.total_minor, content["outcome"], content["statement"]["number"]) == (
        1000,
        "canceled",
        telling.document("PAYOUT_STATEMENT:payout:po_1:payee").number,
    )
    assert sorted(Payout.objects.values_list("payout_id", "state")) == [("po_1", "CANCELED"), ("po_2", "SENT")]
    statement = telling.document("ORDER_FINAL_STATEMENT:order:ord_1:beneficiary")
    assert (statement.payout_status, statement.settled_by and statement.settled_by.document_key_id) == (
        "SENT",
        "PAYOUT_STATEMENT:payout:po_2:payee",
    )
    assert not Event.objects.exclude(status="processed").exists()
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    assert _differences() == {}


@pytest.mark.parametrize("order", [order for order in arrival.orders(range(4)) if order.index(2) < order.index(1)])
def test_nothing_is_issued_of_a_payout_that_was_canceled_before_it_was_sent(order: tuple[int, ...]) -> None:
    events = [
        making.order("ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"]),
        _canceled(at="2026-02-23T06:59:59Z"),
        making.payout("po_2", "10.00", orders=["ord_1"], at="2026-02-24T07:00:00Z", replaces="po_1"),
    ]
    telling.told([events[place] for place in order])
    assert telling.tell(events[1]).body["code"] == "canceled_before"
    again = telling.tell(events[1] | {"id": "evt_po_1_again"})
    assert (again.status, again.body["status"], again.body["code"]) == (202, "ignored", "canceled_before")
    assert sorted(Payout.objects.values_list("payout_id", "state")) == [("po_2", "SENT")]
    assert Document.objects.count() == 2
    assert sorted(Event.objects.exclude(status="processed").values_list("event_id", "status")) == [
        ("evt_po_1", "ignored"),
        ("evt_po_1_again", "ignored"),
    ]
    assert _differences() == {}


def test_a_payout_that_waits_is_looked_at_as_soon_as_its_cancellation_comes() -> None:
    for order in ("ord_1", "ord_2"):  # two tellings: one waits for each
        event = making.payout("po_1", "10.00", orders=[order])
        assert telling.tell(event | {"id": f"evt_{order}"}).body["missing"] == [f"order:{order}", "party:drv_1"]
    assert waiting.due(now=telling.NOW, limit=9) == []
    telling.tell(_canceled(at="2026-02-23T06:59:59Z"))
    while due := waiting.due(now=telling.NOW, limit=9):  # at this very moment, not by their timers
        intake.resume(event_id=due[0], now=telling.NOW)
    assert _state()["events"] == [
        ("evt_ord_1", "ignored", "canceled_before"),
        ("evt_ord_2", "ignored", "canceled_before"),
        ("evt_po_1_canceled", "processed", ""),
    ]


def test_a_cancellation_before_the_sending_that_comes_after_the_statement_reverses_it() -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "10.00", orders=["ord_1"])])
    assert telling.told([_canceled(at="2026-02-23T06:59:59Z")]) == ["processed"]
    assert telling.document(NOTICE).total_minor == 1000
    assert telling.document("ORDER_FINAL_STATEMENT:order:ord_1:beneficiary").payout_status == "PENDING"
    assert telling.told([_canceled(at="2026-02-23T06:59:59Z", id="evt_repeat")]) == ["processed"]
    assert Document.objects.filter(kind="PAYOUT_REVERSAL_NOTICE").count() == 1
    assert _differences() == {}


def test_a_closed_period_is_canceled_too_and_another_issuers_cancellation_is_held() -> None:
    closed = making.period_closed("po_1", orders=["ord_1"], closing="10.00")
    telling.told([making.order("ord_1"), closed])
    other = _canceled(at="2026-02-23T08:00:00Z", id="evt_other", country="MX", issuer="aventide-mx")
    assert telling.told([other, _canceled(at="2026-02-23T08:00:00Z")]) == ["held", "processed"]
    assert Payout.objects.get().state == "CANCELED"
    assert telling.document("ORDER_FINAL_STATEMENT:order:ord_1:beneficiary").payout_status == "PENDING"
    assert _differences() == {}


@pytest.mark.parametrize("canceled_at", ["2026-02-23T08:00:00Z", "2026-02-24T10:00:00Z"])
@pytest.mark.parametrize("order", arrival.orders(range(3)))
def test_a_payout_that_came_back_and_was_canceled_ended_when_the_first_of_both_happened(
    order: tuple[int, ...], canceled_at: str
) -> None:
    events = [making.payout("po_1", "10.00", orders=["ord_1"]), making.reversal("po_1", "10.00")]
    events.append(_canceled(at=canceled_at))  # at the moment when it came back, too
    telling.told([making.order("ord_1"), *(events[place] for place in order)])
    assert Payout.objects.get().state == "CANCELED"
    assert Document.objects.filter(kind="PAYOUT_REVERSAL_NOTICE").count() == 2
    assert _differences() == {}
