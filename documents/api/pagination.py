"""Pages of a list: an opaque cursor over a unique column, which meets each row once however many share a moment."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Protocol, cast

from django.core import signing
from django.db.models import BooleanField, DateTimeField, F, Func, Model, Q, QuerySet, Value
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from documents import errors

LIMIT_DEFAULT, LIMIT_MAX, LIMIT_DIGITS_MAX = 25, 100, 3
CURSOR_SALT = "documents.cursor"
PARAMETERS = frozenset({"limit", "cursor"})


class OrderedView(Protocol):
    """A list that says in which order it is read."""

    def order(self) -> tuple[str, ...]:
        """Return the unique columns by which the list is ordered, newest first; the last one is `pk`."""


class KeysetPagination(BasePagination):
    """DRF's pagination by `limit` and `cursor`; `order` of the view says in which order, `joined` with what."""

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """Return one page of rows.

        :raises errors.Problem: `validation_error`, `invalid_cursor`
        """
        limit = _limit(request.query_params.get("limit"))
        by = cast("OrderedView", view).order()
        queryset = cast("QuerySet[Any]", queryset)
        if "cursor" in request.query_params:
            queryset = queryset.filter(_after(text=request.query_params["cursor"], by=by))
        if len(by) > 1:
            queryset = queryset.order_by(*(f"-{name}" for name in by))
        rows = list(queryset[: limit + 1])
        page = rows[:limit]
        self.url = request.build_absolute_uri()
        self.next_cursor = _cursor(after=page[-1], by=by) if len(rows) > limit else None
        return page

    def get_paginated_response(self, data: object) -> Response:
        """Return `{"data": [...], "has_more": bool, "next_cursor": str | null}`, with a `Link` to the next page."""
        body = {"data": data, "has_more": self.next_cursor is not None, "next_cursor": self.next_cursor}
        if self.next_cursor is None:
            return Response(body)
        address = replace_query_param(self.url, "cursor", self.next_cursor)
        return Response(body, headers={"Link": f'<{address}>; rel="next"'})

    def get_schema_operation_parameters(self, _view: APIView) -> list[dict[str, object]]:
        """Return the parameters for the OpenAPI document."""
        return [
            {
                "name": "limit",
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
            },
            {"name": "cursor", "in": "query", "schema": {"type": "string"}},
        ]

    def get_paginated_response_schema(self, schema: dict[str, object]) -> dict[str, object]:
        """Return the schema of a page for the OpenAPI document."""
        return {
            "type": "object",
            "required": ["data", "has_more", "next_cursor"],
            "properties": {
                "data": schema,
                "has_more": {"type": "boolean"},
                "next_cursor": {"type": ["string", "null"]},
            },
        }


def _cursor(*, after: Model, by: Sequence[str]) -> str:
    """Return the signed position at which the next page begins; only this service can make one."""
    return signing.dumps([*(getattr(after, name).isoformat() for name in by[:-1]), after.pk], salt=CURSOR_SALT)


def _after(*, text: str, by: Sequence[str]) -> Q:
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
    sides = (Func(*pair, template="(%(expressions)s)") for pair in ((F(by[0]), F("pk")), (moment, Value(pk))))
    return Q(Func(*sides, template="%(expressions)s", arg_joiner=" < ", output_field=BooleanField()))


def _limit(text: str | None) -> int:
    """Return how many rows a page holds.

    :raises errors.Problem: `validation_error`
    """
    if text is None:
        return LIMIT_DEFAULT
    if not text.isascii() or not text.isdigit() or len(text) > LIMIT_DIGITS_MAX or not 1 <= int(text) <= LIMIT_MAX:
        fault = errors.Fault(pointer="/limit", code="range", values={"min": 1, "max": LIMIT_MAX})
        raise errors.Problem(code="validation_error", errors=[fault])
    return int(text)
