"""The pages behind a secure link. No script, no login, no cookie before the first answer.

GET and HEAD change nothing but the note that the link was seen. Everything else is a POST.
"""

import itertools
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from audit import log
from documents import formatting, standings
from documents.access import pages
from documents.alerts import incidents
from documents.delivery import deliveries, links
from documents.link_pages import opening, replies, session
from documents.models import Document, Link, RevokeReason, Status

ROWS_MAX = 20  # documents on one page of a week
PAGE_DIGITS_MAX = 3


@dataclass(frozen=True, kw_only=True)
class WeekRow:
    """One document in the list of a week."""

    place: int
    number: str
    total: str


def landing(request: HttpRequest, link: Link | None, document: Document | None, place: int) -> HttpResponse:
    """Show what a link leads to, the question before it, or why neither (GET /l/<token>/)."""
    now = timezone.now()
    if link is None or document is None or request.path != replies.path(link=link):
        return unknown(request, link, document, place)
    links.note_seen(link=link, now=now, actor=replies.actor(request=request, link=link))
    session_id = session.current(request=request, link=link, now=now)
    asked = request.GET.get("note", "")
    if asked == "reported" and link.revoked_reason == RevokeReason.WRONG_PERSON:
        return replies.say(request=request, link=link, page_name="reported")
    if asked == "renewed" and links.state(link=link, now=now, session=session_id) is not links.State.LIVE:
        return replies.say(request=request, link=link, page_name="renewed")
    about = None if link.weekly else document
    refusal = replies.refuse(request=request, link=link, document=about, session_id=session_id, now=now)
    if refusal is not None:
        return refusal
    if not session_id:
        return opening.question(request=request, link=link, now=now)
    return _week(request=request, link=link) if link.weekly else _show(request=request, link=link, document=document)


def of_week(request: HttpRequest, link: Link | None, document: Document | None, place: int) -> HttpResponse:
    """Show one document of a week to an opened session (GET /l/<token>/<place>/)."""
    now = timezone.now()
    if link is None or document is None or not link.weekly:
        return replies.unknown(request=request, link=None)
    links.note_seen(link=link, now=now, actor=replies.actor(request=request, link=link))
    session_id = session.current(request=request, link=link, now=now)
    if not session_id:
        return replies.see(request=request, link=link)
    refusal = replies.refuse(request=request, link=link, document=document, session_id=session_id, now=now)
    return refusal or _show(request=request, link=link, document=document, place=place)


@csrf_exempt
def renew(request: HttpRequest, link: Link | None, document: Document | None, place: int) -> HttpResponse:
    """Have a new link mailed in the place of a dead one; the answer is always the same (POST .../renew/)."""
    now = timezone.now()
    if link is None or document is None or place != 1:
        return replies.unknown(request=request, link=link)
    actor = replies.asking(request=request, link=link)
    made = None
    if links.state(link=link, now=now) is not links.State.LIVE:  # a scanner that presses buttons gets no mails sent
        if link.reader:
            made = None  # only its owner makes another
        elif link.weekly:
            made = deliveries.renew_week(link=link, actor=actor, now=now)
        else:
            made = deliveries.renew(document=document, actor=actor, now=now)
    if made is None:
        log.deny(actor=actor, object_type="link", object_id=link.public_id, code="not_renewed")
    return replies.see(request=request, link=link, note="renewed")


@csrf_exempt
def report(request: HttpRequest, link: Link | None, document: Document | None, place: int) -> HttpResponse:
    """Ask whether the link reached the wrong person (GET), and revoke it, with an alert, once that is said (POST)."""
    if link is None or document is None or place != 1:
        return replies.unknown(request=request, link=link)
    actor = replies.asking(request=request, link=link)
    if request.method != "POST":
        return _ask_whether(request=request, link=link)
    if request.POST.get("sure") != "yes":
        return replies.see(request=request, link=link, rest="report/", note="unsure")
    if links.revoke(link=link, reason=RevokeReason.WRONG_PERSON, actor=actor, now=timezone.now()):
        incidents.open_alert(
            code="link_revoked",
            dedup_key=f"link:{link.public_id}",
            values={"cause": RevokeReason.WRONG_PERSON},
            object_id=link.public_id,
        )
    return replies.see(request=request, link=link, note="reported")


@csrf_exempt
def unknown(request: HttpRequest, link: Link | None, document: Document | None, place: int) -> HttpResponse:
    """Answer every address below /l/ that is no link: one page, one status, on record.

    Some mail programs drop the last slash, and some people paste the full stop behind it: such an address is
    redirected to the link.
    """
    if request.method in {"GET", "HEAD"} and link is not None and document is not None and place == 1:
        return replies.see(request=request, link=link)
    return replies.unknown(request=request, link=link)


def _ask_whether(*, request: HttpRequest, link: Link) -> HttpResponse:
    with translation.override(pages.requested_language(request=request)):
        unsure = request.GET.get("note") == "unsure"
        context = {
            "alert": _("Marca la casilla si no eres esta persona.") if unsure else "",
            "masked": link.reader or formatting.masked(name=link.recipient.legal_name),
            "shared": bool(link.reader),
        }
    return replies.page(request=request, link=link, template="web/report.html", context=context)


def _show(*, request: HttpRequest, link: Link, document: Document, place: int = 0) -> HttpResponse:
    """Show an opened document; no page before it shows the amount."""
    with translation.override(pages.requested_language(request=request)):
        standing = standings.of(document=document)
        context = {
            "week": replies.see(request=request, link=link).headers["Location"] if place else "",
            "verified": replies.verified(link=link),
            "title": formatting.title(document=document),
            "number": document.number,
            "day": formatting.day(date=document.operation_date),
            "total": formatting.amount(document=document),
            "standing": standing,
            # What is said to the owner, "you will get", is not said to somebody it was shared with.
            "label": _("Importe") if link.reader else standing.label,
            "remarks": standing.to_others if link.reader else standing.remarks,
            "size": formatting.size(octets=document.file_bytes or 0),
            "left": link.downloads_max - link.downloads,
            "most": link.downloads_max,
            "until": formatting.moment(when=link.expires_at, document=document),
            "verify": reverse("verification", args=[document.verification_code]),
        }
    return replies.page(request=request, link=link, template="web/ready.html", context=context)


def _week(*, request: HttpRequest, link: Link) -> HttpResponse:
    """Show the documents of a week by their days, some to a page."""
    everything = links.documents(link=link)
    number, wanted = everything.count(), request.GET.get("page", "")
    page = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) <= PAGE_DIGITS_MAX else 1
    page = max(1, min(page, -(-number // ROWS_MAX)))
    days = list(everything.values_list("operation_date", flat=True))
    first = (page - 1) * ROWS_MAX
    with translation.override(pages.requested_language(request=request)):
        rows = list(enumerate(everything[first : first + ROWS_MAX], start=first + 1))
        by_day = itertools.groupby(rows, key=lambda row: row[1].operation_date)
        context: dict[str, Any] = {
            "heading": _("Tus documentos de la semana"),
            "verified": replies.verified(link=link),
            "title": formatting.title(document=link.document),
            "days": formatting.days(first=days[0], last=days[-1]),
            "groups": [{"written": formatting.weekday(date=day), "rows": list(map(_row, of))} for day, of in by_day],
            "before": replies.see(request=request, link=link, page=str(page - 1)).headers["Location"]
            if page > 1
            else "",
            "after": replies.see(request=request, link=link, page=str(page + 1)).headers["Location"]
            if first + ROWS_MAX < number
            else "",
            "until": formatting.moment(when=link.expires_at, document=link.document),
        }
    return replies.page(request=request, link=link, template="web/week.html", context=context)


def _row(placed: tuple[int, Document]) -> WeekRow:
    """Return a document as a row of the list; of one that is withheld the amount is not shown."""
    place, document = placed
    hidden = {Status.QUARANTINED: _("En revisión"), Status.DISPOSED: _("Ya no se conserva")}
    return WeekRow(
        place=place,
        number=document.number,
        total=str(hidden.get(Status(document.status), "")) or formatting.amount(document=document),
    )
