"""Who opened a person's documents, and what has become of a trip that is missed."""

import secrets
import textwrap
from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from audit import labels
from audit.models import Event as LoggedEvent
from documents import errors, formatting
from documents.access import actors, roles
from documents.api import documents as api_documents
from documents.countries import pack
from documents.delivery import shared_links
from documents.models import Document
from payouts.accounts import missing, reports
from payouts.panel import frame, paging, shown

VIEWS_MAX, VIEWED_MAX = 14, 200
TRIP_LENGTH_MAX, NOTE_LENGTH_MAX, REPORTS_MAX = 64, 500, 4
NOTE_SHOWN_MAX = 160


def viewers(request: HttpRequest, parties: frame.Parties) -> HttpResponse:
    """Show who opened the person's documents (GET /mis-documentos/vistas/)."""
    owned = Document.objects.filter(owner__in=parties).order_by("-pk")
    numbers = dict(owned.values_list("public_id", "number")[:VIEWED_MAX])
    rows = LoggedEvent.objects.filter(
        object_id__in=list(numbers), object_type="document", action__in=api_documents.OPENED, outcome="ok"
    )
    readers = dict(shared_links.of(owners=frozenset(parties)).values_list("public_id", "reader")[:VIEWED_MAX])
    zone = shown.zone(parties=parties)
    some, pager = paging.page_of(request=request, rows=rows.order_by("-pk"), size=VIEWS_MAX)
    with frame.language(request=request):
        context = {
            "rows": [
                {
                    "who": _who(event=event, readers=readers),
                    "what": labels.label(event.action),
                    "number": numbers[event.object_id],
                    "moment": shown.moment(when=event.at, zone=zone),
                }
                for event in some
            ],
            **pager,
        }
    return frame.page(request=request, template="panel/viewers.html", context=context)


def look_up(request: HttpRequest, parties: frame.Parties) -> HttpResponse:
    """Say what has become of a trip that a person misses (GET /mis-documentos/falta/?viaje=)."""
    wanted = _plain(text=request.GET.get("viaje", ""), most=TRIP_LENGTH_MAX)
    some, pager = paging.page_of(request=request, rows=reports.of(parties=parties), size=REPORTS_MAX)
    country = reports.country_of(parties=parties)
    with frame.language(request=request):
        said = missing.look_up(parties=parties, trip=wanted) if wanted else None
        context = {
            "wanted": wanted,
            "said": said,
            "trip": reverse("panel-trip", args=[wanted]) if said and said.is_issued else "",
            "form": secrets.token_urlsafe(24),
            "countries": [] if country else _countries(),
            "reports": [
                {
                    "text": f"{row.trip}: {textwrap.shorten(row.note, NOTE_SHOWN_MAX)}" if row.note else row.trip,
                    "day": formatting.day(date=row.reported_at.date()),
                    "answer": row.answer,
                }
                for row in some
            ],
            **pager,
        }
    return frame.page(request=request, template="panel/missing.html", context=context)


@csrf_exempt  # the panel's entrance refuses another site's form
def report(request: HttpRequest, parties: frame.Parties) -> HttpResponse:
    """Report a trip that is missed; the same form sent twice reports it once (POST /mis-documentos/falta/aviso/).

    :raises errors.Problem: `validation_error`: no trip, no country, or too many that wait for an answer
    """
    reported = reports.report(
        parties=parties,
        trip=_plain(text=request.POST.get("viaje", ""), most=TRIP_LENGTH_MAX),
        note=_plain(text=request.POST.get("note", ""), most=NOTE_LENGTH_MAX),
        country=reports.country_of(parties=parties) or request.POST.get("country", ""),
        form=request.POST.get("form", "")[:TRIP_LENGTH_MAX],
        now=timezone.now(),
        actor=actors.actor(request=request),
    )
    if not reported:
        raise errors.Problem(code="validation_error")
    return frame.see(request=request, name="panel-missing")


def _plain(*, text: str, most: int) -> str:
    """Return what a person typed, without what no column can hold and what would disguise it to its reader."""
    return "".join(filter(str.isprintable, " ".join(text.split())))[:most].strip()


def _countries() -> list[tuple[str, str]]:
    """Return (code, name) of each country, by its name in the language in force."""
    english = formatting.language() == "en"
    named = [(code, row.name.en if english else row.name.es) for code, row in pack.registry().items()]
    return sorted(named, key=lambda pair: pair[1])


def _who(*, event: LoggedEvent, readers: Mapping[str, str]) -> str:
    """Return who opened a document, by what the owner may know: the role, and not the name; the name he has given.

    :param readers: whom the owner has named, by the id of the shared link
    """
    if event.actor_kind == "party":
        return _("Tú, en esta página")
    if event.actor_kind == "link":
        reader = readers.get(event.actor_id)
        return _("%s, con quien lo compartes") % reader if reader else _("Quien tiene un enlace seguro")
    held = {role for role in event.role.split(",") if role}
    if held & set(roles.OWNERS):
        return _("Tú, o quien actúa por ti")
    return _("Nuestro equipo: %s") % ", ".join(sorted(held)) if held else _("Un proceso del servicio")
