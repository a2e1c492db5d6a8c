"""Who comes in at the panel: a session of thirty days, opened by a code by mail, that a cookie names.

It is a party's, or a user's who acts for parties. It ends once the address that it was opened for is no longer theirs.
"""

import datetime as dt
import functools
import hashlib
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from audit import log
from audit.actions import Action
from documents import errors, identifiers, locks
from documents.access import actors, pages, roles, scope
from documents.access.admission import View
from documents.delivery import keyed, outbox, sign_in_codes
from documents.models import PanelSession, Party, SignInCode

COOKIE = "panel"
LIFE = dt.timedelta(days=30)
SAFE = frozenset({"GET", "HEAD"})
_OPEN = ("party", "user")


def recipient(*, address: str) -> tuple[Party | None, User | None]:
    """Return who owns documents and reads an address: the user who sees all that its parties own, else a party."""
    party = scope.parties_at(address=address).order_by("pk").first()
    own = set(scope.parties_at(address=address).values_list("pk", flat=True))
    for user in User.objects.filter(email__iexact=address, is_active=True).order_by("pk"):
        reach = scope.reach(user=user)
        seen = {value for value in reach.values if value != roles.NOBODY}
        if reach.column == "owner_id" and seen and own <= seen:
            return None, user
    return party, None


def open_with(*, digest: str, given: str, form: str, now: dt.datetime, actor: log.Actor) -> PanelSession | None:
    """Open a session with a code that was typed into a form; the same form sent twice opens it once."""
    form_sha256 = hashlib.sha256(form.encode()).hexdigest()
    with transaction.atomic():
        code = sign_in_codes.answered(digest=digest, given=given, now=now, actor=actor)
        if code is None:
            return None
        if code.used_at is not None:
            return PanelSession.objects.filter(code=code, form_sha256=form_sha256, ended_at=None).first()
        SignInCode.objects.filter(pk=code.pk).update(used_at=now)
        public_id = identifiers.new(prefix="ses")
        made = PanelSession.objects.create(
            public_id=public_id,
            code=code,
            party=code.party,
            user=code.user,
            address_digest=digest,
            token_sha256=_sha256(_token(public_id=public_id)),
            form_sha256=form_sha256,
            started_at=now,
            expires_at=now + LIFE,
        )
        log.record(action=Action.SESSION_LOGIN, object_type="sign_in_code", object_id=code.public_id, actor=actor)
    return made


def start(*, response: HttpResponseBase, session: PanelSession, request: HttpRequest) -> None:
    """Set the cookie that names a session."""
    response.set_cookie(
        cookie_name(name=COOKIE),
        _token(public_id=session.public_id),
        max_age=int(LIFE.total_seconds()),
        path=reverse("panel"),
        secure=settings.PUBLIC_URL.startswith("https://") or request.is_secure(),
        httponly=True,
        samesite="Lax",
    )


def cookie_name(*, name: str) -> str:
    """Return a cookie's name; browsers accept `__Secure-` only over https."""
    return f"__Secure-{name}" if settings.PUBLIC_URL.startswith("https://") else name


def beside(*, session: PanelSession, now: dt.datetime) -> QuerySet[PanelSession]:
    """Return the open sessions of a session's address, itself among them, the newest first."""
    same = PanelSession.objects.filter(address_digest__in=_digests(session=session))
    return same.filter(ended_at=None, expires_at__gt=now).order_by("-pk")


def end(*, session: PanelSession, now: dt.datetime, actor: log.Actor, only: str = "") -> None:
    """End a session and every other one of the same address.

    :param only: the id of the one of them that ends alone
    """
    with transaction.atomic():
        locks.advisory(rank=locks.Rank.SIGN_IN, key=session.address_digest)
        rows = PanelSession.objects.filter(address_digest__in=_digests(session=session), ended_at=None).order_by("pk")
        for row in rows.filter(public_id=only) if only else rows:
            PanelSession.objects.filter(pk=row.pk).update(ended_at=now)
            log.record(action=Action.SESSION_LOGOUT, object_type="panel_session", object_id=row.public_id, actor=actor)


def current(*, request: HttpRequest, now: dt.datetime) -> PanelSession | None:
    """Return the session that a request's cookie names, if it stands."""
    token = request.COOKIES.get(cookie_name(name=COOKIE), "")
    rows = PanelSession.objects.select_related(*_OPEN).filter(token_sha256=_sha256(token), ended_at=None)
    session = rows.filter(expires_at__gt=now).first() if token else None
    if session is None:
        return None
    same = session.address_digest in _digests(session=session)
    return session if same and getattr(_whose(session=session), "is_active", True) else None


def _whose(*, session: PanelSession) -> Party | User:
    return session.party or cast("User", session.user)


def _digests(*, session: PanelSession) -> list[str]:
    """Return the digests of the address that whose session it is has now."""
    return outbox.address_digests(address=_whose(session=session).email)


def of(*, request: HttpRequest) -> PanelSession:
    """Return the session by which a request was let in."""
    return cast("PanelSession", request.__dict__["panel_session"])


def entered(view: View) -> View:
    """Wrap a view of the panel: without a session the way leads to the sign-in; a form must be one of ours."""

    @functools.wraps(view)
    def inside(request: HttpRequest, **parts: Any) -> HttpResponseBase:
        session = current(request=request, now=timezone.now())
        if session is None:
            return pages.secure_headers(response=HttpResponseRedirect(reverse("panel-sign-in")))
        request.user = session.user or AnonymousUser()
        request.__dict__["panel_session"] = session
        request.__dict__["panel_party"] = session.party
        if session.party is None and not roles.reading_as(user=session.user) & roles.OWNERS:
            actors.refuse(request=request, code="role_not_allowed", object_type="route", object_id="panel")
        if request.method not in SAFE and not pages.same_site(request=request):
            actor = actors.actor(request=request)
            log.deny(actor=actor, object_type="panel_session", object_id=session.public_id, code="csrf_failed")
            raise errors.Problem(code="csrf_failed")
        return view(request, **parts)

    return inside


def _token(*, public_id: str) -> str:
    """Return a session's secret: 43 characters of base64url, the same at every call."""
    return keyed.token(text=f"panel:{public_id}")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
