"""A correction that finance makes: a credit note for all or part of what remains of a document, at its own rates.

Receipts and order statements can be corrected. The credit of a receipt is given back to the customer; that of an order
statement is taken from what its owner is owed, by the next payout that settles it. A correction is issued in the same
steps as a refund: the original is locked, what remains is counted, the number is taken last. The decision is stored as
an event of its own, so that this document, too, answers an event that was stored first.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from audit import log
from audit.actions import Action
from documents import canonical, catalog, errors, metrics, money, transactions
from documents.access import deciding
from documents.emission import issuing, valve
from documents.events import waiting
from documents.models import Document, DocumentKey, Event, EventStatus, Kind
from payouts.calculation.amounts import Supply
from payouts.issuing import credit_notes, parties, retries
from payouts.issuing import terms as issuing_terms
from payouts.issuing.credit_notes import CreditedAmount
from payouts.review import correction_notes, decisions
from payouts.review.correction_notes import Correction

EVENT_TYPE, SERVICE = "DOCUMENT_CORRECTED", "staff"
_ID = re.compile(r"cor_[a-z0-9]{26}")


@dataclass(frozen=True, kw_only=True)
class CreditableGroup:
    """What of one tax group can still be credited: as prices are written, and with tax."""

    tax: str
    amount_minor: int
    gross_minor: int
    supply: Supply = "service"


def remaining_creditable(*, document: Document) -> list[CreditableGroup]:
    """Return what of a document can still be credited, group by group.

    Empty for other kinds of documents, and for a statement of which nothing is owed to its owner any more.
    """
    if not catalog.TABLE[Kind(document.kind)].creditable:
        return []
    content = json.loads(document.content)
    remaining = credit_notes.credit(
        lines=(), original=document, content=content, terms=issuing_terms.of_document(document=document)
    ).remaining
    if sum(group.gross_minor for group in remaining) <= 0:
        return []
    return [
        CreditableGroup(
            tax=group.code,
            amount_minor=group.base_minor if content["prices"] == "net" else group.gross_minor,
            gross_minor=group.gross_minor,
            supply=group.supply,
        )
        for group in remaining
        if group.gross_minor or group.base_minor
    ]


@valve.pauses()
def correct(
    *,
    document: Document,
    correction_id: str,
    parts: Sequence[CreditedAmount] | None,
    gross_minor: int | None = None,
    reason: str,
    user: User,
    now: dt.datetime,
    actor: log.Actor,
) -> issuing.IssuedDocument:
    """Issue the credit note of a correction, or return the one that the same correction has.

    It credits the `parts`, or a gross spread over what remains, else all that remains. `correction_id` ("cor_...") is
    made once for each decision, so a form that is sent twice credits once.

    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope` (on record), `validation_error`,
        `already_credited`, `credit_exceeds_remaining`, `issuing_paused`, for another decision `document_key_conflict`
    """
    deciding.require(
        right="correct",
        user=user,
        country=document.country_id,
        object_type="document",
        object_id=document.public_id,
        actor=actor,
    )
    text = decisions.reason(reason)
    credited = _checked(document=document, correction_id=correction_id, parts=parts, gross_minor=gross_minor)
    return transactions.retry_on_conflict(
        lambda: _correct(
            key=document.document_key_id,
            correction_id=correction_id,
            parts=credited,
            gross_minor=gross_minor,
            reason=text,
            now=now,
            actor=actor,
        )
    )


def _checked(
    *, document: Document, correction_id: str, parts: Sequence[CreditedAmount] | None, gross_minor: int | None
) -> tuple[CreditedAmount, ...] | None:
    """Return the parts of a decision that credit something; None where it states none.

    Refused is what credits nothing, says it in two ways, or is about what cannot be credited.

    :raises errors.Problem: `validation_error`, `credit_exceeds_remaining`
    """
    nothing = parts is not None and not any(part.amount_minor for part in parts)
    if not _ID.fullmatch(correction_id) or nothing or (gross_minor is not None and (parts or gross_minor <= 0)):
        raise errors.Problem(code="validation_error", values={"cause": "correction"})
    if not catalog.TABLE[Kind(document.kind)].creditable:
        raise errors.Problem(code="credit_exceeds_remaining", values={"cause": "kind"})
    return None if parts is None else tuple(part for part in parts if part.amount_minor)


def _correct(
    *,
    key: str,
    correction_id: str,
    parts: tuple[CreditedAmount, ...] | None,
    gross_minor: int | None,
    reason: str,
    now: dt.datetime,
    actor: log.Actor,
) -> issuing.IssuedDocument:
    owner = Document.objects.filter(document_key_id=key).values_list("owner__platform_id", flat=True).first()
    # Locked before what the owner is owed is read: see the third rule of README.md.
    parties.lock_party(platform_id=owner or "")
    original = credit_notes.lock_document(key=key)
    if original is None:
        raise errors.Problem(code="not_found")
    correction = Correction(
        id=correction_id,
        original=original,
        content=json.loads(original.content),
        terms=issuing_terms.of_document(document=original),
        parts=parts,
        gross_minor=gross_minor,
        reason=reason,
    )
    issued = _issued_before(correction=correction, actor=actor)
    if issued is not None:
        return issued
    return _issue(correction=correction, now=now, actor=actor)


def _issue(*, correction: Correction, now: dt.datetime, actor: log.Actor) -> issuing.IssuedDocument:
    """Issue the credit note, with the event and the audit events of the decision.

    :raises errors.Problem: `already_credited`, `credit_exceeds_remaining`, `tax_code_unknown`, `document_key_conflict`
    """
    original, terms = correction.original, correction.terms
    lines, sums, prices = correction_notes.credited(correction=correction, parts=_parts(correction=correction))
    event = _store_event(correction=correction, now=now, actor=actor)
    draft = correction_notes.draft(correction=correction, lines=lines, sums=sums, prices=prices, now=now)
    waiting.wake(awaited=[f"credit:{correction.id}"], now=now)
    if original.kind == Kind.ORDER_FINAL_STATEMENT:
        retries.retry_held(payees=[original.owner.platform_id], now=now)
    else:
        retries.retry_credits(payment=correction.content["payment"]["id"], now=now)
    (issued,) = issuing.issue(drafts=[draft], event=event, now=now, actor=actor)
    Event.objects.filter(pk=event.pk).update(document_ids=[issued.document.pk])
    log.record(action=Action.EVENT_PROCESSED, object_type="event", object_id=event.public_id, actor=actor)
    log.record(
        action=Action.DOCUMENT_CORRECTED,
        object_type="document",
        object_id=original.public_id,
        actor=actor,
        details={
            "reason": correction.reason,
            "credit_note": issued.document.public_id,
            "total": money.text(sums.totals["gross"], terms.digits),
        },
    )
    return issued


def _parts(*, correction: Correction) -> Sequence[CreditedAmount]:
    """Return what a correction credits of each tax group: what was decided, else all that remains.

    :raises errors.Problem: `already_credited`
    """
    remaining = remaining_creditable(document=correction.original)
    if not remaining:
        raise errors.Problem(code="already_credited")
    if correction.parts is not None:
        return correction.parts
    return [CreditedAmount(tax=group.tax, amount_minor=group.amount_minor, supply=group.supply) for group in remaining]


def _issued_before(*, correction: Correction, actor: log.Actor) -> issuing.IssuedDocument | None:
    """Return the credit note that the same correction has, and record the repeat; None for a new correction.

    :raises errors.Problem: `document_key_conflict`
    """
    document = Document.objects.filter(document_key_id=correction.key).first()
    if document is None:
        return None
    if DocumentKey.objects.get(pk=correction.key).fingerprint not in correction.known_as:
        raise errors.Problem(code="document_key_conflict")
    log.record(action=Action.DOCUMENT_REPEATED, object_type="document", object_id=document.public_id, actor=actor)
    metrics.DOCUMENT_REPEATED.inc()
    return issuing.IssuedDocument(document=document, replayed=True)


def _store_event(*, correction: Correction, now: dt.datetime, actor: log.Actor) -> Event:
    """Store the decision as an event, once.

    :raises errors.Problem: `document_key_conflict`
    """
    body = _event_body(correction=correction, now=now)
    sha256 = hashlib.sha256(body).hexdigest()
    try:
        with transaction.atomic():
            event = Event.objects.create(
                event_id=correction.id,
                service=SERVICE,
                type=EVENT_TYPE,
                country_code=correction.terms.pack.country,
                issuer_slug=correction.terms.issuer.slug,
                subject=f"correction:{correction.id}",
                occurred_at=now,
                received_at=now,
                body=body,
                body_sha256=sha256,
                payload_sha256=sha256,
                status=EventStatus.PROCESSED,
            )
    except IntegrityError:  # the same id for another document, at the same time
        raise errors.Problem(code="document_key_conflict") from None
    received = {"type": EVENT_TYPE}
    log.record(
        action=Action.EVENT_RECEIVED, object_type="event", object_id=event.public_id, actor=actor, details=received
    )
    return event


def _event_body(*, correction: Correction, now: dt.datetime) -> bytes:
    """Return the body of the decision's event, as a service would send it."""
    value = {
        "id": correction.id,
        "type": EVENT_TYPE,
        "occurred_at": now.isoformat(),
        "country": correction.terms.pack.country,
        "issuer": correction.terms.issuer.slug,
        "data": correction.business_input,
    }
    return canonical.encode(value=value)
