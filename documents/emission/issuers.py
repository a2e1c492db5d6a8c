"""What an issuer is called, where it is and how its mark looks: changed on record, and known as it was at any moment.

A document's content says the name and the address that it prints. Its mark is not in the content: it is drawn as it was
when the document was issued, so that the same document is the same bytes however late it is drawn again.
"""

import copy
import datetime as dt
import io
import json

from django.db import transaction
from PIL import Image

from audit import log
from audit.actions import Action
from documents.models import Document, FormerIssuer, Issuer

LOGO_BYTES_MAX, TEXT_LENGTH_MAX = 200_000, 500
# A change counts from a little later: nothing that is issued after that has been drawn before the change committed.
SETTLES = dt.timedelta(seconds=5)


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
    """Change what is stated of an issuer, and keep what it was; False where it is so already."""
    with transaction.atomic():
        row = Issuer.objects.get(pk=issuer.pk)
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


def checked_logo(*, body: bytes) -> bytes:
    """Return a mark that may be printed.

    :raises ValueError: it is no PNG, or larger than LOGO_BYTES_MAX
    """
    try:
        with Image.open(io.BytesIO(body)) as image:
            image.verify()
            is_good = image.format == "PNG"
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # what Pillow raises
        raise ValueError(str(error)) from error
    if not is_good or len(body) > LOGO_BYTES_MAX:
        raise ValueError(f"a logo is a PNG of at most {LOGO_BYTES_MAX} bytes")
    return body


def _plain(value: object) -> object:
    """Return a value that can be compared: bytes come from the database as a view of them."""
    return bytes(value) if isinstance(value, memoryview) else value
