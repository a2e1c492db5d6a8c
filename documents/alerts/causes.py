"""What an alert says of an error of the outside, and of an event that is held: codes, and nothing about a person."""

import re
import smtplib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from audit import scrub
from documents import errors

ERROR_LENGTH_MAX = 200
# TABLE: value of a fault that an alert may name, where it has this form -> how it looks. Whatever else a sender has
# written (texts, amounts, tax ids, names of parties) stays in the Document Center.
NAMED: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "issuer": re.compile(r"[a-z0-9_.-]{1,64}"),
        "country": re.compile(r"[A-Z]{2}"),
        "currency": re.compile(r"[A-Z]{3}"),
        "tax": re.compile(r"[A-Z]{2,10}[A-Z0-9_-]{0,12}"),
        "document": re.compile(r"[A-Z0-9]{2,5}-[A-Z]{2,3}[0-9]*-[0-9]{4}-[0-9]{7,15}"),
        "pointer": re.compile(r"(/[a-z_]{1,30}|/[0-9]{1,4}){1,8}"),
    }
)


def of_error(*, error: BaseException) -> str:
    """Return an error's type and message in one line; of a mail server's answer, which repeats addresses, its codes."""
    name = type(error).__name__
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        said = ", ".join(sorted({f"{code}" for code, _text in error.recipients.values()}))
    elif isinstance(error, smtplib.SMTPResponseException):
        said = f"{error.smtp_code}"
    else:
        said = " ".join(scrub.impersonal(value=str(error), length_max=ERROR_LENGTH_MAX).split())
    return f"{name}: {said}" if said else name


def named(*, faults: Sequence[Mapping[str, object]]) -> list[str]:
    """Return what the first of stored faults names, as far as NAMED lets it out."""
    if not faults:
        return []
    first = faults[0]
    given = first.get("values")
    said = {**(given if isinstance(given, Mapping) else {}), "pointer": first.get("pointer")}
    return [text for name, form in NAMED.items() if (text := _in_form(value=said.get(name), form=form))]


def of_held(*, issuer: str, country: str, faults: Sequence[Mapping[str, object]]) -> dict[str, errors.Value]:
    """Return what the alert of a held event names: in whose name and where, and what its first fault does."""
    stated = {"issuer": issuer, "country": country}
    whose = [text for name, value in stated.items() if (text := _in_form(value=value, form=NAMED[name]))]
    return {"whose": whose, "named": named(faults=faults)}


def _in_form(*, value: object, form: re.Pattern[str]) -> str:
    """Return a text that is in a form, else nothing."""
    return value if isinstance(value, str) and form.fullmatch(value) else ""
