"""Issuers, whether they may issue, and their series."""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from babel import numbers
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audit.actions import Action
from documents import formatting
from documents.admin import base, cells, confirm, issuer_changes, parties, rights, timeline
from documents.admin.site import site
from documents.emission import valve
from documents.events import backlog
from documents.models import Issuer, IssuingValve, Kind, Series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import QuerySet
    from django.utils.functional import _StrPromise
    from django.utils.safestring import SafeString

FULL_AT_PERCENT = 90


@dataclasses.dataclass(frozen=True, kw_only=True)
class PausedIssuer:
    """An issuer that waits for a person: since when, and how many events wait with it."""

    link: "SafeString | str"
    since: "SafeString | str"
    held: int


def paused(*, countries: "Sequence[str] | None") -> list[PausedIssuer]:
    """Return the issuers of these countries (None: of all) that are paused, the longest first."""
    rows = IssuingValve.objects.exclude(paused_at=None).select_related("issuer").defer("issuer__logo")
    if countries is not None:
        rows = rows.filter(issuer__country__in=countries)
    return [
        PausedIssuer(link=cells.link(row.issuer), since=cells.moment(row.paused_at), held=held(row.issuer))
        for row in rows.order_by("paused_at")
    ]


def held(issuer: Issuer) -> int:
    """Count the events that wait for an issuer to go on."""
    return backlog.held().filter(issuer_slug=issuer.slug).count()


def valve_of(row: Issuer) -> IssuingValve:
    """Return an issuer's valve; one that has issued nothing yet has none of its own."""
    own: IssuingValve | None = getattr(row, "valve", None)
    return own or IssuingValve(issuer=row)


def issuing_state(row: Issuer) -> "SafeString":
    """Write whether an issuer issues."""
    own = valve_of(row)
    if own.paused_at is not None:
        return cells.state("PAUSED")
    return cells.state("RESUMING" if own.turn is not None else "ISSUING")


def _issuing(row: Issuer) -> base.Card:
    """Return what an issuer may issue, what it has issued, and why it is paused."""
    own, set_ = valve_of(row), _("%(most)s documentos, fijado por una persona")
    minute = set_ % {"most": _many(own.minute_max_set)} if own.minute_max_set else _own_minute(own.minute_max)
    day = set_ if own.day_max_set else _("%(most)s documentos")
    facts = [
        base.Fact(label=_("Estado"), value=issuing_state(row)),
        base.Fact(label=_("En pausa desde"), value=cells.moment(own.paused_at)),
        base.Fact(label=_("Límite alcanzado"), value=LIMITS.get(own.paused_by, cells.NOTHING)),
        base.Fact(label=_("Eventos que esperan"), value=held(row)),
        base.Fact(label=_("Límite por minuto"), value=minute),
        base.Fact(label=_("Límite por día"), value=day % {"most": _many(own.day_max_set or own.day_max)}),
        base.Fact(label=_("Límites calculados"), value=cells.moment(own.limits_at)),
        base.Fact(label=_("Reanudada"), value=cells.moment(own.resumed_at)),
    ]
    return base.Card(title=_("Emisión"), facts=facts)


def _own_minute(minute_max: int) -> str:
    """Say what an issuer's own past allows it in a minute, and within what is measured together."""
    return _("%(most)s documentos: hasta %(window)s en %(minutes)s min") % {
        "most": _many(minute_max),
        "window": _many(minute_max * valve.WINDOW_MINUTES),
        "minutes": valve.WINDOW_MINUTES,
    }


def _many(number: int) -> str:
    return str(numbers.format_decimal(number, locale=cells.locale()))


LIMITS: "Mapping[str, _StrPromise]" = {"minute": _("por minuto"), "day": _("por día")}


def _not_paused(row: Issuer) -> "_StrPromise | str":
    """Say why an issuer is not resumed."""
    return "" if valve_of(row).paused_at is not None else _("La emisión de este emisor no está en pausa.")


# TABLE: what is asked about an issuer before it is done.
CONFIRMATIONS: "Mapping[str, confirm.Confirmation[Issuer]]" = {
    "resume": confirm.Confirmation(
        title=_("Reanudar la emisión"),
        text=_(
            "Se emite todo lo que espera, por orden de llegada, sin contarlo en los límites; lo que llegue mientras"
            " tanto va detrás. Un número no se devuelve: cierra antes sin emitir los eventos que sobren."
        ),
        submit=_("Reanudar"),
        right="resume_issuing",
        audit=Action.ISSUER_RESUMED,
        act=lambda made: valve.resume(issuer=made.row, reason=made.reason, now=made.now, actor=made.actor),
        done=_("Emisión reanudada: lo que esperaba se emite por orden de llegada."),
        not_now=_("La emisión de este emisor no está en pausa."),
        cards=lambda row: [_issuing(row)],
        blocked=_not_paused,
    ),
}


@admin.register(Issuer, site=site)
class IssuerAdmin(base.DocumentCenterAdmin[Issuer]):
    """In whose name documents are issued, and whether they are."""

    key, checked_scope, right = "pk", "country_id", "staff"
    ordering = ("slug",)
    list_display = ("legal_name", "issuing_cell", "code_cell", "country_cell", "tax_cell", "slug")
    list_select_related = ("country", "valve")
    WANTED: ClassVar[tuple[str, ...]] = ("logo",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Issuer]":
        """Read no logos: the list does not show them."""
        return super().get_queryset(request).defer("logo")

    def rows(self, *, request: HttpRequest) -> "QuerySet[Issuer]":
        """Join what an issuer may issue."""
        return super().rows(request=request).select_related("valve")

    def object_id(self, *, row: Issuer) -> str:
        """Return what the log calls an issuer."""
        return row.slug

    def pages(self) -> "Mapping[str, base.RowPage]":
        """Add the pages on which a paused issuer is resumed, its data change and another series is opened."""
        asked = {**CONFIRMATIONS, **issuer_changes.CONFIRMATIONS}
        return {name: row.page(self) for name, row in asked.items()}

    @admin.display(description=_("emisión"))
    def issuing_cell(self, row: Issuer) -> "SafeString":
        """Write whether it issues."""
        return issuing_state(row)

    @admin.display(description=_("código de serie"))
    def code_cell(self, row: Issuer) -> "SafeString | str":
        """Write the code in its numbers."""
        return cells.mono(row.code)

    @admin.display(description=_("país"))
    def country_cell(self, row: Issuer) -> str:
        """Write the country."""
        return cells.country(row.country_id)

    @admin.display(description=_("identificación fiscal"))
    def tax_cell(self, row: Issuer) -> "SafeString | str":
        """Write the tax id of a company."""
        return cells.mono(row.tax_id)

    def detail(self, *, request: HttpRequest, row: Issuer) -> dict[str, Any]:
        """Return an issuer's page."""
        facts = [
            base.Fact(label=_("Razón social"), value=row.legal_name),
            base.Fact(label=_("Identificación fiscal"), value=cells.mono(row.tax_id)),
            base.Fact(label=_("Domicilio"), value=row.address),
            base.Fact(label=_("Correo de soporte"), value=formatting.support(issuer=row)),
            base.Fact(label=_("Código de serie"), value=cells.mono(row.code)),
            base.Fact(label=_("Identificador"), value=cells.mono(row.slug)),
            base.Fact(label=_("Logotipo"), value=_("sí") if row.logo else _("no")),
        ]
        series = base.Card(
            title=_("Series"),
            heads=(_("Serie"), _("Tipo"), _("Siguiente"), _("Rango usado")),
            rows=[
                (cells.link(each, mono_face=True), kind_label(each.kind), f"{each.next}", used(each))
                for each in Series.objects.filter(issuer=row).order_by("-year", "kind")[:100]
            ],
            numeric=(2,),
            empty=_("Aún no se ha abierto ninguna serie."),
        )
        changes = rights.may(request=request, right=issuer_changes.DECIDES)
        resumes = valve_of(row).paused_at is not None and rights.may(request=request, right="resume_issuing")
        return {
            "badges": [issuing_state(row)],
            "actions": [
                *([{"url": "resume/", "label": _("Reanudar la emisión")}] if resumes else []),
                *(issuer_changes.actions(row) if changes else []),
            ],
            "cards": [
                _issuing(row),
                base.Card(title=_("Emisor"), facts=facts),
                series,
                issuer_changes.history(row),
                *([parties.newest(request=request, issuer=row)] if rights.may(request=request, right="see") else []),
            ],
            "timeline": timeline.lines(request=request, object_ids=[row.slug]),
            "whole_log": rights.may(request=request, right="audit"),
        }


def kind_label(kind: str) -> str:
    """Return the label of a kind."""
    return str(Kind(kind).label) if kind in Kind.values else kind


def used(row: Series) -> "SafeString":
    """Draw how much of an authorised range is used; without a limit there is nothing to draw."""
    used_count = row.next - row.first
    if row.last is None:
        return format_html('<span class="dc-quiet">{} · {}</span>', used_count, _("sin límite"))
    percent = 100 * used_count // (row.last - row.first + 1)
    tone = "warn" if percent >= FULL_AT_PERCENT else "good"
    return format_html(
        '<span class="dc-meter dc-{}"><meter min="0" max="100" high="{}" value="{}" aria-label="{}">'
        "</meter> {} %</span>",
        tone,
        FULL_AT_PERCENT,
        percent,
        _("rango usado"),
        percent,
    )


@admin.register(Series, site=site)
class SeriesAdmin(base.DocumentCenterAdmin[Series]):
    """The legal sequences and how much of each range is used."""

    key, checked_scope = "pk", "issuer__country_id"
    ordering = ("-year", "code")
    list_display = ("code_cell", "issuer_cell", "kind_cell", "year", "next_cell", "used_cell", "authority_reference")
    list_select_related = ("issuer",)

    @admin.display(description=_("serie"))
    def code_cell(self, row: Series) -> "SafeString | str":
        """Write the code."""
        return cells.mono(row.code)

    @admin.display(description=_("emisor"))
    def issuer_cell(self, row: Series) -> str:
        """Write the issuer."""
        return row.issuer.legal_name

    @admin.display(description=_("tipo"))
    def kind_cell(self, row: Series) -> str:
        """Write the kind."""
        return kind_label(row.kind)

    @admin.display(description=_("siguiente"))
    def next_cell(self, row: Series) -> "SafeString":
        """Write the next number."""
        return format_html('<span class="dc-amount">{}</span>', row.next)

    @admin.display(description=_("rango usado"))
    def used_cell(self, row: Series) -> "SafeString":
        """Draw the range."""
        return used(row)

    def detail(self, *, request: HttpRequest, row: Series) -> dict[str, Any]:
        """Return a series' page."""
        facts = [
            base.Fact(label=_("Serie"), value=cells.mono(row.code)),
            base.Fact(label=_("Emisor"), value=cells.link(row.issuer)),
            base.Fact(label=_("Tipo"), value=kind_label(row.kind)),
            base.Fact(label=_("Año"), value=f"{row.year}"),
            base.Fact(label=_("Primero"), value=f"{row.first}"),
            base.Fact(label=_("Último autorizado"), value=f"{row.last}" if row.last else _("sin límite")),
            base.Fact(label=_("Siguiente"), value=f"{row.next}"),
            base.Fact(label=_("Rango usado"), value=used(row)),
            base.Fact(label=_("Válida desde"), value=cells.day(row.valid_from)),
            base.Fact(label=_("Válida hasta"), value=cells.day(row.valid_until)),
            base.Fact(label=_("Referencia de la autoridad"), value=row.authority_reference or cells.NOTHING),
        ]
        return {
            "badges": [],
            "cards": [base.Card(title=_("Serie"), facts=facts), parties.newest(request=request, series=row)],
        }

    def rows(self, *, request: HttpRequest) -> "QuerySet[Series]":
        """Join the issuer."""
        return super().rows(request=request).select_related("issuer").defer("issuer__logo")
