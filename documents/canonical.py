"""Canonical JSON (RFC 8785) in NFC, so that equal values have equal bytes, and its SHA-256."""

import hashlib
import unicodedata
from typing import Any, cast

import rfc8785


def encode(*, value: object) -> bytes:
    """Return the canonical bytes of a JSON value.

    Key order, whitespace, number spelling and Unicode form of the source leave no trace in them.

    :raises ValueError: a number beyond the exact range, or text that is not Unicode
    """
    try:
        text = rfc8785.dumps(cast("Any", value)).decode()  # the library's own recursive type is private
    except rfc8785.CanonicalizationError as error:
        raise ValueError(str(error)) from error
    # The quote and the backslash compose with nothing, so normalising the whole text normalises each string in it.
    return text.encode() if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text).encode()


def sha256(*, value: object) -> str:
    """Return the SHA-256 (hex) of the canonical bytes.

    :raises ValueError: as `encode`
    """
    return hashlib.sha256(encode(value=value)).hexdigest()
