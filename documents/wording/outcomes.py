"""The outcomes that a document may stand for, and which of them its frozen content shows. Pure.

What was so when it was issued is printed and never changes (`as_issued`); what became so since is looked up when the
document is shown (`documents.standings`).
"""

import enum
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

FrozenContent = Mapping[str, Any]


class Fate(enum.StrEnum):
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
    HANDED_ON = "handed_on"  # and its former owner's, where nothing remained that a note could take back
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
        ("PAYMENT_RECEIPT", Fate.CREDITED_IN_PART),
        ("PAYMENT_RECEIPT", Fate.CREDITED_WHOLLY),
        ("ORDER_FINAL_STATEMENT", Fate.SETTLED),
        ("ORDER_FINAL_STATEMENT", Fate.CREDITED_IN_PART),
        ("ORDER_FINAL_STATEMENT", Fate.CREDITED_WHOLLY),
        ("ORDER_FINAL_STATEMENT", Fate.ADJUSTED),
        ("ORDER_FINAL_STATEMENT", Fate.HANDED_ON),
        ("PAYOUT_STATEMENT", Fate.CARRIED_ON),
        ("PAYOUT_STATEMENT", Fate.REPLACED),
        ("PAYOUT_STATEMENT", Fate.FAILED),
        ("PAYOUT_STATEMENT", Fate.RETURNED),
        ("PAYOUT_STATEMENT", Fate.CANCELED),
        ("PAYOUT_REVERSAL_NOTICE", Fate.CONCERNS),
        ("PAYOUT_REVERSAL_NOTICE", Fate.REPLACED),
        ("CREDIT_NOTE", Fate.REFUND_FAILED),
    }
)
# TABLE: why a credit note was issued, by the subject of its key -> its outcome for a customer, and for a beneficiary.
_CAUSES: Mapping[str, tuple[Fate, Fate]] = MappingProxyType(
    {
        "refund": (Fate.REFUNDED, Fate.TAKEN),
        "dispute": (Fate.DISPUTED, Fate.TAKEN),
        "payment": (Fate.PAYMENT_CANCELED, Fate.TAKEN),
        "order": (Fate.CORRECTED, Fate.ORDER_CANCELED),
        "adjustment": (Fate.CORRECTED, Fate.ORDER_CANCELED),
        "reassignment": (Fate.CORRECTED, Fate.REASSIGNED),
        "correction": (Fate.CORRECTED, Fate.TAKEN),
    }
)


def as_issued(*, content: FrozenContent, payout_status: str | None = None) -> tuple[Fate, ...]:
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


def debt(*, content: FrozenContent) -> str:
    """Return what the owner owes by this document, as an amount without sign; "" for nothing."""
    totals = content["totals"]
    amount = str(totals.get("closing_carry_over") or totals.get("payable") or totals.get("gross") or "0")
    return amount.removeprefix("-") if Decimal(amount) < 0 else ""


def _receipt(_content: FrozenContent, _status: str | None) -> tuple[Fate, ...]:
    return (Fate.PAID_BY_CUSTOMER,)


def _statement(content: FrozenContent, status: str | None) -> tuple[Fate, ...]:
    net, is_settled = Decimal(content["totals"]["payable"]), status == "SENT"
    if net == 0:
        base = Fate.ZERO
    elif net > 0:
        base = Fate.PAID if is_settled else Fate.PENDING
    else:
        base = Fate.DEDUCTED if is_settled else Fate.NEGATIVE
    more = (
        (Fate.COMPLETES, "adjustment" in content),
        (Fate.TAKES_OVER, "reassignment" in content),
    )
    return (base, *(outcome for outcome, holds in more if holds))


def _payout(content: FrozenContent, _status: str | None) -> tuple[Fate, ...]:
    base = Fate.SENT if Decimal(content["totals"]["amount"]) > 0 else Fate.CLOSED
    owes = Decimal(content["totals"].get("closing_carry_over", "0")) < 0
    more = ((Fate.OWING, owes), (Fate.REPLACES, "replaces" in content))
    return (base, *(outcome for outcome, holds in more if holds))


def _notice(content: FrozenContent, _status: str | None) -> tuple[Fate, ...]:
    return (Fate(content["outcome"]),)


def _credit(content: FrozenContent, _status: str | None) -> tuple[Fate, ...]:
    given, taken = _CAUSES[cause(key=content["document_key"])]
    if not content["original"]["document_key"].startswith("ORDER_FINAL_STATEMENT:"):
        return (given,)
    return (Fate.RELEASED if Decimal(content["totals"]["gross"]) < 0 else taken,)


_READERS: Mapping[str, Callable[[FrozenContent, str | None], tuple[Fate, ...]]] = MappingProxyType(
    {
        "PAYMENT_RECEIPT": _receipt,
        "ORDER_FINAL_STATEMENT": _statement,
        "PAYOUT_STATEMENT": _payout,
        "PAYOUT_REVERSAL_NOTICE": _notice,
        "CREDIT_NOTE": _credit,
    }
)
