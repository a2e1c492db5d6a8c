"""The totals and tax groups of receipts, order statements, payouts and credits, in whole minor units. Pure.

Nothing here reads a clock, a database or a country: rates come in as exact fractions, chosen by the caller from the
country pack on the operation's legal date. Every sum is checked before it is returned; a wrong one raises BrokenSum.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import get_args

from documents import errors, money
from documents.money import Prices
from payouts.calculation import amounts, taxes
from payouts.calculation.amounts import (
    UNTAXED,
    AmountLine,
    Computed,
    Credited,
    Group,
    GroupKey,
    PayoutTotals,
    Supply,
    WithheldTax,
)


class BrokenSum(ArithmeticError):
    """A sum that does not add up: a defect of ours. Nothing may be issued from it."""


# -- computing --


def receipt(*, lines: Sequence[AmountLine], rates: Mapping[str, Fraction], prices: Prices = "net") -> Computed:
    """Return a receipt's totals {net, tax, gross} and tax groups."""
    groups = taxes.groups(lines=lines, rates=rates, prices=prices)
    return Computed(totals=_net_tax_gross(lines=lines, groups=groups, prices=prices), groups=groups)


def order_statement(
    *,
    lines: Sequence[AmountLine],
    rates: Mapping[str, Fraction],
    prices: Prices = "net",
    withholdings: Sequence[WithheldTax] = (),
) -> Computed:
    """Return what an order leaves its beneficiary or partner, from that one's lines.

    Totals: {earnings, deductions, tax (of all groups), withheld, payable}, where earnings are what the service comes to
    without tax, deductions what the platform's supply does (each of either sign), and
    payable = earnings + deductions + tax - withheld.
    """
    groups = taxes.groups(lines=lines, rates=rates, prices=prices)
    untaxed = taxes.sums(lines)
    earned, deducted = (
        untaxed.get((UNTAXED, supply), 0) + sum(group.base_minor for group in groups if group.supply == supply)
        for supply in get_args(Supply)
    )
    tax, withheld = sum(group.tax_minor for group in groups), sum(item.amount_minor for item in withholdings)
    totals = {"earnings": earned, "deductions": deducted, "tax": tax, "withheld": withheld}
    totals["payable"] = earned + deducted + tax - withheld
    _must(prices == "net" or earned + deducted + tax == _sum(lines), "gross prices keep their total")
    return Computed(totals=_bounded(totals), groups=groups)


def payout(
    *,
    settled: Sequence[int],
    adjustments: Sequence[AmountLine] = (),
    rates: Mapping[str, Fraction],
    prices: Prices = "net",
    withholdings: Sequence[WithheldTax] = (),
    cash_collected_minor: int = 0,
    opening_minor: int = 0,
    closing_minor: int = 0,
    amount_minor: int,
) -> PayoutTotals:
    """Return a payout's totals, the tax groups of its adjustments, and the difference by which it does not close.

    `settled` are the parts of orders' nets (adjustments' and credits' too) that this payout pays. It closes when
    settled + adjustments - withholdings - cash + opening - closing = the transferred amount.
    """
    extra = receipt(lines=adjustments, rates=rates, prices=prices)
    totals = {
        "included": sum(settled),
        "adjustments": extra.totals["gross"],
        "withheld": sum(item.amount_minor for item in withholdings),
        "cash_collected": cash_collected_minor,
        "opening_carry_over": opening_minor,
        "closing_carry_over": closing_minor,
        "amount": amount_minor,
    }
    owed = totals["included"] + totals["adjustments"] - totals["withheld"] - cash_collected_minor
    owed += opening_minor - closing_minor
    return PayoutTotals(totals=_bounded(totals), groups=extra.groups, difference_minor=owed - amount_minor)


def overpaid(*, net_minor: int, settled: Sequence[int]) -> int:
    """Return by how much the settlements of one order exceed its net: zero when they do not.

    Positive: the payee got too much (`paid_twice`). Negative: too much was taken for an order of negative net.
    """
    total = sum(settled)
    return total - min(max(total, min(0, net_minor)), max(0, net_minor))


# -- crediting --


def creditable(*, lines: Iterable[AmountLine], groups: Sequence[Group]) -> tuple[Group, ...]:
    """Return what of a document can be credited: its tax groups, and its untaxed lines as groups of their own."""
    untaxed = {supply: amount for (code, supply), amount in taxes.sums(lines).items() if code == UNTAXED}
    return (*groups, *(Group(base_minor=amount, supply=supply) for supply, amount in untaxed.items()))


def remaining(*, original: Sequence[Group], credited: Sequence[Group]) -> tuple[Group, ...]:
    """Return what remains of a document's groups after earlier credits of it, both as `creditable` gives them."""
    return tuple(_remaining(original=original, credited=credited).values())


def credit(
    *, original: Sequence[Group], credited: Sequence[Group] = (), lines: Sequence[AmountLine], prices: Prices = "net"
) -> Credited:
    """Return a credit's totals {net, tax, gross} and groups, at the original's own rates.

    `original` comes from `creditable`; `credited` are the groups of all earlier credits of it (untaxed ones too, again
    by `creditable`). The credit that takes the rest of a group's base takes the rest of its tax too, and no credit
    takes more tax than remains.

    :raises errors.Problem: `credit_exceeds_remaining`, in a group or in total
    """
    remaining = _remaining(original=original, credited=credited)
    lines = [replace(line, supply=taxes.placed((line.tax, line.supply), known=remaining)[1]) for line in lines]
    asked = taxes.sums(lines)
    for key in asked:
        if key not in remaining:
            raise _exceeds("no_group" if key[0] else "no_untaxed", tax=key[0])
    rates = {tax.code: tax.rate for group in original for tax in group.taxes}
    computed = {group.key: group for group in taxes.groups(lines=lines, rates=rates, prices=prices)}
    given = [
        _share(
            remaining=remaining[key],
            amount_minor=amount,
            computed=computed.get(key) or Group(base_minor=amount, supply=key[1]),
            prices=prices,
        )
        for key, amount in asked.items()
    ]
    after = _remaining(original=tuple(remaining.values()), credited=given)
    before_minor = sum(group.gross_minor for group in remaining.values())
    gross = sum(group.gross_minor for group in given)
    if gross > max(0, before_minor):
        raise _exceeds("total", asked_minor=gross, remaining_minor=before_minor)
    if gross < 0:
        raise _exceeds("charges")
    net, tax = sum(group.base_minor for group in given), sum(group.tax_minor for group in given)
    _must(gross == net + tax, "net and tax are the gross")
    _must(prices == "net" or gross == _sum(lines), "gross prices keep their total")
    taxed, totals = tuple(group for group in given if group.taxes), _bounded({"net": net, "tax": tax, "gross": gross})
    return Credited(totals=totals, groups=taxed, remaining=tuple(after.values()))


def _share(*, remaining: Group, amount_minor: int, computed: Group, prices: Prices) -> Group:
    """Return one credit's share of what remains of a group: what is computed of its amount, and no more than remains.

    :raises errors.Problem: `credit_exceeds_remaining`
    """
    whole = remaining.base_minor if prices == "net" else remaining.gross_minor
    sign = -1 if whole < 0 else 1
    if amount_minor < 0 <= whole:
        raise _exceeds("charges")
    if not 0 <= amount_minor * sign <= whole * sign:
        raise _exceeds(
            "group" if remaining.code else "untaxed",
            tax=remaining.code,
            asked_minor=amount_minor,
            remaining_minor=whole,
        )
    if amount_minor == whole:
        return remaining
    lefts = [tax.tax_minor for tax in remaining.taxes]
    # Earlier credits rounded up: what they took cannot be taken again.
    if prices == "net":
        minors = [
            sign * min(tax.tax_minor * sign, left * sign) for tax, left in zip(computed.taxes, lefts, strict=True)
        ]
        return remaining.of(base_minor=amount_minor, minors=minors)
    tax = sign * min(computed.tax_minor * sign, remaining.tax_minor * sign)
    # The last unit of the base goes with the rest of the tax: what remains beside no base could not be credited as net.
    most = max(0, remaining.base_minor * sign - 1)
    if (amount_minor - tax) * sign > most:  # the rest of the amount is tax
        tax = amount_minor - sign * most
    return remaining.of(base_minor=amount_minor - tax, minors=money.split(tax, lefts) if lefts else [])


def _remaining(*, original: Sequence[Group], credited: Sequence[Group]) -> dict[GroupKey, Group]:
    """Subtract groups from groups, by key; the order and the rates are the original's."""
    remaining = {group.key: group for group in original}
    for group in credited:
        key = taxes.placed(group.key, known=remaining)
        before = remaining.get(key)
        if before is None:
            raise _exceeds("no_group" if group.code else "no_untaxed", tax=group.code)
        given = group.of(base_minor=-group.base_minor, minors=[-tax.tax_minor for tax in group.taxes])
        remaining[key] = amounts.added(before, given)
    return remaining


def _exceeds(cause: str, **values: errors.Value) -> errors.Problem:
    """Return the problem of a credit that is more than what remains."""
    return errors.Problem(code="credit_exceeds_remaining", values={"cause": cause, **values})


# -- sums --


def _sum(lines: Sequence[AmountLine]) -> int:
    """Add the lines' amounts, whatever their tax."""
    return sum(line.amount_minor for line in lines)


def _net_tax_gross(*, lines: Sequence[AmountLine], groups: Sequence[Group], prices: Prices) -> dict[str, int]:
    """Return {net, tax, gross}: net + tax = gross, untouched where prices hold the tax."""
    untaxed = sum(line.amount_minor for line in lines if line.tax == UNTAXED)
    net, tax = untaxed + sum(group.base_minor for group in groups), sum(group.tax_minor for group in groups)
    _must((net if prices == "net" else net + tax) == _sum(lines), "lines are kept to the cent")
    return _bounded({"net": net, "tax": tax, "gross": net + tax})


def _bounded(totals: dict[str, int]) -> dict[str, int]:
    """Refuse sums that no column could hold.

    :raises errors.Problem: `validation_error`
    """
    for word, amount in totals.items():
        if abs(amount) > money.MINOR_MAX:
            raise errors.Problem(code="validation_error", values={"cause": "too_large", "total": word})
    return totals


def _must(holds: bool, law: str) -> None:  # noqa: FBT001 - reads as a sentence: must(sum is whole, law)
    """Check that a law of this file holds.

    :raises BrokenSum: it does not, which is a defect of ours and never an input's fault
    """
    if not holds:
        raise BrokenSum(law)
