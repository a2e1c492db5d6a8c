"""What a credit gives back where its gross is known, or its tax: so much of each tax group. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from documents import errors
from documents.money import Prices
from payouts.calculation import totals
from payouts.calculation.amounts import AmountLine, Credited, Group


@dataclass(frozen=True, kw_only=True)
class StatedCredit:
    """A credit with the tax that was stated of it; `rounded`: the credit that completes a group took what was left."""

    credited: Credited
    rounded: bool = False


def spread(*, gross_minor: int, remaining: Sequence[Group]) -> list[int]:
    """Share a gross, above zero, between what remains of a document: so much of the gross of each of its groups.

    Each part is within one unit of its exact share (largest remainder) and between zero and what remains of its group,
    of whichever sign that is; all together are the gross. What remains as a whole is each group's rest.

    :raises errors.Problem: `credit_exceeds_remaining`
    """
    rests = [group.gross_minor for group in remaining]
    whole = sum(rests)
    if gross_minor > whole:
        values: dict[str, errors.Value] = {"asked_minor": gross_minor, "remaining_minor": max(0, whole)}
        raise errors.Problem(code="credit_exceeds_remaining", values={"cause": "total", **values})
    parts = [gross_minor * rest // whole for rest in rests]
    order = sorted(range(len(rests)), key=lambda place: (-(gross_minor * rests[place] % whole), place))
    for place in order[: gross_minor - sum(parts)]:
        parts[place] += 1
    return parts


def as_stated(*, computed: Credited, stated: Mapping[str, int], prices: Prices) -> StatedCredit | None:
    """Return a credit with the tax of its stated totals {net, tax, gross}; None where they are not its own.

    Stated tax may differ by one unit a tax group. A group of which something remains takes it; the credit that brings
    a group's net to zero takes the tax that is left of it, whatever is stated.
    """
    fixed = "net" if prices == "net" else "gross"  # what the lines come to without any rounding
    if stated[fixed] != computed.totals[fixed] or stated["net"] + stated["tax"] != stated["gross"]:
        return None
    missing = stated["tax"] - computed.totals["tax"]
    unit = 1 if missing > 0 else -1
    given = {group.key: group for group in computed.groups}
    rests = {group.key: group for group in computed.remaining}
    open_keys = [key for key in given if rests[key].base_minor]
    completed = [key for key, group in given.items() if group.rate and key not in open_keys]
    over = {key: given[key].tax_minor + unit - given[key].base_minor * given[key].rate for key in open_keys}
    for key in sorted(open_keys, key=lambda key: abs(over[key])):  # first where it is nearest to the exact tax
        moved = _moved(group=given[key], rest=rests[key], unit=unit, prices=prices) if missing else None
        if moved:
            given[key], rests[key] = moved
            missing -= unit
    if abs(missing) > len(completed):
        return None
    tax = stated["tax"] - missing
    net = computed.totals["net"] if prices == "net" else computed.totals["gross"] - tax
    credited = replace(
        computed,
        totals={"net": net, "tax": tax, "gross": net + tax},
        groups=tuple(given.values()),
        remaining=tuple(rests.values()),
    )
    return StatedCredit(credited=credited, rounded=missing != 0)


def _moved(*, group: Group, rest: Group, unit: int, prices: Prices) -> tuple[Group, Group] | None:
    """Return a group of a credit with a unit of tax more or less, and its rest; None where either would change sides.

    With the tax inside, the unit goes from or to the base, of which something must remain.
    """
    sign = -1 if rest.base_minor < 0 else 1
    moved = unit if prices == "gross" else 0
    if (group.base_minor - moved) * sign < 0 or (rest.base_minor + moved) * sign < 1:
        return None
    minors, lefts = [tax.tax_minor for tax in group.taxes], [tax.tax_minor for tax in rest.taxes]
    for place, (minor, left) in enumerate(zip(minors, lefts, strict=True)):
        if (minor + unit) * sign >= 0 and (left - unit) * sign >= 0:
            minors[place], lefts[place] = minor + unit, left - unit
            return (
                group.of(base_minor=group.base_minor - moved, minors=minors),
                rest.of(base_minor=rest.base_minor + moved, minors=lefts),
            )
    return None


def excess_cause(
    *, original: Sequence[Group], credited: Sequence[Group], lines: Sequence[AmountLine], prices: Prices
) -> str:
    """Return the likeliest reason for which a credit is more than what remains.

    Its prices are exactly what remains with the tax, and were read as net; earlier credits have taken what it asks for;
    or it is more than there ever was.
    """
    if prices == "net":
        read = _credit(original=original, credited=credited, lines=lines, prices="gross")
        asked = {line.tax for line in lines}
        if read and not any(group.gross_minor for group in read.remaining if group.code in asked):
            return "gross_read_as_net"
    return "taken_before" if _credit(original=original, credited=(), lines=lines, prices=prices) else "above_original"


def _credit(
    *, original: Sequence[Group], credited: Sequence[Group], lines: Sequence[AmountLine], prices: Prices
) -> Credited | None:
    """Return a credit; None where it is more than what remains."""
    try:
        return totals.credit(original=original, credited=credited, lines=lines, prices=prices)
    except errors.Problem:
        return None
