"""The audit log as a list: for compliance and auditors only, newest first, never edited."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audit import labels, tree
from audit.actions import Action
from audit.models import Event
from documents.access import actors
from documents.admin import base, cells, filters, timeline
from documents.admin.site import site

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.utils.safestring import SafeString


class ByObject(filters.Choice):
    """By the first word of the action."""

    title, parameter_name = _("ámbito"), "about"
    CHOICES = (
        ("document", _("Documentos")),
        ("event", _("Eventos")),
        ("delivery", _("Entregas")),
        ("link", _("Enlaces")),
        ("access", _("Accesos")),
        ("session", _("Sesiones")),
        ("alert", _("Alertas")),
        ("discrepancy", _("Discrepancias")),
        ("party", _("Titulares")),
        ("payout", _("Pagos")),
        ("audit", _("Bitácora")),
    )

    def condition(self, *, value: str) -> Q:
        """Return the condition of one scope."""
        return Q(action__startswith=f"{value}.")


class ByOutcome(filters.Choice):
    """By what came of it."""

    title, parameter_name = _("resultado"), "outcome"
    CHOICES = (("ok", _("Correcto")), ("denied", _("Denegado")), ("failed", _("Fallido")))

    def condition(self, *, value: str) -> Q:
        """Return the condition of one outcome."""
        return Q(outcome=value)


class Happened(filters.Recent):
    """By the moment of the event."""

    title, parameter_name, column = _("momento"), "at", "at"


@admin.register(Event, site=site)
class AuditLogAdmin(base.DocumentCenterAdmin[Event]):
    """Who did what to which object, when, with what outcome."""

    right, key, plural = "audit", "pk", _("bitácora")
    listed = viewed = Action.AUDIT_VIEWED
    list_before_template = "admin/dc/seal_intro.html"
    list_display = (
        "at_cell",
        "words_cell",
        "outcome_cell",
        "object_cell",
        "actor_cell",
        "channel_cell",
        "request_cell",
    )
    list_display_links = ("words_cell",)
    list_filter = (ByObject, ByOutcome, Happened)
    search_fields = ("object_id",)
    search_help_text = _("Pega un id de objeto, de persona (usr_…) o de petición")

    def scoped(self, *, request: HttpRequest, rows: "QuerySet[Event]") -> "QuerySet[Event]":
        """Keep every row: who may read the log reads all of it."""
        return rows

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None, *, rows: "QuerySet[Event]"
    ) -> HttpResponse:
        """Say above the list how far the log is sealed."""
        head = tree.head()
        seal = {
            "seal_head": head,
            "seal_age_s": round((timezone.now() - head.at).total_seconds()) if head else 0,
            "seal_waiting": tree.unsealed()[0],
        }
        return super().changelist_view(request, {**(extra_context or {}), **seal}, rows=rows)

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Event]", search_term: str
    ) -> "tuple[QuerySet[Event], bool]":
        """Look a term up exactly: an actor, a request, an action, or an object."""
        term = search_term.strip()[:200]
        if not term:
            return queryset, False
        if term.startswith("req_"):
            return queryset.filter(request_id=term), False
        if term.startswith(actors.USER):
            return queryset.filter(actor_id=term), False
        if term in labels.LABELS:
            return queryset.filter(action=term), False
        return queryset.filter(object_id=term), False

    @admin.display(description=_("momento"))
    def at_cell(self, row: Event) -> "SafeString | str":
        """Write when."""
        return cells.moment(row.at)

    @admin.display(description=_("qué"))
    def words_cell(self, row: Event) -> "SafeString":
        """Say the action in words, and its name."""
        return format_html(
            '<span class="dc-two"><span>{}</span>{}</span>', labels.label(row.action), cells.mono(row.action)
        )

    @admin.display(description=_("resultado"))
    def outcome_cell(self, row: Event) -> "SafeString":
        """Write the outcome, and how many alike were counted in one."""
        label = str(cells.STATES[row.outcome][2]) if row.outcome in cells.STATES else row.outcome
        return cells.state(row.outcome, text=f"{label} ({row.count})" if row.count > 1 else label)

    @admin.display(description=_("objeto"))
    def object_cell(self, row: Event) -> "SafeString":
        """Write what it happened to."""
        return format_html(
            '<span class="dc-two"><span>{}</span>{}</span>', row.object_type, cells.mono(row.object_id, short=34)
        )

    @admin.display(description=_("quién"))
    def actor_cell(self, row: Event) -> "SafeString":
        """Write who."""
        kind = labels.ACTORS.get(row.actor_kind, row.actor_kind)
        return format_html('<span class="dc-two"><span>{}</span>{}</span>', kind, cells.mono(row.actor_id, short=20))

    @admin.display(description=_("canal"))
    def channel_cell(self, row: Event) -> str:
        """Write through which channel."""
        return str(labels.CHANNELS.get(row.channel, row.channel)) or cells.NOTHING

    @admin.display(description=_("petición"))
    def request_cell(self, row: Event) -> "SafeString | str":
        """Write the request's id."""
        return cells.mono(row.request_id, short=14)

    def detail(self, *, request: HttpRequest, row: Event) -> dict[str, Any]:
        """Return one event, its sealed part and what is left of the personal one."""
        names = timeline.user_names(events=[row])
        facts = [
            base.Fact(label=_("Qué"), value=labels.label(row.action)),
            base.Fact(label=_("Acción"), value=cells.mono(row.action)),
            base.Fact(label=_("Momento"), value=cells.moment(row.at)),
            base.Fact(label=_("Resultado"), value=self.outcome_cell(row)),
            base.Fact(label=_("Código"), value=cells.mono(row.code)),
            base.Fact(label=_("Objeto"), value=self.object_cell(row)),
            base.Fact(label=_("Quién"), value=timeline.actor(event=row, names=names)),
            base.Fact(label=_("Función"), value=row.role or cells.NOTHING),
            base.Fact(label=_("Clave"), value=cells.mono(row.key)),
            base.Fact(label=_("Servicio"), value=row.service or cells.NOTHING),
            base.Fact(label=_("Canal"), value=self.channel_cell(row)),
            base.Fact(label=_("Petición"), value=cells.mono(row.request_id)),
            base.Fact(label=_("Veces"), value=row.count),
            *(
                base.Fact(label=labels.FACTS[name], value=cells.mono(text), wide=True)
                for name, text in sorted(row.facts.items())
            ),
            base.Fact(
                label=_("Huella de los detalles"),
                value=cells.mono(bytes(row.details_digest).hex() if row.details_digest else ""),
                wide=True,
            ),
        ]
        details = base.Card(
            title=_("Detalles personales"),
            heads=(_("Dato"), _("Valor")),
            rows=timeline.details(row),
            empty=_("No los hay, o se borraron: la prueba no los necesita."),
            note=_("Se pueden borrar sin romper la prueba: la hoja sellada solo guarda su huella."),
        )
        return {"badges": [self.outcome_cell(row)], "cards": [base.Card(title=_("Hoja sellada"), facts=facts), details]}

    def rows(self, *, request: HttpRequest) -> "QuerySet[Event]":
        """Join the details while they are there."""
        return super().rows(request=request).select_related("detail")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Event]":
        """List the sealed part only."""
        return super().get_queryset(request).select_related(None)
