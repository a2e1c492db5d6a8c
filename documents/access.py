"""Who may pass: roles, grants, and the only way to declare a URL.

Roles are Django groups; ownership is guardian's `own_party` on parties and `see_country` on countries. A superuser
holds no right by being one. Every refusal is an audit event on a connection of its own.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, path
from django.utils.cache import patch_vary_headers
from guardian.shortcuts import get_objects_for_user
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from audit import log
from audit.actions import Action
from documents import errors, identifiers, metrics, problems
from documents.models import Country, Document, Party

if TYPE_CHECKING:  # DRF's views read this module's DeclaredRule while they are being imported
    from rest_framework.views import APIView


class Role(StrEnum):
    """The groups of `product.md`."""

    SUPPORT = "support"
    FINANCE = "finance"
    COMPLIANCE = "compliance"
    AUDITOR = "auditor"
    ADMIN = "admin"
    DRIVER = "driver"
    PARTNER = "partner"


STAFF = frozenset({Role.SUPPORT, Role.FINANCE, Role.COMPLIANCE, Role.AUDITOR, Role.ADMIN})
OWNERS = frozenset({Role.DRIVER, Role.PARTNER})
READERS = frozenset({Role.SUPPORT, Role.FINANCE, Role.COMPLIANCE, Role.AUDITOR}) | OWNERS

# TABLE: right -> the roles that hold it (`product.md`, Roles and ownership).
RIGHTS: dict[str, frozenset[Role]] = {
    "see": READERS,
    "pdf": READERS,
    "reveal": frozenset({Role.FINANCE, Role.COMPLIANCE, Role.AUDITOR}),  # data unmasked and the PDF, for no reason
    "send": frozenset({Role.SUPPORT, Role.FINANCE}) | OWNERS,
    "retry": frozenset({Role.FINANCE}),
    "correct": frozenset({Role.FINANCE}),
    "settle": frozenset({Role.FINANCE}),
    "reconcile": frozenset({Role.FINANCE, Role.COMPLIANCE, Role.AUDITOR}),  # sees the work list
    "acknowledge": frozenset({Role.SUPPORT, Role.FINANCE, Role.COMPLIANCE}),
    "holds": frozenset({Role.COMPLIANCE}),
    "audit": frozenset({Role.COMPLIANCE, Role.AUDITOR}),
    "admin": frozenset({Role.ADMIN}),
}

PUBLIC = frozenset({"public"})  # anybody, nothing personal behind it
SIGNED = frozenset({"platform service"})  # a signature is the identity
LINK = frozenset({"link"})  # a secure link's token is the identity
NOBODY = -1  # no party's number
USER = "usr_"  # how the log names a person: by number
NUL, REPLACED = "\x00", "\ufffd"
VARY = ("Accept", "Accept-Language", "Authorization", "Cookie")  # what an answer of the API depends on
_NO_SESSION = (PUBLIC, SIGNED, LINK)

View = Callable[..., HttpResponse]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a route declares: who may come, whose things he sees there, and what the log says of it."""

    roles: frozenset[str]
    owner: str
    audit: Action | None


class Route(URLPattern):
    """A URL with its rule."""

    rule: Rule


def route(pattern: str, view: View, *, name: str, roles: Iterable[str], owner: str, audit: Action | None) -> URLPattern:
    """This function will declare a URL: the only way in this project. A view for roles is wrapped by their guard."""
    rule = Rule(roles=frozenset(roles), owner=owner, audit=audit)
    guarded = view if rule.roles in _NO_SESSION else _guarded(view=view, rule=rule)
    declared = path(pattern, guarded, name=name)
    declared.rule = rule  # type: ignore[attr-defined]  # URLPattern has no slot for it
    return declared


def mount(
    prefix: str,
    urls: tuple[list[URLPattern | URLResolver], str, str],
    *,
    roles: Iterable[str],
    owner: str,
    audit: Action | None,
) -> URLResolver:
    """This function will declare a site of many pages with one door: its guard is the site's own `admin_view`.

    Each page carries the rule; one that declares its own keeps it.
    """
    rule = Rule(roles=frozenset(roles), owner=owner, audit=audit)
    for page in urls[0]:
        if not isinstance(getattr(page, "rule", None), Rule):
            page.rule = rule  # type: ignore[union-attr]  # URLPattern has no slot for it
    return path(prefix, urls)


def roles_of(*, user: User | AnonymousUser | None) -> frozenset[Role]:
    """This function will return a user's roles: his groups, nothing else. Asked once per request and user object."""
    if user is None or not user.is_authenticated or not getattr(user, "is_active", False):
        return frozenset()
    known = user.__dict__.get("_roles")
    if known is None:
        names = set(user.groups.values_list("name", flat=True))
        known = user.__dict__["_roles"] = frozenset(role for role in Role if role.value in names)
    return known


def may(*, user: User | AnonymousUser | None, right: str) -> bool:
    """This function will tell whether one of the user's roles holds a right of RIGHTS."""
    return bool(roles_of(user=user) & RIGHTS[right])


def reading_as(*, user: User | AnonymousUser | None) -> frozenset[Role]:
    """This function will return the roles by which a user reads documents: the house's, else an owner's.

    Who reads for the house does so whatever he owns besides. An admin reads nothing for it: he is left what he owns.
    """
    readers = roles_of(user=user) & RIGHTS["see"]
    return readers & STAFF or readers


def needs_reason(*, user: User | AnonymousUser | None) -> bool:
    """This function will tell whether a user opens documents only for a stated reason: no role that reads reveals.

    The right decides, not the set of his roles: what else he is takes nothing away and adds nothing.
    """
    reading = reading_as(user=user)
    return bool(reading & STAFF) and not reading & RIGHTS["reveal"]


def countries_for(*, user: User | AnonymousUser) -> QuerySet[Country]:
    """This function will return the countries of a member of staff's scope."""
    if not roles_of(user=user) & STAFF:
        return Country.objects.none()
    return get_objects_for_user(user, "documents.see_country", klass=Country, with_superuser=False)


def parties_for(*, user: User | AnonymousUser) -> QuerySet[Party]:
    """This function will return the parties that a user is or acts for."""
    if not roles_of(user=user) & OWNERS:
        return Party.objects.none()
    return get_objects_for_user(user, "documents.own_party", klass=Party, with_superuser=False)


def documents_for(*, user: User | AnonymousUser) -> QuerySet[Document]:
    """This function will return what a user may see: by country for staff, by owner for owners; both are indexed.

    The grants are read first and put in as values, so that PostgreSQL walks the owner's or the country's index.
    """
    reading = reading_as(user=user)
    if not reading:
        return Document.objects.none()
    if reading & STAFF:
        return Document.objects.filter(country__in=list(countries_for(user=user).values_list("pk", flat=True)))
    return Document.objects.filter(owner__in=[*parties_for(user=user).values_list("pk", flat=True), NOBODY])


def walk(*, user: User | AnonymousUser) -> tuple[str, ...]:
    """This function will return the order, newest first, in which the caller's documents lie in the index of his scope.

    Only one party's lie in one piece. By row id alone PostgreSQL may walk through everybody's to find those of a party
    that has not worked for long. (NOBODY keeps it from seeing that the first column is always the same.)
    """
    if reading_as(user=user) & STAFF or parties_for(user=user)[:2].count() != 1:
        return ("-pk",)
    return ("owner_id", "-pk")


def actor(*, request: HttpRequest, channel: str = "web") -> log.Actor:
    """This function will return who is asking, for the log: the user's number, never his name."""
    user = getattr(request, "user", None)
    known = user is not None and user.is_authenticated
    return log.Actor(
        kind="user" if known else "anonymous",
        id=f"{USER}{user.pk}" if known else "",  # type: ignore[union-attr]  # `known` says so
        role=",".join(sorted(roles_of(user=user))),
        channel=channel,
        request_id=getattr(request, "request_id", ""),
        address=str(request.META.get("REMOTE_ADDR", "")),
        agent=str(request.META.get("HTTP_USER_AGENT", ""))[:500],
    )


def refuse(*, request: HttpRequest, code: str, object_type: str, object_id: str, detail: str = "") -> NoReturn:
    """This function will record a denial where no rollback reaches it, and raise it.

    :raises errors.Problem: always, with `code`
    """
    channel = "api" if request.path.startswith("/api/") else "web"
    metrics.DENIED.labels(code=code).inc()
    log.deny(actor=actor(request=request, channel=channel), object_type=object_type, object_id=object_id, code=code)
    raise errors.Problem(code=code, detail=detail)


def document(*, request: HttpRequest, public_id: str) -> Document:
    """This function will return a document that the caller may see.

    To one limited by ownership an unknown id and a foreign one are the same audited refusal.

    :raises errors.Problem: `not_owner`, `country_out_of_scope`; `not_found` for staff
    """
    found = documents_for(user=request.user).filter(public_id=public_id).first()
    if found is not None:
        return found
    if reading_as(user=request.user) & STAFF:
        if Document.objects.filter(public_id=public_id).exists():
            refuse(request=request, code="country_out_of_scope", object_type="document", object_id=public_id)
        raise errors.Problem(code="not_found")
    refuse(request=request, code="not_owner", object_type="document", object_id=public_id[:64])


def opened(*, request: HttpRequest, public_id: str) -> Document:
    """This function will return a document whose PDF and unmasked data the caller may have without a stated reason.

    :raises errors.Problem: what `document` raises; `reason_required`, on record
    """
    found = document(request=request, public_id=public_id)
    if needs_reason(user=request.user):
        refuse(request=request, code="reason_required", object_type="document", object_id=found.public_id)
    return found


def ensure_groups() -> None:
    """This function will make the groups of the roles exist."""
    for role in Role:
        Group.objects.using("owner").get_or_create(name=role.value)


class DeclaredRule(BasePermission):
    """DRF's default permission: only what came through `route`'s guard; any other view answers nobody."""

    def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 - DRF's signature
        """This method will tell whether the route's guard has let the request in."""
        return isinstance(getattr(request._request, "rule", None), Rule)  # noqa: SLF001 - DRF wraps the request


class RequestContext:
    """Middleware: a request id for log, answer and error; problems become problem+json or a page; no NUL comes in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """This method will name the request, run it and sign the answer with the name."""
        _replace_nul(request=request)
        request.request_id = identifiers.new(prefix="req")  # type: ignore[attr-defined]  # ours, on a class that has no slot for it
        response = self.get_response(request)
        if response.status_code >= 400 and request.path.startswith("/api/"):  # noqa: PLR2004 - HTTP
            response = problems.ensure(request=request, response=response)
        if request.path.startswith("/api/"):
            response.setdefault("Cache-Control", "no-store")
            patch_vary_headers(response, VARY)
        response["Request-Id"] = request.request_id  # type: ignore[attr-defined]  # ours, on a class that has no slot for it
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """This method will answer a problem that a view raised."""
        return problems.from_exception(request=request, exception=exception)


def _replace_nul(*, request: HttpRequest) -> None:
    """This function will replace each NUL of address, query and cookies as Django does what is no UTF-8: by U+FFFD.

    No text of PostgreSQL holds a NUL: to ask for one is an error there, not an id that nobody has. Replaced at the one
    entrance it is such an id, and every door refuses it as it refuses any unknown one. Forms refuse it themselves.
    """
    request.path = request.path.replace(NUL, REPLACED)
    request.path_info = request.path_info.replace(NUL, REPLACED)
    query = request.META.get("QUERY_STRING", "")
    request.META["QUERY_STRING"] = query.replace(NUL, "%00").replace("%00", quote(REPLACED))
    for name, value in request.COOKIES.items():
        request.COOKIES[name] = value.replace(NUL, REPLACED)  # a quoted cookie spells it \000


def _guarded(*, view: View, rule: Rule) -> View:
    """This function will wrap a view: no session -> 401 or the login page; no role -> an audited 403."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            if request.path.startswith("/api/"):
                raise errors.Problem(code="not_authenticated")
            return HttpResponseRedirect(f"{settings.LOGIN_URL}?next={request.path}")
        if not roles_of(user=user) & rule.roles:
            name = request.resolver_match.view_name if request.resolver_match else ""
            refuse(request=request, code="role_not_allowed", object_type="route", object_id=name)
        request.rule = rule  # type: ignore[attr-defined]  # ours, on a class that has no slot for it
        return view(request, *args, **kwargs)

    guarded.csrf_exempt = getattr(view, "csrf_exempt", False)  # type: ignore[attr-defined]  # ours, on a class that has no slot for it
    return guarded
