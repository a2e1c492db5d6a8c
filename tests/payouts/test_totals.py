"""What an amount owed is made of: the worked samples, and what must hold for every order, payout and credit."""

import datetime as dt
import os
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents import errors, money
from documents.countries import pack
from documents.money import Prices
from payouts.calculation import amounts, taxes
from payouts.calculation import totals as computation
from payouts.calculation.amounts import AmountLine, Supply

EXAMPLES = settings(max_examples=10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 200, deadline=None)
RATES = {"IVA21": Fraction("0.21"), "IVA10": Fraction("0.1"), "INC8": Fraction("0.08"), "IVA105": Fraction("0.105")}
RATES |= {"IVA19": Fraction("0.19"), "ILA315": Fraction("0.315"), "ILA205": Fraction("0.205")}
SPIRITS, BEER = "ILA315+IVA19", "ILA205+IVA19"
TAXES = ["", *RATES, SPIRITS, BEER]
SUPPLIES: st.SearchStrategy[Supply] = st.sampled_from(["service", "platform"])
PRICES = st.sampled_from(["net", "gross"])


def line(amount_minor: int, tax: str = "", supply: Supply = "service", name: str = "1") -> AmountLine:
    return AmountLine(id=name, amount_minor=amount_minor, tax=tax, supply=supply)


def lines_of(*, smallest: int = -(10**9), largest: int = 10**9) -> st.SearchStrategy[list[AmountLine]]:
    """Draw orders of 1 to 12 lines, taxed or not, earning or deducting."""
    one = st.builds(line, st.integers(smallest, largest), st.sampled_from(TAXES), SUPPLIES)
    return st.lists(one, min_size=1, max_size=12)


def withholding(*, rate: str, base: str, amount: str, orders: int = 1, name: str = "ISR") -> amounts.WithheldTax:
    raw = {"name": name, "rate": rate, "base": base, "amount": amount, "legal_ref": "LISR art. 113-A"}
    return amounts.read_withholdings(withholdings=[raw], digits=2, orders=orders)[0]


# -- the worked samples --


def test_the_spanish_ride_leaves_the_driver_what_the_sample_says() -> None:
    rates = pack.required("ES").rates_on(codes=["IVA10", "IVA21"], date=dt.date(2026, 2, 21))
    owed = computation.order_statement(
        lines=[line(2200, "IVA10"), line(300), line(-440, "IVA21", "platform")], rates=rates
    )
    totals = amounts.texts(amounts=owed.totals, digits=2)
    assert totals == {"earnings": "25.00", "deductions": "-4.40", "tax": "1.28", "withheld": "0.00", "payable": "21.88"}
    assert amounts.group_rows(groups=owed.groups, digits=2) == [
        {"code": "IVA10", "rate": "0.1", "base": "22.00", "tax": "2.20"},
        {"code": "IVA21", "rate": "0.21", "base": "-4.40", "tax": "-0.92", "supply": "platform"},
    ]


def test_the_spanish_receipt_is_the_captured_amount() -> None:
    paid = computation.receipt(lines=[line(2200, "IVA10")], rates=RATES)
    assert paid.totals == {"net": 2200, "tax": 220, "gross": 2420}


def test_the_mexican_week_closes_to_the_cent() -> None:
    rates = {"IVA16": Fraction("0.16")}
    nets = [
        computation.order_statement(lines=[line(fare, "IVA16"), line(fee, "IVA16", "platform")], rates=rates).totals[
            "payable"
        ]
        for fare, fee in ((50000, -12500), (30000, -7500))
    ]
    assert nets == [43500, 26100]
    isr = withholding(rate="0.021", base="800.00", amount="16.80")
    iva = withholding(rate="0.5", base="128.00", amount="64.00", name="IVA")
    paid = computation.payout(
        settled=nets,
        adjustments=[line(5000)],
        rates={},
        withholdings=[isr, iva],
        cash_collected_minor=10000,
        amount_minor=56520,
    )
    assert isr.status == iva.status == "checked"
    assert paid.closes
    assert amounts.texts(amounts=paid.totals, digits=2) == {
        "included": "696.00",
        "adjustments": "50.00",
        "withheld": "80.80",
        "cash_collected": "100.00",
        "opening_carry_over": "0.00",
        "closing_carry_over": "0.00",
        "amount": "565.20",
    }


def test_a_driver_never_gets_the_restaurants_lines_nor_the_restaurant_the_drivers() -> None:
    raw = [
        {"id": "1", "kind": "FARE", "description": "Domicilio", "amount": "5000.00"},
        {"id": "2", "kind": "TIP", "description": "Propina", "amount": "2000.00"},
        {"id": "3", "kind": "ITEM", "description": "Bandeja", "amount": "25000", "tax": "INC8", "party": "partner"},
        {"id": "4", "kind": "FEE", "description": "Comisión", "amount": "-5000", "tax": "IVA19", "party": "partner"},
    ]
    rates = pack.required("CO").rates_on(codes=["INC8", "IVA19"], date=dt.date(2026, 2, 22))
    owed = {}
    for party in ("beneficiary", "partner"):
        lines = amounts.read_lines(lines=raw, digits=2, party=party)
        owed[party] = computation.order_statement(lines=lines, rates=rates).totals["payable"]
    assert owed == {"beneficiary": 700000, "partner": 2105000}
    assert len(amounts.read_lines(lines=raw, digits=2)) == 4


def test_the_colombian_refund_keeps_the_rate_and_what_remains() -> None:
    original = [line(2000000, "INC8"), line(3000000, "INC8")]
    paid = computation.receipt(lines=original, rates=RATES)
    assert paid.totals == {"net": 5000000, "tax": 400000, "gross": 5400000}
    given_back = computation.credit(
        original=computation.creditable(lines=original, groups=paid.groups), lines=[line(2000000, "INC8")]
    )
    assert given_back.totals == {"net": 2000000, "tax": 160000, "gross": 2160000}
    assert given_back.remaining_minor == 3240000


# -- tax groups --


def test_tax_is_rounded_once_per_group_not_per_line() -> None:
    three = [line(105, "IVA10"), line(105, "IVA10"), line(105, "IVA10")]  # 0.105 each: 0.33 by line, 0.32 by group
    assert computation.receipt(lines=three, rates=RATES).totals["tax"] == 32


def test_a_discount_lowers_the_base_of_what_it_reduces() -> None:
    (group,) = taxes.groups(lines=[line(1004, "IVA10"), line(-105, "IVA10")], rates=RATES)
    assert (group.base_minor, group.tax_minor) == (899, 90)  # rounded apart they were 1.00 - 0.11


def test_a_fee_of_the_platform_is_another_supply() -> None:
    lines = [line(105, "IVA10"), line(-105, "IVA10", "platform")]
    assert [(group.supply, group.tax_minor) for group in taxes.groups(lines=lines, rates=RATES)] == [
        ("service", 11),
        ("platform", -11),
    ]


def test_a_line_without_tax_makes_no_group() -> None:
    assert taxes.groups(lines=[line(300)], rates={}) == ()


def test_prices_with_tax_inside_keep_their_total() -> None:
    paid = computation.receipt(lines=[line(1000, "IVA21")], rates=RATES, prices="gross")
    assert paid.totals == {"net": 826, "tax": 174, "gross": 1000}


@EXAMPLES
@given(lines=lines_of(), prices=PRICES)
def test_a_receipt_always_adds_up(lines: list[AmountLine], prices: Prices) -> None:
    paid = computation.receipt(lines=lines, rates=RATES, prices=prices)
    totals = paid.totals
    assert totals["net"] + totals["tax"] == totals["gross"]
    stated = "gross" if prices == "gross" else "net"
    assert totals[stated] == sum(one.amount_minor for one in lines), "the total of the lines is untouched"
    assert totals["tax"] == sum(group.tax_minor for group in paid.groups)
    assert len({group.key for group in paid.groups}) == len(paid.groups)
    for code, rate in RATES.items():
        rows = [(group, tax) for group in paid.groups for tax in group.taxes if tax.code == code]
        for group, tax in rows:
            assert abs(tax.tax_minor - group.base_minor * rate) <= 2
        for supply in ("service", "platform"):
            base = sum(group.base_minor for group, _tax in rows if group.supply == supply)
            charged = sum(tax.tax_minor for group, tax in rows if group.supply == supply)
            assert prices == "gross" or charged == money.round_half_up(base * rate), "rounded once a code and supply"


@EXAMPLES
@given(lines=lines_of(), prices=PRICES, withheld=st.lists(st.integers(0, 10**7), max_size=3))
def test_what_an_order_leaves_is_always_its_parts(lines: list[AmountLine], prices: Prices, withheld: list[int]) -> None:
    held = [withholding(rate="0.021", base="1.00", amount=money.text(amount, 2)) for amount in withheld]
    owed = computation.order_statement(lines=lines, rates=RATES, prices=prices, withholdings=held).totals
    assert owed["payable"] == owed["earnings"] + owed["deductions"] + owed["tax"] - owed["withheld"]
    if prices == "net":
        assert owed["earnings"] == sum(one.amount_minor for one in lines if one.supply == "service")
        assert owed["deductions"] == sum(one.amount_minor for one in lines if one.supply == "platform")
    assert owed["withheld"] == sum(withheld)
    gross = computation.receipt(lines=lines, rates=RATES, prices=prices).totals["gross"]
    assert owed["payable"] == gross - owed["withheld"], "a statement and a receipt never tax one line differently"


@EXAMPLES
@given(lines=lines_of(), prices=PRICES, data=st.data())
def test_totals_never_depend_on_the_order_of_lines(
    lines: list[AmountLine], prices: Prices, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(lines))
    one, other = (computation.order_statement(lines=each, rates=RATES, prices=prices) for each in (lines, shuffled))
    assert one.totals == other.totals
    assert set(one.groups) == set(other.groups)


@EXAMPLES
@given(lines=lines_of(), prices=PRICES)
def test_groups_survive_freezing_and_reading_back(lines: list[AmountLine], prices: Prices) -> None:
    groups = taxes.groups(lines=lines, rates=RATES, prices=prices)
    frozen = amounts.group_rows(groups=groups, digits=2)
    back = amounts.read_groups(groups=frozen, lines=lines, digits=2)
    assert amounts.group_rows(groups=back, digits=2) == frozen
    assert [group.key for group in back if group.gross_minor] == [group.key for group in groups if group.gross_minor]


def test_a_sum_that_no_column_holds_is_refused_not_cut() -> None:
    with pytest.raises(errors.Problem) as caught:
        computation.receipt(lines=[line(10**17)] * 20, rates=RATES)
    assert caught.value.code == "validation_error"


def test_a_stated_total_a_cent_off_is_never_let_through() -> None:
    computed = {"net": 2200, "tax": 220, "gross": 2420}
    amounts.check_totals(stated={"net": "22", "gross": "24.2"}, computed=computed, digits=2)
    amounts.check_totals(stated=None, computed=computed, digits=2)
    with pytest.raises(errors.Problem) as caught:
        amounts.check_totals(stated={"net": "22.00", "tax": "2.21", "gross": "24.21"}, computed=computed, digits=2)
    assert caught.value.code == "totals_mismatch"
    assert [fault.pointer for fault in caught.value.errors] == ["/data/totals/tax", "/data/totals/gross"]


# -- withholdings --


@pytest.mark.parametrize(
    ("amount", "orders", "status"),
    [
        ("16.80", 1, "checked"),
        ("16.81", 1, "checked"),
        ("16.79", 1, "checked"),
        ("16.82", 1, "declared"),
        ("16.82", 2, "checked"),
        ("16.83", 2, "declared"),
        ("-16.80", 2, "declared"),
    ],
)
def test_a_withholding_off_by_more_than_a_cent_per_order_is_flagged(amount: str, orders: int, status: str) -> None:
    assert withholding(rate="0.021", base="800.00", amount=amount, orders=orders).status == status


def test_a_withholding_is_never_recomputed_only_checked() -> None:
    declared = withholding(rate="0.021", base="800.00", amount="99.00")
    assert declared.content(digits=2)["amount"] == "99.00"
    assert declared.content(digits=2)["status"] == "declared"


# -- payouts --


@EXAMPLES
@given(
    settled=st.lists(st.integers(-(10**8), 10**8), max_size=20),
    adjustments=st.lists(st.builds(line, st.integers(-(10**6), 10**6), st.sampled_from(TAXES)), max_size=4),
    cash=st.integers(0, 10**7),
    opening=st.integers(-(10**7), 10**7),
    closing=st.integers(-(10**7), 10**7),
    gap=st.integers(-1000, 1000),
)
def test_a_payout_closes_exactly_when_not_a_cent_is_missing(
    *, settled: list[int], adjustments: list[AmountLine], cash: int, opening: int, closing: int, gap: int
) -> None:
    extra = computation.receipt(lines=adjustments, rates=RATES).totals["gross"]
    amount = sum(settled) + extra - cash + opening - closing
    paid = computation.payout(
        settled=settled,
        adjustments=adjustments,
        rates=RATES,
        cash_collected_minor=cash,
        opening_minor=opening,
        closing_minor=closing,
        amount_minor=amount - gap,
    )
    assert paid.difference_minor == gap
    assert paid.closes is (gap == 0)


def test_a_week_below_zero_carries_its_debt_to_the_next() -> None:
    closed = computation.payout(
        settled=[1000], rates={}, cash_collected_minor=2500, closing_minor=-1500, amount_minor=0
    )
    assert closed.closes
    after = computation.payout(settled=[4000], rates={}, opening_minor=-1500, amount_minor=2500)
    assert after.closes


@pytest.mark.parametrize(
    ("net", "settled", "excess"),
    [
        (1000, [], 0),
        (1000, [1000], 0),
        (1000, [400, 600], 0),
        (1000, [1000, 1000], 1000),
        (1000, [600, 600], 200),
        (-500, [], 0),
        (-500, [-500], 0),
        (-500, [-500, -500], -500),
        (-500, [100], 100),
        (0, [1], 1),
    ],
)
def test_an_order_paid_twice_is_always_seen(net: int, settled: list[int], excess: int) -> None:
    assert computation.overpaid(net_minor=net, settled=settled) == excess


# -- several taxes on one line --


def test_iva_and_the_tax_on_spirits_are_charged_on_the_same_thousand_pesos() -> None:
    sold = computation.receipt(lines=[line(1000, SPIRITS)], rates=RATES)
    assert sold.totals == {"net": 1000, "tax": 505, "gross": 1505}
    assert amounts.group_rows(groups=sold.groups, digits=0) == [
        {"code": "ILA315", "rate": "0.315", "base": "1000", "tax": "315", "with_codes": "IVA19"},
        {"code": "IVA19", "rate": "0.19", "base": "1000", "tax": "190", "with_codes": "ILA315"},
    ]
    assert computation.receipt(lines=[line(1505, SPIRITS)], rates=RATES, prices="gross") == sold


def test_a_tax_of_lines_with_other_taxes_too_is_rounded_once() -> None:
    """Food for 1,003 and spirits for 503 pesos: IVA is 19 % of 1,506, which is 286.14, not 190.57 and 95.57 rounded up."""
    sold = computation.receipt(lines=[line(1003, "IVA19"), line(503, SPIRITS)], rates=RATES)
    assert sold.totals == {"net": 1506, "tax": 286 + 158, "gross": 1950}


@pytest.mark.parametrize("prices", ["net", "gross"])
def test_spirits_are_never_given_back_as_food(prices: Prices) -> None:
    original = original_of([line(1000, "IVA19"), line(500, SPIRITS)], prices)
    with pytest.raises(errors.Problem) as caught:
        computation.credit(original=original, lines=[line(1500, "IVA19")], prices=prices)
    assert caught.value.code == "credit_exceeds_remaining"


# -- credits --


def original_of(lines: Sequence[AmountLine], prices: Prices) -> tuple[amounts.Group, ...]:
    paid = computation.receipt(lines=lines, rates=RATES, prices=prices)
    return computation.creditable(lines=lines, groups=paid.groups)


def credited_of(done: amounts.Credited, lines: Sequence[AmountLine]) -> tuple[amounts.Group, ...]:
    return computation.creditable(lines=lines, groups=done.groups)


@EXAMPLES
@given(
    lines=st.lists(st.builds(line, st.integers(1, 10**6), st.sampled_from(TAXES)), min_size=1, max_size=5),
    prices=PRICES,
    data=st.data(),
)
def test_partial_credits_end_on_the_original_to_the_cent_whatever_their_sizes(
    lines: list[AmountLine], prices: Prices, data: st.DataObject
) -> None:
    original = original_of(lines, prices)
    credited: list[amounts.Group] = []
    given_back = 0
    for one in lines:
        first = data.draw(st.integers(0, one.amount_minor))
        for amount in (first, one.amount_minor - first):
            if amount:
                piece = [line(amount, one.tax)]
                done = computation.credit(original=original, credited=credited, lines=piece, prices=prices)
                assert all(group.base_minor >= 0 and group.tax_minor >= 0 for group in done.remaining)
                credited += credited_of(done, piece)
                given_back += done.totals["gross"]
                assert done.remaining_minor == sum(group.gross_minor for group in original) - given_back
    assert given_back == sum(group.gross_minor for group in original)
    assert sum(group.tax_minor for group in credited) == sum(group.tax_minor for group in original)


@EXAMPLES
@given(lines=lines_of(), prices=PRICES)
def test_a_full_credit_is_the_original_even_with_promotions(lines: list[AmountLine], prices: Prices) -> None:
    original = original_of(lines, prices)
    gross = sum(group.gross_minor for group in original)
    if gross >= 0:
        done = computation.credit(original=original, lines=lines, prices=prices)
        assert done.totals["gross"] == gross
        assert not any((group.base_minor, group.tax_minor) != (0, 0) for group in done.remaining)


def test_the_last_partial_credit_takes_the_tax_that_is_left() -> None:
    original = original_of([line(15, "IVA10")], "net")  # tax 1.5 -> 2
    credited: list[amounts.Group] = []
    taxes = []
    for _ in range(3):
        piece = [line(5, "IVA10")]  # 0.5 -> 1 each: a third cent of tax would not exist
        done = computation.credit(original=original, credited=credited, lines=piece)
        credited += credited_of(done, piece)
        taxes.append(done.totals["tax"])
    assert taxes == [1, 1, 0]
    assert done.remaining_minor == 0


@pytest.mark.parametrize("prices", ["net", "gross"])
@pytest.mark.parametrize(
    "asked",
    [
        [line(1001, "IVA10")],
        [line(600, "IVA10"), line(401, "IVA10")],
        [line(501)],
        [line(100, "IVA21")],
        [line(-100, "IVA10")],
    ],
)
def test_more_than_what_remains_is_never_credited(prices: Prices, asked: list[AmountLine]) -> None:
    original = original_of([line(1000, "IVA10"), line(500)], prices)
    with pytest.raises(errors.Problem) as caught:
        computation.credit(original=original, lines=asked, prices=prices)
    assert caught.value.code == "credit_exceeds_remaining"


def test_two_credits_that_fit_alone_never_pass_together() -> None:
    original = original_of([line(1000, "IVA10")], "net")
    piece = [line(600, "IVA10")]
    first = computation.credit(original=original, lines=piece)
    with pytest.raises(errors.Problem) as caught:
        computation.credit(original=original, credited=credited_of(first, piece), lines=piece)
    assert caught.value.code == "credit_exceeds_remaining"


def test_a_discounted_receipt_never_gives_back_more_than_was_paid() -> None:
    original = original_of([line(1000), line(-200)], "net")
    with pytest.raises(errors.Problem, match="'untaxed'"):
        computation.credit(original=original, lines=[line(900)])
    charged = original_of([line(1000), line(-200, supply="platform")], "net")
    with pytest.raises(errors.Problem, match="'total'"):
        computation.credit(original=charged, lines=[line(900)])
    with pytest.raises(errors.Problem, match="'charges'"):
        computation.credit(original=original, lines=[line(-100)])


def test_credits_of_something_else_are_refused_not_subtracted() -> None:
    with pytest.raises(errors.Problem) as caught:
        computation.credit(
            original=original_of([line(1000)], "net"),
            credited=original_of([line(10, "IVA10")], "net"),
            lines=[line(10)],
        )
    assert caught.value.code == "credit_exceeds_remaining"


def test_a_broken_law_stops_the_issue() -> None:
    with pytest.raises(computation.BrokenSum):
        computation._must(False, "two and two are four")
