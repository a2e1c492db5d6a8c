"""An order that is canceled: its statements are taken back whole, and so is what comes of it later.

What is adjusted after the cancellation stands: it may be a fee for it.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from audit import log
from documents import locks
from documents.emission import issuing
from documents.events import effects, envelope, undoing_schemas, waiting
from documents.models import Document, Event, EventStatus
from payouts.issuing import cancellations, owners, retries, settlements, taking_back
from payouts.issuing import terms as issuing_terms
from payouts.issuing.owners import BENEFICIARY, PARTNER
from payouts.issuing.terms import IssuingTerms

TYPE, DISCRIMINATOR = "ORDER_CANCELED", "canceled"


@effects.holds_on_problem
def on_order_canceled(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Take back what remains of a canceled order's statements, and of its adjustments until then.

    Waits for its order, for ever; one that was canceled before it was completed has no statement and asks for nothing.
    Held: the codes of `terms.resolve`.
    """
    terms, order = issuing_terms.resolve(message=message), message.data.order.id
    subject = envelope.subject(message=message)
    if cancellations.was_ignored(subject=subject):
        return effects.Issued()
    first = owners.first_statement(order=order, audience=BENEFICIARY)
    if first is None:
        return cancellations.awaited(subject=subject)
    terms.require_match(document=first)
    chain = owners.tenures(orders=[order])[order]
    rows = owners.statements(orders=[order], chains={order: chain})[order]
    now_owned = [row for row in rows if row.audience == PARTNER or chain[-1].has(document=row)]
    is_repeat = any(owners.is_canceled(note=note) for note in owners.notes_of(statements=now_owned))
    # Owners who are not locked have come since `order_adjustments.lock_owners` looked: it is looked at again at once.
    if is_repeat or not locks.has(rank=locks.Rank.PARTY, keys=[(row.owner_id,) for row in rows]):
        return effects.Waiting(missing=[subject])
    canceled = covered(statements=now_owned, canceled_at=message.data.canceled_at)
    locked = locks.rows(
        queryset=Document.objects.select_related("issuer", "owner").defer("issuer__logo").filter(pk__in=canceled)
    )
    drafts = [
        draft
        for row in locked
        for draft in note(
            of=taking_back.issued(document=row), message=message, adjustment=canceled[row.pk], terms=terms
        )
    ]
    waiting.wake(awaited=[f"credit:{name}" for name in {order, *canceled.values()} if name], now=now)
    retries.retry_held(payees={row.owner.platform_id for row in locked}, now=now)
    issued = issuing.issue(drafts=drafts, event=event, now=now, actor=actor)
    settlements.refresh(document_ids=canceled, now=now, actor=actor)
    return effects.Issued(documents=issued)


def note(
    *,
    of: taking_back.TakenBack,
    message: envelope.EventMessage,
    adjustment: str = "",
    reassignment: str = "",
    business_input: dict[str, Any] | None = None,
    terms: IssuingTerms,
) -> list[issuing.Draft]:
    """Return the draft of the note that takes a statement back because its order was canceled; see `taking_back.note`.

    `message` is the cancellation. A statement that is issued after it is one of an `adjustment` or a `reassignment`,
    with that event's input.
    """
    data, time_zone = cast("undoing_schemas.OrderCanceledData", message.data), of.content["time_zone"]
    subject = ("adjustment", adjustment) if adjustment else ("order", data.order.id)
    printed = cancellations.printed(
        name=data.order.id, reason=data.reason, canceled_at=data.canceled_at, terms=terms, time_zone=time_zone
    )
    cause = taking_back.Cause(
        subject=subject,
        printed={"cancellation": printed},
        date=terms.local_date(moment=message.occurred_at, time_zone=time_zone),
        business_input=business_input or envelope.business_input(message=message),
    )
    discriminator = f"{DISCRIMINATOR}-{reassignment}" if reassignment else DISCRIMINATOR
    return taking_back.note(of=of, cause=cause, discriminator=discriminator, terms=terms)


def of_order(*, order: str, statuses: Sequence[EventStatus] = (EventStatus.PROCESSED,)) -> envelope.EventMessage | None:
    """Return the first cancellation of an order in these states; None where there is none. Its body is never erased."""
    events = Event.objects.filter(subject=f"order:{order}", type=TYPE, status__in=statuses)
    event = events.order_by("pk").first()
    return None if event is None else effects.message_of(event=event)


def covered(*, statements: Collection[Document], canceled_at: dt.datetime) -> Mapping[int, str]:
    """Return {statement: its adjustment} of all that a cancellation takes back: but for what was adjusted since."""
    adjustments = {row.pk: owners.adjustment_of(document=row) for row in statements}
    made_at = owners.made_at(adjustments=[adjustment for adjustment in adjustments.values() if adjustment])
    return {
        pk: adjustment for pk, adjustment in adjustments.items() if not adjustment or made_at[adjustment] < canceled_at
    }
