"""Where each cent comes from: every statement and payout says it, row by row, in its content and on its page."""

import json
import os
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents.money import Prices
from payouts.calculation import amounts, breakdown, footing, totals
from payouts.calculation.amounts import AmountLine
from payouts.calculation.breakdown import PaidDocument
from tests.payouts import making, telling

EXAMPLES = settings(max_examples=10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 200, deadline=None)
RATES = {"IVA21": Fraction("0.21"), "IVA10": Fraction("0.1"), "IVA19": Fraction("0.19"), "ILA315": Fraction("0.315")}
TAXES = ["", *RATES, "ILA315+IVA19"]
ISR = amounts.WithheldTax(
    name="ISR",
    rate=Fraction("0.021"),
    base_minor=80000,
    amount_minor=1680,
    legal_ref="LISR art. 113-A",
    status="checked",
)
LINES = st.lists(st.tuples(st.integers(-(10**8), 10**8), st.sampled_from(TAXES)), min_size=1, max_size=12)
PRICES: st.SearchStrategy[Prices] = st.sampled_from(["net", "gross"])


def ride() -> list[AmountLine]:
    return [
        AmountLine(id="1", amount_minor=2200, tax="IVA10", kind="FARE"),
        AmountLine(id="2", amount_minor=300, kind="TIP"),
        AmountLine(id="3", amount_minor=-440, tax="IVA21", kind="PLATFORM_FEE", supply="platform"),
    ]


def explained(
    lines: list[AmountLine], *, prices: Prices = "net", withheld: bool = False
) -> list[breakdown.ExplanationRow]:
    """Explain an order of those lines."""
    withholdings = [ISR] if withheld else []
    owed = totals.order_statement(lines=lines, rates=RATES, prices=prices, withholdings=withholdings)
    return breakdown.statement(
        order="ord_1",
        lines=lines,
        groups=owed.groups,
        prices=prices,
        withholdings=withholdings,
        total_minor=owed.totals["payable"],
    )


def test_every_cent_of_the_ride_is_explained() -> None:
    assert [row.content(digits=2) for row in explained(ride())] == [
        {"order": "ord_1", "line": "1", "kind": "FARE", "rule": "line", "amount": "22.00"},
        {"order": "ord_1", "line": "1", "tax": "IVA10", "rate": "0.1", "rule": "tax", "amount": "2.20"},
        {"order": "ord_1", "line": "2", "kind": "TIP", "rule": "line", "amount": "3.00"},
        {"order": "ord_1", "line": "3", "kind": "PLATFORM_FEE", "rule": "line", "amount": "-4.40"},
        {"order": "ord_1", "line": "3", "tax": "IVA21", "rate": "0.21", "rule": "tax", "amount": "-0.92"},
    ]


@EXAMPLES
@given(priced=LINES, prices=PRICES)
def test_no_cent_is_left_unexplained(priced: list[tuple[int, str]], prices: Prices) -> None:
    lines = [AmountLine(id=str(place), amount_minor=amount, tax=tax) for place, (amount, tax) in enumerate(priced)]
    rows = explained(lines, prices=prices, withheld=True)
    owed = totals.order_statement(lines=lines, rates=RATES, prices=prices, withholdings=[ISR])
    assert sum(row.amount_minor for row in rows) == owed.totals["payable"]
    assert sum(row.amount_minor for row in rows if row.rule == "tax") == owed.totals["tax"]
    assert {row.line for row in rows if row.rule == "line"} == {line.id for line in lines}
    for line in lines:
        (own,) = [row.amount_minor for row in rows if row.line == line.id and row.rule == "line"]
        shares = {row.tax: row.amount_minor for row in rows if row.line == line.id and row.rule == "tax"}
        assert own + (sum(shares.values()) if prices == "gross" else 0) == line.amount_minor
        assert set(shares) == set(amounts.split(line.tax))
        whole = sum((RATES[code] for code in shares), Fraction(0))
        for code, share in shares.items():  # a line's own tax, but for the cents that rounding once leaves over
            exact = line.amount_minor * RATES[code] / (1 if prices == "net" else 1 + whole)
            assert abs(share - exact) <= 3


@EXAMPLES
@given(priced=LINES, prices=PRICES, withheld=st.booleans())
def test_what_is_frozen_explains_itself_without_the_event(
    priced: list[tuple[int, str]], prices: Prices, withheld: bool
) -> None:
    lines = [AmountLine(id=str(place), amount_minor=amount, tax=tax) for place, (amount, tax) in enumerate(priced)]
    withholdings = [ISR] if withheld else []
    owed = totals.order_statement(lines=lines, rates=RATES, prices=prices, withholdings=withholdings)
    content = {
        "prices": prices,
        "lines": [
            {"id": line.id, "amount": f"{Decimal(line.amount_minor).scaleb(-2):f}"}
            | ({"taxes": amounts.split(line.tax)} if "+" in line.tax else {"tax": line.tax} if line.tax else {})
            for line in lines
        ],
        "tax_groups": amounts.group_rows(groups=owed.groups, digits=2),
        "withholdings": [item.content(digits=2) for item in withholdings],
        "totals": amounts.texts(amounts=owed.totals, digits=2),
    }
    rows = breakdown.frozen(content=content, order="ord_1", digits=2)
    assert rows == explained(lines, prices=prices, withheld=withheld)


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
    rides = tuple(explained(ride()))
    parts = [
        PaidDocument(order=str(place), number=f"N-{place}", amount_minor=net, rows=rides)
        for place, net in enumerate(settled)
    ]
    bonus = [AmountLine(id="b", amount_minor=5000, tax="IVA21", kind="BONUS")]
    sums = totals.payout(
        settled=settled,
        adjustments=bonus,
        rates=RATES,
        withholdings=[ISR],
        cash_collected_minor=cash,
        opening_minor=opening,
        closing_minor=closing,
        amount_minor=amount,
    )
    rows = breakdown.payout(parts=parts, adjustments=bonus, sums=sums, withholdings=[ISR])
    assert sum(row.amount_minor for row in rows) == amount
    assert sum(row.amount_minor for row in rows if row.rule == "difference") == -sums.difference_minor
    assert sum(breakdown.concepts(rows=rows).values()) == sum(settled)
    for part in parts:
        assert sum(row.amount_minor for row in rows if row.number == part.number) == part.amount_minor


def test_cash_is_told_order_by_order_where_the_orders_know_it_and_in_one_row_where_they_do_not() -> None:
    rides = tuple(explained(ride()))
    parts = [
        PaidDocument(order=order, number=number, amount_minor=2188, rows=rides, cash_collected_minor=cash)
        for order, number, cash in (("ord_1", "N-1", 700), ("ord_2", "N-2", 0), ("ord_3", "N-3", 300))
    ]

    def cash(collected: int) -> list[tuple[str, int]]:
        sums = totals.payout(
            settled=[2188] * 3, rates={}, cash_collected_minor=collected, amount_minor=3 * 2188 - collected
        )
        rows = breakdown.payout(parts=parts, adjustments=[], sums=sums)
        return [(row.order, row.amount_minor) for row in rows if row.rule == "cash_collected"]

    assert cash(1000) == [("ord_1", -700), ("ord_3", -300)]
    assert cash(999) == [("", -999)]


def test_a_payout_of_too_many_lines_leads_to_its_documents_instead_and_still_adds_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(breakdown, "ROWS_MAX", 10)
    rides = tuple(explained(ride()))
    parts = [
        PaidDocument(order=f"ord_{place}", number=f"N-{place}", amount_minor=paid, rows=rides, cash_collected_minor=100)
        for place, paid in enumerate((2188, 1000, 2188))
    ]
    sums = totals.payout(settled=[2188, 1000, 2188], rates={}, cash_collected_minor=300, amount_minor=5076)
    whole = breakdown.payout(parts=parts, adjustments=[], sums=sums)
    told = breakdown.bounded(rows=whole)
    assert [(row.rule, row.number, row.amount_minor) for row in told] == [
        ("statement", "N-0", 2188),
        ("statement", "N-1", 2188),
        ("part", "N-1", -1188),
        ("statement", "N-2", 2188),
        *[("cash_collected", f"N-{place}", -100) for place in range(3)],
    ]
    assert sum(row.amount_minor for row in told) == sum(row.amount_minor for row in whole) == 5076
    assert breakdown.bounded(rows=whole[:10]) == whole[:10]


# -- as the documents carry it --


def _content(key: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(telling.document(key).content)
    return content


def _sum(rows: list[dict[str, str]]) -> Decimal:
    return sum((Decimal(row["amount"]) for row in rows), Decimal(0))


@pytest.mark.django_db
def test_a_payout_leads_from_its_amount_to_the_line_of_each_order() -> None:
    telling.issuers()
    assert set(telling.told(telling.sample("mx_week"))) == {"processed"}
    content = _content("PAYOUT_STATEMENT:payout:po_5TQ8:payee")
    rows, numbers = content["explanation"], {item["order"]: item["number"] for item in content["settles"]}
    assert _sum(rows) == Decimal("565.20")
    of_order = [row for row in rows if row.get("order") == "ord_MXA"]
    assert [(row["line"], row["rule"], row.get("rate"), row["amount"]) for row in of_order] == [
        ("1", "line", None, "500.00"),
        ("1", "tax", "0.16", "80.00"),
        ("2", "line", None, "-125.00"),
        ("2", "tax", "0.16", "-20.00"),
    ]
    assert {row["number"] for row in of_order} == {numbers["ord_MXA"]}
    own = [(row["rule"], row.get("name"), row.get("rate"), row["amount"]) for row in rows if "number" not in row]
    assert own == [
        ("line", None, None, "50.00"),
        ("withholding", "ISR", "0.021", "-16.80"),
        ("withholding", "IVA", "0.5", "-64.00"),
        ("cash_collected", None, None, "-100.00"),
    ]
    concepts = {row["concept"]: row["amount"] for row in content["concepts"]}
    assert concepts == {"FARE": "800.00", "PLATFORM_FEE": "-200.00", "tax": "96.00"}


@pytest.mark.django_db
def test_an_instant_payout_of_a_part_says_what_others_pay_of_the_order() -> None:
    telling.issuers()
    parts = [making.payout("po_1", "4.00", settles=[{"order": "ord_1", "amount": "4.00"}])]
    assert telling.told([making.order("ord_1", "10.00"), *parts]) == ["processed"] * 2
    rows = _content("PAYOUT_STATEMENT:payout:po_1:payee")["explanation"]
    assert [(row["rule"], row["amount"]) for row in rows] == [("line", "10.00"), ("part", "-6.00")]


@pytest.mark.django_db
def test_an_adjustment_is_explained_in_its_supplement_and_in_the_payout_with_the_day_of_its_order() -> None:
    telling.issuers()
    told = [
        making.order("ord_1", "10.00", at="2026-02-10T10:00:00Z"),
        making.adjustment("adj_1", "ord_1", "2.00", at="2026-02-18T10:00:00Z"),
        making.payout(
            "po_1", "12.00", settles=[{"order": "ord_1", "amount": "10.00"}, {"adjustment": "adj_1", "amount": "2.00"}]
        ),
    ]
    assert telling.told(told) == ["processed"] * 3
    supplement = _content("ORDER_FINAL_STATEMENT:order:ord_1:beneficiary:adj_1")
    assert [(row["order"], row["kind"], row["amount"]) for row in supplement["explanation"]] == [
        ("ord_1", "TIP", "2.00")
    ]
    settles = _content("PAYOUT_STATEMENT:payout:po_1:payee")["settles"]
    assert [(item["operation_date"], item.get("order_date")) for item in settles] == [
        ("2026-02-10", None),
        ("2026-02-18", "2026-02-10"),
    ]


@pytest.mark.django_db
def test_an_explanation_that_lost_a_cent_is_found_by_whoever_foots_the_page() -> None:
    telling.issuers()
    telling.told([making.order("ord_1", lines=[making.line("22.00", tax="IVA10")])])
    document = telling.document("ORDER_FINAL_STATEMENT:order:ord_1:beneficiary")
    content = json.loads(document.content)

    def broken() -> list[str]:
        gaps = footing.gaps(kind=document.kind, content=content, total_minor=document.total_minor, digits=2)
        return [gap.law for gap in gaps]

    assert broken() == []
    content["explanation"][1]["amount"] = "2.19"
    assert broken() == ["explained_net"]
