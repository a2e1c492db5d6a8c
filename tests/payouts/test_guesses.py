"""What the gap of a payout looks like to finance: the mistake that would leave just that gap, in words."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payouts import computation, guesses
from payouts.computation import Line
from payouts.guesses import Part
from tests.payouts.test_explanation import EXAMPLES

ISR = computation.Withholding(
    name="ISR",
    rate=Fraction("0.021"),
    base_minor=80000,
    amount_minor=1680,
    legal_ref="LISR art. 113-A",
    status="checked",
)


def gap_of(
    gap: int, *, parts: list[Part], unsettled: list[Part] | None = None, language: guesses.Language = "es"
) -> list[str]:
    """This function will diagnose a payout of those parts, 50.00 bonus, ISR and 20.00 cash, that misses by `gap`."""
    bonus = [Line(id="b", amount_minor=5000, description="Incentivo")]
    settled = [part.amount_minor for part in parts]
    amount = sum(settled) + 5000 - 1680 - 2000 - gap
    payout = computation.payout(
        settled=settled,
        adjustments=bonus,
        rates={},
        withholdings=[ISR],
        cash_collected_minor=2000,
        amount_minor=amount,
    )
    return guesses.diagnose(
        payout=payout,
        parts=parts,
        unsettled=unsettled or [],
        adjustments=bonus,
        withholdings=[ISR],
        digits=2,
        currency="EUR",
        language=language,
    )


PARTS = [
    Part(order="ord_X", amount_minor=2188, cash_collected_minor=1234, fee_tax_minor=-92),
    Part(order="ord_Y", amount_minor=9999, fee_tax_minor=-171),
]


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (1234, "efectivo de ord_X: se descontó sin declararlo"),
        (-1234, "efectivo de ord_X: se declaró sin descontarlo"),
        (2188, "neto de ord_X: no se transfirió"),
        (-9999, "neto de ord_Y: se transfirió dos veces"),
        (-171, "impuesto de la comisión de ord_Y: no se descontó"),
        (92, "impuesto de la comisión de ord_X: se descontó dos veces"),
        (-263, "impuesto de todas las comisiones: no se descontó"),
        (5000, "ajuste Incentivo: no se tuvo en cuenta en la transferencia"),
        (-5000, "ajuste Incentivo: se contó dos veces en la transferencia"),
        (10000, "dos veces el ajuste Incentivo: signo contrario"),
        (-1680, "retención fiscal ISR: no se tuvo en cuenta en la transferencia"),
        (-2000, "efectivo declarado: no se tuvo en cuenta en la transferencia"),
        (-777, "neto de ord_Z: falta en la lista"),
        (12187, "netos de ord_X y ord_Y: no se transfirieron"),
        (2, "redondeo"),
        (31, "no coincide con ninguna partida sola"),
    ],
)
def test_finance_reads_what_the_gap_is_instead_of_hunting_for_it(gap: int, words: str) -> None:
    found = gap_of(gap, parts=PARTS, unsettled=[Part(order="ord_Z", amount_minor=777)])
    assert any(words in sentence for sentence in found), found
    assert found[0].startswith("Faltan" if gap > 0 else "Sobran")


def test_a_payout_that_closes_has_nothing_to_diagnose() -> None:
    assert gap_of(0, parts=PARTS) == []


def test_a_diagnosis_speaks_english_too_and_names_the_amount() -> None:
    assert gap_of(1234, parts=PARTS, language="en")[0].startswith(
        "The transfer is 12.34 EUR short: it is the cash of ord_X"
    )


def test_a_long_list_of_guesses_is_cut() -> None:
    twins = [Part(order=f"ord_{place}", amount_minor=100) for place in range(50)]
    assert len(gap_of(100, parts=twins)) == guesses.FINDINGS_MAX


@EXAMPLES
@given(gap=st.integers(-(10**6), 10**6).filter(bool))
def test_a_gap_never_goes_without_a_word(gap: int) -> None:
    assert gap_of(gap, parts=PARTS)
