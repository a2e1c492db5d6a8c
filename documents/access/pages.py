"""How a page is sent: its language, its security headers, its one style sheet. No script, nothing remote."""

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils import translation

from documents import formatting
from documents.access import style

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LENGTH_DIGITS_MAX = 18  # int() refuses thousands of them
AnyResponse = TypeVar("AnyResponse", bound=HttpResponseBase)


def page(
    *, request: HttpRequest, template: str, context: Mapping[str, object] | None = None, status: int = 200
) -> HttpResponse:
    """Return a page in the visitor's language: `?lang=`, else the browser's, else Spanish; with security headers."""
    with translation.override(requested_language(request=request)):
        other = "en" if formatting.language() == "es" else "es"
        texts = {
            "language": formatting.language(),
            "other_language": other,
            "query": f"?lang={formatting.language()}" if "lang" in request.GET else "",
            "style": style.TEXT,
            "panel_style": style.PANEL,
            "support": formatting.support(),
        }
        response = HttpResponse(render_to_string(template, texts | dict(context or {})), status=status)
        response["Content-Language"] = formatting.language()
    return secure_headers(response=response)


def requested_language(*, request: HttpRequest) -> str:
    """Return the language that a visitor asked for, one of `formatting.LANGUAGES`."""
    wanted = request.GET.get("lang", "")
    return wanted if wanted in formatting.LANGUAGES else formatting.language()


def secure_headers(*, response: AnyResponse) -> AnyResponse:
    """Set the headers of a page without scripts on any response, and return it; its content policy is the settings'."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response


def same_site(*, request: HttpRequest) -> bool:
    """Tell whether a form was sent from a page of ours.

    Django's own CSRF check wants a cookie before the first POST and an `Origin` that these pages, being `no-referrer`,
    send as `null`. What stands in for it: the token in the address is a secret that another site cannot know, the
    session cookie is SameSite=Lax and not sent along by another site's form, and browsers say where a form comes from.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("Origin", "null")
    host = origin.partition("://")[2]  # not split as an address: `http://[` is none, and a fault
    return origin == "null" or host in {request.get_host(), urlsplit(settings.PUBLIC_URL).netloc}


def declared_bytes(*, request: HttpRequest) -> int:
    """Return how long a body says it is; 0 where it says nothing that can be read as a length."""
    text = str(request.META.get("CONTENT_LENGTH") or "0")
    return int(text[:LENGTH_DIGITS_MAX]) if text.isascii() and text.isdigit() else 0
