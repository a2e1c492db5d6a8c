"""The values that messages are made of, each with its limits and its one spelling.

Amounts come as text and get exactly the currency's digits; rates lose trailing zeros; texts are put in NFC and moments
in UTC. The same data in another spelling is therefore the same value, and has the same fingerprint.
"""

import contextlib
import datetime as dt
import re
import unicodedata
import zoneinfo
from collections.abc import Callable
from functools import cache
from typing import Annotated, TypeVar

from pydantic import AfterValidator, PlainValidator, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

from documents import money

Element = TypeVar("Element")

TEXT_LENGTH_MAX = 500
EMAIL_LENGTH_MAX = 254  # RFC 5321, 4.5.3.1.3
MARKS_MAX = 8  # combining marks in a row
AHEAD_MINUTES_MAX = 5  # clocks of other systems differ
FIRST_SHOWN_MAX, LAST_SHOWN_MAX = 6, 4  # digits of an account before and after what its mask hides
YEARS = range(1970, 2200)  # far from where local dates and years of retention overflow

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", flags=re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", flags=re.ASCII)
# What banks write for a hidden character; an x by itself may be part of a name.
_HIDDEN = re.compile(r"[*#_•●·…█]|[xX]{2,}|\.{2,}")
_EMAIL = re.compile(r"[^\s@<>()\[\]\\,;:\"]{1,64}@[^\s@<>()\[\]\\,;:\"/]+")
# Controls, line and paragraph separators, bidi marks and overrides, lone surrogates, noncharacters.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def wrong(code: str, /, **limits: int) -> PydanticCustomError:
    """Return an error that names what is wrong with a value, without repeating the value."""
    return PydanticCustomError(code, code, limits)


def _text(value: str) -> str:
    """Return a text in NFC, or refuse one beyond the limits."""
    if value.isascii() and value.isprintable():
        text = value
    else:
        if len(value) > 4 * TEXT_LENGTH_MAX:  # before NFC, whose cost grows faster than the text
            raise wrong("too_long", max_length=TEXT_LENGTH_MAX)
        if _FORBIDDEN.search(value):
            raise wrong("forbidden_character")
        text = unicodedata.normalize("NFC", value)
        _refuse_piled_marks(text)
    if len(text) > TEXT_LENGTH_MAX:
        raise wrong("too_long", max_length=TEXT_LENGTH_MAX)
    if not text.strip():
        raise wrong("blank")
    return text


def _refuse_piled_marks(text: str) -> None:
    """Refuse more than MARKS_MAX combining marks in a row."""
    run = 0
    for character in text:
        run = run + 1 if character > "\u02ff" and unicodedata.category(character)[0] == "M" else 0
        if run > MARKS_MAX:
            raise wrong("too_many_marks", max=MARKS_MAX)


def _amount(value: str, info: ValidationInfo) -> str:
    """Return an amount with exactly the currency's digits; untouched for an unknown currency."""
    if not money.AMOUNT.fullmatch(value):
        raise wrong("amount")
    digits = (info.context or {}).get("digits")
    if digits is None:
        return value
    if len(value.partition(".")[2]) > digits:
        raise wrong("digits")
    return money.text(money.minor(value, digits), digits)


def _not_negative(value: str) -> str:
    """Refuse an amount below zero where the word itself says which way the money goes."""
    if value.startswith("-"):
        raise wrong("negative")
    return value


def _rate(value: str) -> str:
    """Return a rate without trailing zeros."""
    if not money.RATE.fullmatch(value):
        raise wrong("rate")
    return money.rate_text(money.rate(value))


def _moment(value: object, info: ValidationInfo) -> dt.datetime:
    """Read an RFC 3339 moment with zone as UTC; at the door, refuse one that has not come."""
    moment = None
    if isinstance(value, str) and _MOMENT.fullmatch(value) and int(value[:4]) in YEARS:
        with contextlib.suppress(ValueError):
            moment = dt.datetime.fromisoformat(value.upper()).astimezone(dt.UTC)
    if moment is None:
        raise wrong("moment")
    latest = _latest(info)
    if latest is not None and moment > latest:
        raise wrong("ahead", minutes_max=AHEAD_MINUTES_MAX)
    return moment


def _latest(info: ValidationInfo) -> dt.datetime | None:
    """Return the last moment that a message may state; None for a stored one, let in by the rules of its day."""
    latest: dt.datetime | None = (info.context or {}).get("latest")
    return latest


def _date(value: object) -> dt.date:
    """Read a calendar date."""
    if isinstance(value, str) and _DATE.fullmatch(value) and int(value[:4]) in YEARS:
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass
    raise wrong("date")


@cache
def _zones() -> frozenset[str]:
    """Return the IANA names that this machine knows."""
    return frozenset(zoneinfo.available_timezones())


def _zone(value: str) -> str:
    """Refuse a name that is no IANA time zone."""
    if value not in _zones():
        raise wrong("time_zone")
    return value


def _email(value: str) -> str:
    """Refuse a text that cannot be an address; line breaks were refused with the control characters."""
    if len(value) > EMAIL_LENGTH_MAX or not _EMAIL.fullmatch(value) or value.endswith("."):
        raise wrong("email")
    return value


def _masked(value: str, info: ValidationInfo) -> str:
    """Refuse an account number that is not masked: it would be stored for years.

    Digits may be seen at both ends only, and at least as many characters must be hidden.
    """
    shown = sum(character.isdigit() for character in value)
    if not shown or _latest(info) is None:
        return value
    first, *between = _HIDDEN.split(value)
    last = between.pop() if between else ""
    ends = [sum(character.isdigit() for character in end) for end in (first, last)]
    hidden = sum(len(signs) for signs in _HIDDEN.findall(value))
    if ends[0] > FIRST_SHOWN_MAX or ends[1] > LAST_SHOWN_MAX or sum(ends) < shown or hidden < shown:
        raise wrong("not_masked", first_max=FIRST_SHOWN_MAX, last_max=LAST_SHOWN_MAX)
    return value


def once(name: Callable[[Element], object]) -> AfterValidator:
    """Return a validator that refuses a list in which two items have the same name."""

    def check(items: list[Element]) -> list[Element]:
        if len({name(item) for item in items}) != len(items):
            raise wrong("repeated")
        return items

    return AfterValidator(check)


_Str = Annotated[str, StringConstraints(strict=True)]

Id = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Text = Annotated[_Str, AfterValidator(_text)]
CountryCode = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z]{2}$")]
CurrencyCode = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z]{3}$")]
Last4 = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9]{4}$")]
Locale = Annotated[
    str, StringConstraints(strict=True, pattern=r"^[a-z]{2,3}([-_][A-Za-z0-9]{2,4}){0,2}$", max_length=10)
]
Amount = Annotated[_Str, AfterValidator(_amount)]
Moved = Annotated[Amount, AfterValidator(_not_negative)]
RateText = Annotated[_Str, AfterValidator(_rate)]
Email = Annotated[Text, AfterValidator(_email)]
MaskedText = Annotated[Text, AfterValidator(_masked)]
Zone = Annotated[_Str, AfterValidator(_zone)]
Moment = Annotated[dt.datetime, PlainValidator(_moment)]
Day = Annotated[dt.date, PlainValidator(_date)]
