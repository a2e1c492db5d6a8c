"""Documents over HTTP: list, one document, its PDF, its frozen content. Reading only; a correction is another one."""

import base64
import datetime as dt
import functools
import time
from collections.abc import Callable
from typing import Any

from django.core import signing
from django.db import transaction
from django.db.models import BooleanField, DateTimeField, F, Func, Q, QuerySet, Value
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit import log
from audit.actions import Action
from documents import distribution, errors, metrics, presentation
from documents.access import actors, ownership, roles
from documents.models import Document

LIMIT_DEFAULT, LIMIT_MAX, LIMIT_DIGITS_MAX = 25, 100, 3
CURSOR_SALT = "documents.cursor"
FILTERS = {
    "kind": "kind",
    "status": "status",
    "country": "country_id",
    "owner": "owner__platform_id",
    "number": "number",
    "document_key": "document_key_id",
    "payout_status": "payout_status",
}
MOMENTS = {"issued_after": "issued_at__gt", "issued_before": "issued_at__lt"}


def timed(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Wrap what a route leads to: observe how long an answer to a driver took, by the country that it is about."""

    @functools.wraps(view)
    def observed(request: HttpRequest, **parts: Any) -> HttpResponseBase:
        began = time.monotonic()
        try:
            return view(request, **parts)
        finally:
            if roles.Role.DRIVER in roles.reading_as(user=request.user):
                country = request.__dict__.get("answered_country", "none")
                metrics.DRIVER_API_LATENCY.labels(country=country).observe(time.monotonic() - began)

    return observed


def _note_country(request: Request, country: str) -> None:
    """Note, for `timed`, of which country the documents are that the answer is about."""
    request._request.__dict__["answered_country"] = country


class DocumentList(APIView):
    """GET /documents/: what the caller may see, newest first, by an opaque cursor over a unique column."""

    def get(self, request: Request, rows: QuerySet[Document]) -> Response:
        """Return one page: `{"data": [...], "has_more": bool, "next_cursor": str | null}`."""
        unknown = set(request.query_params) - set(FILTERS) - set(MOMENTS) - {"limit", "cursor"}
        if unknown:
            raise errors.Problem(
                code="unknown_parameter", values=errors.bounded(values={"parameters": sorted(unknown)})
            )
        limit = _limit(request.query_params.get("limit"))
        by = _order(request)
        wanted = _filtered(request, rows=rows, by=by)
        if len(by) > 1:
            wanted = wanted.order_by(*(f"-{name}" for name in by))
        read = list(presentation.joined(rows=wanted)[: limit + 1])
        page, more = read[:limit], len(read) > limit
        log_listing(request=request)
        if page:
            _note_country(request, page[0].country_id)
        return Response(
            {
                "data": presentation.documents(rows=page),
                "has_more": more,
                "next_cursor": _cursor(after=page[-1], by=by) if more else None,
            }
        )


class DocumentDetail(APIView):
    """GET /documents/{id}/; every other verb is refused: an issued document never changes."""

    def get(self, request: Request, document: Document) -> Response:
        """Return the document object."""
        _note_country(request, document.country_id)
        _record(request=request, action=Action.DOCUMENT_VIEWED, document=document)
        return Response(presentation.document(document=document))

    def immutable(self, _request: Request, **_handed: Document) -> Response:
        """Refuse and point at corrections.

        :raises errors.Problem: `document_immutable`
        """
        raise errors.Problem(code="document_immutable")

    put = patch = delete = immutable

    @property
    def allowed_methods(self) -> list[str]:
        """Methods for the `Allow` header: the refused verbs are not among it."""
        return ["GET", "HEAD"]


class DocumentContent(APIView):
    """GET /documents/{id}/content/: the PDF."""

    def get(self, request: Request, document: Document) -> HttpResponse:
        """Return the locked bytes with their digest."""
        _note_country(request, document.country_id)
        opened = distribution.open(
            document=document,
            actor=actors.actor(request=request),
            purpose="download",
            now=timezone.now(),
        )
        response = HttpResponse(opened.body, content_type=opened.media_type)
        response["Content-Disposition"] = f'attachment; filename="{opened.filename}"'
        response["Content-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(opened.sha256)).decode()}:"
        response["Cache-Control"] = "private, no-store"
        return response


class DocumentData(APIView):
    """GET /documents/{id}/data/: the frozen content, the exact canonical JSON."""

    def get(self, request: Request, document: Document) -> HttpResponse:
        """Return the bytes whose SHA-256 is `content_sha256`."""
        _note_country(request, document.country_id)
        _record(request=request, action=Action.DOCUMENT_VIEWED, document=document)
        return HttpResponse(
            document.content.encode(), content_type="application/json", headers={"Cache-Control": "private, no-store"}
        )


def log_listing(*, request: Request) -> None:
    """Record that somebody listed documents, and by which filters."""
    actor = actors.actor(request=request)
    with transaction.atomic():
        log.record(
            action=Action.DOCUMENT_LISTED,
            object_type="documents",
            object_id=ownership.LIST,
            actor=actor,
            details={"filters": ",".join(sorted(request.query_params))},
        )


def _record(*, request: Request, action: Action, document: Document) -> None:
    with transaction.atomic():
        log.record(
            action=action,
            object_type="document",
            object_id=document.public_id,
            actor=actors.actor(request=request),
        )


def _order(request: Request) -> tuple[str, ...]:
    """Return the unique columns by which a list is ordered, newest first.

    A list of a span of time is ordered by moment: by row id PostgreSQL would read all rows from today back to the span.
    """
    return ("issued_at", "pk") if set(MOMENTS) & set(request.query_params) else ("pk",)


def _filtered(request: Request, *, rows: QuerySet[Document], by: tuple[str, ...]) -> QuerySet[Document]:
    """Narrow what the caller may see by the query.

    :raises errors.Problem: `validation_error`, `invalid_cursor`
    """
    for name, column in FILTERS.items():
        if name in request.query_params:
            rows = rows.filter(**{column: request.query_params[name]})
    for name, lookup in MOMENTS.items():
        if name in request.query_params:
            rows = rows.filter(**{lookup: _moment(name, request.query_params[name])})
    if "cursor" in request.query_params:
        rows = rows.filter(_after(text=request.query_params["cursor"], by=by))
    return rows


def _cursor(*, after: Document, by: tuple[str, ...]) -> str:
    """Return the signed position at which the next page begins; only this service can make one."""
    place = [after.issued_at.isoformat(), after.pk] if len(by) > 1 else [after.pk]
    return signing.dumps(place, salt=CURSOR_SALT)


def _after(*, text: str, by: tuple[str, ...]) -> Q:
    """Return the condition for the rows after a cursor.

    :raises errors.Problem: `invalid_cursor`: not signed by this service, or of a list ordered otherwise
    """
    try:
        *moments, pk = signing.loads(text, salt=CURSOR_SALT)
    except signing.BadSignature as error:
        raise errors.Problem(code="invalid_cursor") from error
    if len(moments) + 1 != len(by):
        raise errors.Problem(code="invalid_cursor", values={"cause": "other_list"})
    if not moments:
        return Q(pk__lt=pk)
    moment = Value(dt.datetime.fromisoformat(moments[0]), output_field=DateTimeField())
    # A row comparison: PostgreSQL continues in the index where the last page ended, even among rows of the same moment.
    sides = (Func(*pair, template="(%(expressions)s)") for pair in ((F("issued_at"), F("pk")), (moment, Value(pk))))
    return Q(Func(*sides, template="%(expressions)s", arg_joiner=" < ", output_field=BooleanField()))


def _moment(name: str, text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        fault = errors.Fault(pointer=f"/{name}", code="moment")
        raise errors.Problem(code="validation_error", errors=[fault])
    return moment


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT_DEFAULT
    if not text.isascii() or not text.isdigit() or len(text) > LIMIT_DIGITS_MAX or not 1 <= int(text) <= LIMIT_MAX:
        fault = errors.Fault(pointer="/limit", code="range", values={"min": 1, "max": LIMIT_MAX})
        raise errors.Problem(code="validation_error", errors=[fault])
    return int(text)
