"""The pages of payouts and settlements in the Document Center."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from documents.admin import base, cells, filters
from documents.admin.site import site
from payouts.models import Payout, Settlement

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.utils.safestring import SafeString

SETTLED_MAX = 200


class SentFilter(filters.Recent):
    """The filter by when the money was sent."""

    title, parameter_name, column = _("enviado"), "sent", "sent_at"


@admin.register(Payout, site=site)
class PayoutAdmin(base.DocumentCenterAdmin[Payout]):
    """The transfers of the caller's countries, newest first."""

    key, checked_scope = "pk", "country_id"
    list_display = (
        "id_cell",
        "payee_cell",
        "issuer_cell",
        "country_cell",
        "amount_cell",
        "state_cell",
        "statement_cell",
        "sent_cell",
    )
    list_display_links = ("id_cell",)
    list_select_related = ("payee", "issuer", "statement")
    list_filter = ("state", filters.CountryInScope, SentFilter)
    search_fields = ("payout_id",)
    search_help_text = _("Pega un id de pago o de beneficiario")

    def rows(self, *, request: HttpRequest) -> "QuerySet[Payout]":
        """Join payee, issuer and statement, without what the statement prints."""
        related = ("payee", "issuer", "country", "statement", "event")
        return (
            super()
            .rows(request=request)
            .select_related(*related)
            .defer("statement__content", "issuer__logo", "event__body")
        )

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Payout]", search_term: str
    ) -> "tuple[QuerySet[Payout], bool]":
        """Look a term up exactly: the payout's id, else the payee's."""
        term = search_term.strip()[:64]
        if not term:
            return queryset, False
        known = queryset.filter(payout_id=term)
        return (known if known.exists() else queryset.filter(payee__platform_id=term)), False

    @admin.display(description=_("pago"))
    def id_cell(self, row: Payout) -> "SafeString | str":
        """Write the platform's id."""
        return cells.mono(row.payout_id)

    @admin.display(description=_("beneficiario"))
    def payee_cell(self, row: Payout) -> "SafeString | str":
        """Write the payee's id."""
        return cells.mono(row.payee.platform_id)

    @admin.display(description=_("emisor"))
    def issuer_cell(self, row: Payout) -> str:
        """Write the issuer."""
        return row.issuer.legal_name

    @admin.display(description=_("país"))
    def country_cell(self, row: Payout) -> str:
        """Write the country's code."""
        return row.country_id

    @admin.display(description=_("importe"))
    def amount_cell(self, row: Payout) -> "SafeString":
        """Write what was transferred."""
        return cells.amount(minor=row.amount_minor, currency=row.currency)

    @admin.display(description=_("estado"))
    def state_cell(self, row: Payout) -> "SafeString":
        """Write what became of it."""
        return cells.state(row.state)

    @admin.display(description=_("comprobante"))
    def statement_cell(self, row: Payout) -> "SafeString | str":
        """Link the statement."""
        return cells.link(row.statement, mono_face=True)

    @admin.display(description=_("enviado"))
    def sent_cell(self, row: Payout) -> "SafeString | str":
        """Write when it was sent."""
        return cells.moment(row.sent_at)

    def detail(self, *, request: HttpRequest, row: Payout) -> dict[str, Any]:
        """Return a payout's page, with what it settles."""
        facts = [
            base.Fact(label=_("Beneficiario"), value=cells.link(row.payee, mono_face=True)),
            base.Fact(label=_("Emisor"), value=cells.link(row.issuer)),
            base.Fact(label=_("País"), value=cells.country(row.country_id)),
            base.Fact(label=_("Importe"), value=self.amount_cell(row)),
            base.Fact(label=_("Saldo inicial"), value=cells.amount(minor=row.opening_minor, currency=row.currency)),
            base.Fact(label=_("Saldo final"), value=cells.amount(minor=row.closing_minor, currency=row.currency)),
            base.Fact(label=_("Enviado"), value=cells.moment(row.sent_at)),
            base.Fact(label=_("Sin efecto desde"), value=cells.moment(row.returned_at)),
            base.Fact(label=_("Comprobante"), value=self.statement_cell(row)),
            base.Fact(label=_("Evento"), value=cells.link(row.event, text=row.event.type)),
        ]
        settled = (
            Settlement.objects.filter(payout=row).select_related("document").defer("document__content").order_by("pk")
        )
        card = base.Card(
            title=_("Partidas pagadas"),
            heads=(_("Documento"), _("Asunto"), _("Importe"), _("Vigente")),
            rows=[
                (
                    cells.link(settlement.document, mono_face=True),
                    cells.mono(settlement.document.subject),
                    cells.amount(minor=settlement.amount_minor, currency=row.currency),
                    effective(settlement),
                )
                for settlement in settled[:SETTLED_MAX]
            ],
            numeric=(2,),
            empty=_("No liquida ningún documento."),
            wide=True,
        )
        return {"badges": [self.state_cell(row)], "cards": [base.Card(title=_("Pago"), facts=facts), card]}


def effective(row: Settlement) -> "SafeString":
    """Say whether a settlement still counts."""
    return (
        cells.state("ok", text=str(_("Sí")))
        if row.effective
        else cells.state("CLOSED", text=str(_("No: el pago falló o volvió")))
    )


@admin.register(Settlement, site=site)
class SettlementAdmin(base.DocumentCenterAdmin[Settlement]):
    """What each payout settles of each document."""

    key, checked_scope = "pk", "payout__country_id"
    list_display = ("document_cell", "payout_cell", "amount_cell", "effective_cell", "sent_cell")
    list_display_links = None
    list_select_related = ("document", "payout")

    def rows(self, *, request: HttpRequest) -> "QuerySet[Settlement]":
        """Join document and payout."""
        return super().rows(request=request).select_related("document", "payout").defer("document__content")

    @admin.display(description=_("documento"))
    def document_cell(self, row: Settlement) -> "SafeString | str":
        """Link the document."""
        return cells.link(row.document, mono_face=True)

    @admin.display(description=_("pago"))
    def payout_cell(self, row: Settlement) -> "SafeString | str":
        """Link the payout."""
        return cells.link(row.payout, mono_face=True)

    @admin.display(description=_("importe"))
    def amount_cell(self, row: Settlement) -> "SafeString":
        """Write how much."""
        return cells.amount(minor=row.amount_minor, currency=row.payout.currency)

    @admin.display(description=_("vigente"))
    def effective_cell(self, row: Settlement) -> "SafeString":
        """Say whether it still counts."""
        return effective(row)

    @admin.display(description=_("enviado"))
    def sent_cell(self, row: Settlement) -> "SafeString | str":
        """Write when the money was sent."""
        return cells.moment(row.payout.sent_at)

    def detail(self, *, request: HttpRequest, row: Settlement) -> dict[str, Any]:
        """Return one settlement's page."""
        facts = [
            base.Fact(label=_("Documento"), value=self.document_cell(row)),
            base.Fact(label=_("Pago"), value=self.payout_cell(row)),
            base.Fact(label=_("Importe"), value=self.amount_cell(row)),
            base.Fact(label=_("Vigente"), value=effective(row)),
        ]
        return {"badges": [], "cards": [base.Card(title=_("Partida pagada"), facts=facts)]}
