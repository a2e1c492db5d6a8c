"""What wrong totals of a payment look like to finance: both amounts in the currency, and the likeliest mistake."""

from typing import Any

import pytest

from documents.models import Event
from documents.sentences import writing
from payouts.review import event_findings
from tests.payouts import making, telling

TAXED = [making.line("10.05", tax="IVA10"), making.line("10.05", tax="IVA10", name="2")]
CUT = [making.line("20.00", tax="IVA21"), making.line("-5.00", tax="IVA21", name="2", kind="PROMOTION")]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("lines", "amount", "more", "es"),
    [
        (TAXED, "20.10", {}, "Dice 20,10 EUR y las líneas suman 22,11 EUR: es lo que suman las líneas si sus importes"),
        (TAXED, "22.11", {"prices": "gross"}, "Dice 22,11 EUR y las líneas suman 20,10 EUR: es lo que suman"),
        (TAXED, "22.12", {}, "Dice 22,12 EUR y las líneas suman 22,11 EUR: el impuesto se redondeó línea por línea"),
        (CUT, "24.20", {}, "Dice 24,20 EUR y las líneas suman 18,15 EUR: no se restó el descuento."),
        (CUT, "12.10", {}, "Dice 12,10 EUR y las líneas suman 18,15 EUR: el descuento se restó dos veces."),
        (CUT, "19.20", {}, "Dice 19,20 EUR y las líneas suman 18,15 EUR: el descuento se restó sin su impuesto."),
        (CUT, "18.00", {}, "No coincide el importe (/data/payment/amount): dice 18,00 EUR y debe ser 18,15 EUR."),
    ],
)
def test_a_receipt_that_does_not_add_up_says_why(
    lines: list[dict[str, str]], amount: str, more: dict[str, Any], es: str
) -> None:
    telling.issuers()
    assert telling.told([making.payment("pay_1", amount, lines, **more)]) == ["held"]
    event = Event.objects.get()
    amounts, findings = event_findings.explain(event=event, data=event_findings.event_data(event=event))
    assert event.code == "totals_mismatch"
    assert amounts.actual_minor == round(float(amount) * 100)
    [said] = writing.answered(stored=findings, language="es")
    assert str(said["detail"]).startswith(es)
    [english] = writing.answered(stored=findings, language="en")
    assert "EUR" in str(english["detail"])


PAID = making.payment("pay_1", "24.20", [making.line("22.00", tax="IVA10")])


def _back(amount: str, **more: Any) -> dict[str, Any]:
    return making.refund("rf_1", "pay_1", [making.line(amount, kind="REFUND_ITEM", tax="IVA10")], **more)


def _of_amount(amount: str) -> dict[str, Any]:
    event = _back("1.00")
    event["data"]["refund"]["amount"] = amount
    del event["data"]["lines"]
    return event


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "told", "es", "en"),
    [
        (
            [], _back("5.00", totals={"net": "4.55", "tax": "0.45", "gross": "5.00"}),
            "Dice 5,00 EUR y las líneas suman 5,50 EUR: es lo que suman las líneas si sus importes ya llevan",
            "It says 5.00 EUR and the lines come to 5.50 EUR",
        ),
        (
            [], _back("5.00", totals={"net": "5.00", "tax": "0.60", "gross": "5.60"}),
            "No coincide", "Mismatch of",
        ),
        (
            [], _back("24.20"),
            "Abona 24,20 EUR con IVA10 y quedan 22,00 EUR: cabe si sus importes ya llevan el impuesto",
            "It credits 24.20 EUR with IVA10 and 22.00 EUR remain: it fits if its amounts hold the tax already",
        ),
        (
            [_back("12.00") | {"id": "evt_0"}], _back("11.50"),
            "Abona 11,50 EUR con IVA10 y quedan 10,00 EUR: lo demás ya se abonó (",
            "It credits 11.50 EUR with IVA10 and 10.00 EUR remain: the rest was credited before (",
        ),
        (
            [], _back("30.00"),
            "Abona 30,00 EUR con IVA10 y quedan 22,00 EUR: es más de lo que se pagó de eso",
            "It credits 30.00 EUR with IVA10 and 22.00 EUR remain: it is more than was paid of that",
        ),
        (
            [_back("12.00") | {"id": "evt_0"}], _of_amount("24.20"),
            "Abona 24,20 EUR y quedan 11,00 EUR: lo demás ya se abonó (",
            "It credits 24.20 EUR and 11.00 EUR remain: the rest was credited before (",
        ),
        ([], _of_amount("24.21"), "Abona 24,21 EUR y quedan 24,20 EUR: es más", "It credits 24.21 EUR and 24.20 EUR"),
    ],
)  # fmt: skip
def test_a_refund_that_cannot_be_given_says_why(
    before: list[dict[str, Any]], told: dict[str, Any], es: str, en: str
) -> None:
    telling.issuers()
    first = [event | {"data": event["data"] | {"refund": event["data"]["refund"] | {"id": "rf_0"}}} for event in before]
    assert telling.told([PAID, *first, told])[-1] == "held"
    event = Event.objects.get(event_id=told["id"])
    _amounts, findings = event_findings.explain(event=event, data=event_findings.event_data(event=event))
    assert str(writing.answered(stored=findings, language="es")[0]["detail"]).startswith(es)
    assert str(writing.answered(stored=findings, language="en")[0]["detail"]).startswith(en)
