"""The base of every list and page of the Document Center: read-only, scoped, fast."""

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.views import main
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _

from audit import log
from audit.actions import Action
from documents.access import actors, roles
from documents.admin import cells, paging, rights, site, theme

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.utils.functional import _StrPromise

    View = Callable[..., HttpResponse]

LOOKUPS_LENGTH_MAX = 200


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One line of a card: what it is called and what it is; `copy` adds a text to select at once."""

    label: "str | _StrPromise"
    value: object
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Card:
    """A titled box of facts, or of rows under heads."""

    title: "str | _StrPromise"
    facts: "Sequence[Fact]" = ()
    heads: "Sequence[str | _StrPromise]" = ()
    rows: "Sequence[Sequence[object]]" = ()
    empty: "str | _StrPromise" = ""
    code: str = ""
    note: "str | _StrPromise" = ""
    wide: bool = False
    numeric: "Sequence[int]" = field(default=())  # places of right-aligned columns, from 0


@dataclass(frozen=True, kw_only=True)
class RowPage:
    """A further page of one row: who may open it, and what the log says of it."""

    view: "View"
    right: str
    audit: Action | None = None


class DocumentCenterAdmin(theme.ModelAdmin):
    """Permissions come from `rights`, rows from `scoped`; nobody adds, changes or deletes: no such addresses."""

    right: ClassVar[str] = "see"
    key: ClassVar[str] = "public_id"  # the column that addresses a row
    detail_template: ClassVar[str] = "admin/dc/detail.html"
    checked_scope: ClassVar[str] = ""  # the column with the country's code; "" where rows have none
    plural: "ClassVar[str | _StrPromise]" = ""  # what the rows are called, where the model's own words do not do
    listed: ClassVar[Action | None] = None  # what the log says of the list
    viewed: ClassVar[Action | None] = None  # what the log says of one row's page

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

    # --- who may pass ---
    def has_module_permission(self, request: HttpRequest) -> bool:
        """Say whether the model is shown at all."""
        return rights.may(request=request, right=self.right)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say whether the caller may look; which rows he may look at is `scoped`'s word."""
        return rights.may(request=request, right=self.right)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: rows come from events."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: what is issued never changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: nothing is deleted before its time, and never from here."""
        return False

    def scoped(self, *, request: HttpRequest, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        """Keep the rows of the caller's countries; rows without a country need a scope over all."""
        if rights.everywhere(request=request):
            return rows
        return rows.filter(**{f"{self.checked_scope}__in": rights.countries(request=request)})

    def rows(self, *, request: HttpRequest) -> "QuerySet[Any]":
        """Return the rows that the caller may see: the start of every list, count, search and page."""
        return self.scoped(request=request, rows=self.model._default_manager.order_by(*self.ordering))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the list's rows; an override may read fewer columns, never other rows."""
        return self.rows(request=request)

    # --- addresses ---
    def get_urls(self) -> list[URLPattern]:
        """Return the list, the page, and what `pages` adds; there is no add, delete or history."""
        meta = self.model._meta
        name, start = f"{meta.app_label}_{meta.model_name}", f"{meta.app_label}/{meta.model_name}/"
        rows = [
            ("", f"{name}_changelist", self.changelist_view, self.right, self.listed),
            *(
                (f"<str:object_id>/{part}/", f"{name}_{part}", page.view, page.right, page.audit)
                for part, page in self.pages().items()
            ),
            ("<str:object_id>/", f"{name}_change", self.detail_view, self.right, self.viewed),
        ]
        return [
            site.declared(
                start + pattern,
                self.guarded(cast("View", view)),
                name=view_name,
                roles=roles.RIGHTS[right] & roles.STAFF,
                owner="country" if self.checked_scope else "none",
                audit=action,
            )
            for pattern, view_name, view, right, action in rows
        ]

    def pages(self) -> "Mapping[str, RowPage]":
        """Return further pages of one row by the last part of their address."""
        return {}

    def guarded(self, view: "View") -> "View":
        """Put a view behind the site's door."""

        @functools.wraps(view)
        def entitled(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            rights.require(
                request=request,
                right=self.right,
                object_type=str(self.model._meta.model_name),
                object_id=str(kwargs.get("object_id", "list")),
            )
            return view(request, *args, **kwargs)

        door: View = self.admin_site.admin_view(entitled)
        return door

    # --- what a list can be asked ---
    def offered(self) -> frozenset[str]:
        """Name all that the list's address may ask: a page, its search, its own filters.

        A closed list: Django takes any column, of any table it can reach, and a masked one tells itself letter by
        letter to whoever may count the rows (`?owner__tax_id__startswith=`). Nothing is ordered, opened as a popup or
        counted by an address either.
        """
        names = {main.PAGE_VAR, main.SEARCH_VAR, main.ERROR_FLAG}
        for one in self.list_filter:
            names |= {f"{one}__exact"} if isinstance(one, str) else one.parameters()
        return frozenset(names)

    def check_asked(self, *, request: HttpRequest) -> None:
        """Refuse an address that asks what the list does not offer.

        :raises rights.Refused: on record with the names that were asked for, without their values
        """
        foreign = set(request.GET) - self.offered()
        if foreign:
            raise rights.Refused(
                right="lookup",
                code="lookup_not_allowed",
                object_type=str(self.model._meta.model_name),
                object_id="list",
                details={"lookups": " ".join(sorted(foreign))[:LOOKUPS_LENGTH_MAX]},
            )

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest | None = None) -> bool:
        """Let Django look up what the list offers, and nothing else."""
        return lookup in self.offered()

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Refuse: no row is picked for another's form here."""
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[paging.ChangeList]:
        """Return the list whose rows link by public id."""
        return paging.ChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list; a page past the cap leads back to the first with a word of advice."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        self.check_asked(request=request)
        number = request.GET.get("p", "1")
        if not number.isascii() or not number.isdigit() or len(number) > 6 or int(number) > paging.PAGE_MAX:  # noqa: PLR2004 - digits
            messages.warning(
                request, _("La lista llega hasta la página %(max)s: acota con un filtro.") % {"max": paging.PAGE_MAX}
            )
            query = request.GET.copy()
            query.pop("p", None)
            return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")
        self.on_record(request=request, action=self.listed, object_id="list")
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def on_record(self, *, request: HttpRequest, action: Action | None, object_id: str) -> None:
        """Put a look on record before it is answered."""
        if action is not None:
            with transaction.atomic():
                log.record(
                    action=action,
                    object_type=str(self.model._meta.model_name),
                    object_id=object_id,
                    actor=actors.actor(request=request),
                )

    # --- one row ---
    def get_row(self, *, request: HttpRequest, object_id: str) -> Any:
        """Return one row of the caller's scope.

        :raises rights.Refused: outside the scope; for a caller with a limited scope an unknown id answers the same
        :raises Http404: unknown, to a caller whose scope is everything
        """
        usable = len(object_id) <= 100 and (self.key == "public_id" or object_id.isascii())  # noqa: PLR2004 - no key is longer
        if usable and self.key == "pk":
            usable = object_id.isdigit() and len(object_id) < 19  # noqa: PLR2004 - a bigint's digits
        row = self.rows(request=request).filter(**{self.key: object_id}).first() if usable else None
        if row is not None:
            return row
        if rights.everywhere(request=request):
            raise Http404
        raise rights.Refused(
            right="scope",
            code="country_out_of_scope",
            object_type=str(self.model._meta.model_name),
            object_id=object_id,
        )

    def detail_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one row: facts, and what belongs to them."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        row = self.get_row(request=request, object_id=object_id)
        self.on_record(request=request, action=self.viewed, object_id=str(getattr(row, self.key)))
        return self.render(
            request=request, row=row, template=self.detail_template, context=self.detail(request=request, row=row)
        )

    def render(
        self, *, request: HttpRequest, row: Model, template: str, context: dict[str, Any], status: int = 200
    ) -> TemplateResponse:
        """Render a page of one row inside the site's frame."""
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

    def detail(self, *, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what a row's page shows: `badges`, `cards`, and whatever its template wants."""
        raise NotImplementedError
