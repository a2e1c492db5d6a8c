"""The events: what came in, raw; and the two work lists, what is held for a person and what waits for another event."""

import contextlib
import json
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audit.actions import Action
from documents.admin import base, cells, filters, rights, timeline
from documents.admin.site import site
from documents.events import outcomes
from documents.models import Document, Event, EventStatus
from documents.sentences import writing
from documents.vault import comparisons, probes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.db.models import QuerySet
    from django.utils.functional import _StrPromise
    from django.utils.safestring import SafeString

DOCUMENTS_MAX = 50
DISMISSALS_MAX = 5
VAULT_WAITS: "Mapping[str, _StrPromise]" = {
    probes.AWAITED: _("la primera prueba de la bóveda"),
    comparisons.AWAITED: _("la respuesta de la bóveda"),
}
AWAITED_MAX = 50  # a payout may wait for 1,500 orders
# Cards of an event that waits for a person, from the floors above: each adds its own when its pages are registered.
WORK_CARDS: "list[Callable[[HttpRequest, Event], base.Card | None]]" = []
BODY_MAX = 200_000  # characters shown; the rest is in the database


def titled_code(code: str) -> "SafeString | str":
    """Write a code with its title."""
    title = writing.title(code=code, language=cells.locale())
    if title == code:
        return cells.mono(code)
    return format_html('<span class="dc-two"><span>{}</span>{}</span>', title, cells.mono(code))


@admin.register(Event, site=site)
class EventAdmin(base.DocumentCenterAdmin[Event]):
    """Events of the caller's countries; one whose country nobody knows needs a scope over all."""

    checked_scope, viewed = "country_code", Action.EVENT_VIEWED
    list_display = (
        "type_cell",
        "subject_cell",
        "country_cell",
        "status_cell",
        "code_cell",
        "missing_cell",
        "received_cell",
    )
    list_display_links = ("type_cell",)
    list_filter = (filters.WorkList, "status", filters.EventCountry, filters.Received)
    search_fields = ("event_id",)
    search_help_text = _("Pega un id de evento o un asunto (order:…)")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Event]":
        """Read no raw bodies: the list does not show them."""
        return super().get_queryset(request).defer("body", "errors")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Event]", search_term: str
    ) -> "tuple[QuerySet[Event], bool]":
        """Look a term up exactly: our id, the sender's id, or the subject."""
        term = search_term.strip()[:140]
        if not term:
            return queryset, False
        if term.startswith("evt_") and queryset.filter(public_id=term).exists():
            return queryset.filter(public_id=term), False
        return queryset.filter(**{"subject" if ":" in term else "event_id": term}), False

    @admin.display(description=_("evento"))
    def type_cell(self, row: Event) -> "SafeString":
        """Write type and sender's id."""
        return format_html(
            '<span class="dc-two"><span>{}</span>{}</span>',
            row.type or cells.NOTHING,
            cells.mono(row.event_id or row.public_id, short=34),
        )

    @admin.display(description=_("asunto"))
    def subject_cell(self, row: Event) -> "SafeString | str":
        """Write what the event is about."""
        return cells.mono(row.subject, short=34)

    @admin.display(description=_("país"))
    def country_cell(self, row: Event) -> str:
        """Write the country's code."""
        return row.country_code or cells.NOTHING

    @admin.display(description=_("estado"))
    def status_cell(self, row: Event) -> "SafeString":
        """Write what became of it; a held one that was superseded is done."""
        if row.superseded_by_id:
            return cells.state("RESOLVED", text=str(_("Resuelto por otro")))
        if getattr(row, "dismissed", False) and row.status in {EventStatus.HELD, EventStatus.PARKED}:
            return cells.state("CLOSED", text=str(_("Cerrado sin emitir")))
        return cells.state(row.status)

    @admin.display(description=_("causa"))
    def code_cell(self, row: Event) -> "SafeString | str":
        """Write why it is held or refused."""
        return titled_code(row.code)

    @admin.display(description=_("espera a"))
    def missing_cell(self, row: Event) -> "SafeString | str":
        """Write what it waits for."""
        for name in VAULT_WAITS.keys() & {*row.missing}:
            return str(VAULT_WAITS[name])
        return cells.mono(", ".join(row.missing[:AWAITED_MAX]), short=40)

    @admin.display(description=_("recibido"))
    def received_cell(self, row: Event) -> "SafeString | str":
        """Write when it came in."""
        return cells.moment(row.received_at)

    def detail(self, *, request: HttpRequest, row: Event) -> dict[str, Any]:
        """Return an event's page."""
        work_cards = [card for make_card in WORK_CARDS if (card := make_card(request, row))]
        cards = [
            _summary(row),
            *work_cards,
            *_dismissals(row, request=request),
            _faults(row, explained_above=bool(work_cards)) if row.errors or row.code else None,
            _awaited(row) if row.missing else None,
            _issued(row, request=request),
            _body(row, unmasked=rights.may(request=request, right="reveal")),
        ]
        return {
            "badges": [self.status_cell(row)],
            "cards": [card for card in cards if card],
            "timeline": timeline.lines(request=request, object_ids=[row.public_id]),
            "whole_log": rights.may(request=request, right="audit"),
        }

    def rows(self, *, request: HttpRequest) -> "QuerySet[Event]":
        """Join what superseded the event, and say whether somebody has dismissed it."""
        rows = super().rows(request=request).select_related("superseded_by").defer("superseded_by__body")
        return cast("QuerySet[Event]", rows.annotate(dismissed=outcomes.dismissed()))


def _summary(row: Event) -> base.Card:
    """Return who sent the event, about what, and when it came in."""
    return base.Card(
        title=_("Resumen"),
        facts=[
            base.Fact(label=_("Tipo"), value=row.type or cells.NOTHING),
            base.Fact(label=_("Servicio"), value=row.service),
            base.Fact(label=_("País"), value=row.country_code or cells.NOTHING),
            base.Fact(label=_("Emisor"), value=cells.mono(row.issuer_slug)),
            base.Fact(label=_("Asunto"), value=cells.mono(row.subject)),
            base.Fact(label=_("Id del emisor del evento"), value=cells.mono(row.event_id)),
            base.Fact(label=_("Ocurrido"), value=cells.moment(row.occurred_at)),
            base.Fact(label=_("Recibido"), value=cells.moment(row.received_at)),
            base.Fact(label=_("Repeticiones"), value=row.repeats),
            base.Fact(label=_("Intentos"), value=row.attempts),
            base.Fact(label=_("Resuelto por"), value=cells.link(row.superseded_by)),
            base.Fact(label=_("Huella del cuerpo (SHA-256)"), value=cells.mono(row.body_sha256), wide=True),
        ],
    )


def _issued(row: Event, *, request: HttpRequest) -> base.Card:
    """Return the documents that the event issued, within the caller's scope."""
    documents = Document.objects.filter(event=row, country__in=rights.countries(request=request)).order_by("pk")
    return base.Card(
        title=_("Documentos emitidos"),
        heads=(_("Número"), _("Tipo"), _("Importe"), _("Estado")),
        rows=[
            (
                cells.link(document, mono_face=True),
                document.get_kind_display(),
                cells.amount(minor=document.total_minor, currency=document.currency),
                cells.state(document.status),
            )
            for document in documents[:DOCUMENTS_MAX]
        ],
        numeric=(2,),
        empty=_("Este evento no ha emitido ningún documento."),
    )


def _faults(row: Event, *, explained_above: bool) -> base.Card:
    """Return why the event is held or refused, one row for each place of the body.

    A diagnosis is left out where a card above says it already.
    """
    faults = [
        (cells.mono(fault["pointer"] or "/"), cells.mono(fault["code"]), fault["detail"])
        for fault in writing.answered(stored=row.errors, language=cells.locale())
        if not (explained_above and fault["code"] == "diagnosis")
    ]
    return base.Card(
        title=_("Por qué"),
        note=titled_code(row.code),
        heads=(_("Lugar"), _("Código"), _("Detalle")),
        rows=faults,
        wide=True,
        empty=_("Sin más detalle que el código."),
    )


def _dismissals(row: Event, *, request: HttpRequest) -> list[base.Card]:
    """Return who dismissed the event without issuing it, why, and whether it came back."""
    rows = list(row.dismissals.select_related("dismissed_by").order_by("-pk")[:DISMISSALS_MAX])
    mine = rights.documents(request=request).only("public_id", "country_id", "number")
    documents = mine.in_bulk([dismissal.document_id for dismissal in rows if dismissal.document_id])
    return [
        base.Card(
            title=_("Cerrado sin emitir"),
            note=_("Volvió a la lista por otra causa.") if dismissal.reopened_at else "",
            facts=[
                base.Fact(label=_("Cerrado el"), value=cells.moment(dismissal.dismissed_at)),
                base.Fact(label=_("Cerrado por"), value=dismissal.dismissed_by.get_username()),
                base.Fact(label=_("Causa"), value=titled_code(dismissal.code)),
                base.Fact(
                    label=_("Documento que lo resuelve"),
                    value=cells.link(documents.get(dismissal.document_id), mono_face=True),
                ),
                *(
                    [base.Fact(label=_("Vuelto el"), value=cells.moment(dismissal.reopened_at))]
                    if dismissal.reopened_at
                    else []
                ),
                base.Fact(label=_("Motivo"), value=dismissal.reason, wide=True),
            ],
        )
        for dismissal in rows
    ]


def _awaited(row: Event) -> base.Card:
    """Return what a parked event waits for."""
    note: str = str(_("Se reanuda solo en cuanto llegue."))
    if len(row.missing) > AWAITED_MAX:
        note = _("Se muestran %(shown)s de %(all)s. Se reanuda solo en cuanto lleguen todos.") % {
            "shown": AWAITED_MAX,
            "all": len(row.missing),
        }
    return base.Card(
        title=_("Espera a"),
        heads=(_("Asunto"),),
        rows=[(VAULT_WAITS.get(subject) or cells.mono(subject),) for subject in row.missing[:AWAITED_MAX]],
        note=note,
    )


def _body(row: Event, *, unmasked: bool) -> base.Card:
    """Return the raw body, for those who may read it unmasked: indented where it is JSON, else as it came."""
    if not unmasked:
        return base.Card(
            title=_("Cuerpo recibido"),
            empty=_("Solo finanzas, cumplimiento y auditoría ven los datos en bruto."),
            rows=(),
        )
    if row.body is None:
        return base.Card(title=_("Cuerpo recibido"), rows=(), empty=_("Reducido a su huella al vencer su plazo."))
    text = bytes(row.body).decode(errors="replace")
    with contextlib.suppress(ValueError):
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    return base.Card(title=_("Cuerpo recibido"), code=text[:BODY_MAX], wide=True)
