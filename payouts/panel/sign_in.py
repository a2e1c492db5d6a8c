"""The panel's door: an address, a code by mail, a session. What a page says never tells whether an address is known."""

import secrets
import time

from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from audit import log
from documents import errors
from documents.access import actors, pages, rates
from documents.delivery import outbox, sign_in_codes
from payouts.panel import frame, sessions

ASKED, ASKED_S = "panel-asked", 600
SALT = "payouts.panel.sign_in"
ADDRESS_LENGTH_MAX, CODE_LENGTH_MAX, FORM_LENGTH_MAX = 254, 20, 64
HOUR_S = 3600
TRIES_MAX = 60  # forms an hour from one network address


@csrf_exempt
def ask(request: HttpRequest) -> HttpResponse:
    """Ask for the address, and mail a code to it if it is somebody's (GET, POST /mis-documentos/entrar/)."""
    if request.method != "POST":
        return _ask_page(request=request)
    _count(request=request)
    address = request.POST.get("address", "").strip()[: ADDRESS_LENGTH_MAX + 1]
    try:
        validate_email(address)
    except ValidationError:
        with translation.override(pages.requested_language(request=request)):
            alert = _("Escribe una dirección de correo completa.")
        return _ask_page(request=request, alert=alert, status=400)
    party, user = sessions.recipient(address=address)
    actor = actors.visitor(request=request)
    if party is None and user is None:
        log.deny(actor=actor, object_type="sign_in", object_id="unknown", code="not_found")
    else:
        locale = party.locale if party else pages.requested_language(request=request)
        to = party.email if party else user.email if user else address
        sign_in_codes.ask(address=to, party=party, user=user, locale=locale, now=timezone.now(), actor=actor)
    response = frame.see(request=request, name="panel-code")
    digest = outbox.address_digest(address=address)
    response.set_cookie(
        sessions.cookie_name(name=ASKED),
        signing.TimestampSigner(salt=SALT).sign(digest),
        max_age=ASKED_S,
        path=reverse("panel"),
        secure=settings.PUBLIC_URL.startswith("https://") or request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return response


@csrf_exempt
def answer(request: HttpRequest) -> HttpResponse:
    """Ask for the code, and open the session with it (GET, POST /mis-documentos/codigo/)."""
    try:
        digest = signing.TimestampSigner(salt=SALT).unsign(
            request.COOKIES.get(sessions.cookie_name(name=ASKED), ""), max_age=ASKED_S
        )
    except signing.BadSignature:
        return frame.see(request=request, name="panel-sign-in")
    if request.method != "POST":
        return _code_page(request=request)
    _count(request=request)
    given = "".join(filter(str.isalnum, request.POST.get("code", "")))[:CODE_LENGTH_MAX]
    form = request.POST.get("form", "")[:FORM_LENGTH_MAX]
    actor = actors.visitor(request=request)
    session = sessions.open_with(digest=digest, given=given, form=form, now=timezone.now(), actor=actor)
    if session is None:
        log.deny(actor=actor, object_type="sign_in", object_id="code", code="authentication_failed")
        with translation.override(pages.requested_language(request=request)):
            alert = _("El código no es correcto o ha caducado. Pide otro si ya han pasado diez minutos.")
        return _code_page(request=request, alert=alert)
    response = frame.see(request=request, name="panel")
    sessions.start(response=response, session=session, request=request)
    return response


@csrf_exempt
def leave(request: HttpRequest, **_parts: object) -> HttpResponse:
    """End the sessions of this address on every device (POST /mis-documentos/salir/)."""
    actor = actors.actor(request=request)
    sessions.end(session=sessions.of(request=request), now=timezone.now(), actor=actor)
    response = frame.see(request=request, name="panel-sign-in")
    response.delete_cookie(sessions.cookie_name(name=sessions.COOKIE), path=reverse("panel"), samesite="Lax")
    return response


def _count(*, request: HttpRequest) -> None:
    """Refuse another site's form, and count ours.

    :raises errors.Problem: `csrf_failed`, on record; `throttled`
    """
    actor = actors.visitor(request=request)
    if not pages.same_site(request=request):
        log.deny(actor=actor, object_type="sign_in", object_id="form", code="csrf_failed")
        raise errors.Problem(code="csrf_failed")
    caller = f"sign-in:{outbox.address_digest(address=actor.address)[:40]}"
    if rates.counted(caller=caller, window_number=int(time.time() // HOUR_S)) > TRIES_MAX:
        log.deny(actor=actor, object_type="sign_in", object_id="form", code="throttled")
        raise errors.Problem(code="throttled", values={"wait_s": HOUR_S - int(time.time() % HOUR_S)})


def _ask_page(*, request: HttpRequest, alert: str = "", status: int = 200) -> HttpResponse:
    return pages.page(request=request, template="panel/sign_in.html", context={"alert": alert}, status=status)


def _code_page(*, request: HttpRequest, alert: str = "") -> HttpResponse:
    minutes = sign_in_codes.LIFE.seconds // 60
    context = {"alert": alert, "form": secrets.token_urlsafe(24), "minutes": minutes}
    return pages.page(request=request, template="panel/code.html", context=context)
