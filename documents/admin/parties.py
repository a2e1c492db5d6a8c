"""Parties, issuers and their series."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import Exists, OuterRef, Value
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audit.actions import Action
from documents.admin import base, cells, rights, timeline
from documents.admin.site import site
from documents.models import Document, Issuer, Kind, Party, Series

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.utils.safestring import SafeString
    from django_stubs_ext import WithAnnotations

NEWEST_MAX = 20
FULL_AT_PERCENT = 90


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
        return {
            "badges": [],
            "cards": [base.Card(title=_("Titular"), facts=facts), newest(request=request, owner=row)],
            "timeline": timeline.lines(
                request=request, object_ids=[row.public_id, *row.notices.values_list("public_id", flat=True)]
            ),
            "whole_log": rights.may(request=request, right="audit"),
        }


@admin.register(Issuer, site=site)
class IssuerAdmin(base.DocumentCenterAdmin[Issuer]):
    """In whose name documents are issued."""

    key, checked_scope = "pk", "country_id"
    ordering = ("slug",)
    list_display = ("legal_name", "code_cell", "country_cell", "tax_cell", "slug")
    list_select_related = ("country",)
    WANTED: ClassVar[tuple[str, ...]] = ("logo",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Issuer]":
        """Read no logos: the list does not show them."""
        return super().get_queryset(request).defer("logo")

    @admin.display(description=_("código de serie"))
    def code_cell(self, row: Issuer) -> "SafeString | str":
        """Write the code in its numbers."""
        return cells.mono(row.code)

    @admin.display(description=_("país"))
    def country_cell(self, row: Issuer) -> str:
        """Write the country."""
        return str(row.country)

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
        return {
            "badges": [],
            "cards": [base.Card(title=_("Emisor"), facts=facts), series, newest(request=request, issuer=row)],
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
        return {"badges": [], "cards": [base.Card(title=_("Serie"), facts=facts), newest(request=request, series=row)]}

    def rows(self, *, request: HttpRequest) -> "QuerySet[Series]":
        """Join the issuer."""
        return super().rows(request=request).select_related("issuer").defer("issuer__logo")
