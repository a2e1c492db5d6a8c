"""The cash that orders declare against the cash that their payouts take off. Pure.

An order's cash goes with its own statement: a payout that pays only an adjustment or a credit of it takes none of it
off. Payouts that pay one such statement by parts share its cash as they like, so they are compared together: with the
cash of all that they have paid whole, and up to that of what they have begun to pay.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CashPart:
    """What one payout pays of one order; `declared_minor` is the order's cash, None where it declares none.

    `statement` is the key of the order's own statement, of which `own_minor` is paid: None where the payout pays only
    an adjustment or a credit of it.
    """

    payout: int
    statement: int
    order: str
    net_minor: int
    own_minor: int | None
    declared_minor: int | None


@dataclass(frozen=True, kw_only=True)
class CashCompared:
    """Payouts that share an order's cash, or one alone: what their orders declare, and what they take off.

    `declared_minor` is the nearest to `collected_minor` of what may be taken off now; None where no order declares any.
    """

    payouts: tuple[int, ...]
    orders: tuple[str, ...]
    declared_minor: int | None
    collected_minor: int

    @property
    def differs(self) -> bool:
        """Tell whether what is taken off is not what the orders declare."""
        return self.declared_minor not in {None, self.collected_minor}


def compare(*, collected: Mapping[int, int], parts: Iterable[CashPart]) -> list[CashCompared]:
    """Compare payouts with their orders; `collected` is {payout: cash that it takes off}, in the order of sending."""
    parts = list(parts)
    group_of = {payout: payout for payout in collected}
    first_of: dict[int, int] = {}
    for part in parts:
        if part.own_minor is not None and part.declared_minor:
            mine, other = group_of[part.payout], group_of[first_of.setdefault(part.statement, part.payout)]
            if mine != other:
                group_of = {payout: other if group == mine else group for payout, group in group_of.items()}
    members: dict[int, list[int]] = {}
    for payout, group in group_of.items():
        members.setdefault(group, []).append(payout)
    parts_of: dict[int, list[CashPart]] = {}
    for part in parts:
        parts_of.setdefault(group_of[part.payout], []).append(part)
    return [
        _compared(
            payouts=payouts, parts=parts_of.get(group, []), collected_minor=sum(collected[row] for row in payouts)
        )
        for group, payouts in members.items()
    ]


def _compared(*, payouts: list[int], parts: list[CashPart], collected_minor: int) -> CashCompared:
    """Compare payouts that belong together."""
    declaring = [part for part in parts if part.declared_minor is not None]
    paid: dict[int, int] = {}
    for part in declaring:
        if part.own_minor is not None:
            paid[part.statement] = paid.get(part.statement, 0) + part.own_minor
    least = most = 0
    for part in {part.statement: part for part in declaring if part.statement in paid}.values():
        most += part.declared_minor or 0
        if abs(paid[part.statement]) >= abs(part.net_minor):
            least += part.declared_minor or 0
    return CashCompared(
        payouts=tuple(payouts),
        orders=tuple(dict.fromkeys(part.order for part in declaring)),
        declared_minor=max(least, min(collected_minor, most)) if declaring else None,
        collected_minor=collected_minor,
    )
