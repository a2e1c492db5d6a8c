"""Filters of the lists. Each is a fixed choice or a range; none reads distinct values from the table."""

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from documents.admin import rights
from documents.custody import legal_holds
from documents.events import outcomes
from documents.models import Country, EventStatus, PayoutStatus, RefundStatus, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.admin.views.main import ChangeList
    from django.http import HttpRequest
    from django.utils.functional import _StrPromise

STUCK_AFTER = dt.timedelta(minutes=5)


def stuck(*, now: dt.datetime) -> Q:
    """Return the condition of a document that should be locked by now."""
    return Q(status=Status.ISSUED, issued_at__lt=now - STUCK_AFTER)


class Choice(admin.SimpleListFilter):
    """A filter by a fixed table of choices, each with its condition."""

    CHOICES: "ClassVar[tuple[tuple[str, str | _StrPromise], ...]]" = ()

    @classmethod
    def parameters(cls) -> frozenset[str]:
        """Return the parameters that the filter reads."""
        return frozenset({str(cls.parameter_name)})

    def lookups(self, request: "HttpRequest", model_admin: "admin.ModelAdmin[Any]") -> "list[tuple[str, Any]]":
        """Return the choices."""
        return list(self.CHOICES)

    def condition(self, *, value: str) -> Q:
        """Return the condition of one choice."""
        raise NotImplementedError

    def queryset(self, request: "HttpRequest", queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the rows of the choice; a value that is no choice selects none."""
        value = self.value()
        if not value:
            return queryset
        if value not in {str(name) for name, _label in self.lookup_choices}:
            return queryset.none()
        return queryset.filter(self.condition(value=value))


class SavedView(Choice):
    """The fixed views of the documents: what needs a person first."""

    title, parameter_name = _("vista"), "view"
    CHOICES = (
        ("stuck", _("Atascados")),
        ("quarantine", _("Cuarentena")),
        ("unpaid", _("Pago pendiente")),
        ("refund_failed", _("Devolución fallida")),
        ("hold", _("Legal hold")),
    )

    def condition(self, *, value: str) -> Q:
        """Return the condition of one view."""
        return {
            "stuck": stuck(now=timezone.now()),
            "quarantine": Q(status=Status.QUARANTINED),
            "unpaid": Q(payout_status=PayoutStatus.PENDING),
            "refund_failed": Q(refund_status=RefundStatus.FAILED),
            "hold": Q(legal_holds.is_held()),
        }[value]


class CountryInScope(Choice):
    """By country, offering only the caller's."""

    title, parameter_name = _("país"), "country"
    column = "country_id"

    def lookups(self, request: "HttpRequest", model_admin: "admin.ModelAdmin[Any]") -> "list[tuple[str, Any]]":
        """Return the caller's countries."""
        return [(row.code, str(row)) for row in Country.objects.filter(pk__in=rights.countries(request=request))]

    def condition(self, *, value: str) -> Q:
        """Return the condition of one country."""
        return Q(**{self.column: value})


class EventCountry(CountryInScope):
    """By an event's country, which is a text: it may name an unknown one."""

    column = "country_code"


class Recent(Choice):
    """By the moment, in spans that people ask for."""

    title, parameter_name = _("emitido"), "issued"
    column = "issued_at"
    CHOICES = (
        ("1", _("Hoy")),
        ("7", _("Últimos 7 días")),
        ("30", _("Últimos 30 días")),
        ("365", _("Últimos 12 meses")),
    )

    def condition(self, *, value: str) -> Q:
        """Return the condition of one span, from the start of its first day."""
        first = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=int(value) - 1)
        return Q(**{f"{self.column}__gte": first})


class Between(admin.ListFilter):
    """By the legal day of issue, from and to, both included."""

    title, template = _("fecha de emisión"), "admin/dc/filter_between.html"
    column = "issue_date"
    FIRST, LAST = "from", "to"

    @classmethod
    def parameters(cls) -> frozenset[str]:
        """Return the parameters that the filter reads."""
        return frozenset({cls.FIRST, cls.LAST})

    def __init__(
        self, request: "HttpRequest", params: dict[str, Any], model: type[Model], model_admin: "admin.ModelAdmin[Any]"
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in (self.FIRST, self.LAST):
            given = params.pop(name, [""])
            self.used_parameters[name] = (given[-1] if isinstance(given, list) else given)[:10]
        self.others = [(name, value) for name, value in request.GET.items() if name not in {self.FIRST, self.LAST, "p"}]

    def has_output(self) -> bool:
        """Show the two days, always."""
        return True

    def expected_parameters(self) -> "list[str | None]":
        """Return its parameters."""
        return [self.FIRST, self.LAST]

    def choices(self, changelist: "ChangeList") -> "Iterator[dict[str, Any]]":
        """Return what the form shows, and the other parameters that it sends along."""
        used = self.used_parameters
        yield {
            "first": used[self.FIRST],
            "last": used[self.LAST],
            "others": self.others,
            "selected": any(used.values()),
        }

    def queryset(self, request: "HttpRequest", queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the rows of the days between; a value that is no date selects none."""
        bounds = {}
        for name, lookup in ((self.FIRST, "gte"), (self.LAST, "lte")):
            if self.used_parameters[name]:
                try:
                    bounds[f"{self.column}__{lookup}"] = dt.date.fromisoformat(str(self.used_parameters[name]))
                except ValueError:
                    return queryset.none()
        return queryset.filter(**bounds)


class Received(Recent):
    """By the moment an event came in."""

    title, parameter_name, column = _("recibido"), "received", "received_at"


class WorkList(Choice):
    """The work lists of events: what waits for a person, and what waits for another event."""

    title, parameter_name = _("lista de trabajo"), "work"
    CHOICES = (("held", _("Retenidos")), ("parked", _("En espera")))

    def condition(self, *, value: str) -> Q:
        """Return the condition of one work list; a held event that was superseded is done."""
        if value == "held":
            return outcomes.for_a_person()
        return Q(status=EventStatus.PARKED)


class Unresolved(Choice):
    """Open or done, for whatever has `resolved_at`."""

    title, parameter_name = _("situación"), "open"
    CHOICES = (("yes", _("Abiertas")), ("no", _("Resueltas")))

    def condition(self, *, value: str) -> Q:
        """Return the condition of one situation."""
        return Q(resolved_at__isnull=value == "yes")


class Severity(Choice):
    """P1 and P2."""

    title, parameter_name = _("gravedad"), "severity"
    CHOICES = (("P1", "P1"), ("P2", "P2"))

    def condition(self, *, value: str) -> Q:
        """Return the condition of one severity."""
        return Q(severity=value)
