"""The filters of lists, strict: a parameter or a value that the list does not know is refused, never passed over."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, cast

import django_filters
from django import forms
from django.core.validators import EMPTY_VALUES
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.views import APIView

from documents import errors
from documents.api import pagination
from documents.countries import pack
from documents.models import Document, HoldState, Kind, LegalHold, PayoutStatus, Status

TRUTHS = {"true": True, "false": False}
SPAN = frozenset({"issued_after", "issued_before"})


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter's backend, whose refusals have our codes."""

    def filter_queryset(self, request: HttpRequest, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        """Narrow a list by the query.

        :raises errors.Problem: `unknown_parameter`, `validation_error`
        """
        filters = cast("Any", self.get_filterset(request, queryset, view))
        check_parameters(query=request.GET, known=filters.filters.keys() | pagination.PARAMETERS)
        if not filters.is_valid():
            faults = [
                errors.Fault(pointer=f"/{name}", code=fault["code"])
                for name, wrong in filters.errors.get_json_data().items()
                for fault in wrong
            ]
            raise errors.Problem(code="validation_error", errors=faults)
        _check_values(query=request.GET, cleaned=filters.form.cleaned_data)
        narrowed: QuerySet[Any] = filters.qs
        return narrowed


def check_parameters(*, query: QueryDict, known: frozenset[str] | set[str]) -> None:
    """Refuse a parameter that is unknown, or stated twice.

    :raises errors.Problem: `unknown_parameter`, `validation_error`
    """
    unknown = set(query) - known
    if unknown:
        raise errors.Problem(code="unknown_parameter", values=errors.bounded(values={"parameters": sorted(unknown)}))
    twice = [errors.Fault(pointer=f"/{name}", code="twice") for name in sorted(query) if len(query.getlist(name)) > 1]
    if twice:
        raise errors.Problem(code="validation_error", errors=twice)


def _check_values(*, query: QueryDict, cleaned: Mapping[str, object]) -> None:
    """Refuse a value that a filter would pass over: a blank one.

    :raises errors.Problem: `validation_error`
    """
    passed_over = [name for name in sorted(query) if cleaned.get(name, name) in EMPTY_VALUES]
    if passed_over:
        faults = [errors.Fault(pointer=f"/{name}", code="blank") for name in passed_over]
        raise errors.Problem(code="validation_error", errors=faults)


class MomentField(forms.Field):
    """A moment with its offset from UTC; one without it would mean another moment in each country."""

    def to_python(self, value: object) -> dt.datetime | None:
        """Return the moment; None where none is stated.

        :raises forms.ValidationError: `moment`
        """
        if value in self.empty_values:
            return None
        try:
            moment = dt.datetime.fromisoformat(str(value).replace(" ", "+"))  # a plus sign that was not escaped
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise forms.ValidationError("", code="moment")
        return _in_utc(moment)


def _in_utc(moment: dt.datetime) -> dt.datetime:
    """Return a moment in UTC, for PostgreSQL knows no offset of sixteen hours; the first or last one there is at most.

    Where the offset leads out of what can be told, nothing lies between.
    """
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:
        first, last = dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)
        return first if moment.year == dt.MINYEAR else last


class MomentFilter(django_filters.Filter):
    """Compares with a moment."""

    field_class = MomentField


class TruthField(forms.Field):
    """`true` or `false`, as JSON writes them, and nothing that could be taken for one of them."""

    def to_python(self, value: object) -> bool | None:
        """Return what is stated; None where nothing is.

        :raises forms.ValidationError: `invalid`
        """
        if value in self.empty_values:
            return None
        if value not in TRUTHS:
            raise forms.ValidationError("", code="invalid")
        return TRUTHS[str(value)]


class TruthFilter(django_filters.BooleanFilter):
    """Tells what is from what is not."""

    field_class: Any = TruthField


def countries() -> list[tuple[str, str]]:
    """Return the countries in which documents are issued, as choices."""
    return [(code, code) for code in sorted(pack.registry())]


class DocumentFilters(django_filters.FilterSet):
    """What a list of documents can be narrowed by."""

    kind = django_filters.ChoiceFilter(choices=Kind.choices)
    status = django_filters.ChoiceFilter(choices=Status.choices)
    country = django_filters.ChoiceFilter(field_name="country_id", choices=countries)
    owner = django_filters.CharFilter(field_name="owner__platform_id")
    number = django_filters.CharFilter()
    document_key = django_filters.CharFilter(field_name="document_key_id")
    payout_status = django_filters.ChoiceFilter(choices=PayoutStatus.choices)
    issued_after = MomentFilter(field_name="issued_at", lookup_expr="gt")
    issued_before = MomentFilter(field_name="issued_at", lookup_expr="lt")
    updated_after = MomentFilter(field_name="updated_at", lookup_expr="gt")

    class Meta:
        model = Document
        fields = ()


class HoldFilters(django_filters.FilterSet):
    """What a list of legal holds can be narrowed by."""

    status = django_filters.ChoiceFilter(field_name="state", choices=HoldState.choices)
    country = django_filters.ChoiceFilter(field_name="country_id", choices=countries)
    reference = django_filters.CharFilter()

    class Meta:
        model = LegalHold
        fields = ()
