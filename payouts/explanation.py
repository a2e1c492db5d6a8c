"""Where each cent of a net comes from, line by line. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from documents import money
from documents.countries.pack import Words
from payouts import computation
from payouts.computation import Line, Prices, Withholding

Rule = Literal[
    "line", "tax", "withholding", "part", "cash_collected", "opening_carry_over", "closing_carry_over", "difference"
]


@dataclass(frozen=True, kw_only=True)
class Row:
    """Some of the net's cents: from which order and line, by which rule, at which rate. Rows add up to the net."""

    order: str
    line: str
    rule: Rule
    amount_minor: int
    rate: str = ""  # decimal fraction as text, where the rule has one
    words: Words


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a payout pays of one order (or adjustment, or credit), and what is known of that order."""

    order: str
    amount_minor: int  # what this payout settles of it
    rows: tuple[Row, ...] = ()  # from `explain_order`; they add up to the order's whole net


def explain_order(
    *,
    order: str,
    lines: Sequence[Line],
    rates: Mapping[str, Fraction],
    prices: Prices = "net",
    withholdings: Sequence[Withholding] = (),
) -> list[Row]:
    """This function will return the rows of an order statement; they add up to its `payable`, to the cent.

    A group's tax is rounded once; each line shows its share of it by largest remainder.
    """
    rows = []
    for group_lines, rate, tax in _grouped(lines=lines, rates=rates, prices=prices):
        shares = money.split(tax, [line.amount_minor for line in group_lines])
        for line, share in zip(group_lines, shares, strict=True):
            net = line.amount_minor - (share if prices == "gross" else 0)
            rows.append(_line_row(order=order, line=line, amount_minor=net))
            if line.tax:
                rows.append(_tax_row(order=order, line=line, rate=rate, amount_minor=share))
    rows += [_withholding_row(order=order, item=item) for item in withholdings]
    owed = computation.order_statement(lines=lines, rates=rates, prices=prices, withholdings=withholdings)
    return _adding_up(rows=rows, total_minor=owed.totals["payable"])


def explain_payout(
    *,
    parts: Sequence[Part],
    adjustments: Sequence[Line] = (),
    rates: Mapping[str, Fraction],
    prices: Prices = "net",
    withholdings: Sequence[Withholding] = (),
    cash_collected_minor: int = 0,
    opening_minor: int = 0,
    closing_minor: int = 0,
    amount_minor: int,
) -> list[Row]:
    """This function will return the rows of a payout; they add up to the transferred amount, to the cent.

    A part that is not its order's whole net has a row for what other payouts pay; a payout that does not close has one
    for the difference.
    """
    rows: list[Row] = []
    for part in parts:
        rows += part.rows
        elsewhere = part.amount_minor - sum(row.amount_minor for row in part.rows)
        words = Words(es=f"Hasta lo que este pago liquida de {part.order}", en=f"To what this settles of {part.order}")
        if not part.rows:
            words = Words(es=f"Neto de {part.order}", en=f"Net of {part.order}")
        rows += _unless_zero(order=part.order, rule="part", amount_minor=elsewhere, words=words)
    rows += explain_order(order="", lines=adjustments, rates=rates, prices=prices, withholdings=withholdings)
    rows += _unless_zero(rule="cash_collected", amount_minor=-cash_collected_minor, words=_CASH)
    rows += _unless_zero(rule="opening_carry_over", amount_minor=opening_minor, words=_OPENING)
    rows += _unless_zero(rule="closing_carry_over", amount_minor=-closing_minor, words=_CLOSING)
    gap = amount_minor - sum(row.amount_minor for row in rows)
    rows += _unless_zero(rule="difference", amount_minor=gap, words=_DIFFERENCE)
    return _adding_up(rows=rows, total_minor=amount_minor)


# -- rows --

_CASH = Words(es="Efectivo ya cobrado al cliente", en="Cash already collected from the customer")
_OPENING = Words(es="Saldo anterior", en="Opening balance")
_CLOSING = Words(es="Saldo que pasa al siguiente pago", en="Balance carried to the next payout")
_DIFFERENCE = Words(es="Diferencia en conciliación", en="Difference in reconciliation")


def _grouped(
    *, lines: Sequence[Line], rates: Mapping[str, Fraction], prices: Prices
) -> Iterator[tuple[list[Line], Fraction, int]]:
    """This function will give each tax group's lines, rate and rounded tax, as they appear; untaxed ones too."""
    groups = {group.key: group for group in computation.tax_groups(lines=lines, rates=rates, prices=prices)}
    for code, deduction in dict.fromkeys((line.tax, line.amount_minor < 0) for line in lines):
        members = [line for line in lines if (line.tax, line.amount_minor < 0) == (code, deduction)]
        group = groups.get((code, deduction))
        yield members, group.rate if group else Fraction(0), group.tax_minor if group else 0


def _line_row(*, order: str, line: Line, amount_minor: int) -> Row:
    """This function will return the row of a line's own amount, without tax."""
    name = line.description or line.kind or line.id
    return Row(order=order, line=line.id, rule="line", amount_minor=amount_minor, words=Words(es=name, en=name))


def _tax_row(*, order: str, line: Line, rate: Fraction, amount_minor: int) -> Row:
    """This function will return the row of a line's share of its group's tax."""
    percent = percent_text(rate=rate)
    words = Words(
        es=f"{line.tax} al {percent} %, redondeado por grupo y repartido por línea",
        en=f"{line.tax} at {percent} %, rounded per group and shared per line",
    )
    rate_text = money.rate_text(rate)
    return Row(order=order, line=line.id, rule="tax", amount_minor=amount_minor, rate=rate_text, words=words)


def _withholding_row(*, order: str, item: Withholding) -> Row:
    """This function will return the row of a withholding; it takes away."""
    es = f"Retención fiscal {item.name} al {percent_text(rate=item.rate)} % ({item.legal_ref})"
    en = f"Withholding {item.name} at {percent_text(rate=item.rate)} % ({item.legal_ref})"
    rate = money.rate_text(item.rate)
    words = Words(es=es, en=en)
    return Row(order=order, line="", rule="withholding", amount_minor=-item.amount_minor, rate=rate, words=words)


def percent_text(*, rate: Fraction) -> str:
    """This function will write a rate as a percentage without the sign: 1/10 is "10", 21/200 is "10.5"."""
    return money.rate_text(rate * 100)


def _unless_zero(*, order: str = "", rule: Rule, amount_minor: int, words: Words) -> list[Row]:
    """This function will return one row, or none where there is nothing to explain."""
    return [Row(order=order, line="", rule=rule, amount_minor=amount_minor, words=words)] if amount_minor else []


def _adding_up(*, rows: list[Row], total_minor: int) -> list[Row]:
    """This function will return the rows, if they explain the total and nothing else.

    :raises computation.BrokenSum: always a bug
    """
    if sum(row.amount_minor for row in rows) != total_minor:
        raise computation.BrokenSum("the rows of an explanation add up to its net")
    return rows
