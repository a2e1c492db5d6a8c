"""Signatures by the Standard Webhooks specification: `whsec_` keys and their HMAC."""

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"


def sign(*, secret: str, signed: bytes) -> str:
    """Return the base64 HMAC-SHA256 of `id.timestamp.body` (Standard Webhooks, v1)."""
    return base64.b64encode(hmac.digest(key_bytes(secret=secret), signed, hashlib.sha256)).decode()


def key_bytes(*, secret: str) -> bytes:
    """Return the key behind a `whsec_` secret.

    :raises ValueError: it is not base64
    """
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook secret is whsec_ and base64") from error
