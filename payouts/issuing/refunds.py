"""The credit note of a refund."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, cast

from audit import log
from documents import money
from documents.events import effects, envelope, schemas
from documents.models import Event
from payouts.calculation import amounts, crediting
from payouts.issuing import credit_notes, customer_credits, stated_totals
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
    return customer_credits.give_back(
        subject=("refund", data.refund.id),
        receipt=receipt,
        make=lambda: _note(data=data, receipt=receipt),
        event=event,
        message=message,
        now=now,
        actor=actor,
    )


def _note(*, data: schemas.RefundData, receipt: Receipt) -> Note:
    """Return what the credit note of a refund says.

    :raises errors.Problem: `tax_code_unknown`, `credit_exceeds_remaining`, `totals_mismatch`
    """
    terms, content = receipt.terms, receipt.content
    lines, sums, prices = _refunded(data=data, receipt=receipt)
    credit = None
    if data.totals:
        stated = {word: money.minor(amount, terms.digits) for word, amount in data.totals.model_dump().items()}
        credit = crediting.as_stated(computed=sums, stated=stated, prices=prices)
    taken = credit.credited if credit else sums
    stated_totals.check(
        given=stated_totals.given(totals=None if credit else data.totals, pointer=_POINTER, amount=data.refund.amount),
        sums=taken,
        lines=amounts.read_lines(lines=lines, digits=terms.digits) if data.lines else (),
        rates={row["code"]: money.rate(row["rate"]) for row in content["tax_groups"]},
        prices=prices,
        terms=terms,
    )
    cause = {"refund": {"id": data.refund.id, "reason": data.refund.reason}}
    flags = ("rounded_at_close",) if credit and credit.rounded else ()
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
