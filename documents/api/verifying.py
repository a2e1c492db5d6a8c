"""A document verified now, over HTTP: what each rung of the look came to."""

import dataclasses
from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from documents import errors
from documents.access import actors
from documents.api import serializers
from documents.custody import inspection, verification
from documents.models import Document, Status

LOOKED_AT = frozenset({Status.LOCKED, Status.QUARANTINED})


class DocumentVerification(APIView):
    """POST /documents/{id}/verify/."""

    problems: ClassVar = {"post": ("document_not_ready", "document_disposed", "worm_unavailable")}

    @extend_schema(request=None, responses=serializers.VerificationSerializer)
    def post(self, request: Request, document: Document) -> Response:
        """Compare bytes, lock, embedded content, record and a new render; whoever differs is withheld.

        :raises errors.Problem: `document_not_ready`, `document_disposed`, `worm_unavailable`
        """
        if document.status not in LOOKED_AT:
            raise errors.Problem(
                code="document_disposed" if document.status == Status.DISPOSED else "document_not_ready"
            )
        joined = Document.objects.select_related(*inspection.JOINED).get(pk=document.pk)
        rungs = verification.climb(document=joined, actor=actors.actor(request=request), now=timezone.now())
        joined.refresh_from_db(fields=["status"])
        body = {
            "document": joined.public_id,
            "status": joined.status,
            "sound": not any(rung.outcome is verification.RungOutcome.FAILED for rung in rungs),
            "rungs": [{**dataclasses.asdict(rung), "code": rung.code or None} for rung in rungs],
        }
        return Response(body)
