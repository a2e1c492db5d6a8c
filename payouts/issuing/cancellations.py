"""Whether a fact was canceled before it happened: a payment captured, an order completed, a payout sent.

A cancellation has its fact's own subject, so the lock on it (`effects.lock_rows`) puts the two one after the other:
either the cancellation sees what the fact has issued, or the fact sees the cancellation. Most wait for ever.
"""

import datetime as dt
import json
from collections.abc import Collection
from typing import cast

from audit import log
from documents.events import effects, envelope, undoing_schemas, waiting
from documents.models import Event, EventStatus
from payouts.issuing.terms import IssuingTerms

CODE = "canceled_before"


def precedes(*, message: envelope.EventMessage, happened_at: dt.datetime) -> bool:
    """Tell whether a fact was canceled before it happened; ask where nothing of it has been issued.

    If so, its effect wakes the subject and returns `effects.Ignored(code=CODE)`; every other event of the fact is
    ignored from then on. Of several cancellations the first to come counts.
    """
    subject = envelope.subject(message=message)
    if was_ignored(subject=subject):
        return True
    canceled_at = _canceled_at(message=message, subject=subject)
    return canceled_at is not None and canceled_at < happened_at


def was_ignored(*, subject: str) -> bool:
    """Tell whether a fact was ignored because it had been canceled before: its cancellation asks for nothing then."""
    return Event.objects.filter(subject=subject, status=EventStatus.IGNORED, code=CODE).exists()


def ignored(*, subjects: Collection[str]) -> set[str]:
    """Return those subjects of which `was_ignored` is true."""
    events = Event.objects.filter(subject__in=subjects, status=EventStatus.IGNORED, code=CODE)
    return {*events.values_list("subject", flat=True)}


def without_order(*, order: str) -> effects.Outcome:
    """Return what becomes of an event about an order that has no statement: it waits, or asks for nothing."""
    subject = f"order:{order}"
    return effects.Ignored(code=CODE) if was_ignored(subject=subject) else effects.Waiting(missing=[subject])


def awaited(*, subject: str) -> effects.Waiting:
    """Return what a cancellation answers while nothing is known of its fact, which may never come."""
    return effects.Waiting(missing=[subject], until_woken=True)


def printed(
    *, name: str, reason: undoing_schemas.Reason, canceled_at: dt.datetime, terms: IssuingTerms, time_zone: str
) -> dict[str, object]:
    """Return what a document prints of the cancellation that caused it; `name` is the id of what was canceled."""
    date = terms.local_date(moment=canceled_at, time_zone=time_zone)
    return {"id": name, "canceled_date": date.isoformat(), "reason": reason.model_dump()}


def on_waiting(*, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> None:
    """Let events of a cancellation's fact that wait be run again: canceled before it happened, it asks for nothing."""
    del actor  # nothing changes here but when an event is run again
    facts = Event.objects.filter(
        subject=envelope.subject(message=message), type__in=envelope.CANCELLATIONS[message.type]
    )
    waiting.run_again(waits=facts, now=now)


def _canceled_at(*, message: envelope.EventMessage, subject: str) -> dt.datetime | None:
    """Return the moment of the first cancellation of a fact that waits for it; None where there is none.

    One of another country or issuer is of no such fact: it is held once the fact is issued.
    """
    event = (
        Event.objects.filter(
            subject=subject,
            type__in=envelope.CANCELLATIONS,
            status=EventStatus.PARKED,
            country_code=message.country,
            issuer_slug=message.issuer,
        )
        .order_by("pk")
        .first()
    )
    if event is None:
        return None
    if event.body is None:
        return event.occurred_at
    return cast("dt.datetime", envelope.parse(payload=json.loads(bytes(event.body))).data.canceled_at)
