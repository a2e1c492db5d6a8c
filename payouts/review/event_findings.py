"""The findings about an event that is held or parked: what differs, and sentences that say what is wrong with it.

The sentences are for finance, in the reader's language. Those of a payout that does not close come from `gap_causes`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babel import numbers
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from documents import errors, money
from documents.countries import pack
from documents.models import Document, Event, EventStatus, Issuer, Party
from payouts.calculation.gap_causes import Language
from payouts.issuing import balances, payout_gap, retries
from payouts.models import Payout

NAMED_MAX = 2  # of what a parked event lacks
STRANGER = " belongs to somebody else"  # how `payout_lines` says whose an order is not
_STATED = re.compile(r"(?:stated|captured) (-?[0-9.]+), (?:computed|sent) (-?[0-9.]+)")
_CREDITED = re.compile(r"(-?[0-9]+) minor units(?: with tax (\S+))?, of (-?[0-9]+) that remain.*")
_OWNERS = ("payee", "beneficiary", "driver", "customer", "party")
# TABLE: where an event that names no party names what it is about, and the key of that one's document.
_ABOUT = (
    ("refund", "payment_id", "PAYMENT_RECEIPT:payment:{id}:customer"),
    ("order", "id", "ORDER_FINAL_STATEMENT:order:{id}:beneficiary"),
)
Fault = dict[str, Any]  # as `event.errors` has it


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """What should have come, what came, and the difference (what came minus what should have), in minor units."""

    currency: str = ""
    expected_minor: int | None = None
    actual_minor: int | None = None
    difference_minor: int | None = None

    @classmethod
    def of(cls, *, currency: str, expected: int, actual: int) -> "Amounts":
        """Return two amounts with their difference."""
        return cls(currency=currency, expected_minor=expected, actual_minor=actual, difference_minor=actual - expected)


def explain(*, event: Event, data: dict[str, Any]) -> tuple[Amounts, list[str]]:
    """Return what differs and the sentences about it, of a held or parked event; `data` is its `event_data`."""
    if event.status == EventStatus.PARKED:
        return _explain_parked(event=event, data=data)
    currency = str(data.get("currency", ""))
    faults = [fault for fault in event.errors if isinstance(fault, dict)]
    return (
        _does_not_close(faults=faults, data=data, currency=currency)
        or _wrong_total(faults=faults, currency=currency)
        or _of_somebody_else(faults=faults, currency=currency)
        or _cause(event=event, faults=faults, data=data, currency=currency)
    )


def event_data(*, event: Event) -> dict[str, Any]:
    """Return a stored event's data as it came; nothing once its body has been stripped."""
    try:
        payload = json.loads(bytes(event.body or b"{}"))
    except ValueError:
        return {}
    data = payload.get("data") if isinstance(payload, dict) else None
    return data if isinstance(data, dict) else {}


def owner(data: dict[str, Any]) -> str:
    """Return the platform id of the party an event is about: the one it names, or its document's owner."""
    for name in _OWNERS:
        if isinstance(data.get(name), dict):
            return str(data[name].get("id", ""))
    for block, name, key in _ABOUT:
        if isinstance(data.get(block), dict) and name in data[block]:
            about = Document.objects.filter(document_key_id=key.replace("{id}", str(data[block][name])))
            return about.values_list("owner__platform_id", flat=True).first() or ""
    return ""


def minor(text: object, currency: str) -> int | None:
    """Return an amount in minor units; None for a text that is no amount."""
    try:
        return money.minor(str(text), money.digits(currency))
    except errors.Problem:
        return None


def _does_not_close(
    *, faults: Sequence[Fault], data: dict[str, Any], currency: str
) -> tuple[Amounts, list[str]] | None:
    """Return the difference of a payout that does not close, and its diagnosis; None of other events."""
    gap = next((minor(fault.get("detail"), currency) for fault in faults if fault.get("code") == "difference"), None)
    actual = minor(data.get("payout", {}).get("amount"), currency) if isinstance(data.get("payout"), dict) else None
    if gap is None or actual is None:
        return None
    first, other = payout_gap.LANGUAGES[_language()], payout_gap.LANGUAGES["es" if _language() == "en" else "en"]
    sentences = {
        code: [str(fault.get("detail", "")) for fault in faults if fault.get("code") == code] for code in (first, other)
    }
    amounts = Amounts.of(currency=currency, expected=actual + gap, actual=actual)
    return amounts, sentences[first] or sentences[other]


def _wrong_total(*, faults: Sequence[Fault], currency: str) -> tuple[Amounts, list[str]] | None:
    """Return the first total that is not what was computed, or sent; None where all are."""
    for fault in faults:
        match = _STATED.fullmatch(str(fault.get("detail", "")))
        stated, computed = (minor(match[group], currency) for group in (1, 2)) if match else (None, None)
        if stated is not None and computed is not None:
            amounts = Amounts.of(currency=currency, expected=computed, actual=stated)
            place = {"what": _amount_name(fault), "place": fault.get("pointer", "")}
            return amounts, [_("No coincide %(what)s (%(place)s).") % place]
    return None


def _of_somebody_else(*, faults: Sequence[Fault], currency: str) -> tuple[Amounts, list[str]] | None:
    """Name the orders of a payout that are not its payee's; None where there are none."""
    details = [str(fault.get("detail", "")) for fault in faults]
    strangers = [detail.removesuffix(STRANGER) for detail in details if detail.endswith(STRANGER)]
    if not strangers:
        return None
    return Amounts(currency=currency), [_("Es de otro beneficiario: %(what)s.") % {"what": _listed(strangers)}]


def _cause(*, event: Event, faults: Sequence[Fault], data: dict[str, Any], currency: str) -> tuple[Amounts, list[str]]:
    """Return the sentence of the event's code; of a credit also how much it asks for and how much remains."""
    first = next((fault for fault in faults if fault.get("pointer")), {})
    cause = Cause(
        event=event,
        payload={"country": event.country_code, "issuer": event.issuer_slug, "data": data},
        pointer=str(first.get("pointer", "")),
        detail=str(first.get("detail", "")),
    )
    amounts, sentence = Amounts(currency=currency), cause.sentence()
    if match := _CREDITED.fullmatch(cause.detail):
        amounts = Amounts.of(currency=currency, expected=int(match[3]), actual=int(match[1]))
    return amounts, [sentence] if sentence else []


def _amount_name(fault: Fault) -> str:
    """Return what finance calls the amount at a fault's place."""
    names = {
        "amount": _("el importe"),
        "net": _("la base"),
        "tax": _("el impuesto"),
        "gross": _("el total"),
        "payable": _("el neto a recibir"),
        "partner_payable": _("el neto del comercio"),
    }
    last = str(fault.get("pointer", "")).rpartition("/")[2]
    return names.get(last, last)


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A held event, and the first of its faults that has a place."""

    event: Event
    payload: Mapping[str, Any]  # the event's body, as it came
    pointer: str
    detail: str

    def sentence(self) -> str:
        """Say why the event is held; of a code without a sentence of its own, where to look."""
        say = _SENTENCES.get(self.event.code)
        return say(self) if say else _("Mira %(place)s.") % self.values if self.pointer else ""

    @property
    def values(self) -> dict[str, str]:
        """Return the values that a sentence may name."""
        value, country = _at(self.payload, self.pointer), pack.for_country(self.event.country_code)
        return {
            "value": value if isinstance(value, str) else "",
            "place": self.pointer,
            "country": self.event.country_code,
            "currency": country.currency if country else "",
        }


def _at(payload: object, pointer: str) -> object:
    """Return the value at an RFC 6901 pointer; None where there is none."""
    value = payload
    for step in pointer.split("/")[1:]:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _whose_tax_id(cause: Cause) -> str:
    party = _at(cause.payload, cause.pointer.rpartition("/")[0])
    who = str(party.get("id", "")) if isinstance(party, dict) else ""
    values = cause.values | {"who": who}
    return _("El identificador fiscal de %(who)s no es válido en %(country)s (%(place)s).") % values


def _period(cause: Cause) -> str:
    period = _at(cause.payload, "/data/period")
    days = period if isinstance(period, dict) else {}
    values = {"first": days.get("from", ""), "last": days.get("to", "")}
    return _("El periodo empieza el %(first)s y termina antes, el %(last)s.") % values


def _credit(cause: Cause) -> str:
    match = _CREDITED.fullmatch(cause.detail)
    if match is None:
        return _("El documento original no tiene esas partidas, o el abono cobraría en vez de devolver.")
    if match[2] and match[2] != "none":
        return _("Abona más de lo que queda con %(tax)s en el documento original.") % {"tax": match[2]}
    return _("Abona más de lo que queda del documento original.")


# TABLE: code of a held event -> its sentence.
_SENTENCES: Mapping[str, Callable[[Cause], str]] = {
    "tax_code_unknown": lambda cause: (
        _("«%(value)s» no es un código de impuesto de %(country)s (%(place)s).") % cause.values
    ),
    "tax_rate_not_in_force": lambda cause: (
        _("«%(value)s» no está en vigor en la fecha de la operación (%(place)s).") % cause.values
    ),
    "tax_id_invalid": _whose_tax_id,
    "currency_unsupported": lambda cause: (
        _("Viene en %(value)s: no es la moneda de %(country)s, %(currency)s.") % cause.values
    ),
    "country_unsupported": lambda cause: (
        _("El país %(country)s no se emite aquí, o no es el del documento original.") % cause.values
    ),
    "issuer_unknown": lambda cause: (
        _("«%(value)s» no es un emisor de %(country)s, o no el del documento original.") % cause.values
    ),
    "period_invalid": _period,
    "credit_exceeds_remaining": _credit,
    "payee_mismatch": lambda _cause: _("El pago se envió a otro beneficiario."),
    "party_unknown": lambda _cause: _("El pedido no tiene comercio, y el ajuste trae líneas suyas."),
    "validation_error": lambda _cause: _("La suma de las líneas pasa del importe máximo."),
    "internal_error": lambda _cause: _(
        "Falló la emisión por un defecto del servicio: se reintenta sola, y el equipo técnico está avisado."
    ),
}


def _explain_parked(*, event: Event, data: dict[str, Any]) -> tuple[Amounts, list[str]]:
    """Say what a parked event lacks; of an opening balance, which one is known and which the event states."""
    currency = str(data.get("currency", ""))
    amounts, sentences = Amounts(currency=currency), []
    names = [str(name) for name in event.missing]
    named = [name.partition(":")[2] or name for name in names if not balances.is_awaited(name)]
    if named:
        sentences.append(_("Falta %(what)s.") % {"what": _listed(named)})
    if len(named) < len(names):
        last = _payout_before(event=event, currency=currency)
        stated, known = minor(data.get("opening_carry_over"), currency), balances.closing_minor(before=last)
        if stated is not None:
            amounts = Amounts.of(currency=currency, expected=known, actual=stated)
        sentences.append(
            _("Su saldo inicial no es el que dejó %(payout)s: falta un pago intermedio.") % {"payout": last.payout_id}
            if last
            else _("Trae un saldo inicial y no consta ningún pago anterior: falta un pago.")
        )
    return amounts, sentences


def _listed(names: Sequence[str]) -> str:
    """Name the first of a list, and count the others once it is long."""
    if len(names) == 1:
        return names[0]
    short, rest = names[:NAMED_MAX], len(names) - NAMED_MAX
    if rest <= 0:
        return _("%(first)s y %(last)s") % {"first": ", ".join(names[:-1]), "last": names[-1]}
    return _("%(first)s y %(count)s más") % {
        "first": ", ".join(short),
        "count": numbers.format_decimal(rest, locale=_language()),
    }


def _language() -> Language:
    return "en" if (get_language() or "es").startswith("en") else "es"


def _payout_before(*, event: Event, currency: str) -> Payout | None:
    """Return the payout whose closing balance a payout has to open with."""
    stated = retries.payout_data(body=event.body)
    payee = Party.objects.filter(platform_id=stated.payee.id if stated else "").first()
    issuer = Issuer.objects.filter(slug=event.issuer_slug).first()
    sent_at = (stated.payout.sent_at if stated else None) or event.occurred_at
    if stated is None or payee is None or issuer is None or sent_at is None:
        return None
    return balances.payout_before(
        payout=stated.payout.id, sent_at=sent_at, payee=payee, issuer=issuer, currency=currency
    )
