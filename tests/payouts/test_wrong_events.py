"""Wrong events of every kind: held (or parked for ever) with the exact code and diagnosis, and nothing is numbered."""

import dataclasses
import datetime as dt
import threading
from typing import Any

import pytest
from django.db import connections, transaction

from audit.models import Event as LogEvent
from documents.countries import pack
from documents.events import intake, waiting
from documents.models import Alert, Discrepancy, Document, Event, Series
from payouts.models import Payout, Settlement
from tests.payouts import making, telling
from tests.payouts.making import EventJson

pytestmark = pytest.mark.django_db
FARE = [making.line("10.00", tax="IVA10"), making.line("-2.00", name="2", kind="PLATFORM_FEE", tax="IVA21")]
OWED = "8.58"  # 11.00 - 2.42
PAYMENT = [making.line("10.00", tax="IVA10")]
PARTNER = {"id": "ptn_1", "legal_name": "Bar Sur"}
SHARED = [making.line("10.00"), making.line("5.00", name="2", kind="ITEM", party="partner")]


@pytest.fixture(autouse=True)
def _truth() -> None:
    """What is true before anything wrong is told: three orders, a payment, a payout to one driver."""
    telling.issuers()
    telling.told(
        [
            making.order("ord_1", lines=FARE, cash_collected="3.00"),
            making.order("ord_2", "5.00"),
            making.order("ord_3", "7.00", driver="drv_2"),
            making.payment("pay_1", "11.00", PAYMENT),
            making.refund("rf_1", "pay_1", [making.line("4.00", tax="IVA10")]),
            making.order("ord_paid", "4.00", driver="drv_2"),
            making.payout("po_paid", "4.00", orders=["ord_paid"], payee="drv_2", at="2026-02-20T07:00:00Z"),
        ]
    )
    assert not Event.objects.exclude(status="processed").exists()


@dataclasses.dataclass(frozen=True)
class WrongEvent:
    """A wrong event, the code it is held with, where it is wrong, and values that its diagnosis names."""

    event: EventJson
    code: str
    pointer: str
    values: dict[str, Any]


def _other_money(event: EventJson) -> EventJson:
    event["data"]["currency"] = "MXN"
    return event


def _backwards(event: EventJson) -> EventJson:
    event["data"]["period"] = {"from": "2026-02-22", "to": "2026-02-21"}
    return event


def _mx(event: EventJson) -> EventJson:
    return _other_money(event) | {"country": "MX", "issuer": "aventide-mx"}


def _weekly(amount: str, *orders: str, **more: Any) -> EventJson:
    return making.payout("po_1", amount, orders=list(orders), **more)


WITHHELD = {"name": "IRPF", "rate": "0.15", "base": "5.00", "amount": "0.75", "legal_ref": "RIRPF art. 95"}
AMOUNT, LINES, CURRENCY = "/data/payout/amount", "/data/lines", "/data/currency"

OFF_BY_ONE = {
    "a captured amount": WrongEvent(
        making.payment("pay_2", "11.01", PAYMENT),
        "totals_mismatch",
        "/data/payment/amount",
        {"stated": "11.01", "expected": "11.00"},
    ),
    "a receipt's tax": WrongEvent(
        making.payment("pay_2", "11.00", PAYMENT, totals={"net": "10.00", "tax": "1.01", "gross": "11.00"}),
        "totals_mismatch",
        "/data/totals/tax",
        {"stated": "1.01", "expected": "1.00"},
    ),
    "what an order leaves": WrongEvent(
        making.order("ord_9", lines=FARE, totals={"payable": "8.57"}),
        "totals_mismatch",
        "/data/totals/payable",
        {"stated": "8.57", "expected": "8.58"},
    ),
    "what an order leaves the partner": WrongEvent(
        making.order("ord_9", lines=SHARED, partner=PARTNER, totals={"payable": "10.00", "partner_payable": "5.01"}),
        "totals_mismatch",
        "/data/totals/partner_payable",
        {"stated": "5.01", "expected": "5.00"},
    ),
    "what an adjustment adds": WrongEvent(
        making.adjustment("adj_9", "ord_1", totals={"payable": "2.01"}),
        "totals_mismatch",
        "/data/totals/payable",
        {"stated": "2.01", "expected": "2.00"},
    ),
    "a refund": WrongEvent(
        making.refund(
            "rf_2", "pay_1", [making.line("1.00", tax="IVA10")], totals={"net": "1.00", "tax": "0.10", "gross": "1.11"}
        ),
        "totals_mismatch",
        "/data/totals/gross",
        {"stated": "1.11", "expected": "1.10"},
    ),
    "a payout a cent too high": WrongEvent(
        _weekly("5.01", "ord_2"), "payout_does_not_close", AMOUNT, {"difference": "-0.01"}
    ),
    "a payout a cent too low": WrongEvent(
        _weekly("4.99", "ord_2"), "payout_does_not_close", AMOUNT, {"difference": "0.01"}
    ),
    "a payout's part": WrongEvent(
        making.payout("po_1", "5.00", settles=[{"order": "ord_2", "amount": "4.99"}]),
        "payout_does_not_close",
        AMOUNT,
        {"difference": "-0.01"},
    ),
    "a payout's closing balance": WrongEvent(
        _weekly("5.00", "ord_2", closing="0.01"), "payout_does_not_close", AMOUNT, {"difference": "-0.01"}
    ),
    "a closed period": WrongEvent(
        making.period_closed("po_1", orders=["ord_2"], closing="4.99"),
        "payout_does_not_close",
        AMOUNT,
        {"difference": "0.01"},
    ),
    "a returned payout": WrongEvent(
        making.reversal("po_paid", "4.01", payee="drv_2"),
        "totals_mismatch",
        AMOUNT,
        {"stated": "4.01", "expected": "4.00"},
    ),
    "a failed payout": WrongEvent(
        making.reversal("po_paid", "4.01", payee="drv_2", kind="PAYOUT_FAILED"),
        "totals_mismatch",
        AMOUNT,
        {"stated": "4.01", "expected": "4.00"},
    ),
    "a fee that leaves something missing": WrongEvent(
        making.reversal("po_paid", "3.50", payee="drv_2", fee="0.25"),
        "totals_mismatch",
        AMOUNT,
        {"stated": "3.75", "expected": "4.00"},
    ),
}
DIAGNOSED = {
    "the cash was forgotten": WrongEvent(
        _weekly("10.58", "ord_1", "ord_2"),
        "payout_does_not_close",
        "/data",
        {"cause": "cash_omitted", "who": ["ord_1"]},
    ),
    "an order is not listed": WrongEvent(
        _weekly("13.58", "ord_1"), "payout_does_not_close", "/data", {"cause": "missing", "who": ["ord_2"]}
    ),
    "the withholding was not subtracted": WrongEvent(
        _weekly("5.00", "ord_2", withholdings=[WITHHELD]), "payout_does_not_close", "/data", {"difference": "-0.75"}
    ),
    "an order listed and not paid": WrongEvent(
        _weekly("5.00", "ord_1", "ord_2"), "payout_does_not_close", "/data", {"who": ["ord_1"]}
    ),
}
OTHER_MONEY = {
    f"{event['type']} in another currency": WrongEvent(
        _other_money(event), "currency_unsupported", CURRENCY, {"country": "ES", "expected": "EUR"}
    )
    for event in (
        making.payment("pay_2", "11.00", PAYMENT),
        making.refund("rf_2", "pay_1", [making.line("1.00", tax="IVA10")]),
        making.order("ord_9"),
        making.adjustment("adj_9", "ord_1"),
        _weekly("5.00", "ord_2"),
        making.period_closed("po_1", orders=["ord_2"], closing="5.00"),
        making.reversal("po_paid", "4.00", payee="drv_2"),
        making.reversal("po_8", "4.00", payee="drv_2", kind="PAYOUT_FAILED"),
    )
} | {
    "a payout of another country": WrongEvent(
        _mx(_weekly("5.00", "ord_2")), "currency_unsupported", "", {"expected": "EUR"}
    ),
    "a refund of another country": WrongEvent(
        _mx(making.refund("rf_2", "pay_1", [making.line("1.00", tax="IVA16")])),
        "country_unsupported",
        "/country",
        {"expected": "ES"},
    ),
    "an adjustment of another country": WrongEvent(
        _mx(making.adjustment("adj_9", "ord_1")), "country_unsupported", "/country", {"expected": "ES"}
    ),
    "a return of another country": WrongEvent(
        _mx(making.reversal("po_paid", "4.00", payee="drv_2")), "country_unsupported", "/country", {"expected": "ES"}
    ),
    "a failure of another country": WrongEvent(
        _mx(making.reversal("po_paid", "4.00", payee="drv_2", kind="PAYOUT_FAILED")),
        "country_unsupported",
        "/country",
        {"expected": "ES"},
    ),
}
INVERTED = {
    "a payout's period runs backwards": WrongEvent(
        _backwards(_weekly("5.00", "ord_2")),
        "period_invalid",
        "/data/period",
        {"first": "2026-02-22", "last": "2026-02-21"},
    ),
    "a closed period runs backwards": WrongEvent(
        _backwards(making.period_closed("po_1", orders=["ord_2"], closing="5.00")),
        "period_invalid",
        "/data/period",
        {"first": "2026-02-22", "last": "2026-02-21"},
    ),
}
SOMEBODY_ELSE = {
    "an order of another driver": WrongEvent(
        _weekly("12.00", "ord_2", "ord_3"), "payee_mismatch", "/data/orders/1", {"subject": "ord_3"}
    ),
    "a part of another driver's order": WrongEvent(
        making.payout("po_1", "1.00", settles=[{"order": "ord_3", "amount": "1.00"}]),
        "payee_mismatch",
        "/data/settles/0",
        {"subject": "ord_3"},
    ),
    "a customer's credit": WrongEvent(
        making.payout("po_1", "4.40", settles=[{"credit": "rf_1", "amount": "4.40"}]),
        "payee_mismatch",
        "/data/settles/0",
        {"subject": "rf_1"},
    ),
    "a closed period of another driver": WrongEvent(
        making.period_closed("po_1", orders=["ord_3"], closing="7.00"),
        "payee_mismatch",
        "/data/orders/0",
        {"subject": "ord_3"},
    ),
    "a return to another driver": WrongEvent(
        making.reversal("po_paid", "4.00"), "payee_mismatch", "/data/payee/id", {}
    ),
    "a failure for another driver": WrongEvent(
        making.reversal("po_paid", "4.00", kind="PAYOUT_FAILED"),
        "payee_mismatch",
        "/data/payee/id",
        {},
    ),
}
TOO_MUCH = {
    "a credit of a cent more than remains": WrongEvent(
        making.refund("rf_2", "pay_1", [making.line("6.01", tax="IVA10")]),
        "credit_exceeds_remaining",
        LINES,
        {"asked_minor": 601, "remaining_minor": 600, "tax": "IVA10"},
    ),
    "a credit of a tax that the receipt has not": WrongEvent(
        making.refund("rf_2", "pay_1", [making.line("1.00", tax="IVA21")]),
        "credit_exceeds_remaining",
        LINES,
        {"cause": "no_group", "tax": "IVA21"},
    ),
}
WRONG = OFF_BY_ONE | DIAGNOSED | OTHER_MONEY | INVERTED | SOMEBODY_ELSE | TOO_MUCH


def _numbered() -> dict[str, object]:
    """Return everything that nothing wrong may move."""
    return {
        "documents": list(Document.objects.values_list("number", "payout_status", "settled_by").order_by("pk")),
        "series": sorted(Series.objects.values_list("code", "next")),
        "payouts": list(Payout.objects.values_list("payout_id", "state", "returned_at").order_by("pk")),
        "settlements": list(Settlement.objects.values_list("document", "amount_minor", "effective").order_by("pk")),
    }


def _check(wrong: WrongEvent) -> None:
    before = _numbered()
    answer = telling.tell(wrong.event)
    assert (answer.status, answer.body["status"], answer.body.get("code")) == (202, "held", wrong.code)
    assert answer.body["documents"] == []
    faults = answer.body["errors"]
    assert isinstance(faults, list)
    if wrong.pointer:
        assert wrong.pointer in {fault["pointer"] for fault in faults}, faults
        stated = [fault["values"] for fault in faults if fault["pointer"] == wrong.pointer]
        assert any(wrong.values.items() <= values.items() for values in stated), faults
    assert _numbered() == before
    event = Event.objects.get(event_id=wrong.event["id"])
    assert Alert.objects.get(dedup_key=f"event:{event.public_id}", resolved_at=None).severity == "P2"
    assert LogEvent.objects.filter(object_id=event.public_id, action="event.held", code=wrong.code).count() == 1
    again = telling.tell(wrong.event)
    assert (again.status, again.body["code"]) == (202, wrong.code)
    assert _numbered() == before


@pytest.mark.parametrize("what", sorted(WRONG))
def test_what_is_wrong_is_held_with_its_code_and_diagnosis_and_takes_no_number(what: str) -> None:
    _check(WRONG[what])


# -- a tax code that is no longer in force --


@pytest.fixture
def _iva10_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the end of January there was an IVA10."""
    spain = pack.required("ES")
    ended = tuple(dataclasses.replace(rate, valid_to=dt.date(2026, 1, 31)) for rate in spain.tax_codes["IVA10"])
    changed = dataclasses.replace(spain, tax_codes={**spain.tax_codes, "IVA10": ended})
    known = {**pack.registry(), "ES": changed}
    monkeypatch.setattr(pack, "registry", lambda: known)


ENDED = {
    "a payment": WrongEvent(
        making.payment("pay_2", "11.00", PAYMENT),
        "tax_rate_not_in_force",
        "/data/lines/0/tax",
        {"tax": "IVA10", "country": "ES", "date": "2026-02-17"},
    ),
    "an order": WrongEvent(
        making.order("ord_9", lines=FARE),
        "tax_rate_not_in_force",
        "/data/lines/0/tax",
        {"tax": "IVA10", "country": "ES", "date": "2026-02-17"},
    ),
    "an adjustment": WrongEvent(
        making.adjustment("adj_9", "ord_1", lines=PAYMENT),
        "tax_rate_not_in_force",
        "/data/lines/0/tax",
        {"tax": "IVA10", "country": "ES", "date": "2026-02-18"},
    ),
    "a payout's own line": WrongEvent(
        _weekly("16.00", "ord_2", adjustments=PAYMENT),
        "tax_rate_not_in_force",
        "/data/adjustments/0/tax",
        {"tax": "IVA10", "country": "ES", "date": "2026-02-23"},
    ),
}


@pytest.mark.usefixtures("_iva10_ended")
@pytest.mark.parametrize("what", sorted(ENDED))
def test_a_tax_code_that_has_ended_is_held_with_its_day(what: str) -> None:
    _check(ENDED[what])


@pytest.mark.usefixtures("_iva10_ended")
def test_a_credit_still_gives_back_a_tax_that_has_ended_meanwhile() -> None:
    assert telling.told([making.refund("rf_2", "pay_1", [making.line("6.00", tax="IVA10")])]) == ["processed"]


# -- what never comes --

UNHEARD_OF = {
    "a payout": (_weekly("5.00", "ord_2", "ord_never"), ["order:ord_never"]),
    "a closed period": (making.period_closed("po_1", orders=["ord_never"], closing="1.00"), ["order:ord_never"]),
    "a part of an adjustment": (
        making.payout("po_1", "1.00", settles=[{"adjustment": "adj_never", "amount": "1.00"}]),
        ["adjustment:adj_never"],
    ),
    "a payout to nobody": (_weekly("0.00", payee="drv_never"), ["party:drv_never"]),
    "a payout after another": (_weekly("6.00", "ord_2", opening="1.00"), ["balance:drv_1:aventide-es"]),
    "an adjustment": (making.adjustment("adj_9", "ord_never"), ["order:ord_never"]),
    "a refund": (making.refund("rf_2", "pay_never", PAYMENT), ["payment:pay_never"]),
    "a return": (making.reversal("po_never", "1.00"), ["payout:po_never"]),
    "a failure for nobody": (
        making.reversal("po_never", "1.00", payee="drv_never", kind="PAYOUT_FAILED"),
        ["party:drv_never"],
    ),
}


@pytest.mark.parametrize("what", sorted(UNHEARD_OF))
def test_what_waits_for_ever_is_told_to_people_and_takes_no_number(what: str) -> None:
    event, missing = UNHEARD_OF[what]
    before = _numbered()
    answer = telling.tell(event)
    assert (answer.status, answer.body["status"], answer.body["missing"]) == (202, "parked", missing)
    later = telling.NOW + dt.timedelta(days=4)
    for event_id in waiting.due(now=later, limit=10):
        intake.resume(event_id=event_id, now=later)
    assert telling.tell(event).body["missing"] == missing
    assert waiting.overdue(now=later, limit_s=72 * 3600) == 1
    stored = Event.objects.get(event_id=event["id"])
    alert = Alert.objects.get(dedup_key=f"event:{stored.public_id}", resolved_at=None)
    assert (alert.severity, alert.code) == ("P2", "event_parked_too_long")
    assert missing[0] in alert.values["missing"]
    assert _numbered() == before


def test_what_was_held_is_settled_by_the_corrected_event_and_its_alert_ends() -> None:
    wrong = OFF_BY_ONE["a payout a cent too high"].event
    telling.tell(wrong)
    assert telling.told([_weekly("5.00", "ord_2") | {"id": "evt_corrected"}]) == ["processed"]
    event = Event.objects.get(event_id=wrong["id"])
    assert event.superseded_by == Event.objects.get(event_id="evt_corrected")
    assert not Alert.objects.filter(dedup_key=f"event:{event.public_id}", resolved_at=None).exists()
    assert telling.tell(wrong).body["status"] == "processed"


# -- what is wrong about a fact that has its document already --

AFTERWARDS = {
    "a payment of another amount": (
        making.payment("pay_1", "11.01", PAYMENT) | {"id": "evt_again"},
        "PAYMENT_RECEIPT:payment:pay_1:customer",
    ),
    "a payment in another currency": (
        _other_money(making.payment("pay_1", "11.00", PAYMENT) | {"id": "evt_again"}),
        "PAYMENT_RECEIPT:payment:pay_1:customer",
    ),
    "an order of an issuer that nobody knows": (
        making.order("ord_2", "5.00") | {"id": "evt_again", "issuer": "nobody"},
        "ORDER_FINAL_STATEMENT:order:ord_2:beneficiary",
    ),
    "a refund of a payment that never came": (
        making.refund("rf_1", "pay_never", [making.line("4.00", tax="IVA10")]) | {"id": "evt_again"},
        "CREDIT_NOTE:refund:rf_1:customer",
    ),
    "a payout of an order that never came": (
        making.payout("po_paid", "4.00", orders=["ord_never"], payee="drv_2") | {"id": "evt_again"},
        "PAYOUT_STATEMENT:payout:po_paid:payee",
    ),
}


@pytest.mark.parametrize("what", sorted(AFTERWARDS))
def test_what_is_wrong_about_an_issued_fact_is_a_divergent_repeat_and_neither_held_nor_parked(what: str) -> None:
    event, key = AFTERWARDS[what]
    before = _numbered()
    answer = telling.tell(event)
    assert (answer.status, answer.body["status"], answer.body["replayed"]) == (200, "processed", True)
    documents = answer.body["documents"]
    assert isinstance(documents, list)
    assert [document["document_key"] for document in documents] == [key]
    (gap,) = Discrepancy.objects.filter(resolved_at=None)
    assert (gap.code, gap.document and gap.document.document_key_id) == ("divergent_repeat", key)
    assert Alert.objects.get(dedup_key=f"discrepancy:{gap.dedup_key}", resolved_at=None).severity == "P2"
    assert _numbered() == before
    assert telling.tell(event).body["replayed"] is True
    assert Discrepancy.objects.count() == 1


@pytest.mark.usefixtures("_iva10_ended")
def test_a_fact_told_again_after_its_tax_has_ended_is_the_same_fact_and_no_divergence() -> None:
    answer = telling.tell(making.payment("pay_1", "11.00", PAYMENT) | {"id": "evt_again"})
    assert (answer.status, answer.body["replayed"]) == (200, True)
    assert not Discrepancy.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_wrong_event_and_its_correction_at_the_same_moment_leave_nothing_held() -> None:
    wrong = OFF_BY_ONE["what an order leaves"].event
    right = making.order("ord_9", lines=FARE) | {"id": "evt_right"}
    held = threading.Event()

    def correct() -> None:
        held.wait(10)
        telling.tell(right)
        connections.close_all()

    rival = threading.Thread(target=correct)
    rival.start()
    with transaction.atomic():
        assert telling.tell(wrong).body["status"] == "held"
        held.set()
        rival.join(timeout=0.5)  # it waits for this transaction, and then sees what it held
        assert rival.is_alive()
    rival.join(timeout=30)
    assert Event.objects.get(event_id=wrong["id"]).superseded_by == Event.objects.get(event_id="evt_right")
