"""The pages behind a secure link. No script, no login, no cookie before the first answer.

GET and HEAD change nothing but the note that the link was seen. Everything else is a POST.
"""

import base64
import datetime as dt
from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt

from audit import log
from documents import distribution, errors, formatting, standings
from documents.access import actors, pages
from documents.alerts import incidents
from documents.delivery import deliveries, links
from documents.link_pages import messages, session
from documents.models import Link, RevokeReason, Status
from documents.rendering import printout
from documents.resilience import calls

REFRESH_S = 15
RETRY_AFTER_S = 300
ANSWER_LENGTH_MAX = 64


def landing(request: HttpRequest, link: Link | None) -> HttpResponse:
    """Show the document of a link, the question before it, or why neither (GET /l/<token>/)."""
    now = timezone.now()
    if link is None:
        return unknown(request, link)
    links.note_seen(link=link, now=now, actor=_actor(request=request, link=link))
    session_id = session.current(request=request, link=link, now=now)
    refusal = _refuse_unusable(request=request, link=link, session_id=session_id, now=now)
    if refusal is not None:
        return refusal
    return _show(request=request, link=link) if session_id else _ask(request=request, link=link)


@csrf_exempt
def open_session(request: HttpRequest, link: Link | None) -> HttpResponse:
    """Check the answer and start the short session (POST /l/<token>/open/)."""
    now = timezone.now()
    if link is None:
        return unknown(request, link)
    actor = _asking(request=request, link=link)
    refusal = _refuse_unusable(request=request, link=link, session_id="", now=now)
    if refusal is not None:
        return refusal
    given = request.POST.get("answer", "")[:ANSWER_LENGTH_MAX]
    verdict = links.answer(link=link, answer=given, now=now, actor=actor)
    if verdict is links.Verdict.OPENED:
        response = _see_landing(request=request, link=link)
        session.start(response=response, request=request, link=link, now=now)
        return response
    link.refresh_from_db(fields=["wrong_answers", "locked_until_at", "revoked_at", "revoked_reason"])
    if verdict is not links.Verdict.MALFORMED:
        refusal = _refuse_unusable(request=request, link=link, session_id="", now=now)
        if refusal is not None:
            return refusal
    with translation.override(pages.requested_language(request=request)):
        alert = _("Escribe los 4 últimos caracteres, ni más ni menos.")
        if verdict is links.Verdict.WRONG:
            left = links.LOCK_EVERY - link.wrong_answers % links.LOCK_EVERY
            alert = ngettext(
                "El dato no coincide. Te queda %(left)d intento.",
                "El dato no coincide. Te quedan %(left)d intentos.",
                left,
            ) % {"left": left}
    return _ask(request=request, link=link, alert=alert, status=200 if verdict is links.Verdict.WRONG else 400)


@csrf_exempt
def download(request: HttpRequest, link: Link | None) -> HttpResponse:
    """Hand out the PDF, counted and audited (POST /l/<token>/download/)."""
    return _bytes(request=request, link=link, purpose="download", number=1)


def preview(request: HttpRequest, link: Link | None, number: int) -> HttpResponse:
    """Show a page as a picture to an opened session (GET /l/<token>/page/<n>/)."""
    return _bytes(request=request, link=link, purpose="preview", number=number)


@csrf_exempt
def renew(request: HttpRequest, link: Link | None) -> HttpResponse:
    """Have a new link mailed to the address on file; the answer is always the same (POST .../renew/)."""
    if link is None:
        return unknown(request, link)
    actor = _asking(request=request, link=link)
    if deliveries.renew(document=link.document, actor=actor, now=timezone.now()) is None:
        log.deny(actor=actor, object_type="link", object_id=link.public_id, code="not_renewed")
    return _say(request=request, link=link, page_name="renewed")


@csrf_exempt
def report(request: HttpRequest, link: Link | None) -> HttpResponse:
    """Revoke a link that reached the wrong person, and open an alert (POST /l/<token>/report/)."""
    if link is None:
        return unknown(request, link)
    actor = _asking(request=request, link=link)
    if links.revoke(link=link, reason=RevokeReason.WRONG_PERSON, actor=actor, now=timezone.now()):
        incidents.open_alert(
            code="link_revoked",
            dedup_key=f"link:{link.public_id}",
            values={"cause": RevokeReason.WRONG_PERSON},
            object_id=link.public_id,
        )
    return _say(request=request, link=link, page_name="reported")


@csrf_exempt
def unknown(request: HttpRequest, link: Link | None) -> HttpResponse:
    """Answer every address below /l/ that is no link: one page, one status, on record.

    Some mail programs drop the last slash; such an address is redirected to the link.
    """
    if request.method in {"GET", "HEAD"} and link is not None:
        return _see_landing(request=request, link=link)
    log.deny(actor=actors.visitor(request=request), object_type="link", object_id="unknown", code="not_found")
    return _say(request=request, link=None, page_name="unknown")


def _bytes(*, request: HttpRequest, link: Link | None, purpose: distribution.Purpose, number: int) -> HttpResponse:
    """Answer with the bytes that `distribution.open` hands out, or with the page that says why there are none."""
    now = timezone.now()
    if link is None:
        return unknown(request, link)
    actor = _asking(request=request, link=link)
    session_id = session.current(request=request, link=link, now=now)
    refusal = _refuse_unusable(request=request, link=link, session_id=session_id, now=now)
    if refusal is not None:
        return refusal
    if not session_id:
        log.deny(actor=actor, object_type="link", object_id=link.public_id, code="not_authenticated")
        return _see_landing(request=request, link=link)
    try:
        opened = distribution.open(
            document=link.document, actor=actor, purpose=purpose, now=now, link=link, session=session_id, page=number
        )
    except errors.Problem as problem:
        return _refused(request=request, link=link, problem=problem)
    except calls.DependencyDown:
        return _say(request=request, link=link, page_name="away")
    response = HttpResponse(opened.body, content_type=opened.media_type)
    kind = "attachment" if purpose == "download" else "inline"
    response.headers["Content-Disposition"] = f'{kind}; filename="{opened.filename}"'
    if purpose == "download":
        digest = base64.b64encode(bytes.fromhex(opened.sha256)).decode()
        response.headers["Content-Digest"] = f"sha-256=:{digest}:"
    return response


def _refused(*, request: HttpRequest, link: Link, problem: errors.Problem) -> HttpResponse:
    """Answer a refusal of `distribution.open`; put it on record where the link was ended meanwhile."""
    link.refresh_from_db()
    if problem.code in set(links.State):
        log.deny(
            actor=_actor(request=request, link=link), object_type="link", object_id=link.public_id, code=problem.code
        )
        return _say(request=request, link=link, page_name=problem.code)
    if problem.code == "document_not_ready":
        return _preparing(request=request, link=link)
    page_names = {"document_quarantined": "withheld", "not_found": "unknown"}
    if problem.code not in page_names and not problem.code.startswith("worm_"):
        raise problem
    return _say(request=request, link=link, page_name=page_names.get(problem.code, "away"))


def _asking(*, request: HttpRequest, link: Link) -> log.Actor:
    """Return who asks for something by a link; a form must be one of ours.

    :raises errors.Problem: `csrf_failed` for another site's form, on record
    """
    actor = _actor(request=request, link=link)
    if request.method == "POST" and not pages.same_site(request=request):
        log.deny(actor=actor, object_type="link", object_id=link.public_id, code="csrf_failed")
        raise errors.Problem(code="csrf_failed")
    return actor


def _refuse_unusable(*, request: HttpRequest, link: Link, session_id: str, now: dt.datetime) -> HttpResponse | None:
    """Answer for a link that opens nothing now (on record), or a document that cannot be handed out; else None."""
    state = links.state(link=link, now=now, session=session_id)
    if state is not links.State.LIVE:
        log.deny(
            actor=_actor(request=request, link=link), object_type="link", object_id=link.public_id, code=state.value
        )
        return _say(request=request, link=link, page_name=state.value)
    if link.document.status == Status.QUARANTINED:
        return _say(request=request, link=link, page_name="withheld")
    if link.document.status != Status.LOCKED:
        return _preparing(request=request, link=link)
    return None


def _preparing(*, request: HttpRequest, link: Link) -> HttpResponse:
    """Show that the document is not there yet: on the link's own page, which looks again by itself."""
    if request.resolver_match is not None and request.resolver_match.view_name == "link":
        return _say(request=request, link=link, page_name="preparing")
    return _see_landing(request=request, link=link)


def _ask(*, request: HttpRequest, link: Link, alert: str = "", status: int = 200) -> HttpResponse:
    with translation.override(pages.requested_language(request=request)):
        context = {
            "alert": alert,
            "masked": formatting.masked(name=link.recipient.legal_name),
            "title": formatting.title(document=link.document),
            "day": formatting.day(date=link.document.operation_date),
            "until": formatting.moment(when=link.expires_at, document=link.document),
            "asks": link.knows == links.LAST4,
            "tax_id_name": formatting.tax_id_name(document=link.document),
        }
    return _page(request=request, link=link, template="web/link.html", context=context, status=status)


def _show(*, request: HttpRequest, link: Link) -> HttpResponse:
    """Show an opened document; no page before it shows the amount."""
    document = link.document
    with translation.override(pages.requested_language(request=request)):
        context = {
            "title": formatting.title(document=document),
            "number": document.number,
            "day": formatting.day(date=document.operation_date),
            "total": formatting.amount(document=document),
            "standing": standings.of(document=document),
            "asks": link.knows == links.LAST4,
            "size": formatting.size(octets=document.file_bytes or 0),
            "left": link.downloads_max - link.downloads,
            "most": link.downloads_max,
            "until": formatting.moment(when=link.expires_at, document=document),
            "verify": reverse("verification", args=[document.verification_code]),
        }
    return _page(request=request, link=link, template="web/ready.html", context=context)


def _say(*, request: HttpRequest, link: Link | None, page_name: str) -> HttpResponse:
    """Answer with one of the message pages of `messages`."""
    with translation.override(pages.requested_language(request=request)):
        message = messages.message(name=page_name, link=link)
    context: dict[str, object] = {
        "heading": message.heading,
        "lines": message.lines,
        "sign": message.sign,
        "tone": message.tone,
        "renew": message.renew,
        "back": message.status == messages.AWAY,
        "refresh": REFRESH_S if page_name == "preparing" else 0,
    }
    response = _page(request=request, link=link, template="web/message.html", context=context, status=message.status)
    if page_name == "away":
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    if page_name == links.State.LOCKED and link is not None and link.locked_until_at is not None:
        response.headers["Retry-After"] = str(max(1, int((link.locked_until_at - timezone.now()).total_seconds())))
    return response


def _page(
    *, request: HttpRequest, link: Link | None, template: str, context: Mapping[str, object], status: int = 200
) -> HttpResponse:
    """Return a page behind a link, with what all of them show."""
    own = dict(context)
    if link is not None:
        name = link.document.issuer.legal_name
        base = reverse("link", args=[links.token(link=link)])
        own |= {"issuer": name, "monogram": printout.monogram(name), "base": base, "reference": link.public_id}
    return pages.page(request=request, template=template, context=own, status=status)


def _see_landing(*, request: HttpRequest, link: Link) -> HttpResponse:
    wanted = request.GET.get("lang", "")
    query = f"?lang={wanted}" if wanted in formatting.LANGUAGES else ""
    return HttpResponse(status=303, headers={"Location": reverse("link", args=[links.token(link=link)]) + query})


def _actor(*, request: HttpRequest, link: Link) -> log.Actor:
    return actors.visitor(request=request, kind="link", identity=link.public_id)
