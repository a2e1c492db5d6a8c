"""Secure links over HTTP: those of a document, a new one, its end, and the mail sent again."""

from http import HTTPStatus
from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit.actions import Action
from documents import errors
from documents.access import actors, scope
from documents.api import serializers, views
from documents.delivery import deliveries, shared_links
from documents.delivery import links as secure_links
from documents.models import Document, Link

LINKS_MAX = 100
LINKS = scope.ReachSource(
    object_type="link", model=Link, country="document__country_id", owner="document__owner_id", document="document"
)


class DocumentLinks(views.RowDetail):
    """GET /documents/{id}/links/."""

    serializer_class = serializers.LinkSerializer

    @extend_schema(responses=serializers.LINKS)
    def get(self, request: Request, document: Document) -> Response:
        """Return the links of a document, the newest first."""
        views.record(
            request=request, action=Action.DOCUMENT_VIEWED, object_type="document", object_id=document.public_id
        )
        rows = document.links.select_related("recipient").order_by("-pk")[:LINKS_MAX]
        return Response({"data": serializers.LinkSerializer(rows, many=True).data})


class LinkMaking(views.RowDetail):
    """POST /documents/{id}/links/."""

    serializer_class = serializers.LinkSerializer
    problems: ClassVar = {"post": ("document_not_ready", "document_quarantined", "document_disposed")}

    @extend_schema(request=serializers.LinkWantedSerializer, responses={201: serializers.LinkMadeSerializer})
    def post(self, request: Request, document: Document) -> Response:
        """Make a link for the document's owner, or one that he shares; address and code are in this answer alone.

        :raises errors.Problem: `document_not_ready`, `document_quarantined`, `document_disposed`; `role_not_allowed`
            and `not_owner` for a shared link of somebody else's document
        """
        wanted = views.stated(serializer=serializers.LinkWantedSerializer, request=request)
        actor, now = actors.actor(request=request), timezone.now()
        if wanted["kind"] == "shared":
            scope.require_owner(request=request._request, document=document)
            link = shared_links.create(document=document, reader=wanted["reader"], now=now, actor=actor)
        else:
            deliveries.check_locked(document=document)
            link = secure_links.create(document=document, recipient=document.owner, delivery=None, now=now, actor=actor)
        secrets = {"url": secure_links.url(link=link), "code": shared_links.code(link=link) if link.reader else None}
        return views.OnceResponse({**self.shown(link), **secrets}, status=HTTPStatus.CREATED, shown_once=tuple(secrets))


class LinkRevocation(views.RowDetail):
    """POST /links/{id}/revoke/."""

    serializer_class = serializers.LinkSerializer
    problems: ClassVar = {"post": ("link_revoked",)}

    @extend_schema(request=serializers.ReasonSerializer, responses=serializers.LinkSerializer)
    def post(self, request: Request, row: Link) -> Response:
        """End a link for good.

        :raises errors.Problem: `validation_error`; `link_revoked`: it had ended so before
        """
        body = views.stated(serializer=serializers.ReasonSerializer, request=request)
        actor = actors.actor(request=request)
        if not secure_links.revoke(link=row, reason=body["reason"], actor=actor, now=timezone.now()):
            raise errors.Problem(code="link_revoked")
        row.refresh_from_db()
        return Response(self.shown(row))


class LinkResending(views.RowDetail):
    """POST /links/{id}/resend/: a mail with a new link to the address on file."""

    problems: ClassVar = {"post": ("document_not_ready", "document_quarantined", "document_disposed")}

    @extend_schema(request=None, responses={201: serializers.ResentSerializer})
    def post(self, request: Request, row: Link) -> Response:
        """Queue the mail, of a week's link with all its documents; the older link ends.

        :raises errors.Problem: what `deliveries.resend_link` raises; `not_owner`, `country_out_of_scope`
        """
        scope.require_all(
            request=request._request, rows=secure_links.documents(link=row), about=("link", row.public_id)
        )
        delivery = deliveries.resend_link(link=row, actor=actors.actor(request=request), now=timezone.now())
        return Response({"delivery": delivery.public_id, "status": delivery.status}, status=HTTPStatus.CREATED)
