"""Permanent document keys: one document for one subject. Who inserts the key issues, the others find the document."""

from dataclasses import dataclass

from django.db import connection

from audit import log
from audit.actions import Action
from documents import canonical, locks, metrics
from documents.alerts import discrepancies
from documents.models import Document, Event, Kind

KEY_MAX = 200


@dataclass(frozen=True, kw_only=True)
class KeyClaim:
    """A claimed key. `fresh`: this transaction inserted it; `fingerprint` is the one that the first claim stored."""

    fresh: bool
    fingerprint: str


def key(*, kind: Kind, subject: tuple[str, str], audience: str, discriminator: str = "") -> str:
    """Return `KIND:SUBJECT:SUBJECT_ID:AUDIENCE[:DISCRIMINATOR]`, an injective encoding.

    :raises ValueError: a part that is empty, not ASCII, holds the separator, or a key beyond 200 characters
    """
    parts = [str(kind), *subject, audience, *([discriminator] if discriminator else [])]
    text = ":".join(parts)
    if any(not part or ":" in part for part in parts) or not text.isascii() or len(text) > KEY_MAX:
        raise ValueError(f"not a document key: {text[:80]!r}")
    return text


def fingerprint(*, kind: Kind, country: str, issuer: str, data: dict[str, object]) -> str:
    """Return the SHA-256 of the normalised business input.

    No event id, no times of the envelope, no contact data, nothing computed.
    """
    return canonical.sha256(value={"kind": str(kind), "country": country, "issuer": issuer, "data": data})


def claim(*, key: str, fingerprint: str) -> KeyClaim:
    """Claim a key for ever, inside the caller's transaction.

    Two statements at READ COMMITTED, on purpose: the insert waits for a rival transaction to end, and only a second
    statement has a snapshot that sees what the rival committed.
    """
    locks.declare(rank=locks.Rank.DOCUMENT_KEY, keys=[(key,)])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO documents_documentkey (key, fingerprint) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [key, fingerprint],
        )
        if cursor.rowcount == 1:
            return KeyClaim(fresh=True, fingerprint=fingerprint)
        cursor.execute("SELECT fingerprint FROM documents_documentkey WHERE key = %s", [key])
        (first,) = cursor.fetchone()
    return KeyClaim(fresh=False, fingerprint=first)


def repeated(*, document: Document, first: str, other: str, event: Event, actor: log.Actor) -> None:
    """Put on record that the event of a document was sent again.

    `first` and `other` are the fingerprints of both: should they differ, the document stays as it is, and a discrepancy
    names both events.
    """
    log.record(
        action=Action.DOCUMENT_REPEATED,
        object_type="document",
        object_id=document.public_id,
        actor=actor,
        code="divergent_repeat" if first != other else "",
    )
    metrics.DOCUMENT_REPEATED.inc()
    if first != other:
        key = document.document_key_id
        discrepancies.open_one(
            code="divergent_repeat",
            dedup_key=f"divergent_repeat:{key}:{other}",
            facts={"document_key": key, "first_event": document.event_id, "other_event": event.event_id},
            document=document,
            event=event,
            actor=actor,
        )
