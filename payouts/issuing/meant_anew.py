"""Payouts that mean other documents of an order: known only once these are told.

A payout had settled the statements of an earlier time, because nobody had said yet that its payee would get the order
back; or the one note of a reassignment that was there, because nobody had told of the adjustment that has another.
"""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

from audit import log
from audit.actions import Action
from documents import money
from documents.emission import issuing
from documents.models import Document, Kind, Party
from payouts.issuing import owners, settlements
from payouts.issuing.handovers import HandoverPlace
from payouts.issuing.owners import BENEFICIARY
from payouts.models import Settlement


def had_before(*, place: HandoverPlace, owner: Party) -> dict[int, Document]:
    """Return the owner's statements of earlier times at which an order was its own."""
    order = place.begun.order
    rows = owners.statements(orders=[order], chains={order: [*place.earlier]})[order]
    return {row.pk: row for row in rows if row.owner_id == owner.pk and row.audience == BENEFICIARY}


def settle(
    *,
    place: HandoverPlace,
    owner: Party,
    issued: Sequence[issuing.IssuedDocument],
    now: dt.datetime,
    actor: log.Actor,
) -> None:
    """Let payouts that were sent since an order is the owner's again settle its new ones, as if they came later.

    What a payout also takes off again stays.
    """
    order, begun, documents = place.begun.order, place.begun, [item.document for item in issued]
    new = {
        owners.adjustment_of(document=document): document
        for document in documents
        if begun.has(document=document) and document.kind == Kind.ORDER_FINAL_STATEMENT
    }
    had = had_before(place=place, owner=owner)
    netted = Settlement.objects.filter(owners.taken_back("document"), document__corrects__in=had).values("payout")
    rows = Settlement.objects.filter(document__in=had, payout__sent_at__gte=begun.since).exclude(payout__in=netted)
    moved = set[int]()
    unread = ("document__content", "payout__statement__content")  # a statement's is read where it lists one of these
    for row in rows.select_related("payout__statement", "document").defer(*unread).order_by("pk"):
        if _moved(row=row, new=new):
            settlements.record(Action.PAYOUT_SETTLED, payout=row.payout, actor=actor)
            moved.add(row.document_id)
    # The former owner's too: whoever was paid in vain, it is for this reason now.
    former = owners.statements(orders=[order], chains={order: [place.before]})[order]
    touched = {*moved, *(document.pk for document in documents)}
    touched |= {row.pk for row in former if row.audience == BENEFICIARY}
    settlements.refresh(document_ids=touched, now=now, actor=actor)


def beyond_credits(*, subjects: Sequence[str]) -> list[Settlement]:
    """Return by what payouts take off more than a reassignment's note: they mean its other notes too, still to come."""
    rows = Settlement.objects.filter(document__subject__in=subjects, document__kind=Kind.CREDIT_NOTE)
    return [
        row
        for row in rows.select_related("payout", "document").defer("document__content").order_by("pk")
        if _beyond(row=row)
    ]


def settle_credits(
    *, beyond: Sequence[Settlement], issued: Sequence[issuing.IssuedDocument], now: dt.datetime, actor: log.Actor
) -> None:
    """Let payouts that took off more than one note of a reassignment settle those that have come since.

    :param beyond: what `beyond_credits` said before; call with the documents of these locked
    """
    touched = set[int]()
    for note in (item.document for item in issued if item.document.kind == Kind.CREDIT_NOTE):
        left = owners.net_minor(document=note)
        for row in beyond:
            share = min(left, _beyond(row=row), key=abs)
            if row.document.subject != note.subject or row.document.owner_id != note.owner_id or share * left <= 0:
                continue
            row.amount_minor -= share
            row.save(update_fields=["amount_minor"])
            Settlement.objects.create(payout=row.payout, document=note, amount_minor=share, effective=row.effective)
            settlements.record(Action.PAYOUT_SETTLED, payout=row.payout, actor=actor)
            touched |= {row.document_id, note.pk}
            left -= share if row.effective else 0
    settlements.refresh(document_ids=touched, now=now, actor=actor)


def _beyond(*, row: Settlement) -> int:
    """Return by how much a settlement takes off more than its note has, with its sign; 0 where it does not."""
    net = owners.net_minor(document=row.document)
    more = row.amount_minor - net
    return more if more * net > 0 else 0


def _moved(*, row: Settlement, new: Mapping[str, Document]) -> bool:
    """Move a settlement to the new statements of what it pays, one row each; tell whether there are any."""
    shares: dict[int, int] = defaultdict(int)
    for adjustment, amount in _lines(row=row):
        document = new.get(adjustment)
        shares[row.document_id if document is None else document.pk] += amount
    if {*shares} == {row.document_id}:
        return False
    (first, amount), *others = shares.items()
    Settlement.objects.filter(pk=row.pk).update(document=first, amount_minor=amount)
    Settlement.objects.bulk_create(
        Settlement(payout=row.payout, document_id=document, amount_minor=share, effective=row.effective)
        for document, share in others
    )
    return True


def _lines(*, row: Settlement) -> list[tuple[str, int]]:
    """Return (adjustment, amount) of all that a payout pays by one document, as the payout's statement lists it."""
    own, statement = owners.adjustment_of(document=row.document), row.payout.statement
    listed = json.loads(statement.content)["settles"] if statement else []
    digits = money.digits(row.payout.currency)
    mine = [
        (line.get("adjustment", own), money.minor(line["amount"], digits))
        for line in listed
        if line["number"] == row.document.number
    ]
    return mine if sum(amount for _, amount in mine) == row.amount_minor else [(own, row.amount_minor)]
