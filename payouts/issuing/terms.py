"""The terms on which an event is issued: country pack, issuer, currency and tax rates, each checked with its own code.

An event that fails a check is well-formed and cannot be issued as it is: it is held until a corrected one comes, and
no number is taken.
"""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from documents import errors, money
from documents.countries import pack as packs
from documents.events import envelope
from documents.models import Document, Issuer
from payouts.calculation import amounts


@dataclass(frozen=True, kw_only=True)
class IssuingTerms:
    """The country pack, issuer and currency with which an event is issued; `digits` are the currency's decimals."""

    pack: packs.Pack
    issuer: Issuer
    currency: str
    digits: int

    def local_date(self, *, moment: dt.datetime, time_zone: str | None = None) -> dt.date:
        """Return the legal local day of a moment, in the order's own zone where it brings one."""
        return moment.astimezone(zoneinfo.ZoneInfo(time_zone or self.pack.time_zone)).date()

    def rates(
        self, *, lines: Iterable[Mapping[str, Any]], date: dt.date, pointer: str = "/data/lines"
    ) -> dict[str, Fraction]:
        """Return {tax code: exact rate} in force on the operation's legal date.

        :raises errors.Problem: `tax_code_unknown`, `tax_rate_not_in_force`, with a fault at the first line of each code
        """
        rates: dict[str, Fraction] = {}
        faults: list[errors.Fault] = []
        for code, place in first_places(lines=lines).items():
            try:
                rates[code] = self.pack.rate_on(code=code, date=date).fraction
            except errors.Problem as problem:
                faults.append(errors.Fault(pointer=f"{pointer}/{place}", code=problem.code, values=problem.values))
        if faults:
            raise errors.Problem(code=faults[0].code, errors=faults)
        return rates

    def printed_groups(self, *, groups: Iterable[amounts.Group], date: dt.date) -> list[dict[str, Any]]:
        """Return tax groups as they are frozen, with the legal reason of each code that charges nothing.

        `date` is the operation's legal date; of a credit, that of its original.
        """
        rows: list[dict[str, Any]] = []
        for row in amounts.group_rows(groups=groups, digits=self.digits):
            reason = self.pack.legal_reason(code=row["code"], date=date)
            rows.append(row | ({"legal_reason": {"es": reason.es, "en": reason.en}} if reason else {}))
        return rows

    def require_match(self, *, document: Document) -> None:
        """Refuse an event about a document of another country, issuer or currency.

        :raises errors.Problem: `country_unsupported`, `issuer_unknown`, `currency_unsupported`
        """
        about: dict[str, errors.Value] = {"cause": "document", "document": document.number}
        if document.country_id != self.pack.country:
            raise errors.problem_at(
                pointer="/country",
                code="country_unsupported",
                values={**about, "country": self.pack.country, "expected": document.country_id},
            )
        if document.issuer_id != self.issuer.pk:
            raise errors.problem_at(
                pointer="/issuer", code="issuer_unknown", values={**about, "issuer": self.issuer.slug}
            )
        if document.currency != self.currency:
            raise errors.problem_at(
                pointer="/data/currency", code="currency_unsupported", values={**about, "expected": document.currency}
            )


def first_places(*, lines: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return {tax code: where it is stated first, below the list of the lines}."""
    places: dict[str, str] = {}
    for number, line in enumerate(lines):
        for place, code in enumerate(amounts.codes_of(line=line)):
            places.setdefault(code, f"{number}/taxes/{place}" if line.get("taxes") else f"{number}/tax")
    return places


def resolve(*, message: envelope.EventMessage) -> IssuingTerms:
    """Return the terms of an event, checked in this order: country, issuer, currency, dates.

    :raises errors.Problem: `country_unsupported`, `issuer_unknown` (or of another country), `currency_unsupported`,
        `time_implausible`
    """
    pack = packs.for_country(message.country)
    if pack is None:
        values: dict[str, errors.Value] = {"country": message.country, "known": [*packs.registry()]}
        raise errors.problem_at(pointer="/country", code="country_unsupported", values=values)
    issuer = Issuer.objects.filter(slug=message.issuer, country_id=pack.country).first()
    if issuer is None:
        raise errors.problem_at(
            pointer="/issuer", code="issuer_unknown", values={"issuer": message.issuer, "country": pack.country}
        )
    currency = message.data.currency or pack.currency
    if currency != pack.currency:
        raise errors.problem_at(
            pointer="/data/currency",
            code="currency_unsupported",
            values={"currency": currency, "country": pack.country, "expected": pack.currency},
        )
    require_plausible(message=message, pack=pack)
    return IssuingTerms(pack=pack, issuer=issuer, currency=currency, digits=money.digits(currency))


def require_plausible(*, message: envelope.EventMessage, pack: packs.Pack) -> None:
    """Refuse an event that is dated before its country's first day: 1970 is what a clock says that was never set.

    :raises errors.Problem: `time_implausible`, with a fault at each date
    """
    zone = zoneinfo.ZoneInfo(pack.time_zone)
    faults = []
    for pointer, moment in envelope.moments(message=message):
        day = moment.astimezone(zone).date() if isinstance(moment, dt.datetime) else moment
        if day < pack.first_date:
            values = {"date": day.isoformat(), "first": pack.first_date.isoformat(), "country": pack.country}
            faults.append(errors.Fault(pointer=pointer, code="time_implausible", values=values))
    if faults:
        raise errors.Problem(code="time_implausible", errors=faults)


def of_document(*, document: Document) -> IssuingTerms:
    """Return the terms on which a document was issued."""
    return IssuingTerms(
        pack=packs.required(document.country_id),
        issuer=document.issuer,
        currency=document.currency,
        digits=money.digits(document.currency),
    )
