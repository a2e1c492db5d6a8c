"""What the work list shows: its tabs, a row for each item, and the cards of the pages that ask for a decision."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from documents import errors, money
from documents.admin import cells, rights
from documents.admin.base import Card, Fact
from documents.alerts import discrepancy_catalog
from documents.countries import pack
from documents.events import outcomes
from documents.models import Event, EventStatus
from documents.sentences import writing
from payouts.admin import forms
from payouts.models import DifferenceApproval
from payouts.review import retrying, worklist
from payouts.review.corrections import CreditableGroup
from payouts.review.worklist import Item

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

FINDINGS_MAX = 3


def kinds() -> Mapping[str, str]:
    """Return {kind of item: its title}."""
    return {
        "held": _("Retenidos"),
        "parked": _("En espera, pasado su plazo"),
        "divergent": _("Repetidos con otros datos"),
        "paid_twice": _("Pagados dos veces"),
        "other": _("Otras"),
    }


def code_label(code: str) -> str:
    """Return what finance calls a code, in the reader's language."""
    row = errors.CODES.get(code)
    if row is not None:
        return row.en if cells.locale() == "en" else row.es
    known = discrepancy_catalog.DISCREPANCIES.get(code)
    if known is not None:
        return known.title.en if cells.locale() == "en" else known.title.es
    return _("Espera desde hace demasiado") if code == outcomes.PARKED_TOO_LONG else code


def tabs(*, counts: Mapping[str, int], chosen: str, home: str) -> list[dict[str, Any]]:
    """Return a tab for all items and one for each kind, with its count."""
    total, most = sum(counts.values()), worklist.EACH_MAX
    shown = {kind: f"+{most}" if count > most else str(count) for kind, count in counts.items()}
    every = f"+{total - 1}" if max(counts.values(), default=0) > most else str(total)  # one more is counted than shown
    rows = [("", _("Todo"), every), *((kind, title, shown[kind]) for kind, title in kinds().items())]
    return [
        {
            "title": title,
            "count": count,
            "url": f"{home}?kind={kind}" if kind else home,
            "active": kind == chosen,
        }
        for kind, title, count in rows
    ]


def row(*, item: Item, request: HttpRequest, now: dt.datetime) -> dict[str, Any]:
    """Return one row of the list."""
    return {
        "what": what(item),
        "pick": item.event.public_id if item.event is not None and item.retriable else "",
        "age": cells.since(item.since, now=now),
        "since": cells.moment(item.since),
        "owner": cells.mono(item.owner, short=24) if item.owner else "",
        "assignee": assignee(item),
        "expected": amount(minor=item.amounts.expected_minor, item=item),
        "actual": amount(minor=item.amounts.actual_minor, item=item),
        "difference": amount(minor=item.amounts.difference_minor, item=item, signed=True),
        "findings": sentences(item=item)[:FINDINGS_MAX],
        "later": later(item=item),
        "actions": actions(item=item, request=request),
    }


def what(item: Item) -> "SafeString":
    """Link the page of the item, and the document or event it is about."""
    target = item.discrepancy or item.event
    about = item.document or item.event
    return format_html(
        '<span class="dc-two">{}{}</span>',
        cells.link(target, text=code_label(item.code)),
        cells.link(about, text=item.subject, mono_face=True)
        if about is not None and about is not target
        else cells.mono(item.subject, short=34),
    )


def assignee(item: Item) -> "SafeString | str":
    """Say who acknowledged the alert of the item."""
    if item.alert is None:
        return ""
    by = item.alert.acknowledged_by
    who = _("A cargo de %(who)s") % {"who": by.get_username()} if by else _("Sin asignar")
    return cells.link(item.alert, text=who)


def amount(*, minor: int | None, item: Item, signed: bool = False) -> "SafeString | str":
    """Write an amount of the item as the item's country does, a difference with its sign."""
    if minor is None or not item.amounts.currency:
        return cells.NOTHING
    return written(minor=minor, currency=item.amounts.currency, country=item.country, signed=signed)


def written(*, minor: int, currency: str, country: str, signed: bool = False) -> "SafeString":
    """Write an amount as a country does."""
    country_pack = pack.for_country(country)
    locale = country_pack.locale if country_pack and cells.locale() == "es" else cells.locale()
    text = writing.amount(minor=minor, digits=money.digits(currency), currency=currency, locale=locale)
    return format_html('<span class="dc-amount">{}</span>', f"+{text}" if signed and minor > 0 else text)


def actions(*, item: Item, request: HttpRequest) -> "SafeString | str":
    """Link the actions that the caller may take; each is asked for on its own page."""
    if not rights.may(request=request, right="approve_difference"):
        return ""
    if item.discrepancy is not None:
        return _action_link(name="resolve", public_id=item.discrepancy.public_id, label=_("Resolver"))
    if item.event is None:
        return ""
    offered = [_next_step(item=item, event=item.event, request=request)] if item.approvable else []
    if item.retriable:
        offered.append(_action_link(name="retry", public_id=item.event.public_id, label=_("Volver a intentar")))
    if item.dismissible:
        offered.append(_action_link(name="dismiss", public_id=item.event.public_id, label=_("Cerrar sin emitir")))
    return (
        format_html('<span class="dc-acts">{}</span>', format_html_join("", "{}", ((action,) for action in offered)))
        if offered
        else ""
    )


def _next_step(*, item: Item, event: Event, request: HttpRequest) -> "SafeString":
    """Link the next step of an issue with its difference, for whoever may take it."""
    if item.request is None:
        return _action_link(name="request", public_id=event.public_id, label=_("Proponer emisión"))
    if item.request.requested_by_id == rights.person(request=request).pk:
        return format_html('<span class="dc-note">{}</span>', _("Propuesta tuya: espera a otra persona"))
    return _action_link(name="approve", public_id=event.public_id, label=_("Aprobar"), main=True)


def retry_choices(*, codes: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return what can be tried again at once: the events that are chosen in the list, or all of a code."""
    all_of = _("todos los de «%(code)s» (%(count)s)")
    return [
        ("", _("los elegidos en la lista")),
        *((code, all_of % {"code": code_label(code), "count": count}) for code, count in codes.items()),
    ]


def tell_outcome(*, request: HttpRequest, result: retrying.Retried) -> None:
    """Say on the next page what became of events that were tried again."""
    counts = [
        (_("Emitidos: %(count)s."), result.issued, True),
        (_("Siguen retenidos: %(count)s."), result.held, True),
        (_("En espera de otro evento: %(count)s."), result.parked, False),
        (_("No piden nada más: %(count)s."), result.over, False),
        (_("En cola, se prueban en unos minutos: %(count)s."), result.queued, False),
    ]
    said = " ".join(text % {"count": count} for text, count, always in counts if count or always)
    messages.add_message(request, messages.WARNING if result.held else messages.SUCCESS, said)


def sentences(*, item: Item) -> list[str]:
    """Say what is wrong, in the reader's language; of a discrepancy of a later version, nothing."""
    language = cells.locale()
    if item.discrepancy is None:
        said = [fault["detail"] for fault in writing.answered(stored=item.findings, language=language)]
        return [str(sentence) for sentence in said if sentence]
    row = discrepancy_catalog.DISCREPANCIES.get(item.code)
    if row is None:
        return []
    return [
        writing.chosen(sentences=row.sentences, values=finding["values"], language=language)
        for finding in item.findings
    ]


def later(*, item: Item) -> str:
    """Say from when a payout may be issued with its difference; empty where it may be now, or never."""
    if item.approvable_from is None or item.approvable:
        return ""
    moment = timezone.localtime(item.approvable_from)
    text = f"{moment:%d/%m/%Y %H:%M}" if cells.locale() == "es" else f"{moment:%d %b %Y %H:%M}"
    return _("Se podrá emitir con diferencia desde el %(moment)s; antes puede llegar la corrección.") % {"moment": text}


def work_card(request: HttpRequest, event: Event) -> Card | None:
    """Return the card of an event's page with the findings about it and the actions; None where there is neither."""
    if event.status not in {EventStatus.HELD, EventStatus.PARKED} or event.superseded_by_id is not None:
        return None
    item = worklist.with_people([worklist.of_event(event, now=timezone.now())])[0]
    said = sentences(item=item)
    facts = [Fact(label=_("Diagnóstico"), value=_lines(said), wide=True)] if said else []
    if text := later(item=item):
        facts.append(Fact(label=_("Emisión con diferencia"), value=text, wide=True))
    if offered := actions(item=item, request=request):
        facts.append(Fact(label=_("Acciones"), value=offered, wide=True))
    return Card(title=_("Por conciliar"), facts=facts, wide=True) if facts else None


def _lines(sentences: Sequence[str]) -> "SafeString":
    return format_html_join(mark_safe("<br>"), "{}", ((sentence,) for sentence in sentences))


def _action_link(*, name: str, public_id: str, label: str, main: bool = False) -> "SafeString":
    url = reverse(f"admin:payouts_differenceapproval_{name}", args=[public_id])
    tone = " dc-button-main" if main else ""
    return format_html('<a class="dc-button dc-small{}" href="{}">{}</a>', tone, url, label)


def cards(*, item: Item) -> list[Card]:
    """Return the card that says what a decision is about."""
    amounts = item.amounts
    facts = [
        Fact(label=_("Causa"), value=code_label(item.code)),
        Fact(label=_("Asunto"), value=cells.mono(item.subject)),
        Fact(label=_("Titular"), value=cells.mono(item.owner)),
        Fact(label=_("Desde"), value=cells.moment(item.since)),
        Fact(label=_("Esperado"), value=amount(minor=amounts.expected_minor, item=item)),
        Fact(label=_("Recibido"), value=amount(minor=amounts.actual_minor, item=item)),
        Fact(label=_("Diferencia"), value=amount(minor=amounts.difference_minor, item=item, signed=True)),
    ]
    if said := sentences(item=item):
        facts.append(Fact(label=_("Diagnóstico"), value=_lines(said), wide=True))
    return [Card(title=_("Qué difiere"), facts=facts)]


def proposal(*, approval: DifferenceApproval, country: str) -> Card:
    """Return the card that says who proposed to issue a payout with its difference, when, and why."""
    return Card(
        title=_("Propuesta"),
        facts=[
            Fact(label=_("Propuesta por"), value=approval.requested_by.get_username()),
            Fact(label=_("Propuesta el"), value=cells.moment(approval.requested_at)),
            Fact(
                label=_("Diferencia que se imprime"),
                value=written(
                    minor=-approval.difference_minor, currency=approval.currency, country=country, signed=True
                ),
            ),
            Fact(label=_("Motivo"), value=approval.reason, wide=True),
        ],
    )


def remaining_card(*, remaining: Sequence[CreditableGroup], currency: str, country: str) -> Card:
    """Return the card that says what of a document can still be credited."""
    return Card(
        title=_("Lo que queda por abonar"),
        heads=(_("Impuesto"), _("Importe"), _("Con impuestos")),
        rows=[
            (
                forms.group_label(group),
                written(minor=group.amount_minor, currency=currency, country=country),
                written(minor=group.gross_minor, currency=currency, country=country),
            )
            for group in remaining
        ],
        numeric=(1, 2),
    )
