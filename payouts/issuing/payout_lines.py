"""Which documents a payout names, what of each it pays, and what it still has to wait for."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.db.models import QuerySet

from documents import errors, money
from documents.emission import issuing
from documents.events import envelope, schemas, waiting
from documents.models import Document, Event, Kind
from payouts.calculation import breakdown
from payouts.issuing import settlements
from payouts.issuing.terms import IssuingTerms


@dataclass(frozen=True, kw_only=True)
class Pick:
    """One document that a payout pays, and how much of it, in minor units."""

    document: Document
    order: str
    amount_minor: int
    adjustment: str = ""
    credit: str = ""

    def content(self, *, digits: int) -> dict[str, str]:
        """Return the pick as the payout statement prints it."""
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


def picks(*, data: schemas.PayoutData, terms: IssuingTerms, date: dt.date) -> list[list[Pick]]:
    """Return the ways in which a payout may be meant, likeliest first; each is a whole list.

    `settles` means what it says. `orders` means the orders' own statements; should these not close, the statements of
    adjustments that had been made when the payout was sent are meant too, and then what had been credited of any.

    :raises waiting.Parked: something that it names has not been issued
    :raises errors.Problem: `payee_mismatch`, `currency_unsupported`
    """
    named = data.settles or [schemas.Settles(order=order, amount="0") for order in data.orders or ()]
    found = {("order", name): rows for name, rows in _of_orders([item.order for item in named if item.order]).items()}
    for item in named:
        if item.adjustment:
            found["adjustment", item.adjustment] = _of_event(subject=f"adjustment:{item.adjustment}")
        elif item.credit:
            subjects = [f"{word}:{item.credit}" for word in ("refund", "correction")]
            found["credit", item.credit] = list(_read().filter(subject__in=subjects, kind=Kind.CREDIT_NOTE))
    missing = [":".join(item.named) for item in named if not found.get(item.named)]
    if missing:
        raise waiting.Parked(missing=missing)
    owned = {key: [row for row in rows if row.owner.platform_id == data.payee.id] for key, rows in found.items()}
    _check(named=named, owned=owned, terms=terms, listed="orders" if data.orders is not None else "settles")
    if data.settles is not None:
        return [[pick for item in named for pick in _part(item=item, rows=owned[item.named], digits=terms.digits)]]
    whole = [_whole(order=order, document=row) for (_, order), rows in owned.items() for row in rows]
    own = [pick for pick in whole if not pick.adjustment]
    later = [pick for pick in whole if pick.adjustment and pick.document.operation_date <= date]
    sent_at = data.payout.sent_at
    made_at = _made_at(of=later)
    had = [pick for pick in later if sent_at is None or made_at[pick.document.event_id] < sent_at]
    ways = [own, [*own, *had]] if had else [own]
    credits_ = _credits(of=ways[-1], sent_at=sent_at)
    return [*ways, [*ways[-1], *credits_]] if credits_ else ways


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


def _credits(*, of: Sequence[Pick], sent_at: dt.datetime | None) -> list[Pick]:
    """Pick what had been credited of statements when a payout was sent: it takes away."""
    rows = _read().filter(corrects__in=[pick.document.pk for pick in of], kind=Kind.CREDIT_NOTE).select_related("event")
    return [
        Pick(
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
    named: Sequence[schemas.Settles],
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
            detail=f"{item.named[1]} belongs to somebody else",
        )
        for place, item in enumerate(named)
        if not owned[item.named]
    ]
    if faults:
        raise errors.Problem(code="payee_mismatch", detail=faults[0].detail, errors=faults[:50])
    for rows in owned.values():
        for row in rows:
            if row.currency != terms.currency:
                raise errors.Problem(code="currency_unsupported", detail=f"{row.number} is in {row.currency}")


def _suffix(document: Document) -> str:
    """Return the adjustment of a supplementary statement, from its permanent key; else nothing."""
    base = issuing.key(
        kind=Kind.ORDER_FINAL_STATEMENT,
        subject=("order", document.subject.removeprefix("order:")),
        audience=document.audience,
    )
    return document.document_key_id.removeprefix(base).removeprefix(":")


def _made_at(*, of: Sequence[Pick]) -> dict[int, dt.datetime]:
    """Return {event's key: when the adjustment was made}: the day alone would not tell.

    Of an event whose raw body has been stripped, when it occurred: every fact has this.
    """
    events = Event.objects.filter(pk__in=[pick.document.event_id for pick in of])
    found: dict[int, dt.datetime] = {}
    for pk, body, occurred_at in events.values_list("pk", "body", "occurred_at").iterator():
        found[pk] = cast("dt.datetime", occurred_at)
        if body is not None:
            data = cast("schemas.AdjustmentData", envelope.parse(payload=json.loads(bytes(body))).data)
            found[pk] = data.adjustment.made_at
    return found


def _whole(*, order: str, document: Document) -> Pick:
    """Pick a document's whole net."""
    amount = settlements.net_minor(document=document)
    return Pick(document=document, order=order, amount_minor=amount, adjustment=_suffix(document))


def _part(*, item: schemas.Settles, rows: Sequence[Document], digits: int) -> list[Pick]:
    """Pick so much of an order, adjustment or credit.

    Where both statements of an order are the payee's, the first takes up to its net and the last what is left.
    """
    word, name = item.named
    if word == "order":
        rows = [row for row in rows if not _suffix(row)] or rows
    left = money.minor(item.amount, digits)
    picked = []
    for place, row in enumerate(rows):
        net = settlements.net_minor(document=row)
        amount = left if place == len(rows) - 1 else max(min(left, net), min(0, net))
        left -= amount
        picked.append(
            Pick(
                document=row,
                order=_order(row),
                amount_minor=amount,
                adjustment=name if word == "adjustment" else "",
                credit=name if word == "credit" else "",
            )
        )
    return picked


def _order(document: Document) -> str:
    """Return the order that a document is about; a receipt's credit is about its refund."""
    first = document.corrects
    subject = first.subject if first and first.kind == Kind.ORDER_FINAL_STATEMENT else document.subject
    return subject.partition(":")[2]


def contents(*, picked: Sequence[Pick]) -> dict[int, dict[str, Any]]:
    """Return {document's key: frozen content} of all that was picked, in one query."""
    read = Document.objects.filter(pk__in=[pick.document.pk for pick in picked]).values_list("pk", "content")
    return {pk: json.loads(text) for pk, text in read.iterator()}


def parts(*, picked: Sequence[Pick], digits: int) -> list[breakdown.Part]:
    """Return what a payout pays of each document with the rows that the document consists of."""
    read = contents(picked=picked)
    return [
        breakdown.Part(
            order=pick.order,
            number=pick.document.number,
            amount_minor=pick.amount_minor,
            rows=tuple(breakdown.frozen(content=read[pick.document.pk], order=pick.order, digits=digits)),
            cash_collected_minor=money.minor(read[pick.document.pk].get("cash_collected", "0"), digits),
        )
        for pick in picked
    ]


def payee_printed(*, picked: Sequence[Pick]) -> dict[str, object] | None:
    """Return the payee as the latest settled statement prints it; None where nothing is settled.

    The choice follows from the documents alone, so it is the same in whatever order they came.
    """
    if not picked:
        return None
    last = max((pick.document for pick in picked), key=lambda row: (row.operation_date, row.document_key_id))
    content = Document.objects.values_list("content", flat=True).get(pk=last.pk)
    return dict(json.loads(content)["owner"])
