"""The list of documents, and the page of one with its actions."""

import functools
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import Value
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audit.actions import Action
from documents.admin import base, cells, document_actions, document_page, filters, rights, search
from documents.admin.site import site
from documents.custody import legal_holds
from documents.models import Document, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.utils.safestring import SafeString
    from django_stubs_ext import WithAnnotations

SHORT_KINDS = {
    "PAYMENT_RECEIPT": _("Recibo de pago"),
    "ORDER_FINAL_STATEMENT": _("Statement final"),
    "PAYOUT_STATEMENT": _("Liquidación"),
    "PAYOUT_REVERSAL_NOTICE": _("Pago devuelto"),
    "CREDIT_NOTE": _("Nota de crédito"),
}


@admin.register(Document, site=site)
class DocumentAdmin(base.DocumentCenterAdmin[Document]):
    """Documents of the caller's countries, newest first."""

    detail_template, checked_scope = "admin/dc/document.html", "country_id"
    listed, viewed = Action.DOCUMENT_LISTED, Action.DOCUMENT_VIEWED
    list_display = (
        "number_cell",
        "kind_cell",
        "owner_cell",
        "country_cell",
        "amount_cell",
        "state_cell",
        "payout_cell",
        "issued_cell",
    )
    list_display_links = ("number_cell",)
    list_select_related = ("owner",)
    list_filter = (
        filters.SavedView,
        "status",
        "kind",
        filters.CountryInScope,
        "payout_status",
        filters.Recent,
        filters.Between,
    )
    search_fields = ("number",)
    search_help_text = _("Pega un id, un número o una huella")
    WANTED: ClassVar[tuple[str, ...]] = (
        "public_id",
        "number",
        "kind",
        "country_id",
        "owner_id",
        "currency",
        "total_minor",
        "status",
        "payout_status",
        "issued_at",
        "owner__legal_name",
        "owner__platform_id",
    )

    def scoped(self, *, request: HttpRequest, rows: "QuerySet[Document]") -> "QuerySet[Document]":
        """Return the documents that `access` lets the caller see."""
        return rights.documents(request=request).order_by(*self.ordering)

    def pages(self) -> "Mapping[str, base.RowPage]":
        """Return the action pages of one document; they change something by POST only."""
        shown = {
            name: base.RowPage(
                view=functools.partial(row.view, self), right=row.right, audit=row.audit, methods=row.methods
            )
            for name, row in document_actions.BYTES.items()
        }
        return shown | {name: row.page(self) for name, row in document_actions.CONFIRMATIONS.items()}

    # --- the list ---
    def get_queryset(self, request: HttpRequest) -> "QuerySet[Document]":
        """Read only the columns that the list shows: `content` alone may be a megabyte."""
        listed: QuerySet[Document] = super().get_queryset(request).select_related(None).select_related("owner")
        masked = Value(rights.masked(request=request))
        marked: QuerySet[Document] = listed.only(*self.WANTED).annotate(masked=masked, on_hold=legal_holds.is_held())
        return marked

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Put the newest first, by the column of the span that was asked for, if there is one.

        The order by row id is nearly the same, but PostgreSQL would read all rows from today back to the span.
        """
        if any(request.GET.get(name) for name in (filters.Between.FIRST, filters.Between.LAST)):
            return ("-issue_date", "-pk")
        return ("-issued_at", "-pk") if request.GET.get(filters.Recent.parameter_name) else ("-pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Document]", search_term: str
    ) -> "tuple[QuerySet[Document], bool]":
        """Search for a term by its shape."""
        return (search.narrowed(rows=queryset, term=search_term) if search_term.strip() else queryset), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None, *, rows: "QuerySet[Document]"
    ) -> HttpResponse:
        """Show the list; a term that means exactly one document leads straight to it."""
        term = request.GET.get("q", "").strip()
        if request.method == "GET" and set(request.GET) == {"q"} and term:
            matches = search.narrowed(rows=rows.select_related(None), term=term).only("public_id", "country_id")[:2]
            if len(matches) == 1:
                return HttpResponseRedirect(cells.page(matches[0]))
        return super().changelist_view(request, extra_context, rows=rows)

    @admin.display(description=_("titular"))
    def owner_cell(self, row: "WithAnnotations[Document, cells.Masked]") -> "SafeString":
        """Write the owner, masked for support."""
        name = cells.mask_name(row.owner.legal_name) if row.masked else row.owner.legal_name
        return format_html('<span class="dc-two"><span>{}</span>{}</span>', name, cells.mono(row.owner.platform_id))

    @admin.display(description=_("número"))
    def number_cell(self, row: "WithAnnotations[Document, cells.Marked]") -> "SafeString | str":
        """Write the number, after a sign if a matter holds the document."""
        number = cells.mono(row.number)
        if not row.on_hold:
            return number
        sign = (
            '<span class="dc-nowrap"><span title="{0}" aria-hidden="true">⚖</span>'
            '<span class="dc-hidden">{0}</span> {1}</span>'
        )
        return format_html(sign, _("Legal hold"), number)

    @admin.display(description=_("tipo"))
    def kind_cell(self, row: Document) -> str:
        """Write the kind, short."""
        return str(SHORT_KINDS.get(row.kind, row.kind))

    @admin.display(description=_("país"))
    def country_cell(self, row: Document) -> str:
        """Write the country's code."""
        return row.country_id

    @admin.display(description=_("importe"))
    def amount_cell(self, row: Document) -> "SafeString":
        """Write the total."""
        return cells.amount(minor=row.total_minor, currency=row.currency)

    @admin.display(description=_("estado"))
    def state_cell(self, row: Document) -> "SafeString":
        """Write the state; a document that should be locked by now is stuck."""
        late = row.status == Status.ISSUED and row.issued_at < timezone.now() - filters.STUCK_AFTER
        return cells.state("STUCK" if late else row.status)

    @admin.display(description=_("pago"))
    def payout_cell(self, row: Document) -> "SafeString":
        """Write the live payout status of a statement."""
        return cells.state(row.payout_status)

    @admin.display(description=_("emitido"))
    def issued_cell(self, row: Document) -> "SafeString | str":
        """Write when it was issued."""
        return cells.moment(row.issued_at)

    # --- the page ---
    def rows(self, *, request: HttpRequest) -> "QuerySet[Document]":
        """Join what a document's page shows of other rows: their names."""
        return (
            super()
            .rows(request=request)
            .select_related("owner", "issuer", "country", "series", "event", "corrects", "settled_by")
            .defer("issuer__logo", "event__body", "corrects__content", "settled_by__content")
        )

    def detail(self, *, request: HttpRequest, row: Document) -> dict[str, Any]:
        """Return what the page of the document shows."""
        return document_page.context(request=request, document=row)
