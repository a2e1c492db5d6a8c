"""Why a payout does not close, read out of what is stored: the right order by name, in two queries, in few words."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from documents.events import outcomes
from documents.models import Event
from documents.sentences import writing
from payouts.issuing import payout_gap
from tests.payouts import making, telling

pytestmark = pytest.mark.django_db
RIDE = [
    making.line("10.00", tax="IVA10"),
    making.line("-2.00", name="2", kind="PLATFORM_FEE", tax="IVA21"),
    making.line("1.50", name="3", kind="TIP"),
]  # 11.00 - 2.42 + 1.50 = 10.08
EXACTLY = "la diferencia es exactamente"


@pytest.fixture(autouse=True)
def _house() -> None:
    telling.issuers()


def _said(amount: str, *orders: str, **more: Any) -> list[str]:
    """Tell a payout that does not close, and return what its event says."""
    telling.told([making.payout("po_1", amount, orders=list(orders), **more)])
    event = Event.objects.get(event_id="evt_po_1", code="payout_does_not_close")
    faults = writing.answered(stored=event.errors, language="es")
    return [str(fault["detail"]) for fault in faults if fault["code"] == "diagnosis"]


@pytest.mark.parametrize(
    ("amount", "more", "words"),
    [
        ("10.08", {"cash_collected": "4.00"}, f"Sobran 4,00 EUR en la transferencia: {EXACTLY} el efectivo de ord_X (se"),
        ("10.50", {}, f"Sobran 0,42 EUR en la transferencia: {EXACTLY} el IVA de la comisión de ord_X (no se descontó)."),
        ("8.58", {}, f"Faltan 1,50 EUR en la transferencia: {EXACTLY} la propina de ord_X (no se transfirió)."),
        ("10.08", {}, f"Sobran 1,25 EUR en la transferencia: {EXACTLY} la retención fiscal IRPF de ord_X (no se"),
        ("15.08", {}, "Sobran 5,00 EUR en la transferencia: falta ord_Y, cuyo neto es exactamente la diferencia."),
        ("12.38", {}, "Sobran 2,30 EUR en la transferencia: falta el ajuste adj_1 de ord_X, cuyo neto es exactamente"),
    ],
)  # fmt: skip
def test_the_order_and_what_of_it_was_forgotten_are_named(amount: str, more: dict[str, str], words: str) -> None:
    irpf = {"name": "IRPF", "rate": "0.15", "base": "8.33", "amount": "1.25", "legal_ref": "RIRPF art. 95"}
    net: dict[str, Any] = {"withholdings": [irpf] if "IRPF" in words else []}
    telling.told(
        [
            making.order("ord_X", lines=RIDE, cash_collected="4.00", **net),
            making.order("ord_Y", "5.00"),
            making.order("ord_other", "5.00", driver="drv_2"),
            making.adjustment("adj_1", "ord_X", "2.30", at="2026-02-28T10:00:00Z"),
        ]
    )
    said = _said(amount, "ord_X", **more)
    assert any(words in sentence for sentence in said), said
    assert not any("ord_other" in sentence for sentence in said)


def test_an_order_whose_payout_came_back_is_missing_again_and_one_that_is_paid_is_not() -> None:
    telling.told([making.order(name, "5.00") for name in ("ord_1", "ord_2", "ord_3")])
    telling.told(
        [
            making.payout("po_8", "5.00", orders=["ord_2"], at="2026-02-20T07:00:00Z"),
            making.payout("po_9", "5.00", orders=["ord_3"], at="2026-02-21T07:00:00Z"),
            making.reversal("po_9", "5.00"),
        ]
    )
    assert any("falta ord_3, cuyo neto" in sentence for sentence in _said("10.00", "ord_1"))


def test_the_diagnosis_of_many_orders_asks_no_more_than_that_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    telling.told([making.order(f"ord_{place}", "5.00") for place in range(40)])
    asked: list[int] = []
    whole = payout_gap.problem

    def counted(**facts: Any) -> object:
        with CaptureQueriesContext(connection) as queries:
            found = whole(**facts)
        asked.append(len(queries))
        return found

    monkeypatch.setattr(payout_gap, "problem", counted)
    for name, count in (("po_1", 1), ("po_2", 40)):
        telling.tell(making.payout(name, "1.23", orders=[f"ord_{place}" for place in range(count)]))
    assert asked == [2, 2]


def test_what_is_stored_of_a_wrong_event_stays_bounded() -> None:
    lines = [making.line("1.00", name=str(place), tax=f"XX{place}") for place in range(200)]
    telling.tell(making.payment("pay_1", "200.00", lines))
    event = Event.objects.get(code="tax_code_unknown")
    assert len(event.errors) == outcomes.FAULTS_MAX
    assert max(len(json.dumps(fault)) for fault in event.errors) <= 500
