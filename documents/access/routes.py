"""Routes that declare who may use them. A route without a rule keeps the service from starting (a system check)."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, path
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from audit.actions import Action
from documents import errors
from documents.access import actors
from documents.access.roles import LINK, PUBLIC, SIGNED, roles_of

if TYPE_CHECKING:  # DRF's views read this module's DeclaredRule while they are being imported
    from rest_framework.views import APIView
_NO_SESSION = (PUBLIC, SIGNED, LINK)

View = Callable[..., HttpResponse]


@dataclass(frozen=True, kw_only=True)
class AccessRule:
    """What a route declares: who may come, whose things he sees there, and what the log says of it."""

    roles: frozenset[str]
    owner: str
    audit: Action | None


class Route(URLPattern):
    """A URL with its rule."""

    rule: AccessRule


class AdmittedRequest(HttpRequest):
    """A request that the guard of its route has let in, with the route's rule."""

    rule: AccessRule


def route(pattern: str, view: View, *, name: str, roles: Iterable[str], owner: str, audit: Action | None) -> URLPattern:
    """Declare a URL: the only way in this project. A view for roles is wrapped by their guard."""
    rule = AccessRule(roles=frozenset(roles), owner=owner, audit=audit)
    guarded = view if rule.roles in _NO_SESSION else _guarded(view=view, rule=rule)
    declared = cast("Route", path(pattern, guarded, name=name))
    declared.rule = rule
    return declared


def mount(
    prefix: str,
    urls: tuple[list[URLPattern | URLResolver], str, str],
    *,
    roles: Iterable[str],
    owner: str,
    audit: Action | None,
) -> URLResolver:
    """Declare a site of many pages with one door: its guard is the site's own `admin_view`.

    Each page carries the rule; one that declares its own keeps it.
    """
    rule = AccessRule(roles=frozenset(roles), owner=owner, audit=audit)
    for page in urls[0]:
        if not isinstance(getattr(page, "rule", None), AccessRule):
            cast("Route", page).rule = rule
    return path(prefix, urls)


class DeclaredRule(BasePermission):
    """DRF's default permission: let in what came through the guard of `route`; refuse every other view."""

    def has_permission(self, request: Request, _view: "APIView") -> bool:
        """Tell whether the route's guard has let the request in."""
        return isinstance(getattr(request._request, "rule", None), AccessRule)  # DRF wraps the request


def _guarded(*, view: View, rule: AccessRule) -> View:
    """Wrap a view: without a session the answer is 401 or the login page, without a role an audited 403."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            if request.path.startswith("/api/"):
                raise errors.Problem(code="not_authenticated")
            return HttpResponseRedirect(f"{settings.LOGIN_URL}?next={request.path}")
        if not roles_of(user=user) & rule.roles:
            name = request.resolver_match.view_name if request.resolver_match else ""
            actors.refuse(request=request, code="role_not_allowed", object_type="route", object_id=name)
        cast("AdmittedRequest", request).rule = rule
        return view(request, *args, **kwargs)

    return guarded
