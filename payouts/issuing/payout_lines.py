"""The lines of a payout: which documents it names, how much of each it pays, and what it still has to wait for."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.db.models import QuerySet

from documents import errors, money
from documents.emission import issuing
from documents.events import envelope, schemas
from documents.models import Document, Event, Kind
from payouts.calculation import breakdown
from payouts.issuing import settlements
from payouts.issuing.terms import IssuingTerms

CREDITED = ("refund", "correction", "dispute", "payment")  # what the credit notes that a payout settles are about


@dataclass(frozen=True, kw_only=True)
class PayoutLine:
    """One line of a payout statement: a document that the payout pays, and how much of it, in minor units."""

    document: Document
    order: str
    amount_minor: int
    adjustment: str = ""
    credit: str = ""

    def content(self, *, digits: int) -> dict[str, str]:
        """Return the line as the payout statement prints it."""
        first = self.document.corrects
        row = {
            "order": self.order,
            "number": self.document.number,
            "operation_date": self.document.operation_date.isoformat(),
            # What is adjusted today may belong to an order of an earlier period.
            **({"order_date": first.operation_date.isoformat()} if first else {}),
            "net": money.text(settlements.net_minor(document=self.document), digits),
            "amount": money.text(self.amount_minor, digits),
        }
        return row | {word: name for word in ("adjustment", "credit") if (name := getattr(self, word))}


@dataclass(frozen=True, kw_only=True)
class NamedDocuments:
    """What a payout names, in its order, and {what is named: its documents}; none where it has not been issued."""

    items: Sequence[schemas.Settles]
    documents: Mapping[tuple[str, str], Sequence[Document]]

    @property
    def missing(self) -> list[str]:
        """Return the subjects of what has not been issued."""
        return [":".join(item.named) for item in self.items if not self.documents.get(item.named)]


def named(*, data: schemas.PayoutData) -> NamedDocuments:
    """Return what a payout names."""
    items = data.settles or [schemas.Settles(order=order, amount="0") for order in data.orders or ()]
    documents = {
        ("order", name): rows for name, rows in _of_orders([item.order for item in items if item.order]).items()
    }
    for item in items:
        if item.adjustment:
            documents["adjustment", item.adjustment] = _of_event(subject=f"adjustment:{item.adjustment}")
        elif item.credit:
            subjects = [f"{word}:{item.credit}" for word in CREDITED]
            documents["credit", item.credit] = list(_read().filter(subject__in=subjects, kind=Kind.CREDIT_NOTE))
    return NamedDocuments(items=items, documents=documents)


def candidates(
    *, named: NamedDocuments, data: schemas.PayoutData, terms: IssuingTerms, date: dt.date
) -> list[list[PayoutLine]]:
    """Return the lists of lines that a payout may stand for, likeliest first; call where nothing of it is missing.

    `settles` names each document and amount. `orders` stands for the orders' own statements; should these not close,
    for the statements of adjustments made before the payout was sent too; and last for what was credited of them.

    :raises errors.Problem: `payee_mismatch`, `currency_unsupported`
    """
    owned = {
        key: [row for row in rows if row.owner.platform_id == data.payee.id] for key, rows in named.documents.items()
    }
    _check(items=named.items, owned=owned, terms=terms, listed="orders" if data.orders is not None else "settles")
    if data.settles is not None:
        return [
            [line for item in named.items for line in _part(item=item, rows=owned[item.named], digits=terms.digits)]
        ]
    whole = [_whole(order=order, document=row) for (_, order), rows in owned.items() for row in rows]
    own = [line for line in whole if not line.adjustment]
    later = [line for line in whole if line.adjustment and line.document.operation_date <= date]
    sent_at = data.payout.sent_at
    made_at = _made_at(of=later)
    had = [line for line in later if sent_at is None or made_at[line.document.event_id] < sent_at]
    lists = [own, [*own, *had]] if had else [own]
    credits_ = _credits(of=lists[-1], sent_at=sent_at)
    return [*lists, [*lists[-1], *credits_]] if credits_ else lists


def _read() -> QuerySet[Document]:
    return Document.objects.defer("content", "corrects__content").select_related("owner", "corrects")


def _of_orders(orders: Sequence[str]) -> dict[str, list[Document]]:
    """Return every statement of each order, adjustments' too; only orders that have their first."""
    rows: dict[str, list[Document]] = defaultdict(list)
    subjects = [f"order:{order}" for order in orders]
    for row in _read().filter(subject__in=subjects, kind=Kind.ORDER_FINAL_STATEMENT).order_by("document_key_id"):
        rows[row.subject.removeprefix("order:")].append(row)
    return rows


def _of_event(*, subject: str) -> list[Document]:
    """Return the statements that an adjustment caused."""
    return list(_read().filter(event__subject=subject, kind=Kind.ORDER_FINAL_STATEMENT).order_by("document_key_id"))


def _credits(*, of: Sequence[PayoutLine], sent_at: dt.datetime | None) -> list[PayoutLine]:
    """Return the lines of what had been credited of statements when a payout was sent: they take away."""
    rows = _read().filter(corrects__in=[line.document.pk for line in of], kind=Kind.CREDIT_NOTE).select_related("event")
    return [
        PayoutLine(
            document=row,
            order=_order(row),
            amount_minor=settlements.net_minor(document=row),
            credit=row.subject.partition(":")[2],
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
        if not owned[item.named]
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


def _suffix(document: Document) -> str:
    """Return the adjustment of a supplementary statement, from its permanent key; else nothing."""
    base = issuing.key(
        kind=Kind.ORDER_FINAL_STATEMENT,
        subject=("order", document.subject.removeprefix("order:")),
        audience=document.audience,
    )
    return document.document_key_id.removeprefix(base).removeprefix(":")


def _made_at(*, of: Sequence[PayoutLine]) -> dict[int, dt.datetime]:
    """Return {event's key: when the adjustment was made}; the document's day is too coarse to compare with a moment.

    Of an event whose raw body has been stripped, it is when the event occurred.
    """
    events = Event.objects.filter(pk__in=[line.document.event_id for line in of])
    made_at: dict[int, dt.datetime] = {}
    for pk, body, occurred_at in events.values_list("pk", "body", "occurred_at").iterator():
        made_at[pk] = cast("dt.datetime", occurred_at)
        if body is not None:
            data = cast("schemas.AdjustmentData", envelope.parse(payload=json.loads(bytes(body))).data)
            made_at[pk] = data.adjustment.made_at
    return made_at


def _whole(*, order: str, document: Document) -> PayoutLine:
    """Return the line that pays a document's whole net."""
    amount = settlements.net_minor(document=document)
    return PayoutLine(document=document, order=order, amount_minor=amount, adjustment=_suffix(document))


def _part(*, item: schemas.Settles, rows: Sequence[Document], digits: int) -> list[PayoutLine]:
    """Return the lines that pay so much of an order, adjustment or credit.

    Where both statements of an order are the payee's, the first is paid up to its net and the last gets the rest.
    """
    word, name = item.named
    if word == "order":
        rows = [row for row in rows if not _suffix(row)] or rows
    remaining = money.minor(item.amount, digits)
    lines = []
    for place, row in enumerate(rows):
        net = settlements.net_minor(document=row)
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
    subject = first.subject if first and first.kind == Kind.ORDER_FINAL_STATEMENT else document.subject
    return subject.partition(":")[2]


def contents(*, lines: Sequence[PayoutLine]) -> dict[int, dict[str, Any]]:
    """Return {document's key: frozen content} of all that a payout pays, in one query."""
    read = Document.objects.filter(pk__in=[line.document.pk for line in lines]).values_list("pk", "content")
    return {pk: json.loads(text) for pk, text in read.iterator()}


def parts(
    *, lines: Sequence[PayoutLine], read: Mapping[int, Mapping[str, Any]], digits: int
) -> list[breakdown.PaidDocument]:
    """Return what a payout pays of each document, with the explanation rows of the document; `read`: its contents."""
    return [
        breakdown.PaidDocument(
            order=line.order,
            number=line.document.number,
            amount_minor=line.amount_minor,
            rows=tuple(breakdown.frozen(content=read[line.document.pk], order=line.order, digits=digits)),
            cash_collected_minor=money.minor(read[line.document.pk].get("cash_collected", "0"), digits),
        )
        for line in lines
    ]
