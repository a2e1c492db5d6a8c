"""What waits for a person, in one list: held events, events parked too long, and open discrepancies; oldest first.

Each item says what differs: what was expected, what came, the difference, and what it looks like in words.
"""

import datetime as dt
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from documents import errors, money
from documents.models import Alert, Discrepancy, Document, Event, EventStatus
from payouts import diagnosis, settling, suspicions
from payouts.models import Payout, RequestState, SettlementRequest

EACH_MAX = 200  # of each source, the oldest: a longer list than that is no list of work
KINDS = ("held", "parked", "divergent", "paid_twice", "other")
_CODES = {"divergent": ("divergent_repeat",), "paid_twice": ("paid_twice",)}
_STATED = re.compile(r"(?:stated|captured) (-?[0-9.]+), (?:computed|sent) (-?[0-9.]+)")
_OWNERS = ("payee", "beneficiary", "driver", "customer", "party")


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """What should have come, what came, and the difference (what came minus what should have), in minor units."""

    currency: str = ""
    expected_minor: int | None = None
    actual_minor: int | None = None
    difference_minor: int | None = None


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that somebody has to look at: an event, or a discrepancy with its document or event."""

    kind: str
    code: str
    since: dt.datetime
    owner: str = ""
    subject: str = ""
    country: str = ""
    amounts: Amounts = field(default_factory=Amounts)
    words: Sequence[str] = ()
    event: Event | None = None
    discrepancy: Discrepancy | None = None
    document: Document | None = None
    settleable: bool = False
    request: SettlementRequest | None = None
    alert: Alert | None = None

    @property
    def incident(self) -> str:
        """This function will return the key under which the item's alert was opened."""
        if self.discrepancy is not None:
            return f"discrepancy:{self.discrepancy.dedup_key}"
        return f"event:{self.event.public_id}" if self.event else ""


def items(*, countries: Sequence[str] | None, now: dt.datetime, kind: str = "") -> list[Item]:
    """This function will return what waits in these countries (None: everywhere), of one kind or of all."""
    found: list[Item] = []
    for one in (kind,) if kind in KINDS else KINDS:
        rows = _rows(kind=one, countries=countries, now=now)[:EACH_MAX]
        found += [of_event(row, now=now) if isinstance(row, Event) else of_discrepancy(row) for row in rows]
    found.sort(key=lambda item: (item.since, item.incident))
    return _with_people(found)


def counts(*, countries: Sequence[str] | None, now: dt.datetime) -> dict[str, int]:
    """This function will count each kind, up to EACH_MAX + 1."""
    return {kind: _rows(kind=kind, countries=countries, now=now).order_by()[: EACH_MAX + 1].count() for kind in KINDS}


def _rows(*, kind: str, countries: Sequence[str] | None, now: dt.datetime) -> QuerySet[Any]:
    """This function will return one kind's rows, oldest first."""
    if kind in {"held", "parked"}:
        events = Event.objects.order_by("pk")
        if countries is not None:
            events = events.filter(country_code__in=countries)
        if kind == "held":
            return events.filter(status=EventStatus.HELD, settled_by=None)
        return events.filter(
            status=EventStatus.PARKED, received_at__lt=now - dt.timedelta(seconds=settings.PARKED_LIMIT_S)
        )
    gaps = Discrepancy.objects.filter(resolved_at=None).select_related("document__owner", "event").order_by("pk")
    if countries is not None:
        gaps = gaps.filter(country__in=countries)
    if kind in _CODES:
        return gaps.filter(code__in=_CODES[kind])
    return gaps.exclude(code__in=[code for codes in _CODES.values() for code in codes])


def _with_people(found: list[Item]) -> list[Item]:
    """This function will add who asked for a settlement and who took the alert, in two queries."""
    events = [item.event.public_id for item in found if item.event and item.discrepancy is None]
    asked = {
        row.event_id: row
        for row in SettlementRequest.objects.filter(
            event__public_id__in=events, state=RequestState.REQUESTED
        ).select_related("requested_by")
    }
    alerts = {
        row.dedup_key: row
        for row in Alert.objects.filter(
            dedup_key__in=[item.incident for item in found], resolved_at=None
        ).select_related("acknowledged_by")
    }
    return [
        replace(
            item,
            request=asked.get(item.event.public_id) if item.event and item.discrepancy is None else None,
            alert=alerts.get(item.incident),
        )
        for item in found
    ]


# -- events --


def of_event(event: Event, *, now: dt.datetime) -> Item:
    """This function will tell what is the matter with one held or parked event."""
    data = told(event=event)
    parked = event.status == EventStatus.PARKED
    amounts, words = _parked(event=event, data=data) if parked else _held(event=event, data=data)
    return Item(
        kind="parked" if parked else "held",
        code="event_parked_too_long" if parked else event.code,
        since=event.received_at,
        owner=_owner(data),
        subject=event.subject,
        country=event.country_code,
        amounts=amounts,
        words=words,
        event=event,
        settleable=settling.can_settle(event=event, now=now),
    )


def told(*, event: Event) -> dict[str, Any]:
    """This function will return a stored event's data as it came; nothing once its body has been stripped."""
    try:
        payload = json.loads(bytes(event.body or b"{}"))
    except ValueError:
        return {}
    data = payload.get("data") if isinstance(payload, dict) else None
    return data if isinstance(data, dict) else {}


def _owner(data: dict[str, Any]) -> str:
    """This function will return the platform's id of whom an event is about."""
    for name in _OWNERS:
        if isinstance(data.get(name), dict):
            return str(data[name].get("id", ""))
    return ""


def _minor(text: object, currency: str) -> int | None:
    """This function will read an amount that may be none."""
    try:
        return money.minor(str(text), money.digits(currency))
    except errors.Problem:
        return None


def _held(*, event: Event, data: dict[str, Any]) -> tuple[Amounts, list[str]]:
    """This function will read what differs, and the diagnosis, out of a held event's faults."""
    currency = str(data.get("currency", ""))
    faults = [fault for fault in event.errors if isinstance(fault, dict)]
    said = {code: [str(fault.get("detail", "")) for fault in faults if fault.get("code") == code] for code in _said()}
    words = said[_said()[0]] or said[_said()[-1]]
    gap = next((_minor(fault.get("detail"), currency) for fault in faults if fault.get("code") == "difference"), None)
    actual = _minor(data.get("payout", {}).get("amount"), currency) if isinstance(data.get("payout"), dict) else None
    if gap is not None and actual is not None:
        return Amounts(
            currency=currency, expected_minor=actual + gap, actual_minor=actual, difference_minor=-gap
        ), words
    for fault in faults:
        found = _STATED.fullmatch(str(fault.get("detail", "")))
        stated, computed = (_minor(found[place], currency) for place in (1, 2)) if found else (None, None)
        if stated is not None and computed is not None:
            return Amounts(
                currency=currency,
                expected_minor=computed,
                actual_minor=stated,
                difference_minor=stated - computed,
            ), [_("No coincide %(place)s.") % {"place": fault.get("pointer", "")}]
    places = ", ".join(dict.fromkeys(str(fault.get("pointer")) for fault in faults if fault.get("pointer")))
    return Amounts(currency=currency), [_("Mira %(place)s.") % {"place": places[:200]}] if places else []


def _said() -> list[str]:
    """This function will return the codes of diagnoses, those in the reader's language first."""
    first: list[str] = list(diagnosis.LANGUAGES.values())
    return first[::-1] if (get_language() or "es").startswith("en") else first


def _parked(*, event: Event, data: dict[str, Any]) -> tuple[Amounts, list[str]]:
    """This function will say what a parked event lacks; for a balance, which one is known and which was told."""
    currency = str(data.get("currency", ""))
    amounts, words = Amounts(currency=currency), []
    for name in event.missing:
        kind, _colon, rest = str(name).partition(":")
        if kind != "balance":
            words.append(_("Falta %(what)s.") % {"what": rest or name})
            continue
        payee, _colon, issuer = rest.partition(":")
        last = _before(payee=payee, issuer=issuer, currency=currency, data=data)
        stated, known = _minor(data.get("opening_carry_over"), currency), last.closing_minor if last else 0
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


def _before(*, payee: str, issuer: str, currency: str, data: dict[str, Any]) -> Payout | None:
    """This function will return the payout whose closing balance a payout has to open with."""
    earlier = Payout.objects.filter(payee__platform_id=payee, issuer__slug=issuer, currency=currency)
    sent_at = data.get("payout", {}).get("sent_at") if isinstance(data.get("payout"), dict) else None
    if isinstance(sent_at, str):
        earlier = earlier.filter(sent_at__lt=sent_at).exclude(returned_at__lte=sent_at)
    return earlier.order_by("-sent_at", "-payout_id").first()


# -- discrepancies --


def of_discrepancy(gap: Discrepancy) -> Item:
    """This function will tell what one discrepancy says."""
    document = gap.document
    first, other = suspicions.sides(gap=gap)
    currency = str(gap.facts.get("currency") or (document.currency if document else ""))
    expected, actual = _minor(first, currency), _minor(other, currency)
    difference = _minor(gap.facts.get("difference"), currency)
    if difference is None and expected is not None and actual is not None:
        difference = actual - expected
    owner = document.owner.platform_id if document else str(gap.facts.get("payee", ""))
    kind = next((kind for kind, codes in _CODES.items() if gap.code in codes), "other")
    return Item(
        kind=kind,
        code=gap.code,
        since=gap.opened_at,
        owner=owner,
        subject=document.number if document else gap.event.subject if gap.event else "",
        country=gap.country_id or "",
        amounts=Amounts(currency=currency, expected_minor=expected, actual_minor=actual, difference_minor=difference),
        words=suspicions.words(gap=gap),
        event=gap.event,
        discrepancy=gap,
        document=document,
    )
