"""The question at a link's door, its answer, and the code that is mailed to whoever cannot answer it.

A form's answer is always a redirect: going back after a wrong one shows the question again.
"""

import datetime as dt

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt

from audit import log
from documents import formatting
from documents.access import pages
from documents.delivery import answers, codes, links, notices
from documents.link_pages import replies, session
from documents.models import Document, Link

ANSWER_LENGTH_MAX = 64
BY_CODE = "code"


def question(*, request: HttpRequest, link: Link, now: dt.datetime) -> HttpResponse:
    """Show what the link leads to, without amounts, and ask what opens it."""
    asked = link.knows in links.BY_MAIL and codes.valid(link=link, now=now).exists()
    typing = link.knows == links.SHARED or (asked and (link.knows == links.CODE or request.GET.get("by") == BY_CODE))
    email = link.recipient.email
    with translation.override(pages.requested_language(request=request)):
        context = {
            **_titles(link=link),
            "alert": _alert(request=request, link=link, typing=typing),
            "masked": link.reader or formatting.masked(name=link.recipient.legal_name),
            "sharer": formatting.masked(name=link.recipient.legal_name) if link.reader else "",
            "facts": _facts(link=link),
            "asks": link.knows,
            "typing": typing,
            "email": formatting.masked_email(address=email) if email else "",
            "minutes": codes.LIFE // dt.timedelta(minutes=1),
            "tax_id_name": formatting.tax_id_name(document=link.document),
        }
    return replies.page(request=request, link=link, template="web/link.html", context=context)


@csrf_exempt
def open_session(request: HttpRequest, link: Link | None, document: Document | None, place: int) -> HttpResponse:
    """Check the answer and start the short session (POST /l/<token>/open/)."""
    now = timezone.now()
    if link is None or document is None or place != 1:
        return replies.unknown(request=request, link=link)
    actor = replies.asking(request=request, link=link)
    given = request.POST.get("answer", "")[:ANSWER_LENGTH_MAX]
    about = None if link.weekly else document
    if replies.refuse(request=request, link=link, document=about, session_id="", now=now) is not None:
        return replies.see(request=request, link=link)
    verdict = answers.judge(link=link, answer=given, now=now, actor=actor)
    if verdict is answers.Verdict.OPENED:
        response = replies.see(request=request, link=link)
        session.start(response=response, request=request, link=link, now=now)
        return response
    noted = {"by": BY_CODE} if request.POST.get("by") == BY_CODE else {}
    return replies.see(request=request, link=link, note=verdict.value, **noted)


@csrf_exempt
def mail_code(request: HttpRequest, link: Link | None, document: Document | None, place: int) -> HttpResponse:
    """Have a code mailed to the address on file (POST /l/<token>/code/)."""
    now = timezone.now()
    if link is None or document is None or place != 1:
        return replies.unknown(request=request, link=link)
    actor = replies.asking(request=request, link=link)
    if notices.mail_code(link=link, now=now, actor=actor) is None:
        log.deny(actor=actor, object_type="link", object_id=link.public_id, code="code_not_mailed")
    return replies.see(request=request, link=link, by=BY_CODE)


def _titles(*, link: Link) -> dict[str, str]:
    """Return the heading of the question and the word of its button: the reader of a shared link is not its owner."""
    if link.reader:
        return {"heading": _("Comparten un documento contigo"), "verb": _("Ver el documento")}
    if link.weekly:
        return {"heading": _("Tus documentos están listos"), "verb": _("Ver mis documentos")}
    return {"heading": _("Tu documento está listo"), "verb": _("Ver mi documento")}


def _alert(*, request: HttpRequest, link: Link, typing: bool) -> str:
    """Return what was wrong with the answer before, in the language in force; "" without one."""
    note = request.GET.get("note", "")
    if note == answers.Verdict.MALFORMED:
        wanted = _("Escribe las 6 cifras del código.")
        return wanted if typing else _("Escribe los 4 últimos caracteres, o el número completo.")
    if note != answers.Verdict.WRONG or not link.wrong_answers:
        return ""
    left = answers.left(link=link)
    text = ngettext(
        "El dato no coincide. Te queda %(left)d intento.", "El dato no coincide. Te quedan %(left)d intentos.", left
    )
    return text % {"left": left}


def _facts(*, link: Link) -> list[tuple[str, str]]:
    """Return what is said of a link's documents before it is opened: no amount, no number."""
    until = formatting.moment(when=link.expires_at, document=link.document)
    if not link.weekly:
        return [
            (_("Documento"), formatting.title(document=link.document)),
            (_("Fecha"), formatting.day(date=link.document.operation_date)),
            (_("Disponible hasta"), until),
        ]
    days = list(links.documents(link=link).values_list("operation_date", flat=True))
    return [
        (_("Documentos"), str(len(days))),
        (_("Fechas"), formatting.days(first=days[0], last=days[-1])),
        (_("Disponible hasta"), until),
    ]
