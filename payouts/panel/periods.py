"""What a month or a year comes to: a summary of documents as page and PDF, and their list as CSV."""

import csv
import datetime as dt
import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from documents import distribution, errors, formatting, money
from documents.access import actors, pages
from documents.countries import sources
from documents.models import Document, Party, Status
from documents.rendering import render
from payouts.accounts import changes, summaries
from payouts.calculation import earnings
from payouts.panel import frame, shown
from payouts.panel.shown import ShownRow

PDFS_MAX = 60  # in one file
NAMES_MAX = 3  # of parties on a summary
PERIOD = re.compile(r"(20\d{2})(?:-(0[1-9]|1[0-2]))?", re.ASCII)


def show(request: HttpRequest, parties: frame.Parties, period: str) -> HttpResponse:
    """Show what a month or a year comes to: a summary (GET /mis-documentos/periodo/<2026 or 2026-02>/).

    :raises errors.Problem: `not_found`: neither a month nor a year
    """
    first, last = _span(period=period)
    _today, country = shown.today(parties=parties, now=timezone.now())
    pdfs = _pdfs(parties=parties, period=period)
    with frame.language(request=request):
        by_issuer = summaries.of_period(parties=parties, first=first, last=last)
        context = {
            "title": shown.month(date=first) if "-" in period else period,
            "summaries": [
                {"issuer": key.issuer, "rows": _summary_rows(key=key, summary=by_issuer[key])} for key in by_issuer
            ],
            "csv": reverse("panel-period-csv", args=[period]),
            "pdf": reverse("panel-period-pdf", args=[period]),
            "zip": reverse("panel-period-zip", args=[period]) if 0 < len(pdfs) <= PDFS_MAX else "",
            "months": _months(first=first) if "-" not in period else [],
        }
    return frame.page(request=request, template="panel/period.html", context=context, country=country)


def as_pdf(request: HttpRequest, parties: frame.Parties, period: str) -> HttpResponse:
    """Hand out the summary of a month or a year on paper, marked as what it is.

    :raises errors.Problem: `not_found`; `render_timeout`, `render_failed`
    """
    frame.record_listed(request=request)
    now = timezone.now()
    with frame.language(request=request):
        content = _printed(parties=parties, period=period, now=now)
    body = render.summary(content=content, title=sources.Words(es="Resumen", en="Summary"), made_at=now)
    response = HttpResponse(body, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="aventide-resumen-{period}.pdf"'
    return pages.secure_headers(response=response)


def as_csv(request: HttpRequest, parties: frame.Parties, period: str) -> HttpResponse:
    """Hand out the documents of a month or a year as CSV, amounts as plain decimals.

    :raises errors.Problem: `not_found`
    """
    first, last = _span(period=period)
    frame.record_listed(request=request)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["date", "trip", "number", "kind", "currency", "net", "pending"])
    read = changes.of_days(parties=parties, first=first, last=last)
    ids = [change.document for own in read.values() for change in own]
    numbers = {
        row[0]: row[1:] for row in Document.objects.filter(public_id__in=ids).values_list("public_id", "number", "kind")
    }
    for currency, own in sorted(read.items()):
        digits = money.digits(currency)
        for change in sorted(own, key=lambda change: (change.date, change.trip)):
            amounts = (money.text(change.net_minor, digits), money.text(change.pending_minor, digits))
            writer.writerow([change.date.isoformat(), change.trip, *numbers[change.document], currency, *amounts])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="aventide-{period}.csv"'
    return pages.secure_headers(response=response)


def as_zip(request: HttpRequest, parties: frame.Parties, period: str) -> HttpResponse:
    """Hand out the PDFs of a month or a year in one file, each on record, or refuse where there are too many.

    :raises errors.Problem: `not_found`; `validation_error`: more than PDFS_MAX; what `distribution.open` raises
    """
    rows = _pdfs(parties=parties, period=period)
    if len(rows) > PDFS_MAX:
        raise errors.Problem(code="validation_error")
    frame.record_listed(request=request)
    packed, actor, now = io.BytesIO(), actors.actor(request=request), timezone.now()
    with zipfile.ZipFile(packed, mode="w") as archive:
        for row in rows:
            opened = distribution.open(document=row, actor=actor, purpose="download", now=now)
            archive.writestr(opened.filename, opened.body)
    response = HttpResponse(packed.getvalue(), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="aventide-{period}.zip"'
    return pages.secure_headers(response=response)


def _pdfs(*, parties: frame.Parties, period: str) -> list[Document]:
    """Return the locked documents of a period, and one more than are handed out at once.

    :raises errors.Problem: `not_found`
    """
    rows = Document.objects.filter(owner__in=parties, operation_date__range=_span(period=period), status=Status.LOCKED)
    return list(rows.select_related("issuer").defer("issuer__logo").order_by("pk")[: PDFS_MAX + 1])


def _printed(*, parties: frame.Parties, period: str, now: dt.datetime) -> dict[str, Any]:
    """Return what the summary says on paper, written.

    :raises errors.Problem: `not_found`
    """
    first, last = _span(period=period)
    by_issuer = summaries.of_period(parties=parties, first=first, last=last)
    today, _country = shown.today(parties=parties, now=now)
    names = Party.objects.filter(pk__in=parties).order_by("pk").values_list("legal_name", flat=True)
    return {
        "language": formatting.language(),
        "title": _("Resumen de ingresos"),
        "period": shown.month(date=first).capitalize() if "-" in period else period,
        "person": " · ".join(names[:NAMES_MAX]),
        "label": _("Resumen, sin validez fiscal."),
        "notice": _("Los documentos legales son los PDF de cada viaje y de cada pago."),
        "summaries": [
            {"issuer": key.issuer, "rows": [_written(row) for row in _summary_rows(key=key, summary=by_issuer[key])]}
            for key in by_issuer
        ],
        "rows_title": _("Por día") if "-" in period else _("Por mes"),
        "heads": [_("Día") if "-" in period else _("Mes"), _("Documentos"), _("Neto")],
        "rows": list(_by_part(parties=parties, first=first, last=last, by_day="-" in period)),
        "made": _("Hecho el %(day)s con los documentos emitidos hasta ese día.") % {"day": shown.day(date=today)},
    }


def _written(row: ShownRow) -> dict[str, str]:
    return {"text": row.text, "soft": row.soft, "amount": row.amount}


def _by_part(*, parties: frame.Parties, first: dt.date, last: dt.date, by_day: bool) -> Iterator[dict[str, str]]:
    """Yield what each day of a month or each month of a year left, a row a currency."""
    for currency, read in sorted(changes.of_days(parties=parties, first=first, last=last).items()):
        parts: dict[dt.date, list[int]] = {}
        for change in read:
            parts.setdefault(change.date if by_day else change.date.replace(day=1), []).append(change.net_minor)
        for date, nets in sorted(parts.items()):
            text = shown.day(date=date) if by_day else shown.month(date=date)
            amount = shown.amount(minor=sum(nets), currency=currency)
            yield {"text": text.capitalize(), "count": str(len(nets)), "amount": amount}


def _summary_rows(*, key: summaries.SummaryKey, summary: earnings.EarningsSummary) -> list[ShownRow]:
    """Return the rows of a summary: they add up to the last one."""
    sums = (
        (_("Bruto"), summary.gross_minor, ""),
        (_("Impuestos que cobraste"), summary.tax_charged_minor, ""),
        (_("Tarifas de la plataforma"), summary.fees_minor, ""),
        (_("Impuestos que pagaste"), summary.tax_borne_minor, ""),
        *(
            (_("Retención fiscal %(name)s") % {"name": law.name}, -law.amount_minor, law.legal_ref)
            for law in summary.withheld
        ),
        (_("Neto"), summary.net_minor, ""),
    )
    return [
        ShownRow(text=text, soft=soft, amount=shown.amount(minor=minor, currency=key.currency))
        for text, minor, soft in sums
    ]


def _months(*, first: dt.date) -> list[ShownRow]:
    """Return the months of a year, each with its address."""
    months = [first.replace(month=number) for number in range(1, 13)]
    return [
        ShownRow(text=shown.month(date=month), address=reverse("panel-period", args=[f"{month:%Y-%m}"]))
        for month in months
    ]


def _span(*, period: str) -> tuple[dt.date, dt.date]:
    """Return the first and the last day of a month or a year.

    :raises errors.Problem: `not_found`
    """
    parts = PERIOD.fullmatch(period)
    if parts is None:
        raise errors.Problem(code="not_found")
    year, month = int(parts[1]), int(parts[2] or 0)
    first = dt.date(year, month or 1, 1)
    following = dt.date(year + 1, 1, 1) if month in {0, 12} else dt.date(year, month + 1, 1)
    return first, following - dt.timedelta(days=1)
