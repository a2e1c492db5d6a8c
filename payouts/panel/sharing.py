"""Shared links in the panel: one document shown to a named reader, and the list of what is shared, each to be ended."""

import hashlib
import secrets
from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from documents import formatting
from documents.access import actors, scope
from documents.delivery import deliveries, links, shared_links
from documents.models import Document, Link, RevokeReason
from payouts.panel import frame, paging

FORM_LENGTH_MAX, ROWS_MAX = 64, 6
_OPEN = frozenset({links.State.LIVE, links.State.LOCKED})


@csrf_exempt  # the panel's entrance refuses another site's form
def share(request: HttpRequest, document: Document) -> HttpResponse:
    """Ask for whom a link is, and make it (GET, POST /mis-documentos/compartir/<id>/).

    Address and code are shown once, in the answer to the form; the same form sent twice shows the same, and for
    another reader it is another one.

    :raises errors.Problem: what `scope.require_owner` and `shared_links.create` raise
    """
    scope.require_owner(request=request, document=document)
    deliveries.check_locked(document=document)
    reader = shared_links.reader_of(text=request.POST.get("reader", ""))
    form = request.POST.get("form", "")[:FORM_LENGTH_MAX]
    if not (reader and form):
        return _ask(request=request, document=document, missed=request.method == "POST")
    link = shared_links.create(
        document=document,
        reader=reader,
        now=timezone.now(),
        actor=actors.actor(request=request),
        form_sha256=hashlib.sha256(f"{document.pk}:{form}:{reader}".encode()).hexdigest(),
    )
    if links.state(link=link, now=timezone.now()) not in _OPEN:  # an old form sent again: there is nothing to copy
        return frame.see(request=request, name="panel-shared")
    with frame.language(request=request):
        context = {
            "reader": link.reader,
            "address": links.url(link=link),
            "code": shared_links.code(link=link),
            "until": formatting.moment(when=link.expires_at, document=document),
        }
    return _page(request=request, document=document, context=context, status=201)


def shared(request: HttpRequest, parties: frame.Parties) -> HttpResponse:
    """Show what a person has shared, with whom and until when (GET /mis-documentos/compartidos/)."""
    now = timezone.now()
    own = shared_links.of(owners=frozenset(parties))
    some, pager = paging.page_of(request=request, rows=own, size=ROWS_MAX)
    with frame.language(request=request):
        rows = [
            {
                "reader": link.reader,
                "title": f"{formatting.title(document=link.document)} {link.document.number}",
                "state": _state(link=link, live=links.state(link=link, now=now) in _OPEN),
                "end": "" if links.state(link=link, now=now) not in _OPEN else link.public_id,
            }
            for link in some
        ]
    return frame.page(request=request, template="panel/shared.html", context={"shared": rows, **pager})


@csrf_exempt  # the panel's entrance refuses another site's form
def end(request: HttpRequest, row: Link) -> HttpResponse:
    """End a link (POST /mis-documentos/compartidos/<id>/anular/); once it has ended, nothing is left to do.

    :raises errors.Problem: what `scope.require_owner` raises
    """
    scope.require_owner(request=request, document=row.document)
    actor = actors.actor(request=request)
    links.revoke(link=row, reason=RevokeReason.BY_OWNER, actor=actor, now=timezone.now())
    return frame.see(request=request, name="panel-shared")


def _state(*, link: Link, live: bool) -> str:
    """Return how a link stands, in words."""
    if live:
        opened = _("ya abierto") if link.opened_at else _("sin abrir")
        until = formatting.moment(when=link.expires_at, document=link.document)
        return _("Vale hasta el %(until)s; %(opened)s") % {"until": until, "opened": opened}
    return _("Anulado") if link.revoked_at else _("Ya no abre: caducó o agotó sus descargas")


def _ask(*, request: HttpRequest, document: Document, missed: bool) -> HttpResponse:
    with frame.language(request=request):
        context = {
            "form": secrets.token_urlsafe(24),
            "alert": _("Escribe para quién es.") if missed else "",
            "length": shared_links.READER_LENGTH_MAX,
        }
    return _page(request=request, document=document, context=context, status=400 if missed else 200)


def _page(*, request: HttpRequest, document: Document, context: Mapping[str, object], status: int) -> HttpResponse:
    """Return the page of one document's sharing."""
    with frame.language(request=request):
        whole = {
            **context,
            "title": formatting.title(document=document),
            "number": document.number,
            "public_id": document.public_id,
            "back": reverse("panel-shared"),
        }
    response = frame.page(request=request, template="panel/share.html", context=whole, country=document.country_id)
    response.status_code = status
    return response
