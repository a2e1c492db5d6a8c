"""Finance dismisses an event that nothing else will end: it leaves the work list with a reason, and issues nothing.

A dismissal never stops the event. What it waits for, or a corrected event, is still processed and ends it; held for
another cause, it comes back to the list.
"""

import datetime as dt

from django.conf import settings
from django.contrib.auth.models import User

from audit import log
from audit.actions import Action
from documents import errors, locks, transactions
from documents.access import deciding
from documents.events import outcomes
from documents.models import Dismissal, Document, Event, EventStatus
from payouts.models import ApprovalState, DifferenceApproval
from payouts.review import decisions


def can_dismiss(*, event: Event, now: dt.datetime) -> bool:
    """Tell whether an event waits for a person. Whether somebody has dismissed it already is not asked here."""
    if event.status == EventStatus.HELD:
        return event.superseded_by_id is None
    late = event.received_at < now - dt.timedelta(seconds=settings.PARKED_LIMIT_S)
    return event.status == EventStatus.PARKED and late


def dismiss(
    *, event: Event, reason: str, document: Document | None, user: User, now: dt.datetime, actor: log.Actor
) -> Dismissal:
    """Take an event off the list, and withdraw a proposal to issue it with its difference.

    `document` is the one that records the same fact already, where there is one.

    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope` (both on record), `validation_error` (the
        reason), `decision_not_possible`: it does not wait for a person, or is dismissed already
    """
    for country in [event.country_code, *([document.country_id] if document else [])]:
        deciding.require(
            right="approve_difference",
            user=user,
            country=country,
            object_type="event",
            object_id=event.public_id,
            actor=actor,
        )
    text = decisions.reason(reason)
    return transactions.retry_on_conflict(
        lambda: _dismiss(event_id=event.pk, reason=text, document=document, user=user, now=now, actor=actor)
    )


def _dismiss(
    *, event_id: int, reason: str, document: Document | None, user: User, now: dt.datetime, actor: log.Actor
) -> Dismissal:
    [event] = locks.rows(queryset=Event.objects.filter(pk=event_id))
    if not can_dismiss(event=event, now=now) or Event.objects.filter(outcomes.dismissed(), pk=event.pk).exists():
        raise errors.Problem(
            code="decision_not_possible",
            values={"cause": "state", "status": str(event.status)},
        )
    for asked in DifferenceApproval.objects.filter(event=event, state=ApprovalState.REQUESTED):
        DifferenceApproval.objects.filter(pk=asked.pk).update(state=ApprovalState.WITHDRAWN)
        log.record(
            action=Action.EVENT_DIFFERENCE_WITHDRAWN,
            object_type="event",
            object_id=event.public_id,
            actor=actor,
            code=event.code,
            details={"request": asked.public_id},
        )
    return outcomes.dismiss(event=event, reason=reason, document=document, user=user, now=now, actor=actor)
