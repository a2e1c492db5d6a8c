"""The check of a country pack: every cell is there, has the right type and names its source.

Pure: the caller gives the date. A pack is written by hand and used only once a document needs it, so what types cannot
express is checked at start-up.
"""

import datetime as dt
import importlib
import inspect
import itertools
import re
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import get_args

import babel
from babel import numbers

from documents.countries import cell_checks, pack, sources, tax_ids

# 0 to 1, as `money.rate_text` writes it: at most 12 decimals, no sign, no percent, no exponent.
RATE = re.compile(r"0(\.[0-9]{1,12})?|1(\.0{1,12})?", flags=re.ASCII)
COUNTRY = re.compile(r"[A-Z]{2}", flags=re.ASCII)
TAX_ID_TYPE = re.compile(r"[A-Z][A-Z0-9]*", flags=re.ASCII)  # as `tax_ids.read` looks types up
GENERIC = re.compile(rf"[0-9A-ZÑ&]{{1,{tax_ids.LENGTH_MAX}}}")  # as an id is compared: capitals, no separators
# These words need an authority's permission, which is given to an issuer and not to a country.
FORBIDDEN = ("factura", "invoice")
FIRST_DATE_MAX = dt.date(2015, 1, 1)  # facts of that day must be accepted everywhere
A_COMMON_YEAR = 2001  # no leap year: each of its days exists in every year


def complete(country: pack.Pack, *, today: dt.date) -> list[str]:
    """Return a pack's faults as "cell: what is wrong with it"; none means that it can be used."""
    return [
        *_identity(country=country),
        *_money(country=country),
        *_tax_codes(country=country),
        *_tax_ids(country=country),
        *_retention(retention=country.retention),
        *_printed(country=country),
        *_sources(country=country),
        *_withholdings(seen=country.withholdings_seen),
        *_reviewed(value=country.reviewed_date, today=today),
        *_first_date(value=country.first_date),
    ]


def _identity(*, country: pack.Pack) -> Iterator[str]:
    """Check the country's code, locale and time zone."""
    coded = cell_checks.matches(COUNTRY, country.country)
    if not coded:
        yield f"country: {country.country!r} is no ISO 3166-1 code of two capitals"
    try:
        locale = babel.Locale.parse(country.locale, sep="-")
    except (babel.UnknownLocaleError, ValueError, TypeError):
        yield f"locale: Babel knows no {country.locale!r}"
    else:
        if coded and locale.territory != country.country:
            yield f"locale: {country.locale!r} is not of {country.country!r}"
    try:
        zoneinfo.ZoneInfo(country.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, AttributeError, OSError):
        yield f"time_zone: IANA knows no {country.time_zone!r}"


def _money(*, country: pack.Pack) -> Iterator[str]:
    """Check the currency and its decimals against ISO 4217, as Babel has it."""
    if country.tax_rounding not in get_args(pack.Rounding):
        yield f"tax_rounding: {country.tax_rounding!r} is not among {', '.join(get_args(pack.Rounding))}"
    if country.currency not in numbers.list_currencies():
        yield f"currency: ISO 4217 knows no {country.currency!r}"
        return
    digits = numbers.get_currency_precision(country.currency)
    if not cell_checks.whole(country.decimals, at_least=0) or country.decimals != digits:
        yield f"decimals: {country.currency} has {digits}, not {country.decimals!r}"
    elif not cell_checks.whole(country.decimals_shown, at_least=0) or country.decimals_shown > country.decimals:
        yield f"decimals_shown: {country.decimals_shown!r} is not between 0 and {country.decimals}"


def _tax_codes(*, country: pack.Pack) -> Iterator[str]:
    """Check every rate, and the days on which each is in force."""
    if cell_checks.blank(country.tax_name):
        yield "tax_name: is empty"
    if not country.tax_codes:
        yield "tax_codes: there is none"
    for code, rates in country.tax_codes.items():
        cell = f"tax_codes.{code}"
        if cell_checks.blank(code):
            yield f"{cell}: a code without a name"
        if not cell_checks.all_are(rates, kind=pack.Rate):
            yield f"{cell}: is no tuple of rates, or an empty one"
            continue
        broken = [*itertools.chain.from_iterable(_rate(cell=f"{cell}[{n}]", rate=rate) for n, rate in enumerate(rates))]
        yield from broken
        if not broken:  # days that are no days cannot be compared
            yield from _overlaps(cell=cell, rates=rates)


def _rate(*, cell: str, rate: pack.Rate) -> Iterator[str]:
    """Check one rate, its sources, its first and its last day."""
    if not cell_checks.matches(RATE, rate.rate):
        yield f"{cell}.rate: {rate.rate!r} is no decimal fraction between 0 and 1, such as '0.18'"
    elif Fraction(rate.rate) == 0:
        yield from cell_checks.words(cell=f"{cell}.legal_reason", value=rate.legal_reason)
    elif rate.legal_reason is not None:
        yield f"{cell}.legal_reason: a rate that is charged has none"
    yield from cell_checks.source(cell=f"{cell}.source", value=rate.source)
    days = {"valid_from": rate.valid_from, "valid_to": rate.valid_to}
    wrong = [name for name, value in days.items() if value is not None and not cell_checks.is_day(value)]
    yield from (f"{cell}.{name}: {days[name]!r} is no date" for name in wrong)
    if rate.valid_from is not None or rate.valid_from_source is not None:
        yield from cell_checks.source(cell=f"{cell}.valid_from_source", value=rate.valid_from_source)
    if not wrong and rate.valid_from and rate.valid_to and rate.valid_to < rate.valid_from:
        yield f"{cell}.valid_to: {rate.valid_to} comes before the first day, {rate.valid_from}"


def _overlaps(*, cell: str, rates: tuple[pack.Rate, ...]) -> Iterator[str]:
    """Report days on which two rates of one code are in force: which one applies would be undefined."""
    spans = [(rate.valid_from or dt.date.min, rate.valid_to or dt.date.max) for rate in rates]
    for (before, first), (after, second) in itertools.combinations(enumerate(spans), 2):
        if first[0] <= second[1] and second[0] <= first[1]:
            yield f"{cell}[{after}].valid_from: holds on days on which {cell}[{before}] holds too"


def _tax_ids(*, country: pack.Pack) -> Iterator[str]:
    """Check every type of tax id, and that the default is one of them."""
    if not country.tax_ids:
        yield "tax_ids: there is none"
    elif country.tax_id_default not in country.tax_ids:
        yield f"tax_id_default: {country.tax_id_default!r} is not among tax_ids"
    for name, kind in country.tax_ids.items():
        cell = f"tax_ids.{name}"
        if not cell_checks.matches(TAX_ID_TYPE, name):
            yield f"{cell}: a type is written in capitals"
        if not cell_checks.is_a(kind, tax_ids.TaxId):
            yield f"{cell}: is no TaxId"
            continue
        if cell_checks.blank(kind.name):
            yield f"{cell}.name: is empty"
        yield from cell_checks.source(cell=f"{cell}.source", value=kind.source)
        if not isinstance(kind.generics, frozenset) or not all(
            cell_checks.matches(GENERIC, generic) for generic in kind.generics
        ):
            yield f"{cell}.generics: is no frozenset of ids in capitals without separators"
        if not kind.module and not kind.pattern:
            yield f"{cell}: has a module, a pattern, or both"
        yield from _patterns(cell=cell, kind=kind)
        yield from _module(cell=cell, kind=kind) if kind.module else _without_module(cell=cell, kind=kind)


def _patterns(*, cell: str, kind: tax_ids.TaxId) -> Iterator[str]:
    """Check the shapes of an id."""
    for name in ("pattern", "without_digit"):
        pattern = getattr(kind, name)
        try:
            if pattern and re.fullmatch(pattern, "", flags=re.ASCII):
                yield f"{cell}.{name}: lets an empty id pass"
        except (re.error, TypeError) as fault:
            yield f"{cell}.{name}: {pattern!r} is no regular expression ({fault})"


def _without_module(*, cell: str, kind: tax_ids.TaxId) -> Iterator[str]:
    """Check a type without check digit: it has no option that is about one."""
    for option in ("without_digit", "check_digit_optional", "check_digit_after_dash"):
        if getattr(kind, option):
            yield f"{cell}.{option}: a type without module knows no check digit"


def _module(*, cell: str, kind: tax_ids.TaxId) -> Iterator[str]:
    """Check that a type's python-stdnum module exists and has what the options need."""
    try:
        module = importlib.import_module(f"stdnum.{kind.module}")
    except (ImportError, ValueError):
        yield f"{cell}.module: python-stdnum has no {kind.module!r}"
        return
    validate = getattr(module, "validate", None)
    if not callable(validate):
        yield f"{cell}.module: stdnum.{kind.module} validates nothing"
        return
    if kind.check_digit_optional and "validate_check_digits" not in inspect.signature(validate).parameters:
        yield f"{cell}.check_digit_optional: stdnum.{kind.module} always checks its digit"
    for option in ("pattern", "check_digit_after_dash"):
        if getattr(kind, option) and not hasattr(module, "calc_check_digit"):
            yield f"{cell}.{option}: stdnum.{kind.module} has no check digit"


def _retention(*, retention: pack.Retention) -> Iterator[str]:
    """Check the retention: at least one year, from a day that every year has."""
    if not cell_checks.is_a(retention, pack.Retention):
        yield "retention: is missing"
        return
    if not cell_checks.whole(retention.years, at_least=1):
        yield f"retention.years: {retention.years!r} is not one or more"
    if not cell_checks.whole(retention.anchor_years, at_least=0):
        yield f"retention.anchor_years: {retention.anchor_years!r} is not zero or more"
    try:
        dt.date(A_COMMON_YEAR, retention.anchor_month, retention.anchor_day)
    except (ValueError, TypeError):
        day = f"day {retention.anchor_day!r} of month {retention.anchor_month!r}"
        yield f"retention.anchor_day: not every year has {day}"
    yield from cell_checks.source(cell="retention.source", value=retention.source)


def _printed(*, country: pack.Pack) -> Iterator[str]:
    """Check every text that a document prints, in both languages."""
    yield from _keys(table="titles", given=country.titles, known=pack.KINDS)
    yield from _keys(table="labels", given=country.labels, known=pack.LABELS)
    printed = {f"titles.{kind}": text for kind, text in country.titles.items()}
    printed |= {f"labels.{label}": text for label, text in country.labels.items()}
    printed["legal_notice"] = country.legal_notice
    for cell, text in {"name": country.name, **printed}.items():
        yield from cell_checks.words(cell=cell, value=text)
    # The name of the fiscal record is given in both languages or not at all.
    if country.fiscal_record is not None:
        yield from cell_checks.words(cell="fiscal_record", value=country.fiscal_record)
    for cell, text in printed.items():
        for language in cell_checks.LANGUAGES:
            printed_text = str(getattr(text, language, "")).lower()
            yield from (
                f"{cell}.{language}: says {word!r}, which needs an authority's permission for the issuer"
                for word in FORBIDDEN
                if word in printed_text
            )


def _keys(*, table: str, given: Mapping[str, sources.Words], known: Iterable[str]) -> Iterator[str]:
    """Report the rows that a table lacks, and those that no document prints."""
    yield from (f"{table}.{key}: is missing" for key in known if key not in given)
    yield from (f"{table}.{key}: nothing prints this" for key in given if key not in known)


def _sources(*, country: pack.Pack) -> Iterator[str]:
    """Check the sources of the cells that do not carry their own."""
    yield from (f"sources.{cell}: is missing" for cell in pack.SOURCED if cell not in country.sources)
    for cell, source in country.sources.items():
        yield from cell_checks.source(cell=f"sources.{cell}", value=source)


def _withholdings(*, seen: tuple[pack.SeenWithholding, ...]) -> Iterator[str]:
    """Check the withholdings known from events; a country may have none."""
    if seen == ():
        return
    if not cell_checks.all_are(seen, kind=pack.SeenWithholding):
        yield "withholdings_seen: is no tuple of SeenWithholding"
        return
    for place, withholding in enumerate(seen):
        cell = f"withholdings_seen[{place}]"
        if cell_checks.blank(withholding.name):
            yield f"{cell}.name: is empty"
        if not cell_checks.all_are(withholding.rates, kind=str) or not all(
            cell_checks.matches(RATE, rate) for rate in withholding.rates
        ):
            yield f"{cell}.rates: {withholding.rates!r} are no decimal fractions between 0 and 1, such as ('0.021',)"
        yield from cell_checks.source(cell=f"{cell}.source", value=withholding.source)


def _reviewed(*, value: object, today: dt.date) -> Iterator[str]:
    """Check the day on which somebody last compared the pack with the law."""
    if not cell_checks.is_day(value):
        yield f"reviewed_date: {value!r} is no date"
    elif value > today:
        yield f"reviewed_date: {value} has not come yet"


def _first_date(*, value: object) -> Iterator[str]:
    """Check the day before which a fact is taken for the mistake of a clock."""
    if not cell_checks.is_day(value):
        yield f"first_date: {value!r} is no date"
    elif value > FIRST_DATE_MAX:
        yield f"first_date: {value} is after {FIRST_DATE_MAX}"
