"""Refunds whose money did not arrive, and those that give it back once more under the same credit note.

A credit note has one refund or several: the first, and each that replaces one of them. It stands as long as one of them
does: one that did not fail and that no other replaces. That follows from the facts, in whatever order they come.
"""

import datetime as dt
from collections.abc import Collection
from typing import cast

from audit import log
from audit.actions import Action
from documents import errors
from documents.emission import issuing, refund_status
from documents.events import effects, envelope, undoing_schemas, waiting
from documents.models import Document, Event, EventStatus, RefundStatus
from payouts.issuing import credit_notes, customer_credits, retries
from payouts.issuing import terms as issuing_terms
from payouts.issuing.customer_credits import Receipt
from payouts.models import RefundReplacement

TYPE = "REFUND_FAILED"
REPLACED = "replaced"  # why a refund is held: another has replaced the same one and stands


@effects.holds_on_problem
def on_refund_failed(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Mark the credit note of a refund whose money did not arrive, until another replaces it; the note stays as it is.

    Waits for the refund; without limit for one that is held, which is what a person has to look at. Held: the codes of
    `terms.resolve`, `payee_mismatch` for one of another payment.
    """
    terms, data = issuing_terms.resolve(message=message), cast("undoing_schemas.RefundFailedData", message.data)
    refund, payment = data.refund.id, data.refund.payment_id
    receipt = customer_credits.lock_receipt(payment=payment, terms=terms)
    if receipt is None:
        return customer_credits.without_receipt(payment=payment)
    note = lock_note(refund=refund)
    if note is None:
        held = Event.objects.filter(subject=event.subject, type="REFUND_ISSUED", status=EventStatus.HELD)
        return effects.Waiting(missing=[f"refund:{refund}"], until_woken=held.exists())
    require_payment(refund=refund, note=note, receipt=receipt)
    _set_status(note=note, refund=refund, actor=actor)
    retries.retry_credits(payment=payment, now=now)  # one that replaces it may be held, or does not say so
    same = Event.objects.filter(subject=event.subject, type=TYPE, status=EventStatus.PROCESSED)
    is_repeat = same.exclude(pk=event.pk).exists()
    return effects.Issued(documents=[issuing.IssuedDocument(document=note, replayed=is_repeat)])


def on_failure_waiting(*, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> None:
    """Let a refund be tried again that is held because another stands: one that has failed is no second one."""
    del actor  # nothing changes here but when an event is run again
    held = Event.objects.filter(subject=envelope.subject(message=message), type="REFUND_ISSUED")
    waiting.retry(held=held.filter(errors__contains=[{"values": {"cause": REPLACED}}]), now=now)


def lock_note(*, refund: str) -> Document | None:
    """Return the credit note under which a refund gives money back, locked; call with its receipt locked."""
    replacement = RefundReplacement.objects.filter(refund=refund).select_related("note").first()
    note = replacement.note if replacement else customer_credits.note_of(subject=("refund", refund))
    return credit_notes.lock_document(key=note.document_key_id) if note else None


def require_payment(*, refund: str, note: Document, receipt: Receipt) -> None:
    """Refuse an event that names another payment than the one a refund is of.

    :raises errors.Problem: `payee_mismatch`
    """
    if note.corrects_id == receipt.document.pk:
        return
    values = {
        "cause": "payment",
        "refund": refund,
        "payment": receipt.content["payment"]["id"],
        "document": note.corrects.number if note.corrects else "",
    }
    raise errors.problem_at(pointer="/data/refund/payment_id", code="payee_mismatch", values=values)


def require_failed(*, refund: str, replaces: str, note: Document) -> None:
    """Refuse to give money back once more while another refund of the same credit note stands.

    That a refund is replaced says that it failed, whether or not that has been stated yet.

    :raises errors.Problem: `credit_exceeds_remaining`
    """
    standing = _standing(note=note, and_replaced=(refund, replaces))
    if standing - {refund} and refund in standing:
        values: dict[str, errors.Value] = {
            "cause": REPLACED,
            "refund": replaces,
            "standing": sorted(standing - {refund}),
        }
        raise errors.problem_at(pointer="/data/refund/replaces", code="credit_exceeds_remaining", values=values)


def add(*, refund: str, replaces: str, note: Document, fingerprint: str, event: Event, actor: log.Actor) -> None:
    """Put on record that a refund replaces one of a credit note, which stands again unless this one has failed too."""
    RefundReplacement.objects.create(refund=refund, replaces=replaces, note=note, event=event, fingerprint=fingerprint)
    log.record(
        action=Action.DOCUMENT_REFUND_REPLACED,
        object_type="document",
        object_id=note.public_id,
        actor=actor,
        details={"refund": refund, "replaces": replaces},
    )
    _set_status(note=note, refund=refund, actor=actor)


def _set_status(*, note: Document, refund: str, actor: log.Actor) -> None:
    """Move the live status of a credit note to what its refunds say."""
    status = None if _standing(note=note) else RefundStatus.FAILED
    refund_status.set_refund_status(note=note, status=status, refund=refund, actor=actor)


def _standing(*, note: Document, and_replaced: tuple[str, str] | None = None) -> set[str]:
    """Return the refunds of a credit note that did not fail and that no other replaces.

    `and_replaced` is one that would replace another.
    """
    pairs = set(RefundReplacement.objects.filter(note=note).values_list("refund", "replaces"))
    if and_replaced:
        pairs.add(and_replaced)
    refunds = {note.subject.partition(":")[2], *(refund for refund, _replaced in pairs)}
    return refunds - {replaced for _refund, replaced in pairs} - _failed(refunds=refunds)


def _failed(*, refunds: Collection[str]) -> set[str]:
    """Return those of the refunds that are known to have failed, also where that waits for the refund itself."""
    failures = Event.objects.filter(
        subject__in=[f"refund:{refund}" for refund in refunds],
        type=TYPE,
        status__in=(EventStatus.PROCESSED, EventStatus.PARKED),
    )
    return {subject.partition(":")[2] for subject in failures.values_list("subject", flat=True)}
