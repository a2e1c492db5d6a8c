"""The evidence pack of a document: what an inspector needs to check it offline, without trust in this service.

A ZIP whose bytes are determined by its files (`verify_pack.packed`): the PDF and its content, the vault's receipt, each
sealed event with its proof in the log, the signed checkpoint, the keys that have ever signed, and the program that
verifies all of it, `verify_pack.py`.
"""

import base64
import datetime as dt
import hashlib
import json
import pathlib
from dataclasses import dataclass

from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

from audit import labels, leaf, log, sealing, signing, tlog, tree
from audit.actions import Action
from audit.models import EventDetail, TreeHead
from documents import distribution, errors, formatting
from documents.custody import log_archive
from documents.evidence import verify_pack
from documents.models import Document, Status

BATCHES_MAX = 100
README = "LEEME.html"


@dataclass(frozen=True, kw_only=True)
class EvidencePack:
    """A pack: its bytes and the name under which it is saved."""

    body: bytes
    filename: str


def build(*, document: Document, actor: log.Actor, now: dt.datetime, with_details: bool = True) -> EvidencePack:
    """Return the evidence pack of a document as it is now; the access to its bytes is put on record.

    A document that is withheld or disposed of has a pack without its PDF: what was sealed of it stays proven.

    :raises errors.Problem: `document_not_ready`: nothing of it is sealed yet
    :raises errors.WormError: the vault does not answer
    """
    files: dict[str, bytes] = {}
    with transaction.atomic():
        log.record(
            action=Action.DOCUMENT_EVIDENCE_TAKEN, object_type="document", object_id=document.public_id, actor=actor
        )
    if document.status == Status.LOCKED:
        files[verify_pack.PDF] = distribution.open(document=document, actor=actor, purpose="download", now=now).body
    head = _sealed()
    log_archive.archive(head=head, now=now)
    if document.content:
        files[verify_pack.CONTENT] = document.content.encode()
    files[verify_pack.RECEIPT] = leaf.canonical(_receipt(document=document))
    files |= _events(document=document, head=head, with_details=with_details)
    files[verify_pack.CHECKPOINT] = head.note.encode()
    files[verify_pack.KEYS] = "".join(f"{key}\n" for key in signing.history()).encode()
    files |= _commitment(document=document, head=head)
    files["verify_pack.py"] = pathlib.Path(verify_pack.__file__).read_bytes()
    files[README] = _readme(document=document, head=head, files=files)
    body = verify_pack.packed(files={verify_pack.MANIFEST: _manifest(document=document, files=files), **files})
    return EvidencePack(body=body, filename=f"{formatting.file_name(document=document)}-evidencia.zip")


def _manifest(*, document: Document, files: dict[str, bytes]) -> bytes:
    """Return which document the pack is of, and the hash of each of its files."""
    return leaf.canonical(
        {
            "v": 1,
            "document": {
                "id": document.public_id,
                "number": document.number,
                "document_key": document.document_key_id,
                "content_sha256": document.content_sha256,
                "status": str(document.status),
            },
            "files": {name: hashlib.sha256(body).hexdigest() for name, body in files.items()},
        }
    )


def _sealed() -> TreeHead:
    """Seal what has been committed, the access to this document included, and return the head.

    :raises errors.Problem: `document_not_ready`: nothing is sealed, for an open transaction holds it up
    """
    for _ in range(BATCHES_MAX):
        if not sealing.seal():
            break
    head = tree.head()
    if head is None:
        raise errors.Problem(code="document_not_ready", values={"cause": "unsealed"})
    return head


def _receipt(*, document: Document) -> dict[str, leaf.Json]:
    """Return what the vault said when the bytes were locked."""
    return {
        "vault_key": document.vault_key,
        "vault_version": document.vault_version,
        "mode": document.vault_mode,
        "file_sha256": document.file_sha256 if document.locked_at else "",
        "bytes": document.file_bytes or 0,
        "retain_until": document.retain_until.isoformat(),
        "locked_at": document.locked_at.isoformat() if document.locked_at else "",
    }


def _events(*, document: Document, head: TreeHead, with_details: bool) -> dict[str, bytes]:
    """Return the leaf of each sealed event about the document, its proof, and its details where they still exist.

    :raises errors.Problem: `document_not_ready`: not even its issue is sealed
    """
    sealed = tree.sealed_events(object_id=document.public_id, size=head.size)
    if not sealed:
        raise errors.Problem(code="document_not_ready", values={"cause": "unsealed"})
    kept = {row.event_id: row for row in EventDetail.objects.filter(event__in=[event.pk for _, event in sealed])}
    proofs, files = tree.proofs(indexes=[index for index, _ in sealed], head=head), {}
    for place, (index, event) in enumerate(sealed):
        name = f"events/{place:06}-{event.action}"
        files[f"{name}.json"] = leaf.encode(event)
        files[f"{name}.tlog-proof"] = str(proofs[index]).encode()
        if event.details_digest is not None:
            files[f"{name}.details"] = _details(row=kept.get(event.pk), shown=with_details)
    return files


def _commitment(*, document: Document, head: TreeHead) -> dict[str, bytes]:
    """Return what opens the commitment that the document names, and the proof that the log has only grown since.

    :raises errors.WormError: the vault does not answer
    """
    digest = json.loads(document.content).get("log_commitment") if document.content else ""
    if not digest:
        return {}
    try:
        opening = log_archive.opening(digest=digest)
        checkpoint = tlog.read_checkpoint(note=opening.decode().partition("\n")[2], keys=signing.history())
    except (FileNotFoundError, ValueError):
        return {}  # whoever verifies is told that it is missing
    hashes = tree.consistency(size1=checkpoint.size, size2=head.size)
    proof = "".join(f"{base64.b64encode(hashed).decode()}\n" for hashed in hashes)
    return {verify_pack.COMMITMENT: opening, verify_pack.GROWTH: proof.encode()}


def _details(*, row: EventDetail | None, shown: bool) -> bytes:
    if row is None or not shown:
        return verify_pack.ERASED.encode()
    return bytes(row.salt).hex().encode() + b"\n" + leaf.canonical(row.details)


def _readme(*, document: Document, head: TreeHead, files: dict[str, bytes]) -> bytes:
    leaves = (json.loads(body) for name, body in files.items() if name.startswith("events/") and name.endswith(".json"))
    events = [(event, labels.LABELS[Action(event["action"])]) for event in leaves]
    said = {
        "document": document,
        "head": head,
        "origin": signing.origin(),
        "events": events,
        "has_pdf": verify_pack.PDF in files,
    }
    with translation.override("es"):
        return render_to_string("evidence/readme.html", said).encode()
