"""Deliveries and links: what was sent to whom, and which links to a document are open."""

from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.actions import Action
from documents.access import scope
from documents.admin import base, cells, confirm, document_page, rights, timeline
from documents.admin.site import site
from documents.delivery import deliveries, links
from documents.models import Delivery, Link, RevokeReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.utils.safestring import SafeString

D = TypeVar("D", Delivery, Link)


class OfDocument(base.DocumentCenterAdmin[D]):
    """Rows that belong to one document and follow its country."""

    checked_scope = "document__country_id"
    list_select_related = ("document", "recipient")

    def rows(self, *, request: HttpRequest) -> "QuerySet[Any]":
        """Join document and recipient, without what the document prints."""
        return super().rows(request=request).select_related("document", "recipient").defer("document__content")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> "tuple[QuerySet[Any], bool]":
        """Search for exactly this term: the row's id, the document's number or id, the recipient's id."""
        term = search_term.strip()[:64]
        if not term:
            return queryset, False
        column = {"doc": "document__public_id", "dlv": "public_id", "lnk": "public_id"}.get(term[:3])
        if column is None:
            column = "document__number" if "-" in term else "recipient__platform_id"
        return queryset.filter(**{column: term}), False

    @admin.display(description=_("documento"))
    def document_cell(self, row: D) -> "SafeString | str":
        """Link the document."""
        return cells.link(row.document, mono_face=True)

    @admin.display(description=_("destinatario"))
    def recipient_cell(self, row: D) -> "SafeString | str":
        """Write the recipient's id."""
        return cells.mono(row.recipient.platform_id)

    @admin.display(description=_("id"))
    def id_cell(self, row: D) -> "SafeString | str":
        """Write the row's id."""
        return cells.mono(row.public_id, short=16)

    def shown(self, *, request: HttpRequest, row: D, facts: list[base.Fact], badge: "SafeString") -> dict[str, Any]:
        """Return the page of one row."""
        common: list[base.Fact] = [
            base.Fact(label=_("Documento"), value=cells.link(row.document, mono_face=True)),
            base.Fact(label=_("Destinatario"), value=cells.link(row.recipient, mono_face=True)),
        ]
        return {
            "badges": [badge],
            "cards": [base.Card(title=str(self.model._meta.verbose_name).capitalize(), facts=[*common, *facts])],
            "timeline": timeline.lines(request=request, object_ids=[row.public_id]),
            "whole_log": rights.may(request=request, right="audit"),
        }


@admin.register(Delivery, site=site)
class DeliveryAdmin(OfDocument[Delivery]):
    """What was sent to whom, how, and what became of it."""

    list_display = (
        "id_cell",
        "document_cell",
        "recipient_cell",
        "channel_cell",
        "status_cell",
        "attempts",
        "queued_cell",
        "sent_cell",
    )
    list_display_links = ("id_cell",)
    list_filter = ("status", "channel")
    search_fields = ("message_id",)
    search_help_text = _("Pega un número, doc_…, dlv_… o un destinatario")

    @admin.display(description=_("canal"))
    def channel_cell(self, row: Delivery) -> str:
        """Write the channel."""
        return row.get_channel_display()

    @admin.display(description=_("estado"))
    def status_cell(self, row: Delivery) -> "SafeString":
        """Write the state."""
        return cells.state(row.status)

    @admin.display(description=_("en cola desde"))
    def queued_cell(self, row: Delivery) -> "SafeString | str":
        """Write when it was queued."""
        return cells.moment(row.queued_at)

    @admin.display(description=_("enviado"))
    def sent_cell(self, row: Delivery) -> "SafeString | str":
        """Write when it was sent."""
        return cells.moment(row.sent_at)

    def detail(self, *, request: HttpRequest, row: Delivery) -> dict[str, Any]:
        """Return a delivery's page."""
        facts = [
            base.Fact(label=_("Canal"), value=row.get_channel_display()),
            base.Fact(label=_("Envío"), value=row.sequence),
            base.Fact(label=_("Intentos"), value=row.attempts),
            base.Fact(label=_("Causa"), value=cells.mono(row.cause)),
            base.Fact(label=_("Siguiente intento"), value=cells.moment(row.next_try_at)),
            base.Fact(label=_("En cola desde"), value=cells.moment(row.queued_at)),
            base.Fact(label=_("Enviado"), value=cells.moment(row.sent_at)),
            base.Fact(label=_("Abierto"), value=cells.moment(row.opened_at)),
            base.Fact(label=_("Descargado"), value=cells.moment(row.downloaded_at)),
            base.Fact(label=_("Message-ID"), value=cells.mono(row.message_id), wide=True),
        ]
        return self.shown(request=request, row=row, facts=facts, badge=cells.state(row.status))


def _resend(made: "confirm.Confirmed[Link]") -> Delivery:
    """Mail anew what a link leads to, if the person may see all of it.

    :raises errors.Problem: what `scope.require_all` and `deliveries.resend_link` raise
    """
    about = ("link", made.row.public_id)
    scope.require_all(request=made.request, rows=links.documents(link=made.row), about=about)
    return deliveries.resend_link(link=made.row, actor=made.actor, now=made.now)


# TABLE: what is asked about a link before it is done.
CONFIRMATIONS: "Mapping[str, confirm.Confirmation[Link]]" = {
    "resend": confirm.Confirmation(
        title=_("Reenviar el enlace"),
        text=_(
            "El titular recibirá un correo con un enlace nuevo a lo mismo que este, que deja de abrir. "
            "Va al correo que consta, a ningún otro."
        ),
        submit=_("Reenviar enlace"),
        right="send",
        audit=Action.DELIVERY_RESENT,
        instead=(Action.DELIVERY_QUEUED,),  # the first mail of a document that went out with the weekly summary
        form=confirm.no_form,
        blocked=lambda link: (
            _("Un enlace compartido no se reenvía: su titular puede hacer otro.") if link.reader else ""
        ),
        act=_resend,
        done=_("Enlace nuevo en camino al correo del titular."),
        back=lambda link: cells.page(link.document),
    ),
    "revoke": confirm.Confirmation(
        title=_("Anular el enlace"),
        text=_("Este enlace dejará de abrir el documento en el acto. El documento no cambia."),
        submit=_("Anular enlace"),
        right="send",
        audit=Action.LINK_REVOKED,
        act=lambda made: links.revoke(link=made.row, reason=made.reason, actor=made.actor, now=made.now),
        done=_("Enlace anulado: ya no abre nada."),
        not_now=_("Ese enlace ya estaba anulado."),
        back=lambda link: cells.page(link.document),
        danger=True,
    ),
}


def _reason(row: Link) -> str:
    """Write why a link was revoked: a reason of ours by its name, a person's as it was written."""
    ours = row.revoked_reason in RevokeReason.values
    return str(RevokeReason(row.revoked_reason).label) if ours else row.revoked_reason


@admin.register(Link, site=site)
class LinkAdmin(OfDocument[Link]):
    """The links that were sent; the token itself is stored nowhere."""

    def pages(self) -> "Mapping[str, base.RowPage]":
        """Add the pages on which a link is sent again and revoked."""
        return {name: row.page(self) for name, row in CONFIRMATIONS.items()}

    list_display = (
        "id_cell",
        "document_cell",
        "recipient_cell",
        "reader_cell",
        "state_cell",
        "downloads_cell",
        "wrong_answers",
        "created_cell",
        "expires_cell",
    )
    list_display_links = ("id_cell",)
    search_fields = ("public_id",)
    search_help_text = _("Pega un número, doc_…, lnk_… o un destinatario")

    @admin.display(description=_("estado"))
    def state_cell(self, row: Link) -> "SafeString":
        """Write the state of the link."""
        shown: SafeString = document_page.link_state(link=row, now=timezone.now())[0]
        return shown

    @admin.display(description=_("compartido con"))
    def reader_cell(self, row: Link) -> str:
        """Write for whom the owner has made it."""
        return row.reader or cells.NOTHING

    @admin.display(description=_("descargas"))
    def downloads_cell(self, row: Link) -> str:
        """Write downloads of how many."""
        return f"{row.downloads}/{row.downloads_max}"

    @admin.display(description=_("creado"))
    def created_cell(self, row: Link) -> "SafeString | str":
        """Write when it was made."""
        return cells.moment(row.created_at)

    @admin.display(description=_("caduca"))
    def expires_cell(self, row: Link) -> "SafeString | str":
        """Write when it ends."""
        return cells.moment(row.expires_at)

    def detail(self, *, request: HttpRequest, row: Link) -> dict[str, Any]:
        """Return a link's page."""
        facts = [
            base.Fact(label=_("Pregunta"), value=row.get_knows_display()),
            base.Fact(label=_("Compartido con"), value=row.reader or cells.NOTHING),
            base.Fact(label=_("Descargas"), value=self.downloads_cell(row)),
            base.Fact(label=_("Fallos"), value=row.wrong_answers),
            base.Fact(label=_("Creado"), value=cells.moment(row.created_at)),
            base.Fact(label=_("Caduca"), value=cells.moment(row.expires_at)),
            base.Fact(label=_("Visto"), value=cells.moment(row.seen_at)),
            base.Fact(label=_("Abierto"), value=cells.moment(row.opened_at)),
            base.Fact(label=_("Bloqueado hasta"), value=cells.moment(row.locked_until_at)),
            base.Fact(label=_("Anulado"), value=cells.moment(row.revoked_at)),
            base.Fact(label=_("Motivo"), value=_reason(row) or cells.NOTHING),
        ]
        if row.weekly:
            facts.insert(0, base.Fact(label=_("Documentos de la semana"), value=links.documents(link=row).count()))
        shown = self.shown(request=request, row=row, facts=facts, badge=self.state_cell(row))
        may = rights.may(request=request, right="send")
        steps = [
            {"url": f"{name}/", "label": page.title}
            for name, page in CONFIRMATIONS.items()
            if name == "revoke" or not row.reader
        ]
        return {**shown, "actions": steps if may else []}
