"""What is the matter with an event that stands still: what differs, what it looks like, what it lacks; in words."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from babel import numbers
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from documents import errors, money
from documents.models import Document, Event, EventStatus
from payouts.issuing import payout_gap, retries
from payouts.models import Payout
from payouts.review import causes

NAMED_MAX = 2  # of what a parked event lacks
_STATED = re.compile(r"(?:stated|captured) (-?[0-9.]+), (?:computed|sent) (-?[0-9.]+)")
STRANGER = " belongs to somebody else"  # how `payout_lines` says whose an order is not
_OWNERS = ("payee", "beneficiary", "driver", "customer", "party")
# TABLE: where an event that names nobody names the fact it is about, and the key of that fact's document.
_ABOUT = (
    ("refund", "payment_id", "PAYMENT_RECEIPT:payment:{id}:customer"),
    ("order", "id", "ORDER_FINAL_STATEMENT:order:{id}:beneficiary"),
)


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """What should have come, what came, and the difference (what came minus what should have), in minor units."""

    currency: str = ""
    expected_minor: int | None = None
    actual_minor: int | None = None
    difference_minor: int | None = None


def explain(*, event: Event, data: dict[str, Any]) -> tuple[Amounts, list[str]]:
    """Return what differs and what it looks like, of a held event or a parked one."""
    return _parked(event=event, data=data) if event.status == EventStatus.PARKED else _held(event=event, data=data)


def event_data(*, event: Event) -> dict[str, Any]:
    """Return a stored event's data as it came; nothing once its body has been stripped."""
    try:
        payload = json.loads(bytes(event.body or b"{}"))
    except ValueError:
        return {}
    data = payload.get("data") if isinstance(payload, dict) else None
    return data if isinstance(data, dict) else {}


def owner(data: dict[str, Any]) -> str:
    """Return the platform's id of whom an event is about: whom it names, or its document's owner."""
    for name in _OWNERS:
        if isinstance(data.get(name), dict):
            return str(data[name].get("id", ""))
    for block, name, key in _ABOUT:
        if isinstance(data.get(block), dict) and name in data[block]:
            about = Document.objects.filter(document_key_id=key.replace("{id}", str(data[block][name])))
            return about.values_list("owner__platform_id", flat=True).first() or ""
    return ""


def minor(text: object, currency: str) -> int | None:
    """Read an amount that may be none."""
    try:
        return money.minor(str(text), money.digits(currency))
    except errors.Problem:
        return None


def _held(*, event: Event, data: dict[str, Any]) -> tuple[Amounts, list[str]]:
    """Read what differs, and the diagnosis, out of a held event's faults."""
    currency = str(data.get("currency", ""))
    faults = [fault for fault in event.errors if isinstance(fault, dict)]
    said = {code: [str(fault.get("detail", "")) for fault in faults if fault.get("code") == code] for code in _said()}
    words = said[_said()[0]] or said[_said()[-1]]
    gap = next((minor(fault.get("detail"), currency) for fault in faults if fault.get("code") == "difference"), None)
    actual = minor(data.get("payout", {}).get("amount"), currency) if isinstance(data.get("payout"), dict) else None
    if gap is not None and actual is not None:
        return Amounts(
            currency=currency, expected_minor=actual + gap, actual_minor=actual, difference_minor=-gap
        ), words
    for fault in faults:
        found = _STATED.fullmatch(str(fault.get("detail", "")))
        stated, computed = (minor(found[place], currency) for place in (1, 2)) if found else (None, None)
        if stated is not None and computed is not None:
            return Amounts(
                currency=currency,
                expected_minor=computed,
                actual_minor=stated,
                difference_minor=stated - computed,
            ), [_("No coincide %(what)s (%(place)s).") % {"what": _amount(fault), "place": fault.get("pointer", "")}]
    strangers = [
        str(fault.get("detail", "")).removesuffix(STRANGER)
        for fault in faults
        if str(fault.get("detail", "")).endswith(STRANGER)
    ]
    if strangers:
        return Amounts(currency=currency), [_("Es de otro beneficiario: %(what)s.") % {"what": _listed(strangers)}]
    first = next((fault for fault in faults if fault.get("pointer")), {})
    detail = str(first.get("detail", ""))
    cause = causes.Cause(
        event=event,
        payload={"country": event.country_code, "issuer": event.issuer_slug, "data": data},
        pointer=str(first.get("pointer", "")),
        detail=detail,
    )
    said_of = causes.sentence(cause=cause)
    asked = causes.credited(detail=detail)
    amounts = Amounts(
        currency=currency,
        actual_minor=asked[0] if asked else None,
        expected_minor=asked[1] if asked else None,
        difference_minor=asked[0] - asked[1] if asked else None,
    )
    return amounts, [said_of] if said_of else []


def _amount(fault: dict[str, Any]) -> str:
    """Call the amount at a fault's place by words that finance uses."""
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


def _said() -> list[str]:
    """Return the codes of diagnoses, those in the reader's language first."""
    first: list[str] = list(payout_gap.LANGUAGES.values())
    return first[::-1] if _language() == "en" else first


def _language() -> str:
    return "en" if (get_language() or "es").startswith("en") else "es"


def _parked(*, event: Event, data: dict[str, Any]) -> tuple[Amounts, list[str]]:
    """Say what a parked event lacks; for a balance, which one is known and which was told."""
    currency = str(data.get("currency", ""))
    amounts, words = Amounts(currency=currency), []
    balances = [str(name) for name in event.missing if str(name).startswith("balance:")]
    named = [str(name).partition(":")[2] or str(name) for name in event.missing if str(name) not in balances]
    if named:
        words.append(_("Falta %(what)s.") % {"what": _listed(named)})
    for rest in (name.removeprefix("balance:") for name in balances[:1]):
        payee, _colon, issuer = rest.partition(":")
        last = _before(event=event, payee=payee, issuer=issuer, currency=currency)
        stated, known = minor(data.get("opening_carry_over"), currency), last.closing_minor if last else 0
        if stated is not None:
            amounts = Amounts(
                currency=currency,
                expected_minor=known,
                actual_minor=stated,
                difference_minor=stated - known,
            )
        words.append(
            _("Su saldo inicial no es el que dejó %(payout)s: falta un pago intermedio.") % {"payout": last.payout_id}
            if last
            else _("Trae un saldo inicial y no consta ningún pago anterior: falta un pago.")
        )
    return amounts, words


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


def _before(*, event: Event, payee: str, issuer: str, currency: str) -> Payout | None:
    """Return the payout whose closing balance a payout has to open with."""
    payout = retries.payout_data(body=event.body)
    sent_at = (payout.payout.sent_at if payout else None) or event.occurred_at
    earlier = Payout.objects.filter(
        payee__platform_id=payee, issuer__slug=issuer, currency=currency, sent_at__lt=sent_at
    ).exclude(returned_at__lte=sent_at)
    return earlier.order_by("-sent_at", "-payout_id").first()
