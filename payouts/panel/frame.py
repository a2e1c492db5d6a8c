"""What the pages of the panel share: their language, their frame, and that each is on record."""

from collections.abc import Collection, Mapping

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation

from audit import log
from audit.actions import Action
from documents import formatting, latency
from documents.access import actors, nonces, ownership, pages

Parties = Collection[int]


def page(
    *, request: HttpRequest, template: str, context: Mapping[str, object], country: str = "", listed: bool = True
) -> HttpResponse:
    """Return a page of the panel, on record, with what all of them show."""
    if country:
        latency.note_country(request=request, country=country)
    if listed:
        record_listed(request=request)
    shared = {"panel": reverse("panel"), **nonces.in_forms(request)}
    return pages.page(request=request, template=template, context={**context, **shared})


def record_listed(*, request: HttpRequest) -> None:
    """Put on record that a person has looked at what is his."""
    with transaction.atomic():
        log.record(
            action=Action.DOCUMENT_LISTED,
            object_type="documents",
            object_id=ownership.LIST,
            actor=actors.actor(request=request),
        )


def language(*, request: HttpRequest) -> translation.override:
    """Return the context in which a page is written in the language that was asked for."""
    return translation.override(pages.requested_language(request=request))


def see(*, request: HttpRequest, name: str) -> HttpResponse:
    """Lead to a page of the panel in the language that was asked for."""
    wanted = request.GET.get("lang", "")
    query = f"?lang={wanted}" if wanted in formatting.LANGUAGES else ""
    return pages.secure_headers(response=HttpResponse(status=303, headers={"Location": reverse(name) + query}))
