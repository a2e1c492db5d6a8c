"""A correction that finance makes: a credit note for all or part of what remains of a document, at its own rates.

Receipts and order statements can be corrected: a receipt's credit is given back to the customer, a statement's is taken
from what its owner is owed, by the next payout that settles it. It takes the same way as a refund: the original locked,
what remains counted, the number last. The decision is stored as an event of its own, so that this document, too,
answers a fact that was written down first.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from audit import log
from audit.actions import Action
from documents import canonical, catalog, errors, money, transactions
from documents.countries import pack as packs
from documents.emission import document_keys, issuing
from documents.events import waiting
from documents.models import Document, DocumentKey, Event, EventStatus, Kind
from payouts.calculation import amounts
from payouts.issuing import parties, receipts, retries
from payouts.issuing.terms import IssuingTerms
from payouts.review import decisions

EVENT_TYPE, SERVICE, LINE_KIND = "DOCUMENT_CORRECTED", "staff", "CORRECTION"
_ACT = {Kind.PAYMENT_RECEIPT: "Abono", Kind.ORDER_FINAL_STATEMENT: "Descuento"}
_ID = re.compile(r"cor_[a-z0-9]{26}")


@dataclass(frozen=True, kw_only=True)
class CreditedAmount:
    """So much of one tax group of the original, in minor units, with its sign, in the original's way of pricing."""

    tax: str
    amount_minor: int


@dataclass(frozen=True, kw_only=True)
class CreditableGroup:
    """What of one tax group can still be credited: as prices are written, and with tax."""

    tax: str
    amount_minor: int
    gross_minor: int


@dataclass(frozen=True, kw_only=True)
class _Correction:
    """Somebody's decision; `parts` None credits all that remains. `fingerprint` names the same decision again."""

    id: str
    original: Document
    content: dict[str, Any]
    terms: IssuingTerms
    parts: tuple[CreditedAmount, ...] | None
    reason: str

    @property
    def key(self) -> str:
        """Return the permanent key of the credit note."""
        return issuing.key(kind=Kind.CREDIT_NOTE, subject=("correction", self.id), audience=str(self.original.audience))

    @property
    def business_input(self) -> dict[str, object]:
        """Return what was decided, without anything computed."""
        digits = self.terms.digits
        lines: object = "remaining"
        if self.parts is not None:
            lines = [{"tax": part.tax, "amount": money.text(part.amount_minor, digits)} for part in self.parts]
        return {"document": self.original.document_key_id, "lines": lines, "reason": self.reason}

    @property
    def fingerprint(self) -> str:
        """Return the digest by which a repeat is known."""
        return document_keys.fingerprint(
            kind=Kind.CREDIT_NOTE,
            country=self.terms.pack.country,
            issuer=self.terms.issuer.slug,
            data=self.business_input,
        )


def remaining_creditable(*, document: Document) -> list[CreditableGroup]:
    """Return what of a document can still be credited, group by group.

    Nothing of other kinds, and of a statement that owes its owner nothing (any more).
    """
    if not catalog.TABLE[Kind(document.kind)].creditable:
        return []
    content = json.loads(document.content)
    remaining = receipts.credit(lines=(), original=document, content=content, terms=_under(document)).remaining
    if sum(group.gross_minor for group in remaining) <= 0:
        return []
    return [
        CreditableGroup(
            tax=group.code,
            amount_minor=group.base_minor if content["prices"] == "net" else group.gross_minor,
            gross_minor=group.gross_minor,
        )
        for group in remaining
        if group.gross_minor or group.base_minor
    ]


def correct(
    *,
    document: Document,
    correction_id: str,
    parts: Sequence[CreditedAmount] | None,
    reason: str,
    user: User,
    now: dt.datetime,
    actor: log.Actor,
) -> issuing.Issued:
    """Issue the credit note of a correction, or find the one that the same correction has.

    `correction_id` ("cor_...") is made once for each decision, so a form that is sent twice credits once.

    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope` (on record), `validation_error`,
        `already_credited`, `credit_exceeds_remaining`, `document_key_conflict`: the same id for another decision
    """
    decisions.require(
        right="correct",
        user=user,
        country=document.country_id,
        object_type="document",
        object_id=document.public_id,
        actor=actor,
    )
    words = decisions.reason(reason)
    if not _ID.fullmatch(correction_id) or (parts is not None and not any(part.amount_minor for part in parts)):
        raise errors.Problem(code="validation_error", detail="a correction has an id, and credits something")
    if not catalog.TABLE[Kind(document.kind)].creditable:
        raise errors.Problem(code="credit_exceeds_remaining", detail=f"nothing of a {document.kind} can be credited")
    kept = None if parts is None else tuple(part for part in parts if part.amount_minor)
    return transactions.retry_on_conflict(
        lambda: _correct(
            key=document.document_key_id, correction_id=correction_id, parts=kept, reason=words, now=now, actor=actor
        )
    )


def _correct(
    *,
    key: str,
    correction_id: str,
    parts: tuple[CreditedAmount, ...] | None,
    reason: str,
    now: dt.datetime,
    actor: log.Actor,
) -> issuing.Issued:
    owner = Document.objects.filter(document_key_id=key).values_list("owner__platform_id", flat=True).first()
    parties.lock_party(
        platform_id=owner or ""
    )  # before what the owner is owed is read: see the third rule of README.md
    original = receipts.lock_document(key=key)
    if original is None:
        raise errors.Problem(code="not_found")
    one = _Correction(
        id=correction_id,
        original=original,
        content=json.loads(original.content),
        terms=_under(original),
        parts=parts,
        reason=reason,
    )
    before = _before(one=one, actor=actor)
    if before is not None:
        return before
    lines = _lines(one)
    sums = receipts.credit(lines=lines, original=original, content=one.content, terms=one.terms)
    event = _event(one=one, now=now, actor=actor)
    draft = _draft(one=one, lines=lines, sums=sums, now=now)
    waiting.wake(awaited=f"credit:{one.id}", now=now)
    if original.kind == Kind.ORDER_FINAL_STATEMENT:
        retries.retry_held(payee=original.owner.platform_id, now=now)
    (issued,) = issuing.issue(drafts=[draft], event=event, now=now, actor=actor)
    Event.objects.filter(pk=event.pk).update(document_ids=[issued.document.pk])
    log.record(action=Action.EVENT_PROCESSED, object_type="event", object_id=event.public_id, actor=actor)
    log.record(
        action=Action.DOCUMENT_CORRECTED,
        object_type="document",
        object_id=original.public_id,
        actor=actor,
        details={
            "reason": reason,
            "credit_note": issued.document.public_id,
            "total": money.text(sums.totals["gross"], one.terms.digits),
        },
    )
    return issued


def _under(document: Document) -> IssuingTerms:
    return IssuingTerms(
        pack=packs.required(document.country_id),
        issuer=document.issuer,
        currency=document.currency,
        digits=money.digits(document.currency),
    )


def _before(*, one: _Correction, actor: log.Actor) -> issuing.Issued | None:
    """Return the credit note that the same correction has; the repeat is on record.

    :raises errors.Problem: `document_key_conflict`
    """
    document = Document.objects.filter(document_key_id=one.key).first()
    if document is None:
        return None
    if DocumentKey.objects.get(pk=one.key).fingerprint != one.fingerprint:
        raise errors.Problem(code="document_key_conflict")
    log.record(action=Action.DOCUMENT_REPEATED, object_type="document", object_id=document.public_id, actor=actor)
    return issuing.Issued(document=document, replayed=True)


def _lines(one: _Correction) -> list[dict[str, str]]:
    """Return the credit note's lines: one for each tax group that is credited.

    :raises errors.Problem: `already_credited`
    """
    remaining = remaining_creditable(document=one.original)
    if not remaining:
        raise errors.Problem(code="already_credited")
    parts = one.parts
    if parts is None:
        parts = tuple(CreditedAmount(tax=group.tax, amount_minor=group.amount_minor) for group in remaining)
    act, withheld = _ACT[Kind(one.original.kind)], bool(one.content.get("withholdings"))
    return [
        {
            "id": str(place),
            "kind": LINE_KIND,
            "description": f"{act}: {_said(part, withheld=withheld)}",
            "amount": money.text(part.amount_minor, one.terms.digits),
            **({"tax": part.tax} if part.tax else {}),
        }
        for place, part in enumerate(parts, start=1)
    ]


def _said(part: CreditedAmount, *, withheld: bool) -> str:
    what = "descuentos" if part.amount_minor < 0 else "conceptos"
    if part.amount_minor < 0 and not part.tax and withheld:
        return "retenciones fiscales y descuentos sin impuesto"
    return f"{what} con {part.tax}" if part.tax else f"{what} sin impuesto"


def _event(*, one: _Correction, now: dt.datetime, actor: log.Actor) -> Event:
    """Store the decision as an event, once.

    :raises errors.Problem: `document_key_conflict`
    """
    body = canonical.encode(
        value={
            "id": one.id,
            "type": EVENT_TYPE,
            "occurred_at": now.isoformat(),
            "country": one.terms.pack.country,
            "issuer": one.terms.issuer.slug,
            "data": one.business_input,
        }
    )
    sha256 = hashlib.sha256(body).hexdigest()
    try:
        with transaction.atomic():
            event = Event.objects.create(
                event_id=one.id,
                service=SERVICE,
                type=EVENT_TYPE,
                country_code=one.terms.pack.country,
                issuer_slug=one.terms.issuer.slug,
                subject=f"correction:{one.id}",
                occurred_at=now,
                received_at=now,
                body=body,
                body_sha256=sha256,
                payload_sha256=sha256,
                status=EventStatus.PROCESSED,
            )
    except IntegrityError:  # the same id for another receipt, at the same time
        raise errors.Problem(code="document_key_conflict") from None
    log.record(
        action=Action.EVENT_RECEIVED,
        object_type="event",
        object_id=event.public_id,
        actor=actor,
        details={"type": EVENT_TYPE},
    )
    return event


def _draft(
    *, one: _Correction, lines: Sequence[dict[str, str]], sums: amounts.Credited, now: dt.datetime
) -> issuing.Draft:
    """Draft the credit note."""
    content, terms = one.content, one.terms
    return issuing.Draft(
        kind=Kind.CREDIT_NOTE,
        subject=("correction", one.id),
        audience=str(one.original.audience),
        pack=terms.pack,
        issuer=terms.issuer,
        owner=one.original.owner,
        owner_facts=content["owner"],
        currency=terms.currency,
        total_minor=sums.totals["gross"],
        operation_date=terms.local_date(moment=now, time_zone=content["time_zone"]),
        time_zone=content["time_zone"],
        body={
            "original": receipts.named(original=one.original),
            "correction": {"id": one.id, "reason": one.reason},
            **receipts.printed_amounts(lines=lines, sums=sums, prices=content["prices"], digits=terms.digits),
        },
        business_input=one.business_input,
        corrects=one.original,
    )
