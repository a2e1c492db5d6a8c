"""Money: text at every boundary, whole minor units inside, exact fractions in between. Never float. Pure: no Django."""

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Literal

from babel import numbers

from documents import errors
from documents.countries import pack

Prices = Literal["net", "gross"]  # stated amounts are without their tax, or hold it
AMOUNT = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?", flags=re.ASCII)  # as it may come in
_WRITTEN = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?", flags=re.ASCII)  # a sum of those, up to MINOR_MAX
RATE = re.compile(r"(0|[1-9][0-9]{0,3})(\.[0-9]{1,12})?", flags=re.ASCII)
MINOR_MAX = 10**18 - 1  # fits a bigint column with room to spare


@cache
def digits(currency: str) -> int:
    """Return how many decimals a currency has: as a country pack says, else as ISO 4217 does (Babel).

    :raises errors.Problem: `currency_unsupported`
    """
    for country in pack.registry().values():
        if country.currency == currency:
            return country.decimals
    if currency not in numbers.list_currencies():
        raise errors.Problem(code="currency_unsupported", values={"cause": "not_iso", "currency": currency})
    return numbers.get_currency_precision(currency)


def minor(text: str, digits: int) -> int:
    """Read an amount's text ("22", "22.0", "-4.40") as whole minor units (2200, 2200, -440).

    :raises errors.Problem: `validation_error` when it is no amount, or has more decimals than the currency
    """
    if not _WRITTEN.fullmatch(text):
        raise errors.Problem(code="validation_error", values={"cause": "amount", "text": text[:40]})
    whole, _, decimals = text.partition(".")
    if len(decimals) > digits:
        raise errors.Problem(code="validation_error", values={"cause": "decimals", "text": text[:40], "digits": digits})
    return int(whole + decimals.ljust(digits, "0"))


def text(minor: int, digits: int) -> str:
    """Write minor units with the currency's digits: (2200, 2) is "22.00", (4500, 0) is "4500"."""
    sign, size = ("-" if minor < 0 else ""), str(abs(minor)).rjust(digits + 1, "0")
    return f"{sign}{size}" if digits == 0 else f"{sign}{size[:-digits]}.{size[-digits:]}"


def rate(text: str) -> Fraction:
    """Read a rate's text ("0.021") as an exact fraction.

    :raises errors.Problem: `validation_error`
    """
    if not RATE.fullmatch(text):
        raise errors.Problem(code="validation_error", values={"cause": "rate", "text": text[:40]})
    return Fraction(text)


def rate_text(rate: Fraction) -> str:
    """Write a rate that has a finite decimal form as text without trailing zeros: "0.1", "0.021".

    :raises ValueError: a fraction such as 1/3, which no decimal text can write
    """
    for places in range(13):
        scaled = rate * 10**places
        if scaled.denominator == 1:
            return text(int(scaled), places)
    raise ValueError(f"{rate} has no short decimal form")


def round_half_up(numerator: int | Fraction, denominator: int | Fraction = 1) -> int:
    """Return numerator / denominator as the nearest whole number, a half going away from zero.

    :raises ZeroDivisionError: the denominator is zero
    """
    exact = Fraction(numerator) / Fraction(denominator)
    size = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return size if exact >= 0 else -size


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Split whole units by weight so that the parts add up to the total (largest remainder).

    Each part is within one unit of its exact share; ties go to the earlier place. Weights are of one sign or zero;
    where all are zero the units are shared evenly.

    :raises ValueError: nothing to share between, or weights of both signs
    """
    if not weights:
        if total:
            raise ValueError("nothing to share between")
        return []
    if min(weights) < 0 < max(weights):
        raise ValueError("weights of both signs have no fair shares")
    sizes = [abs(weight) for weight in weights] if any(weights) else [1] * len(weights)
    whole, amount = sum(sizes), abs(total)
    floors = [amount * size // whole for size in sizes]
    order = sorted(range(len(sizes)), key=lambda place: (-(amount * sizes[place] % whole), place))
    for place in order[: amount - sum(floors)]:
        floors[place] += 1
    return floors if total >= 0 else [-part for part in floors]
