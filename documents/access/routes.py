"""Routes that declare who may use them. A route without a rule keeps the service from starting (a system check)."""

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from audit.actions import Action
from documents import errors
from documents.access import actors, guard, idempotency, keys, nonces, private, rates, sessions
from documents.access.admission import (
    JSON,
    LISTS,
    AccessRule,
    Door,
    KeyScope,
    Ownership,
    Recorded,
    RowSource,
    Timing,
    Unrecorded,
    View,
)
from documents.access.roles import LINK, OWNERS, PUBLIC, SIGNED, has_ended, reading_as, roles_of

if TYPE_CHECKING:  # DRF's views read this module's DeclaredRule while they are being imported
    from rest_framework.views import APIView
_NO_SESSION = (PUBLIC, SIGNED, LINK)
SAFE = frozenset({"GET", "HEAD"})


class Route(URLPattern):
    """A URL with its rule."""

    rule: AccessRule


def route(
    pattern: str,
    view: View,
    *,
    name: str,
    door: Door,
    roles: Iterable[str],
    ownership: Ownership,
    audit: Action | Recorded | Unrecorded,
    methods: Iterable[str] = (),
    scope: KeyScope | None = None,
    parameters: Iterable[str] = (),
    is_repeatable: bool = False,
    source: RowSource | None = None,
    entrance: Callable[[View], View] | None = None,
    timing: Timing = Timing.NOBODY,
) -> URLPattern:
    """Declare a URL: the only way in this project.

    :param scope: what a key needs to be let in; without one, no key is.
    :param is_repeatable: a POST over the API that looks and changes nothing, so it needs no key and is done each time.
    :param source: the list of the Document Center whose rows the ownership loads.
    :param entrance: how the door itself asks who comes; without one, a view for roles asks for a session.
    :param timing: whose answers count in how long drivers wait.
    """
    rule = AccessRule(
        door=door,
        roles=frozenset(roles),
        ownership=ownership,
        audit=Recorded(action=audit) if isinstance(audit, Action) else audit,
        methods=frozenset(methods),
        scope=scope,
        parameters=frozenset(parameters),
        is_once=door is Door.API and not frozenset(methods) <= idempotency.SAFE and not is_repeatable,
        timing=timing,
        source=source,
    )
    declared = cast("Route", path(pattern, _guarded(view=view, rule=rule, entrance=entrance), name=name))
    declared.rule = rule
    return declared


def _guarded(*, view: View, rule: AccessRule, entrance: Callable[[View], View] | None) -> View:
    """Wrap a view in what its rule asks for, the innermost first."""
    if rule.is_once:
        view = idempotency.once(view)
    elif (
        rule.door in (Door.ADMIN, Door.WEB)
        and rule.roles not in _NO_SESSION
        and (rule.methods - SAFE or not rule.methods)
    ):
        view = nonces.once(view)
    loaded = guard.loading(view=view, rule=rule)
    if entrance is not None:
        loaded = entrance(loaded)
    elif rule.roles not in _NO_SESSION:
        loaded = _signed_in(view=loaded, rule=rule)
    guarded = guard.checked(view=loaded, rule=rule)
    if rule.door is Door.LINK:
        guarded = private.quiet(guarded)
    guarded.__dict__["rule"] = rule  # where `admission.rule_of` finds it
    return guarded


def beside(pattern: URLPattern, *, other: URLPattern) -> URLPattern:
    """Let another route of the same address, which is declared with its own rule, answer its methods there.

    Both say which methods they take; any other is refused before it is asked who comes (`method_not_allowed`).
    """
    first, second = cast("Route", pattern), cast("Route", other)

    @functools.wraps(first.callback)
    def by_method(request: HttpRequest, **parts: Any) -> HttpResponseBase:
        if request.method not in first.rule.methods | second.rule.methods:
            raise errors.Problem(code="method_not_allowed")
        view = second.callback if request.method in second.rule.methods else first.callback
        return cast("HttpResponseBase", view(request, **parts))

    by_method.__dict__["rule_beside"] = second.rule  # where `admission.rule_of` finds it
    joined = cast("Route", path(str(first.pattern), by_method, name=first.name))
    joined.rule = first.rule
    return joined


class DeclaredRule(BasePermission):
    """DRF's default permission: let in what came through the guard of `route`; refuse every other view."""

    def has_permission(self, request: Request, _view: "APIView") -> bool:
        """Tell whether the route's guard has let the request in."""
        return isinstance(getattr(request._request, "rule", None), AccessRule)  # DRF wraps the request


def _signed_in(*, view: View, rule: AccessRule) -> View:
    """Wrap a view: without a session or key the answer is 401 or the login page, without a role an audited 403.

    Who bears a key is counted before anything else is asked, so that a flood of refusals is none of records.
    """

    @functools.wraps(view)
    def entered(request: HttpRequest, **parts: Any) -> HttpResponseBase:
        if rule.door in JSON and keys.bears_key(request=request):
            _let_in(request=request, rule=rule)
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            if rule.door in JSON:
                raise errors.Problem(code="not_authenticated")
            return HttpResponseRedirect(f"{settings.LOGIN_URL}?next={request.path}")
        if not keys.bears_key(request=request) and sessions.need(request=request, now=timezone.now()) is not None:
            if rule.door in JSON:
                raise errors.Problem(code="not_authenticated")
            return HttpResponseRedirect(f"{settings.LOGIN_URL}?next={request.path}")
        changes = request.method not in SAFE
        if not _acting_as(user=user, rule=rule) & rule.roles or (changes and has_ended(user=user)):
            name = request.resolver_match.view_name if request.resolver_match else ""
            actors.refuse(request=request, code="role_not_allowed", object_type="route", object_id=name)
        unknown = set(request.GET) - rule.parameters
        if unknown and rule.door is Door.API and rule.ownership not in LISTS:
            raise errors.Problem(
                code="unknown_parameter", values=errors.bounded(values={"parameters": sorted(unknown)})
            )
        return view(request, **parts)

    return entered


def _acting_as(*, user: User, rule: AccessRule) -> frozenset[str]:
    """Return the roles that count at a route: one for owners alone is closed to who reads as staff."""
    return reading_as(user=user) if rule.roles <= OWNERS else roles_of(user=user)


def _let_in(*, request: HttpRequest, rule: AccessRule) -> None:
    """Make the bearer of a key the caller.

    :raises errors.Problem: `authentication_failed`, `key_revoked`, `key_expired`, `throttled`, `scope_missing`
    """
    key = keys.authenticate(request=request, now=timezone.now())
    request.user, request.__dict__["api_key"] = key.user, key
    rates.take(request=request, caller=key.public_id)
    if rule.scope is None or rule.scope not in key.scopes:
        actors.refuse(request=request, code="scope_missing", object_type="key", object_id=key.public_id)
