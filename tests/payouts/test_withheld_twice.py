"""What is withheld of an order is not withheld again of its payout in silence, and never is it below zero."""

import json
from typing import Any

import pytest

from documents.models import Alert, Discrepancy, Document
from tests.payouts import making, telling

pytestmark = pytest.mark.django_db
OFS = "ORDER_FINAL_STATEMENT:order"
PS = "PAYOUT_STATEMENT:payout:po_1:payee"


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _withheld(amount: str = "1.50", *, base: str = "10.00", name: str = "IRPF", ref: str = "RIRPF art. 95") -> Any:
    return {"name": name, "rate": "0.15", "base": base, "amount": amount, "legal_ref": ref}


def test_two_taxes_withheld_of_an_order_and_again_of_its_payout_are_flagged_with_both_amounts_and_documents() -> None:
    isr = {"name": "ISR", "rate": "0.021", "base": "431.03", "amount": "9.05", "legal_ref": "LISR 113-A"}
    iva = {"name": "IVA", "rate": "0.5", "base": "68.96", "amount": "34.48", "legal_ref": "LIVA 18-J"}
    lines = [making.line("431.03", tax="IVA16"), making.line("-107.76", name="2", kind="PLATFORM_FEE", tax="IVA16")]
    mexico = {"country": "MX", "issuer": "aventide-mx"}
    order = making.order("ord_1", lines=lines, currency="MXN", withholdings=[isr, iva]) | mexico
    paid = making.payout("po_1", "287.93", orders=["ord_1"], currency="MXN", withholdings=[isr, iva]) | mexico
    assert telling.told([order, paid]) == ["processed", "processed"]
    statement, of_order = telling.document(PS), telling.document(f"{OFS}:ord_1:beneficiary")
    assert (statement.flags, of_order.flags) == (["withheld_twice"], [])
    found = Discrepancy.objects.get()
    assert (found.code, found.document) == ("withheld_twice", statement)
    assert found.facts == {
        "document_key": PS,
        "currency": "MXN",
        "withheld_by_orders": "43.53",
        "withheld_by_payout": "43.53",
        "difference": "43.53",
        "withholdings": ["ISR (LISR 113-A)", "IVA (LIVA 18-J)"],
        "orders": ["ord_1"],
        "documents": [of_order.number],
        "payout_document": statement.number,
    }
    assert [(alert.code, alert.severity) for alert in Alert.objects.all()] == [("withheld_twice", "P2")]


@pytest.mark.parametrize(
    ("of_order", "of_payout", "twice"),
    [
        (_withheld(), _withheld("0.30", base="2.00"), True),  # so much of it, but again
        (_withheld(), _withheld(name=" irpf", ref="RIRPF  ART. 95"), True),
        (_withheld(), _withheld(ref="RIRPF art. 99"), False),
        (_withheld(), _withheld(name="IVA"), False),
        (_withheld("0.00", base="0.00"), _withheld(), False),
        (_withheld(), _withheld("0.00", base="0.00"), False),
    ],
    ids=["another amount", "spelt otherwise", "another law", "another tax", "nothing of the order", "nothing again"],
)
def test_it_is_the_same_withholding_by_its_name_and_its_law(of_order: Any, of_payout: Any, *, twice: bool) -> None:
    cents = 1000 - sum(round(float(item["amount"]) * 100) for item in (of_order, of_payout))
    paid = making.payout("po_1", f"{cents / 100:.2f}", orders=["ord_1"], withholdings=[of_payout])
    telling.told([making.order("ord_1", withholdings=[of_order]), paid])
    assert ("withheld_twice" in telling.document(PS).flags) is twice
    assert Discrepancy.objects.filter(code="withheld_twice").exists() is twice


def test_it_is_seen_once_in_a_fleets_closed_period_whatever_comes_first() -> None:
    fleet = {"id": "flt_1", "legal_name": "Flota Sur, S.L."}
    order = making.order("ord_1", beneficiary=fleet, withholdings=[_withheld()])
    closed = making.period_closed("po_1", orders=["ord_1"], payee="flt_1", closing="7.00", withholdings=[_withheld()])
    assert telling.told([closed, order, closed, order]) == ["parked", "processed", "processed", "processed"]
    assert telling.document(PS).flags == ["withheld_twice"]
    assert Discrepancy.objects.get().facts["withheld_by_orders"] == "1.50"


def test_a_part_of_an_order_that_is_withheld_again_counts_and_an_order_without_does_not() -> None:
    parts = [{"order": "ord_1", "amount": "4.00"}, {"order": "ord_2", "amount": "10.00"}]
    paid = making.payout("po_1", "12.50", settles=parts, withholdings=[_withheld()])
    assert telling.told([paid, making.order("ord_2"), making.order("ord_1", withholdings=[_withheld("2.00")])])[0] == (
        "parked"
    )
    facts = Discrepancy.objects.get(code="withheld_twice").facts
    assert (facts["orders"], facts["withheld_by_orders"], facts["withheld_by_payout"]) == (["ord_1"], "2.00", "1.50")


@pytest.mark.parametrize(
    ("base", "amount", "status"),
    [("20.00", "3.00", "checked"), ("20.01", "3.00", "declared"), ("200.00", "30.00", "declared")],
)
def test_a_base_above_what_the_orders_and_the_payouts_own_lines_earned_is_declared(
    base: str, amount: str, status: str
) -> None:
    more: dict[str, Any] = {
        "adjustments": [making.line("5.00", kind="BONUS"), making.line("-2.00", name="2", kind="PLATFORM_FEE")]
    }
    closing = 15_00 + 5_00 - 2_00 - round(float(amount) * 100)
    paid = making.period_closed("po_1", orders=["ord_1"], closing=f"{closing / 100:.2f}", **more)
    paid["data"]["withholdings"] = [_withheld(amount, base=base)]
    telling.told([making.order("ord_1", "15.00"), paid])
    statement = telling.document(PS)
    assert json.loads(statement.content)["withholdings"][0]["status"] == status
    assert statement.flags == (["withholding_declared"] if status == "declared" else [])


@pytest.mark.parametrize("field", ["amount", "base", "rate"])
@pytest.mark.parametrize("kind", ["order", "payout"])
def test_a_withholding_below_zero_is_refused_with_its_place(kind: str, field: str) -> None:
    spoilt = _withheld() | {field: "-0.15"}
    event = making.order("ord_1") if kind == "order" else making.payout("po_1", "1.00")
    event["data"]["withholdings"] = [_withheld(), spoilt]
    problem = telling.tell(event).problem
    assert problem is not None
    assert (problem.status, [fault.pointer for fault in problem.errors]) == (400, [f"/data/withholdings/1/{field}"])
    assert not Document.objects.exists()
