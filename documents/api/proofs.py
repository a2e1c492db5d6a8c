"""What the sealed log proves, over HTTP: of one document, as an evidence pack, at which size, and that it only grew."""

import base64
import hashlib
from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit import leaf, signing, tree
from audit.actions import Action
from audit.models import TreeHead
from documents import errors
from documents.access import actors
from documents.api import filters, pagination, views
from documents.evidence import pack
from documents.models import Document

SIZES = frozenset({"from", "to"})
_SIZE = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}


class SealedEventSerializer(serializers.Serializer[Any]):
    """An event of a document in the sealed log."""

    index = serializers.IntegerField()
    leaf = serializers.CharField(help_text="the bytes that are sealed, canonical JSON")
    proof = serializers.CharField(help_text="that they are in the log: c2sp.org/tlog-proof")


class ProofSerializer(serializers.Serializer[Any]):
    """What the sealed log says of a document, and the keys by which its checkpoint is signed."""

    document = serializers.CharField()
    checkpoint = serializers.CharField(help_text="c2sp.org/tlog-checkpoint")
    keys = serializers.ListField(child=serializers.CharField())
    events = SealedEventSerializer(many=True)


class CheckpointSerializer(serializers.ModelSerializer[TreeHead]):
    """What the log was at one size."""

    root_hash = serializers.SerializerMethodField()
    signed_at = serializers.DateTimeField(source="at")
    checkpoint = serializers.CharField(source="note")

    class Meta:
        model = TreeHead
        fields = ("size", "root_hash", "signed_at", "checkpoint")

    def get_root_hash(self, head: TreeHead) -> str:
        """Return the root of the tree, in base64."""
        return base64.b64encode(bytes(head.root)).decode()


class ConsistencySerializer(serializers.Serializer[Any]):
    """The proof that the log of one size is the beginning of that of another: RFC 9162, in base64."""

    size1 = serializers.IntegerField()
    size2 = serializers.IntegerField()
    proof = serializers.ListField(child=serializers.CharField())


class DocumentProof(APIView):
    """GET /documents/{id}/proof/: that its events are in the sealed log."""

    problems: ClassVar = {"get": ("document_not_ready",)}

    @extend_schema(responses=ProofSerializer)
    def get(self, request: Request, document: Document) -> Response:
        """Return the sealed events of the document, each with its proof for the newest checkpoint.

        :raises errors.Problem: `document_not_ready`: nothing of it is sealed yet
        """
        views.record(
            request=request, action=Action.DOCUMENT_VIEWED, object_type="document", object_id=document.public_id
        )
        head = tree.head()
        sealed = tree.sealed_events(object_id=document.public_id, size=head.size) if head else []
        if head is None or not sealed:
            raise errors.Problem(code="document_not_ready", values={"cause": "unsealed"})
        proofs = tree.proofs(indexes=[index for index, _ in sealed], head=head)
        events = [
            {"index": index, "leaf": leaf.encode(event).decode(), "proof": str(proofs[index])}
            for index, event in sealed
        ]
        keys = [str(key) for key in signing.history()]
        return Response({"document": document.public_id, "checkpoint": head.note, "keys": keys, "events": events})


class DocumentEvidence(APIView):
    """GET /documents/{id}/evidence/: the evidence pack."""

    problems: ClassVar = {"get": ("document_not_ready", "document_quarantined", "worm_unavailable")}

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, document: Document) -> HttpResponse:
        """Return what a stranger needs to check the document offline.

        :raises errors.Problem: what `pack.build` raises
        """
        made = pack.build(document=document, actor=actors.actor(request=request), now=timezone.now())
        digest = base64.b64encode(hashlib.sha256(made.body).digest()).decode()
        headers = {
            "Content-Digest": f"sha-256=:{digest}:",
            "Content-Disposition": f'attachment; filename="{made.filename}"',
            "Cache-Control": "private, no-store",
        }
        return HttpResponse(made.body, content_type="application/zip", headers=headers)


class CheckpointList(generics.ListAPIView[TreeHead]):
    """GET /audit/checkpoints/: what the log was at each size that was signed, the newest first."""

    queryset = TreeHead.objects.order_by("-pk")
    serializer_class = CheckpointSerializer
    pagination_class = pagination.KeysetPagination
    problems: ClassVar = {"get": ("validation_error", "invalid_cursor")}

    def order(self) -> tuple[str, ...]:
        """Return the unique column by which the list is ordered."""
        return ("pk",)


class Consistency(APIView):
    """GET /audit/consistency/: the log of one size is the beginning of that of another."""

    problems: ClassVar = {"get": ("validation_error",)}

    @extend_schema(
        parameters=[OpenApiParameter(name, _SIZE, required=True) for name in ("from", "to")],
        responses=ConsistencySerializer,
    )
    def get(self, request: Request) -> Response:
        """Return the proof for two sizes that the log has had.

        :raises errors.Problem: `unknown_parameter`, `validation_error`
        """
        filters.check_parameters(query=request.query_params, known=SIZES)
        size1, size2 = (_size(request=request, name=name) for name in ("from", "to"))
        head = tree.head()
        if head is None or size2 > head.size:
            raise _fault(name="to")
        if size1 > size2:
            raise _fault(name="from")
        hashes = tree.consistency(size1=size1, size2=size2)
        proof = [base64.b64encode(hashed).decode() for hashed in hashes]
        return Response({"size1": size1, "size2": size2, "proof": proof})


def _size(*, request: Request, name: str) -> int:
    """Return a size that is asked for.

    :raises errors.Problem: `validation_error`
    """
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(2**63)) - 1) or int(text) == 0:
        raise _fault(name=name)
    return int(text)


def _fault(*, name: str) -> errors.Problem:
    return errors.Problem(code="validation_error", errors=[errors.Fault(pointer=f"/{name}", code="invalid")])
