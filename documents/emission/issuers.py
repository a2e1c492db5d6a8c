"""What an issuer is called, where it is and how its mark looks: changed on record, and known as it was at any moment.

A document's content says the name and the address that it prints. Its mark is not in the content: it is drawn as it was
when the document was issued, so that the same document is the same bytes however late it is drawn again.
"""

import contextlib
import copy
import datetime as dt
import io
import json
import threading
from collections.abc import Iterator

from django.db import transaction
from PIL import Image, ImageFile

from audit import log
from audit.actions import Action
from documents import locks
from documents.models import Document, FormerIssuer, Issuer

LOGO_BYTES_MAX, TEXT_LENGTH_MAX = 200_000, 500
LOGO_PIXELS_MAX = 4_000_000  # a few bytes of PNG unpack into gigabytes, in every rendering of the issuer's documents
# A change counts from a little later: nothing that is issued after that has been drawn before the change committed.
SETTLES = dt.timedelta(seconds=5)
_pillow = threading.Lock()  # its settings are of the whole process


def change(
    *,
    issuer: Issuer,
    reason: str,
    actor: log.Actor,
    now: dt.datetime,
    legal_name: str = "",
    address: str = "",
    logo: bytes | None = None,
) -> bool:
    """Change what is stated of an issuer, and keep what it was; False where it is so already.

    Two changes take turns: the second one keeps what the first one has just stated.

    :raises ValueError: a text that `checked_text` refuses
    """
    _ = checked_text(text=legal_name), checked_text(text=address)
    with transaction.atomic():
        (row,) = locks.rows(queryset=Issuer.objects.filter(pk=issuer.pk), rank=locks.Rank.ISSUER)
        stated = {
            "legal_name": legal_name or row.legal_name,
            "address": address or row.address,
            "logo": row.logo if logo is None else logo,
        }
        former = {name: _plain(getattr(row, name)) for name in stated}
        changed = sorted(name for name, value in stated.items() if _plain(value) != former[name])
        if not changed:
            return False
        FormerIssuer.objects.create(issuer=row, until_at=now + SETTLES, **former)
        Issuer.objects.filter(pk=row.pk).update(**stated)
        texts = {name: str(stated[name]) for name in changed if name != "logo"}
        log.record(
            action=Action.ISSUER_CHANGED,
            object_type="issuer",
            object_id=row.slug,
            actor=actor,
            code=",".join(changed),
            details={"reason": reason, **texts},
        )
    return True


def logo_of(*, document: Document) -> bytes | None:
    """Return the mark of a document's issuer as it was when the document was issued."""
    former = document.issuer.former.filter(until_at__gt=document.issued_at).order_by("until_at", "pk").first()
    logo = (former or document.issuer).logo
    return bytes(logo) if logo else None


def printed_by(*, document: Document) -> Issuer:
    """Return a document's issuer under the name and at the address that the document prints."""
    issuer, stated = copy.copy(document.issuer), json.loads(document.content)["issuer"]
    issuer.legal_name, issuer.address = stated["legal_name"], stated["address"]
    return issuer


def checked_text(*, text: str) -> str:
    """Return a name or an address that may be printed.

    :raises ValueError: it is longer than TEXT_LENGTH_MAX, or has a character that is not printed: a line's end, NUL, or
        one that turns the direction of what follows
    """
    if len(text) > TEXT_LENGTH_MAX or not text.isprintable():
        raise ValueError(f"one line of at most {TEXT_LENGTH_MAX} printable characters")
    return text


def checked_logo(*, body: bytes) -> bytes:
    """Return a mark that may be printed: every document of its issuer is drawn with it, so it is unpacked here first.

    :raises ValueError: it is no whole PNG, or larger than LOGO_BYTES_MAX or LOGO_PIXELS_MAX
    """
    wrong = ValueError(f"a logo is a whole PNG of at most {LOGO_BYTES_MAX} bytes and {LOGO_PIXELS_MAX} pixels")
    width, height = int.from_bytes(body[16:20]), int.from_bytes(body[20:24])  # as every PNG begins
    if len(body) > LOGO_BYTES_MAX or width * height > LOGO_PIXELS_MAX:
        raise wrong
    try:
        with _to_the_end():
            with Image.open(io.BytesIO(body), formats=["PNG"]) as image:
                image.verify()
            with Image.open(io.BytesIO(body), formats=["PNG"]) as image:
                image.load()  # `verify` unpacks nothing
    except (OSError, SyntaxError, ValueError) as error:
        raise wrong from error
    return body


@contextlib.contextmanager
def _to_the_end() -> Iterator[None]:
    """Have Pillow refuse what is cut off: WeasyPrint, once loaded, lets it pass in the whole process."""
    with _pillow:
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def _plain(value: object) -> object:
    """Return a value that can be compared: bytes come from the database as a view of them."""
    return bytes(value) if isinstance(value, memoryview) else value
