"""How the panel writes amounts, days and what a person has to know, in the language in force."""

import datetime as dt
import json
import textwrap
import zoneinfo
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from babel import dates, numbers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from documents import formatting, money
from documents.countries import pack
from documents.models import Document, Issuer, Kind
from payouts.accounts import balances
from payouts.calculation.earnings import TripLine
from payouts.models import Payout

PERCENT = 100
TEXT_MAX = 90  # characters of a line: the PDF has the rest
# TABLE: the codes of reasons -> what a person reads; other reasons are texts.
_REASONS = {
    "LATE_TIP": gettext_noop("Propina posterior"),
    "FARE_REVIEW": gettext_noop("Revisión de la tarifa"),
    "WRONG_DRIVER": gettext_noop("Se asignó a otro conductor"),
}
DIGITS = "0123456789"  # of a tax code, whose rate is said beside it


@dataclass(frozen=True, kw_only=True)
class ShownRow:
    """One row of a list: what, how much, where it leads; `soft` is said below."""

    text: str
    amount: str = ""
    address: str = ""
    soft: str = ""


@dataclass(frozen=True, kw_only=True)
class ReturnedNotice:
    """A payout that came back: what happened, and what to do."""

    text: str
    next_step: str


def amount(*, minor: int, currency: str) -> str:
    """Write an amount as the country of its currency does: "1.234,50 EUR"."""
    country = next((each for each in pack.registry().values() if each.currency == currency), None)
    locale = country.locale.replace("-", "_") if country else formatting.language()
    decimals = money.digits(currency)
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    return f"{numbers.format_decimal(Decimal(money.text(minor, decimals)), format=pattern, locale=locale)} {currency}"


def amounts(*, sums: Iterable[tuple[str, int]]) -> str:
    """Write one amount a currency; a zero where there is none."""
    return " · ".join(amount(minor=minor, currency=currency) for currency, minor in sums) or "0"


def day(*, date: dt.date) -> str:
    """Write "martes 17 de febrero"."""
    english = formatting.language() == "en"
    pattern = "EEEE d MMMM" if english else "EEEE d 'de' MMMM"
    return dates.format_date(date, format=pattern, locale="en_GB" if english else "es")


def month(*, date: dt.date) -> str:
    """Write "febrero de 2026"."""
    english = formatting.language() == "en"
    pattern = "MMMM y" if english else "MMMM 'de' y"
    return dates.format_date(date, format=pattern, locale="en_GB" if english else "es")


def today(*, parties: Collection[int], now: dt.datetime) -> tuple[dt.date, str]:
    """Return the local day of these parties, and the country of their last document ("" where there is none)."""
    code = _country(parties=parties)
    return now.astimezone(_zone(code=code)).date(), code


def zone(*, parties: Collection[int]) -> zoneinfo.ZoneInfo:
    """Return the time zone in which these parties read a moment."""
    return _zone(code=_country(parties=parties))


def _country(*, parties: Collection[int]) -> str:
    last = Document.objects.filter(owner__in=parties).order_by("-pk").values_list("country_id", flat=True)[:1]
    return next(iter(last), "")


def _zone(*, code: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(pack.required(code).time_zone if code else "UTC")


def moment(*, when: dt.datetime, zone: zoneinfo.ZoneInfo) -> str:
    """Write "sábado 28 de noviembre, 01:23", local time."""
    return f"{day(date=when.astimezone(zone).date())}, {when.astimezone(zone):%H:%M}"


def line(*, line: TripLine, currency: str) -> ShownRow:
    """Write a line of a document: a tax names its rate, a withholding its law."""
    rate = f" {_rate(text=line.row.rate)}" if line.row.rate else ""
    if line.row.rule == "tax":
        borne = _("impuesto que pagas") if line.supply == "platform" else _("impuesto que cobras")
        text = f"{line.row.tax.rstrip(DIGITS)}{rate}, {borne}"
    elif line.row.rule == "withholding":
        text = _("Retención fiscal %(name)s") % {"name": line.description} + rate
    else:
        text = line.description
    soft = line.legal_ref or (line.description if line.row.rule == "tax" else "")
    text, soft = textwrap.shorten(text, TEXT_MAX, placeholder="…"), textwrap.shorten(soft, TEXT_MAX, placeholder="…")
    return ShownRow(text=text, soft=soft, amount=amount(minor=line.amount_minor, currency=currency))


def why(*, content: Mapping[str, Any]) -> str:
    """Return why a document changes a trip, "Propina posterior"; "" for the trip's first statement."""
    for member in ("adjustment", "reassignment", "correction", "cancellation"):
        reason = content.get(member, {}).get("reason")
        if reason:
            text = str(reason.get("text", "") if isinstance(reason, dict) else reason)
            return _(_REASONS[text]) if text in _REASONS else text
    return ""


def _rate(*, text: str) -> str:
    return f"{numbers.format_decimal(Decimal(text) * PERCENT, locale=formatting.language())}\N{NO-BREAK SPACE}%"


def returned(*, parties: Collection[int]) -> list[ReturnedNotice]:
    """Return what came back and is not sent again yet, in words: the first thing that a person has to see."""
    notices = []
    for payout in balances.to_be_sent_again(parties=parties):
        rows = Document.objects.filter(subject=f"payout:{payout.payout_id}", kind=Kind.PAYOUT_REVERSAL_NOTICE)
        content = json.loads(next(iter(rows.filter(owner__in=parties).values_list("content", flat=True)), "{}"))
        values = {
            "amount": amount(minor=payout.amount_minor, currency=payout.currency),
            "reason": content.get("reason", {}).get("text", ""),
        }
        text = _("Tu pago de %(amount)s no llegó a tu cuenta. %(reason)s") % values
        step = content.get("next_step") or _("Revisa los datos de tu cuenta en la aplicación.")
        notices.append(ReturnedNotice(text=text.strip(), next_step=str(step)))
    return notices


def owed(*, parties: Collection[int]) -> list[str]:
    """Return in words what a person is owed or owes, by issuer where there are several."""
    accounts = balances.accounts(parties=parties)
    issuers = dict(Issuer.objects.filter(pk__in={key.issuer for key in accounts}).values_list("pk", "legal_name"))
    said = []
    for key, account in accounts.items():
        owed_minor = account.owed_minor
        values = {
            "amount": amount(minor=abs(owed_minor), currency=key.currency),
            "issuer": issuers[key.issuer],
            "cash": amount(minor=account.cash_minor, currency=key.currency),
        }
        if owed_minor > 0:
            text = _("%(issuer)s te debe %(amount)s.") % values
        elif owed_minor < 0:
            text = _("Debes %(amount)s a %(issuer)s: se descuenta de tus próximos pagos.") % values
        else:
            continue
        if account.cash_minor:
            text += " " + _("Ya se ha restado el efectivo que cobraste: %(cash)s.") % values
        if any(payout.besides_minor for payout in account.returned):
            text += " " + _("Cuenta con los ajustes, las retenciones fiscales y el efectivo del pago que no llegó.")
        said.append(text)
    return said or [_("Estás al día: ni te deben ni debes nada.")]


def last_payout(*, parties: Collection[int]) -> dict[str, str] | None:
    """Return the last payout in words: amount, day, account and state."""
    row = Payout.objects.filter(payee__in=parties).order_by("-sent_at", "-pk").first()
    if row is None:
        return None
    columns = ("statement__public_id", "statement__content")
    public_id, content = next(iter(Payout.objects.filter(pk=row.pk).values_list(*columns)))
    stated = json.loads(content) if content else {}
    zone = zoneinfo.ZoneInfo(stated.get("time_zone", "UTC"))
    return {
        "amount": amount(minor=row.amount_minor, currency=row.currency),
        "day": day(date=row.sent_at.astimezone(zone).date()),
        "account": stated.get("payout", {}).get("destination_masked", ""),
        "state": row.get_state_display(),
        "document": public_id or "",
    }
