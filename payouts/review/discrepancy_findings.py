"""The findings about a discrepancy: which of its facts are the two sides, and a sentence that says what differs."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from documents import errors, money
from documents.alerts import discrepancies
from documents.countries import pack
from documents.models import Discrepancy, Document, Event, Kind
from payouts.calculation import amounts, totals

CHANGES_MAX = 4
Facts = Mapping[str, Any]

# TABLE: code -> the facts that were expected and that came.
SIDES: Mapping[str, tuple[str, str]] = {
    "paid_twice": ("earned", "settled"),
    "event_id_reused": ("first_total", "other_total"),
    "reconciliation_difference": ("computed", "transferred"),
    "balance_chain_broken": ("closing_before", "opening"),
    "event_and_document_differ": ("document_prints", "event_states"),
    "document_does_not_add_up": ("found", "stated"),
    "payout_and_statement_differ": ("amount", "statement_amount"),
}


def sides(*, gap: Discrepancy) -> tuple[object, object]:
    """Return what was expected and what came, as texts; None where the facts have no amounts."""
    if gap.code == "divergent_repeat" and gap.document is not None and gap.event is not None:
        content = json.loads(gap.document.content)
        stated = _stated_total(event=gap.event, document=gap.document)
        stated = stated or _computed_total(event=gap.event, document=gap.document)
        return content["totals"].get(_total_of(content)), stated
    first, other = SIDES.get(gap.code, ("", ""))
    return gap.facts.get(first), gap.facts.get(other)


def explain(*, gap: Discrepancy) -> list[str]:
    """Return what a discrepancy looks like, in the reader's language; empty for an unknown code."""
    say = _SENTENCES.get(gap.code)
    return [say(gap)] if say else []


def _total_of(content: Facts) -> str:
    return next(name for name in ("gross", "payable", "amount") if name in content["totals"])


def _body(event: Event | None) -> Facts:
    try:
        payload = json.loads(bytes((event.body if event else None) or b"{}"))
    except ValueError:
        return {}
    data = payload.get("data") if isinstance(payload, dict) else None
    return data if isinstance(data, dict) else {}


def _stated_total(*, event: Event, document: Document) -> object:
    """Return the total that an event states for a document's owner, where it states one."""
    data = _body(event)
    if document.kind == Kind.ORDER_FINAL_STATEMENT and document.audience == "partner":
        stated_totals = data.get("totals")
        return stated_totals.get("partner_payable") if isinstance(stated_totals, dict) else None
    stated = discrepancies.stated_total(payload={"data": data})
    return stated[0] if stated else None


def _computed_total(*, event: Event, document: Document) -> str | None:
    """Return what the lines of a repeated order event come to, at the rates of the document's day."""
    if document.kind != Kind.ORDER_FINAL_STATEMENT:
        return None
    data, digits = _body(event), money.digits(document.currency)
    try:
        lines = amounts.read_lines(lines=data.get("lines", ()), digits=digits, party=document.audience)
        codes = [line.tax for line in lines if line.tax != amounts.UNTAXED]
        rates = pack.required(document.country_id).rates_on(codes=codes, date=document.operation_date)
        withheld = data.get("withholdings", ()) if document.audience == "beneficiary" else ()
        withholdings = amounts.read_withholdings(withholdings=withheld, digits=digits)
        sums = totals.order_statement(
            lines=lines, rates=rates, prices=data.get("prices", "net"), withholdings=withholdings
        )
    except errors.Problem:
        return None
    return money.text(sums.totals["payable"], digits)


def _changed(first: object, other: object, path: str = "") -> Iterator[str]:
    """Yield the places at which two JSON values differ."""
    if isinstance(first, dict) and isinstance(other, dict):
        for key in sorted({*first, *other}):
            yield from _changed(first.get(key), other.get(key), f"{path}/{key}")
    elif isinstance(first, list) and isinstance(other, list) and len(first) == len(other):
        for place, (left, right) in enumerate(zip(first, other, strict=True)):
            yield from _changed(left, right, f"{path}/{place}")
    elif first != other:
        yield path or "/"


def _divergent(gap: Discrepancy) -> str:
    first = Event.objects.filter(documents=gap.document).first() if gap.document else None
    places = list(_changed(_body(first), _body(gap.event)))
    if not places:
        return _("El mismo hecho llegó otra vez con otros datos; vale el primero.")
    shown = ", ".join(places[:CHANGES_MAX]) + (" …" if len(places) > CHANGES_MAX else "")
    return _("El mismo hecho llegó otra vez y cambia %(places)s; vale el primero.") % {"places": shown}


def _twice(gap: Discrepancy) -> str:
    payouts = ", ".join(str(name) for name in gap.facts.get("payouts", ()))
    return _("Se pagó más de lo ganado con %(payouts)s; se cierra sola si uno vuelve.") % {"payouts": payouts}


def _printed(gap: Discrepancy) -> str:
    stated = gap.facts.get("opening_stated", gap.facts.get("opening_told"))  # the latter in rows of an earlier version
    if stated != gap.facts.get("opening_printed"):
        return _("Emitido por dos personas: la diferencia es el saldo inicial, que no consta.")
    return _("Emitido por dos personas con la diferencia impresa; falta encontrarla.")


def _chain(gap: Discrepancy) -> str:
    before = gap.facts.get("payout_before") or "—"
    return _("El saldo inicial no es el que dejó %(payout)s.") % {"payout": before}


def _field(gap: Discrepancy) -> str:
    place = str(gap.facts.get("field", "")).strip("{}").replace(",", "/")
    return _("El evento y el documento dicen otra cosa en %(place)s.") % {"place": place}


_SENTENCES: Mapping[str, Callable[[Discrepancy], str]] = {
    "divergent_repeat": _divergent,
    "paid_twice": _twice,
    "reconciliation_difference": _printed,
    "balance_chain_broken": _chain,
    "event_and_document_differ": _field,
    "event_id_reused": lambda _gap: _("Dos hechos distintos llegaron con el mismo id; vale el primero."),
    "books_differ": lambda _gap: _("Lo liquidado y lo transferido a este beneficiario no suman lo mismo."),
    "payout_and_statement_differ": lambda _gap: _("El pago y su comprobante no dicen lo mismo."),
    "payout_status_differs": lambda _gap: _("El estado del pago no es el que dicen sus partidas."),
    "event_without_document": lambda _gap: _("Consta como procesado y falta lo que debió emitir."),
    "document_does_not_add_up": lambda _gap: _("Las líneas y los totales del documento no suman lo mismo."),
}
