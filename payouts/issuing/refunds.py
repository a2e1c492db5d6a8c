"""The credit note of a refund."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, cast

from audit import log
from documents import errors, money
from documents.emission import issuing
from documents.events import effects, envelope, schemas, waiting
from documents.models import Event
from payouts.calculation import amounts, crediting
from payouts.issuing import credit_notes, customer_credits, retries, stated_totals
from payouts.issuing import terms as issuing_terms
from payouts.issuing.customer_credits import Note, Receipt

_POINTER = "/data/refund/amount"


@effects.holds_on_problem
def on_refund_issued(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the credit note of a refund, at its receipt's own rates and within what remains of it.

    Waits for the payment's receipt. Held: the codes of `terms.resolve`, `tax_code_unknown`,
    `credit_exceeds_remaining`, `totals_mismatch`, and `time_implausible` for one that happened before its payment.
    """
    terms, data = issuing_terms.resolve(message=message), cast("schemas.RefundData", message.data)
    payment = data.refund.payment_id
    receipt = customer_credits.lock_receipt(payment=payment, terms=terms)
    if receipt is None:
        return customer_credits.without_receipt(payment=payment)
    issued = customer_credits.note_of(subject=("refund", data.refund.id))
    try:
        if issued is None:
            receipt.require_earlier(than=message.occurred_at)
            note = _note(data=data, receipt=receipt)
        else:  # only compared with what was issued: what remains now says nothing about what remained then
            note = Note(total_minor=issued.total_minor)
    except errors.Problem as problem:
        return effects.Held(problem=problem, awaits=[retries.credit_awaited(payment=payment)])
    draft = customer_credits.draft(
        receipt=receipt,
        note=note,
        subject=("refund", data.refund.id),
        message=message,
        business_input=_input(message=message, prices=receipt.content["prices"]),
    )
    waiting.wake(awaited=[f"credit:{data.refund.id}"], now=now)
    if issued is None:
        retries.retry_credits(payment=payment, now=now, but=event)
    return effects.Issued(documents=issuing.issue(drafts=[draft], event=event, now=now, actor=actor))


def _input(*, message: envelope.EventMessage, prices: str) -> dict[str, Any]:
    """Return the normalised data of a refund; `prices` that are the receipt's own say nothing."""
    stated = envelope.business_input(message=message)
    return {word: value for word, value in stated.items() if (word, value) != ("prices", prices)}


def _note(*, data: schemas.RefundData, receipt: Receipt) -> Note:
    """Return what the credit note of a refund says.

    :raises errors.Problem: `tax_code_unknown`, `credit_exceeds_remaining`, `totals_mismatch`
    """
    terms, content = receipt.terms, receipt.content
    lines, sums, prices = _refunded(data=data, receipt=receipt)
    settled = None
    if data.totals:
        stated = {word: money.minor(amount, terms.digits) for word, amount in data.totals.model_dump().items()}
        settled = crediting.as_stated(computed=sums, stated=stated, prices=prices)
    taken = settled.credited if settled else sums
    stated_totals.check(
        given=stated_totals.given(totals=None if settled else data.totals, pointer=_POINTER, amount=data.refund.amount),
        sums=taken,
        lines=amounts.read_lines(lines=lines, digits=terms.digits) if data.lines else (),
        rates={row["code"]: money.rate(row["rate"]) for row in content["tax_groups"]},
        prices=prices,
        terms=terms,
    )
    cause = {"refund": {"id": data.refund.id, "reason": data.refund.reason}}
    flags = ("rounded_at_close",) if settled and settled.rounded else ()
    return receipt.note(cause=cause, lines=lines, sums=taken, prices=prices, flags=flags)


def _refunded(
    *, data: schemas.RefundData, receipt: Receipt
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
    return (
        stated,
        credit_notes.credit(
            lines=stated, original=receipt.document, content=receipt.content, terms=receipt.terms, prices=prices
        ),
        prices,
    )
