"""The identity documents of a country: how an id is normalised, and which of them can be verified. Pure.

People write the same id in many ways, so separators, a prefix and capitals come off before anything is checked. Only
a type with a check digit can be wrong: a passport, a type nobody listed or an id of another shape is taken as it comes
and flagged, because its owner has to be paid all the same.
"""

import importlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, cast

from stdnum import exceptions

from documents.countries.sources import Source

LENGTH_MAX = 32
REST_MIN = 4  # characters that are left of an id once its prefix is dropped
WARNED = "tax_id_warning"  # the check digit of a type in which wrong ones exist
UNVERIFIED = "tax_id_unverified"  # nothing to verify it by
# Signs that people write between the figures, beside blanks, dashes and invisible characters.
_SEPARATORS = frozenset(".,_/:;'`·\N{RIGHT SINGLE QUOTATION MARK}\N{MINUS SIGN}\N{ONE DOT LEADER}")
_SEPARATING = ("Zs", "Pd", "Cf", "Cc")
# TABLE: another spelling of a type -> the type.
ALIASES: Mapping[str, str] = MappingProxyType({"PASAPORTE": "PASSPORT"})


@dataclass(frozen=True, kw_only=True)
class TaxId:
    """One type of id: the name printed, and how it is verified.

    `module` is the python-stdnum module that knows its check digit; a type without one cannot be verified. `pattern` is
    the shape of a normalised id. With both, the digit alone decides: tables of prefixes grow faster than libraries do.
    """

    name: str
    source: Source
    module: str = ""  # "es.nif" is stdnum.es.nif
    pattern: str = ""  # full match after separators are dropped
    without_digit: str = ""  # pattern of ids of a type with check digit that come without one
    generics: frozenset[str] = frozenset()  # valid as they are, whatever the check digit says
    check_digit_optional: bool = False  # a wrong check digit is a warning, not a refusal
    check_digit_after_dash: bool = False  # 9012345677 is written 901234567-7


class CheckedTaxId(NamedTuple):
    """An id as it is stored and printed, the name printed before it, its type, and a flag for people, if any."""

    value: str
    name: str
    type: str
    flag: str = ""


Doubt = Literal["check_digit", "shape", "length"]


class WrongTaxId(NamedTuple):
    """Why an id cannot be printed: its check digit fails, or it has not the shape of a type with one."""

    type: str
    name: str
    reason: Doubt


class _Validator(Protocol):
    """The part of a python-stdnum module that packs use."""

    def validate(self, number: str, **options: bool) -> str: ...

    def calc_check_digit(self, number: str) -> str: ...


class _Reading(NamedTuple):
    """How an id stands to a type, best first by `rank`."""

    rank: int
    number: str


VERIFIED, FITS, WARNING, DIGIT_FAILS, NO_FIT = range(5)


def compact(value: str) -> str:
    """Return an id in capitals without the separators that people write: "12.345.678-z" is "12345678Z"."""
    plain = unicodedata.normalize("NFKC", value)
    return "".join(
        character
        for character in plain
        if character not in _SEPARATORS and unicodedata.category(character) not in _SEPARATING
    ).upper()


def read(
    *,
    value: str,
    stated_type: str | None,
    types: Mapping[str, TaxId],
    default: str,
    country: str,
) -> CheckedTaxId | WrongTaxId:
    """Read an id of a type, or of the country's default one; reading the result again changes nothing.

    An id that does not fit its type and has the right check digit of another one is taken as that.
    """
    stated = " ".join((stated_type or default).split())
    word = type_word(stated=stated, types=types)
    declared, bare = types.get(word), compact(value)
    name = declared.name if declared else stated
    wrong: Doubt | None = "length" if len(bare) > LENGTH_MAX else None
    if not any(character.isalnum() for character in bare):
        wrong = "shape"
    if wrong:
        return WrongTaxId(type=word, name=name, reason=wrong)
    for other, kind in _declared_first(word=word, types=types):
        if bare in kind.generics:
            return CheckedTaxId(value=bare, name=kind.name, type=other)
    if declared is None:
        return CheckedTaxId(value=bare, name=name, type=stated, flag=UNVERIFIED)
    return _of_type(word=word, bare=bare, types=types, country=country)


def _of_type(*, word: str, bare: str, types: Mapping[str, TaxId], country: str) -> CheckedTaxId | WrongTaxId:
    """Read an id of a type that the country has."""

    def reading(other: str) -> _Reading:
        own = (other, compact(types[other].name))
        prefixes = [word for word in (*own, country) if len(bare) - len(word) >= REST_MIN and bare.startswith(word)]
        # A type's own word is no part of an id that fits with it as well; two letters may be.
        longest_first = [bare, *(bare.removeprefix(word) for word in prefixes)]
        forms = [form for form in longest_first if len(bare) - len(form) > len(country)] + longest_first
        readings = [_reading(kind=types[other], number=form) for form in dict.fromkeys(forms)]
        return min(readings, key=lambda reading: reading.rank)

    rank, number = reading(word)
    if rank not in (VERIFIED, FITS):
        others = ((other, reading(other)) for other, kind in types.items() if kind.module)
        verified = next((other for other in others if other[1].rank == VERIFIED), None)
        word, (rank, number) = verified or (word, _Reading(rank, number))
    kind = types[word]
    if kind.module and rank in (DIGIT_FAILS, NO_FIT):
        return WrongTaxId(type=word, name=kind.name, reason="check_digit" if rank == DIGIT_FAILS else "shape")
    if kind.check_digit_after_dash:
        number = f"{number[:-1]}-{number[-1]}"
    flag = {VERIFIED: "", WARNING: WARNED}.get(rank, UNVERIFIED)
    return CheckedTaxId(value=number, name=kind.name, type=word, flag=flag)


def type_word(*, stated: str, types: Mapping[str, TaxId]) -> str:
    """Return the word of a country's type however it is written ("C.C." is "CC"); of another, as it came."""
    word = compact(stated)
    word = ALIASES.get(word, word)
    return word if word in types else stated


def _declared_first(*, word: str, types: Mapping[str, TaxId]) -> Iterator[tuple[str, TaxId]]:
    """Yield the types of a country, the declared one before the others."""
    if word in types:
        yield word, types[word]
    yield from types.items()


def _reading(*, kind: TaxId, number: str) -> _Reading:
    """Return how one form of an id stands to a type."""
    shaped = not kind.pattern or re.fullmatch(kind.pattern, number, flags=re.ASCII) is not None
    if kind.module and shaped:
        reading = _verified(kind=kind, number=number)
        if reading.rank != NO_FIT:
            return reading
    fits = shaped if not kind.module else _matches(pattern=kind.without_digit, number=number)
    return _Reading(FITS if fits else NO_FIT, number)


def _matches(*, pattern: str, number: str) -> bool:
    """Tell whether a pattern is given and fits."""
    return bool(pattern) and re.fullmatch(pattern, number, flags=re.ASCII) is not None


def _verified(*, kind: TaxId, number: str) -> _Reading:
    """Return how the check digit of an id of the right shape stands."""
    validator = cast("_Validator", importlib.import_module(f"stdnum.{kind.module}"))
    failed = _Reading(WARNING if kind.check_digit_optional else DIGIT_FAILS, number)
    try:
        options = {"validate_check_digits": True} if kind.check_digit_optional else {}
        return _Reading(VERIFIED, validator.validate(number, **options))
    except exceptions.InvalidChecksum:
        return failed
    except exceptions.ValidationError:  # a length, a prefix or a word that the library does not know
        if not kind.pattern:
            return _Reading(NO_FIT, number)
    return _Reading(VERIFIED, number) if validator.calc_check_digit(number[:-1]) == number[-1] else failed
