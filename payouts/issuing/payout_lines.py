"""The lines of a payout: which documents it names, how much of each it pays, and what it still has to wait for."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.db.models import QuerySet

from documents import errors, money
from documents.events import schemas
from documents.models import Document, Kind
from payouts.calculation import breakdown
from payouts.issuing import cancellations, owners
from payouts.issuing.terms import IssuingTerms

# TABLE: whose id names a credit.
CREDITED = ("refund", "correction", "dispute", "payment", "reassignment", "order", "adjustment")


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
            "net": money.text(owners.net_minor(document=self.document), digits),
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
        """Return the subjects of what has not been issued, and may be."""
        unknown = [":".join(item.named) for item in self.items if not self.documents.get(item.named)]
        ignored = cancellations.ignored(subjects=unknown)
        return [subject for subject in unknown if subject not in ignored]


def named(*, data: schemas.PayoutData, sent_at: dt.datetime) -> NamedDocuments:
    """Return what a payout names; of an order, the statements of the owner whom it means (`owners.meant`)."""
    items = data.settles or [schemas.Settles(order=order, amount="0") for order in data.orders or ()]
    orders = [item.order for item in items if item.order]
    order_by_adjustment = _orders_of(adjustments=[item.adjustment for item in items if item.adjustment])
    about = {*orders, *order_by_adjustment.values()}
    chains = owners.tenures(orders=about)
    statements = owners.statements(orders=about, chains=chains)
    meant = {order: owners.meant(chain=chain, payee=data.payee.id, sent_at=sent_at) for order, chain in chains.items()}
    documents: dict[tuple[str, str], Sequence[Document]] = {
        ("order", order): [row for row in statements[order] if meant[order].has(document=row) or _is_partners(row)]
        for order in orders
    }
    for adjustment, order in order_by_adjustment.items():
        rows = [row for row in statements[order] if owners.adjustment_of(document=row) == adjustment]
        mine = [row for row in rows if meant[order].has(document=row) or _is_partners(row)]
        documents["adjustment", adjustment] = mine or rows
    for credit in [item.credit for item in items if item.credit]:
        subjects = [f"{word}:{credit}" for word in CREDITED]
        documents["credit", credit] = list(_read().filter(subject__in=subjects, kind=Kind.CREDIT_NOTE))
    return NamedDocuments(items=items, documents=documents)


def canceled(*, data: schemas.PayoutData) -> list[str]:
    """Return the ids of what a payout names and nothing is owed of: it was canceled before it happened."""
    items = data.settles or [schemas.Settles(order=order, amount="0") for order in data.orders or ()]
    ignored = cancellations.ignored(subjects=[":".join(item.named) for item in items])
    return [item.named[1] for item in items if ":".join(item.named) in ignored]


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
        return [
            [
                line
                for item in named.items
                for line in _part(item=item, rows=owned.get(item.named, ()), digits=terms.digits)
            ]
        ]
    whole = [_whole(order=order, document=row) for (_, order), rows in owned.items() for row in rows]
    own = [line for line in whole if not line.adjustment]
    later = [line for line in whole if line.adjustment and line.document.operation_date <= date]
    sent_at = data.payout.sent_at
    made_at = owners.made_at(adjustments=[line.adjustment for line in later])
    had = [line for line in later if sent_at is None or made_at[line.adjustment] < sent_at]
    lists = [own, [*own, *had]] if had else [own]
    credits_ = _credits(of=lists[-1], sent_at=sent_at)
    return [*lists, [*lists[-1], *credits_]] if credits_ else lists


def _read() -> QuerySet[Document]:
    return Document.objects.defer("content", "corrects__content").select_related("owner", "corrects")


def _is_partners(document: Document) -> bool:
    """Tell whether a statement is the partner's, which no reassignment changes."""
    return document.audience == owners.PARTNER


def _orders_of(*, adjustments: Sequence[str]) -> dict[str, str]:
    """Return {adjustment: its order}, of those that have been issued."""
    by_subject = {f"adjustment:{adjustment}": adjustment for adjustment in adjustments}
    rows = Document.objects.filter(event__subject__in=by_subject, kind=Kind.ORDER_FINAL_STATEMENT)
    return {
        by_subject[subject]: owners.order_of(subject=document)
        for subject, document in rows.values_list("event__subject", "subject")
    }


def _credits(*, of: Sequence[PayoutLine], sent_at: dt.datetime | None) -> list[PayoutLine]:
    """Return the lines of what had been credited of statements when a payout was sent: they take away."""
    rows = _read().filter(corrects__in=[line.document.pk for line in of], kind=Kind.CREDIT_NOTE).select_related("event")
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
            rows=tuple(breakdown.frozen(content=read[line.document.pk], order=line.order, digits=digits)),
            cash_collected_minor=_cash(content=read[line.document.pk], digits=digits)
            if line.document.pk not in without
            else 0,
        )
        for line in lines
    ]


def _cash(*, content: Mapping[str, Any], digits: int) -> int:
    """Return the cash that a statement declares, in minor units."""
    return money.minor(content.get("cash_collected", "0"), digits)
