"""The Document Center: Django's admin with a guard of its own. Without a role nobody enters; refusals are on record."""

import contextlib
import functools
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from csp.decorators import csp
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.i18n import set_language
from unfold.forms import AdminOwnPasswordChangeForm

from audit import log
from audit.actions import Action
from documents.access import actors, attempts, routes, sessions
from documents.access.admission import Door, Ownership, Recorded, RowSource, Unrecorded, View
from documents.access.ownership import LIST
from documents.access.roles import PUBLIC
from documents.admin import dashboard, entrance, factor_pages, rights, search, theme

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from documents.models import Document

# The pages that are open to a session which lacks something; the first one leads on.
PAGES_OF = {
    sessions.Need.ENROL: ("admin:factor", "admin:factor_key"),
    sessions.Need.UNLOCK: ("admin:unlock",),
}
# Unfold evaluates Alpine expressions ('unsafe-eval') and writes its palette inline; both are allowed here only.
POLICY = {
    "default-src": ["'none'"],
    "script-src": ["'self'", "'unsafe-eval'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "frame-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
    "object-src": ["'none'"],
}


def framed(view: "View") -> "View":
    """Give a view's answers the headers of the Document Center.

    With `no-referrer` browsers send `Origin: null` and every form fails its CSRF check; `same-origin` sends other
    sites as little.
    """

    def inner(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "same-origin"
        response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        return response

    return csp(POLICY)(functools.update_wrapper(inner, view))


class OwnPassword(PasswordChangeView):
    """The page on which a person changes the one column of a login that the service may change."""

    form_class = AdminOwnPasswordChangeForm

    def form_valid(self, form: AdminOwnPasswordChangeForm) -> HttpResponse:
        """Set the new password; the session goes on, those elsewhere end."""
        user = form.save(commit=False)
        user.save(update_fields=["password"])
        update_session_auth_hash(self.request, user)
        return HttpResponseRedirect(self.get_success_url())

    def form_invalid(self, form: AdminOwnPasswordChangeForm) -> HttpResponse:
        """Show the form again as refused: its nonce is free, so that going back and typing it right changes it."""
        return self.render_to_response(self.get_context_data(form=form), status=HTTPStatus.BAD_REQUEST)


class DocumentCenter(theme.UnfoldAdminSite):
    """Deny by default: the pages are those of `get_urls` and each model's list and detail; none adds or deletes."""

    site_title = gettext_lazy("Centro de documentos")
    site_header = gettext_lazy("Centro de documentos")
    index_title = gettext_lazy("Panel")
    index_template = "admin/dc/dashboard.html"
    enable_nav_sidebar = True
    empty_value_display = "—"

    def has_permission(self, request: HttpRequest) -> bool:
        """Say whether the caller is staff with at least one role; being superuser is not a role."""
        return rights.may(request=request, right="staff")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Return every address of the Document Center with its rule; nothing else exists."""
        pages: list[URLPattern | URLResolver] = [*self._entrance(), *self._factor_pages(), *self._own_pages()]
        for model_admin in self._registry.values():
            pages += model_admin.get_urls()
        return pages

    def page(
        self,
        pattern: str,
        view: "View",
        *,
        name: str,
        right: str,
        ownership: Ownership,
        audit: Action | Recorded | Unrecorded,
        methods: Iterable[str] = (),
        source: RowSource | None = None,
    ) -> URLPattern:
        """Declare a page of the Document Center: a route for those members of staff who have a right."""
        object_type = source.object_type if source else "page"

        def entrance(loaded: "View") -> "View":
            @functools.wraps(loaded)
            def entitled(request: HttpRequest, **parts: Any) -> HttpResponseBase:
                named = str(next(iter(parts.values()), LIST)) if source else name
                rights.require(request=request, right=right, object_type=object_type, object_id=named)
                return loaded(request, **parts)

            return self.admin_view(entitled)

        return routes.route(
            pattern,
            view,
            name=name,
            door=Door.ADMIN,
            roles=rights.holders(right=right),
            ownership=ownership,
            audit=audit,
            methods=methods,
            source=source,
            entrance=entrance,
        )

    def _entrance(self) -> list[URLPattern]:
        """Return signing in and out: the only pages for those who are not signed in."""
        public = functools.partial(
            routes.route, door=Door.ADMIN, roles=PUBLIC, ownership=Ownership.NONE, methods=("GET", "HEAD", "POST")
        )
        signed_in = Recorded(action=Action.SESSION_LOGIN, methods=frozenset({"POST"}), instead=(Action.SESSION_FAILED,))
        code = functools.partial(entrance.code, self)
        return [
            public("login/", self.login, name="login", audit=signed_in, entrance=framed),
            public("login/code/", code, name="code", audit=signed_in, entrance=framed),
            public("logout/", self.logout, name="logout", audit=Action.SESSION_LOGOUT, entrance=self.admin_view),
        ]

    def _factor_pages(self) -> list[URLPattern]:
        """Return the pages of the caller's own second factors, for every member of staff."""
        return [
            self.page(
                pattern,
                functools.partial(row.view, self),
                name=row.name,
                right="staff",
                ownership=row.ownership,
                audit=row.audit,
            )
            for pattern, row in factor_pages.PAGES.items()
        ]

    def _own_pages(self) -> list[URLPattern]:
        """Return the pages that belong to no model, for every member of staff."""
        none, documents = Ownership.NONE, Ownership.PARTY_OR_COUNTRY_LIST
        said = {"title": gettext_lazy("Contraseña cambiada")}  # a phone shows it whole
        done = functools.partial(self.password_change_done, extra_context=said)
        pages: list[tuple[str, str, View, Ownership, str]] = [
            ("", "index", self.index, documents, "counts, and the newest numbers of the caller's countries"),
            ("search/", "search", self.search, documents, "the palette: names of pages, numbers of documents"),
            ("password_change/", "password_change", self.password_change, none, "the caller's own password"),
            ("password_change/done/", "password_change_done", done, none, "a thank-you"),
            ("jsi18n/", "jsi18n", self.i18n_javascript, none, "words of the forms"),
            ("language/", "language", set_language, none, "the caller's own language"),
            ("unlock/", "unlock", functools.partial(entrance.unlock, self), none, "a form; each try is recorded"),
            ("<slug:app_label>/", "app_list", self.app_index, none, "leads to the dashboard"),
        ]
        return [
            self.page(pattern, view, name=name, right="staff", ownership=ownership, audit=Unrecorded(reason=reason))
            for pattern, name, view, ownership, reason in pages
        ]

    def admin_view(self, view: "View", cacheable: bool = False) -> "View":  # noqa: FBT001, FBT002 - Django's signature
        """Guard a view: sign-in, role, an audited 403 page for a refusal, the content policy."""
        inner: View = super().admin_view(self._refusing(view), cacheable)

        def door(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            signing_out = request.path == reverse("admin:logout")
            if request.user.is_authenticated and not signing_out and not self.has_permission(request):
                return self.refused(request=request, refusal=rights.Refused(right="staff"))
            wanted = None if signing_out else sessions.need(request=request, now=timezone.now())
            if wanted is not None and request.path not in map(reverse, PAGES_OF[wanted]):
                return self.led_to(request=request, wanted=wanted)
            return inner(request, *args, **kwargs)

        return framed(functools.update_wrapper(door, view))

    def led_to(self, *, request: HttpRequest, wanted: sessions.Need) -> HttpResponse:
        """Lead a person to what her session lacks; a form that she sent is kept until she is back."""
        if request.method == "POST":
            sessions.keep_form(request=request)
        onward = request.get_full_path() if request.method == "GET" else reverse("admin:index")
        return HttpResponseRedirect(f"{reverse(f'admin:{wanted}')}?{urlencode({'next': onward})}")

    def _refusing(self, view: "View") -> "View":
        def inner(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            try:
                return view(request, *args, **kwargs)
            except rights.Refused as refusal:
                return self.refused(request=request, refusal=refusal)
            except PermissionDenied:
                return self.refused(request=request, refusal=rights.Refused(right="see"))

        return functools.update_wrapper(inner, view)

    def refused(self, *, request: HttpRequest, refusal: rights.Refused) -> TemplateResponse:
        """Put a refusal on record, on a connection of its own, and show which right is missing.

        :raises audit.log.AuditUnavailable: there is no answer without its record
        """
        match = request.resolver_match
        log.deny(
            actor=actors.actor(request=request),
            object_type=refusal.object_type,
            object_id=refusal.object_id or (match.view_name if match else "admin"),
            code=refusal.code,
            details={"right": refusal.right, "method": request.method or "", **refusal.details},
        )
        missing, holders = rights.WORDS[refusal.right]
        context = {
            **self.each_context(request),
            "title": _("Acceso denegado"),
            "missing": missing,
            "holders": holders,
            "request_id": getattr(request, "request_id", ""),
        }
        return TemplateResponse(request, "admin/dc/refused.html", context, status=403)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign a person in; success and failure are on record, the name that was typed is not."""
        return entrance.sign_in(self, request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Let a person change her own password, on record."""
        changes = request.method == "POST"
        if changes:
            attempts.take(request=request, login=request.user.get_username())
        with attempts.turn() if changes else contextlib.nullcontext(), transaction.atomic():
            view = OwnPassword.as_view(
                success_url=reverse("admin:password_change_done"),
                extra_context={**self.each_context(request), **(extra_context or {})},
            )
            response = cast("HttpResponse", view(request))
            if changes and response.status_code == HTTPStatus.FOUND:
                entrance.record(request=request, action=Action.CREDENTIAL_CHANGED, object_type="user")
                attempts.forget(login=request.user.get_username())
        return response

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign a person out and redirect to the login page."""
        if request.method == "POST" and request.user.is_authenticated:
            entrance.record(request=request, action=Action.SESSION_LOGOUT)
            super().logout(request, extra_context)
        return HttpResponseRedirect(reverse("admin:login"))

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None, *, rows: "QuerySet[Document]"
    ) -> HttpResponse:
        """Show the numbers that matter within the caller's scope."""
        shown = {**dashboard.context(request=request, mine=rows), **(extra_context or {})}
        response: HttpResponse = super().index(request, shown)
        return response

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the dashboard: apps have no pages of their own here."""
        return HttpResponseRedirect(reverse("admin:index"))

    def search(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None, *, rows: "QuerySet[Document]"
    ) -> HttpResponse:
        """Answer the palette: pages by name, documents by what a term means; at most 20 rows, uncached."""
        return search.palette(request=request, pages=self.get_app_list(request), mine=rows)


site = DocumentCenter(name="admin")
