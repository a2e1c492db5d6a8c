"""Search for documents by what somebody pastes: an id, a number, a digest. Each shape has its own indexed look-up."""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from documents.admin import cells, rights
from documents.models import Document, Event, Link, Party

TERM_LENGTH_MAX = 200
PALETTE_MAX = 20
SUBJECTS = ("order", "payment", "payout", "refund", "dispute", "adjustment", "credit", "reassignment")


class Shape(NamedTuple):
    """A pattern and the condition on documents that a term of this shape means."""

    pattern: re.Pattern[str]
    condition: Callable[[str], Q]


def _of_event(term: str) -> Q:
    """Return the condition for an event, by its public id or the sender's id."""
    return Q(event__in=Event.objects.filter(Q(public_id=term) | Q(event_id=term)).values("pk"))


def _of_link(term: str) -> Q:
    return Q(pk__in=Link.objects.filter(public_id=term).values("document_id"))


def _of_order(order: str) -> Q:
    """Return the condition for what the later owners of an order got: their statements bear the reassignment's name."""
    reassigned = Event.objects.filter(reassignment__order_id=order).values_list("subject", flat=True)
    return Q(subject__in=[*reassigned])


def _of_anything(term: str) -> Q:
    """Return the condition for an owner, by the platform's id, or for a subject; each is looked up by its index."""
    subjects = [term] if ":" in term else [f"{kind}:{term}" for kind in SUBJECTS]
    condition = Q(subject__in=subjects) | Q(verification_code=term.upper()) | _of_order(term.removeprefix("order:"))
    owner = Party.objects.filter(Q(platform_id=term) | Q(public_id=term)).values_list("pk", flat=True).first()
    if owner is not None:
        condition |= Q(owner_id=owner)
    if term.startswith("evt_"):
        condition |= _of_event(term)
    return condition


# First match wins. No `icontains`: without a trigram index it reads the whole table.
TABLE: Sequence[Shape] = (
    Shape(re.compile(r"doc_[a-z0-9]{1,36}"), lambda term: Q(public_id=term)),
    Shape(re.compile(r"lnk_[a-z0-9]{1,36}"), _of_link),
    Shape(re.compile(r"evt_.{1,60}"), _of_event),
    Shape(re.compile(r"key:.{3,200}"), lambda term: Q(document_key__key__startswith=term.removeprefix("key:"))),
    Shape(re.compile(r"[A-Z_]{5,30}:[a-z]+:.{1,150}"), lambda term: Q(document_key_id=term)),
    Shape(
        re.compile(r"[A-Za-z]{2,5}-[A-Za-z]{2,3}(-\d{0,4}(-\d*)?)?"), lambda term: Q(number__startswith=term.upper())
    ),
    Shape(
        re.compile(r"[0-9a-fA-F]{12,64}"),
        lambda term: Q(file_sha256__startswith=term.lower()) | Q(content_sha256__startswith=term.lower()),
    ),
    Shape(re.compile(r".{2,140}"), _of_anything),
)


def condition(*, term: str) -> Q | None:
    """Return what a term means for the list of documents; None for one that means nothing."""
    text = term.strip()[:TERM_LENGTH_MAX]
    for shape in TABLE:
        if shape.pattern.fullmatch(text):
            return shape.condition(text)
    return None


def narrowed(*, rows: "QuerySet[Document]", term: str) -> "QuerySet[Document]":
    """Return those of the rows that a term means."""
    wanted = condition(term=term)
    return rows.none() if wanted is None else rows.filter(wanted)


class SearchResult(NamedTuple):
    """One line of the palette."""

    title: str
    description: str
    link: str
    icon: str


def palette(*, request: HttpRequest, pages: list[dict[str, Any]], mine: QuerySet[Document]) -> HttpResponse:
    """Answer the palette with the pages whose name has the term, and the documents that it means."""
    began = time.perf_counter()
    term = request.GET.get("s", "").strip()[:TERM_LENGTH_MAX]
    if not term:
        return HttpResponse()
    results = [
        SearchResult(str(model["name"]).capitalize(), str(app["name"]), model["admin_url"], "tag")
        for app in pages
        for model in app["models"]
        if term.lower() in str(model["name"]).lower()
    ]
    if rights.may(request=request, right="see"):
        rows = narrowed(rows=mine, term=term)
        results += [
            SearchResult(
                row.number,
                f"{row.get_kind_display()} · {cells.amount_text(minor=row.total_minor, currency=row.currency)}",
                cells.page(row),
                "description",
            )
            for row in rows[: PALETTE_MAX - len(results)]
        ]
    paginator = Paginator(results[:PALETTE_MAX], PALETTE_MAX)
    context = {
        "page_obj": paginator,
        "results": paginator.page(1),
        "page_counter": 0,
        "execution_time": time.perf_counter() - began,
        "command_show_history": False,
    }
    return TemplateResponse(request, "unfold/helpers/command_results.html", context, headers={"HX-Trigger": "search"})
