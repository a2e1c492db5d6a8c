"""Money that was paid for an order which became somebody else's, or was canceled: a discrepancy until it is back.

Of all that one party has of an order, statements and credit notes together, no more may be settled than is owed. It
follows from the documents and from the settlements in effect alone, never from the order in which the events arrived.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from audit import log
from documents import money
from documents.alerts import discrepancies
from documents.models import Document, Kind, Resolution
from payouts.calculation import totals
from payouts.issuing import owners
from payouts.models import Settlement

REASSIGNED, CANCELED = "paid_to_former_owner", "paid_for_canceled"


@dataclass(frozen=True, kw_only=True)
class OrderPaidInVain:
    """What one party was paid of an order of which something was taken back; `over` beyond what it is owed of it."""

    code: str
    document: Document
    over: bool
    facts: Mapping[str, object]

    def dedup_key(self, *, code: str) -> str:
        """Return the key of its discrepancy under a code."""
        return f"{code}:{self.facts['order']}:{self.facts['payee']}"


def refresh(*, documents: Collection[int], now: dt.datetime, actor: log.Actor) -> None:
    """Bring the discrepancies of the owners of these documents up to what is settled of their orders now.

    Call with the owners locked.
    """
    for paid in of_documents(documents=documents):
        key = paid.dedup_key(code=paid.code)
        for code in (REASSIGNED, CANCELED):
            if code != paid.code or not paid.over:
                ended = paid.dedup_key(code=code)
                discrepancies.resolve(dedup_key=ended, resolution=Resolution.NOT_OVERPAID, actor=actor, now=now)
        if paid.over and not discrepancies.keep_current(dedup_key=key, facts=paid.facts, actor=actor):
            discrepancies.open_one(code=paid.code, dedup_key=key, facts=paid.facts, document=paid.document, actor=actor)


def of_documents(*, documents: Collection[int]) -> list[OrderPaidInVain]:
    """Return what the owners of these documents were paid of their orders, of which something was taken back."""
    rows = Document.objects.filter(pk__in=documents).values_list("kind", "subject", "corrects__subject", "owner_id")
    subjects: set[str] = set()
    parties: set[int] = set()
    for kind, subject, corrected, owner in rows:
        subjects.add(corrected if kind == Kind.CREDIT_NOTE else subject)
        parties.add(owner)
    taken = Document.objects.filter(owners.TAKEN_BACK, corrects__subject__in=subjects)
    affected = {*taken.values_list("corrects__subject", flat=True)}
    affected |= {subject for subject in subjects if subject and subject.startswith("reassignment:")}
    orders = {owners.order_of(subject=subject) for subject in affected}
    return [paid for paid in of_orders(orders=orders) if paid.document.owner_id in parties]


def of_owners(*, low: int, high: int, country: str | None) -> list[OrderPaidInVain]:
    """Return the same of every party in a range of keys."""
    taken = Document.objects.filter(owners.TAKEN_BACK, owner__gte=low, owner__lte=high)
    if country is not None:
        taken = taken.filter(country=country)
    subjects = {*taken.values_list("corrects__subject", flat=True)}
    orders = {owners.order_of(subject=subject) for subject in subjects}
    return [paid for paid in of_orders(orders=orders) if low <= paid.document.owner_id <= high]


def of_orders(*, orders: Collection[str]) -> list[OrderPaidInVain]:
    """Return what each party was paid of these orders, where something of it was taken back."""
    if not orders:
        return []
    chains = owners.tenures(orders=orders)
    statements = owners.statements(orders=orders, chains=chains)
    ids = [row.pk for rows in statements.values() for row in rows]
    notes: dict[int | None, list[Document]] = defaultdict(list)
    for note in Document.objects.defer("content").filter(corrects__in=ids, kind=Kind.CREDIT_NOTE).order_by("pk"):
        notes[note.corrects_id].append(note)
    paid = []
    for order, rows in statements.items():
        mine: dict[int, list[Document]] = defaultdict(list)
        for row in rows:
            mine[row.owner_id].append(row)
        for own in mine.values():
            of_own = [note for row in own for note in notes[row.pk]]
            if any(owners.is_taken_back(note=note) for note in of_own):
                paid.append(_paid(order=order, owner=chains[order][-1].owner, statements=own, notes=of_own))
    return paid


def _paid(*, order: str, owner: str, statements: Sequence[Document], notes: Sequence[Document]) -> OrderPaidInVain:
    """Return what one party was paid of an order, whose last owner is `owner` (empty where it was never reassigned)."""
    first = min(statements, key=lambda row: row.document_key_id)
    payee, digits = first.owner.platform_id, money.digits(first.currency)
    net = sum(owners.net_minor(document=row) for row in (*statements, *notes))
    in_effect = Settlement.objects.filter(document__in=[*statements, *notes], effective=True)
    parts = list(
        in_effect.order_by("payout__sent_at", "payout__payout_id").values_list("amount_minor", "payout__payout_id")
    )
    over = totals.overpaid(net_minor=net, settled=[amount for amount, _ in parts])
    is_canceled = any(owners.is_canceled(note=note) for note in notes)
    is_last = owner in {"", payee} or first.audience == owners.PARTNER
    facts: dict[str, object] = {
        "document_key": first.document_key_id,
        "order": order,
        "payee": payee,
        "owner": owner or payee,
        "currency": first.currency,
        "earned": money.text(net, digits),
        "settled": money.text(sum(amount for amount, _ in parts), digits),
        "difference": money.text(over, digits),
        "payouts": [*dict.fromkeys(payout for _, payout in parts)],
    }
    return OrderPaidInVain(
        code=CANCELED if is_canceled and is_last else REASSIGNED, document=first, over=over != 0, facts=facts
    )
