"""Support reads on the document's page where each cent comes from, as far as a screen goes."""

import pytest

from documents.admin import breakdown_card
from documents.models import Document
from tests import cast
from tests.documents import center
from tests.payouts import telling

pytestmark = pytest.mark.django_db
PAYOUT = "PAYOUT_STATEMENT:payout:po_5TQ8:payee"


@pytest.fixture(autouse=True)
def _week() -> None:
    telling.issuers()
    telling.told(telling.sample("mx_week"))


def _page(document: Document, member: cast.Member) -> str:
    return center.client(member=member).get(center.page(document)).content.decode()


def test_a_payouts_page_says_order_line_rule_rate_and_amount() -> None:
    finance = center.staff(roles=["finance"], countries=["MX"])
    card = breakdown_card.card(document=telling.document(PAYOUT))
    assert card is not None
    first = [str(cell) for cell in card.rows[1]]
    assert first[3:5] == ["IVA16", "16 %"]
    assert "ord_MXA" in first[0]
    assert "80,00 MXN" in first[5]
    shown = _page(telling.document(PAYOUT), finance)
    assert "De dónde sale cada céntimo" in shown
    for words in ("Tarifa", "Comisión de la plataforma", "Retención fiscal ISR", "Efectivo ya cobrado", "-100,00"):
        assert words in shown, words


def test_a_long_explanation_ends_where_the_screen_does_and_says_how_much_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(breakdown_card, "ROWS_MAX", 3)
    card = breakdown_card.card(document=telling.document(PAYOUT))
    assert card is not None
    assert len(card.rows) == 3
    assert card.note == "Las demás filas (9) están en el PDF."


def test_a_kind_that_owes_nothing_explains_nothing() -> None:
    assert (
        breakdown_card.card(document=telling.document("PAYOUT_REVERSAL_NOTICE:payout:po_5TQ8:payee:returned")) is None
    )
