"""The checks that cells of many kinds share: texts, sources, numbers and days. Pure.

Values are checked as `object`: a data file is not type-checked where it is deployed.
"""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any, TypeGuard, get_args

from documents.countries import sources

LANGUAGES = ("es", "en")


def source(*, cell: str, value: object) -> Iterator[str]:
    """Check that a source is there, has a text and a known certainty."""
    if not isinstance(value, sources.Source):
        yield f"{cell}: is missing"
        return
    if blank(value.text):
        yield f"{cell}.text: is empty"
    if value.certainty not in get_args(sources.Certainty):
        yield f"{cell}.certainty: {value.certainty!r} is not among {', '.join(get_args(sources.Certainty))}"


def words(*, cell: str, value: object) -> Iterator[str]:
    """Report the languages in which a text is missing."""
    if not isinstance(value, sources.Words):
        yield f"{cell}: is no text in two languages"
        return
    yield from (f"{cell}.{language}: is empty" for language in LANGUAGES if blank(getattr(value, language)))


def blank(value: object) -> bool:
    """Tell whether a value is not a text, or a blank one."""
    return not isinstance(value, str) or not value.strip()


def matches(shape: re.Pattern[str], value: object) -> bool:
    """Tell whether a value is a text that matches the whole pattern."""
    return isinstance(value, str) and shape.fullmatch(value) is not None


def whole(value: object, *, at_least: int) -> bool:
    """Tell whether a value is a whole number and large enough; a bool does not count."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least


def is_day(value: object) -> TypeGuard[dt.date]:
    """Tell whether a value is a date and not a datetime: the two do not compare."""
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


def is_a(value: object, kind: type[Any]) -> bool:
    """Tell whether a value has the type that the pack states."""
    return isinstance(value, kind)


def all_are(values: object, *, kind: type[Any]) -> bool:
    """Tell whether a value is a tuple of that type only, not empty; ("a") without a comma is not."""
    return isinstance(values, tuple) and bool(values) and all(isinstance(value, kind) for value in values)
