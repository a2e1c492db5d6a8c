"""Tax groups: the lines of the same tax codes and supply, with the tax of each code. Pure.

A discount lowers the base of what it reduces, so lines of both signs are in one group; a fee of the platform is a
supply of its own, whatever its sign.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from documents import money
from documents.money import Prices
from payouts.calculation import amounts
from payouts.calculation.amounts import UNTAXED, AmountLine, CodeTax, Group, GroupKey, Supply


def groups(*, lines: Sequence[AmountLine], rates: Mapping[str, Fraction], prices: Prices = "net") -> tuple[Group, ...]:
    """Group taxed lines by codes and supply, in order of appearance; untaxed lines make no group.

    Net prices add the tax; gross ones contain it, and base + tax is the amount again, untouched.

    :raises KeyError: a code without rate; ask the pack first, it says why
    """
    taxable = {key: amount for key, amount in sums(lines).items() if key[0] != UNTAXED}
    taxed = _added(taxable=taxable, rates=rates) if prices == "net" else _contained(taxable=taxable, rates=rates)
    return tuple(
        Group(
            base_minor=amount if prices == "net" else amount - sum(taxed[key].values()),
            taxes=tuple(CodeTax(code=code, rate=rates[code], tax_minor=tax) for code, tax in taxed[key].items()),
            supply=key[1],
        )
        for key, amount in taxable.items()
    )


def _added(*, taxable: Mapping[GroupKey, int], rates: Mapping[str, Fraction]) -> dict[GroupKey, dict[str, int]]:
    """Return the tax of each code on each group's base.

    The tax of a code is rounded once over all bases of one supply that have it, half away from zero, and shared by
    largest remainder.
    """
    members: dict[tuple[str, Supply], list[GroupKey]] = {}
    for key in sorted(taxable):  # a unit left over goes to the same group in whatever order the lines are stated
        for code in amounts.split(key[0]):
            members.setdefault((code, key[1]), []).append(key)
    taxed = {key: dict.fromkeys(amounts.split(key[0]), 0) for key in taxable}
    for (code, _supply), keys in members.items():
        bases = [taxable[key] for key in keys]
        tax = money.round_half_up(sum(bases) * rates[code])
        for key, share in zip(keys, shares(tax_minor=tax, amounts_minor=bases, rate=rates[code]), strict=True):
            taxed[key][code] = share
    return taxed


def _contained(*, taxable: Mapping[GroupKey, int], rates: Mapping[str, Fraction]) -> dict[GroupKey, dict[str, int]]:
    """Return the tax of each code inside each group's price, shared by rate where it has several."""
    taxed = {}
    for key, amount in taxable.items():
        codes = amounts.split(key[0])
        tax = amount - money.round_half_up(amount, 1 + sum(rates[code] for code in codes))
        taxed[key] = dict(zip(codes, money.split(tax, _weights([rates[code] for code in codes])), strict=True))
    return taxed


def _weights(rates: Sequence[Fraction]) -> list[int]:
    """Return whole numbers in the proportion of the rates."""
    common = math.lcm(*(rate.denominator for rate in rates))
    return [int(rate * common) for rate in rates]


def shares(*, tax_minor: int, amounts_minor: Sequence[int], rate: Fraction) -> list[int]:
    """Share a tax between amounts by largest remainder; what adds and what reduces are shared apart.

    `rate` is the part of an amount that is tax: of prices with tax inside, rate / (1 + all rates).
    """
    adding = [max(amount, 0) for amount in amounts_minor]
    reducing = [min(amount, 0) for amount in amounts_minor]
    added = money.round_half_up(sum(adding) * rate) if any(reducing) else tax_minor
    pairs = zip(money.split(added, adding), money.split(tax_minor - added, reducing), strict=True)
    return [more + less for more, less in pairs]


def sums(lines: Iterable[AmountLine]) -> dict[GroupKey, int]:
    """Sum amounts by tax codes and supply, in order of appearance."""
    added: dict[GroupKey, int] = {}
    for line in lines:
        key = (line.tax, line.supply)
        added[key] = added.get(key, 0) + line.amount_minor
    return added


def placed(key: GroupKey, *, known: Iterable[GroupKey]) -> GroupKey:
    """Return the key of the group that a line belongs to: its own, or the only one of the same codes.

    A refund need not say that what it gives back is the platform's, where nothing else of the document is taxed so.
    """
    keys = set(known)
    other: GroupKey = (key[0], "service" if key[1] == "platform" else "platform")
    return other if key not in keys and other in keys else key
