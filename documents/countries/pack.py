"""The shape of a country pack, its two look-ups (a rate on a date, the check of a tax id) and the registry. Pure.

A pack is data. A cell that nobody is sure of is absent; `proof.complete` lists the faults of a pack, required cells
that are missing among them.
"""

import datetime as dt
import importlib
import pkgutil
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, cast

from stdnum import exceptions

from documents import countries, errors

Certainty = Literal["S", "M"]  # S: read in a legal or official source; M: general knowledge. Unsure cells are absent.
Rounding = Literal["per_group_half_up"]
KINDS = ("PAYMENT_RECEIPT", "ORDER_FINAL_STATEMENT", "PAYOUT_STATEMENT", "PAYOUT_REVERSAL_NOTICE", "CREDIT_NOTE")
SOURCED = ("currency", "locale", "time_zone")  # cells that keep their source in `sources`
TAX_ID_LENGTH_MAX = 32
# TABLE: what python-stdnum finds -> the cause that a problem names, else `format`.
_CAUSES = {
    exceptions.InvalidLength: "length",
    exceptions.InvalidChecksum: "check_digit",
    exceptions.InvalidComponent: "component",
}
NO_COUNTRY = ("pack", "proof")  # the other modules of this folder


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a cell comes from, and how sure its writer was."""

    text: str
    certainty: Certainty


@dataclass(frozen=True, kw_only=True)
class Words:
    """One text in both languages of the service."""

    es: str
    en: str


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One rate of a tax code while it is in force: both dates inclusive; None: no limit was read."""

    rate: str  # decimal fraction as text: "0.1" is 10 %
    source: Source
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
class TaxId:
    """One type of tax id: the name printed, and a python-stdnum module, or a pattern for ids without check digit."""

    name: str
    source: Source
    module: str = ""  # "es.nif" is stdnum.es.nif
    pattern: str = ""  # full match after separators are dropped
    generics: frozenset[str] = frozenset()  # valid as they are, whatever the check digit says
    check_digit_optional: bool = False  # a wrong check digit is a warning, not a refusal
    check_digit_after_dash: bool = False  # 9012345677 is written 901234567-7


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


class CheckedTaxId(NamedTuple):
    """A valid tax id: as it is stored and printed, the name printed before it, and a warning for a person, if any."""

    value: str
    name: str
    warning: str | None


class _Validator(Protocol):
    """The part of a python-stdnum module that packs use."""

    def validate(self, number: str, **options: bool) -> str: ...


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
    tax_ids: Mapping[str, TaxId]
    tax_id_default: str
    retention: Retention
    titles: Mapping[str, Words]
    labels: Mapping[str, Words]
    legal_notice: Words
    sources: Mapping[str, Source]  # of the cells that do not carry their own
    reviewed_date: dt.date
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

    def check_tax_id(self, *, value: str, type: str | None = None) -> CheckedTaxId:  # noqa: A002 - the platform's own word
        """Check a tax id and return it normalised; checking the result again changes nothing.

        `type` is the event's `tax_id_type`; without one, the country's default.

        :raises errors.Problem: `tax_id_invalid`
        """
        kind = self.tax_ids.get((type or self.tax_id_default).upper())
        if kind is None:
            known: dict[str, errors.Value] = {"country": self.country, "known": [*self.tax_ids]}
            raise errors.Problem(code="tax_id_invalid", values={"cause": "type", "type": str(type), **known})
        if len(value) > TAX_ID_LENGTH_MAX:
            raise self._refused(kind=kind, cause="length")
        try:
            number, warning = _checked(kind=kind, value=value)
        except exceptions.ValidationError as error:
            raise self._refused(kind=kind, cause=_CAUSES.get(error.__class__, "format")) from error
        if kind.check_digit_after_dash:
            number = f"{number[:-1]}-{number[-1]}"
        return CheckedTaxId(value=number, name=kind.name, warning=warning)

    def _refused(self, *, kind: TaxId, cause: str) -> errors.Problem:
        """Return the problem of a tax id that is none of its type."""
        return errors.Problem(
            code="tax_id_invalid", values={"cause": cause, "name": kind.name, "country": self.country}
        )

    def retain_until(self, *, issue_date: dt.date) -> dt.date:
        """Return the last local day on which a document issued on `issue_date` is protected."""
        return self.retention.until(issue_date=issue_date)

    def title(self, *, kind: str) -> Words:
        """Return the title of a kind of document in this country."""
        return self.titles[kind]


def _checked(*, kind: TaxId, value: str) -> tuple[str, str | None]:
    """Return (compact number, warning or None).

    :raises exceptions.ValidationError: it is none of its type
    """
    bare = re.sub(r"[\s.\-]", "", value).upper()
    if bare in kind.generics:
        return bare, None
    if kind.pattern:
        if not re.fullmatch(kind.pattern, bare, flags=re.ASCII):
            raise exceptions.InvalidFormat
        return bare, None
    validator = cast("_Validator", importlib.import_module(f"stdnum.{kind.module}"))
    if not kind.check_digit_optional:
        return validator.validate(value), None
    number = validator.validate(value, validate_check_digits=False)
    try:
        validator.validate(value, validate_check_digits=True)
    except exceptions.ValidationError:
        return number, f"{kind.name}: the check digit does not match"
    return number, None


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
        "payable": Words(es="Neto a recibir", en="Payable"),
        "retain_until": Words(es="Conservar hasta", en="Kept until"),
    }
)
