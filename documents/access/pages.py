"""How a page is sent: its language, its security headers, its one style sheet. No script, nothing remote."""

import base64
import functools
import hashlib
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template, render_to_string
from django.utils import translation

from documents import formatting

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LENGTH_DIGITS_MAX = 18  # int() refuses thousands of them
_GAPS = re.compile(r">\s+<")
_BLANKS = re.compile(r"\s*\n\s*")


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
            "style": style(),
        }
        body = render_to_string(template, texts | dict(context or {}))
        response = HttpResponse(_GAPS.sub("><", _BLANKS.sub("\n", body)).strip(), status=status)
        response["Content-Language"] = formatting.language()
    return secure_headers(response=response)


def requested_language(*, request: HttpRequest) -> str:
    """Return the language that a visitor asked for, one of `formatting.LANGUAGES`."""
    wanted = request.GET.get("lang", "")
    return wanted if wanted in formatting.LANGUAGES else formatting.language()


def secure_headers(*, response: HttpResponse) -> HttpResponse:
    """Set the security headers of a page without scripts on any response, and return it."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers["Content-Security-Policy"] = policy()
    return response


@functools.cache
def style() -> str:
    """Return the one style sheet, without comments and needless blanks."""
    text = get_template("web/page.css").template.source  # type: ignore[attr-defined] # Django's own backend
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return re.sub(r"\s*([{};,:>])\s*", r"\1", re.sub(r"\s+", " ", text)).replace(";}", "}").strip()


@functools.cache
def policy() -> str:
    """Return the content security policy: nothing but this page's own style, images and forms."""
    style_digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{style_digest}'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


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
    return origin == "null" or urlsplit(origin).netloc in {request.get_host(), urlsplit(settings.PUBLIC_URL).netloc}


def declared_bytes(*, request: HttpRequest) -> int:
    """Return how long a body says it is; 0 where it says nothing that can be read as a length."""
    text = str(request.META.get("CONTENT_LENGTH") or "0")
    return int(text[:LENGTH_DIGITS_MAX]) if text.isascii() and text.isdigit() else 0
