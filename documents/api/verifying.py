"""A look at a document now, over HTTP: what each rung came to, and the way out of quarantine."""

import dataclasses
import datetime as dt
from typing import ClassVar

from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from documents import errors, presentation
from documents.access import actors
from documents.api import serializers, views
from documents.custody import inspection, quarantine, verification
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


class DocumentRelease(generics.GenericAPIView[Document]):
    """POST /documents/{id}/release/: out of quarantine, with a reason."""

    problems: ClassVar = {
        "post": (
            "document_not_waiting",
            "worm_unavailable",
            "worm_checksum_mismatch",
            "worm_version_missing",
            "worm_lock_missing",
            "worm_lock_too_short",
            "worm_mode_weak",
            "worm_delete_marker",
            "worm_extra_version",
            "record_differs",
        )
    }

    @extend_schema(request=serializers.ReasonSerializer, responses=serializers.DocumentSerializer)
    def post(self, request: Request, document: Document, sound_since: dt.datetime | None) -> Response:
        """Release the document, whose bytes, lock and record have just been found as promised (`look`).

        :raises errors.Problem: `document_not_waiting`, `validation_error`
        """
        body = views.stated(serializer=serializers.ReasonSerializer, request=request)
        actor, now = actors.actor(request=request), timezone.now()
        if not quarantine.end(document=document, sound_since=sound_since, reason=body["reason"], actor=actor, now=now):
            raise errors.Problem(code="document_not_waiting")
        document.refresh_from_db()
        return Response(presentation.document(document=document))


def look(request: HttpRequest, document: Document) -> dict[str, dt.datetime | None]:
    """Read a withheld document's bytes again before its release, and return since when it is withheld.

    :raises errors.Problem: a `worm_*` code or `record_differs`: it stays withheld, and the look is on record
    """
    return {"sound_since": quarantine.look(document=document, actor=actors.actor(request=request))}
