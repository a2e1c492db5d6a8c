"""The data of the events that undo an earlier fact, in whole or in part, or give it to somebody else.

See `schemas` for the facts themselves.
"""

from typing import Self

from pydantic import Field, model_validator

from documents.events import fields, schema_parts


class Reason(schema_parts.Strict):
    """Why, for machines and for people."""

    code: fields.Text
    text: fields.Text


# -- payments and refunds --


class PaymentCanceledData(schema_parts.PlainData):
    """PAYMENT_CANCELED."""

    payment: schema_parts.Reference
    reason: Reason
    canceled_at: fields.Moment


class Dispute(schema_parts.Strict):
    """A dispute of a payment that the bank has decided for the customer; `amount` is gross."""

    id: fields.Id
    payment_id: fields.Id
    amount: fields.Moved
    reason: fields.Text

    @model_validator(mode="after")
    def is_about_money(self) -> Self:
        """Refuse a dispute of nothing."""
        if not self.amount.strip("0."):
            raise fields.wrong("above_zero")
        return self


class DisputeData(schema_parts.EventData):
    """DISPUTE_LOST."""

    dispute: Dispute


class FailedRefund(schema_parts.Strict):
    """The refund of a payment whose money did not arrive."""

    id: fields.Id
    payment_id: fields.Id


class RefundFailedData(schema_parts.PlainData):
    """REFUND_FAILED."""

    refund: FailedRefund
    reason: Reason


# -- orders --


class OrderCanceledData(schema_parts.PlainData):
    """ORDER_CANCELED."""

    order: schema_parts.Reference
    reason: Reason
    canceled_at: fields.Moment


class StatedReassignment(schema_parts.Strict):
    """An order's money that belongs to somebody else than was said."""

    id: fields.Id
    reason: fields.Text
    made_at: fields.Moment


class ReassignmentData(schema_parts.PlainData):
    """ORDER_REASSIGNED."""

    reassignment: StatedReassignment
    order: schema_parts.Reference
    from_owner: schema_parts.Reference = Field(alias="from")
    to_owner: schema_parts.StatedParty = Field(alias="to")
    driver: schema_parts.StatedParty | None = None


# -- payouts --


class PayoutCanceledData(schema_parts.PlainData):
    """PAYOUT_CANCELED."""

    payout: schema_parts.Reference
    reason: Reason
    canceled_at: fields.Moment


class ReversedPayout(schema_parts.Strict):
    """The payout that failed or came back: what came back of it, and the fee that the bank kept."""

    id: fields.Id
    amount: fields.Moved
    fee: fields.Moved | None = None


class ReversalData(schema_parts.EventData):
    """PAYOUT_FAILED and PAYOUT_RETURNED."""

    payout: ReversedPayout
    payee: schema_parts.Reference
    reason: Reason
    next_step: fields.Text | None = None
