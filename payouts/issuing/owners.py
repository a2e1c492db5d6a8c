"""Whose an order's money is at a moment, and with which documents it is told.

The order names its first owner, and each reassignment the next one from its own moment on. Each owner has statements
of its own over the same lines: the first one those of the order, every later one those of its reassignment, and one
more for each adjustment. The partner's statements stay as they are.
"""

import datetime as dt
import itertools
import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from django.db.models import Q, QuerySet

from documents.emission import issuing
from documents.events import envelope, schemas
from documents.models import Document, Event, EventStatus, Kind
from payouts.calculation import trails
from payouts.models import Reassignment

BENEFICIARY, PARTNER = "beneficiary", "partner"
CANCELED = ("order", "adjustment")  # what a credit note is about that takes a statement of a canceled order back


def taken_back(prefix: str = "") -> Q:
    """Return the condition of what takes a statement back whole: it became somebody else's, or its order was canceled.

    `prefix` leads to the document.
    """
    to = f"{prefix}__" if prefix else ""
    whole = Q()
    for word in (*CANCELED, "reassignment"):
        whole |= Q((f"{to}subject__startswith", f"{word}:"))
    return Q((f"{to}kind", Kind.CREDIT_NOTE)) & whole


TAKEN_BACK = taken_back()


@dataclass(frozen=True, kw_only=True)
class Tenure:
    """From when on an order's money is somebody's, until the next one's begins.

    `owner` is a platform id; of an order without reassignments it is empty, and its statement says so.
    """

    order: str
    owner: str = ""
    since: dt.datetime | None = None
    reassignment: str = ""

    @property
    def subject(self) -> tuple[str, str]:
        """Return the subject of its statements."""
        return ("reassignment", self.reassignment) if self.reassignment else ("order", self.order)

    def key(self, *, adjustment: str = "") -> str:
        """Return the permanent key of its statement, or of an adjustment's."""
        kind = Kind.ORDER_FINAL_STATEMENT
        return issuing.key(kind=kind, subject=self.subject, audience=BENEFICIARY, discriminator=adjustment)

    def has(self, *, document: Document) -> bool:
        """Tell whether a document is one of its statements."""
        return document.subject == ":".join(self.subject)


@dataclass(frozen=True, kw_only=True)
class Handover:
    """One reassignment: from whom to whom an order goes, by their platform ids, and since when."""

    reassignment: str
    made_at: dt.datetime
    giver: str
    taker: str


def handovers(*, orders: Collection[str]) -> dict[str, list[Handover]]:
    """Return {order: its reassignments as they were issued}, in one query; the first takes from the first owner."""
    by_order: dict[str, list[Handover]] = {order: [] for order in orders}
    rows = Reassignment.objects.filter(order_id__in=orders).order_by("pk")
    for row in rows.select_related("former", "owner"):
        by_order[row.order_id].append(
            Handover(
                reassignment=row.reassignment_id,
                made_at=row.made_at,
                giver=row.former.platform_id,
                taker=row.owner.platform_id,
            )
        )
    return by_order


def ordered(*, handed: Sequence[Handover], first: str) -> list[Handover]:
    """Return reassignments as they follow each other: by their moments, those of one moment from owner to owner."""
    chain: list[Handover] = []
    for _, batch in itertools.groupby(sorted(handed, key=lambda each: each.made_at), key=lambda each: each.made_at):
        members = list(batch)
        start = chain[-1].taker if chain else first
        chain += trails.trail(start=start, steps=members, ends=lambda each: (each.giver, each.taker)) or members
    return chain


def tenures(*, orders: Collection[str]) -> dict[str, list[Tenure]]:
    """Return {order: whose it was, one after the other}, in one query."""
    return {order: chain_of(order=order, handed=handed) for order, handed in handovers(orders=orders).items()}


def chain_of(*, order: str, handed: Sequence[Handover]) -> list[Tenure]:
    """Return whose an order was, by its reassignments as they were issued."""
    first = handed[0].giver if handed else ""
    later = [
        Tenure(order=order, owner=each.taker, since=each.made_at, reassignment=each.reassignment)
        for each in ordered(handed=handed, first=first)
    ]
    return [Tenure(order=order, owner=first), *later]


def at(*, chain: Sequence[Tenure], moment: dt.datetime) -> Tenure:
    """Return whose an order was at a moment."""
    return next(tenure for tenure in reversed(chain) if tenure.since is None or tenure.since <= moment)


def meant(*, chain: Sequence[Tenure], payee: str, sent_at: dt.datetime) -> Tenure:
    """Return which owner's statement a payout means by an order.

    That of the owner when it was sent; where this is not who is paid, the last that the payee had by then, else the
    first that it had later.
    """
    by_then = [tenure for tenure in chain if tenure.since is None or tenure.since <= sent_at]
    mine = [tenure for tenure in by_then if tenure.owner == payee]
    later = [tenure for tenure in chain[len(by_then) :] if tenure.owner == payee]
    return next(iter([*reversed(mine), *later]), by_then[-1])


def order_of(*, subject: str) -> str:
    """Return the order that the subject of a statement is about."""
    word, _, name = subject.partition(":")
    if word != "reassignment":
        return name
    return Reassignment.objects.values_list("order_id", flat=True).get(reassignment_id=name)


def read() -> QuerySet[Document]:
    """Return documents without their contents, with their owner and what they correct."""
    return Document.objects.defer("content", "corrects__content").select_related("owner", "corrects")


def statements(*, orders: Collection[str], chains: dict[str, list[Tenure]]) -> dict[str, list[Document]]:
    """Return {order: every statement of it}, of all owners and of the partner, adjustments' too."""
    order_by_subject = {":".join(tenure.subject): order for order in orders for tenure in chains[order]}
    rows: dict[str, list[Document]] = defaultdict(list)
    of_orders = read().filter(subject__in=order_by_subject, kind=Kind.ORDER_FINAL_STATEMENT)
    for row in of_orders.order_by("document_key_id"):
        rows[order_by_subject[row.subject]].append(row)
    return rows


def adjustment_of(*, document: Document) -> str:
    """Return the adjustment of a supplementary statement; else nothing."""
    return adjustment_in(key=document.document_key_id)


def adjustment_in(*, key: str) -> str:
    """Return the part of a statement's permanent key after its audience: the adjustment. No id has a colon."""
    return "".join(key.split(":")[4:5])


def all_taken_back(*, documents: Collection[Document]) -> set[int]:
    """Return those of these statements, by their keys, that were taken back whole."""
    notes = Document.objects.filter(TAKEN_BACK, corrects__in=[row.pk for row in documents])
    return {pk for pk in notes.values_list("corrects", flat=True) if pk is not None}


def is_taken_back(*, note: Document) -> bool:
    """Tell whether a credit note takes its statement back whole; see TAKEN_BACK."""
    return note.subject.startswith("reassignment:") or is_canceled(note=note)


def is_canceled(*, note: Document) -> bool:
    """Tell whether a credit note takes its statement back because the order was canceled."""
    return note.subject.partition(":")[0] in CANCELED


def net_minor(*, document: Document) -> int:
    """Return what a document leaves its owner, in minor units; a credit note takes away."""
    return -document.total_minor if document.kind == Kind.CREDIT_NOTE else document.total_minor


def first_statement(*, order: str, audience: str) -> Document | None:
    """Return an order's own statement for one audience, if it has been issued."""
    key = issuing.key(kind=Kind.ORDER_FINAL_STATEMENT, subject=("order", order), audience=audience)
    return Document.objects.select_related("issuer", "owner").filter(document_key_id=key).first()


def completed_at(*, statement: Document) -> dt.datetime | None:
    """Return when a first statement's order was completed, where it is still known."""
    event = Event.objects.only("body", "happened_at").get(pk=statement.event_id)
    if event.body is None:
        return event.happened_at
    return cast("schemas.OrderData", envelope.parse(payload=json.loads(bytes(event.body))).data).order.completed_at


def awaited(*, order: str, owner: str) -> str:
    """Return the name under which an event waits for an order to become somebody's."""
    return f"owner:{order}:{owner}"


def main_statements(*, chain: Sequence[Tenure]) -> dict[Tenure, Document]:
    """Return {tenure: its own statement}, of those that have been issued."""
    tenures_by_key = {tenure.key(): tenure for tenure in chain}
    rows = (
        Document.objects.select_related("issuer", "owner")
        .defer("issuer__logo")
        .filter(document_key_id__in=tenures_by_key)
    )
    return {tenures_by_key[row.document_key_id]: row for row in rows}


def was_issued(*, subject: str) -> bool:
    """Tell whether an event about this subject has been issued."""
    return Document.objects.filter(event__subject=subject).exists()


def made_at(*, adjustments: Sequence[str]) -> dict[str, dt.datetime]:
    """Return {adjustment: when it was made}; a document's day is too coarse to compare with a moment.

    Of an event whose body was erased without its moment, it is when the event occurred.
    """
    subjects = [f"adjustment:{adjustment}" for adjustment in adjustments]
    events = Event.objects.filter(subject__in=subjects, status=EventStatus.PROCESSED).order_by(
        "-pk"
    )  # the first counts
    moments: dict[str, dt.datetime] = {}
    columns = events.values_list("subject", "body", "happened_at", "occurred_at")
    for subject, body, happened_at, occurred_at in columns.iterator():
        name = subject.removeprefix("adjustment:")
        moments[name] = cast("dt.datetime", happened_at or occurred_at)
        if body is not None:
            data = cast("schemas.AdjustmentData", envelope.parse(payload=json.loads(bytes(body))).data)
            moments[name] = data.adjustment.made_at
    return moments


def notes_of(*, statements: Collection[Document]) -> list[Document]:
    """Return the credit notes of statements."""
    return list(
        Document.objects.defer("content").filter(corrects__in=[row.pk for row in statements], kind=Kind.CREDIT_NOTE)
    )
