"""What payouts have paid of each statement: the live payout status, who settled it, and money that was paid twice.

Everything here follows from the settlements that are in effect and the times of their payouts, never from the order in
which the facts arrived. Call with the payee locked (`parties.lock_party`).
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable

from audit import log
from documents import money
from documents.alerts import discrepancies
from documents.emission import payout_status
from documents.models import Discrepancy, Document, Kind, PayoutStatus
from payouts.calculation import totals
from payouts.models import Payout, Settlement

RESOLUTION = "what is settled is no more than was earned"


def net_minor(*, document: Document) -> int:
    """Return what a document leaves its owner, in minor units; a credit note takes away."""
    return -document.total_minor if document.kind == Kind.CREDIT_NOTE else document.total_minor


def refresh(*, document_ids: Iterable[int], now: dt.datetime, actor: log.Actor) -> None:
    """Bring the live status of documents, and their `paid_twice`, up to what is in effect now.

    Also of one that was born SENT: a payout that settles it is here now, and may have failed before it came.
    """
    documents = Document.objects.defer("content").filter(pk__in=document_ids).order_by("pk")
    settled: dict[int, list[Settlement]] = defaultdict(list)
    rows = Settlement.objects.filter(document__in=documents, effective=True).select_related("payout__statement")
    for row in rows.order_by("payout__sent_at", "payout__payout_id"):
        settled[row.document_id].append(row)
    open_keys = set(
        Discrepancy.objects.filter(code="paid_twice", document__in=documents, resolved_at=None).values_list(
            "dedup_key", flat=True
        )
    )
    moves: dict[int | None, list[Document]] = defaultdict(list)
    statements: dict[int | None, Document | None] = {None: None}
    for document in documents:
        parts = settled[document.pk]
        _compare(document=document, parts=parts, open_keys=open_keys, now=now, actor=actor)
        if document.payout_status is not None:
            by = _completed_by(net=net_minor(document=document), parts=parts)
            key = None if by is None else by.pk
            statements[key] = by
            moves[key].append(document)
    for key, moved in moves.items():
        status = PayoutStatus.PENDING if key is None else PayoutStatus.SENT
        payout_status.set_payout_status(documents=moved, status=status, settled_by=statements[key], actor=actor)


def withdraw(*, payout: Payout, now: dt.datetime, actor: log.Actor) -> None:
    """End what a payout settled: its money failed to arrive, or came back."""
    ids = list(payout.settlements.values_list("document_id", flat=True))
    payout.settlements.filter(effective=True).update(effective=False)
    refresh(document_ids=ids, now=now, actor=actor)


def _completed_by(*, net: int, parts: list[Settlement]) -> Document | None:
    """Return the payout statement with which the whole net was settled; parts come by time sent."""
    total = 0
    for part in parts:
        total += part.amount_minor
        if (net >= 0 and total >= net) or (net < 0 and total <= net):
            return part.payout.statement
    return None


def _compare(
    *, document: Document, parts: list[Settlement], open_keys: set[str], now: dt.datetime, actor: log.Actor
) -> None:
    """Open `paid_twice` where more was settled than earned, and close it where that has ended.

    One that is open says what is true now: how much too much, and by which payouts.
    """
    key = f"paid_twice:{document.document_key_id}"
    net = net_minor(document=document)
    over = totals.overpaid(net_minor=net, settled=[part.amount_minor for part in parts])
    if over == 0:
        if key in open_keys:
            discrepancies.resolve(dedup_key=key, resolution=RESOLUTION, actor=actor, now=now)
        return
    digits = money.digits(document.currency)
    facts = {
        "document_key": document.document_key_id,
        "currency": document.currency,
        "earned": money.text(net, digits),
        "settled": money.text(sum(part.amount_minor for part in parts), digits),
        "difference": money.text(over, digits),
        "payouts": [part.payout.payout_id for part in parts],
    }
    if key in open_keys:
        discrepancies.keep_current(dedup_key=key, facts=facts, actor=actor)
    else:
        discrepancies.open_one(code="paid_twice", dedup_key=key, facts=facts, document=document, actor=actor)
