"""TABLE: the pages on which staff come in: invitation, password, second factor, and both again after a pause."""

import html
import re
import time
from typing import TYPE_CHECKING, Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from audit import log
from documents.access import sessions
from documents.delivery import invitations
from documents.models import Invitation
from tests import cast, factories
from tests.documents import center
from tests.pages.table import ShownPage
from tests.pages.world import TYPED, PageWorld
from tests.services import force, soft_key

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as HttpResponse

LOGIN, CODE, FACTOR, UNLOCK = "/admin/login/", "/admin/login/code/", "/admin/factor/", "/admin/unlock/"
FACTORS, KEY = "/admin/factors/", "/admin/factors/key/"
NAME, ORIGIN = "Llavero azul de la oficina de Barcelona", "http://localhost:8000"
CHANGE = "/admin/password_change/"
WRONG = {"code": "000000"}


def _invited(world: PageWorld, body: dict[str, Any] | None = None, *, ended: bool = False) -> "HttpResponse":
    """Return what an invitation shows, or what follows its form."""
    user = cast.staff(name=f"invited_{time.monotonic_ns()}", roles=[], countries=[]).user
    with force.by_force():
        made = invitations.plan(person=center.person(user=user), now=timezone.now(), actor=log.SYSTEM)
        if ended:
            Invitation.objects.filter(pk=made.pk).update(ended_at=timezone.now())
    address = f"/invitation/{invitations.token(public_id=made.public_id)}/"
    return world.get(Client(), address) if body is None else world.post(Client(), address, body)


def _enrolled(world: PageWorld) -> "HttpResponse":
    """Return the recovery codes."""
    browser = world.staff(has_factor=False)
    world.get(browser, FACTOR)
    kept, cast.SECRET = cast.SECRET, browser.session["factor_secret"]
    try:
        return world.post(browser, FACTOR, {"code": cast.code()})
    finally:
        cast.SECRET = kept


def _at_home(world: PageWorld, *, has_factor: bool = True) -> Client:
    """Return the browser of a member of staff at the address where keys work."""
    browser = world.staff(has_factor=has_factor)
    browser.defaults["HTTP_HOST"] = "localhost"
    return browser


def _with_key(world: PageWorld, *, is_half_in: bool = False) -> Client:
    """Return the browser of a member of staff who has a key, too, or who has shown her password alone."""
    browser = _at_home(world)
    key = soft_key.SoftKey(origin=ORIGIN)
    asked = html.unescape(re.findall(r'data-options="([^"]+)"', world.get(browser, KEY).content.decode())[0])
    sent = {"name": NAME, "password": cast.PASSWORD, "key_answer": key.make(asked)}
    assert world.post(browser, KEY, sent).status_code == 200
    if is_half_in:
        user = User.objects.get(pk=browser.session["_auth_user_id"])
        browser = world.half_in(login=user.get_username())
        browser.defaults["HTTP_HOST"] = "localhost"
    return browser


def _of_key(world: PageWorld, page: str, *, sent: bool = False) -> "HttpResponse":
    """Return a page about a key of hers, or what follows its form that says nothing new."""
    browser = _with_key(world)
    path = f"{FACTORS}{Authenticator.objects.filter(type='webauthn').latest('pk').pk}/{page}/"
    return world.post(browser, path, {"name": NAME, "password": "not it"}) if sent else world.get(browser, path)


def _away(world: PageWorld, browser: Client | None = None) -> Client:
    """Return the browser of somebody who was away for long and has sent a form since."""
    browser = browser or world.staff()
    session = browser.session
    session[sessions.SEEN] = time.time() - 31 * 60
    session.save()
    return browser


def _back(world: PageWorld) -> "HttpResponse":
    """Return the page that gives back the form that was sent meanwhile."""
    browser = _away(world)
    page = f"{center.page(factories.document())}resend/"
    assert browser.post(page, {"reason": "Lo pide su titular"})["Location"].startswith(UNLOCK)
    return world.post(browser, UNLOCK, {"password": cast.PASSWORD, "code": cast.code()})


def _changed(world: PageWorld, old: str) -> "HttpResponse":
    """Return what follows the form that changes one's own password."""
    body = {"old_password": old, "new_password1": TYPED, "new_password2": TYPED}
    return world.post(world.staff(), CHANGE, body)


SIGN_IN_PAGES = (
    ShownPage(name="login", at="login", show=lambda world: world.get(Client(), LOGIN)),
    ShownPage(
        name="login-wrong",
        at="login",
        show=lambda world: world.post(Client(), LOGIN, {"username": "nobody", "password": "not it"}),
    ),
    ShownPage(name="second-step", at="code", show=lambda world: world.get(world.half_in(), CODE)),
    ShownPage(
        name="second-step-wrong", at="code", show=lambda world: world.post(world.half_in(), CODE, WRONG), status=400
    ),
    ShownPage(name="factor", at="factor", show=lambda world: world.get(world.staff(has_factor=False), FACTOR)),
    ShownPage(
        name="factor-wrong",
        at="factor",
        show=lambda world: world.post(world.staff(has_factor=False), FACTOR, WRONG),
        status=400,
    ),
    ShownPage(name="recovery-codes", at="factor", show=_enrolled),
    ShownPage(name="second-step-key", at="code", show=lambda world: world.get(_with_key(world, is_half_in=True), CODE)),
    ShownPage(
        name="second-step-key-wrong",
        at="code",
        show=lambda world: world.post(_with_key(world, is_half_in=True), CODE, {"key_answer": "{}"}),
        status=400,
    ),
    ShownPage(name="key", at="factor_key", show=lambda world: world.get(_at_home(world, has_factor=False), KEY)),
    ShownPage(
        name="key-wrong",
        at="factor_key",
        show=lambda world: world.post(_at_home(world), KEY, {"name": "x", "password": "not it", "key_answer": "{}"}),
        status=400,
    ),
    ShownPage(name="key-elsewhere", at="factor_key", show=lambda world: world.get(world.staff(), KEY)),
    ShownPage(name="factors", at="factors", show=lambda world: world.get(_with_key(world), FACTORS)),
    ShownPage(name="factors-one", at="factors", show=lambda world: world.get(world.staff(), FACTORS)),
    ShownPage(name="factor-name", at="factor_name", show=lambda world: _of_key(world, "name")),
    ShownPage(
        name="factor-name-same", at="factor_name", show=lambda world: _of_key(world, "name", sent=True), status=400
    ),
    ShownPage(name="factor-remove", at="factor_remove", show=lambda world: _of_key(world, "remove")),
    ShownPage(
        name="factor-remove-wrong",
        at="factor_remove",
        show=lambda world: _of_key(world, "remove", sent=True),
        status=400,
    ),
    ShownPage(name="away-key", at="unlock", show=lambda world: world.get(_away(world, _with_key(world)), UNLOCK)),
    ShownPage(name="away", at="unlock", show=lambda world: world.get(_away(world), UNLOCK)),
    ShownPage(
        name="away-wrong",
        at="unlock",
        show=lambda world: world.post(_away(world), UNLOCK, {"password": "not it", "code": "000000"}),
        status=400,
    ),
    ShownPage(name="back", at="unlock", show=_back),
    ShownPage(name="password", at="password_change", show=lambda world: world.get(world.staff(), CHANGE)),
    ShownPage(name="password-wrong", at="password_change", show=lambda world: _changed(world, "not it"), status=400),
    ShownPage(name="password-changed", at="password_change_done", show=lambda world: _changed(world, cast.PASSWORD)),
    ShownPage(name="invitation", at="invitation", show=_invited),
    ShownPage(
        name="invitation-short",
        at="invitation",
        show=lambda world: _invited(world, {"new_password1": "corta", "new_password2": "otra"}),
        status=400,
    ),
    ShownPage(
        name="invitation-taken",
        at="invitation",
        show=lambda world: _invited(world, {"new_password1": TYPED, "new_password2": TYPED}),
    ),
    ShownPage(name="invitation-ended", at="invitation", show=lambda world: _invited(world, ended=True), status=410),
    ShownPage(
        name="invitation-unknown",
        at="invitation",
        show=lambda world: world.get(Client(), f"/invitation/{'A' * 43}/"),
        status=404,
    ),
)
