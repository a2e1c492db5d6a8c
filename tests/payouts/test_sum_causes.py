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
