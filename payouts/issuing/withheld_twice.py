"""The same tax withheld of a payee's orders and again of the payout that settles them.

The orders' statements are issued and the money has moved, so the payout's statement is issued too: it is flagged, and a
person sees both amounts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit import log
from documents import money
from documents.alerts import discrepancies
from documents.models import Document, Event
from payouts.issuing import payout_lines
from payouts.issuing.payout_totals import PayoutCandidate


@dataclass(frozen=True, kw_only=True)
class WithheldTwice:
    """One withholding, in minor units: what the orders' statements withhold of it, and what the payout does again."""

    name: str
    legal_ref: str
    by_orders_minor: int
    by_payout_minor: int
    orders: tuple[str, ...]
    documents: tuple[str, ...]


def find(*, candidate: PayoutCandidate, read: Mapping[int, Mapping[str, Any]], digits: int) -> list[WithheldTwice]:
    """Return the withholdings of a payout that its orders' statements have too; `read`: their contents.

    It is the same one by its name and its legal reference, however they are spaced and in whatever case.
    """
    by_payout: dict[tuple[str, str], int] = {}
    for item in candidate.withholdings:
        same = _same(name=item.name, legal_ref=item.legal_ref)
        by_payout[same] = by_payout.get(same, 0) + item.amount_minor
    return [
        WithheldTwice(
            name=parts[0][0]["name"],
            legal_ref=parts[0][0]["legal_ref"],
            by_orders_minor=sum(money.minor(item["amount"], digits) for item, _, _ in parts),
            by_payout_minor=amount,
            orders=tuple(dict.fromkeys(order for _, order, _ in parts)),
            documents=tuple(dict.fromkeys(number for _, _, number in parts)),
        )
        for same, amount in by_payout.items()
        if amount and (parts := _of_orders(same=same, candidate=candidate, read=read, digits=digits))
    ]


def open_discrepancy(*, twice: list[WithheldTwice], statement: Document, event: Event, actor: log.Actor) -> None:
    """Open the discrepancy of a payout that withholds again, with both amounts and both documents."""
    digits = money.digits(statement.currency)
    again = sum(item.by_payout_minor for item in twice)
    discrepancies.open_one(
        code="withheld_twice",
        dedup_key=f"withheld_twice:{statement.document_key_id}",
        facts={
            "document_key": statement.document_key_id,
            "currency": statement.currency,
            "withheld_by_orders": money.text(sum(item.by_orders_minor for item in twice), digits),
            "withheld_by_payout": money.text(again, digits),
            "difference": money.text(again, digits),
            "withholdings": [f"{item.name} ({item.legal_ref})" for item in twice],
            "orders": [*dict.fromkeys(order for item in twice for order in item.orders)],
            "documents": [*dict.fromkeys(number for item in twice for number in item.documents)],
            "payout_document": statement.number,
        },
        document=statement,
        event=event,
        actor=actor,
    )


def _of_orders(
    *, same: tuple[str, str], candidate: PayoutCandidate, read: Mapping[int, Mapping[str, Any]], digits: int
) -> list[tuple[Mapping[str, str], str, str]]:
    """Return one withholding as the orders' statements have it, each with its order and its statement's number."""
    without = payout_lines.none_left(lines=candidate.lines)
    return [
        (item, line.order, line.document.number)
        for line in candidate.lines
        if line.document.pk not in without and not line.is_lost
        for item in read[line.document.pk].get("withholdings", ())
        if _same(name=item["name"], legal_ref=item["legal_ref"]) == same and money.minor(item["amount"], digits)
    ]


def _same(*, name: str, legal_ref: str) -> tuple[str, str]:
    """Return what makes a withholding the same one."""
    return " ".join(name.split()).casefold(), " ".join(legal_ref.split()).casefold()
