"""Issue a payout that does not close by the decision of two people: one requests it with a reason, another approves.

It is issued with the printed line "Diferencia en conciliación", and a discrepancy stays open until somebody has found
the difference. Whoever requested it cannot approve it: that is refused here, on record, and by the database.
"""

import datetime as dt
import json

from django.conf import settings
from django.contrib.auth.models import User

from audit import log
from audit.actions import Action
from documents import errors, money, transactions
from documents.access import deciding
from documents.alerts import discrepancies
from documents.emission import valve
from documents.events import effects, outcomes, schemas
from documents.models import Document, Event, EventStatus
from payouts.issuing import balances, payout_statements, payout_totals
from payouts.models import ApprovalState, DifferenceApproval
from payouts.review import decisions, event_findings


def can_approve(*, event: Event, now: dt.datetime) -> bool:
    """Tell whether two people may issue a payout with its difference now."""
    first = approvable_from(event=event)
    return first is not None and first <= now


def approvable_from(*, event: Event) -> dt.datetime | None:
    """Return from when two people may issue a payout with its difference; None of other events.

    Such a payout is held because it does not close, or parked for the balance that it opens with or the payout that it
    replaces. Until the limit has passed, what is missing or a corrected event may still come.
    """
    if event.type not in event_findings.PAYOUTS or event.body is None or event.superseded_by_id is not None:
        return None
    before_only = bool(event.missing) and all(balances.is_awaited(name) for name in event.missing)
    open_ = {EventStatus.HELD: event.code == "payout_does_not_close", EventStatus.PARKED: before_only}
    if not open_.get(EventStatus(event.status), False):
        return None
    return event.received_at + dt.timedelta(seconds=settings.PARKED_LIMIT_S)


def request(*, event: Event, reason: str, user: User, now: dt.datetime, actor: log.Actor) -> DifferenceApproval:
    """Record that somebody requests to issue a payout with its difference.

    A request whose difference is no longer the payout's is withdrawn for the new one; otherwise the first one stands.

    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope`, `validation_error` (the reason),
        `decision_not_possible`, and what keeps the payout from being issued at all
    """
    _require(event=event, user=user, actor=actor)
    text = decisions.reason(reason)
    return transactions.retry_on_conflict(
        lambda: _request(event_id=event.pk, reason=text, user=user, now=now, actor=actor)
    )


@valve.pauses()
def approve(*, approval: DifferenceApproval, reason: str, user: User, now: dt.datetime, actor: log.Actor) -> Document:
    """Issue a payout with its difference, approved by another person than the one who requested it.

    Of two approvals at the same time one issues, and the other is refused.

    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope`, `second_person_required` (all on record),
        `validation_error` (the reason), `decision_not_possible`: not held any more, or with another difference,
        `issuing_paused`
    """
    event = approval.event
    _require(event=event, user=user, actor=actor)
    if approval.requested_by_id == user.pk:
        deciding.refuse(code="second_person_required", object_type="event", object_id=event.public_id, actor=actor)
    text = decisions.reason(reason)
    return transactions.retry_on_conflict(
        lambda: _approve(approval_id=approval.pk, reason=text, user=user, now=now, actor=actor)
    )


def _request(*, event_id: int, reason: str, user: User, now: dt.datetime, actor: log.Actor) -> DifferenceApproval:
    event, draft = _lock_payout(event_id=event_id, now=now)
    difference_minor, currency = draft.candidate.sums.difference_minor, draft.terms.currency
    earlier = DifferenceApproval.objects.filter(event=event, state=ApprovalState.REQUESTED).first()
    if earlier is not None:
        if earlier.difference_minor == difference_minor:
            raise errors.Problem(code="decision_not_possible", values={"cause": "requested"})
        DifferenceApproval.objects.filter(pk=earlier.pk).update(state=ApprovalState.WITHDRAWN)
        _record(Action.EVENT_DIFFERENCE_WITHDRAWN, event=event, actor=actor, request=earlier.public_id)
    made = DifferenceApproval.objects.create(
        event=event,
        difference_minor=difference_minor,
        currency=currency,
        reason=reason,
        requested_by=user,
        requested_at=now,
    )
    difference = money.text(-made.difference_minor, money.digits(currency))
    _record(
        Action.EVENT_DIFFERENCE_REQUESTED,
        event=event,
        actor=actor,
        request=made.public_id,
        reason=reason,
        difference=difference,
    )
    return made


def _approve(*, approval_id: int, reason: str, user: User, now: dt.datetime, actor: log.Actor) -> Document:
    approval = DifferenceApproval.objects.get(pk=approval_id)
    event, draft = _lock_payout(
        event_id=Event.objects.values_list("pk", flat=True).get(public_id=approval.event_id), now=now
    )
    moved = DifferenceApproval.objects.filter(
        pk=approval.pk, state=ApprovalState.REQUESTED, difference_minor=draft.candidate.sums.difference_minor
    ).update(state=ApprovalState.APPROVED, approval=reason, approved_by=user, approved_at=now)
    if not moved:
        raise errors.Problem(code="decision_not_possible", values={"cause": "changed"})
    issued = payout_statements.issue(draft=draft, event=event, now=now, actor=actor)
    document = issued.document
    if not issued.replayed:
        _open_discrepancy(approval=approval, document=document, event=event, data=draft.data, actor=actor)
    _record(
        Action.EVENT_DIFFERENCE_APPROVED,
        event=event,
        actor=actor,
        request=approval.public_id,
        reason=reason,
        document=document.public_id,
    )
    outcomes.processed(event=event, documents=[document.pk], actor=actor)
    return document


def _open_discrepancy(
    *,
    approval: DifferenceApproval,
    document: Document,
    event: Event,
    data: schemas.PayoutData,
    actor: log.Actor,
) -> None:
    """Open the discrepancy that stays until somebody has found the difference."""
    digits = money.digits(document.currency)
    printed = json.loads(document.content)["totals"]["opening_carry_over"]
    if approval.difference_minor == 0 and printed == data.opening_carry_over:
        return  # what was missing has come since: nothing differs any more
    discrepancies.open_one(
        code="reconciliation_difference",
        dedup_key=f"reconciliation_difference:{document.document_key_id}",
        facts={
            "document_key": document.document_key_id,
            "currency": document.currency,
            "computed": money.text(document.total_minor + approval.difference_minor, digits),
            "transferred": money.text(document.total_minor, digits),
            "difference": money.text(-approval.difference_minor, digits),
            "opening_stated": data.opening_carry_over,
            "opening_printed": printed,
            "request": approval.public_id,
        },
        document=document,
        event=event,
        actor=actor,
    )


def _lock_payout(*, event_id: int, now: dt.datetime) -> tuple[Event, payout_totals.PayoutDraft]:
    """Lock a payout that may be issued with its difference until the transaction ends; return what would be issued now.

    Locked in the order of every event: the payee and the subject first.

    :raises errors.Problem: `decision_not_possible`: not such a payout, or it names what has not been issued
    """
    seen = Event.objects.get(pk=event_id)
    _require_open(event=seen, now=now)
    message = effects.message_of(event=seen)
    effects.lock_rows(message=message)
    event = outcomes.lock_waiting(event=seen)[event_id]
    _require_open(event=event, now=now)
    draft = payout_statements.with_difference(message=message)
    if isinstance(draft, effects.Waiting):
        missing = sorted(draft.missing)
        raise errors.Problem(code="decision_not_possible", values={"cause": "waits", "missing": missing})
    return event, draft


def _require_open(*, event: Event, now: dt.datetime) -> None:
    """Refuse what may not be issued with its difference.

    :raises errors.Problem: `decision_not_possible`
    """
    if not can_approve(event=event, now=now):
        raise errors.Problem(
            code="decision_not_possible",
            values={"cause": "state", "status": str(event.status)},
        )


def _require(*, event: Event, user: User, actor: log.Actor) -> None:
    deciding.require(
        right="approve_difference",
        user=user,
        country=event.country_code,
        object_type="event",
        object_id=event.public_id,
        actor=actor,
    )


def _record(action: Action, *, event: Event, actor: log.Actor, **details: str) -> None:
    log.record(
        action=action, object_type="event", object_id=event.public_id, actor=actor, code=event.code, details=details
    )
