"""The findings about an event that is held or parked: what differs, and what is wrong with it, as faults.

A page writes their sentences. What may have caused a payout's difference was looked for by `gap_causes` when it was
held.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from documents import errors, money
from documents.events import outcomes, schemas
from documents.models import Document, Event, EventStatus, Issuer, Party
from payouts.issuing import balances, retries

_OWNERS = ("payee", "beneficiary", "driver", "customer", "party")
# TABLE: where an event that names no party names what it is about, and the key of that one's document.
_ABOUT = (
    ("refund", "payment_id", "PAYMENT_RECEIPT:payment:{id}:customer"),
    ("dispute", "payment_id", "PAYMENT_RECEIPT:payment:{id}:customer"),
    ("payment", "id", "PAYMENT_RECEIPT:payment:{id}:customer"),
    ("order", "id", "ORDER_FINAL_STATEMENT:order:{id}:beneficiary"),
)
PAYOUTS = ("PAYOUT_SENT", "PAYOUT_PERIOD_CLOSED")
SHOWN_MAX = 3  # of what is wrong with one event: its page lists all
StoredFault = Mapping[str, Any]  # as `event.errors` has it


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


def explain(*, event: Event, data: dict[str, Any]) -> tuple[Amounts, list[StoredFault]]:
    """Return what differs and what is wrong, of a held or parked event; `data` is its `event_data`."""
    if event.status == EventStatus.PARKED:
        return _explain_parked(event=event, data=data)
    faults: list[StoredFault] = [fault for fault in event.errors if isinstance(fault, dict)]
    amounts = _amounts(faults=faults, data=data, currency=str(data.get("currency", "")))
    diagnoses = [fault for fault in faults if str(fault.get("code", "")).startswith("diagnosis")]
    said = diagnoses or _strangers(faults) or faults[:SHOWN_MAX] or _without_fault(event)
    return amounts, [*(fault.as_json() for fault in _besides(event=event, data=data)), *said]


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


def _amounts(*, faults: Sequence[StoredFault], data: dict[str, Any], currency: str) -> Amounts:
    """Return the amounts of the first fault that names two; those of an earlier version name none."""
    for fault in faults:
        values = fault.get("values")
        if not isinstance(values, Mapping):
            continue
        sides = _sides(values=values, data=data, currency=currency)
        if sides is not None:
            return Amounts.of(currency=currency, expected=sides[0], actual=sides[1])
    return Amounts(currency=currency)


def _sides(*, values: Mapping[str, Any], data: dict[str, Any], currency: str) -> tuple[int, int] | None:
    """Return what should have come and what came, as a fault's values say."""
    if "asked_minor" in values:
        return int(values["remaining_minor"]), int(values["asked_minor"])
    if "stated" in values:
        expected, actual = minor(values["expected"], currency), minor(values["stated"], currency)
        return None if expected is None or actual is None else (expected, actual)
    if "difference" in values and isinstance(data.get("payout"), dict):
        gap, actual = minor(values["difference"], currency), minor(data["payout"].get("amount"), currency)
        return None if gap is None or actual is None else (actual + gap, actual)
    return None


def _strangers(faults: Sequence[StoredFault]) -> list[StoredFault]:
    """Return one fault for all the orders of a payout that are not its payee's."""
    subjects = [fault["values"]["subject"] for fault in faults if "subject" in fault.get("values", ())]
    if not subjects:
        return []
    values: dict[str, errors.Value] = {"cause": "document", "subject": subjects}
    return [errors.Fault(pointer=str(faults[0]["pointer"]), code="payee_mismatch", values=values).as_json()]


def _without_fault(event: Event) -> list[StoredFault]:
    """Return what is said of an event that is held without a fault: by a defect of ours, nothing is wrong with it."""
    values = {"cause": "held"} if event.code == outcomes.DEFECT else {}
    return [errors.Fault(pointer="", code=event.code, values=values).as_json()]


def _besides(*, event: Event, data: Mapping[str, Any]) -> Iterator[errors.Fault]:
    """Say what a person has to know of a held event besides what is wrong with it."""
    if event.type == "REFUND_ISSUED":
        failures = Event.objects.filter(subject=event.subject, type="REFUND_FAILED", status=EventStatus.PARKED)
        for name in failures.order_by("pk").values_list("event_id", flat=True)[:1]:
            yield errors.Fault(pointer="", code="refund_failed_already", values={"event": name})
    read = _known(event=event) if data.get("replaces") else None
    if read is not None and read[1].awaited:
        yield _unknown(stated=read[0], known=read[1], country=event.country_code)


def _explain_parked(*, event: Event, data: dict[str, Any]) -> tuple[Amounts, list[StoredFault]]:
    """Say what a parked event lacks; of an opening balance, which one is known and which the event states."""
    currency = str(data.get("currency", ""))
    amounts, findings = Amounts(currency=currency), list[errors.Fault]()
    names = [str(name) for name in event.missing]
    named = [name for name in names if not balances.is_awaited(name)]
    findings += _awaited(names=named)
    if len(named) < len(names):
        amounts, finding = _balance_finding(event=event, data=data, currency=currency)
        findings.append(finding)
    return amounts, [finding.as_json() for finding in findings]


def _awaited(*, names: Sequence[str]) -> Iterator[errors.Fault]:
    """Say which subjects a parked event lacks; apart, those of which an event is held, or closed by a person."""
    held = Event.objects.filter(subject__in=names, status=EventStatus.HELD, superseded_by=None)
    rows = held.annotate(closed=outcomes.dismissed()).order_by("pk").values_list("subject", "closed")
    how = {subject: "dismissed" if closed else "held" for subject, closed in rows}
    for cause in ("", "held", "dismissed"):
        mine = [name.partition(":")[2] or name for name in names if how.get(name, "") == cause]
        if mine:
            values = {**errors.counted(missing=mine), **({"cause": cause} if cause else {})}
            yield errors.Fault(pointer="", code="awaited", values=values)


@dataclass(frozen=True, kw_only=True)
class PrintedBalances:
    """The balances that a payout would print if two people issued it now, and the opening one that it states.

    `cause`: where the opening one comes from: `after` or `replaced` (`payout`), `first`: none is known, so zero;
    `unknown`: it replaces a `payout` that nobody knows, so from the payouts before.
    """

    currency: str
    opening_minor: int
    stated_minor: int
    closing_minor: int
    cause: str
    payout: str = ""


def balances_of(*, event: Event) -> PrintedBalances | None:
    """Return the balances of a payout that is held or parked; None of other events, or of one that cannot be read."""
    read = _known(event=event) if event.status in {EventStatus.HELD, EventStatus.PARKED} else None
    if read is None:
        return None
    stated, known, _chain = read
    digits = money.digits(stated.currency)
    before = known.before.payout_id if known.before else ""
    cause = (
        "unknown" if known.awaited else "first" if not before else "replaced" if stated.replaces == before else "after"
    )
    return PrintedBalances(
        currency=stated.currency,
        opening_minor=known.opening_minor,
        stated_minor=money.minor(stated.opening_carry_over, digits),
        closing_minor=money.minor(stated.closing_carry_over, digits),
        cause=cause,
        payout=stated.replaces or "" if known.awaited else before,
    )


def _known(*, event: Event) -> tuple[schemas.PayoutData, balances.KnownBalance, balances.Chain] | None:
    """Return what a payout states, and which balance is known of its payee; None where nothing is."""
    if event.type not in PAYOUTS:
        return None
    stated = retries.payout_data(body=event.body)
    payee = Party.objects.filter(platform_id=stated.payee.id if stated else "").first()
    issuer = Issuer.objects.filter(slug=event.issuer_slug).first()
    sent_at = (stated.payout.sent_at if stated else None) or event.occurred_at
    if stated is None or payee is None or issuer is None or sent_at is None:
        return None
    chain = balances.Chain(payee=payee, issuer=issuer, currency=stated.currency)
    return stated, balances.known(data=stated, sent_at=sent_at, chain=chain), chain


def _balance_finding(*, event: Event, data: dict[str, Any], currency: str) -> tuple[Amounts, errors.Fault]:
    """Say which balance is known, which the event states, and which payout it does not agree with."""
    read, amounts = _known(event=event), Amounts(currency=currency)
    opening = minor(data.get("opening_carry_over"), currency)
    values: dict[str, errors.Value] = {"cause": "first"}
    if read is not None:
        stated, known, chain = read
        if known.awaited:
            return amounts, _unknown(stated=stated, known=known, country=event.country_code)
        later = balances.contradicted(data=stated, place=known.place, chain=chain) if known.fits else None
        if later is not None:
            closing = minor(data.get("closing_carry_over"), currency)
            if closing is not None:
                amounts = Amounts.of(currency=currency, expected=later.opening_minor, actual=closing)
            values = {"payout": later.payout_id}
            return amounts, errors.Fault(pointer="/data/closing_carry_over", code="closing_balance", values=values)
        if opening is not None:
            amounts = Amounts.of(currency=currency, expected=known.opening_minor, actual=opening)
        if known.before is not None:
            values = {"cause": "replaced" if stated.replaces else "after", "payout": known.before.payout_id}
    elif opening is not None:
        amounts = Amounts.of(currency=currency, expected=0, actual=opening)
    return amounts, errors.Fault(pointer="/data/opening_carry_over", code="opening_balance", values=values)


def _unknown(*, stated: schemas.PayoutData, known: balances.KnownBalance, country: str) -> errors.Fault:
    """Say that nobody knows the payout that this one replaces, and with which balance it would be issued."""
    values: dict[str, errors.Value] = {
        "cause": "unknown",
        "payout": stated.replaces or "",
        "known": money.text(known.opening_minor, money.digits(stated.currency)),
        "stated": stated.opening_carry_over,
        "currency": stated.currency,
        "country": country,
    }
    return errors.Fault(pointer="/data/replaces", code="opening_balance", values=values)
