"""The shape of a country pack, its two look-ups (a rate on a date, the reading of a tax id) and the registry. Pure.

A pack is data. A cell that nobody is sure of is absent; `proof.complete` lists the faults of a pack, required cells
that are missing among them.
"""

import datetime as dt
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import Literal

from documents import countries, errors
from documents.countries import tax_ids as ids
from documents.countries.sources import Source, Words

Rounding = Literal["per_group_half_up"]
KINDS = ("PAYMENT_RECEIPT", "ORDER_FINAL_STATEMENT", "PAYOUT_STATEMENT", "PAYOUT_REVERSAL_NOTICE", "CREDIT_NOTE")
SOURCED = ("currency", "locale", "time_zone", "first_date")  # cells that keep their source in `sources`
NO_COUNTRY = ("cell_checks", "pack", "proof", "sources", "tax_ids")  # the other modules of this folder


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One rate of a tax code while it is in force: both dates inclusive; None: no limit was read.

    A rate of zero has the legal reason for which nothing is charged; documents print it.
    """

    rate: str  # decimal fraction as text: "0.1" is 10 %
    source: Source
    legal_reason: Words | None = None
    valid_from: dt.date | None = None
    valid_from_source: Source | None = None  # the source of the first day is seldom the source of the rate
    valid_to: dt.date | None = None

    @property
    def fraction(self) -> Fraction:
        """Return the exact rate; 10 % is Fraction(1, 10)."""
        return Fraction(self.rate)

    def in_force(self, *, date: dt.date) -> bool:
        """Tell whether the rate holds on that local legal date."""
        return (self.valid_from is None or self.valid_from <= date) and (self.valid_to is None or date <= self.valid_to)


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long a document is kept: `years` from the anchor day, `anchor_years` after the year of issue."""

    years: int
    source: Source
    anchor_month: int = 12
    anchor_day: int = 31
    anchor_years: int = 0

    def until(self, *, issue_date: dt.date) -> dt.date:
        """Return the last protected local day of a document issued on that local date."""
        return dt.date(issue_date.year + self.anchor_years + self.years, self.anchor_month, self.anchor_day)


@dataclass(frozen=True, kw_only=True)
class SeenWithholding:
    """A withholding known from events of this country; for people to read, never used to compute."""

    name: str
    rates: tuple[str, ...]
    source: Source


@dataclass(frozen=True, kw_only=True)
class Pack:
    """What the documents of one country take from its law and its language."""

    country: str
    name: Words
    currency: str
    decimals: int  # digits of the smallest unit: 2 for EUR, 0 for CLP
    decimals_shown: int  # digits printed when no amount needs more: 0 for COP
    locale: str
    time_zone: str
    tax_name: str
    tax_codes: Mapping[str, tuple[Rate, ...]]
    tax_ids: Mapping[str, ids.TaxId]
    tax_id_default: str
    retention: Retention
    titles: Mapping[str, Words]
    labels: Mapping[str, Words]
    legal_notice: Words
    sources: Mapping[str, Source]  # of the cells that do not carry their own
    reviewed_date: dt.date
    first_date: dt.date  # no fact is older: an earlier day is the mistake of somebody's clock
    tax_rounding: Rounding = "per_group_half_up"
    fiscal_record: Words | None = None
    withholdings_seen: tuple[SeenWithholding, ...] = field(default=())

    def __post_init__(self) -> None:
        """Make the tables read-only: all threads of the process share a pack."""
        for table in ("tax_codes", "tax_ids", "titles", "labels", "sources"):
            object.__setattr__(self, table, MappingProxyType(dict(getattr(self, table))))

    def rate_on(self, *, code: str, date: dt.date) -> Rate:
        """Return the rate of a tax code in force on an operation's local legal date.

        :raises errors.Problem: `tax_code_unknown`, `tax_rate_not_in_force`
        """
        rates = self.tax_codes.get(code)
        if rates is None:
            raise errors.Problem(
                code="tax_code_unknown",
                values={"tax": code, "country": self.country, "known": [*self.tax_codes]},
            )
        for rate in rates:
            if rate.in_force(date=date):
                return rate
        values = {"tax": code, "country": self.country, "date": date.isoformat()}
        raise errors.Problem(code="tax_rate_not_in_force", values=values)

    def rates_on(self, *, codes: Iterable[str], date: dt.date) -> dict[str, Fraction]:
        """Return {tax code: exact rate} for the codes of a document, each looked up once.

        :raises errors.Problem: `tax_code_unknown`, `tax_rate_not_in_force`
        """
        return {code: self.rate_on(code=code, date=date).fraction for code in sorted(set(codes))}

    def legal_reason(self, *, code: str, date: dt.date) -> Words | None:
        """Return why a tax code charges nothing on a date; None for one that charges, or is unknown."""
        in_force = (rate.legal_reason for rate in self.tax_codes.get(code, ()) if rate.in_force(date=date))
        return next(in_force, None)

    def read_tax_id(self, *, value: str, stated_type: str | None = None) -> ids.CheckedTaxId | ids.WrongTaxId:
        """Return a tax id normalised, or why it is wrong; `stated_type` is the event's `tax_id_type`, if any."""
        return ids.read(
            value=value,
            stated_type=stated_type,
            types=self.tax_ids,
            default=self.tax_id_default,
            country=self.country,
        )

    def check_tax_id(self, *, value: str, type: str | None = None) -> ids.CheckedTaxId:  # noqa: A002 - the platform's own word
        """Return a tax id normalised.

        :raises errors.Problem: `tax_id_invalid`
        """
        reading = self.read_tax_id(value=value, stated_type=type)
        if isinstance(reading, ids.WrongTaxId):
            others = [word for word in self.tax_ids if word != reading.type]
            values: dict[str, errors.Value] = {"name": reading.name, "country": self.country, "known": others}
            raise errors.Problem(code="tax_id_invalid", values={"cause": reading.reason, **values})
        return reading

    def tax_id_name(self, *, tax_id_type: str) -> str:
        """Return what is printed before an id of a stored type; an empty one is the country's default type."""
        word = ids.type_word(stated=tax_id_type or self.tax_id_default, types=self.tax_ids)
        return self.tax_ids[word].name if word in self.tax_ids else word

    def retain_until(self, *, issue_date: dt.date) -> dt.date:
        """Return the last local day on which a document issued on `issue_date` is protected."""
        return self.retention.until(issue_date=issue_date)

    def title(self, *, kind: str) -> Words:
        """Return the title of a kind of document in this country."""
        return self.titles[kind]


@cache
def registry() -> Mapping[str, Pack]:
    """Return every pack of this folder, by country; a new file is a new country.

    :raises ValueError: a file without PACK or with a cell left out, or whose PACK names another country than the file
    """
    packs: dict[str, Pack] = {}
    for module in pkgutil.iter_modules(countries.__path__):
        if module.name in NO_COUNTRY:
            continue
        requirement = f"documents/countries/{module.name}.py must define PACK for country {module.name.upper()}"
        try:
            country = getattr(importlib.import_module(f"{countries.__name__}.{module.name}"), "PACK", None)
        except TypeError as cause:  # names the cell that was not given
            raise ValueError(f"{requirement}: {cause}") from cause
        if not isinstance(country, Pack) or country.country != module.name.upper():
            raise ValueError(requirement)
        packs[country.country] = country
    return MappingProxyType(dict(sorted(packs.items())))


def for_country(code: str) -> Pack | None:
    """Return the pack of an ISO 3166-1 country, or None when there is none."""
    return registry().get(code)


def required(code: str) -> Pack:
    """Return the pack of a country.

    :raises errors.Problem: `country_unsupported`
    """
    country = for_country(code)
    if country is None:
        raise errors.Problem(code="country_unsupported", values={"country": code, "known": [*registry()]})
    return country


# What all countries print; a pack writes `TITLES | {...}` where its own text differs.
# No title is "Factura": the issuer needs an authority's permission to use that word.
TITLES = MappingProxyType(
    {
        "PAYMENT_RECEIPT": Words(es="Recibo de pago", en="Payment receipt"),
        "ORDER_FINAL_STATEMENT": Words(es="Statement final (liquidación del pedido)", en="Final order statement"),
        "PAYOUT_STATEMENT": Words(es="Liquidación de pago", en="Payout statement"),
        "PAYOUT_REVERSAL_NOTICE": Words(es="Aviso de pago revertido", en="Payout reversal notice"),
        "CREDIT_NOTE": Words(es="Nota de crédito", en="Credit note"),
    }
)

LABELS = MappingProxyType(
    {
        "order": Words(es="Pedido", en="Order"),
        "customer": Words(es="Cliente", en="Customer"),
        "driver": Words(es="Conductor/a", en="Driver"),
        "partner": Words(es="Comercio", en="Partner"),
        "tax": Words(es="Impuesto", en="Tax"),
        "tax_base": Words(es="Base", en="Base"),
        "net": Words(es="Subtotal", en="Net"),
        "gross": Words(es="Total", en="Total"),
        "withholding": Words(es="Retención fiscal", en="Withholding"),
        "cash_collected": Words(es="Efectivo cobrado", en="Cash collected"),
        "retain_until": Words(es="Conservar hasta", en="Kept until"),
    }
)
