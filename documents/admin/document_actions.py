"""The actions on one document, from its page: each asks on a page of its own and changes something by POST only."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.actions import Action
from documents import distribution, errors, quarantine
from documents.access import actors
from documents.access.admission import Recorded
from documents.admin import base, cells, paging, reasons, rights
from documents.delivery import deliveries, links
from documents.emission import locking
from documents.models import Document, Link
from documents.resilience import calls

if TYPE_CHECKING:
    ActionView = Callable[[base.DocumentCenterAdmin[Document], HttpRequest, Document], HttpResponse]

PREVIEW_WIDTH = 1000
KIND = "document"


def _sentence(problem: Exception) -> str:
    """Return what went wrong as a sentence in the caller's language, without internals."""
    if isinstance(problem, errors.Problem):
        return problem.row.en if cells.locale() == "en" else problem.row.es
    return _("No disponible ahora: inténtalo en unos minutos.")


def _asked(
    *,
    model_admin: base.DocumentCenterAdmin[Document],
    request: HttpRequest,
    document: Document,
    form: forms.Form | None,
    context: dict[str, Any],
) -> HttpResponse:
    """Render the page that asks before an action is done."""
    status = 400 if form is not None and form.is_bound else 200
    return model_admin.render(
        request=request,
        row=document,
        template="admin/dc/confirm.html",
        context={**context, "form": form},
        status=status,
    )


def _require_reason(*, request: HttpRequest, document: Document) -> None:
    """Check that support has stated the reason for which it opens the PDF.

    :raises rights.Refused: no reason yet
    """
    if not reasons.opened(request=request, document=document, now=timezone.now()):
        raise rights.Refused(right="reason", code="reason_required", object_type=KIND, object_id=document.public_id)


def preview(model_admin: base.DocumentCenterAdmin[Document], request: HttpRequest, row: Document) -> HttpResponse:
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


def download(model_admin: base.DocumentCenterAdmin[Document], request: HttpRequest, row: Document) -> HttpResponse:
    """Hand out the PDF."""
    _require_reason(request=request, document=row)
    try:
        opened = distribution.open(
            document=row, actor=actors.actor(request=request), purpose="download", now=timezone.now()
        )
    except (errors.Problem, calls.DependencyDown) as problem:
        messages.error(request, _sentence(problem))
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


def reveal(model_admin: base.DocumentCenterAdmin[Document], request: HttpRequest, row: Document) -> HttpResponse:
    """Ask for the reason for which support opens a document, and record it."""
    form = reasons.ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        reasons.state(request=request, document=row, reason=form.cleaned_data["reason"], now=timezone.now())
        return HttpResponseRedirect(cells.page(row))
    return _asked(
        model_admin=model_admin,
        request=request,
        document=row,
        form=form,
        context={
            "title": _("Abrir con motivo"),
            "text": _("Indica por qué necesitas ver este documento. El titular puede saber quién lo abrió."),
            "submit": _("Abrir 15 minutos"),
        },
    )


def resend(model_admin: base.DocumentCenterAdmin[Document], request: HttpRequest, row: Document) -> HttpResponse:
    """Send the owner a new link after a confirmation."""
    if request.method == "POST":
        try:
            deliveries.resend(document=row, actor=actors.actor(request=request), now=timezone.now())
        except (errors.Problem, calls.DependencyDown) as problem:
            messages.error(request, _sentence(problem))
        else:
            messages.success(request, _("Enlace nuevo en camino al correo del titular."))
        return HttpResponseRedirect(cells.page(row))
    return _asked(
        model_admin=model_admin,
        request=request,
        document=row,
        form=None,
        context={
            "title": _("Reenviar el enlace"),
            "text": _(
                "El titular recibirá un correo con un enlace seguro nuevo. Va al correo que consta, a ningún otro."
            ),
            "submit": _("Reenviar enlace"),
        },
    )


def revoke(model_admin: base.DocumentCenterAdmin[Document], request: HttpRequest, row: Document) -> HttpResponse:
    """Revoke one link of the document, with a reason."""
    link = (
        Link.objects.filter(document=row, public_id=request.GET.get("link", "")[:40])
        .select_related("recipient")
        .first()
    )
    if link is None:
        raise Http404
    form = reasons.ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        ended = links.revoke(
            link=link, reason=form.cleaned_data["reason"], actor=actors.actor(request=request), now=timezone.now()
        )
        if ended:
            messages.success(request, _("Enlace anulado: ya no abre nada."))
        else:
            messages.warning(request, _("Ese enlace ya estaba anulado."))
        return HttpResponseRedirect(cells.page(row))
    return _asked(
        model_admin=model_admin,
        request=request,
        document=row,
        form=form,
        context={
            "title": _("Anular el enlace"),
            "text": _("El enlace %(link)s dejará de abrir el documento en el acto. El documento no cambia.")
            % {"link": link.public_id},
            "submit": _("Anular enlace"),
            "danger": True,
        },
    )


def retry(model_admin: base.DocumentCenterAdmin[Document], request: HttpRequest, row: Document) -> HttpResponse:
    """Have a stuck document tried again."""
    if request.method == "POST":
        if locking.retry(document=row, actor=actors.actor(request=request), now=timezone.now()):
            messages.success(request, _("Reintento en marcha: el estado cambia en unos segundos."))
        else:
            messages.warning(request, _("Este documento ya no está pendiente de resguardo."))
        return HttpResponseRedirect(cells.page(row))
    return _asked(
        model_admin=model_admin,
        request=request,
        document=row,
        form=None,
        context={
            "title": _("Reintentar la emisión"),
            "text": _(
                "Se vuelve a componer y a resguardar el mismo documento. "
                "No puede duplicarse: conserva su número y su clave."
            ),
            "submit": _("Reintentar ahora"),
        },
    )


def release(model_admin: base.DocumentCenterAdmin[Document], request: HttpRequest, row: Document) -> HttpResponse:
    """Let a document out of quarantine, with a reason, if its bytes and their lock check out now."""
    form = reasons.ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            released = quarantine.release(
                document=row,
                reason=form.cleaned_data["reason"],
                actor=actors.actor(request=request),
                now=timezone.now(),
            )
        except (errors.Problem, calls.DependencyDown) as problem:
            messages.error(request, _("Sigue en cuarentena: %(cause)s.") % {"cause": _sentence(problem).rstrip(".")})
        else:
            if released:
                messages.success(request, _("Liberado: bytes y bloqueo comprobados ahora mismo."))
            else:
                messages.warning(request, _("Este documento ya no está en cuarentena."))
        return HttpResponseRedirect(cells.page(row))
    return _asked(
        model_admin=model_admin,
        request=request,
        document=row,
        form=form,
        context={
            "title": _("Liberar de la cuarentena"),
            "text": _(
                "Primero se releen los bytes de la bóveda y su bloqueo. Solo si son los que se resguardaron, el "
                "documento vuelve a estar disponible para quien puede verlo."
            ),
            "submit": _("Comprobar y liberar"),
        },
    )


class DocumentAction(NamedTuple):
    """An action: its view, the right it needs, what it records in the log itself with what it changes, its methods."""

    view: "ActionView"
    right: str
    audit: Action | Recorded
    methods: Sequence[str] = ("GET", "HEAD", "POST")


def _done(action: Action, *instead: Action) -> Recorded:
    """Return the rule of an action that is asked for by GET and done by POST."""
    return Recorded(action=action, methods=frozenset({"POST"}), instead=instead)


TABLE: Mapping[str, DocumentAction] = MappingProxyType(
    {
        "preview": DocumentAction(preview, "pdf", Action.DOCUMENT_PREVIEWED, ("GET", "HEAD")),
        "download": DocumentAction(download, "pdf", Action.DOCUMENT_DOWNLOADED, ("POST",)),
        "reveal": DocumentAction(reveal, "pdf", _done(Action.DOCUMENT_REVEALED)),
        "resend": DocumentAction(resend, "send", _done(Action.DELIVERY_RESENT, Action.DELIVERY_QUEUED)),
        "revoke": DocumentAction(revoke, "send", _done(Action.LINK_REVOKED)),
        "retry": DocumentAction(retry, "retry", _done(Action.DOCUMENT_RETRIED)),
        "release": DocumentAction(release, "release", _done(Action.DOCUMENT_RELEASED)),
    }
)
