"""The pages of a person's money: this week, a week, a trip with its lines and PDFs."""

import datetime as dt
import itertools
import json
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from audit import log
from audit.actions import Action
from documents import distribution, errors, formatting, latency, money
from documents.access import actors, ownership, pages, scope
from documents.access.admission import Admitted, Ownership, Visit
from documents.models import Document
from payouts.accounts import changes
from payouts.calculation import earnings
from payouts.calculation.earnings import EarningsWeek, TripChange
from payouts.panel import frame, paging, periods, shown
from payouts.panel.shown import ShownRow

ORDER_LENGTH_MAX = 64
TRIPS_MAX = 14  # of a week on one page
LINES_MAX, PART_LINES = 16, 4  # of a trip on one page, and as how many what stands around them counts


@ownership.resolver(Ownership.TRIP)
def _trip(visit: Visit) -> Admitted:
    """Load the documents of a trip; one that is nobody's and one that is somebody else's are refused alike.

    :raises errors.Problem: `not_owner`, on record
    """
    mine, trip = scope.mine(request=visit.request), str(visit.parts["trip"])
    parties = frozenset(mine.values) if mine.column == "owner_id" else frozenset()
    rows = changes.of_trip(parties=[pk for pk in parties if isinstance(pk, int)], trip=trip)
    documents = list(rows.select_related("issuer", "corrects").defer("issuer__logo", "corrects__content"))
    if not documents:
        actors.refuse(request=visit.request, code="not_owner", object_type="trip", object_id=trip[:ORDER_LENGTH_MAX])
    about = ownership.about(*(("document", document.public_id) for document in documents))
    return Admitted(handed={"trip": trip, "documents": documents}, about=about, covers=mine.covers)


def home(request: HttpRequest, parties: frame.Parties) -> HttpResponse:
    """Show this week, the last payout, and what is owed (GET /mis-documentos/)."""
    today, country = shown.today(parties=parties, now=timezone.now())
    monday = earnings.monday(date=today)
    with frame.language(request=request):
        weeks = _weeks(parties=parties, monday=monday)
        context = {
            "known": bool(country),
            "returned": shown.returned(parties=parties),
            "net": shown.amounts(sums=[(currency, week.net_minor) for currency, week in weeks]),
            "pending": shown.amounts(sums=[(currency, week.pending_minor) for currency, week in weeks]),
            "happened": bool(weeks),
            "week": reverse("panel-week", args=[monday.isoformat()]),
            "owed": shown.owed(parties=parties),
            "payout": shown.last_payout(parties=parties),
            "month": reverse("panel-period", args=[f"{today:%Y-%m}"]),
            "year": reverse("panel-period", args=[f"{today:%Y}"]),
        }
    return frame.page(request=request, template="panel/home.html", context=context, country=country)


def week(request: HttpRequest, parties: frame.Parties, monday: str) -> HttpResponse:
    """Show the days of a week with their trips (GET /mis-documentos/semana/<monday>/).

    :raises errors.Problem: `not_found`: no Monday
    """
    first = _date(text=monday)
    _today, country = shown.today(parties=parties, now=timezone.now())
    with frame.language(request=request):
        weeks = _weeks(parties=parties, monday=first)
        days = [day for currency, week in weeks for day in _days(week=week, currency=currency)]
        context = _some(request=request, days=days) | {
            "written": formatting.days(first=first, last=first + dt.timedelta(days=earnings.WEEK_DAYS - 1)),
            "net": shown.amounts(sums=[(currency, week.net_minor) for currency, week in weeks]),
            "pending": shown.amounts(sums=[(currency, week.pending_minor) for currency, week in weeks]),
            "before": reverse("panel-week", args=[(first - dt.timedelta(days=7)).isoformat()]),
            "after": reverse("panel-week", args=[(first + dt.timedelta(days=7)).isoformat()]),
        }
    return frame.page(request=request, template="panel/week.html", context=context, country=country)


def _some(*, request: HttpRequest, days: list[dict[str, Any]]) -> dict[str, object]:
    """Return the days of the page that was asked for with as many trips as it holds; a day's sum is always whole."""
    trips = [(day, row) for day in days for row in day["rows"]]
    some, pager = paging.page_of(request=request, rows=trips, size=TRIPS_MAX)
    by_day = itertools.groupby(some, key=lambda pair: (pair[0]["title"], pair[0]["net"]))
    return {
        "days": [{"title": title, "net": net, "rows": [row for _, row in own]} for (title, net), own in by_day],
        **pager,
    }


def trip(request: HttpRequest, trip: str, documents: Sequence[Document]) -> HttpResponse:
    """Show a trip: each of its dated changes with its lines and its PDF (GET /mis-documentos/viaje/<trip>/)."""
    currency = documents[0].currency
    read = changes.read(rows=Document.objects.filter(pk__in=[row.pk for row in documents]).order_by("pk"))
    [life] = [trip for own in read.values() for trip in earnings.trips(changes=own)]
    with transaction.atomic():
        for document in documents:
            log.record(
                action=Action.DOCUMENT_VIEWED,
                object_type="document",
                object_id=document.public_id,
                actor=actors.actor(request=request),
            )
    with frame.language(request=request):
        by_id = {change.document: change for change in life.changes}
        parts = [_part(document=document, change=by_id[document.public_id]) for document in documents]
        [some], pager = paging.page_of(request=request, rows=_portions(parts=parts), size=1)
        context = {
            **pager,
            "trip": trip,
            "net": shown.amount(minor=life.net_minor, currency=currency),
            "pending": shown.amount(minor=life.pending_minor, currency=currency) if life.pending_minor else "",
            "parts": some,
            "week": reverse("panel-week", args=[earnings.monday(date=documents[0].operation_date).isoformat()]),
        }
    return frame.page(
        request=request, template="panel/trip.html", context=context, country=documents[0].country_id, listed=False
    )


def _portions(*, parts: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Share out a trip's changes over pages; one of many lines goes on on the next page, with its whole sum again."""
    portions: list[list[dict[str, Any]]] = [[]]
    room = LINES_MAX
    for part in parts:
        rest = part["lines"]
        while rest or part["lines"] == rest:
            if room <= PART_LINES:
                portions.append([])
                room = LINES_MAX
            held, rest = rest[: room - PART_LINES], rest[room - PART_LINES :]
            portions[-1].append({**part, "lines": held})
            room -= PART_LINES + len(held)
    return portions


def _part(*, document: Document, change: TripChange) -> dict[str, object]:
    """Return one dated change of a trip as the page shows it: its lines add up to what it leaves."""
    currency, content = document.currency, json.loads(document.content)
    lines = earnings.lines(
        content=content,
        trip=change.trip,
        net_minor=change.net_minor,
        digits=money.digits(currency),
    )
    return {
        "title": formatting.title(document=document),
        "number": document.number,
        "why": shown.why(content=content),
        "day": formatting.day(date=document.operation_date),
        "net": shown.amount(minor=change.net_minor, currency=currency),
        "paid": not change.pending_minor,
        "lines": [shown.line(line=line, currency=currency) for line in lines],
        "pdf": reverse("panel-pdf", args=[document.public_id]),
        "share": reverse("panel-share", args=[document.public_id]),
    }


def pdf(request: HttpRequest, document: Document) -> HttpResponse:
    """Hand out a document's PDF (GET /mis-documentos/pdf/<id>/)."""
    latency.note_country(request=request, country=document.country_id)
    opened = distribution.open(
        document=document, actor=actors.actor(request=request), purpose="download", now=timezone.now()
    )
    response = HttpResponse(opened.body, content_type=opened.media_type)
    response["Content-Disposition"] = f'attachment; filename="{opened.filename}"'
    return pages.secure_headers(response=response)


def _weeks(*, parties: frame.Parties, monday: dt.date) -> list[tuple[str, EarningsWeek]]:
    """Return (currency, week) of each currency in which something happened."""
    read = changes.of_days(parties=parties, first=monday, last=monday + dt.timedelta(days=earnings.WEEK_DAYS - 1))
    return [(currency, earnings.week(changes=read[currency], monday=monday)) for currency in sorted(read)]


def _days(*, week: EarningsWeek, currency: str) -> list[dict[str, Any]]:
    """Return the days of a week as the page shows them."""
    return [
        {
            "title": shown.day(date=day.date),
            "net": shown.amount(minor=day.net_minor, currency=currency),
            "rows": [
                ShownRow(
                    text=trip.trip,
                    amount=shown.amount(minor=trip.net_minor, currency=currency),
                    address=reverse("panel-trip", args=[trip.trip]),
                    soft=_("Pendiente de pago") if trip.pending_minor else _("Pagado"),
                )
                for trip in day.trips
            ],
        }
        for day in week.days
    ]


def _date(*, text: str) -> dt.date:
    """Return the Monday that an address names.

    :raises errors.Problem: `not_found`
    """
    try:
        date = dt.date.fromisoformat(text)
    except ValueError as error:
        raise errors.Problem(code="not_found") from error
    if date.weekday() or not periods.PERIOD.match(text):
        raise errors.Problem(code="not_found")
    return date
