"""Discrepancies and alerts: what needs a person, and who takes care of it."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audit.actions import Action
from documents.admin import base, cells, confirm, filters, rights, timeline
from documents.admin.site import site
from documents.alerts import catalog, channel, incidents, owners
from documents.emission import valve
from documents.models import Alert, Discrepancy, Issuer, Resolution

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.utils.functional import _StrPromise
    from django.utils.safestring import SafeString


def _resolution(row: Discrepancy) -> str:
    """Write why it was resolved: a reason of ours by its name, a person's as it was written."""
    ours = row.resolution in Resolution.values
    return str(Resolution(row.resolution).label) if ours else row.resolution


@admin.register(Discrepancy, site=site)
class DiscrepancyAdmin(base.DocumentCenterAdmin[Discrepancy]):
    """Two records that differ, until a later document or a person resolves the difference."""

    checked_scope = "country_id"
    list_display = ("code_cell", "state_cell", "document_cell", "event_cell", "country_cell", "opened_cell")
    list_display_links = ("code_cell",)
    list_select_related = ("document", "event")
    list_filter = (filters.Unresolved, filters.CountryInScope)

    def rows(self, *, request: HttpRequest) -> "QuerySet[Discrepancy]":
        """Join document and event, without their bodies."""
        return (
            super().rows(request=request).select_related("document", "event").defer("document__content", "event__body")
        )

    @admin.display(description=_("discrepancia"))
    def code_cell(self, row: Discrepancy) -> "SafeString":
        """Write code and id."""
        return format_html(
            '<span class="dc-two"><span>{}</span>{}</span>', row.code, cells.mono(row.public_id, short=16)
        )

    @admin.display(description=_("situación"))
    def state_cell(self, row: Discrepancy) -> "SafeString":
        """Write open or resolved."""
        return cells.state("RESOLVED" if row.resolved_at else "OPEN")

    @admin.display(description=_("documento"))
    def document_cell(self, row: Discrepancy) -> "SafeString | str":
        """Link the document."""
        return cells.link(row.document, mono_face=True)

    @admin.display(description=_("evento"))
    def event_cell(self, row: Discrepancy) -> "SafeString | str":
        """Link the event."""
        return cells.link(row.event, text=row.event.type) if row.event else cells.NOTHING

    @admin.display(description=_("país"))
    def country_cell(self, row: Discrepancy) -> str:
        """Write the country's code."""
        return row.country_id or cells.NOTHING

    @admin.display(description=_("abierta"))
    def opened_cell(self, row: Discrepancy) -> "SafeString | str":
        """Write since when."""
        return cells.moment(row.opened_at)

    def detail(self, *, request: HttpRequest, row: Discrepancy) -> dict[str, Any]:
        """Return a discrepancy's page: both records side by side."""
        unmasked = rights.may(request=request, right="reveal")
        facts = [
            base.Fact(label=_("Código"), value=cells.mono(row.code)),
            base.Fact(label=_("Documento"), value=self.document_cell(row)),
            base.Fact(label=_("Evento"), value=self.event_cell(row)),
            base.Fact(label=_("País"), value=self.country_cell(row)),
            base.Fact(label=_("Abierta"), value=cells.moment(row.opened_at)),
            base.Fact(label=_("Resuelta"), value=cells.moment(row.resolved_at)),
            base.Fact(label=_("Resolución"), value=_resolution(row) or cells.NOTHING, wide=True),
        ]
        facts_card = base.Card(
            title=_("Hechos"),
            heads=(_("Dato"), _("Valor")),
            rows=[(name, cells.mono(value)) for name, value in sorted(row.facts.items())] if unmasked else (),
            empty=_("Sin hechos que mostrar.")
            if unmasked
            else _("Solo finanzas, cumplimiento y auditoría ven los datos en bruto."),
            wide=True,
        )
        return {
            "badges": [self.state_cell(row)],
            "cards": [base.Card(title=_("Resumen"), facts=facts), facts_card],
            "timeline": timeline.lines(request=request, object_ids=[row.public_id]),
            "whole_log": rights.may(request=request, right="audit"),
        }


def situation(row: Alert) -> str:
    """Return the state of an alert."""
    if row.resolved_at:
        return "RESOLVED"
    return "ACKNOWLEDGED" if row.acknowledged_at else "OPEN"


def _ends_by_hand(alert: Alert) -> bool:
    """Tell whether a person ends an alert of its kind."""
    row = catalog.ALERTS.get(alert.code)
    return row is not None and row.ends_by_hand


def _not_resolved_by_hand(alert: Alert) -> "_StrPromise | str":
    """Say why a person does not resolve an alert."""
    by_hand = _ends_by_hand(alert)
    return "" if by_hand else _("Esta alerta se resuelve sola cuando termina su causa.")


def _resolve(made: confirm.Confirmed[Alert]) -> bool:
    """Resolve an alert that nothing else resolves; False where it is resolved already, or is not a person's to."""
    if made.row.resolved_at or _not_resolved_by_hand(made.row):
        return False
    return incidents.resolve_alert(dedup_key=made.row.dedup_key, actor=made.actor, reason=made.reason)


# TABLE: what is asked about an alert before it is done.
CONFIRMATIONS: "Mapping[str, confirm.Confirmation[Alert]]" = {
    "acknowledge": confirm.Confirmation(
        title=_("Reconocer la alerta"),
        text=_(
            "Tu nombre queda en la alerta como quien se ocupa. La alerta sigue abierta hasta que se resuelva su causa."
        ),
        submit=_("Reconocer"),
        right="acknowledge",
        audit=Action.ALERT_ACKNOWLEDGED,
        form=confirm.no_form,
        act=lambda made: incidents.acknowledge(alert=made.row, user=made.user, actor=made.actor, now=made.now),
        done=_("La alerta es tuya: queda anotado quién y cuándo."),
        not_now=_("Alguien la había reconocido ya."),
    ),
    "resolve": confirm.Confirmation(
        title=_("Resolver la alerta"),
        text=_("Nadie más la cierra: hazlo cuando la causa haya terminado. Tu motivo queda en la bitácora."),
        submit=_("Resolver"),
        right="acknowledge",
        audit=Action.ALERT_RESOLVED,
        act=_resolve,
        done=_("Alerta resuelta: queda anotado quién y por qué."),
        not_now=_("Esta alerta ya no está abierta."),
        blocked=_not_resolved_by_hand,
    ),
}


def _owner(row: Alert) -> str:
    """Write who takes care of an alert of its kind first."""
    known = catalog.ALERTS.get(row.code)
    if known is None:
        return cells.NOTHING
    owner = owners.OWNERS[known.owner]
    return owner.en if cells.locale() == "en" else owner.es


def _about(row: Alert) -> "SafeString | str":
    """Write what an alert is about; an issuer is linked, because its page is where it is resumed."""
    issuer = Issuer.objects.filter(slug=row.object_id).defer("logo").first() if row.code == valve.PAUSED else None
    return cells.link(issuer, text=row.object_id) if issuer else cells.mono(row.object_id)


@admin.register(Alert, site=site)
class AlertAdmin(base.DocumentCenterAdmin[Alert]):
    """One row per incident; alerts have no country: all staff who see documents see them."""

    list_display = (
        "severity_cell",
        "code_cell",
        "detail_cell",
        "state_cell",
        "count",
        "opened_cell",
        "seen_cell",
        "runbook_cell",
    )
    list_display_links = ("code_cell",)
    list_filter = (filters.Unresolved, filters.Severity)

    def scoped(self, *, request: HttpRequest, rows: "QuerySet[Alert]") -> "QuerySet[Alert]":
        """Return every row: an alert names codes and ids, never personal data."""
        return rows

    def rows(self, *, request: HttpRequest) -> "QuerySet[Alert]":
        """Join who acknowledged the alert."""
        return super().rows(request=request).select_related("acknowledged_by")

    def pages(self) -> "Mapping[str, base.RowPage]":
        """Add the pages on which an alert is acknowledged, and resolved where nothing else does that."""
        return {name: row.page(self) for name, row in CONFIRMATIONS.items()}

    @admin.display(description=_("gravedad"))
    def severity_cell(self, row: Alert) -> "SafeString":
        """Write P1 or P2."""
        return cells.state(row.severity)

    @admin.display(description=_("alerta"))
    def code_cell(self, row: Alert) -> "SafeString | str":
        """Write the code."""
        return cells.mono(row.code)

    @admin.display(description=_("detalle"))
    def detail_cell(self, row: Alert) -> "SafeString":
        """Write the detail on one line, whole in its title."""
        text = channel.sentence(alert=row, language=cells.locale())
        return format_html('<span class="dc-clip" title="{}">{}</span>', text, text)

    @admin.display(description=_("situación"))
    def state_cell(self, row: Alert) -> "SafeString":
        """Write the state."""
        return cells.state(situation(row))

    @admin.display(description=_("abierta"))
    def opened_cell(self, row: Alert) -> "SafeString | str":
        """Write since when."""
        return cells.moment(row.opened_at)

    @admin.display(description=_("guía"))
    def runbook_cell(self, row: Alert) -> "SafeString":
        """Link the runbook: the same page and anchor as in the alert that was sent."""
        return format_html(
            '<a class="dc-link dc-mono" href="{}">{}</a>',
            channel.runbook_path(runbook=row.runbook),
            row.runbook.rpartition("/")[2],
        )

    @admin.display(description=_("última vez"))
    def seen_cell(self, row: Alert) -> "SafeString | str":
        """Write when it last happened."""
        return cells.moment(row.last_seen_at)

    def detail(self, *, request: HttpRequest, row: Alert) -> dict[str, Any]:
        """Return an alert's page."""
        acknowledged_by = row.acknowledged_by.get_username() if row.acknowledged_by else cells.NOTHING
        facts = [
            base.Fact(label=_("Código"), value=cells.mono(row.code)),
            base.Fact(label=_("Gravedad"), value=self.severity_cell(row)),
            base.Fact(label=_("Detalle"), value=channel.sentence(alert=row, language=cells.locale()), wide=True),
            base.Fact(
                label=_("Mientras tanto"),
                value=channel.meanwhile(code=row.code, language=cells.locale()) or cells.NOTHING,
                wide=True,
            ),
            base.Fact(label=_("Se ocupa"), value=_owner(row)),
            base.Fact(label=_("Objeto"), value=_about(row)),
            base.Fact(label=_("Guía"), value=self.runbook_cell(row)),
            base.Fact(label=_("Veces"), value=row.count),
            base.Fact(label=_("Abierta"), value=cells.moment(row.opened_at)),
            base.Fact(label=_("Última vez"), value=cells.moment(row.last_seen_at)),
            base.Fact(label=_("Avisada"), value=cells.moment(row.sent_at)),
            base.Fact(label=_("Reconocida"), value=cells.moment(row.acknowledged_at)),
            base.Fact(label=_("Reconocida por"), value=acknowledged_by),
            base.Fact(label=_("Resuelta"), value=cells.moment(row.resolved_at)),
        ]
        acts = not row.resolved_at and rights.may(request=request, right="acknowledge")
        actions = []
        if acts and not row.acknowledged_at:
            actions = [{"url": "acknowledge/", "label": _("Reconocer")}]
        elif acts and _ends_by_hand(row):
            actions = [{"url": "resolve/", "label": _("Resolver")}]
        return {
            "badges": [self.severity_cell(row), self.state_cell(row)],
            "cards": [base.Card(title=_("Alerta"), facts=facts)],
            "actions": actions,
            "timeline": timeline.lines(request=request, object_ids=[row.public_id]),
            "whole_log": rights.may(request=request, right="audit"),
        }
