"""What a credit gives back where only its gross is known: so much of each tax group of what remains. Pure."""

from collections.abc import Sequence

from documents import errors
from payouts.calculation.amounts import Group


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
