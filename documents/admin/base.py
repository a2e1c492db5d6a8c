"""The base of every list and page of the Document Center: read-only, scoped, fast."""

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from django.contrib import admin, messages
from django.contrib.admin.views import main
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _

from audit import log
from audit.actions import Action
from documents.access import actors, ownership
from documents.access.admission import AdmittedRequest, Ownership, Recorded, Unrecorded, View
from documents.admin import cells, paging, rights, site, theme

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.utils.functional import _StrPromise

M = TypeVar("M", bound=Model)
LOOKUPS_LENGTH_MAX = 200
KEY_LENGTH_MAX = 100
BIGINT_DIGITS_MAX = 18  # as many always fit


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One line of a card: a label and its value."""

    label: "str | _StrPromise"
    value: object
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Card:
    """A titled box of facts, or of a table under heads."""

    title: "str | _StrPromise"
    facts: "Sequence[Fact]" = ()
    heads: "Sequence[str | _StrPromise]" = ()
    rows: "Sequence[Sequence[object]]" = ()
    empty: "str | _StrPromise" = ""
    code: str = ""
    note: "str | _StrPromise" = ""
    wide: bool = False
    numeric: "Sequence[int]" = field(default=())  # places of right-aligned columns, from 0

    @property
    def labelled(self) -> "list[list[tuple[str, object]]]":
        """Return the rows with each cell's head beside it, which a phone shows instead of a row of heads."""
        heads = [str(head) for head in self.heads]
        return [[*itertools.zip_longest(heads[: len(row)], row, fillvalue="")] for row in self.rows]


@dataclass(frozen=True, kw_only=True)
class RowPage:
    """A further page of one row: its view, the right it needs, its methods, and what the log says of it."""

    view: "View"
    right: str
    audit: Action | Recorded
    methods: "Sequence[str]" = ("GET", "HEAD", "POST")


class DocumentCenterAdmin(theme.ModelAdmin, Generic[M]):
    """Permissions come from `rights`, rows from `scoped`; there are no addresses to add, change or delete."""

    right: ClassVar[str] = "see"
    key: ClassVar[str] = "public_id"  # the column that addresses a row
    detail_template: ClassVar[str] = "admin/dc/detail.html"
    checked_scope: ClassVar[str] = ""  # the column with the country's code; "" where rows have none
    empty_note: "ClassVar[str | _StrPromise]" = ""  # what the page says where there is no row at all
    plural: "ClassVar[str | _StrPromise]" = ""  # the name of the rows, where the model's own does not fit
    # What is recorded for the list and for the page of one row.
    listed: ClassVar[Action | Unrecorded] = Unrecorded(reason="ids and states; the page of one row says more")
    viewed: ClassVar[Action | Unrecorded] = Unrecorded(reason="no document and no person")

    actions = None
    list_per_page = 50
    list_max_show_all = 0
    list_filter_sheet = True
    list_fullwidth = True
    list_disable_select_all = True
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = paging.CappedPaginator
    ordering: ClassVar[Any] = ("-pk",)
    sortable_by: ClassVar[Any] = ()
    view_on_site = False

    # --- permissions ---
    def has_module_permission(self, request: HttpRequest) -> bool:
        """Say whether the model is shown at all."""
        return rights.may(request=request, right=self.right)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say whether the caller may see rows of the model; `scoped` says which."""
        return rights.may(request=request, right=self.right)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: rows come from events."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: what is issued never changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: nothing is deleted from here."""
        return False

    def scoped(self, *, request: HttpRequest, rows: "QuerySet[M]") -> "QuerySet[M]":
        """Return the rows of the caller's countries; rows without a country need a scope over all of them."""
        if rights.everywhere(request=request):
            return rows
        return rows.filter(**{f"{self.checked_scope}__in": rights.countries(request=request)})

    def rows(self, *, request: HttpRequest) -> "QuerySet[M]":
        """Return the rows that the caller may see: the start of every list, count, search and page."""
        return self.scoped(request=request, rows=self.model._default_manager.order_by(*self.ordering))

    @property
    def object_type(self) -> str:
        """Return what the log calls a row of the list."""
        return str(self.model._meta.model_name)

    def object_id(self, *, row: M) -> str:
        """Return what addresses a row, here and in the log."""
        return str(getattr(row, self.key))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[M]":
        """Return the rows that the guard has handed over; an override may read fewer columns, but not other rows."""
        return cast("QuerySet[M]", cast("AdmittedRequest", request).admitted.handed["rows"])

    # --- addresses ---
    def get_urls(self) -> list[URLPattern]:
        """Return the list, the page, and what `pages` adds; there is no add, delete or history."""
        meta = self.model._meta
        name, start = f"{meta.app_label}_{meta.model_name}", f"{meta.app_label}/{meta.model_name}/"
        safe = ("GET", "HEAD")
        row, listed = Ownership.COUNTRY, Ownership.COUNTRY_LIST
        rows: list[tuple[str, str, View, str, Ownership, Action | Recorded | Unrecorded, Sequence[str]]] = [
            ("", f"{name}_changelist", self.changelist_view, self.right, listed, self.listed, safe),
            *(
                (f"<str:object_id>/{part}/", f"{name}_{part}", page.view, page.right, row, page.audit, page.methods)
                for part, page in self.pages().items()
            ),
            ("<str:object_id>/", f"{name}_change", self.detail_view, self.right, row, self.viewed, safe),
        ]
        return [
            cast("site.DocumentCenter", self.admin_site).page(
                start + pattern,
                view,
                name=view_name,
                right=right,
                ownership=owner,
                audit=audit,
                methods=methods,
                source=self,
            )
            for pattern, view_name, view, right, owner, audit, methods in rows
        ]

    def pages(self) -> "Mapping[str, RowPage]":
        """Return further pages of one row by the last part of their address."""
        return {}

    # --- what the address of a list may ask ---
    def offered(self) -> frozenset[str]:
        """Return the parameters that the list's address may have: the page, the search, the list's own filters.

        The list is closed, because Django accepts a look-up of any column of any table it can reach: by counting the
        rows (`?owner__tax_id__startswith=`) a caller could find out a masked value letter by letter. No parameter
        orders the list, opens it as a popup or shows all rows either.
        """
        names = {main.PAGE_VAR, main.SEARCH_VAR, main.ERROR_FLAG}
        for item in self.list_filter:
            names |= {f"{item}__exact"} if isinstance(item, str) else item.parameters()
        return frozenset(names)

    def check_asked(self, *, request: HttpRequest) -> None:
        """Refuse an address with a parameter that the list does not offer.

        :raises rights.Refused: put on record with the names of the parameters, without their values
        """
        foreign = set(request.GET) - self.offered()
        if foreign:
            raise rights.Refused(
                right="lookup",
                code="lookup_not_allowed",
                object_type=self.object_type,
                object_id=ownership.LIST,
                details={"lookups": " ".join(sorted(foreign))[:LOOKUPS_LENGTH_MAX]},
            )

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest | None = None) -> bool:
        """Allow the look-ups that the list offers, and no others."""
        return lookup in self.offered()

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Refuse: no row is chosen here for the form of another."""
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[paging.ChangeList]:
        """Return the list class whose rows link by public id."""
        return paging.ChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None, *, rows: "QuerySet[M]"
    ) -> HttpResponse:
        """Show the list; a page past the cap leads back to the first with a message."""
        self.check_asked(request=request)
        number = paging.number(text=request.GET.get("p", "1"))
        if number is None or number > paging.PAGE_MAX:
            messages.warning(
                request, _("La lista llega hasta la página %(max)s: acota con un filtro.") % {"max": paging.PAGE_MAX}
            )
            query = request.GET.copy()
            query.pop("p", None)
            return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")
        self.on_record(request=request, action=self.listed, object_id=ownership.LIST)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def on_record(self, *, request: HttpRequest, action: Action | Unrecorded, object_id: str) -> None:
        """Record a view before it is answered."""
        if isinstance(action, Action):
            with transaction.atomic():
                log.record(
                    action=action,
                    object_type=self.object_type,
                    object_id=object_id,
                    actor=actors.actor(request=request),
                )

    # --- one row ---
    def get_row(self, *, request: HttpRequest, object_id: str) -> M:
        """Return one row of the caller's scope.

        :raises rights.Refused: outside the scope; a caller with a limited scope gets the same for an unknown id
        :raises Http404: unknown, for a caller whose scope is everything
        """
        usable = len(object_id) <= KEY_LENGTH_MAX and (self.key == "public_id" or object_id.isascii())
        if usable and self.key == "pk":
            usable = object_id.isdigit() and len(object_id) <= BIGINT_DIGITS_MAX
        row = self.rows(request=request).filter(**{self.key: object_id}).first() if usable else None
        if row is not None:
            return row
        if rights.everywhere(request=request):
            raise Http404
        raise rights.Refused(
            right="scope",
            code="country_out_of_scope",
            object_type=self.object_type,
            object_id=object_id,
        )

    def detail_view(self, request: HttpRequest, row: M) -> HttpResponse:
        """Show the page of one row."""
        self.on_record(request=request, action=self.viewed, object_id=self.object_id(row=row))
        return self.render(
            request=request, row=row, template=self.detail_template, context=self.detail(request=request, row=row)
        )

    def render(
        self, *, request: HttpRequest, row: Model, template: str, context: dict[str, Any], status: int = 200
    ) -> TemplateResponse:
        """Render a page of one row within the site's frame."""
        request.current_app = self.admin_site.name
        frame = {
            **self.admin_site.each_context(request),
            "title": str(row),
            "row": row,
            "page": cells.page(row),
            "model_meta": self.model._meta,
            "kicker": self.plural or self.model._meta.verbose_name,
            "list_title": self.plural or self.model._meta.verbose_name_plural,
            "list_route": f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}_changelist",
            "masked": rights.masked(request=request),
        }
        return TemplateResponse(request, template, {**frame, **context}, status=status)

    def detail(self, *, request: HttpRequest, row: M) -> dict[str, Any]:
        """Return what a row's page shows: `badges`, `cards`, and what else its template needs."""
        raise NotImplementedError
