"""Whether payouts take off the cash that their orders declare: `cash_differs`, or `cash_undeclared` where none does.

It follows from the settlements in effect alone, never from the order in which the events arrived. The last sent of the
payouts that share an order's cash is the one that differs.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from audit import log
from documents import money
from documents.alerts import discrepancies
from documents.models import Discrepancy, Document, Resolution
from payouts.calculation import cash
from payouts.issuing import owners
from payouts.models import Payout, Settlement

CODE = "cash_differs"
UNISSUED = 0  # stands for a payout that is not stored yet
# What a payout pays belongs to an order's own statement, which a supplementary one and a credit lead back to.
_ORDERS = """
SELECT d.id, own.id, own.content::jsonb #>> '{order,id}', own.total_minor,
  replace(own.content::jsonb ->> 'cash_collected', '.', '')::bigint
FROM documents_document d
LEFT JOIN documents_document first ON first.id = d.corrects_id
JOIN documents_document own ON own.id = coalesce(first.corrects_id, first.id, d.id)
WHERE d.id = ANY(%s) AND own.kind = 'ORDER_FINAL_STATEMENT'
"""
_COLLECTED = """
SELECT p.id, replace(d.content::jsonb #>> '{totals,cash_collected}', '.', '')::bigint
FROM payouts_payout p JOIN documents_document d ON d.id = p.statement_id
WHERE p.id = ANY(%s) AND p.returned_at IS NULL ORDER BY p.sent_at, p.payout_id
"""


@dataclass(frozen=True, kw_only=True)
class CashGap:
    """Payouts in effect whose cash is not that of their orders, as a discrepancy of the last sent of them."""

    payout: Payout
    facts: Mapping[str, object]

    @property
    def dedup_key(self) -> str:
        """Return the key of the discrepancy."""
        return f"{CODE}:{self.payout.statement.document_key_id}" if self.payout.statement else CODE


def flag(*, paid: Sequence[tuple[Document, int]], collected_minor: int) -> str:
    """Return the flag of a payout before it is issued, or nothing; `paid`: (document, amount) of each of its lines."""
    shared = _sharing(documents=[document.pk for document, _ in paid])
    rows = [*_settled(payouts=shared), *((UNISSUED, document.pk, amount) for document, amount in paid)]
    compared = cash.compare(collected=_collected(payouts=shared) | {UNISSUED: collected_minor}, parts=_parts(rows=rows))
    mine = next(group for group in compared if UNISSUED in group.payouts)
    if mine.declared_minor is None:
        return "cash_undeclared" if collected_minor else ""
    return CODE if mine.differs else ""


def gaps(*, payouts: Collection[int]) -> list[CashGap]:
    """Return what differs among payouts; those that share an order's cash have to be among them."""
    collected = _collected(payouts=payouts)
    rows = [row for row in _settled(payouts=payouts) if row[0] in collected]
    differing = [group for group in cash.compare(collected=collected, parts=_parts(rows=rows)) if group.differs]
    with_statement = Payout.objects.select_related("statement").defer("statement__content")
    stored = with_statement.in_bulk([payout for group in differing for payout in group.payouts])
    return [_gap(compared=group, payouts=[stored[payout] for payout in group.payouts]) for group in differing]


def refresh(*, documents: Iterable[int], now: dt.datetime, actor: log.Actor) -> None:
    """Bring `cash_differs` of the payouts that pay, or paid, these documents up to the settlements in effect now."""
    documents = list(documents)
    paying = {*Settlement.objects.filter(document__in=documents).values_list("payout_id", flat=True)}
    if not paying:
        return
    touched = paying | _sharing(documents=documents)
    differing = {gap.dedup_key: gap for gap in gaps(payouts=touched)}
    open_ = Discrepancy.objects.filter(code=CODE, document__payout__in=touched, resolved_at=None)
    for key in open_.order_by("opened_at").values_list("dedup_key", flat=True):  # their alerts are locked by the day
        if key not in differing:
            discrepancies.resolve(dedup_key=key, resolution=Resolution.CASH_AGREES, actor=actor, now=now)
    for key, gap in differing.items():
        if not discrepancies.keep_current(dedup_key=key, facts=gap.facts, actor=actor):
            discrepancies.open_one(
                code="cash_differs", dedup_key=key, facts=gap.facts, document=gap.payout.statement, actor=actor
            )


def _sharing(*, documents: Collection[int]) -> set[int]:
    """Return the payouts in effect that pay documents, those that share another document with them, and so on."""
    sharing: set[int] = set()
    while True:
        in_effect = Settlement.objects.filter(effective=True)
        wider = {*in_effect.filter(document__in=documents).values_list("payout_id", flat=True)}
        if wider <= sharing:
            return sharing
        sharing |= wider
        documents = [*in_effect.filter(payout__in=sharing).values_list("document_id", flat=True)]


def _settled(*, payouts: Collection[int]) -> list[tuple[int, int, int]]:
    """Return (payout, document, amount) of each settlement in effect."""
    settled = Settlement.objects.filter(payout__in=payouts, effective=True).order_by("pk")
    return list(settled.values_list("payout_id", "document_id", "amount_minor"))


def _collected(*, payouts: Collection[int]) -> dict[int, int]:
    """Return {payout in effect: the cash that it takes off}, in the order of sending."""
    with connection.cursor() as cursor:
        cursor.execute(_COLLECTED, [[*payouts]])
        return dict(cursor.fetchall())


def _parts(*, rows: Sequence[tuple[int, int, int]]) -> list[cash.CashPart]:
    """Return what payouts pay of orders, with the cash that each order declares."""
    with connection.cursor() as cursor:
        cursor.execute(_ORDERS, [[*{document for _, document, _ in rows}]])
        orders = {row[0]: row[1:] for row in cursor.fetchall()}
    none_left = _taken_back(rows=rows)
    parts = []
    for payout, document, amount in rows:
        if document in orders:
            own, order, net, declared = orders[document]
            is_own = document == own and (payout, own) not in none_left
            parts.append(
                cash.CashPart(
                    payout=payout,
                    statement=own,
                    order=order,
                    net_minor=net,
                    own_minor=amount if is_own else None,
                    declared_minor=declared,
                )
            )
    return parts


def _taken_back(*, rows: Sequence[tuple[int, int, int]]) -> set[tuple[int, int]]:
    """Return (payout, statement) of what a payout pays and takes off again, with the note that takes it back whole."""
    notes = Document.objects.filter(owners.TAKEN_BACK, pk__in={document for _, document, _ in rows})
    statement_by_note = dict(notes.values_list("pk", "corrects_id"))
    return {(payout, statement_by_note[document]) for payout, document, _ in rows if document in statement_by_note}


def _gap(*, compared: cash.CashCompared, payouts: Sequence[Payout]) -> CashGap:
    """Return a difference with both amounts, the orders and the payouts."""
    last, declared_minor = payouts[-1], compared.declared_minor or 0
    digits = money.digits(last.currency)
    facts = {
        "currency": last.currency,
        "declared": money.text(declared_minor, digits),
        "collected": money.text(compared.collected_minor, digits),
        "difference": money.text(compared.collected_minor - declared_minor, digits),
        "orders": [*compared.orders],
        "payouts": [payout.payout_id for payout in payouts],
    }
    return CashGap(payout=last, facts=facts)
