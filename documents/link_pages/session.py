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
PASTED = "./>,;:)]}\"'`*_~!?»”… \t"  # what stands behind an address in a text, and is pasted with it
SALT = "documents.link_pages.views.session"


@ownership.resolver(Ownership.LINK)
def linked(visit: Visit) -> Admitted:
    """Load the link of the token in the address; None for the page that says that there is none.

    Marks behind the token, which were pasted with it, are left out.
    """
    parts = dict(visit.parts)
    link = links.find(token=_bare(text=str(parts.pop("token", "") or parts.pop("rest"))))
    place = int(parts.pop("place", 1))
    handed = {**parts, "link": link, "document": None, "place": place}
    if link is None:
        return Admitted(handed=handed, about=ownership.about())
    handed["document"] = document = links.document(link=link, place=place)
    named = (("document", document.public_id),) if document else ()
    mine = scope.Reach(column="owner_id", values=frozenset({link.recipient_id}))
    return Admitted(
        handed=handed, about=ownership.about(("link", link.public_id), *named), loaded=link, covers=mine.covers
    )


def _bare(*, text: str) -> str:
    """Return the token without what was pasted behind it; a text with anything else behind it is no token."""
    token, behind = text[: links.TOKEN_LENGTH], text[links.TOKEN_LENGTH :]
    return text if behind.strip(PASTED) else token


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
