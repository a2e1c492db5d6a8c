"""Whatever a fact brings, the list says what is the matter with it, and one item never hides the others."""

import datetime as dt
from typing import Any

import pytest
from django.utils import translation

from documents.models import Event
from payouts.admin import rows
from payouts.review import event_findings, worklist
from payouts.review.worklist import Item
from tests.payouts import making, telling
from tests.services import force

pytestmark = pytest.mark.django_db(transaction=True)

LATER = telling.NOW + dt.timedelta(days=9)
LARGEST = "999999999999999.99"


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _items(kind: str = "") -> list[Item]:
    return worklist.items(countries=None, now=LATER, kind=kind)


def _cross(event: dict[str, Any], **data: Any) -> dict[str, Any]:
    return {**event, "id": f"{event['id']}.b", "data": event["data"] | data}


def test_a_moment_in_small_letters_is_a_moment_on_the_list_too() -> None:
    late = making.payout("po_1", "15.00", orders=["ord_1"], at="2026-02-23t07:00:00z", opening="5.00")
    telling.told([making.order("ord_1"), late | {"occurred_at": "2026-02-23T07:00:00Z"}])
    (item,) = _items("parked")
    assert (item.amounts.expected_minor, item.amounts.actual_minor, item.owner) == (0, 500, "drv_1")
    assert (item.findings[0]["code"], item.findings[0]["values"]) == ("opening_balance", {"cause": "first"})


def test_a_repeat_beyond_any_amount_is_listed_without_its_sum() -> None:
    lines = [making.line(LARGEST, name=str(place)) for place in range(11)]
    order = making.order("ord_1")
    telling.told([order, _cross(order, lines=lines)])
    (item,) = _items("divergent")
    assert (item.amounts.expected_minor, item.amounts.actual_minor) == (1000, None)
    assert item.findings


def test_a_partner_s_statement_is_compared_with_what_the_repeat_says_of_the_partner() -> None:
    lines = [making.line("10.00"), making.line("20.00", name="2", kind="ITEM", party="partner")]
    order = making.order("ord_1", lines=lines, partner={"id": "ptn_1", "legal_name": "La Fonda"})
    tipped = [*lines, making.line("2.50", name="3", kind="TIP")]
    totals = {"payable": "12.50", "partner_payable": "20.00"}
    telling.told([order, _cross(order, lines=tipped, totals=totals)])
    assert {item.document.audience: item.amounts.difference_minor for item in _items("divergent") if item.document} == {
        "beneficiary": 250,
        "partner": 0,
    }


PAID = making.payment("pay_1", "24.20", [making.line("22.00", tax="IVA10")])
# What is held -> the words that say why.
WORDS: dict[str, tuple[dict[str, Any], str]] = {
    "a tax that nobody knows": (
        making.order("ord_1", lines=[making.line("10.00", tax="IVA99")]),
        "«IVA99» no es un código de impuesto de ES",
    ),
    "another currency": (making.order("ord_1") | {"id": "evt_usd"}, "no es la moneda de ES, EUR"),
    "somebody else's issuer": (making.order("ord_1") | {"issuer": "nadie"}, "«nadie» no es un emisor de ES"),
    "a tax id that is none": (
        making.order("ord_1", driver="drv_1"),
        "El dígito de control del NIF de drv_1 no corresponde: corrige el número (/data/driver/tax_id). Si es otro "
        "documento, indica su tipo en /data/driver/tax_id_type: DNI, NIE, CIF, VAT, PASSPORT.",
    ),
    "too large a credit": (
        making.refund("rf_1", "pay_1", [making.line("22.01", kind="REFUND_ITEM", tax="IVA10")]),
        "Abona 22,01 EUR con IVA10 y quedan 22,00 EUR: es más de lo que se pagó",
    ),
    "a period that runs backwards": (
        making.payout("po_1", "0.00", orders=[], period={"from": "2026-02-22", "to": "2026-02-16"}),
        "El periodo empieza el 2026-02-22 y termina antes, el 2026-02-16",
    ),
}
WORDS["another currency"][0]["data"] = WORDS["another currency"][0]["data"] | {"currency": "USD"}
WORDS["a tax id that is none"][0]["data"]["driver"] |= {"tax_id": "00000000A", "tax_id_type": "NIF"}


@pytest.mark.parametrize("name", WORDS)
def test_the_list_says_in_words_why_a_fact_is_held(name: str) -> None:
    event, words = WORDS[name]
    telling.told([PAID, making.order("ord_0"), event])
    (item,) = _items("held")
    said = rows.sentences(item=item)
    assert words in said[0], said
    assert Event.objects.get(event_id=event["id"]).code == item.code


def test_a_credit_beyond_what_is_left_says_whose_it_is_and_by_how_much() -> None:
    telling.told([PAID, WORDS["too large a credit"][0]])
    (item,) = _items("held")
    assert item.owner == "cus_1"
    amounts = item.amounts
    assert (amounts.expected_minor, amounts.actual_minor, amounts.difference_minor) == (2200, 2201, 1)


def test_an_item_that_cannot_be_read_is_listed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "11.00", orders=["ord_1"])])

    def broken(**_named: Any) -> Any:
        raise ValueError("a defect")

    monkeypatch.setattr(event_findings, "explain", broken)
    (item,) = _items()
    assert (item.kind, item.code, item.findings) == ("held", "payout_does_not_close", [])


def test_an_event_held_by_an_earlier_version_is_listed_as_that_version_wrote_it() -> None:
    """Its sentences may say anything: they are shown, and nothing is read out of them."""
    telling.told([PAID, WORDS["too large a credit"][0]])
    stored = [
        {"pointer": "/data/lines", "code": "credit_exceeds_remaining", "detail": "zq 17 minor units, of xk"},
        {"pointer": "/data", "code": "diagnosis_en", "detail": "vw"},
    ]
    with force.by_force():
        Event.objects.filter(status="held").update(errors=stored)
    (item,) = _items("held")
    assert item.code == "credit_exceeds_remaining"
    assert (item.amounts.expected_minor, item.amounts.actual_minor) == (None, None)
    with translation.override("en"):
        assert rows.sentences(item=item) == ["vw"]
    with force.by_force():
        Event.objects.filter(status="held").update(errors=stored[:1])
    (item,) = _items("held")
    assert rows.sentences(item=item) == ["zq 17 minor units, of xk"]
