"""The short session of an opened link: a signed cookie, no row and no login behind it."""

import datetime as dt
import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from documents.delivery import links
from documents.models import Link

COOKIE = "link"
SALT = "documents.link_pages.views.session"


def _cookie_name() -> str:
    """Return the cookie's name; browsers let `__Secure-` only come over https."""
    return f"__Secure-{COOKIE}" if settings.PUBLIC_URL.startswith("https://") else COOKIE


def start(*, response: HttpResponse, request: HttpRequest, link: Link, token: str, now: dt.datetime) -> None:
    """Hand out a signed cookie that opens this link, and no other, for fifteen minutes.

    SameSite=Lax and not Strict: the next tap on the mail's link must bring it along. It is bound to the link's path, so
    that two links on one phone do not meet.
    """
    value = signing.Signer(salt=SALT).sign_object(
        {
            "link": link.public_id,
            "generation": link.generation,
            "session": secrets.token_hex(8),
            "until": int((now + links.SESSION).timestamp()),
        }
    )
    response.set_cookie(
        _cookie_name(),
        value,
        max_age=int(links.SESSION.total_seconds()),
        path=reverse("link", args=[token]),
        secure=settings.PUBLIC_URL.startswith("https://") or request.is_secure(),
        httponly=True,
        samesite="Lax",
    )


def current(*, request: HttpRequest, link: Link, now: dt.datetime) -> str:
    """Return the id of the session that opened this link, or "" where none is current."""
    try:
        stated = signing.Signer(salt=SALT).unsign_object(request.COOKIES.get(_cookie_name(), ""))
    except (signing.BadSignature, ValueError):
        return ""
    same = stated.get("link") == link.public_id and stated.get("generation") == link.generation
    return str(stated["session"]) if same and stated.get("until", 0) > now.timestamp() else ""
