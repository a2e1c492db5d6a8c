"""The credit note of a refund."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, cast

from audit import log
from documents import errors, money
from documents.emission import document_keys, issuing
from documents.events import effects, envelope, schemas, waiting
from documents.models import Document, Event
from payouts.calculation import amounts, crediting, totals
from payouts.issuing import credit_notes, customer_credits, refund_failures, retries, stated_totals
from payouts.issuing import terms as issuing_terms
from payouts.issuing.customer_credits import Note, Receipt
from payouts.models import RefundReplacement

_POINTER = "/data/refund/amount"


@effects.holds_on_problem
def on_refund_issued(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the credit note of a refund, at its receipt's own rates and within what remains of it.

    One that replaces a refund which failed issues nothing: that one's credit note answers. Waits for the payment's
    receipt, and for the refund that is replaced. Held: the codes of `terms.resolve`, `tax_code_unknown`,
    `credit_exceeds_remaining`, `totals_mismatch`, and `time_implausible` for one that happened before its payment.
    """
    terms, data = issuing_terms.resolve(message=message), cast("schemas.RefundData", message.data)
    payment = data.refund.payment_id
    receipt = customer_credits.lock_receipt(payment=payment, terms=terms)
    if receipt is None:
        return customer_credits.without_receipt(payment=payment)
    if data.refund.replaces is not None and customer_credits.note_of(subject=("refund", data.refund.id)) is None:
        return _replace(
            replaces=data.refund.replaces, receipt=receipt, event=event, message=message, now=now, actor=actor
        )
    return customer_credits.give_back(
        subject=("refund", data.refund.id),
        receipt=receipt,
        make=lambda: _note(data=data, receipt=receipt),
        event=event,
        message=message,
        now=now,
        actor=actor,
    )


def _replace(
    *,
    replaces: str,
    receipt: Receipt,
    event: Event,
    message: envelope.EventMessage,
    now: dt.datetime,
    actor: log.Actor,
) -> effects.Outcome:
    """Give the money of a refund that failed back once more: the same credit note answers, nothing is numbered.

    Held: `time_implausible`, `totals_mismatch` for another amount, `payee_mismatch` for another payment, and
    `credit_exceeds_remaining` where another refund has replaced it already and did not fail.
    """
    data, payment = cast("schemas.RefundData", message.data), receipt.content["payment"]["id"]
    refund, known_as = data.refund.id, receipt.known_as(message=message)
    before = RefundReplacement.objects.select_related("note").filter(refund=refund).first()
    if before is not None:
        document_keys.repeated(
            document=before.note, first=before.fingerprint, others=known_as, event=event, actor=actor
        )
        return effects.Issued(documents=[issuing.IssuedDocument(document=before.note, replayed=True)])
    note = refund_failures.lock_note(refund=replaces)
    if note is None:
        return effects.Waiting(missing=[f"refund:{replaces}"])
    try:
        receipt.require_earlier(than=message.occurred_at)
        refund_failures.require_payment(refund=replaces, note=note, receipt=receipt)
        _require_same(data=data, note=note, receipt=receipt)
        refund_failures.require_failed(refund=refund, replaces=replaces, note=note)
    except errors.Problem as problem:
        return effects.Held(problem=problem, awaits=[retries.credit_awaited(payment=payment)])
    refund_failures.add(refund=refund, replaces=replaces, note=note, fingerprint=known_as[0], event=event, actor=actor)
    waiting.wake(awaited=[f"refund:{refund}"], now=now)
    retries.retry_credits(payment=payment, now=now, but=event)
    return effects.Issued(documents=[issuing.IssuedDocument(document=note, replayed=True)])


def _require_same(*, data: schemas.RefundData, note: Document, receipt: Receipt) -> None:
    """Refuse a refund that replaces another with another amount.

    :raises errors.Problem: `totals_mismatch`, `tax_code_unknown`, and `credit_exceeds_remaining` for a tax that the
        receipt has not
    """
    gross_minor = _gross_minor(data=data, note=note, receipt=receipt)
    if gross_minor == note.total_minor:
        return
    digits = receipt.terms.digits
    values = {
        "cause": "replaced",
        "refund": data.refund.replaces or "",
        "total": "amount",
        "stated": money.text(gross_minor, digits),
        "expected": money.text(note.total_minor, digits),
        "currency": receipt.terms.currency,
        "country": receipt.terms.pack.country,
    }
    raise errors.problem_at(pointer="/data/refund/replaces", code="totals_mismatch", values=values)


def _gross_minor(*, data: schemas.RefundData, note: Document, receipt: Receipt) -> int:
    """Return what a refund gives back in the place of an earlier credit note, or would where that is too much.

    :raises errors.Problem: `totals_mismatch`, `tax_code_unknown`, `credit_exceeds_remaining`
    """
    if data.lines is None:
        return money.minor(data.refund.amount or "", receipt.terms.digits)
    try:
        return _note(data=data, receipt=receipt, instead_of=note).total_minor
    except errors.Problem as problem:
        if not any("asked_minor" in fault.values for fault in problem.errors):
            raise
    lines = [line.model_dump(exclude_none=True) for line in data.lines]
    return totals.receipt(
        lines=amounts.read_lines(lines=lines, digits=receipt.terms.digits),
        rates=receipt.rates,
        prices=data.prices or receipt.content["prices"],
    ).totals["gross"]


def _note(*, data: schemas.RefundData, receipt: Receipt, instead_of: Document | None = None) -> Note:
    """Return what the credit note of a refund says, in the place of an earlier one where it stands for that.

    :raises errors.Problem: `tax_code_unknown`, `credit_exceeds_remaining`, `totals_mismatch`
    """
    terms = receipt.terms
    lines, sums, prices = _refunded(data=data, receipt=receipt, instead_of=instead_of)
    credit = None
    if data.totals:
        stated = {word: money.minor(amount, terms.digits) for word, amount in data.totals.model_dump().items()}
        credit = crediting.as_stated(computed=sums, stated=stated, prices=prices)
    taken = credit.credited if credit else sums
    stated_totals.check(
        given=stated_totals.given(totals=None if credit else data.totals, pointer=_POINTER, amount=data.refund.amount),
        sums=taken,
        lines=amounts.read_lines(lines=lines, digits=terms.digits) if data.lines else (),
        rates=receipt.rates,
        prices=prices,
        terms=terms,
    )
    cause = {"refund": {"id": data.refund.id, "reason": data.refund.reason}}
    flags = ("rounded_at_close",) if credit and credit.rounded else ()
    return receipt.note(cause=cause, lines=lines, sums=taken, prices=prices, flags=flags)


def _refunded(
    *, data: schemas.RefundData, receipt: Receipt, instead_of: Document | None
) -> tuple[Sequence[Mapping[str, Any]], amounts.Credited, money.Prices]:
    """Return the lines that a refund gives back, what they come to, and how they are priced.

    :raises errors.Problem: `tax_code_unknown`, `credit_exceeds_remaining`
    """
    if data.lines is None:
        lines, sums = receipt.of_amount(amount=data.refund.amount or "", label="Devolución", pointer=_POINTER)
        return lines, sums, "gross"
    stated, prices = (
        [line.model_dump(exclude_none=True) for line in data.lines],
        data.prices or receipt.content["prices"],
    )
    credited = credit_notes.credit(
        lines=stated,
        original=receipt.document,
        content=receipt.content,
        terms=receipt.terms,
        prices=prices,
        instead_of=instead_of,
    )
    return stated, credited, prices
