"""Parties: whose documents they are."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Value
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from audit.actions import Action
from documents.admin import base, cells, confirm, hold_forms, rights, timeline
from documents.admin.site import site
from documents.custody import legal_holds
from documents.models import Document, Party

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.utils.safestring import SafeString
    from django_stubs_ext import WithAnnotations

NEWEST_MAX = 20


def newest(*, request: HttpRequest, **condition: object) -> base.Card:
    """Return the newest documents of a condition within the caller's scope."""
    rows = (
        rights.documents(request=request)
        .filter(**condition)
        .order_by("-pk")
        .only("public_id", "country_id", "number", "kind", "currency", "total_minor", "status", "issued_at")[
            :NEWEST_MAX
        ]
    )
    return base.Card(
        title=_("Documentos más recientes"),
        heads=(_("Número"), _("Tipo"), _("Importe"), _("Estado"), _("Emitido")),
        rows=[
            (
                cells.link(row, mono_face=True),
                row.get_kind_display(),
                cells.amount(minor=row.total_minor, currency=row.currency),
                cells.state(row.status),
                cells.moment(row.issued_at),
            )
            for row in rows
        ],
        numeric=(2,),
        empty=_("Aún no hay documentos."),
        wide=True,
    )


# TABLE: what is asked about a party before it is done.
CONFIRMATIONS: "Mapping[str, confirm.Confirmation[Party]]" = {
    "hold": confirm.Confirmation(
        title=_("Aplicar un legal hold al titular"),
        text=_(
            "Nada de lo que cubre puede eliminarse, aunque cumpla su plazo, hasta que dos personas lo retiren o venza."
        ),
        submit=_("Aplicar legal hold"),
        right=legal_holds.DECIDES,
        audit=Action.HOLD_SET,
        form=hold_forms.party_form,
        act=hold_forms.over_party,
        done=_("Legal hold aplicado: también cubre lo que se emita más adelante en ese periodo."),
        not_now=_("Ese asunto ya lo cubre, o su retirada está propuesta."),
    ),
}


@admin.register(Party, site=site)
class PartyAdmin(base.DocumentCenterAdmin[Party]):
    """The parties that own a document in the caller's countries; support sees their names masked."""

    listed = viewed = Action.PARTY_VIEWED
    list_display = ("platform_cell", "name_cell", "tax_cell", "email_cell", "locale", "seen_cell")
    list_display_links = ("platform_cell",)
    search_fields = ("platform_id",)
    search_help_text = _("Pega un id de la plataforma o pty_…")

    def scoped(self, *, request: HttpRequest, rows: "QuerySet[Party]") -> "QuerySet[Party]":
        """Return the parties with a document in the caller's countries."""
        if rights.everywhere(request=request):
            return rows
        return rows.filter(
            Exists(Document.objects.filter(owner=OuterRef("pk"), country__in=rights.countries(request=request)))
        )

    def pages(self) -> "Mapping[str, base.RowPage]":
        """Add the page on which a legal hold is set over a party."""
        return {name: row.page(self) for name, row in CONFIRMATIONS.items()}

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Party]", search_term: str
    ) -> "tuple[QuerySet[Party], bool]":
        """Search for exactly this term; names are not searched, they would need an index of their own."""
        term = search_term.strip()[:64]
        if not term:
            return queryset, False
        return queryset.filter(**{"public_id" if term.startswith("pty_") else "platform_id": term}), False

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Party]":
        """Mark each row as masked or not."""
        rows = super().get_queryset(request)
        marked: QuerySet[Party] = rows.annotate(masked=Value(rights.masked(request=request)))
        return marked

    @admin.display(description=_("nombre legal"))
    def name_cell(self, row: "WithAnnotations[Party, cells.Masked]") -> str:
        """Write the name, masked for support."""
        return cells.mask_name(row.legal_name) if row.masked else row.legal_name

    @admin.display(description=_("identificación fiscal"))
    def tax_cell(self, row: "WithAnnotations[Party, cells.Masked]") -> "SafeString | str":
        """Write the tax id, masked for support."""
        return cells.mono(cells.mask_end(row.tax_id) if row.masked else row.tax_id)

    @admin.display(description=_("correo"))
    def email_cell(self, row: "WithAnnotations[Party, cells.Masked]") -> str:
        """Write the address, masked for support."""
        return (cells.mask_email(row.email) if row.masked else row.email) or cells.NOTHING

    @admin.display(description=_("id de la plataforma"))
    def platform_cell(self, row: Party) -> "SafeString | str":
        """Write the platform's id."""
        return cells.mono(row.platform_id)

    @admin.display(description=_("visto desde"))
    def seen_cell(self, row: Party) -> "SafeString | str":
        """Write when the first event named the party."""
        return cells.moment(row.first_seen_at)

    def detail(self, *, request: HttpRequest, row: Party) -> dict[str, Any]:
        """Return a party's page."""
        hidden = rights.masked(request=request)
        facts = [
            base.Fact(label=_("Nombre legal"), value=cells.mask_name(row.legal_name) if hidden else row.legal_name),
            base.Fact(label=_("Id de plataforma"), value=cells.mono(row.platform_id)),
            base.Fact(
                label=_("Identificación fiscal"), value=cells.mono(cells.mask_end(row.tax_id) if hidden else row.tax_id)
            ),
            base.Fact(label=_("Tipo de identificación"), value=row.tax_id_type or cells.NOTHING),
            base.Fact(label=_("Correo"), value=(cells.mask_email(row.email) if hidden else row.email) or cells.NOTHING),
            base.Fact(label=_("Idioma"), value=row.locale),
            base.Fact(label=_("Nombre desde"), value=cells.moment(row.named_at)),
            base.Fact(label=_("Contacto desde"), value=cells.moment(row.contact_at)),
            base.Fact(label=_("Visto desde"), value=cells.moment(row.first_seen_at)),
        ]
        holds = rights.may(request=request, right=legal_holds.DECIDES)
        return {
            "badges": [],
            "actions": [{"url": "hold/", "label": _("Aplicar legal hold")}] if holds else [],
            "cards": [base.Card(title=_("Titular"), facts=facts), newest(request=request, owner=row)],
            "timeline": timeline.lines(
                request=request, object_ids=[row.public_id, *row.notices.values_list("public_id", flat=True)]
            ),
            "whole_log": rights.may(request=request, right="audit"),
        }
