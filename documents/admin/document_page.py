"""What the page of one document shows: state, facts, custody, related documents, deliveries and links."""

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from documents import catalog, errors, standings
from documents.admin import breakdown_card, cells, filters, paging, reasons, rights, timeline
from documents.admin.base import Card, Fact
from documents.custody import legal_holds
from documents.models import Delivery, Document, Kind, LegalHold, Link, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.utils.safestring import SafeString

TONES = {"": "CLOSED", "good": "ok", "warn": "OPEN"}  # the badge in whose tone and with whose icon a standing is shown
RELATED_MAX = 20
PAGES_MAX = 500
RIGHTS = ("pdf", "send", "retry", "release", "audit", "correct", "hold")  # those that decide which buttons are shown
CONTENT_MAX = 200_000  # characters shown; a payout of 1,500 orders has a million, and its PDF shows them all


def context(*, request: HttpRequest, document: Document) -> dict[str, Any]:
    """Gather what the page of a document shows, in a fixed number of queries."""
    now = timezone.now()
    open_ = reasons.opened(request=request, document=document, now=now)
    sendings = Delivery.objects.filter(document=document)
    deliveries = list(sendings.select_related("recipient").order_by("-pk")[:RELATED_MAX])
    leading = Link.objects.filter(Q(document=document) | Q(weekly=True, delivery__bundled__document=document))
    links = list(leading.distinct().select_related("recipient").order_by("-pk")[:RELATED_MAX])
    sent = [delivery.public_id for delivery in deliveries] + [link.public_id for link in links]
    ids = [document.public_id, document.event.public_id, *sent]
    number = requested_page(request=request, pages=document.pages or 1)
    standing = standings.of(document=document)
    matters = list(legal_holds.of_document(document=document))
    stuck = document.status == Status.ISSUED and document.issued_at < now - filters.STUCK_AFTER
    return {
        "document": document,
        "open": open_,
        "badges": [*badges(document=document, standing=standing, stuck=stuck, now=now), *hold_badge(matters=matters)],
        "standing": standing,
        "banner": banner(document=document, stuck=stuck, now=now),
        "cards": [summary(document=document, open_=open_), totals(document=document)],
        "custody": [
            *filter(None, [breakdown_card.card(document=document)]),
            integrity(document=document, matters=matters if rights.may(request=request, right="audit") else ()),
            relatives(request=request, document=document),
        ],
        "deliveries": [(delivery, *delivery_state(delivery)) for delivery in deliveries],
        "links": [(link, *link_state(link=link, now=now)) for link in links],
        "content": pretty(document.content) if open_ else "",
        "timeline": timeline.lines(request=request, object_ids=ids),
        "whole_log": rights.may(request=request, right="audit"),
        "page_number": number,
        "page_before": number - 1 if number > 1 else 0,
        "page_after": number + 1 if number < (document.pages or 1) else 0,
        "may": {right: rights.may(request=request, right=right) for right in RIGHTS},
        "creditable": catalog.TABLE[Kind(document.kind)].creditable,
        "stuck": stuck,
        "locked": document.status == Status.LOCKED,
    }


def requested_page(*, request: HttpRequest, pages: int) -> int:
    """Return the page of the preview that was asked for, within the document."""
    number = paging.number(text=request.GET.get("page", "1"))
    return max(1, min(number or 1, pages, PAGES_MAX))


def badges(
    *, document: Document, standing: standings.DocumentStanding, stuck: bool, now: dt.datetime
) -> "list[SafeString]":
    """Return the strip of states, each with icon and text."""
    strip = [
        cells.state(
            "STUCK" if stuck else document.status, text=_("Emitido y resguardado") if document.locked_at else ""
        )
    ]
    if document.status in {Status.QUARANTINED, Status.DISPOSED}:
        strip = [cells.state(document.status)]
    strip += [cells.state(TONES[badge.tone], text=badge.text) for badge in standing.badges]
    if document.verified_at and document.status != Status.DISPOSED:
        ago = cells.since(document.verified_at, now=now)
        strip.append(
            cells.state(
                "ok" if document.status == Status.LOCKED else "denied",
                text=_("Bytes comprobados %(ago)s") % {"ago": ago},
            )
        )
    strip.append(
        cells.state("CLOSED", text=_("Conservar hasta el %(day)s") % {"day": cells.day(document.retain_until)})
    )
    return strip


def hold_badge(*, matters: "Sequence[LegalHold]") -> "list[SafeString]":
    """Return the badge of a document that a matter holds; which one, only those see who may read the log."""
    return [cells.state("SET", text=_("Legal hold"))] if matters else []


def banner(*, document: Document, stuck: bool, now: dt.datetime) -> dict[str, str]:
    """Return the banner of a document that needs a person; empty for any other."""
    if document.status == Status.QUARANTINED:
        text = _("No lo entregues: los bytes guardados no se corresponden con su huella. Hay una alerta P1 abierta.")
        return {"tone": "bad", "title": _("En cuarentena"), "text": text}
    if stuck:
        cause = errors.CODES.get(document.cause)
        cause_text = (
            (cause.en if cells.locale() == "en" else cause.es) if cause else (document.cause or _("sin causa anotada"))
        )
        text = _("Emitido %(ago)s y aún sin resguardar: %(cause)s. Intentos: %(attempts)s.") % {
            "ago": cells.since(document.issued_at, now=now),
            "cause": cause_text,
            "attempts": document.attempts,
        }
        return {"tone": "warn", "title": _("Atascado"), "text": text}
    return {}


def summary(*, document: Document, open_: bool) -> Card:
    """Return who, what and when."""
    owner = document.owner
    name = owner.legal_name if open_ else cells.mask_name(owner.legal_name)
    tax_id = owner.tax_id if open_ else cells.mask_end(owner.tax_id)
    facts = [
        Fact(label=_("Tipo"), value=document.get_kind_display()),
        Fact(label=_("Titular"), value=cells.link(owner, text=name or owner.platform_id)),
        Fact(label=_("Id de plataforma"), value=cells.mono(owner.platform_id)),
        Fact(label=_("Identificación fiscal"), value=cells.mono(tax_id)),
        Fact(label=_("Emisor"), value=cells.link(document.issuer)),
        Fact(label=_("País"), value=cells.country(document.country_id)),
        Fact(label=_("Fecha de operación"), value=cells.day(document.operation_date)),
        Fact(label=_("Fecha de emisión"), value=cells.day(document.issue_date)),
        Fact(label=_("Serie"), value=cells.link(document.series, mono_face=True)),
        Fact(label=_("Asunto"), value=cells.mono(document.subject)),
        Fact(label=_("Evento"), value=cells.link(document.event, text=document.event.type)),
        Fact(label=_("Clave de documento"), value=cells.mono(document.document_key_id), wide=True),
    ]
    if document.payout_status:
        facts.insert(2, Fact(label=_("Pago al emitir"), value=cells.state(document.payout_status_at_issue)))
        facts.insert(3, Fact(label=_("Pago ahora"), value=cells.state(document.payout_status)))
    if document.refund_status:
        text = _("Devolución fallida")
        facts.insert(2, Fact(label=_("Devolución"), value=cells.state(document.refund_status, text=text)))
    return Card(title=_("Resumen"), facts=facts)


def _total_labels() -> dict[str, str]:
    """Return the totals that the kinds print, in the order of reading, with their labels."""
    return {
        "net": _("Neto"),
        "earnings": _("Ingresos"),
        "deductions": _("Deducciones"),
        "tax": _("Impuestos"),
        "withheld": _("Retención fiscal"),
        "gross": _("Total"),
        "payable": _("Neto"),
        "included": _("Incluido"),
        "adjustments": _("Ajustes"),
        "cash_collected": _("Efectivo cobrado"),
        "opening_carry_over": _("Saldo inicial"),
        "closing_carry_over": _("Saldo final"),
        "amount": _("Importe del pago"),
    }


def totals(*, document: Document) -> Card:
    """Return the totals that the PDF prints, and the total of the row."""
    content, labels = parsed(document.content), _total_labels()
    printed = content.get("totals", {})
    if document.kind == Kind.PAYOUT_STATEMENT:  # its orders' are in their statements: zero here would say of none
        labels["withheld"] = _("Retención fiscal de este pago")
        printed = {name: text for name, text in printed.items() if name != "withheld" or content.get("withholdings")}
    facts = [
        Fact(label=labels[name], value=cells.amount_of_text(text=str(printed[name]), currency=document.currency))
        for name in labels
        if name in printed
    ]
    total = cells.amount(minor=document.total_minor, currency=document.currency)
    note = cells.flags(document.flags)
    return Card(title=_("Importes"), facts=[*facts, Fact(label=_("Total del documento"), value=total)], note=note)


def integrity(*, document: Document, matters: "Sequence[LegalHold]") -> Card:
    """Return what proves the document: digests, the object in the vault, its lock, until when, and who holds it."""
    held = [Fact(label=_("Legal hold"), value=cells.link(matter, text=matter.reference)) for matter in matters]
    return Card(
        title=_("Integridad y custodia"),
        wide=True,
        facts=[
            Fact(label=_("Huella del archivo (SHA-256)"), value=cells.mono(document.file_sha256), wide=True),
            Fact(label=_("Huella del contenido (SHA-256)"), value=cells.mono(document.content_sha256), wide=True),
            Fact(label=_("Bóveda"), value=cells.mono(document.vault_url), wide=True),
            Fact(label=_("Objeto en la bóveda"), value=cells.mono(document.vault_key), wide=True),
            Fact(label=_("Versión"), value=cells.mono(document.vault_version, short=24)),
            Fact(label=_("Modo de bloqueo"), value=cells.mono(document.vault_mode)),
            Fact(label=_("Resguardado"), value=cells.moment(document.locked_at)),
            Fact(label=_("Última comprobación"), value=cells.moment(document.verified_at)),
            Fact(label=_("Conservar hasta"), value=cells.day(document.retain_until)),
            *held,
            Fact(label=_("Sellado en la bitácora"), value=timeline.sealed(object_id=document.public_id)),
            Fact(label=_("Tamaño y páginas"), value=size(document)),
            Fact(label=_("Plantilla"), value=cells.mono(document.template)),
            Fact(label=_("Motor"), value=cells.mono(document.engine, short=16)),
            Fact(label=_("Código de verificación"), value=cells.mono(document.verification_code)),
        ],
    )


def size(document: Document) -> str:
    """Write size and pages: "86 KB · 2"."""
    if not document.file_bytes:
        return cells.NOTHING
    return f"{max(1, round(document.file_bytes / 1024))} KB · {document.pages or '?'} {_('pág.')}"


def relatives(*, request: HttpRequest, document: Document) -> Card:
    """Return the documents about the same subject, corrections and payouts of this one, within the scope."""
    near = Q(subject=document.subject) | Q(corrects=document) | Q(settled_by=document)
    for pk in (document.corrects_id, document.settled_by_id):
        near |= Q(pk=pk) if pk else Q()
    rows = (
        rights.documents(request=request)
        .filter(near)
        .exclude(pk=document.pk)
        .order_by("-pk")
        .only(
            *("public_id", "country_id", "number", "kind", "currency", "total_minor", "status"),
            *("corrects_id", "settled_by_id", "subject"),
        )
    )
    table = [
        (
            relation(document=document, other=row),
            cells.link(row, mono_face=True),
            row.get_kind_display(),
            cells.amount(minor=row.total_minor, currency=row.currency),
            cells.state(row.status),
        )
        for row in rows[:RELATED_MAX]
    ]
    return Card(
        title=_("Documentos relacionados"),
        wide=True,
        heads=(_("Relación"), _("Número"), _("Tipo"), _("Importe"), _("Estado")),
        rows=table,
        numeric=(3,),
        empty=_("Ninguno: es el único documento de este hecho."),
    )


def relation(*, document: Document, other: Document) -> str:
    """Say how another document is related."""
    if other.pk == document.corrects_id:
        return _("corrige a")
    if other.corrects_id == document.pk:
        return _("corregido por")
    if other.pk == document.settled_by_id:
        return _("pagado en")
    if other.settled_by_id == document.pk:
        return _("paga")
    return _("mismo hecho")


def delivery_state(delivery: Delivery) -> tuple[Any, ...]:
    """Return a delivery's state and its last moment."""
    return cells.state(delivery.status), cells.moment(
        delivery.downloaded_at or delivery.opened_at or delivery.sent_at or delivery.queued_at
    )


def link_state(*, link: Link, now: dt.datetime) -> tuple[Any, ...]:
    """Return a link's state, its expiry, and whether it can still be revoked."""
    name = "ACTIVE"
    if link.revoked_at:
        name = "REVOKED"
    elif link.expires_at <= now:
        name = "EXPIRED"
    elif link.downloads >= link.downloads_max:
        name = "EXHAUSTED"
    return cells.state(name), cells.moment(link.expires_at), name in {"ACTIVE", "EXHAUSTED"}


def parsed(content: str) -> dict[str, Any]:
    """Return the frozen content, which is canonical JSON."""
    fields: dict[str, Any] = json.loads(content)
    return fields


def pretty(content: str) -> str:
    """Return the frozen content indented for people, cut at CONTENT_MAX."""
    text = json.dumps(parsed(content), ensure_ascii=False, indent=2)
    return text if len(text) <= CONTENT_MAX else f"{text[:CONTENT_MAX]}\n…"
