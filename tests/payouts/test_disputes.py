"""A dispute that was lost is a refund given by the bank: credited to the cent, once, and never beyond what remains."""

import json
from typing import Any

import pytest

from documents.models import Discrepancy, Document, Event
from documents.rendering import render
from payouts.reconciliation import run
from payouts.review import discrepancy_findings
from tests.documents import pdf_reading
from tests.payouts import arrival, making, telling

NOTE = "CREDIT_NOTE:dispute:dp_1:customer"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def issuers() -> None:
    telling.issuers()


def _payment(country: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a payment in a country and what of it is in an event of that country."""
    place = {
        "ES": {"country": "ES", "issuer": "aventide-es", "currency": "EUR"},
        "CL": {"country": "CL", "issuer": "aventide-cl", "currency": "CLP"},
        "MX": {"country": "MX", "issuer": "aventide-mx", "currency": "MXN"},
    }[country]
    lines = {
        "ES": [making.line("22.00", tax="IVA10"), making.line("-2.00", name="2", kind="PROMOTION", tax="IVA10")],
        "CL": [making.line("1000", kind="ITEM"), making.line("500", name="2", tax="IVA19")],
        "MX": [making.line("100.00", tax="IVA16"), making.line("7.77", name="2", kind="TIP")],
    }[country]
    return making.payment("pay_1", {"ES": "22.00", "CL": "1595", "MX": "123.77"}[country], lines), place


def _at(event: dict[str, Any], place: dict[str, str]) -> dict[str, Any]:
    event["data"]["currency"] = place["currency"]
    return event | {"country": place["country"], "issuer": place["issuer"]}


@pytest.mark.parametrize(
    ("country", "amount", "total_minor"),
    [("ES", "0.01", 1), ("ES", "22.00", 2200), ("CL", "777", 777), ("MX", "61.88", 6188), ("MX", "123.77", 12377)],
)
@pytest.mark.parametrize("is_first", [True, False], ids=["dispute first", "payment first"])
def test_a_dispute_is_credited_to_the_cent_in_every_country_and_order(
    country: str, amount: str, total_minor: int, *, is_first: bool
) -> None:
    payment, place = _payment(country)
    events = [_at(payment, place), _at(making.dispute("dp_1", "pay_1", amount), place)]
    telling.told(reversed(events) if is_first else events)
    note = telling.document(NOTE)
    receipt = telling.document("PAYMENT_RECEIPT:payment:pay_1:customer")
    assert (note.total_minor, note.corrects, note.owner) == (total_minor, receipt, receipt.owner)
    assert note.operation_date.isoformat() == "2026-02-21"
    assert json.loads(note.content)["dispute"] == {"id": "dp_1", "reason": "FRAUDULENT"}
    assert run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings == {}
    text = pdf_reading.squashed(
        pdf_reading.text(render.render(content=json.loads(note.content), issued_at=note.issued_at).pdf)
    )
    assert all(pdf_reading.squashed(word) in text for word in ("dp_1", "FRAUDULENT", receipt.number))


def test_a_dispute_told_again_credits_nothing_more_and_a_divergent_one_is_on_record() -> None:
    payment, _place = _payment("ES")
    event = making.dispute("dp_1", "pay_1", "22.00")
    telling.told([payment, event])
    for again, code in ((event, ""), (event | {"id": "evt_again"}, "")):
        answer = telling.tell(again)
        assert (answer.status, answer.body["replayed"], answer.body.get("code", "")) == (200, True, code)
    other = json.loads(json.dumps(event)) | {"id": "evt_other"}
    other["data"]["dispute"]["amount"] = "21.00"
    assert telling.tell(other).status == 200
    assert Document.objects.filter(kind="CREDIT_NOTE").count() == 1
    gap = Discrepancy.objects.get(resolved_at=None)
    assert (gap.code, discrepancy_findings.sides(gap=gap)) == ("divergent_repeat", ("22.00", "21.00"))


@pytest.mark.parametrize("order", arrival.orders(range(3)))
def test_refund_and_dispute_of_the_whole_give_it_back_once_and_the_second_is_held(order: tuple[int, ...]) -> None:
    payment, _place = _payment("ES")
    refund = making.refund("rf_1", "pay_1", [making.line("20.00", tax="IVA10")])
    events = [payment, making.dispute("dp_1", "pay_1", "22.00"), refund]
    telling.told([events[place] for place in order])
    assert Document.objects.filter(kind="CREDIT_NOTE").count() == 1
    held = Event.objects.get(status="held")
    number = Document.objects.get(kind="CREDIT_NOTE").number
    assert (held.code, held.errors[-1]["values"]["documents"]) == ("credit_exceeds_remaining", [number])


def test_a_dispute_lost_before_its_payment_was_taken_is_held_whichever_comes_first() -> None:
    payment, _place = _payment("ES")
    early = making.dispute("dp_1", "pay_1", "22.00", at="2026-02-17T08:59:59Z")
    telling.told([early, payment])
    assert Event.objects.get(event_id="evt_dp_1").code == "time_implausible"
    answer = telling.tell(early | {"id": "evt_right", "occurred_at": "2026-02-17T09:00:00Z"})
    assert (answer.body["status"], answer.status) == ("processed", 201)


@pytest.mark.parametrize("amount", ["0.00", "0", "-1.00"])
def test_a_dispute_of_nothing_is_refused(amount: str) -> None:
    answer = telling.tell(making.dispute("dp_1", "pay_1", amount))
    assert answer.status == 400
    assert not Event.objects.filter(event_id="evt_dp_1").exists()


def test_a_payout_may_settle_the_credit_of_a_dispute() -> None:
    payment, _place = _payment("ES")
    settles = [{"credit": "dp_1", "amount": "-5.00"}]
    payout = making.payout("po_1", "0.00", payee="cus_1", settles=settles, closing="-5.00")
    telling.told([payout, payment, making.dispute("dp_1", "pay_1", "5.00")])
    assert Event.objects.get(event_id="evt_po_1").status == "processed"
