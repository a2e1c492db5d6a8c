"""What the views of the API share: rows that the guard has loaded, refusals with our codes, conditional GETs."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, set_response_etag
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer

from audit import log
from audit.actions import Action
from documents import errors
from documents.access import actors, ownership
from documents.api import filters, pagination

if TYPE_CHECKING:
    from rest_framework.exceptions import ErrorDetail

Body = TypeVar("Body", bound=Serializer[Any])
# What may keep a number from being given, whatever is to be issued.
ISSUING = ("issuing_paused", "series_exhausted", "worm_bucket_misconfigured", "worm_unavailable")


def stated(*, serializer: type[Body], request: Request) -> dict[str, Any]:
    """Return what a body states.

    :raises errors.Problem: `validation_error`, with a fault for each member
    """
    body = serializer(data=request.data)
    if not body.is_valid():
        raise errors.Problem(code="validation_error", errors=list(_faults(wrong=body.errors, place="")))
    return cast("dict[str, Any]", body.validated_data)


def _faults(*, wrong: object, place: str) -> "list[errors.Fault]":
    """Return DRF's errors of a body, nested as its members are, as faults."""
    if isinstance(wrong, dict):
        return [fault for name, inner in wrong.items() for fault in _faults(wrong=inner, place=_inner(place, name))]
    if isinstance(wrong, list) and wrong and isinstance(wrong[0], dict | list):
        return [fault for row, inner in enumerate(wrong) for fault in _faults(wrong=inner, place=f"{place}/{row}")]
    details = cast("list[ErrorDetail]", wrong)
    return [errors.Fault(pointer=place, code=_CODES.get(str(error.code), "invalid")) for error in details]


def _inner(place: str, name: object) -> str:
    """Return the pointer of a member; what concerns the whole body has the body's own."""
    return place if name == "non_field_errors" else f"{place}/{name}"


# TABLE: code of DRF -> ours; whatever else it finds is `invalid`.
_CODES = {
    "required": "missing",
    "null": "null",
    "blank": "blank",
    "max_length": "text_too_long",
    "min_length": "text_too_short",
    "invalid_choice": "invalid_choice",
    "extra_forbidden": "extra_forbidden",
    "one_of": "one_of",
}


def record(*, request: Request, action: Action, object_type: str, object_id: str, **details: str) -> None:
    """Record what the caller did, in a transaction."""
    with transaction.atomic():
        log.record(
            action=action,
            object_type=object_type,
            object_id=object_id,
            actor=actors.actor(request=request),
            details=details or None,
        )


class OnceResponse(Response):
    """An answer some of whose members are secrets: `access.idempotency` does not store them."""

    def __init__(self, body: dict[str, Any], *, status: int, shown_once: tuple[str, ...]) -> None:
        super().__init__(body, status=status)
        self.shown_once = shown_once


class ConditionalView(generics.GenericAPIView[Any]):
    """A view whose answer to a GET has an ETag, and is 304 where the caller has it already."""

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Put the ETag on once the answer is rendered."""
        final = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(final, Response) and request.method in {"GET", "HEAD"} and final.status_code == HTTPStatus.OK:
            final.add_post_render_callback(lambda made: _conditional(request=request._request, response=made))
        return final


def _conditional(*, request: HttpRequest, response: HttpResponse) -> HttpResponse | None:
    """Return 304 where the caller's ETag is the answer's."""
    set_response_etag(response)
    answer: HttpResponse | None = get_conditional_response(request, etag=response["ETag"], response=response)
    return answer


class RowList(generics.ListAPIView[Any]):
    """A list of what the guard has loaded, narrowed by its filters, page by page; each reading is on record."""

    filter_backends = (filters.StrictFilterBackend,)
    pagination_class = pagination.KeysetPagination
    listed = Action.DOCUMENT_LISTED
    object_type = "documents"
    rows: QuerySet[Any]

    def get(self, request: Request, rows: QuerySet[Any]) -> Response:
        """Return one page: `{"data": [...], "has_more": bool, "next_cursor": str | null}`."""
        self.rows = rows
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        names = ",".join(sorted(request.query_params))
        record(
            request=request, action=self.listed, object_type=self.object_type, object_id=ownership.LIST, filters=names
        )
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def get_queryset(self) -> QuerySet[Any]:
        """Return the rows that the caller may see."""
        return self.rows

    def order(self) -> tuple[str, ...]:
        """Return the unique columns by which the list is ordered, newest first."""
        return ("pk",)


class RowDetail(ConditionalView):
    """One thing that the guard has loaded."""

    def shown(self, row: object) -> dict[str, Any]:
        """Return its object."""
        serializer: BaseSerializer[Any] = self.get_serializer(row)
        return cast("dict[str, Any]", serializer.data)
