"""Documents over HTTP: list, one document, its PDF, its frozen content. Reading only; a correction is another one."""

import base64
import datetime as dt
import time
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
from documents.access import actors, roles, scope
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


class DriverTimed(APIView):
    """A view whose answers to drivers are timed; `country` is of the documents that the answer is about."""

    country = "none"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, and observe how long it took if a driver asked."""
        began = time.monotonic()
        response = super().dispatch(request, *args, **kwargs)
        if roles.Role.DRIVER in roles.reading_as(user=request.user):
            metrics.DRIVER_API_LATENCY.labels(country=self.country).observe(time.monotonic() - began)
        return response


class DocumentList(DriverTimed):
    """GET /documents/: what the caller may see, newest first, by an opaque cursor over a unique column."""

    def get(self, request: Request) -> Response:
        """Return one page: `{"data": [...], "has_more": bool, "next_cursor": str | null}`."""
        unknown = set(request.query_params) - set(FILTERS) - set(MOMENTS) - {"limit", "cursor"}
        if unknown:
            raise errors.Problem(code="unknown_parameter", detail=", ".join(sorted(unknown))[:200])
        limit = _limit(request.query_params.get("limit"))
        by = _order(request)
        order = [f"-{name}" for name in by] if len(by) > 1 else scope.list_order(user=request.user)
        rows = list(presentation.joined(rows=_filtered(request, by=by)).order_by(*order)[: limit + 1])
        page, more = rows[:limit], len(rows) > limit
        log_listing(request=request)
        self.country = page[0].country_id if page else self.country
        return Response(
            {
                "data": presentation.documents(rows=page),
                "has_more": more,
                "next_cursor": _cursor(after=page[-1], by=by) if more else None,
            }
        )


class DocumentDetail(DriverTimed):
    """GET /documents/{id}/; every other verb is refused: an issued document never changes."""

    def get(self, request: Request, public_id: str) -> Response:
        """Return the document object."""
        document = scope.document(request=request, public_id=public_id)
        self.country = document.country_id
        _record(request=request, action=Action.DOCUMENT_VIEWED, document=document)
        return Response(presentation.document(document=document))

    def immutable(self, _request: Request, **_path: str) -> Response:
        """Refuse and point at corrections.

        :raises errors.Problem: `document_immutable`
        """
        raise errors.Problem(code="document_immutable")

    put = patch = delete = immutable

    @property
    def allowed_methods(self) -> list[str]:
        """Methods for the `Allow` header: the refused verbs are not among it."""
        return ["GET", "HEAD", "OPTIONS"]


class DocumentContent(DriverTimed):
    """GET /documents/{id}/content/: the PDF."""

    def get(self, request: Request, public_id: str) -> HttpResponse:
        """Return the locked bytes with their digest."""
        document = scope.opened(request=request, public_id=public_id)
        self.country = document.country_id
        opened = distribution.open(
            document=document,
            actor=actors.actor(request=request, channel="api"),
            purpose="download",
            now=timezone.now(),
        )
        response = HttpResponse(opened.body, content_type=opened.media_type)
        response["Content-Disposition"] = f'attachment; filename="{opened.filename}"'
        response["Content-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(opened.sha256)).decode()}:"
        response["Cache-Control"] = "private, no-store"
        return response


class DocumentData(DriverTimed):
    """GET /documents/{id}/data/: the frozen content, the exact canonical JSON."""

    def get(self, request: Request, public_id: str) -> HttpResponse:
        """Return the bytes whose SHA-256 is `content_sha256`."""
        document = scope.opened(request=request, public_id=public_id)
        self.country = document.country_id
        _record(request=request, action=Action.DOCUMENT_VIEWED, document=document)
        return HttpResponse(
            document.content.encode(), content_type="application/json", headers={"Cache-Control": "private, no-store"}
        )


def log_listing(*, request: Request) -> None:
    """Record that somebody listed documents, and by which filters."""
    actor = actors.actor(request=request, channel="api")
    with transaction.atomic():
        log.record(
            action=Action.DOCUMENT_LISTED,
            object_type="documents",
            object_id="list",
            actor=actor,
            details={"filters": ",".join(sorted(request.query_params))},
        )


def _record(*, request: Request, action: Action, document: Document) -> None:
    with transaction.atomic():
        log.record(
            action=action,
            object_type="document",
            object_id=document.public_id,
            actor=actors.actor(request=request, channel="api"),
        )


def _order(request: Request) -> tuple[str, ...]:
    """Return the unique columns by which a list is ordered, newest first.

    A list of a span of time is ordered by moment: by row id PostgreSQL would read all rows from today back to the span.
    """
    return ("issued_at", "pk") if set(MOMENTS) & set(request.query_params) else ("pk",)


def _filtered(request: Request, *, by: tuple[str, ...]) -> QuerySet[Document]:
    """Start from what the caller may see and narrow it by the query.

    :raises errors.Problem: `validation_error`, `invalid_cursor`
    """
    rows = scope.documents_for(user=request.user)
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
        raise errors.Problem(code="invalid_cursor", detail="the cursor belongs to a list with other parameters")
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
        fault = errors.Fault(pointer=f"/{name}", code="moment", detail="RFC 3339 with zone")
        raise errors.Problem(code="validation_error", errors=[fault])
    return moment


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT_DEFAULT
    if not text.isascii() or not text.isdigit() or len(text) > LIMIT_DIGITS_MAX or not 1 <= int(text) <= LIMIT_MAX:
        fault = errors.Fault(pointer="/limit", code="range", detail=f"1..{LIMIT_MAX}")
        raise errors.Problem(code="validation_error", errors=[fault])
    return int(text)
