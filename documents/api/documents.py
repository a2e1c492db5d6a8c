"""Documents over HTTP: list, one document, its PDF, its frozen content, its life. An issued document never changes."""

import base64
import hashlib
import json
import re
from http import HTTPStatus
from typing import ClassVar

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit import labels
from audit.actions import Action
from audit.models import Event
from documents import distribution, errors, presentation
from documents.access import actors, roles, scope
from documents.api import filters, serializers, views
from documents.emission import locking
from documents.models import Document

TIMELINE_MAX = 200
EXPANDED_MAX = 100
EXPANSIONS, PARAMETERS = frozenset({"links", "related"}), frozenset({"expand"})
EXPANDING = {"type": "array", "minItems": 1, "items": {"type": "string", "enum": sorted(EXPANSIONS)}}
_RANGE = re.compile(r"bytes=(\d{0,12})-(\d{0,12})", re.ASCII)


class DocumentList(views.RowList):
    """GET /documents/: what the caller may see, newest first."""

    queryset = Document.objects.none()  # names the model; the rows are those that the guard loads
    serializer_class = serializers.DocumentSerializer
    filterset_class = filters.DocumentFilters

    def get_queryset(self) -> QuerySet[Document]:
        """Return the documents with what their objects show of other tables."""
        return presentation.joined(rows=self.rows)

    def order(self) -> tuple[str, ...]:
        """Return the unique columns by which a list is ordered, newest first.

        A list of a span of time is ordered by moment: by row id PostgreSQL would read all rows from today back to the
        span.
        """
        asked = set(self.request.query_params)
        if "updated_after" in asked:
            return ("updated_at", "pk")
        return ("issued_at", "pk") if filters.SPAN & asked else ("pk",)


class DocumentDetail(views.RowDetail):
    """GET /documents/{id}/; every other verb is refused."""

    serializer_class = serializers.DocumentSerializer
    problems: ClassVar = {"get": ("validation_error",)}

    @extend_schema(
        parameters=[OpenApiParameter("expand", EXPANDING, explode=False)],
        responses=serializers.ExpandedSerializer,
    )
    def get(self, request: Request, document: Document) -> Response:
        """Return the document object, with what `expand` asks for besides."""
        wanted = _expansions(request=request)
        views.record(
            request=request, action=Action.DOCUMENT_VIEWED, object_type="document", object_id=document.public_id
        )
        answer = self.shown(document)
        if "links" in wanted:
            rows = document.links.select_related("recipient").order_by("-pk")[:EXPANDED_MAX]
            answer["links"] = serializers.LinkSerializer(rows, many=True).data
        if "related" in wanted:
            answer["related"] = presentation.documents(rows=_related(request=request, document=document))
        return Response(answer)

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
    """GET /documents/{id}/content/: the PDF, whole or a range of its bytes."""

    problems: ClassVar = {
        "get": ("document_not_ready", "document_quarantined", "document_disposed", "worm_unavailable")
    }

    @extend_schema(responses={(status, "application/pdf"): OpenApiTypes.BINARY for status in (200, 206)})
    def get(self, request: Request, document: Document) -> HttpResponse:
        """Return the locked bytes with the digest of what is sent, and of the whole file."""
        opened = distribution.open(
            document=document,
            actor=actors.actor(request=request),
            purpose="download",
            now=timezone.now(),
        )
        etag = f'"{opened.sha256}"'
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": etag,
            "Repr-Digest": _digest(opened.sha256),
            "Content-Disposition": f'attachment; filename="{opened.filename}"',
            "Cache-Control": "private, no-store",
        }
        if request.headers.get("If-None-Match", "") in {etag, "*"}:
            return HttpResponse(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        whole = len(opened.body)
        span = _span(request=request, etag=etag, whole=whole)
        if span is None:
            headers["Content-Digest"] = _digest(opened.sha256)
            return HttpResponse(opened.body, content_type=opened.media_type, headers=headers)
        if not span:
            headers["Content-Range"] = f"bytes */{whole}"
            return HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
        body = opened.body[span.start : span.stop]
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{whole}"
        headers["Content-Digest"] = _digest(hashlib.sha256(body).hexdigest())
        return HttpResponse(body, status=HTTPStatus.PARTIAL_CONTENT, content_type=opened.media_type, headers=headers)


class DocumentData(APIView):
    """GET /documents/{id}/data/: the frozen content, the exact canonical JSON."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, document: Document) -> HttpResponse:
        """Return the bytes whose SHA-256 is `content_sha256`."""
        views.record(
            request=request, action=Action.DOCUMENT_VIEWED, object_type="document", object_id=document.public_id
        )
        headers = {"Cache-Control": "private, no-store", "ETag": f'"{document.content_sha256}"'}
        if request.headers.get("If-None-Match", "") in {headers["ETag"], "*"}:
            return HttpResponse(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return HttpResponse(document.content.encode(), content_type="application/json", headers=headers)


class DocumentTimeline(APIView):
    """GET /documents/{id}/timeline/: what happened to a document, as far as the caller may see it."""

    @extend_schema(responses=serializers.TIMELINE)
    def get(self, request: Request, document: Document) -> Response:
        """Return the newest events. Who may not read the log sees the document's life and who opened it, by role."""
        views.record(
            request=request, action=Action.DOCUMENT_VIEWED, object_type="document", object_id=document.public_id
        )
        rows = Event.objects.filter(object_id=document.public_id).order_by("-pk")
        whole = roles.may(user=request.user, right="audit")
        if not whole:
            rows = rows.filter(action__in=[*labels.LIFE, *OPENED])
        return Response({"data": [_event(event=event, whole=whole) for event in rows[:TIMELINE_MAX]]})


class DocumentRetry(generics.GenericAPIView[Document]):
    """POST /documents/{id}/retry/: lock a document that has given up."""

    problems: ClassVar = {"post": ("document_not_waiting",)}

    @extend_schema(request=None, responses={202: serializers.DocumentSerializer})
    def post(self, request: Request, document: Document) -> Response:
        """Let it be tried again.

        :raises errors.Problem: `document_not_waiting`
        """
        if not locking.retry(document=document, actor=actors.actor(request=request), now=timezone.now()):
            raise errors.Problem(code="document_not_waiting")
        document.refresh_from_db()
        return Response(presentation.document(document=document), status=HTTPStatus.ACCEPTED)


OPENED = (Action.DOCUMENT_VIEWED, Action.DOCUMENT_DOWNLOADED, Action.DOCUMENT_PREVIEWED, Action.DOCUMENT_REVEALED)


def _event(*, event: Event, whole: bool) -> dict[str, object]:
    """Return an event of the log; whom it names is for those who may read the log."""
    shown: dict[str, object] = {
        "id": event.pk,
        "recorded_at": event.at.isoformat().replace("+00:00", "Z"),
        "action": event.action,
        "outcome": event.outcome,
        "code": event.code or None,
        "actor": {"kind": event.actor_kind, "role": event.role or None},
        "channel": event.channel or None,
    }
    if whole:
        shown["actor"] = {
            "kind": event.actor_kind,
            "role": event.role or None,
            "id": event.actor_id or None,
            "key": event.key or None,
            "service": event.service or None,
        }
        shown["request_id"] = event.request_id or None
    return shown


def _expansions(*, request: Request) -> frozenset[str]:
    """Return what the caller wants beside the object.

    :raises errors.Problem: `unknown_parameter`, `validation_error`
    """
    filters.check_parameters(query=request.query_params, known=PARAMETERS)
    wanted = frozenset(request.query_params["expand"].split(",") if "expand" in request.query_params else ())
    if wanted - EXPANSIONS:
        fault = errors.Fault(pointer="/expand", code="invalid_choice")
        raise errors.Problem(code="validation_error", errors=[fault])
    return wanted


def _related(*, request: Request, document: Document) -> list[Document]:
    """Return those that this one corrects or settles, and those that do that to it, as far as the caller sees them."""
    content = json.loads(document.content)
    numbers = [item["number"] for item in content.get("settles", ()) if "number" in item]
    mine = scope.mine(request=request._request).rows()
    near = mine.filter(pk__in=filter(None, (document.corrects_id, document.settled_by_id))) | mine.filter(
        corrects=document
    )
    rows = near | mine.filter(number__in=numbers) if numbers else near
    return list(presentation.joined(rows=rows).order_by("pk")[:EXPANDED_MAX])


def _digest(sha256: str) -> str:
    """Return a hash in hex as a digest field has it (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def _span(*, request: Request, etag: str, whole: int) -> range | None:
    """Return the bytes that are asked for: None for all of them, an empty range for none that there are.

    Several ranges at once are answered with the whole, as RFC 9110 allows.
    """
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    if asked is None or asked.group() == "bytes=-" or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = asked.groups()
    if not first:  # the last so many
        return range(max(0, whole - int(last)), whole) if int(last) else range(0)
    if last and int(last) < int(first):
        return None  # no range at all
    return range(int(first), min(int(last) + 1 if last else whole, whole))
