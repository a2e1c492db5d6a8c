"""What a payout names: by orders, adjustments and credits, the documents that it pays, and what it has to wait for."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from documents.events import schemas
from documents.models import Document, Kind
from payouts.issuing import cancellations, owners

# TABLE: whose id names a credit.
CREDITED = ("refund", "correction", "dispute", "payment", "reassignment", "order", "adjustment")


@dataclass(frozen=True, kw_only=True)
class NamedDocuments:
    """What a payout names, in its order, and {what is named: its documents}; none where it has not been issued."""

    items: Sequence[schemas.Settles]
    documents: Mapping[tuple[str, str], Sequence[Document]]
    lost: Mapping[str, Sequence[Document]]  # by order: what it was adjusted by once it was the payee's no more

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
        ("order", order): [row for row in statements[order] if meant[order].has(document=row) or is_partners(row)]
        for order in orders
    }
    for adjustment, order in order_by_adjustment.items():
        rows = [row for row in statements[order] if owners.adjustment_of(document=row) == adjustment]
        mine = [row for row in rows if meant[order].has(document=row) or is_partners(row)]
        documents["adjustment", adjustment] = (
            mine or _lost_by(payee=data.payee.id, tenure=meant[order], rows=statements[order]) or rows
        )
    for credit in [item.credit for item in items if item.credit]:
        subjects = [f"{word}:{credit}" for word in CREDITED]
        documents["credit", credit] = list(owners.read().filter(subject__in=subjects, kind=Kind.CREDIT_NOTE))
    lost = {
        order: _adjusted_since(tenure=meant[order], rows=statements[order])
        for order in orders
        if _lost_by(payee=data.payee.id, tenure=meant[order], rows=statements[order])
    }
    return NamedDocuments(items=items, documents=documents, lost=lost)


def _lost_by(*, payee: str, tenure: owners.Tenure, rows: Sequence[Document]) -> list[Document]:
    """Return the payee's own statement of an order that was reassigned: by it, money is his that is not owed to him.

    Had an adjustment come before the reassignment, its statement would have been his, too, and taken back.
    """
    own = [row for row in rows if tenure.has(document=row) and not owners.adjustment_of(document=row)]
    return own if tenure.owner == payee else []


def _adjusted_since(*, tenure: owners.Tenure, rows: Sequence[Document]) -> list[Document]:
    """Return the last owner's statement of each adjustment that a tenure does not have."""
    had = {owners.adjustment_of(document=row) for row in rows if tenure.has(document=row)}
    others = {
        owners.adjustment_of(document=row): row
        for row in sorted(rows, key=lambda row: row.pk)
        if not is_partners(row) and owners.adjustment_of(document=row)
    }
    return [row for adjustment, row in others.items() if adjustment not in had]


def canceled(*, data: schemas.PayoutData) -> list[str]:
    """Return the ids of what a payout names and nothing is owed of: it was canceled before it happened."""
    items = data.settles or [schemas.Settles(order=order, amount="0") for order in data.orders or ()]
    ignored = cancellations.ignored(subjects=[":".join(item.named) for item in items])
    return [item.named[1] for item in items if ":".join(item.named) in ignored]


def is_partners(document: Document) -> bool:
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
