"""The short session of an opened link: a signed cookie; there is no row and no login."""

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
    """Return the cookie's name; browsers accept `__Secure-` only over https."""
    return f"__Secure-{COOKIE}" if settings.PUBLIC_URL.startswith("https://") else COOKIE


def start(*, response: HttpResponse, request: HttpRequest, link: Link, token: str, now: dt.datetime) -> None:
    """Set a signed cookie that opens this link, and no other, for fifteen minutes.

    SameSite is Lax and not Strict, because a later tap on the link in the mail must send the cookie. Its path is the
    link's, so that the sessions of two links on one phone stay apart.
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
        cookie = signing.Signer(salt=SALT).unsign_object(request.COOKIES.get(_cookie_name(), ""))
    except (signing.BadSignature, ValueError):
        return ""
    same = cookie.get("link") == link.public_id and cookie.get("generation") == link.generation
    return str(cookie["session"]) if same and cookie.get("until", 0) > now.timestamp() else ""
