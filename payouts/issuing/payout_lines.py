"""The lines of a payout: how much it pays of each document that it names."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from documents import errors, money
from documents.events import schemas
from documents.models import Document, Kind
from payouts.calculation import breakdown
from payouts.issuing import named_documents, owners
from payouts.issuing.named_documents import NamedDocuments
from payouts.issuing.terms import IssuingTerms


@dataclass(frozen=True, kw_only=True)
class PayoutLine:
    """One line of a payout statement: a document that the payout pays, and how much of it, in minor units."""

    document: Document
    order: str
    amount_minor: int
    adjustment: str = ""
    credit: str = ""

    @property
    def is_lost(self) -> bool:
        """Tell whether the payee never had what is adjusted: the order was lost before, and its statement is paid."""
        return bool(self.adjustment) and not owners.adjustment_of(document=self.document)

    def content(self, *, digits: int) -> dict[str, str]:
        """Return the line as the payout statement prints it."""
        first = self.document.corrects
        row = {
            "order": self.order,
            "number": self.document.number,
            "operation_date": self.document.operation_date.isoformat(),
            # What is adjusted today may belong to an order of an earlier period.
            **({"order_date": first.operation_date.isoformat()} if first else {}),
            "net": money.text(owners.net_minor(document=self.document), digits),
            "amount": money.text(self.amount_minor, digits),
        }
        return row | {word: name for word in ("adjustment", "credit") if (name := getattr(self, word))}


def candidates(
    *, named: NamedDocuments, data: schemas.PayoutData, terms: IssuingTerms, date: dt.date
) -> list[list[PayoutLine]]:
    """Return the lists of lines that a payout may stand for, likeliest first; call where nothing of it is missing.

    `settles` names each document and amount. `orders` stands for the orders' own statements; should these not close,
    for the statements of adjustments made before the payout was sent too; and last for what was credited of them.

    :raises errors.Problem: `payee_mismatch`, `currency_unsupported`
    """
    owned = {
        key: [row for row in rows if row.owner.platform_id == data.payee.id]
        for key, rows in named.documents.items()
        if rows  # nothing is owed of what was canceled before it happened
    }
    _check(items=named.items, owned=owned, terms=terms, listed="orders" if data.orders is not None else "settles")
    if data.settles is not None:
        parts = [_part(item=item, rows=owned.get(item.named, ()), digits=terms.digits) for item in named.items]
        return [[line for part in parts for line in part]]
    whole = [_whole(order=order, document=row) for (_, order), rows in owned.items() for row in rows]
    own = [line for line in whole if not line.adjustment]
    sent_at = data.payout.sent_at
    had = _by_then(lines=[line for line in whole if line.adjustment], sent_at=sent_at, date=date)
    mains = {line.order: line.document for line in own if not named_documents.is_partners(line.document)}
    lost = [_whole(order=order, document=row) for order in mains for row in named.lost.get(order, ())]
    instead = [replace(line, document=mains[line.order]) for line in _by_then(lines=lost, sent_at=sent_at, date=date)]
    later = [*had, *instead]
    credits_ = _credits(of=[*own, *had], sent_at=sent_at)
    lists = [own, [*own, *later]] if later else [own]
    return [*lists, [*own, *had, *credits_]] if credits_ else lists


def _by_then(*, lines: Sequence[PayoutLine], sent_at: dt.datetime | None, date: dt.date) -> list[PayoutLine]:
    """Return those lines of adjustments that were made when a payout was sent."""
    lines = [line for line in lines if line.document.operation_date <= date]
    made_at = owners.made_at(adjustments=[line.adjustment for line in lines])
    return [line for line in lines if sent_at is None or made_at[line.adjustment] < sent_at]


def _credits(*, of: Sequence[PayoutLine], sent_at: dt.datetime | None) -> list[PayoutLine]:
    """Return the lines of what had been credited of statements when a payout was sent: they take away."""
    rows = (
        owners.read()
        .filter(corrects__in=[line.document.pk for line in of], kind=Kind.CREDIT_NOTE)
        .select_related("event")
    )
    return [
        PayoutLine(
            document=row,
            order=_order(row),
            amount_minor=owners.net_minor(document=row),
            credit=_name(row),
        )
        for row in rows.defer("content", "corrects__content", "event__body").order_by("pk")
        if sent_at is None or cast("dt.datetime", row.event.occurred_at) < sent_at
    ]


def _check(
    *,
    items: Sequence[schemas.Settles],
    owned: dict[tuple[str, str], list[Document]],
    terms: IssuingTerms,
    listed: str,
) -> None:
    """Refuse what is not the payee's, or is in other money.

    :raises errors.Problem: `payee_mismatch`, `currency_unsupported`
    """
    faults = [
        errors.Fault(
            pointer=f"/data/{listed}/{place}",
            code="payee_mismatch",
            values={"cause": "document", "subject": item.named[1]},
        )
        for place, item in enumerate(items)
        if item.named in owned and not owned[item.named]
    ]
    if faults:
        raise errors.Problem(code="payee_mismatch", errors=faults[:50])
    for rows in owned.values():
        for row in rows:
            if row.currency != terms.currency:
                raise errors.Problem(
                    code="currency_unsupported",
                    values={"cause": "document", "document": row.number, "expected": row.currency},
                )


def _whole(*, order: str, document: Document) -> PayoutLine:
    """Return the line that pays a document's whole net."""
    amount = owners.net_minor(document=document)
    return PayoutLine(
        document=document, order=order, amount_minor=amount, adjustment=owners.adjustment_of(document=document)
    )


def _part(*, item: schemas.Settles, rows: Sequence[Document], digits: int) -> list[PayoutLine]:
    """Return the lines that pay so much of an order, adjustment or credit.

    Where both statements of an order are the payee's, the first is paid up to its net and the last gets the rest.
    """
    word, name = item.named
    if word == "order":
        rows = [row for row in rows if not owners.adjustment_of(document=row)] or rows
    remaining = money.minor(item.amount, digits)
    lines = []
    for place, row in enumerate(rows):
        net = owners.net_minor(document=row)
        amount = remaining if place == len(rows) - 1 else max(min(remaining, net), min(0, net))
        remaining -= amount
        lines.append(
            PayoutLine(
                document=row,
                order=_order(row),
                amount_minor=amount,
                adjustment=name if word == "adjustment" else "",
                credit=name if word == "credit" else "",
            )
        )
    return lines


def _order(document: Document) -> str:
    """Return the order that a document is about; a receipt's credit is about its refund."""
    first = document.corrects
    if first is not None and first.kind == Kind.ORDER_FINAL_STATEMENT:
        return owners.order_of(subject=first.subject)
    return owners.order_of(subject=document.subject) if document.kind == Kind.ORDER_FINAL_STATEMENT else _name(document)


def _name(document: Document) -> str:
    """Return the id in a document's subject."""
    return document.subject.partition(":")[2]


def none_left(*, lines: Sequence[PayoutLine]) -> set[int]:
    """Return the statements that a payout pays and takes off again, with the credit note that takes them back whole."""
    notes = (line.document for line in lines if line.document.kind == Kind.CREDIT_NOTE)
    return {note.corrects_id for note in notes if note.corrects_id is not None and owners.is_taken_back(note=note)}


def settled(*, lines: Sequence[PayoutLine]) -> list[tuple[Document, int]]:
    """Return (document, amount) of each document that lines pay, in their order."""
    amounts: dict[int, int] = defaultdict(int)
    for line in lines:
        amounts[line.document.pk] += line.amount_minor
    documents = {line.document.pk: line.document for line in lines}
    return [(document, amounts[pk]) for pk, document in documents.items()]


def contents(*, lines: Sequence[PayoutLine]) -> dict[int, dict[str, Any]]:
    """Return {document's key: frozen content} of all that a payout pays, in one query."""
    read = Document.objects.filter(pk__in=[line.document.pk for line in lines]).values_list("pk", "content")
    return {pk: json.loads(text) for pk, text in read.iterator()}


def parts(
    *, lines: Sequence[PayoutLine], read: Mapping[int, Mapping[str, Any]], digits: int
) -> list[breakdown.PaidDocument]:
    """Return what a payout pays of each document, with the explanation rows of the document; `read`: its contents."""
    without = none_left(lines=lines)
    return [
        breakdown.PaidDocument(
            order=line.order,
            number=line.document.number,
            amount_minor=line.amount_minor,
            rows=tuple(breakdown.frozen(content=read[line.document.pk], order=line.order, digits=digits))
            if not line.is_lost
            else (),
            cash_collected_minor=_cash(content=read[line.document.pk], digits=digits)
            if not line.is_lost and line.document.pk not in without
            else 0,
        )
        for line in lines
    ]


def _cash(*, content: Mapping[str, Any], digits: int) -> int:
    """Return the cash that a statement declares, in minor units."""
    return money.minor(content.get("cash_collected", "0"), digits)
