"""How the pages behind a link are answered: the page itself, a message in its place, a way back to the first one."""

import datetime as dt
from collections.abc import Mapping
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from audit import log
from documents import errors, formatting
from documents.access import actors, pages
from documents.delivery import answers, links
from documents.link_pages import messages
from documents.models import Document, Link, Status
from documents.rendering import printout

REFRESH_S = 15
RETRY_AFTER_S = 300
KEPT = ("by", "page")  # of the address, when the language is changed


def actor(*, request: HttpRequest, link: Link) -> log.Actor:
    """Return who asks by a link, for the log."""
    return actors.visitor(request=request, kind="link", identity=link.public_id)


def asking(*, request: HttpRequest, link: Link) -> log.Actor:
    """Return who asks for something by a link; a form must be one of ours.

    :raises errors.Problem: `csrf_failed` for another site's form, on record
    """
    who = actor(request=request, link=link)
    if request.method == "POST" and not pages.same_site(request=request):
        log.deny(actor=who, object_type="link", object_id=link.public_id, code="csrf_failed")
        raise errors.Problem(code="csrf_failed")
    return who


def refuse(
    *, request: HttpRequest, link: Link, document: Document | None, session_id: str, now: dt.datetime
) -> HttpResponse | None:
    """Answer for a link that opens nothing now (on record), or a document that cannot be handed out; else None.

    :param document: without one, that is left to the page of each.
    """
    state = links.state(link=link, now=now, session=session_id, document=None)
    who = actor(request=request, link=link)
    until_at = None
    if state is links.State.LIVE and not session_id:
        until_at = answers.limited_until(link=link, now=now, actor=who)
    if state is not links.State.LIVE or until_at is not None:
        code = links.State.LOCKED if until_at else state
        log.deny(actor=who, object_type="link", object_id=link.public_id, code=code.value)
        name = "limited" if until_at else state.value
        return say(request=request, link=link, page_name=name, until_at=until_at or link.locked_until_at)
    if document is None or document.status == Status.LOCKED:
        return None
    if document.status == Status.ISSUED:
        return preparing(request=request, link=link)
    return say(request=request, link=link, page_name="withheld" if document.status == Status.QUARANTINED else "gone")


def unknown(*, request: HttpRequest, link: Link | None) -> HttpResponse:
    """Answer an address that is no page of a link: one page, one status, on record, whether or not there is a link."""
    who = actors.visitor(request=request)
    log.deny(actor=who, object_type="link", object_id=link.public_id if link else "unknown", code="not_found")
    return say(request=request, link=None, page_name="unknown")


def preparing(*, request: HttpRequest, link: Link) -> HttpResponse:
    """Show that the document is not there yet: on the link's own page, which looks again by itself."""
    if request.resolver_match is not None and request.resolver_match.view_name == "link":
        return say(request=request, link=link, page_name="preparing")
    return see(request=request, link=link)


def say(
    *, request: HttpRequest, link: Link | None, page_name: str, until_at: dt.datetime | None = None
) -> HttpResponse:
    """Answer with one of the message pages of `messages`; `until_at` is when it may be tried again."""
    with translation.override(pages.requested_language(request=request)):
        message = messages.message(name=page_name, link=link, until_at=until_at)
    context: dict[str, object] = {
        "heading": message.heading,
        "lines": message.lines,
        "sign": message.sign,
        "tone": message.tone,
        "renew": message.renew,
        "back": message.status == messages.AWAY or page_name == "preparing",
        "refresh": page_name == "preparing",
    }
    response = page(request=request, link=link, template="web/message.html", context=context, status=message.status)
    if page_name == "preparing":
        response.headers["Refresh"] = str(REFRESH_S)
    if page_name == "away":
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    if message.status == messages.TOO_MANY and until_at is not None:
        response.headers["Retry-After"] = str(max(1, int((until_at - timezone.now()).total_seconds())))
    return response


def page(
    *,
    request: HttpRequest,
    link: Link | None,
    template: str,
    context: Mapping[str, object],
    status: int = 200,
) -> HttpResponse:
    """Return a page behind a link, with what all of them show."""
    own = dict(context)
    if link is not None:
        issuer = link.document.issuer
        own |= {
            "issuer": issuer.legal_name,
            "monogram": printout.monogram(issuer.legal_name),
            "support": formatting.support(issuer=issuer),
            "base": path(link=link),
            "reference": link.public_id,
            "kept": "".join(f"&{name}={request.GET[name]}" for name in KEPT if request.GET.get(name, "").isalnum()),
        }
    return pages.page(request=request, template=template, context=own, status=status)


def see(*, request: HttpRequest, link: Link, rest: str = "", **noted: str) -> HttpResponse:
    """Redirect to the link's first page, or to another below it, in the language in use; `noted` goes with it.

    Every form is answered so: a page that is the answer to a form cannot be gone back to.
    """
    wanted = request.GET.get("lang", "")
    query = urlencode(({"lang": wanted} if wanted in formatting.LANGUAGES else {}) | noted)
    return HttpResponse(status=303, headers={"Location": f"{path(link=link)}{rest}{'?' if query else ''}{query}"})


def path(*, link: Link) -> str:
    """Return the address of a link's first page."""
    return reverse("link", args=[links.token(link=link)])


def verified(*, link: Link) -> str:
    """Return what an opened page says of who has opened it, in the language in force."""
    if link.reader:
        return _("Su titular lo comparte con %s. Lo que ves es su estado de ahora.") % link.reader
    return _("Enlace comprobado.") if link.knows == links.NOTHING else _("Verificado. Es para ti.")
