"""What must never stand in the log: secrets anywhere, and personal data in the sealed columns."""

import operator
import re
from collections.abc import Mapping

# Shapes of secrets: webhook secrets, credentials of an HTTP header, JSON web tokens, private keys, cloud access keys,
# and 32 random bytes in base64 (the token of a link): 43 characters of three classes, nothing else around them.
_MARKED = re.compile(
    r"whsec_[A-Za-z0-9+/=_-]{8,}"
    r"|(?i:\b(?:bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,})"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
)
# One of these is in every match of _MARKED: looking for them first costs a tenth.
_MARKS = ("whsec_", "bearer", "basic", "eyj", "-----begin", "akia", "asia")
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]{0,42}[a-z])(?=[A-Za-z0-9_-]{0,42}[A-Z])(?=[A-Za-z0-9_-]{0,42}[0-9])"
    r"[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"
)
_TOKEN_LENGTH = 43
_TOKEN_LONG = re.compile(r"[A-Za-z0-9_-]{43}")
_SECRET_NAME = re.compile(
    r'"(?:[A-Za-z0-9.:-]*_)?(?i:password|passwd|secret|token|authorization|cookie|api_key|private_key|otp|pin)":'
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SEALABLE = re.compile(r"[!-?A-~]*")  # printable ASCII without a blank and without `@`
_SEPARATOR = "\x1f"
_SEALABLE_ALL = re.compile(r"[!-?A-~\x1f]*")
_MAIL = re.compile(r"[^\s@/:<>'\"]+@[^\s@/:<>'\"]+")
_QUERY = re.compile(r"\?[^\s'\"<>]+")
_SECRET_PATH = re.compile(r"/(l|v)/[^/\s'\"?<]+")
# No id of the service runs on for so long without a separator; a token or a digest of one does.
_LONG_RUN = re.compile(r"[A-Za-z0-9_-]{40}")

REDACTED = "redacted"


class LeakRefused(ValueError):
    """The entry holds something that must never stand in the log; the message names the column and not the value."""


def shows_secret(*, text: str) -> bool:
    """Say whether something in a text has the shape of a secret."""
    if _shows_marked(text=text):
        return True
    return len(text) >= _TOKEN_LENGTH and _TOKEN_LONG.search(text) is not None and _TOKEN.search(text) is not None


def refuse_secrets(*, text: str) -> None:
    """Refuse canonical JSON that names a secret or holds something of the shape of one.

    :raises LeakRefused: without repeating what was found.
    """
    if _SECRET_NAME.search(text) is not None:
        raise LeakRefused("the details name a secret (password, token, key, ...): leave it out")
    if shows_secret(text=text):
        raise LeakRefused("the details hold something of the shape of a secret: leave it out")


def refuse_unsealable(*, columns: Mapping[str, str], length_max: Mapping[str, int]) -> None:
    """Refuse texts that must not stand in sealed columns.

    :raises LeakRefused: for a blank, `@`, anything beyond printable ASCII (a name, an address) or a secret's shape.
    :raises ValueError: for a text longer than its column.
    """
    # All columns are searched at once, because this runs for every event.
    values = columns.values()
    joined = _SEPARATOR.join(values)
    if (
        _SEALABLE_ALL.fullmatch(joined)
        and joined.count(_SEPARATOR) == len(columns) - 1
        and all(map(operator.le, map(len, values), map(length_max.__getitem__, columns)))
        and not _shows_marked(text=joined)
        and (max(map(len, values)) < _TOKEN_LENGTH or not shows_secret(text=joined))
    ):
        return
    for name, value in columns.items():
        if len(value) > length_max[name]:
            raise ValueError(f"{name} is longer than {length_max[name]} characters")
        if not _SEALABLE.fullmatch(value):
            raise LeakRefused(f"{name} is sealed for ever: an id in printable ASCII, no name, no address, no e-mail")
        if shows_secret(text=value):
            raise LeakRefused(f"{name} has the shape of a secret")
    raise LeakRefused("the sealed columns together have the shape of a secret")


def sealable(*, value: str, length_max: int) -> str:
    """Return a text of a refused caller if it may stand in a sealed column, else `redacted`.

    A stranger chooses these texts: a path, a name, a token in the wrong place.
    """
    if len(value) > length_max or not _SEALABLE.fullmatch(value):
        return REDACTED
    if _LONG_RUN.search(value) is not None or shows_secret(text=value):
        return REDACTED
    return value


def printable(*, value: str, length_max: int) -> str:
    """Return a text from outside, cut, without control characters and without secrets."""
    text = _CONTROL.sub(" ", value[: 8 * length_max])
    if shows_secret(text=text):  # before the cut, which could leave most of a token
        text = _TOKEN.sub(REDACTED, _MARKED.sub(REDACTED, text))
    return text[:length_max]


def impersonal(*, value: str, length_max: int) -> str:
    """Return a text from outside as `printable` does, without addresses of mail, the tokens of links and queries."""
    text = _MAIL.sub(REDACTED, value[: 8 * length_max])
    text = _SECRET_PATH.sub(rf"/\1/{REDACTED}", _QUERY.sub(f"?{REDACTED}", text))
    return printable(value=text, length_max=length_max)


def _shows_marked(*, text: str) -> bool:
    """Say whether a text holds a secret with a known prefix or header."""
    folded = text.lower()
    for mark in _MARKS:
        if mark in folded:
            return _MARKED.search(text) is not None
    return False
