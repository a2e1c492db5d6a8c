"""The bytes behind a link: the download, the PDF to read in the browser, and a picture of a page."""

import base64
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from audit import log
from documents import distribution, errors
from documents.delivery import links
from documents.link_pages import replies, session
from documents.models import Document, Link
from documents.resilience import calls

READ = "file/"


@csrf_exempt
def download(request: HttpRequest, link: Link | None, document: Document | None, place: int) -> HttpResponse:
    """Hand out the PDF, counted and audited (POST .../download/)."""
    return _bytes(request=request, link=link, document=document, purpose="download", place=place)


@csrf_exempt
def view(request: HttpRequest, link: Link | None, document: Document | None, place: int) -> HttpResponse:
    """Count the PDF as a download does, and lead to where the browser shows it (POST .../view/)."""
    response = _bytes(request=request, link=link, document=document, purpose="view", place=place)
    if link is None or response.status_code != HTTPStatus.OK:
        return response
    return replies.see(request=request, link=link, rest=f"{place}/{READ}" if link.weekly else READ)


def file(request: HttpRequest, link: Link | None, document: Document | None, place: int) -> HttpResponse:
    """Show the PDF to a session that has just counted it (GET .../file/): a browser's reader may ask several times."""
    now = timezone.now()
    if link is None or document is None:
        return replies.unknown(request=request, link=link)
    session_id = session.current(request=request, link=link, now=now)
    if not links.just_counted(link=link, session=session_id, document=document, now=now):
        return _shut(request=request, link=link)
    return _bytes(request=request, link=link, document=document, purpose="view", place=place)


def preview(
    request: HttpRequest, link: Link | None, document: Document | None, place: int, number: int
) -> HttpResponse:
    """Show a page as a picture to an opened session (GET .../page/<n>/)."""
    return _bytes(request=request, link=link, document=document, purpose="preview", place=place, number=number)


def _bytes(
    *,
    request: HttpRequest,
    link: Link | None,
    document: Document | None,
    purpose: distribution.Purpose,
    place: int,
    number: int = 1,
) -> HttpResponse:
    """Answer with the bytes that `distribution.open` hands out, or with the page that says why there are none."""
    now = timezone.now()
    if link is None or document is None:
        return replies.unknown(request=request, link=link)
    actor = replies.asking(request=request, link=link)
    session_id = session.current(request=request, link=link, now=now)
    refusal = replies.refuse(request=request, link=link, document=document, session_id=session_id, now=now)
    if refusal is not None:
        return _back(request=request, link=link, place=place) if request.method == "POST" else refusal
    if not session_id:
        return _shut(request=request, link=link)
    try:
        opened = distribution.open(
            document=document, actor=actor, purpose=purpose, now=now, link=link, session=session_id, page=number
        )
    except errors.Problem as problem:
        return _refused(request=request, link=link, problem=problem, place=place)
    except calls.DependencyDown:
        return replies.say(request=request, link=link, page_name="away")
    response = HttpResponse(opened.body, content_type=opened.media_type)
    kind = "attachment" if purpose == "download" else "inline"
    response.headers["Content-Disposition"] = f'{kind}; filename="{opened.filename}"'
    if purpose != "preview":
        digest = base64.b64encode(bytes.fromhex(opened.sha256)).decode()
        response.headers["Content-Digest"] = f"sha-256=:{digest}:"
    return response


def _shut(*, request: HttpRequest, link: Link) -> HttpResponse:
    """Refuse whoever has not opened the link, on record, and lead to its question."""
    actor = replies.actor(request=request, link=link)
    log.deny(actor=actor, object_type="link", object_id=link.public_id, code="not_authenticated")
    return replies.see(request=request, link=link)


def _back(*, request: HttpRequest, link: Link, place: int) -> HttpResponse:
    """Lead from a form to the page that says why nothing came of it."""
    return replies.see(request=request, link=link, rest=f"{place}/" if link.weekly else "")


def _refused(*, request: HttpRequest, link: Link, problem: errors.Problem, place: int) -> HttpResponse:
    """Answer a refusal of `distribution.open`; put it on record where the link was ended meanwhile."""
    link.refresh_from_db()
    if problem.code in set(links.State):
        actor = replies.actor(request=request, link=link)
        log.deny(actor=actor, object_type="link", object_id=link.public_id, code=problem.code)
        return _back(request=request, link=link, place=place)
    if problem.code in {"document_not_ready", "document_quarantined", "document_disposed"}:
        return _back(request=request, link=link, place=place)
    if problem.code != "not_found" and not problem.code.startswith("worm_"):
        raise problem
    return replies.say(request=request, link=link, page_name="unknown" if problem.code == "not_found" else "away")
