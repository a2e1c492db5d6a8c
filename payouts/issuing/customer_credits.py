"""What every credit of a payment has in common: the receipt that it corrects, locked, and the draft of its note."""

import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

from audit import log
from documents import errors, locks, money
from documents.emission import document_keys, issuing
from documents.events import effects, envelope, schemas, waiting
from documents.models import Document, Event, Kind
from payouts.calculation import amounts
from payouts.issuing import cancellations, credit_notes, parties, retries
from payouts.issuing.terms import IssuingTerms

LINE_KIND = "REFUND_ITEM"  # of lines that were not stated


@dataclasses.dataclass(frozen=True, kw_only=True)
class Receipt:
    """A payment's receipt, locked with its customer, with its frozen content and the terms of what credits it."""

    document: Document
    content: Mapping[str, Any]
    terms: IssuingTerms

    def require_earlier(self, *, than: dt.datetime) -> None:
        """Refuse to give back money before it was taken; on the day of the payment its moment decides.

        :raises errors.Problem: `time_implausible`
        """
        day = self.terms.local_date(moment=than, time_zone=self.content["time_zone"])
        captured_at = self._captured_at() if day == self.document.operation_date else None
        if day < self.document.operation_date or (captured_at is not None and than < captured_at):
            values = {"cause": "before_payment", "document": self.document.number}
            raise errors.problem_at(pointer="/occurred_at", code="time_implausible", values=values)

    def business_input(self, *, message: envelope.EventMessage) -> dict[str, Any]:
        """Return the normalised data of what credits the receipt; `prices` that are the receipt's own say nothing."""
        stated = envelope.business_input(message=message)
        return {word: value for word, value in stated.items() if (word, value) != ("prices", self.content["prices"])}

    def known_as(self, *, message: envelope.EventMessage) -> tuple[str, str]:
        """Return the fingerprints by which a repeat of what credits the receipt is known."""
        return document_keys.known_as(
            kind=Kind.CREDIT_NOTE,
            country=self.terms.pack.country,
            issuer=self.terms.issuer.slug,
            data=self.business_input(message=message),
        )

    @property
    def rates(self) -> dict[str, Fraction]:
        """Return the receipt's own rate of each tax code."""
        return {row["code"]: money.rate(row["rate"]) for row in self.content["tax_groups"]}

    def of_amount(self, *, amount: str, label: str, pointer: str) -> tuple[list[dict[str, Any]], amounts.Credited]:
        """Return the lines and sums of a credit of which only the gross is known; see `credit_notes.of_amount`.

        :raises errors.Problem: `credit_exceeds_remaining`
        """
        return credit_notes.of_amount(
            gross_minor=money.minor(amount, self.terms.digits),
            original=self.document,
            content=self.content,
            terms=self.terms,
            kind=LINE_KIND,
            label=label,
            pointer=pointer,
        )

    def note(
        self,
        *,
        cause: Mapping[str, object],
        lines: Sequence[Mapping[str, Any]],
        sums: amounts.Computed,
        prices: str,
        flags: tuple[str, ...] = (),
    ) -> "Note":
        """Return what a credit note of these lines says; `cause` is what is printed of why it was issued."""
        printed = credit_notes.printed_amounts(
            lines=lines, sums=sums, prices=prices, terms=self.terms, date=self.document.operation_date
        )
        body = {"original": credit_notes.named(original=self.document), **cause, **printed}
        return Note(total_minor=sums.totals["gross"], body=body, flags=flags)

    def _captured_at(self) -> dt.datetime | None:
        """Return the moment of the payment, where it is still known."""
        event = Event.objects.only("body", "happened_at").get(pk=self.document.event_id)
        if event.body is None:
            return event.happened_at
        return cast(
            "schemas.PaymentData", envelope.parse(payload=json.loads(bytes(event.body))).data
        ).payment.captured_at


@dataclasses.dataclass(frozen=True, kw_only=True)
class Note:
    """What a credit note of a receipt says: its content, its total in minor units, its flags."""

    total_minor: int
    body: dict[str, Any] = dataclasses.field(default_factory=dict)
    flags: tuple[str, ...] = ()


def lock_customer(*, message: envelope.EventMessage) -> None:
    """Lock the customer of the payment that an event is about; see `parties.lock_payee`.

    So of two credits of one payment at the same time, one of them held, either the other sees that one and lets it be
    tried again, or that one sees what the other has taken.
    """
    key = receipt_key(payment=_payment(message=message))
    owner = Document.objects.filter(document_key_id=key).values_list("owner__platform_id", flat=True).first()
    parties.lock_party(platform_id=owner or "")


def receipt_key(*, payment: str) -> str:
    """Return the permanent key of a payment's receipt."""
    return issuing.key(kind=Kind.PAYMENT_RECEIPT, subject=("payment", payment), audience="customer")


def is_issued(*, payment: str) -> bool:
    """Tell whether a payment has its receipt."""
    return Document.objects.filter(document_key_id=receipt_key(payment=payment)).exists()


def lock_receipt(*, payment: str, terms: IssuingTerms) -> Receipt | None:
    """Return a payment's receipt, locked so that two credits never see the same remainder.

    None where there is none; and for one that has come since the customer was locked: the event waits, and is looked
    at again at once.

    :raises errors.Problem: the codes of `IssuingTerms.require_match`
    """
    document = credit_notes.lock_document(key=receipt_key(payment=payment))
    if document is None or not locks.has(rank=locks.Rank.PARTY, keys=[(document.owner_id,)]):
        return None
    terms.require_match(document=document)
    return Receipt(document=document, content=json.loads(document.content), terms=terms)


def without_receipt(*, payment: str) -> effects.Outcome:
    """Return what becomes of a credit whose payment has no receipt: it waits, unless there will never be one."""
    subject = f"payment:{payment}"
    if not cancellations.was_ignored(subject=subject):
        return effects.Waiting(missing=[subject])
    values = {"cause": "payment_canceled", "payment": payment}
    return effects.Held(problem=errors.Problem(code="credit_exceeds_remaining", values=values))


def note_of(*, subject: tuple[str, str], discriminator: str = "") -> Document | None:
    """Return the credit note that gives a customer money back for a subject, if it has been issued."""
    key = issuing.key(kind=Kind.CREDIT_NOTE, subject=subject, audience="customer", discriminator=discriminator)
    return Document.objects.filter(document_key_id=key).first()


def give_back(
    *,
    subject: tuple[str, str],
    receipt: Receipt,
    make: Callable[[], Note],
    event: Event,
    message: envelope.EventMessage,
    now: dt.datetime,
    actor: log.Actor,
) -> effects.Outcome:
    """Issue the credit note that gives part of a payment back for a subject; `make` computes it, only the first time.

    A repeat is only compared with what was issued: what remains now says nothing about what remained then. One that is
    held is tried again when anything else credits the payment.

    Held: `time_implausible` for one that happened before its payment, and what `make` raises.
    """
    payment = receipt.content["payment"]["id"]
    issued = note_of(subject=subject)
    try:
        if issued is None:
            receipt.require_earlier(than=message.occurred_at)
        note = Note(total_minor=issued.total_minor) if issued else make()
    except errors.Problem as problem:
        return effects.Held(problem=problem, awaits=[retries.credit_awaited(payment=payment)])
    stated = receipt.business_input(message=message)
    written = draft(receipt=receipt, note=note, subject=subject, message=message, business_input=stated)
    waiting.wake(awaited=awaited(subject=subject), now=now)
    if issued is None:
        retries.retry_credits(payment=payment, now=now, but=event)
    return effects.Issued(documents=issuing.issue(drafts=[written], event=event, now=now, actor=actor))


def awaited(*, subject: tuple[str, str]) -> list[str]:
    """Return the names under which events wait for the credit note of a subject."""
    return [f"credit:{subject[1]}", ":".join(subject)]


def draft(
    *,
    receipt: Receipt,
    note: Note,
    subject: tuple[str, str],
    message: envelope.EventMessage,
    business_input: dict[str, object],
    discriminator: str = "",
) -> issuing.Draft:
    """Draft the credit note of a receipt."""
    date = receipt.terms.local_date(moment=message.occurred_at, time_zone=receipt.content["time_zone"])
    return issuing.Draft(
        kind=Kind.CREDIT_NOTE,
        subject=subject,
        audience="customer",
        discriminator=discriminator,
        pack=receipt.terms.pack,
        issuer=receipt.terms.issuer,
        owner=receipt.document.owner,
        owner_facts=parties.printed(party=receipt.document.owner, pack=receipt.terms.pack, date=date),
        currency=receipt.terms.currency,
        total_minor=note.total_minor,
        operation_date=date,
        time_zone=receipt.content["time_zone"],
        body=note.body,
        business_input=business_input,
        flags=note.flags,
        corrects=receipt.document,
    )


def _payment(*, message: envelope.EventMessage) -> str:
    """Return the payment that a refund, a dispute or a cancellation is about."""
    word, _, name = envelope.subject(message=message).partition(":")
    return name if word == "payment" else str(getattr(message.data, word).payment_id)
