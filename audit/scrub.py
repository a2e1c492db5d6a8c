"""What must never lie in the log: secrets anywhere, and personal data in the sealed columns."""

import re

# Shapes of secrets: webhook secrets, credentials of an HTTP header, JSON web tokens, private keys, cloud access keys,
# and 32 random bytes in base64 (the token of a link): 43 characters of three classes, nothing else around them.
_SECRET = re.compile(
    r"whsec_[A-Za-z0-9+/=_-]{8,}"
    r"|(?i:\b(?:bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,})"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]{0,42}[a-z])(?=[A-Za-z0-9_-]{0,42}[A-Z])(?=[A-Za-z0-9_-]{0,42}[0-9])"
    r"[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"
)
_SECRET_NAME = re.compile(
    r'"(?:[A-Za-z0-9.:-]*_)?(?i:password|passwd|secret|token|authorization|cookie|api_key|private_key|otp|pin)":'
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SEALABLE = re.compile(r"[!-?A-~]*")  # printable ASCII without a blank and without `@`
# No id of the service runs on for so long without a separator; a token or a digest of one does.
_LONG_RUN = re.compile(r"[A-Za-z0-9_-]{40}")

REDACTED = "redacted"


class LeakRefused(ValueError):
    """What was to be recorded holds something that must never lie in the log; the message names the place, not it."""


def refuse_secrets(*, text: str) -> None:
    """This function will refuse canonical JSON that names a secret or holds something of the shape of one.

    :raises LeakRefused: without repeating what was found.
    """
    if _SECRET_NAME.search(text) is not None:
        raise LeakRefused("the details name a secret (password, token, key, ...): leave it out")
    if _SECRET.search(text) is not None:
        raise LeakRefused("the details hold something of the shape of a secret: leave it out")


def sealed(*, name: str, value: str, length_max: int) -> str:
    """This function will pass a text on into a sealed column, or refuse it.

    :raises LeakRefused: for a blank, `@`, anything beyond printable ASCII (a name, an address) or a secret's shape.
    :raises ValueError: for a text longer than the column.
    """
    if len(value) > length_max:
        raise ValueError(f"{name} is longer than {length_max} characters")
    if not _SEALABLE.fullmatch(value):
        raise LeakRefused(f"{name} is sealed for ever: an id in printable ASCII, no name, no address, no e-mail")
    if _SECRET.search(value) is not None:
        raise LeakRefused(f"{name} has the shape of a secret")
    return value


def guessed(*, value: str, length_max: int) -> str:
    """This function will return what a refused caller claimed, where it can be sealed, else the word `redacted`.

    A stranger chooses these texts: a path he tried, a name he typed, a token in the wrong place.
    """
    if len(value) > length_max or not _SEALABLE.fullmatch(value):
        return REDACTED
    if _LONG_RUN.search(value) is not None or _SECRET.search(value) is not None:
        return REDACTED
    return value


def printable(*, value: str, length_max: int) -> str:
    """This function will return a text from outside, cut, without control characters and without secrets."""
    return _SECRET.sub(REDACTED, _CONTROL.sub(" ", value[:length_max]))
