"""The explanation of a net, cent by cent: rows that name the order, the line, the rule and the rate. Pure.

The rows of an order statement add up to what it owes, those of a payout to what was transferred; both documents have
them in their content (`explanation`) and print them. The tax of a group is rounded once, and its lines share it by
largest remainder.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from documents import money
from documents.money import Prices
from payouts.calculation import amounts, taxes
from payouts.calculation.amounts import AmountLine, CodeTax, Group, WithheldTax
from payouts.calculation.totals import BrokenSum

Rule = Literal[
    "line", "tax", "withholding", "statement", "part", "cash_collected", "opening_carry_over", "closing_carry_over",
    "difference",
]  # fmt: skip
ROWS_MAX = 12_000  # of a payout: printed on a hundred pages, in a third of the time that a page may take
# In the order in which they are printed: what was earned, what was taken, what other payouts pay.
CONCEPTS = (
    "FARE", "SURCHARGE", "ITEM", "TIP", "TOLL", "BONUS", "PROMOTION", "ADJUSTMENT", "REFUND_ITEM", "CORRECTION",
    "PLATFORM_FEE", "tax", "withholding", "part",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ExplanationRow:
    """One row of an explanation: a part of the net, in minor units.

    `order` is empty for what belongs to a payout itself; `number` is the settled document whose line it is, in a
    payout's rows only; `name` is the withholding's; `rate` is a decimal fraction as text where the rule has one.
    """

    rule: Rule
    amount_minor: int
    order: str = ""
    number: str = ""
    line: str = ""
    kind: str = ""
    name: str = ""
    tax: str = ""
    rate: str = ""

    def content(self, *, digits: int) -> dict[str, str]:
        """Return the row as it is frozen: all text, without empty members."""
        members = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "amount_minor"
        }
        return {word: text for word, text in members.items() if text} | {
            "amount": money.text(self.amount_minor, digits)
        }


@dataclass(frozen=True, kw_only=True)
class PaidDocument:
    """What a payout pays of one document: all that its rows add up to, or a part of it."""

    order: str
    number: str
    amount_minor: int
    rows: tuple[ExplanationRow, ...]  # they add up to the document's whole net
    cash_collected_minor: int = 0


def statement(
    *,
    order: str,
    lines: Sequence[AmountLine],
    groups: Iterable[Group],
    prices: Prices,
    withholdings: Sequence[WithheldTax] = (),
    total_minor: int,
) -> list[ExplanationRow]:
    """Return the rows of an order statement: line by line its amount and tax, then withholdings.

    `groups` are the tax groups computed of these lines; `total_minor` is what the rows have to add up to.
    """
    rows: list[ExplanationRow] = []
    for line, parts in _shares(lines=lines, groups=groups, prices=prices):
        amount = line.amount_minor - (sum(part.tax_minor for part in parts) if prices == "gross" else 0)
        rows.append(ExplanationRow(rule="line", amount_minor=amount, order=order, line=line.id, kind=line.kind))
        rows += [
            ExplanationRow(
                rule="tax",
                amount_minor=part.tax_minor,
                order=order,
                line=line.id,
                tax=part.code,
                rate=money.rate_text(part.rate),
            )
            for part in parts
        ]
    rows += [_withholding(order=order, item=item) for item in withholdings]
    return _adding_up(rows=rows, total_minor=total_minor)


def frozen(*, content: Mapping[str, Any], order: str, digits: int) -> list[ExplanationRow]:
    """Return the rows of a frozen order statement or credit note; those of a credit note are subtracted.

    They are computed from its lines and tax groups alone, so documents older than `explanation` have them too.
    """
    totals = content["totals"]
    lines = amounts.read_lines(lines=content["lines"], digits=digits)
    rows = statement(
        order=order,
        lines=lines,
        groups=amounts.read_groups(groups=content["tax_groups"], lines=lines, digits=digits),
        prices=content["prices"],
        withholdings=amounts.read_withholdings(withholdings=content.get("withholdings", ()), digits=digits),
        total_minor=money.minor(totals["payable" if "payable" in totals else "gross"], digits),
    )
    if "payable" in totals:
        return rows
    return [dataclasses.replace(row, amount_minor=-row.amount_minor) for row in rows]


def payout(
    *,
    parts: Sequence[PaidDocument],
    adjustments: Sequence[AmountLine],
    sums: amounts.PayoutTotals,
    prices: Prices = "net",
    withholdings: Sequence[WithheldTax] = (),
) -> list[ExplanationRow]:
    """Return the rows of a payout; they add up to the transferred amount, to the cent.

    A document of which only a part is paid gets a row for what other payouts pay of it; a payout that does not close
    gets one for the difference. Cash has a row for each order, where the orders' cash adds up to the payout's.
    """
    rows: list[ExplanationRow] = []
    for part in parts:
        rows += [dataclasses.replace(row, number=part.number) for row in part.rows]
        elsewhere = part.amount_minor - sum(row.amount_minor for row in part.rows)
        rows += _unless_zero(rule="part", amount_minor=elsewhere, order=part.order, number=part.number)
    totals = sums.totals
    rows += statement(
        order="",
        lines=adjustments,
        groups=sums.groups,
        prices=prices,
        withholdings=withholdings,
        total_minor=totals["adjustments"] - totals["withheld"],
    )
    rows += _cash(parts=parts, total_minor=totals["cash_collected"])
    rows += _unless_zero(rule="opening_carry_over", amount_minor=totals["opening_carry_over"])
    rows += _unless_zero(rule="closing_carry_over", amount_minor=-totals["closing_carry_over"])
    rows += _unless_zero(rule="difference", amount_minor=-sums.difference_minor)
    return _adding_up(rows=rows, total_minor=totals["amount"])


def bounded(*, rows: Sequence[ExplanationRow]) -> list[ExplanationRow]:
    """Return a payout's rows; of more than ROWS_MAX, the rows of each document are joined into one.

    That row names the document, whose own explanation has them line by line.
    """
    if len(rows) <= ROWS_MAX:
        return list(rows)
    joined: list[ExplanationRow] = []
    for row in rows:
        if not row.number or row.rule in {"part", "cash_collected"}:
            joined.append(row)
        elif joined and (joined[-1].rule, joined[-1].number) == ("statement", row.number):
            joined[-1] = dataclasses.replace(joined[-1], amount_minor=joined[-1].amount_minor + row.amount_minor)
        else:
            joined.append(
                ExplanationRow(rule="statement", amount_minor=row.amount_minor, order=row.order, number=row.number)
            )
    return joined


def concepts(*, rows: Sequence[ExplanationRow]) -> dict[str, int]:
    """Return what the settled documents consist of: {kind of line or other rule: minor units}.

    It adds up to what a payout includes of them; rows of the payout itself are left out.
    """
    sums: dict[str, int] = {}
    for row in rows:
        if row.number and row.rule != "cash_collected":
            word = row.kind if row.rule == "line" and row.kind else row.rule
            sums[word] = sums.get(word, 0) + row.amount_minor
    order = [*CONCEPTS, *sorted(sums.keys() - set(CONCEPTS))]
    return {word: sums[word] for word in order if sums.get(word)}


def _shares(
    *, lines: Sequence[AmountLine], groups: Iterable[Group], prices: Prices
) -> list[tuple[AmountLine, list[CodeTax]]]:
    """Return (line, its share of each of its group's taxes), in the lines' order."""
    members: dict[amounts.GroupKey, list[int]] = {}
    groups = list(groups)
    keys = {group.key for group in groups}
    for place, line in enumerate(lines):
        members.setdefault(taxes.placed((line.tax, line.supply), known=keys), []).append(place)
    shares: list[tuple[AmountLine, list[CodeTax]]] = [(line, []) for line in lines]
    for group in groups:
        places = members.get(group.key, [])
        for tax in group.taxes:
            parts = taxes.shares(
                tax_minor=tax.tax_minor,
                amounts_minor=[lines[place].amount_minor for place in places],
                rate=tax.rate if prices == "net" else tax.rate / (1 + group.rate),
            )
            for place, part in zip(places, parts, strict=True):
                shares[place][1].append(dataclasses.replace(tax, tax_minor=part))
    return shares


def _withholding(*, order: str, item: WithheldTax) -> ExplanationRow:
    """Return the row of a withholding; it is subtracted."""
    rate = money.rate_text(item.rate)
    return ExplanationRow(rule="withholding", amount_minor=-item.amount_minor, order=order, name=item.name, rate=rate)


def _cash(*, parts: Sequence[PaidDocument], total_minor: int) -> list[ExplanationRow]:
    """Return the cash order by order if the orders' own cash is the payout's, else in one row."""
    if sum(part.cash_collected_minor for part in parts) != total_minor:
        return _unless_zero(rule="cash_collected", amount_minor=-total_minor)
    return [
        row
        for part in parts
        for row in _unless_zero(
            rule="cash_collected", amount_minor=-part.cash_collected_minor, order=part.order, number=part.number
        )
    ]


def _unless_zero(*, rule: Rule, amount_minor: int, order: str = "", number: str = "") -> list[ExplanationRow]:
    """Return one row, or none where there is nothing to explain."""
    return [ExplanationRow(rule=rule, amount_minor=amount_minor, order=order, number=number)] if amount_minor else []


def _adding_up(*, rows: list[ExplanationRow], total_minor: int) -> list[ExplanationRow]:
    """Return the rows after checking that they add up to the total.

    :raises BrokenSum: they do not, which is a defect of ours
    """
    if sum(row.amount_minor for row in rows) != total_minor:
        raise BrokenSum("the rows of an explanation add up to its net")
    return rows
