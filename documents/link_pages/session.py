"""Who asks by a link: whoever has its token and, once it is opened, a short session. There is no row and no login."""

import datetime as dt
import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from documents.access import ownership, scope
from documents.access.admission import Admitted, Ownership, Visit
from documents.delivery import links
from documents.models import Link

COOKIE = "link"
SALT = "documents.link_pages.views.session"


@ownership.resolver(Ownership.LINK)
def linked(visit: Visit) -> Admitted:
    """Load the link of the token in the address; None for the page that says that there is none."""
    parts = dict(visit.parts)
    token = str(parts.pop("token", "") or parts.pop("rest"))
    link = links.find(token=token)
    handed = {**parts, "link": link}
    if link is None:
        return Admitted(handed=handed, about=ownership.about())
    mine = scope.Reach(column="owner_id", values=frozenset({link.document.owner_id}))
    return Admitted(
        handed=handed,
        about=ownership.about(("link", link.public_id), ("document", link.document.public_id)),
        loaded=link,
        covers=mine.covers,
    )


def _cookie_name() -> str:
    """Return the cookie's name; browsers accept `__Secure-` only over https."""
    return f"__Secure-{COOKIE}" if settings.PUBLIC_URL.startswith("https://") else COOKIE


def start(*, response: HttpResponse, request: HttpRequest, link: Link, now: dt.datetime) -> None:
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
        path=reverse("link", args=[links.token(link=link)]),
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
