"""The credit note of a dispute that was lost: the bank has given the customer the money back."""

import datetime as dt
from typing import cast

from audit import log
from documents.events import effects, envelope, undoing_schemas
from documents.models import Event
from payouts.issuing import customer_credits
from payouts.issuing import terms as issuing_terms
from payouts.issuing.customer_credits import Note, Receipt


@effects.holds_on_problem
def on_dispute_lost(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the credit note of a dispute's amount, tax inside, spread over what remains of the payment's receipt.

    Waits for the payment's receipt. Held: the codes of `terms.resolve`, `credit_exceeds_remaining`, and
    `time_implausible` for one that was lost before its payment.
    """
    terms, data = issuing_terms.resolve(message=message), cast("undoing_schemas.DisputeData", message.data)
    receipt = customer_credits.lock_receipt(payment=data.dispute.payment_id, terms=terms)
    if receipt is None:
        return customer_credits.without_receipt(payment=data.dispute.payment_id)
    return customer_credits.give_back(
        subject=("dispute", data.dispute.id),
        receipt=receipt,
        make=lambda: _note(dispute=data.dispute, receipt=receipt),
        event=event,
        message=message,
        now=now,
        actor=actor,
    )


def _note(*, dispute: undoing_schemas.Dispute, receipt: Receipt) -> Note:
    """Return what the credit note of a dispute says.

    :raises errors.Problem: `credit_exceeds_remaining`
    """
    lines, sums = receipt.of_amount(amount=dispute.amount, label="Disputa", pointer="/data/dispute/amount")
    cause = {"dispute": {"id": dispute.id, "reason": dispute.reason}}
    return receipt.note(cause=cause, lines=lines, sums=sums, prices="gross")
