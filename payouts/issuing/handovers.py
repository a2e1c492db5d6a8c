"""Where a reassignment stands among those of its order, whichever of them comes first.

Each takes an order from whoever has it at its moment. One that comes after a later one has a place where those are
there, too, that lead back to the owner from whom the later one took: then the same is owed to everybody as if all had
come in time.
"""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from audit import log
from documents.emission import issuing
from documents.events import effects, envelope, undoing_schemas, waiting
from documents.models import Document, Event, Kind
from payouts.calculation import trails
from payouts.issuing import owners, taking_back
from payouts.issuing.owners import BENEFICIARY, Handover, Tenure
from payouts.issuing.terms import IssuingTerms

TYPE = "ORDER_REASSIGNED"


@dataclass(frozen=True, kw_only=True)
class HandoverPlace:
    """Where a reassignment stands: `chain` has the tenure that it begins, and those that were issued."""

    chain: Sequence[Tenure]
    begun: Tenure
    is_followed: bool  # the reassignment after it was issued

    @property
    def before(self) -> Tenure:
        """Return the tenure that ends."""
        return self.chain[self.chain.index(self.begun) - 1]

    @property
    def after(self) -> Tenure | None:
        """Return the tenure that takes from the one that begins, where it was issued before."""
        return self.chain[self.chain.index(self.begun) + 1] if self.is_followed else None

    @property
    def earlier(self) -> Sequence[Tenure]:
        """Return the tenures before the one that begins."""
        return self.chain[: self.chain.index(self.begun)]


def stated(*, message: envelope.EventMessage) -> Handover:
    """Return the reassignment that an event states."""
    data = cast("undoing_schemas.ReassignmentData", message.data)
    return Handover(
        reassignment=data.reassignment.id,
        made_at=data.reassignment.made_at,
        giver=data.from_owner.id,
        taker=data.to_owner.id,
    )


def place(*, mine: Handover, order: str, first: str) -> HandoverPlace | None:
    """Return where a reassignment stands; None where it has no place yet. `first` is whom the order itself names."""
    issued = owners.handovers(orders=[order])[order]
    chain = _whole(mine=mine, issued=issued, order=order, first=first)
    index = chain.index(mine) if chain else 0
    if not chain or (index and chain[index - 1] not in issued):
        return None
    tenures = owners.chain_of(order=order, handed=[each for each in chain if each in issued or each == mine])
    return HandoverPlace(
        chain=tenures,
        begun=next(tenure for tenure in tenures if tenure.reassignment == mine.reassignment),
        is_followed=any(each in issued for each in chain[index + 1 : index + 2]),
    )


def on_waiting(*, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> None:
    """Wake the first of those that wait and lead, with this one, back to whom a later reassignment took from."""
    del actor  # nothing changes here but when an event is run again
    order, mine = message.data.order.id, stated(message=message)
    statement = owners.first_statement(order=order, audience=BENEFICIARY)
    if statement is None:
        return
    issued = owners.handovers(orders=[order])[order]
    chain = _whole(mine=mine, issued=issued, order=order, first=statement.owner.platform_id)
    first = next((each for each in chain if each not in issued), mine)
    if first != mine:
        waiting.wake(awaited=[owners.awaited(order=order, owner=first.giver)], now=now)


def _whole(*, mine: Handover, issued: Sequence[Handover], order: str, first: str) -> list[Handover]:
    """Return an order's reassignments with this one as they follow each other, and those that wait which it needs.

    None where they do not, or where what was issued would have to change its order: it was of one moment.
    """
    so_far = _following(handed=issued, first=first)

    def with_some(some: Sequence[Handover]) -> list[Handover]:
        chain = _following(handed=[*issued, *some, mine], first=first)
        return [] if so_far and [each for each in chain if each in issued] != so_far else chain

    if chain := with_some(()):
        return chain
    choices = trails.choices(waiting=_waiting(order=order, but=mine))
    return next(filter(None, map(with_some, choices)), [])


def _following(*, handed: Sequence[Handover], first: str) -> list[Handover]:
    """Return reassignments in their order where each takes from whoever has the order; none where one does not."""
    chain = owners.ordered(handed=handed, first=first)
    had = [first, *(each.taker for each in chain)]
    return chain if all(each.giver == owner for each, owner in zip(chain, had, strict=False)) else []


def _waiting(*, order: str, but: Handover) -> list[Handover]:
    """Return the reassignments of an order that wait for somebody to own it, as each was told first."""
    events = Event.objects.filter(
        waiting.PARKED, type=TYPE, waits__awaited__startswith=owners.awaited(order=order, owner="")
    )
    waiting_ones = [stated(message=effects.message_of(event=event)) for event in events.order_by("pk") if event.body]
    first_told = {each.reassignment: each for each in reversed(waiting_ones) if each.reassignment != but.reassignment}
    return [*reversed(first_told.values())]


def cause(*, main: Document, tenure: Tenure, business_input: dict[str, Any]) -> taking_back.Cause:
    """Return why an owner's statement is taken back: the order became the next one's, who has the `main` statement."""
    reassignment = json.loads(main.content)["reassignment"]
    return taking_back.Cause(
        subject=tenure.subject,
        printed={"reassignment": {key: reassignment[key] for key in ("id", "reason")}},
        date=main.operation_date,
        business_input=business_input,
    )


def given_back(
    *,
    statements: Iterable[issuing.Draft],
    place: HandoverPlace,
    business_input: dict[str, Any],
    terms: IssuingTerms,
) -> list[issuing.Draft]:
    """Return the notes that take a late owner's new statements back, where the next owner has the order already.

    The next owner's reassignment has taken back what the late one's earlier time gave, by its own note. So what stands
    is the note of the reassignment that ended that time.
    """
    after = place.after
    if after is None:
        return []
    (main,) = owners.main_statements(chain=[after]).values()
    why = cause(main=main, tenure=after, business_input=business_input)
    notes = list[issuing.Draft]()
    for statement in statements:
        free = _without_note(place=place, after=after, adjustment=statement.discriminator)
        notes += taking_back.note(
            of=taking_back.drafted(draft=statement),
            cause=replace(why, subject=free.subject),
            discriminator=statement.discriminator,
            terms=terms,
        )
    return notes


def _without_note(*, place: HandoverPlace, after: Tenure, adjustment: str) -> Tenure:
    """Return the tenure whose reassignment has not taken anything back yet, though it ended another one."""
    free, chain = after, place.chain
    while note := _note(of=free, adjustment=adjustment):
        ended = next(tenure for tenure in chain if note.corrects and tenure.has(document=note.corrects))
        free = chain[chain.index(ended) + 1]
    return free


def _note(*, of: Tenure, adjustment: str) -> Document | None:
    """Return the note by which a reassignment took the statement of the one before it back, or of an adjustment."""
    key = issuing.key(kind=Kind.CREDIT_NOTE, subject=of.subject, audience=BENEFICIARY, discriminator=adjustment)
    return Document.objects.select_related("corrects").defer("content").filter(document_key_id=key).first()
