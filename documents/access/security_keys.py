"""Security keys and passkeys of staff (WebAuthn): what a browser is asked, and whether what it answers is right.

A key signs for one address of the service, which follows from PUBLIC_URL, and for one question: each is asked once, for
one purpose, in one session. Keys are rows of django-allauth; what is written of them is written in `access.factors`.
"""

import datetime as dt
import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

KEY = str(Authenticator.Type.WEBAUTHN)
SERVICE = "billing-docs"
ASKED, LIFE, ASKED_MAX = "key_questions", dt.timedelta(minutes=10), 8
ANSWER_LENGTH_MAX = 32 * 1024
LOCALHOST = "localhost"
# What reading an answer of a browser may raise: none of it has been checked yet.
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)


@enum.unique
class KeyPurpose(enum.StrEnum):
    """What a key is asked for; an answer to one question is none to another."""

    ENROL = "enrol"
    SIGN_IN = "sign_in"
    UNLOCK = "unlock"
    GRAVE_ACT = "grave_act"


@dataclass(frozen=True, kw_only=True)
class KeyHome:
    """Where keys work: the name that they sign for, and the one origin whose pages may ask them."""

    name: str
    origin: str


@dataclass(frozen=True, kw_only=True)
class KeyAnswer:
    """What a key has signed: which row it is, what it was asked, how often it has signed (0: it does not count)."""

    row: int
    challenge: str
    count: int


def home() -> KeyHome | None:
    """Return where keys work; None where no browser would ask one: an address without TLS, or one without a name."""
    parts = urlsplit(settings.PUBLIC_URL)
    name, port = str(parts.hostname), f":{parts.port}" if parts.port else ""
    if _is_this_machine(name=name):
        return KeyHome(name=LOCALHOST, origin=f"{parts.scheme}://{LOCALHOST}{port}")
    if parts.scheme != "https" or _is_number(name=name):
        return None
    return KeyHome(name=name, origin=f"https://{name}{'' if port == ':443' else port}")


def is_at_home(*, request: HttpRequest) -> bool:
    """Tell whether a page that is shown now may ask a key: its host is the one that keys sign for."""
    place = home()
    return place is not None and urlsplit(f"//{request.get_host()}").hostname == place.name


def ask(*, request: HttpRequest, user: User, purpose: KeyPurpose, now: dt.datetime) -> str:
    """Ask any key of a person to sign; returns what the browser is handed, as JSON."""
    options, state = _server().authenticate_begin(
        credentials=list(_known(user=user).values()), user_verification=UserVerificationRequirement.PREFERRED
    )
    _remember(request=request, user=user, purpose=purpose, state=state, now=now)
    return json.dumps(dict(options))


def ask_for_new(*, request: HttpRequest, user: User, now: dt.datetime) -> str:
    """Ask for a key that the person has not enrolled yet; returns what the browser is handed, as JSON."""
    options, state = _server().register_begin(
        PublicKeyCredentialUserEntity(id=str(user.pk).encode(), name=user.get_username(), display_name=str(user)),
        list(_known(user=user).values()),
        resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    _remember(request=request, user=user, purpose=KeyPurpose.ENROL, state=state, now=now)
    return json.dumps(dict(options))


def new_credential(*, request: HttpRequest, user: User, answer: str, now: dt.datetime) -> dict[str, Any] | None:
    """Return what a key that is being enrolled has made, as it is stored; None where it is not what was asked for."""
    try:
        response = RegistrationResponse.from_dict(_parsed(answer=answer))
        state = _state(
            request=request,
            user=user,
            purpose=KeyPurpose.ENROL,
            challenge=websafe_encode(response.response.client_data.challenge),
            now=now,
        )
        if state is None:
            return None
        _server().register_complete(state, response)
    except _UNREADABLE:
        return None
    return cast("dict[str, Any]", json.loads(json.dumps(dict(response))))


def signed(*, request: HttpRequest, user: User, answer: str, purpose: KeyPurpose, now: dt.datetime) -> KeyAnswer | None:
    """Return what a key of the person has signed; None where it is not what was asked for, or was answered before."""
    known = _known(user=user)
    try:
        response = AuthenticationResponse.from_dict(_parsed(answer=answer))
        challenge = websafe_encode(response.response.client_data.challenge)
        state = _state(request=request, user=user, purpose=purpose, challenge=challenge, now=now)
        if state is None:
            return None
        credential = _server().authenticate_complete(state, list(known.values()), response)
    except _UNREADABLE:
        return None
    row = next(row for row, each in known.items() if each.credential_id == credential.credential_id)
    return KeyAnswer(row=row, challenge=challenge, count=response.response.authenticator_data.counter)


def _known(*, user: User) -> dict[int, AttestedCredentialData]:
    """Return the keys of a person by their rows."""
    rows = Authenticator.objects.filter(user=user, type=KEY).order_by("pk")
    return {row.pk: row.wrap().authenticator_data.credential_data for row in rows}


def _server() -> Fido2Server:
    """Return what makes questions and checks answers.

    :raises ValueError: no browser would ask a key where this service is
    """
    place = home()
    if place is None:
        raise ValueError("keys do not work at PUBLIC_URL")
    entity = PublicKeyCredentialRpEntity(id=place.name, name=SERVICE)
    return Fido2Server(entity, verify_origin=lambda origin: origin == place.origin)


def _remember(
    *, request: HttpRequest, user: User, purpose: KeyPurpose, state: Mapping[str, Any], now: dt.datetime
) -> None:
    """Remember a question in the session, beside the last few of other pages that are open."""
    question = {"user": user.pk, "purpose": purpose, "until": (now + LIFE).timestamp(), "state": dict(state)}
    request.session[ASKED] = [*request.session.get(ASKED, []), question][-ASKED_MAX:]


def _state(
    *, request: HttpRequest, user: User, purpose: KeyPurpose, challenge: str, now: dt.datetime
) -> dict[str, Any] | None:
    """Return the question that an answer is about, and forget it; None where it was not asked, or long ago."""
    asked = request.session.get(ASKED, [])
    request.session[ASKED] = [each for each in asked if each["state"]["challenge"] != challenge]
    return next(
        (
            cast("dict[str, Any]", each["state"])
            for each in asked
            if (each["state"]["challenge"], each["user"], each["purpose"]) == (challenge, user.pk, purpose)
            and now.timestamp() < each["until"]
        ),
        None,
    )


def _parsed(*, answer: str) -> dict[str, Any]:
    """Return an answer of a browser.

    :raises ValueError: it is no JSON, or longer than any
    :raises TypeError: it is no JSON object
    """
    if len(answer) > ANSWER_LENGTH_MAX:
        raise ValueError("longer than any answer of a key")
    stated = json.loads(answer)
    if not isinstance(stated, dict):
        raise TypeError("no answer of a key")
    return stated


def _is_this_machine(*, name: str) -> bool:
    """Tell whether a host is this machine: browsers ask keys there without TLS, by the name of it alone."""
    return name == LOCALHOST or (_is_number(name=name) and ip_address(name).is_loopback)


def _is_number(*, name: str) -> bool:
    """Tell whether a host is an IP address, for which no key signs."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
