"""Where each cent comes from, and what a gap looks like."""

import os
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from payouts import computation, explanation
from payouts.computation import Line, Prices
from payouts.explanation import Part

EXAMPLES = settings(max_examples=10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 200, deadline=None)
RATES = {"IVA21": Fraction("0.21"), "IVA10": Fraction("0.1")}
ISR = computation.Withholding(
    name="ISR",
    rate=Fraction("0.021"),
    base_minor=80000,
    amount_minor=1680,
    legal_ref="LISR art. 113-A",
    status="checked",
)


def ride() -> list[Line]:
    return [
        Line(id="1", amount_minor=2200, tax="IVA10", description="Viaje"),
        Line(id="2", amount_minor=300, description="Propina"),
        Line(id="3", amount_minor=-440, tax="IVA21", description="Comisión 20 %"),
    ]


def test_every_cent_of_the_ride_is_explained() -> None:
    rows = explanation.explain_order(order="ord_9F2K", lines=ride(), rates=RATES)
    assert [(row.line, row.rule, row.rate, row.amount_minor) for row in rows] == [
        ("1", "line", "", 2200),
        ("1", "tax", "0.1", 220),
        ("2", "line", "", 300),
        ("3", "line", "", -440),
        ("3", "tax", "0.21", -92),
    ]
    assert sum(row.amount_minor for row in rows) == 2188
    assert rows[1].words.es.startswith("IVA10 al 10 %")


@EXAMPLES
@given(
    amounts=st.lists(st.tuples(st.integers(-(10**8), 10**8), st.sampled_from(["", *RATES])), min_size=1, max_size=12),
    prices=st.sampled_from(["net", "gross"]),
)
def test_no_cent_is_left_unexplained(amounts: list[tuple[int, str]], prices: Prices) -> None:
    lines = [Line(id=str(place), amount_minor=amount, tax=tax) for place, (amount, tax) in enumerate(amounts)]
    rows = explanation.explain_order(order="o", lines=lines, rates=RATES, prices=prices, withholdings=[ISR])
    owed = computation.order_statement(lines=lines, rates=RATES, prices=prices, withholdings=[ISR])
    assert sum(row.amount_minor for row in rows) == owed.totals["payable"]
    taxes = sum(row.amount_minor for row in rows if row.rule == "tax")
    assert taxes == owed.totals["tax"]
    if prices == "gross":
        for line in lines:
            assert line.amount_minor == sum(row.amount_minor for row in rows if row.line == line.id)


@EXAMPLES
@given(
    settled=st.lists(st.integers(-(10**6), 10**6), max_size=6),
    cash=st.integers(0, 10**5),
    opening=st.integers(-(10**5), 10**5),
    closing=st.integers(-(10**5), 10**5),
    amount=st.integers(0, 10**7),
)
def test_a_payouts_rows_add_up_to_the_transfer_even_when_it_does_not_close(
    settled: list[int], cash: int, opening: int, closing: int, amount: int
) -> None:
    parts = [Part(order=str(place), amount_minor=net) for place, net in enumerate(settled)]
    rows = explanation.explain_payout(
        parts=parts,
        rates={},
        withholdings=[ISR],
        cash_collected_minor=cash,
        opening_minor=opening,
        closing_minor=closing,
        amount_minor=amount,
    )
    owed = sum(settled) - ISR.amount_minor - cash + opening - closing
    assert sum(row.amount_minor for row in rows) == amount
    assert sum(row.amount_minor for row in rows if row.rule == "difference") == amount - owed


def test_a_partial_payout_explains_what_it_leaves_for_another() -> None:
    rows = tuple(explanation.explain_order(order="ord_1", lines=ride(), rates=RATES))
    explained = explanation.explain_payout(
        parts=[Part(order="ord_1", amount_minor=1000, rows=rows)], rates={}, amount_minor=1000
    )
    assert explained[-1].rule == "part"
    assert explained[-1].amount_minor == 1000 - 2188
