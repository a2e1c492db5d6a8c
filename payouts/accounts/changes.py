"""The changes of trips, read from the documents of a person's parties; only columns are read, and no content."""

import datetime as dt
from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import BigIntegerField, Case, F, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from documents.models import Document, Kind
from payouts.calculation.earnings import TripChange
from payouts.models import Reassignment

ABOUT_ORDERS = Q(kind=Kind.ORDER_FINAL_STATEMENT) | Q(kind=Kind.CREDIT_NOTE, corrects__kind=Kind.ORDER_FINAL_STATEMENT)
NET = Case(
    When(kind=Kind.CREDIT_NOTE, then=-F("total_minor")), default=F("total_minor"), output_field=BigIntegerField()
)
PAID = Coalesce(
    Sum("settlements__amount_minor", filter=Q(settlements__effective=True)), 0, output_field=BigIntegerField()
)
_COLUMNS = ("public_id", "subject", "corrects__subject", "operation_date", "net_minor", "paid_minor", "currency")
_REASSIGNED = "reassignment"


def documents(*, parties: Collection[int]) -> QuerySet[Document]:
    """Return the documents about orders whose money is of these parties, in the order in which they were issued."""
    return Document.objects.filter(ABOUT_ORDERS, owner__in=parties).order_by("pk")


def read(*, rows: QuerySet[Document]) -> dict[str, list[TripChange]]:
    """Return {currency: changes} of documents of `documents`, in two queries."""
    read = list(rows.annotate(net_minor=NET, paid_minor=PAID).values_list(*_COLUMNS))
    orders = _orders(subjects={corrected or subject for _, subject, corrected, *_ in read})
    changes: dict[str, list[TripChange]] = {}
    for public_id, subject, corrected, date, net_minor, paid_minor, currency in read:
        change = TripChange(
            document=public_id,
            trip=orders[corrected or subject],
            date=date,
            net_minor=net_minor,
            pending_minor=net_minor - paid_minor,
        )
        changes.setdefault(currency, []).append(change)
    return changes


def of_days(*, parties: Collection[int], first: dt.date, last: dt.date) -> dict[str, list[TripChange]]:
    """Return {currency: changes} of some days, both included."""
    return read(rows=documents(parties=parties).filter(operation_date__range=(first, last)))


def of_trip(*, parties: Collection[int], trip: str) -> QuerySet[Document]:
    """Return the documents of one trip of these parties: none for one that is nobody's or somebody else's."""
    names = Reassignment.objects.filter(order_id=trip).values_list("reassignment_id", flat=True)
    subjects = [f"order:{trip}", *(f"{_REASSIGNED}:{name}" for name in names)]
    return documents(parties=parties).filter(Q(subject__in=subjects) | Q(corrects__subject__in=subjects))


def trip_of(*, document: Document) -> str:
    """Return the order that a document of `documents` is about."""
    subject = document.corrects.subject if document.corrects else document.subject
    return _orders(subjects=[subject])[subject]


def _orders(*, subjects: Iterable[str]) -> dict[str, str]:
    """Return {subject of a statement: the order}, in one query."""
    named: dict[str, Any] = {subject: subject.partition(":")[2] for subject in subjects}
    reassigned = {name: subject for subject, name in named.items() if subject.startswith(f"{_REASSIGNED}:")}
    rows = Reassignment.objects.filter(reassignment_id__in=reassigned) if reassigned else Reassignment.objects.none()
    return named | {reassigned[name]: order for name, order in rows.values_list("reassignment_id", "order_id")}
