"""What the gap of a payout looks like to finance: the mistake that would leave just that gap, in words."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents import money
from documents.countries import pack
from documents.sentences import diagnoses as table
from documents.sentences import writing
from payouts.calculation import amounts, gap_causes, totals
from payouts.calculation.amounts import AmountLine
from payouts.calculation.gap_causes import OwedItem
from tests.payouts.test_breakdown import EXAMPLES

ISR = amounts.WithheldTax(
    name="ISR",
    rate=Fraction("0.021"),
    base_minor=80000,
    amount_minor=1680,
    legal_ref="LISR art. 113-A",
    status="checked",
)


def gap_of(
    gap: int,
    *,
    parts: list[OwedItem],
    unsettled: list[OwedItem] | None = None,
    language: str = "es",
    country: str = "ES",
) -> list[str]:
    """Diagnose a payout of those parts, 50.00 bonus, ISR and 20.00 cash, that misses by `gap`."""
    bonus = [AmountLine(id="b", amount_minor=5000, description="Incentivo")]
    settled = [part.amount_minor for part in parts]
    amount = sum(settled) + 5000 - 1680 - 2000 + 700 - gap
    payout = totals.payout(
        settled=settled,
        adjustments=bonus,
        rates={},
        withholdings=[ISR],
        cash_collected_minor=2000,
        opening_minor=700,
        amount_minor=amount,
    )
    diagnoses = gap_causes.diagnose(
        payout=payout, parts=parts, unsettled=unsettled or [], adjustments=bonus, withholdings=[ISR]
    )
    return said_of(diagnoses, gap=gap, language=language, country=country)


def said_of(diagnoses: list[gap_causes.Diagnosis], *, gap: int, language: str = "es", country: str = "ES") -> list[str]:
    """Return the sentences of diagnoses, as a page writes them."""
    rules = pack.required(country)
    size = {"difference": money.text(gap, rules.decimals), "currency": rules.currency, "country": country}
    return [
        writing.sentence(code="diagnosis", values={**diagnosis.values, **size}, language=language)
        for diagnosis in diagnoses
    ]


PARTS = [
    OwedItem(
        order="ord_X", amount_minor=2188, cash_collected_minor=1234, fee_taxes=(("IVA", -92),), withheld=(("IRPF", 55),)
    ),
    OwedItem(order="ord_Y", amount_minor=9999, tips_minor=333, fee_taxes=(("IVA", -171),)),
    OwedItem(order="ord_Y", adjustment="adj_2", amount_minor=456, tips_minor=456),
]
UNSETTLED = [
    OwedItem(order="ord_Z", amount_minor=777),
    OwedItem(order="ord_X", adjustment="adj_1", amount_minor=210),
    OwedItem(order="ord_W", amount_minor=1500),
]
EXACTLY = "la diferencia es exactamente"


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (-1234, f"Sobran 12,34 EUR en la transferencia: {EXACTLY} el efectivo de ord_X (se declaró sin descontarlo)."),
        (1234, f"Faltan 12,34 EUR en la transferencia: {EXACTLY} el efectivo de ord_X (se descontó sin declararlo)."),
        (-171, f"Sobran 1,71 EUR en la transferencia: {EXACTLY} el IVA de la comisión de ord_Y (no se descontó)."),
        (92, f"{EXACTLY} el IVA de la comisión de ord_X (se descontó dos veces)."),
        (-263, f"{EXACTLY} el IVA de todas las comisiones (no se descontó)."),
        (-777, "Sobran 7,77 EUR en la transferencia: falta ord_Z, cuyo neto es exactamente la diferencia."),
        (-210, "falta el ajuste adj_1 de ord_X, cuyo neto es exactamente la diferencia."),
        (456, f"{EXACTLY} el ajuste adj_2 de ord_Y (no se transfirió)."),
        (2188, f"{EXACTLY} el neto de ord_X (no se transfirió)."),
        (-9999, f"{EXACTLY} el neto de ord_Y (se transfirió dos veces)."),
        (333, f"{EXACTLY} la propina de ord_Y (no se transfirió)."),
        (789, f"{EXACTLY} las propinas de todos los pedidos (no se transfirieron)."),
        (-55, f"{EXACTLY} la retención fiscal IRPF de ord_X (no se descontó)."),
        (-2468, f"{EXACTLY} dos veces el efectivo de ord_X (signo contrario)."),
        (5000, f"{EXACTLY} el ajuste Incentivo (no se tuvo en cuenta en la transferencia)."),
        (-5000, f"{EXACTLY} el ajuste Incentivo (se contó dos veces en la transferencia)."),
        (10000, f"{EXACTLY} dos veces el ajuste Incentivo (signo contrario)."),
        (-1680, f"{EXACTLY} la retención fiscal ISR (no se tuvo en cuenta en la transferencia)."),
        (-2000, f"{EXACTLY} el efectivo declarado (no se tuvo en cuenta en la transferencia)."),
        (700, f"{EXACTLY} el saldo anterior (no se tuvo en cuenta en la transferencia)."),
        (12187, f"{EXACTLY} la suma de los netos de ord_X y ord_Y (no se transfirieron)."),
        (-2277, "faltan ord_Z y ord_W, cuyos netos suman exactamente la diferencia."),
        (2, "redondeo"),
        (31, "no coincide con ninguna partida sola"),
    ],
)
def test_finance_reads_what_the_gap_is_instead_of_hunting_for_it(gap: int, words: str) -> None:
    found = gap_of(gap, parts=PARTS, unsettled=UNSETTLED)
    assert any(words in sentence for sentence in found), found
    assert found[0].startswith("Faltan" if gap > 0 else "Sobran")


def test_one_mistake_is_said_once_and_not_again_as_the_total_of_one() -> None:
    parts = [PARTS[0], OwedItem(order="ord_Y", amount_minor=9999)]
    payout = totals.payout(
        settled=[2188, 9999], rates={}, cash_collected_minor=1234, amount_minor=2188 + 9999, withholdings=[]
    )
    assert said_of(gap_causes.diagnose(payout=payout, parts=parts), gap=-1234) == [
        f"Sobran 12,34 EUR en la transferencia: {EXACTLY} el efectivo de ord_X (se declaró sin descontarlo)."
    ]
    payout = totals.payout(settled=[2188, 9999], rates={}, amount_minor=2188 + 9999 + 92)
    assert len(gap_causes.diagnose(payout=payout, parts=parts)) == 1


def test_a_payout_that_closes_has_nothing_to_diagnose() -> None:
    assert gap_of(0, parts=PARTS) == []


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (1234, "12.34 EUR short: the difference is exactly the cash of ord_X (taken but not declared)."),
        (-171, "1.71 EUR over: the difference is exactly the IVA of the fee of ord_Y (not taken)."),
        (-777, "7.77 EUR over: ord_Z is missing: its net is exactly the difference."),
        (-210, "adjustment adj_1 of ord_X is missing"),
        (12187, "the nets of ord_X and ord_Y (not transferred)."),
    ],
)
def test_a_diagnosis_speaks_english_too_and_names_the_amount(gap: int, words: str) -> None:
    found = gap_of(gap, parts=PARTS, unsettled=UNSETTLED, language="en")
    assert any(words in sentence for sentence in found), found
    assert not [sentence for sentence in found if "{" in sentence or "diferencia" in sentence]


@pytest.mark.parametrize(
    ("country", "size"),
    [
        ("ES", "1.234.567,89 EUR"),
        ("CO", "1.234.567,89 COP"),
        ("AR", "1.234.567,89 ARS"),
        ("CL", "123.456.789 CLP"),
        ("MX", "1,234,567.89 MXN"),
        ("PE", "1,234,567.89 PEN"),
    ],
)
def test_an_amount_is_written_as_its_country_writes_it(country: str, size: str) -> None:
    said = gap_of(123456789, parts=PARTS, country=country)
    assert said[0].startswith(f"Faltan {size} en la transferencia: ")
    said = gap_of(123456789, parts=PARTS, country=country, language="en")
    english = "123,456,789" if country == "CL" else "1,234,567.89"
    assert said[0].startswith(f"The transfer is {english} {size[-3:]} short: ")


@pytest.mark.parametrize("name", ["IGV", "INC", "IVA"])
def test_a_tax_is_called_what_its_country_calls_it(name: str) -> None:
    parts = [OwedItem(order="ord_X", amount_minor=1000, fee_taxes=((name, -99),))]
    assert f"el {name} de la comisión de ord_X (no se descontó)" in gap_of(-99, parts=parts)[0]


def test_what_any_of_many_orders_may_have_caused_is_one_sentence_and_does_not_push_the_others_out() -> None:
    twins = [OwedItem(order=f"ord_{place}", amount_minor=100) for place in range(1500)]
    said = gap_of(100, parts=[*twins, OwedItem(order="ord_X", amount_minor=5000, cash_collected_minor=100)])
    assert f"{EXACTLY} el efectivo de ord_X (se descontó sin declararlo)." in said[0]
    assert f"{EXACTLY} el neto de ord_0, ord_1 o 1.498 más (no se transfirió)." in said[1]
    assert len(said) <= gap_causes.FINDINGS_MAX


def test_a_diagnosis_stays_short_whatever_the_words_of_a_payout_are() -> None:
    long = [AmountLine(id=str(place), amount_minor=100, description="x" * 500) for place in range(40)]
    payout = totals.payout(settled=[], adjustments=long, rates={}, amount_minor=3900)
    said = said_of(gap_causes.diagnose(payout=payout, parts=[], adjustments=long), gap=100)
    assert max(len(sentence) for sentence in said) < 300


@EXAMPLES
@given(gap=st.integers(-(10**6), 10**6).filter(bool))
def test_a_gap_never_goes_without_a_word(gap: int) -> None:
    assert gap_of(gap, parts=PARTS, unsettled=UNSETTLED)


def test_every_mistake_has_its_sentences_in_the_shapes_that_are_guessed() -> None:
    shapes = (gap_causes.OMITTED, gap_causes.DOUBLED, gap_causes.WRONG_SIGN)
    said = {cause.removeprefix("diagnosis.") for cause in table.TABLE}
    # Of totals and credits, not of a gap; and that an order was canceled is read, not guessed.
    said = {cause for cause in said if not cause.startswith(("sum_", "credit_"))} - {"canceled"}
    mistakes = {
        cause if cause in set(gap_causes.Mistake) else cause.rsplit("_", cause.endswith("sign") + 1)[0]
        for cause in said
    }
    assert mistakes == set(gap_causes.Mistake)
    assert said <= {*gap_causes.Mistake, *(f"{mistake}_{shape}" for mistake in gap_causes.Mistake for shape in shapes)}
