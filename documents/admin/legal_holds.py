"""Legal holds in the Document Center: the matters, what each covers, and how two people end one."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from audit.actions import Action
from documents.admin import base, cells, confirm, filters, hold_forms, issuers, parties, rights, timeline
from documents.admin.site import site
from documents.custody import legal_holds
from documents.models import HoldScope, HoldState, LegalHold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import QuerySet
    from django.utils.functional import _StrPromise
    from django.utils.safestring import SafeString

SCOPES_MAX = 200


def _not_requested(row: LegalHold) -> "_StrPromise | str":
    """Say why there is nothing to approve."""
    return "" if row.state == HoldState.RELEASE_REQUESTED else _("Nadie ha propuesto retirarlo.")


def _not_live(row: LegalHold) -> "_StrPromise | str":
    """Say why the end of a matter is not asked for."""
    return "" if row.state == HoldState.SET else _("Su retirada ya está propuesta o hecha.")


def _cards(row: LegalHold) -> "Sequence[base.Card]":
    return [_summary(row)]


# TABLE: what is asked about a matter before it is done.
CONFIRMATIONS: "Mapping[str, confirm.Confirmation[LegalHold]]" = {
    "request": confirm.Confirmation(
        title=_("Proponer la retirada"),
        text=_("Nada cambia hasta que otra persona de cumplimiento la apruebe: los documentos siguen protegidos."),
        submit=_("Proponer la retirada"),
        right=legal_holds.DECIDES,
        audit=Action.HOLD_RELEASE_REQUESTED,
        act=lambda made: legal_holds.request_release(hold=made.row, by=hold_forms.decider(made)),
        done=_("Propuesta anotada: la tiene que aprobar otra persona de cumplimiento."),
        not_now=_("Su retirada ya está propuesta o hecha."),
        cards=_cards,
        blocked=_not_live,
        grave=True,
    ),
    "approve": confirm.Confirmation(
        title=_("Aprobar la retirada"),
        text=_(
            "El asunto deja de proteger sus documentos, salvo los que proteja otro. Los que hayan cumplido su plazo "
            "podrán eliminarse."
        ),
        submit=_("Aprobar y retirar"),
        right=legal_holds.DECIDES,
        audit=Action.HOLD_RELEASED,
        act=lambda made: legal_holds.approve_release(hold=made.row, by=hold_forms.decider(made)),
        done=_("Legal hold retirado: queda anotado quién lo propuso y quién lo aprobó."),
        not_now=_("Nadie ha propuesto retirarlo."),
        cards=_cards,
        blocked=_not_requested,
        danger=True,
        grave=True,
    ),
    "withdraw": confirm.Confirmation(
        title=_("Anular la propuesta"),
        text=_(
            "El asunto sigue vigente, como si nadie hubiera propuesto retirarlo. La propuesta queda en la bitácora."
        ),
        submit=_("Anular la propuesta"),
        right=legal_holds.DECIDES,
        audit=Action.HOLD_RELEASE_WITHDRAWN,
        act=lambda made: legal_holds.withdraw_release(hold=made.row, by=hold_forms.decider(made)),
        done=_("El legal hold sigue vigente."),
        not_now=_("Nadie ha propuesto retirarlo."),
        cards=_cards,
        blocked=_not_requested,
    ),
}


def _summary(row: LegalHold) -> base.Card:
    """Return the matter, and who has taken which step."""
    facts = [
        base.Fact(label=_("Asunto legal"), value=row.reference),
        base.Fact(label=_("País"), value=cells.country(row.country_id)),
        base.Fact(label=_("Situación"), value=cells.state(row.state)),
        base.Fact(label=_("Aplicado por"), value=row.set_by.get_username()),
        base.Fact(label=_("Aplicado el"), value=cells.moment(row.set_at)),
        base.Fact(
            label=_("Vigente hasta"),
            value=cells.day(row.hold_until) if row.hold_until else _("que dos personas lo retiren"),
        ),
        base.Fact(label=_("Motivo"), value=row.reason, wide=True),
    ]
    if row.ended_at:
        facts.append(base.Fact(label=_("Vencido el"), value=cells.moment(row.ended_at)))
    if row.requested_by:
        facts += [
            base.Fact(label=_("Retirada propuesta por"), value=row.requested_by.get_username()),
            base.Fact(label=_("Retirada propuesta el"), value=cells.moment(row.requested_at)),
            base.Fact(label=_("Motivo de la retirada"), value=row.release_reason, wide=True),
        ]
    if row.released_by:
        facts += [
            base.Fact(label=_("Retirado por"), value=row.released_by.get_username()),
            base.Fact(label=_("Retirado el"), value=cells.moment(row.released_at)),
            base.Fact(label=_("Motivo de la aprobación"), value=row.approval, wide=True),
        ]
    return base.Card(title=_("Resumen"), facts=facts)


def _scopes(row: LegalHold) -> base.Card:
    """Return what the matter covers."""
    scopes = row.scopes.select_related("document", "party").defer("document__content").order_by("pk")
    return base.Card(
        title=_("Alcance"),
        heads=(_("Documento o titular"), _("Emitidos desde"), _("Emitidos hasta"), _("Tipos"), _("Añadido el")),
        rows=[_scope(scope) for scope in scopes[:SCOPES_MAX]],
        wide=True,
    )


def _scope(scope: HoldScope) -> "Sequence[object]":
    """Write one scope."""
    if scope.document:
        return cells.link(scope.document, mono_face=True), *[cells.NOTHING] * 3, cells.moment(scope.added_at)
    kinds = ", ".join(issuers.kind_label(kind) for kind in scope.kinds)
    return (
        cells.link(scope.party, text=scope.party.platform_id if scope.party else ""),
        cells.day(scope.first_date) if scope.first_date else _("desde siempre"),
        cells.day(scope.last_date) if scope.last_date else _("sin fin"),
        kinds or _("todos"),
        cells.moment(scope.added_at),
    )


@admin.register(LegalHold, site=site)
class LegalHoldAdmin(base.DocumentCenterAdmin[LegalHold]):
    """The matters of the caller's countries, for those who may read the log."""

    right, checked_scope = "audit", "country_id"
    empty_note = _("Ningún asunto protege documentos. Se aplican desde la página de un documento o de un titular.")
    list_display = ("reference", "state_cell", "country_cell", "set_by_cell", "set_cell", "until_cell", "released_cell")
    list_display_links = ("reference",)
    list_filter = ("state", filters.CountryInScope)

    def rows(self, *, request: HttpRequest) -> "QuerySet[LegalHold]":
        """Join the country and the people."""
        return super().rows(request=request).select_related("country", "set_by", "requested_by", "released_by")

    def pages(self) -> "Mapping[str, base.RowPage]":
        """Add the pages on which the end of a matter is asked for, approved and not wanted any more."""
        return {name: row.page(self) for name, row in CONFIRMATIONS.items()}

    @admin.display(description=_("situación"))
    def state_cell(self, row: LegalHold) -> "SafeString":
        """Write how far it is from its end."""
        return cells.state(row.state)

    @admin.display(description=_("país"))
    def country_cell(self, row: LegalHold) -> str:
        """Write the country's code."""
        return row.country_id

    @admin.display(description=_("aplicado por"))
    def set_by_cell(self, row: LegalHold) -> str:
        """Write who has set it."""
        return row.set_by.get_username()

    @admin.display(description=_("aplicado el"))
    def set_cell(self, row: LegalHold) -> "SafeString | str":
        """Write since when it holds."""
        return cells.moment(row.set_at)

    @admin.display(description=_("vigente hasta"))
    def until_cell(self, row: LegalHold) -> str:
        """Write the last day on which it holds, where it has one."""
        return cells.day(row.hold_until)

    @admin.display(description=_("retirado o vencido el"))
    def released_cell(self, row: LegalHold) -> "SafeString | str":
        """Write until when it held."""
        return cells.moment(row.released_at or row.ended_at)

    def detail(self, *, request: HttpRequest, row: LegalHold) -> dict[str, Any]:
        """Return the page of a matter: what it covers, its documents, and what may be done."""
        decides = rights.may(request=request, right=legal_holds.DECIDES)
        offered = {HoldState.SET: ("request",), HoldState.RELEASE_REQUESTED: ("approve", "withdraw")}
        names = offered.get(HoldState(row.state), ()) if decides else ()
        documents = legal_holds.covered_by(scopes=row.scopes.all(), rows=rights.documents(request=request))
        return {
            "badges": [cells.state(row.state)],
            "actions": [{"url": f"{name}/", "label": CONFIRMATIONS[name].title} for name in names],
            "cards": [
                _summary(row),
                _scopes(row),
                parties.newest(request=request, pk__in=documents.values("pk")),
            ],
            "timeline": timeline.lines(request=request, object_ids=[row.public_id]),
            "whole_log": True,
        }
