"""What is worked out from LINK_KEY and never stored: the secrets of links, and the codes that mails bring.

While LINK_KEY is exchanged, LINK_KEY_FORMER names those of before: what came of them still opens.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator

from django.conf import settings


def digest(*, text: str) -> bytes:
    """Return what the present key makes of a text."""
    return next(digests(text=text))


def digests(*, text: str) -> Iterator[bytes]:
    """Yield what each key makes of a text, the present one's first."""
    for key in (settings.LINK_KEY, *settings.LINK_KEY_FORMER):
        yield hmac.digest(key.encode(), text.encode(), hashlib.sha256)


def token(*, text: str, stored: str = "") -> str:
    """Return a secret of 43 characters of base64url: that whose SHA-256 is stored, else the present key's."""
    made = [base64.urlsafe_b64encode(secret).rstrip(b"=").decode() for secret in digests(text=text)]
    return next((each for each in made if hashlib.sha256(each.encode()).hexdigest() == stored), made[0])


def figures(*, secret: bytes, count: int) -> str:
    """Return a code of so many figures, made of a secret."""
    return f"{int.from_bytes(secret[:8], 'big') % 10**count:0{count}d}"


def is_code(*, given: str, text: str, count: int) -> bool:
    """Tell whether a code is what one of the keys makes of a text."""
    wanted = [figures(secret=secret, count=count) for secret in digests(text=text)]
    right = [hmac.compare_digest(given.encode(), code.encode()) for code in wanted]  # all, so that time says nothing
    return any(right)
