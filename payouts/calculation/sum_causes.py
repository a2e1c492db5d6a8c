"""What may have made the totals that somebody states differ from what the lines come to: common mistakes. Pure.

A mistake is named only where it explains every stated total to the cent; the likeliest comes first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from documents import errors
from documents.money import Prices
from payouts.calculation import totals
from payouts.calculation.amounts import UNTAXED, AmountLine


def cause(
    *,
    lines: Sequence[AmountLine],
    rates: Mapping[str, Fraction],
    prices: Prices,
    stated: Mapping[str, int],
) -> str:
    """Return the likeliest mistake behind stated totals {net, tax, gross}, or some of them; "" where none fits."""
    for name, parts, read_as in _mistakes(lines=lines, prices=prices):
        try:
            each = [totals.receipt(lines=part, rates=rates, prices=read_as).totals for part in parts]
        except (errors.Problem, totals.BrokenSum):
            continue  # nobody can have come to that
        if all(sum(computed[word] for computed in each) == amount for word, amount in stated.items()):
            return name
    return ""


def _mistakes(
    *, lines: Sequence[AmountLine], prices: Prices
) -> Iterator[tuple[str, Sequence[Sequence[AmountLine]], Prices]]:
    """Yield each mistake with the lines that it adds up, in the parts it rounds by, and how it reads them."""
    if prices == "net":
        yield "gross_read_as_net", [lines], "gross"
    else:
        yield "net_read_as_gross", [lines], "net"
    yield "tax_rounded_per_line", [[line] for line in lines], prices
    charges = [line for line in lines if line.amount_minor >= 0]
    discounts = [line for line in lines if line.amount_minor < 0]
    if charges and discounts:
        yield "discount_omitted", [charges], prices
        yield "discount_doubled", [[*lines, *discounts]], prices
        yield "discount_untaxed", [[*charges, *(replace(line, tax=UNTAXED) for line in discounts)]], prices
