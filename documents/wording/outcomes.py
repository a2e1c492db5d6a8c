"""The outcomes that a document may stand for, and which of them its frozen content shows. Pure.

What was so when it was issued is printed and never changes (`as_issued`); what became so since is looked up when the
document is shown (`documents.standings`).
"""

import enum
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

Content = Mapping[str, Any]


class Outcome(enum.StrEnum):
    """What a document stands for; each has a cell in `table.TABLE` for every kind that it can befall."""

    # Receipts.
    PAID_BY_CUSTOMER = "paid_by_customer"
    # Statements of an order: what its net is, and whether that has been paid.
    PENDING = "pending"
    PAID = "paid"
    ZERO = "zero"
    NEGATIVE = "negative"
    DEDUCTED = "deducted"
    SETTLED = "settled"  # by a payout whose statement is known
    COMPLETES = "completes"  # an adjustment's statement names the one that it adds to
    TAKES_OVER = "takes_over"  # of an order that was reassigned: its new owner's
    # Statements of a payout.
    SENT = "sent"
    CLOSED = "closed"  # a period without a transfer
    OWING = "owing"  # it carries a debt over
    CARRIED_ON = "carried_on"  # a debt that a later payout has opened with
    REPLACES = "replaces"
    REPLACED = "replaced"
    # A payout's money; of its notice when issued, of its statement since.
    FAILED = "failed"
    RETURNED = "returned"
    CANCELED = "canceled"
    CONCERNS = "concerns"  # the statement that a notice is about
    # Credit notes: why, and whether they give back or take from what is owed.
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    PAYMENT_CANCELED = "payment_canceled"
    CORRECTED = "corrected"
    ORDER_CANCELED = "order_canceled"
    REASSIGNED = "reassigned"
    TAKEN = "taken"
    RELEASED = "released"  # it takes a debt back
    REFUND_FAILED = "refund_failed"
    # What credit notes and adjustments have done to a receipt or a statement since.
    CREDITED_IN_PART = "credited_in_part"
    CREDITED_WHOLLY = "credited_wholly"
    ADJUSTED = "adjusted"


# Since it was issued, so never printed.
SINCE = frozenset(
    {
        ("PAYMENT_RECEIPT", Outcome.CREDITED_IN_PART),
        ("PAYMENT_RECEIPT", Outcome.CREDITED_WHOLLY),
        ("ORDER_FINAL_STATEMENT", Outcome.SETTLED),
        ("ORDER_FINAL_STATEMENT", Outcome.CREDITED_IN_PART),
        ("ORDER_FINAL_STATEMENT", Outcome.CREDITED_WHOLLY),
        ("ORDER_FINAL_STATEMENT", Outcome.ADJUSTED),
        ("PAYOUT_STATEMENT", Outcome.CARRIED_ON),
        ("PAYOUT_STATEMENT", Outcome.REPLACED),
        ("PAYOUT_STATEMENT", Outcome.FAILED),
        ("PAYOUT_STATEMENT", Outcome.RETURNED),
        ("PAYOUT_STATEMENT", Outcome.CANCELED),
        ("PAYOUT_REVERSAL_NOTICE", Outcome.CONCERNS),
        ("PAYOUT_REVERSAL_NOTICE", Outcome.REPLACED),
        ("CREDIT_NOTE", Outcome.REFUND_FAILED),
    }
)
# TABLE: why a credit note was issued, by the subject of its key -> its outcome for a customer, and for a beneficiary.
_CAUSES: Mapping[str, tuple[Outcome, Outcome]] = MappingProxyType(
    {
        "refund": (Outcome.REFUNDED, Outcome.TAKEN),
        "dispute": (Outcome.DISPUTED, Outcome.TAKEN),
        "payment": (Outcome.PAYMENT_CANCELED, Outcome.TAKEN),
        "order": (Outcome.CORRECTED, Outcome.ORDER_CANCELED),
        "adjustment": (Outcome.CORRECTED, Outcome.ORDER_CANCELED),
        "reassignment": (Outcome.CORRECTED, Outcome.REASSIGNED),
        "correction": (Outcome.CORRECTED, Outcome.TAKEN),
    }
)


def as_issued(*, content: Content, payout_status: str | None = None) -> tuple[Outcome, ...]:
    """Return what a document stands for by its content: one outcome that always holds, then what comes on top.

    `payout_status` is an order statement's live one; the printed one where it is left out.
    """
    return _READERS[content["kind"]](content, payout_status or content.get("payout_status"))


def cause(*, key: str) -> str:
    """Return why a credit note was issued: the subject of its permanent key, unless its last part says it was canceled.

    The statement that a reassignment gave to an order's owner has that subject, whatever takes it back.
    """
    _kind, subject, _id, _audience, *discriminator = key.split(":")
    return "order" if discriminator == ["canceled"] and subject != "payment" else subject


def debt(*, content: Content) -> str:
    """Return what the owner owes by this document, as an amount without sign; "" for nothing."""
    totals = content["totals"]
    amount = str(totals.get("closing_carry_over") or totals.get("payable") or totals.get("gross") or "0")
    return amount.removeprefix("-") if Decimal(amount) < 0 else ""


def _receipt(_content: Content, _status: str | None) -> tuple[Outcome, ...]:
    return (Outcome.PAID_BY_CUSTOMER,)


def _statement(content: Content, status: str | None) -> tuple[Outcome, ...]:
    net, is_settled = Decimal(content["totals"]["payable"]), status == "SENT"
    if net == 0:
        base = Outcome.ZERO
    elif net > 0:
        base = Outcome.PAID if is_settled else Outcome.PENDING
    else:
        base = Outcome.DEDUCTED if is_settled else Outcome.NEGATIVE
    more = ((Outcome.COMPLETES, "adjustment" in content), (Outcome.TAKES_OVER, "reassignment" in content))
    return (base, *(outcome for outcome, holds in more if holds))


def _payout(content: Content, _status: str | None) -> tuple[Outcome, ...]:
    base = Outcome.SENT if Decimal(content["totals"]["amount"]) > 0 else Outcome.CLOSED
    owes = Decimal(content["totals"].get("closing_carry_over", "0")) < 0
    more = ((Outcome.OWING, owes), (Outcome.REPLACES, "replaces" in content))
    return (base, *(outcome for outcome, holds in more if holds))


def _notice(content: Content, _status: str | None) -> tuple[Outcome, ...]:
    return (Outcome(content["outcome"]),)


def _credit(content: Content, _status: str | None) -> tuple[Outcome, ...]:
    given, taken = _CAUSES[cause(key=content["document_key"])]
    if not content["original"]["document_key"].startswith("ORDER_FINAL_STATEMENT:"):
        return (given,)
    return (Outcome.RELEASED if Decimal(content["totals"]["gross"]) < 0 else taken,)


_READERS: Mapping[str, Callable[[Content, str | None], tuple[Outcome, ...]]] = MappingProxyType(
    {
        "PAYMENT_RECEIPT": _receipt,
        "ORDER_FINAL_STATEMENT": _statement,
        "PAYOUT_STATEMENT": _payout,
        "PAYOUT_REVERSAL_NOTICE": _notice,
        "CREDIT_NOTE": _credit,
    }
)
