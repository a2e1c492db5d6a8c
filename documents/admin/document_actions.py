"""The actions on one document, from its page: what shows its bytes, and what changes something after a question."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.actions import Action
from documents import distribution, errors
from documents.access import actors
from documents.admin import base, cells, confirm, hold_forms, paging, reasons, rights
from documents.custody import legal_holds, quarantine
from documents.delivery import deliveries
from documents.emission import locking
from documents.evidence import pack
from documents.models import Document
from documents.resilience import calls
from documents.sentences import writing

if TYPE_CHECKING:
    DocumentAdmin = base.DocumentCenterAdmin[Document]
    ActionView = Callable[[DocumentAdmin, HttpRequest, Document], HttpResponse]

PREVIEW_WIDTH = 1000
KIND = "document"


def _withheld(document: Document) -> Sequence[base.Card]:
    """Return why a document is in quarantine, and since when."""
    cause = writing.title(code=document.cause, language=cells.locale()) if document.cause else cells.NOTHING
    facts = [
        base.Fact(label=_("Número"), value=document.number),
        base.Fact(label=_("En cuarentena desde"), value=cells.moment(document.quarantined_at)),
        base.Fact(label=_("Causa"), value=cause, wide=True),
    ]
    return [base.Card(title=_("Lo que no coincide"), facts=facts)]


def _require_reason(*, request: HttpRequest, document: Document) -> None:
    """Check that support has stated the reason for which it opens the PDF.

    :raises rights.Refused: no reason yet
    """
    if not reasons.opened(request=request, document=document, now=timezone.now()):
        raise rights.Refused(right="reason", code="reason_required", object_type=KIND, object_id=document.public_id)


def preview(model_admin: "DocumentAdmin", request: HttpRequest, row: Document) -> HttpResponse:
    """Answer one page as an image; the bytes come from `distribution.open`."""
    _require_reason(request=request, document=row)
    page = paging.number(text=request.GET.get("page", "1"))
    if page is None or not 1 <= page <= (row.pages or 1):
        raise Http404
    opened = distribution.open(
        document=row,
        actor=actors.actor(request=request),
        purpose="preview",
        now=timezone.now(),
        page=page,
        width=PREVIEW_WIDTH,
    )
    return HttpResponse(opened.body, content_type=opened.media_type, headers={"Cache-Control": "private, no-store"})


def download(model_admin: "DocumentAdmin", request: HttpRequest, row: Document) -> HttpResponse:
    """Hand out the PDF."""
    _require_reason(request=request, document=row)
    try:
        opened = distribution.open(
            document=row, actor=actors.actor(request=request), purpose="download", now=timezone.now()
        )
    except (errors.Problem, calls.DependencyDown) as problem:
        messages.error(request, confirm.sentence(problem))
        return HttpResponseRedirect(cells.page(row))
    return HttpResponse(
        opened.body,
        content_type=opened.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{opened.filename}"',
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def evidence(model_admin: "DocumentAdmin", request: HttpRequest, row: Document) -> HttpResponse:
    """Hand out the evidence pack."""
    try:
        made = pack.build(document=row, actor=actors.actor(request=request), now=timezone.now())
    except (errors.Problem, calls.DependencyDown) as problem:
        messages.error(request, confirm.sentence(problem))
        return HttpResponseRedirect(cells.page(row))
    headers = {
        "Content-Disposition": f'attachment; filename="{made.filename}"',
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(made.body, content_type="application/zip", headers=headers)


class BytesView(NamedTuple):
    """What shows bytes of a document: its view, what it records, its methods, the right that it needs."""

    view: "ActionView"
    audit: Action
    methods: Sequence[str]
    right: str = "pdf"


# TABLE: what hands out bytes.
BYTES: Mapping[str, BytesView] = MappingProxyType(
    {
        "preview": BytesView(preview, Action.DOCUMENT_PREVIEWED, ("GET", "HEAD")),
        "download": BytesView(download, Action.DOCUMENT_DOWNLOADED, ("POST",)),
        "evidence": BytesView(evidence, Action.DOCUMENT_EVIDENCE_TAKEN, ("POST",), "audit"),
    }
)

# TABLE: what is asked before it is done.
CONFIRMATIONS: Mapping[str, confirm.Confirmation[Document]] = MappingProxyType(
    {
        "reveal": confirm.Confirmation(
            title=_("Abrir con motivo"),
            text=_("Indica por qué necesitas ver este documento. El titular puede saber quién lo abrió."),
            submit=_("Abrir 15 minutos"),
            right="pdf",
            audit=Action.DOCUMENT_REVEALED,
            act=lambda made: reasons.state(request=made.request, document=made.row, reason=made.reason, now=made.now),
        ),
        "resend": confirm.Confirmation(
            title=_("Reenviar el enlace"),
            text=_("El titular recibirá un correo con un enlace seguro nuevo. Va al correo que consta, a ningún otro."),
            submit=_("Reenviar enlace"),
            right="send",
            audit=Action.DELIVERY_RESENT,
            instead=(Action.DELIVERY_QUEUED,),  # the first mail of a document that goes out with the weekly summary
            form=confirm.no_form,
            act=lambda made: deliveries.resend(document=made.row, actor=made.actor, now=made.now),
            done=_("Enlace nuevo en camino al correo del titular."),
        ),
        "retry": confirm.Confirmation(
            title=_("Reintentar la emisión"),
            text=_(
                "Se vuelve a componer y a resguardar el mismo documento. "
                "No puede duplicarse: conserva su número y su clave."
            ),
            submit=_("Reintentar ahora"),
            right="retry",
            audit=Action.DOCUMENT_RETRIED,
            form=confirm.no_form,
            act=lambda made: locking.retry(document=made.row, actor=made.actor, now=made.now),
            done=_("Reintento en marcha: el estado cambia en unos segundos."),
            not_now=_("Este documento ya no está pendiente de resguardo."),
        ),
        "hold": confirm.Confirmation(
            title=_("Aplicar un legal hold"),
            text=_(
                "El documento no puede eliminarse, aunque cumpla su plazo, hasta que dos personas lo retiren o venza."
            ),
            submit=_("Aplicar legal hold"),
            right=legal_holds.DECIDES,
            audit=Action.HOLD_SET,
            form=hold_forms.hold_form,
            act=hold_forms.over_document,
            done=_("Legal hold aplicado."),
            not_now=_("Ese asunto ya lo cubre, o su retirada está propuesta."),
        ),
        "release": confirm.Confirmation(
            title=_("Liberar de la cuarentena"),
            text=_(
                "Primero se releen los bytes de la bóveda y su bloqueo. Solo si son los que se resguardaron, el "
                "documento vuelve a estar disponible para quien puede verlo."
            ),
            submit=_("Comprobar y liberar"),
            right="release",
            audit=Action.DOCUMENT_RELEASED,
            act=lambda made: quarantine.release(document=made.row, reason=made.reason, actor=made.actor, now=made.now),
            done=_("Liberado: bytes y bloqueo comprobados ahora mismo."),
            not_now=_("Este documento ya no está en cuarentena."),
            cards=_withheld,
            failed=_("Sigue en cuarentena: %(cause)s."),
        ),
    }
)
