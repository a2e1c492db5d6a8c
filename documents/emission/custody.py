"""Lock a document: render its frozen content, note the intent, put the bytes once, read them back and compare."""

import datetime as dt
import hashlib
import json
import zoneinfo
from dataclasses import dataclass

from django.conf import settings

from documents import errors
from documents.countries.pack import Pack, required
from documents.emission import attachments, issuers
from documents.models import Document, Issuer
from documents.rendering import render
from documents.resilience import leases
from documents.vault import probes, store

MEDIA_TYPE = "application/pdf"
WATERMARK = "ENTORNO DE PRUEBAS · SIN VALIDEZ"


@dataclass(frozen=True, kw_only=True)
class LockedFile:
    """A PDF that is in the vault and was checked there."""

    stored: store.Stored
    pages: int
    flags: tuple[str, ...]


def sha256(body: bytes) -> str:
    """Return the SHA-256 of bytes, in hex."""
    return hashlib.sha256(body).hexdigest()


def verification_url(*, code: str) -> str:
    """Return the public address behind the QR."""
    return f"{settings.PUBLIC_URL}/v/{code}"


def issuer_facts(*, issuer: Issuer, pack: Pack) -> dict[str, object]:
    """Return the content's `issuer` block."""
    return {
        "legal_name": issuer.legal_name,
        "tax_id": issuer.tax_id,
        "tax_id_name": pack.tax_ids[pack.tax_id_default].name,
        "address": issuer.address,
    }


def facts(*, document: Document) -> dict[str, str]:
    """Return what the log keeps of a document for ever, in clear; an erasure leaves the proof."""
    stated = {
        "owner": document.owner.public_id,
        "document_key": document.document_key_id,
        "number": document.number,
        "content_sha256": document.content_sha256,
        "file_sha256": document.file_sha256 if document.locked_at else "",
        "vault_version": document.vault_version,
        "retain_until": document.retain_until.isoformat(),
    }
    return {name: text for name, text in stated.items() if text}


def vault_key(*, document: Document) -> str:
    """Return where the bytes go: a key that names the document and what it says."""
    return (
        f"{document.country_id}/{document.issuer.slug}/{document.issue_date.year}/"
        f"{document.number}-{document.public_id}-{document.content_sha256[:16]}.pdf"
    )


def lock_end(*, document: Document) -> dt.datetime:
    """Return when a document's lock ends: with its last protected day, in its country's legal zone."""
    return lock_end_of(country=document.country_id, retain_until=document.retain_until)


def lock_end_of(*, country: str, retain_until: dt.date) -> dt.datetime:
    """Return when the last protected day is over in a country's legal zone."""
    return store.lock_end(day=retain_until, zone=zoneinfo.ZoneInfo(required(country).time_zone))


def lock(*, document: Document, lease: leases.Lease, plain: bool) -> LockedFile:
    """Put a document's PDF under lock and check it there; safe to repeat after any crash.

    :raises errors.Problem: `render_failed`, `render_timeout`, `worm_*`, or `document_not_ready` for a lost lease
    """
    probes.require_sound()
    earlier = _earlier(document=document)
    if earlier is not None:
        return earlier
    rendered = _checked(document=document, rendered=_render(document=document, plain=plain))
    key = vault_key(document=document)
    _note(document=document, lease=lease, key=key, rendered=rendered)
    try:
        stored = _put(document=document, key=key, body=rendered.pdf)
    except errors.WormError as mismatch:
        other = _other_render(document=document, key=key, plain=plain, mismatch=mismatch)
        if other is None:
            raise
        rendered = other
        _note(document=document, lease=lease, key=key, rendered=rendered)
        stored = _put(document=document, key=key, body=rendered.pdf)
    return LockedFile(stored=stored, pages=rendered.pages, flags=tuple(rendered.flags))


def _render(*, document: Document, plain: bool) -> render.Rendered:
    """Render a document's frozen content.

    Not behind a breaker: one hostile document that fails to render must not delay the others.

    :raises errors.Problem: `render_failed`, `render_timeout`
    """
    return render.render(
        content=json.loads(document.content),
        issued_at=document.issued_at,
        logo=issuers.logo_of(document=document),
        plain=plain,
        watermark=WATERMARK if settings.ENVIRONMENT == "sandbox" else "",
    )


def _checked(*, document: Document, rendered: render.Rendered) -> render.Rendered:
    """Return what was rendered, where it carries this document's content: a lock lasts for years.

    :raises errors.Problem: `render_failed`
    """
    if attachments.content_sha256(pdf=rendered.pdf) != document.content_sha256:
        raise errors.Problem(code="render_failed", values={"cause": "other_content"})
    return rendered


def print_again(*, document: Document) -> render.Rendered:
    """Render a locked document anew, by the template that its row names.

    :raises errors.Problem: `render_failed`, `render_timeout`
    """
    return _render(document=document, plain=document.template == render.PLAIN)


def _note(*, document: Document, lease: leases.Lease, key: str, rendered: render.Rendered) -> None:
    """Store the intent before the bytes: an object in the vault can then be traced to its row, LOCKED or not.

    :raises errors.Problem: `document_not_ready`: the lease is lost
    """
    noted = leases.write(
        lease=lease,
        vault_key=key,
        file_sha256=sha256(rendered.pdf),
        file_bytes=len(rendered.pdf),
        template=rendered.template,
        bundle_digest=rendered.bundle_digest,
        engine=rendered.engine,
        pages=rendered.pages,
        flags=sorted({*document.flags, *rendered.flags}),
    )
    if not noted:
        raise errors.Problem(code="document_not_ready", values={"cause": "leased"})


def _earlier(*, document: Document) -> LockedFile | None:
    """Lock the bytes that an earlier try noted and put before it was cut off; None where it left none.

    The row describes those bytes (template, engine, pages). Bytes rendered anew, perhaps with another template, would
    not be what it describes.
    """
    if not document.vault_key:
        return None
    earlier, body = _found(key=document.vault_key)
    if earlier is None or earlier.sha256 != document.file_sha256:
        return None
    if attachments.content_sha256(pdf=body) != document.content_sha256:
        return None
    stored = store.lock(
        key=document.vault_key, body=body, retain_until=lock_end(document=document), sha256=document.file_sha256
    )
    return LockedFile(stored=stored, pages=document.pages or 0, flags=tuple(document.flags))


def _put(*, document: Document, key: str, body: bytes) -> store.Stored:
    """Store the bytes of the intent; locking them again finishes what a crash left half done, and checks all of it."""
    return store.lock(key=key, body=body, retain_until=lock_end(document=document), sha256=sha256(body))


def _other_render(*, document: Document, key: str, plain: bool, mismatch: errors.WormError) -> render.Rendered | None:
    """Return the render whose bytes lie under the key instead: of an earlier try with the other template, put late.

    Nothing else is adopted. Bytes that only embed the same content may show something else.
    """
    if mismatch.code != "worm_checksum_mismatch":
        return None
    _earlier_file, body = _found(key=key)
    try:
        rendered = _render(document=document, plain=not plain)
    except errors.Problem:
        return None  # what it was before stays the error
    return rendered if rendered.pdf == body else None


def _found(*, key: str) -> tuple[store.Stored | None, bytes]:
    """Return what lies under a key, with its bytes.

    :raises errors.WormError: the vault does not answer, or not with what it was asked for
    """

    def work() -> tuple[store.Stored | None, bytes]:
        vault = store.open_vault()
        earlier = vault.find(key=key)
        return earlier, vault.read(key=key, version=earlier.version) if earlier else b""

    return store.guarded(work=work)
