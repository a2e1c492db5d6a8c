"""Public ids: a prefix that names the table and 26 characters of base32 over a time-ordered 128-bit value."""

import base64
import secrets
import time


def new(*, prefix: str) -> str:
    """Return a new id such as `doc_01k...`; ids made later sort later (millisecond grain)."""
    value = int(time.time() * 1000).to_bytes(6, "big") + secrets.token_bytes(10)
    return f"{prefix}_{base64.b32hexencode(value).decode().rstrip('=').lower()}"


def verification_code() -> str:
    """Return the code behind the QR: 80 random bits, `XXXX-XXXX-XXXX-XXXX`, no look-alikes."""
    alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(4))
