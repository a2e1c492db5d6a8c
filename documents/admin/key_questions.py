"""The question to a security key on a page: a button that the script `dc/keys.js` works, and its answer in the form."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit import log
from documents import errors
from documents.access import actors, deciding, factors, passwords, security_keys
from documents.access.security_keys import KeyPurpose
from documents.admin import rights

FIELD = "key_answer"
OR_KEY: Mapping[str, str] = {"data-or-key": ""}  # of an input that the key's answer makes needless
WRONG = _("La llave no ha respondido bien: no es una de las tuyas, o la página llevaba demasiado tiempo abierta.")
KEY_WRONG = "key_wrong"


@dataclass(frozen=True, kw_only=True)
class KeyQuestion:
    """What the button hands to the browser; where the page has another address than keys sign for, that one."""

    does: Literal["get", "create"]
    options: str = ""
    elsewhere: str = ""


def ask(*, request: HttpRequest, user: User, purpose: KeyPurpose, now: dt.datetime) -> KeyQuestion | None:
    """Ask the keys of a person; None where she has none, or none works here."""
    if not factors.has(user=user, kind=factors.KEY) or security_keys.home() is None:
        return None
    if not security_keys.is_at_home(request=request):
        return KeyQuestion(does="get", elsewhere=_elsewhere(request=request))
    options = security_keys.ask(request=request, user=user, purpose=purpose, now=now)
    return KeyQuestion(does="get", options=options)


def ask_grave(*, request: HttpRequest) -> KeyQuestion | None:
    """Ask the keys of who is signed in to confirm a grave act; None where she has none, or none works here."""
    return ask(request=request, user=rights.person(request=request), purpose=KeyPurpose.GRAVE_ACT, now=timezone.now())


def ask_for_new(*, request: HttpRequest, user: User, now: dt.datetime) -> KeyQuestion | None:
    """Ask for a key that is new to a person; None where none works here."""
    if security_keys.home() is None:
        return None
    if not security_keys.is_at_home(request=request):
        return KeyQuestion(does="create", elsewhere=_elsewhere(request=request))
    return KeyQuestion(does="create", options=security_keys.ask_for_new(request=request, user=user, now=now))


def answer(*, request: HttpRequest) -> str:
    """Return what a key has answered, as the form was sent with it; empty where none was asked."""
    return request.POST.get(FIELD, "") if security_keys.home() is not None else ""


def is_right(*, request: HttpRequest, user: User, purpose: KeyPurpose, now: dt.datetime, actor: log.Actor) -> bool:
    """Tell whether the answer is that of a key of the person to what she was asked; it is used up."""
    stated = answer(request=request)
    signed = security_keys.signed(request=request, user=user, answer=stated, purpose=purpose, now=now)
    return factors.spend(user=user, answer=signed, now=now, actor=actor)


def password_field(*, request: HttpRequest, is_alone: bool = False) -> forms.CharField:
    """Return the field that asks for the password again; a key may answer instead, unless it `is_alone`."""
    return forms.CharField(
        label=_("Tu contraseña"),
        strip=False,
        max_length=1000,
        required=is_alone or not answer(request=request),
        widget=forms.PasswordInput(
            attrs={"class": "dc-input", "autocomplete": "current-password", **({} if is_alone else OR_KEY)}
        ),
        help_text=_("Se pide otra vez porque es un acto grave. No queda en la bitácora."),
    )


def require(
    *, request: HttpRequest, user: User, password: str, object_type: str, object_id: str, now: dt.datetime
) -> None:
    """Refuse whoever shows neither her password nor a key of hers; what is wrong is on record.

    :raises errors.Problem: `key_wrong`; what `passwords.require` raises
    """
    actor = actors.actor(request=request)
    about: dict[str, Any] = {"object_type": object_type, "object_id": object_id, "actor": actor}
    if password or not answer(request=request):
        passwords.require(user=user, password=password, now=now, **about)
    elif not is_right(request=request, user=user, purpose=KeyPurpose.GRAVE_ACT, now=now, actor=actor):
        deciding.refuse(code=KEY_WRONG, **about)


def _elsewhere(*, request: HttpRequest) -> str:
    """Return the address of this page where keys work.

    :raises errors.Problem: `not_found`, where they work nowhere
    """
    place = security_keys.home()
    if place is None:
        raise errors.Problem(code="not_found")
    return f"{place.origin}{request.path}"
