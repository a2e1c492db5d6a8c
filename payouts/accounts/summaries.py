"""What a person's documents come to in a month or a year, by issuer and currency: a summary, and no document itself."""

import datetime as dt
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from documents import money
from documents.models import Document, Kind
from payouts.accounts import changes
from payouts.calculation import earnings
from payouts.calculation.earnings import EarningsSummary, TripLine


@dataclass(frozen=True, kw_only=True, order=True)
class SummaryKey:
    """Of whom a summary is: an issuer's documents in one currency."""

    issuer: str  # its legal name
    currency: str


def of_period(*, parties: Collection[int], first: dt.date, last: dt.date) -> dict[SummaryKey, EarningsSummary]:
    """Return the summaries of what was earned on some days, both included, and of the payouts in effect sent then.

    :raises BrokenSum: the lines of a document do not add up to what it leaves, which is a defect of ours
    """
    lines: dict[SummaryKey, list[TripLine]] = {}
    for key, read in _lines(parties=parties, first=first, last=last):
        lines.setdefault(key, []).extend(read)
    return {key: earnings.summary(lines=lines[key]) for key in sorted(lines)}


def _lines(
    *, parties: Collection[int], first: dt.date, last: dt.date
) -> Iterator[tuple[SummaryKey, tuple[TripLine, ...]]]:
    """Yield the lines of each document."""
    columns = ("issuer__legal_name", "currency", "content")
    days = {"operation_date__range": (first, last)}
    orders = changes.documents(parties=parties).filter(**days).annotate(net_minor=changes.NET)
    for issuer, currency, content, net_minor in orders.values_list(*columns, "net_minor").iterator():
        read = earnings.lines(content=json.loads(content), trip="", net_minor=net_minor, digits=money.digits(currency))
        yield SummaryKey(issuer=issuer, currency=currency), read
    sent = Document.objects.filter(owner__in=parties, kind=Kind.PAYOUT_STATEMENT, payout__returned_at=None, **days)
    for issuer, currency, content in sent.order_by("pk").values_list(*columns).iterator():
        read = earnings.payout_lines(content=json.loads(content), digits=money.digits(currency))
        yield SummaryKey(issuer=issuer, currency=currency), read
