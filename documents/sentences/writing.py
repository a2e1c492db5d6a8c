"""The one function that writes a sentence from a code and its values, and the forms in which values are written.

A template names its values: `{stated}` as it is, `{tax:title}` with a form of FORMS. Pure but for the tables.
"""

import string
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from babel import numbers

from documents import errors, money
from documents.countries import pack
from documents.countries.sources import Words
from documents.sentences import diagnoses, faults

NAMED_MAX = 2  # of a list of names; the others are counted
MISSING, ASIDE = "—", "aside"
TABLE: Mapping[str, Words] = {**faults.TABLE, **diagnoses.TABLE}


def sentence(*, code: str, values: Mapping[str, object], language: str) -> str:
    """Return the sentence of a code, in "es" or "en"; of a code without one, its title, and of an unknown code itself.

    Of a code with several sentences, the value `cause` chooses.
    """
    row = TABLE.get(f"{code}.{values.get('cause', '')}") or TABLE.get(code)
    return title(code=code, language=language) if row is None else fill(row=row, values=values, language=language)


def chosen(*, sentences: Mapping[str, Words], values: Mapping[str, object], language: str) -> str:
    """Return the one of a row's sentences that the value `cause` chooses, else the one without a cause, filled in."""
    row = sentences.get(str(values.get("cause", ""))) or sentences.get("")
    return fill(row=row, values=values, language=language) if row else ""


def has_own(*, code: str, values: Mapping[str, object]) -> bool:
    """Tell whether a code with its cause has a sentence in TABLE."""
    return f"{code}.{values.get('cause', '')}" in TABLE


def title(*, code: str, language: str) -> str:
    """Return the title of a code that doors answer with, or of a cause; an unknown code as it is."""
    row = errors.CODES.get(code) or faults.CAUSES.get(code)
    if row is None:
        return code
    return row.en if language == "en" else row.es


def fill(*, row: Words, values: Mapping[str, object], language: str) -> str:
    """Return a template in a language with its values filled in; a value that is not there is a dash."""
    template = row.en if language == "en" else row.es
    return _Filled(values=values, language=language).vformat(template, (), _Given(values))


def of_fault(*, fault: Mapping[str, object], language: str) -> str:
    """Return the sentence of a stored fault; of one that an earlier version stored, what that version wrote."""
    values = fault.get("values")
    if not isinstance(values, Mapping):
        return str(fault.get("detail", ""))
    place = {"place": fault.get("pointer") or "/"}
    return sentence(code=str(fault.get("code", "")), values={**place, **values}, language=language)


def answered(*, stored: Sequence[object], language: str) -> list[dict[str, object]]:
    """Return stored faults as an answer shows them: each with its sentence as `detail`.

    An earlier version stored each diagnosis twice, in its two languages: only the reader's is shown.
    """
    other = {"es": "diagnosis_en", "en": "diagnosis"}[language]
    return [
        {
            "pointer": str(fault.get("pointer", "")),
            "code": str(fault.get("code", "")).removesuffix("_en"),
            "values": fault.get("values", {}),
            "detail": of_fault(fault=fault, language=language),
        }
        for fault in stored
        if isinstance(fault, Mapping) and ("values" in fault or fault.get("code") != other)
    ]


def of_problem(*, problem: errors.Problem, language: str) -> str:
    """Return what a problem says: its own sentence, its diagnosis, else its first fault and how many there are."""
    if problem.values:
        return sentence(code=problem.code, values=problem.values, language=language)
    if not problem.errors:
        return title(code=problem.code, language=language)
    said = [fault for fault in problem.errors if fault.code == "diagnosis"] or problem.errors
    first = of_fault(fault=said[0].as_json(), language=language)
    if len(said) == 1:
        return first
    return fill(row=faults.SEVERAL, values={"count": len(said), "first": first}, language=language)


def amount(*, minor: int, digits: int, currency: str, locale: str) -> str:
    """Write an amount as a locale does: "1.234,50 EUR" in es-ES, "1,234.50 MXN" in es-MX."""
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    text = numbers.format_decimal(Decimal(minor).scaleb(-digits), format=pattern, locale=locale.replace("-", "_"))
    return f"{text} {currency}"


class _Given(dict[str, object]):
    """The values of a template, and a dash for what is not among them."""

    def __missing__(self, name: str) -> object:
        return MISSING


class _Filled(string.Formatter):
    """A template being filled in: its values, and the language."""

    def __init__(self, *, values: Mapping[str, object], language: str) -> None:
        self.values, self.language = values, language

    def format_field(self, value: object, format_spec: str) -> str:
        """Write a value in its form."""
        if value == MISSING:
            return "" if format_spec == ASIDE else MISSING
        return FORMS[format_spec](value, self)

    @property
    def locale(self) -> str:
        """Return how numbers are written: in Spanish as the country of the values does."""
        country = pack.for_country(str(self.values.get("country", "")))
        return country.locale if country and self.language == "es" else self.language

    def number(self, value: int) -> str:
        """Write a whole number."""
        return numbers.format_decimal(value, locale=self.locale.replace("-", "_"))


def _plain(value: object, filled: _Filled) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return filled.number(value) if isinstance(value, int) else str(value)


def _title(value: object, filled: _Filled) -> str:
    return title(code=str(value), language=filled.language)


def _amount(value: object, filled: _Filled) -> str:
    """Write an amount that came as text ("22.00"), or in minor units, with the currency among the values."""
    currency = str(filled.values.get("currency", ""))
    try:
        digits = money.digits(currency)
        minor = value if isinstance(value, int) else money.minor(str(value), digits)
    except errors.Problem:
        return str(value)
    return amount(minor=minor, digits=digits, currency=currency, locale=filled.locale)


def _gap(value: object, filled: _Filled) -> str:
    """Say how much a transfer is short or over, by the sign of computed minus stated."""
    text = str(value)
    row = diagnoses.OVER if text.startswith("-") else diagnoses.SHORT
    values = {**filled.values, "size": text.removeprefix("-")}
    return fill(row=row, values=values, language=filled.language)


def _all(value: object, filled: _Filled) -> str:
    """Name all of a short list, of a longer one the first and how many more there are."""
    return _joined(value, filled, last={"es": " y ", "en": " and "})


def _aside(value: object, filled: _Filled) -> str:
    """Write names in brackets, and nothing where there are none."""
    return f" ({_plain(value, filled)})" if value else ""


def _either(value: object, filled: _Filled) -> str:
    """Name the few that it may be, and how many more there are (those counted in `more` among them)."""
    return _joined(value, filled, last={"es": " o ", "en": " or "})


def _joined(value: object, filled: _Filled, *, last: Mapping[str, str]) -> str:
    """Join names, each with what it is part of (`of`) or goes with (`also`), where the values say so."""
    names = [str(name) for name in value] if isinstance(value, list) else [str(value)]
    for word, links in {"of": {"es": " de ", "en": " of "}, "also": {"es": " y ", "en": " and "}}.items():
        others = filled.values.get(word)
        if isinstance(others, list):
            names = [
                f"{name}{links[filled.language]}{other}" if other else name
                for name, other in zip(names, others, strict=True)
            ]
    more = filled.values.get("more")
    rest = max(0, len(names) - NAMED_MAX) + (more if isinstance(more, int) else 0)
    if rest:
        counted = f"{filled.number(rest)} {'más' if filled.language == 'es' else 'more'}"
        return f"{', '.join(names[:NAMED_MAX])}{last[filled.language]}{counted}"
    return last[filled.language].join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# TABLE: form of a value in a template -> how it is written.
FORMS: Mapping[str, Callable[[object, _Filled], str]] = {
    "": _plain,
    "title": _title,
    "amount": _amount,
    "gap": _gap,
    "all": _all,
    "either": _either,
    ASIDE: _aside,
}
