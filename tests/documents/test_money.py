"""Money is whole units: what must hold for every amount, rate and split."""

import os
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents import errors, money

EXAMPLES = settings(max_examples=10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 200, deadline=None)
MINOR = st.integers(-(10**17), 10**17)


@pytest.mark.parametrize(
    ("text", "digits", "minor"),
    [("22", 2, 2200), ("22.0", 2, 2200), ("-4.40", 2, -440), ("0.05", 2, 5), ("-0.00", 2, 0), ("4500", 0, 4500)],
)
def test_an_amount_of_fewer_digits_is_the_same_amount(text: str, digits: int, minor: int) -> None:
    assert money.minor(text, digits) == minor


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1\n",
        "01",
        "1.",
        ".5",
        "+1",
        "1e3",
        "1,5",
        "--1",
        "NaN",
        "Infinity",
        "٣",
        "1.234",
        "1" * 19,
        "1_0",
    ],
)
def test_what_is_no_amount_of_the_currency_is_refused(text: str) -> None:
    with pytest.raises(errors.Problem) as caught:
        money.minor(text, 2)
    assert caught.value.code == "validation_error"


def test_a_peso_without_cents_refuses_cents_even_if_zero() -> None:
    with pytest.raises(errors.Problem):
        money.minor("4500.00", 0)


@EXAMPLES
@given(minor=MINOR, digits=st.integers(0, 4))
def test_amounts_survive_the_way_to_text_and_back_with_exactly_the_currencys_digits(minor: int, digits: int) -> None:
    text = money.text(minor, digits)
    assert len(text.partition(".")[2]) == digits
    assert not text.startswith("-0") or minor < 0
    assert Decimal(text) == Decimal(minor).scaleb(-digits)
    if abs(minor) < 10 ** (15 + digits):
        assert money.minor(text, digits) == minor


def test_a_sum_of_the_largest_amounts_is_read_back_though_none_may_come_in_so_large() -> None:
    largest = money.minor("999999999999999.99", 2)
    text = money.text(9 * largest, 2)
    assert money.minor(text, 2) == 9 * largest
    assert not money.AMOUNT.fullmatch(text)
    assert not money.AMOUNT.fullmatch("1" * 16)


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [(1, 2, 1), (-1, 2, -1), (5, 2, 3), (-5, 2, -3), (3, 2, 2), (49, 100, 0), (-49, 100, 0), (5, -2, -3), (0, 7, 0)],
)
def test_a_half_goes_away_from_zero_on_both_sides(numerator: int, denominator: int, rounded: int) -> None:
    assert money.round_half_up(numerator, denominator) == rounded


@EXAMPLES
@given(numerator=MINOR, denominator=st.integers(1, 10**6))
def test_rounding_is_never_more_than_a_half_away(numerator: int, denominator: int) -> None:
    exact, rounded = Fraction(numerator, denominator), money.round_half_up(numerator, denominator)
    assert abs(exact - rounded) <= Fraction(1, 2)
    assert money.round_half_up(-numerator, denominator) == -rounded


@EXAMPLES
@given(minor=MINOR, rate=st.decimals(min_value=0, max_value=1, places=4))
def test_rounding_agrees_with_the_decimal_modules_half_up(minor: int, rate: Decimal) -> None:
    decimal = (Decimal(minor) * rate).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    assert money.round_half_up(minor * Fraction(rate)) == int(decimal)


@EXAMPLES
@given(total=MINOR, weights=st.lists(st.integers(0, 10**9), min_size=1, max_size=40), negative=st.booleans())
def test_a_split_never_loses_nor_makes_a_cent_and_stays_within_one_of_fair(
    total: int,
    weights: list[int],
    negative: bool,
) -> None:
    signed = [-weight for weight in weights] if negative else weights
    parts = money.split(total, signed)
    assert sum(parts) == total
    sizes = weights if any(weights) else [1] * len(weights)
    for part, size in zip(parts, sizes, strict=True):
        assert abs(part - Fraction(total * size, sum(sizes))) < 1
        assert size or not part, "who has no weight gets nothing"


def test_a_split_gives_the_odd_cents_to_the_largest_remainders_and_ties_to_the_first() -> None:
    assert money.split(100, [1, 1, 1]) == [34, 33, 33]
    assert money.split(-100, [1, 1, 1]) == [-34, -33, -33]
    assert money.split(5, [1, 7, 2]) == [1, 3, 1]
    assert money.split(0, []) == []


@pytest.mark.parametrize(("total", "weights"), [(1, []), (1, [1, -1])])
def test_a_split_without_fair_shares_is_refused_rather_than_guessed(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="share"):
        money.split(total, weights)


@pytest.mark.parametrize(
    ("currency", "digits"), [("EUR", 2), ("COP", 2), ("CLP", 0), ("PYG", 0), ("USD", 2), ("KWD", 3)]
)
def test_every_currency_has_its_digits(currency: str, digits: int) -> None:
    assert money.digits(currency) == digits


def test_an_unknown_currency_is_never_taken_for_one_of_two_digits() -> None:
    with pytest.raises(errors.Problem) as caught:
        money.digits("QQQ")
    assert caught.value.code == "currency_unsupported"


@pytest.mark.parametrize(
    ("text", "written"), [("0.1", "0.1"), ("0.10", "0.1"), ("0.021", "0.021"), ("0", "0"), ("1", "1")]
)
def test_a_rate_is_exact_and_written_one_way(text: str, written: str) -> None:
    assert money.rate_text(money.rate(text)) == written


@pytest.mark.parametrize("text", ["", "-0.1", ".1", "10%", "1e-2", "0.1234567890123"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(errors.Problem):
        money.rate(text)


def test_a_rate_that_no_text_can_hold_is_never_cut_short() -> None:
    with pytest.raises(ValueError, match="decimal form"):
        money.rate_text(Fraction(1, 3))
