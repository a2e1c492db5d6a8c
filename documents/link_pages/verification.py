"""The public page behind the QR code: whether a document is genuine, and whether a file is the one that was issued.

It shows no owner, no amount and no link to the document. A file to compare is hashed as it comes in and not stored.
"""

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass

from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from audit import flood, log, tree
from audit.actions import Action
from documents import errors, formatting, standings
from documents.access import actors, ownership, pages
from documents.access.admission import Admitted, Ownership, Visit
from documents.emission import issuers
from documents.models import Document, Status
from documents.rendering import printout

FILE_BYTES_MAX = 20 * 1024 * 1024
FORM_BYTES_MAX = FILE_BYTES_MAX + 64 * 1024  # the rest of the form around the file
SHORT_HASH = 16
_CODE = re.compile(r"[2-9A-HJ-NP-Z]{16}")
_views: flood.Throttle[log.Entry] = flood.Throttle(window_s=60.0, single_max=1)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The result of comparing a file, as the page says it."""

    text: str
    sign: str
    tone: str
    status: int = 200


class Hashing(FileUploadHandler):
    """Hashes an upload piece by piece; it is stored neither on disk nor in memory."""

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self.digest = hashlib.sha256()
        self.seen = 0

    def receive_data_chunk(self, raw_data: bytes, _start: int) -> None:
        """Hash one piece; over the limit end the connection instead of reading on."""
        self.seen += len(raw_data)
        if self.seen > FILE_BYTES_MAX:
            raise StopUpload(connection_reset=True)
        self.digest.update(raw_data)

    def file_complete(self, _file_size: int) -> SimpleUploadedFile:
        """Return an empty file in its place: only the hash is needed."""
        return SimpleUploadedFile(name="compared", content=b"")


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Ask for the code that is printed on a document, or lead to the page of the one that was typed (GET /v/)."""
    typed = request.GET.get("code", "")[:80]
    if typed:
        code = _spelled(code=typed) or "unknown"
        wanted = request.GET.get("lang", "")
        query = f"?lang={wanted}" if wanted in formatting.LANGUAGES else ""
        return pages.secure_headers(response=HttpResponseRedirect(reverse("verification", args=[code]) + query))
    with translation.override(pages.requested_language(request=request)):
        context = {
            "heading": _("Comprueba un documento"),
            "text": _("Escribe el código que lleva impreso y te diremos si es auténtico."),
            "sign": "search",
            "tone": "",
        }
    return pages.page(request=request, template="web/verification.html", context=context)


@ownership.resolver(Ownership.CODE)
def printed(visit: Visit) -> Admitted:
    """Load the document of the code in the address; None for the page that says that there is none."""
    documents = Document.objects.select_related("issuer").defer("issuer__logo")
    document = documents.filter(verification_code=_spelled(code=visit.parts["code"])).first()
    if document is not None and document.status != Status.QUARANTINED:
        document.issuer = issuers.printed_by(document=document)  # who has the paper compares what it says
    about = ownership.about(("document", document.public_id)) if document else ownership.about()
    return Admitted(handed={"document": document}, about=about, loaded=document)


@csrf_exempt  # nothing is changed and nobody is logged in: there is nothing to forge
def verification(request: HttpRequest, document: Document | None) -> HttpResponse:
    """Say whether a document is genuine, and compare a file with it (GET, POST /v/<code>)."""
    actor = actors.visitor(request=request)
    if document is None:
        log.deny(actor=actor, object_type="verification", object_id="unknown", code="not_found")
        return _not_found(request=request)
    _note_viewed(document=document, actor=actor)
    with translation.override(pages.requested_language(request=request)):
        compared = _compare(request=request, document=document) if request.method == "POST" else None
        differing = compared if compared is not None and compared.tone == "bad" else None
        # What a withheld document says is not read: nobody knows whether it was issued so.
        standing = None if document.status == Status.QUARANTINED else standings.of(document=document)
        context = {
            **(_mismatch(compared=differing) if differing else _headline(document=document, standing=standing)),
            "remarks": standing.public if standing else (),
            "compared": None if differing else compared,
            "facts": _facts(document=document),
            "comparable": document.status in {Status.LOCKED, Status.DISPOSED},
            "issuer": document.issuer.legal_name,
            "proof": _proof(document=document),
            "monogram": printout.monogram(document.issuer.legal_name),
        }
    status = compared.status if compared else 200
    return pages.page(request=request, template="web/verification.html", context=context, status=status)


@require_safe
def error_page(request: HttpRequest, code: str) -> HttpResponse:
    """Explain a code of ours: where every problem's `type` points (GET /errors/<code>/)."""
    row = errors.CODES.get(code)
    if row is None:
        raise errors.Problem(code="not_found")
    english = pages.requested_language(request=request) == "en"
    context = {
        "code": code,
        "status": row.status,
        "title": row.en if english else row.es,
        "translation": row.es if english else row.en,
        "retryable": row.retryable,
    }
    return pages.page(request=request, template="web/code.html", context=context)


def _spelled(*, code: str) -> str:
    """Return a code as it is stored, whatever case, blanks and dashes it was typed with."""
    bare = re.sub(r"[\s-]", "", code).upper()
    return "-".join(bare[start : start + 4] for start in range(0, 16, 4)) if _CODE.fullmatch(bare) else ""


def _headline(*, document: Document, standing: standings.DocumentStanding | None) -> dict[str, str]:
    """Return heading, text, sign and tone of a document that exists."""
    if standing is None:
        text = _("El número existe, pero su archivo está en revisión. No lo des por bueno hasta que termine.")
        return {"heading": _("Documento en revisión"), "text": text, "sign": "search", "tone": "warn"}
    if document.status == Status.DISPOSED:
        text = _("Lo emitió %s. Su archivo se eliminó al acabar el plazo legal de conservación; queda su huella.")
        text %= document.issuer.legal_name.rstrip(".")
    elif document.status == Status.LOCKED:
        text = _("Lo emitió %s y está resguardado: nadie puede cambiarlo ni borrarlo.") % document.issuer.legal_name
    else:
        text = (
            _("Lo emitió %s y se está resguardando. Vuelve en un minuto para comparar el archivo.")
            % document.issuer.legal_name
        )
    if standing.changed:
        return {"heading": _("Auténtico, con cambios posteriores"), "text": text, "sign": "alert", "tone": "warn"}
    return {"heading": _("Documento auténtico"), "text": text, "sign": "check", "tone": "good"}


def _proof(*, document: Document) -> str:
    """Say how a stranger checks the document without trust in us."""
    text = _(
        "Cada hecho de este documento está en una bitácora sellada que nadie puede reescribir sin que se note. Su "
        "paquete de evidencia lo demuestra sin conexión y sin fiarse de nosotros: se pide a %s."
    )
    return text % formatting.support(issuer=document.issuer)


def _mismatch(*, compared: Compared) -> dict[str, str]:
    """Return heading, text, sign and tone where the file is another one: the page must not call anything genuine."""
    return {
        "heading": _("Este archivo no es el documento emitido"),
        "text": compared.text,
        "sign": compared.sign,
        "tone": compared.tone,
    }


def _facts(*, document: Document) -> list[tuple[str, str, bool]]:
    """Return (name, value, whether it is a code) of what anybody may know."""
    states = {
        Status.ISSUED: _("Emitido, resguardándose"),
        Status.LOCKED: _("Resguardado"),
        Status.QUARANTINED: _("En revisión"),
        Status.DISPOSED: _("Eliminado tras su plazo"),
    }
    hashed = document.status in {Status.LOCKED, Status.DISPOSED}
    facts: list[tuple[str, str, bool]] = [
        (_("Documento"), formatting.title(document=document), False),
        (_("Número"), document.number, False),
        (_("Emisor"), document.issuer.legal_name, False),
        (_("Fecha de operación"), formatting.day(date=document.operation_date), False),
        (_("Fecha de emisión"), formatting.day(date=document.issue_date), False),
        (_("Estado"), states[Status(document.status)], False),
        (_("Huella del contenido"), document.content_sha256[:SHORT_HASH], True),
    ]
    if hashed:
        facts.append((_("Huella del archivo (SHA-256)"), document.file_sha256, True))
    sealed = tree.place_of(object_id=document.public_id) is not None
    facts.append((_("Bitácora sellada"), _("Consta en ella") if sealed else _("Aún no: se sella en segundos"), False))
    if seal := _commitment(document=document):
        facts.append((_("Sello impreso"), seal[:SHORT_HASH], True))
    return facts


def _commitment(*, document: Document) -> str:
    """Return the commitment to the sealed log that a document prints; of one that is withheld nothing is read."""
    if document.status == Status.QUARANTINED or not document.content:
        return ""
    return str(json.loads(document.content).get("log_commitment", ""))


def _compare(*, request: HttpRequest, document: Document) -> Compared:
    """Hash an uploaded file and compare it with the stored one."""
    handler = Hashing(request)
    request.upload_handlers = [handler]
    too_big = pages.declared_bytes(request=request) > FORM_BYTES_MAX
    if not too_big:
        request.FILES.get("file")  # reads the form, through the handler
        too_big = handler.seen > FILE_BYTES_MAX
    if too_big:
        return Compared(
            text=_("El archivo supera 20 MB: no puede ser este documento."), sign="cross", tone="bad", status=413
        )
    if not handler.seen:
        return Compared(text=_("Elige primero el archivo PDF."), sign="alert", tone="warn")
    if document.status not in {Status.LOCKED, Status.DISPOSED}:
        return Compared(
            text=_("Todavía no se puede comparar: el archivo se está resguardando."), sign="clock", tone="warn"
        )
    if handler.digest.hexdigest() == document.file_sha256:
        return Compared(text=_("Este archivo es idéntico al que emitimos, byte a byte."), sign="check", tone="good")
    return Compared(text=_("Este archivo no coincide con el que emitimos. No te fíes de él."), sign="cross", tone="bad")


def _not_found(*, request: HttpRequest) -> HttpResponse:
    with translation.override(pages.requested_language(request=request)):
        context = {
            "heading": _("No encontramos este documento"),
            "text": _(
                "Ningún documento nuestro lleva ese código. Revisa que esté bien escrito; si lo está, no es auténtico."
            ),
            "sign": "cross",
            "tone": "bad",
        }
    return pages.page(request=request, template="web/verification.html", context=context, status=404)


def _note_viewed(*, document: Document, actor: log.Actor) -> None:
    """Put a view of the page on record: the first of a minute as an event, the rest as one event with a count.

    The page is public and may be loaded any number of times; the log must not grow as fast.
    """
    entry = log.Entry(
        action=Action.VERIFICATION_VIEWED, object_type="document", object_id=document.public_id, actor=actor
    )
    crowd = log.Entry(
        action=Action.VERIFICATION_VIEWED,
        object_type="verification",
        object_id="many",
        actor=actors.crowd(),
    )
    ended = _views.due()
    due = [dataclasses.replace(window.sample, count=window.counted) for window in ended]
    if _views.admit(key=(document.pk, actor.address), sample=entry, crowd="many", crowd_sample=lambda: crowd):
        due.append(entry)
    else:
        log.note_counted(entry=entry)
    if not due:
        return
    try:
        with transaction.atomic():
            log.record_many(entries=due)
    except log.AuditUnavailable:
        _views.give_back(windows=ended)
        raise
