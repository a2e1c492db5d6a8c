"""The quarantine of a document whose bytes are not what they were: nobody gets it until a person has released it."""

import datetime as dt

from django.db import transaction

from audit import log
from audit.actions import Action
from documents import errors, locks, metrics
from documents.alerts import incidents
from documents.emission import custody
from documents.models import Document, Status
from documents.vault import store


def withhold(*, document: Document, code: str, actor: log.Actor, now: dt.datetime) -> bool:
    """Withhold a document whose bytes are not what they were, and open a P1; False where it was withheld already."""
    with transaction.atomic():
        locks.declare(rank=locks.Rank.DOCUMENT, keys=[(document.pk,)])
        moved = Document.objects.filter(pk=document.pk, status=Status.LOCKED).update(
            status=Status.QUARANTINED, quarantined_at=now, cause=code
        )
        if not moved:
            return False
        log.record(
            action=Action.DOCUMENT_QUARANTINED,
            object_type="document",
            object_id=document.public_id,
            actor=actor,
            outcome="failed",
            code=code,
            facts={"file_sha256": document.file_sha256, "vault_version": document.vault_version},
        )
        incidents.open_alert(
            code="document_quarantined",
            dedup_key=f"quarantine:{document.public_id}",
            values={"document": document.number, "cause": code},
            object_id=document.public_id,
        )
    metrics.DOCUMENT_QUARANTINED.inc()
    return True


def release(*, document: Document, reason: str, actor: log.Actor, now: dt.datetime) -> bool:
    """Let a document out of quarantine after a fresh look at its bytes and their lock; False where it is in none.

    The look is on record with what it found, and a document that does not pass it stays withheld.

    :param reason: why a person releases it, in that person's words
    :raises errors.WormError: bytes or lock are still not what was promised, or the vault does not answer
    """
    document.refresh_from_db()
    if document.status != Status.QUARANTINED:
        return False
    try:
        _check_custody(document=document)
    except errors.WormError as error:
        with transaction.atomic():
            _record_look(document=document, actor=actor, code=error.code)
        raise
    with transaction.atomic():
        locks.declare(rank=locks.Rank.DOCUMENT, keys=[(document.pk,)])
        # The moment names this quarantine: one that somebody else has ended and another has begun is not released.
        moved = Document.objects.filter(
            pk=document.pk, status=Status.QUARANTINED, quarantined_at=document.quarantined_at
        ).update(status=Status.LOCKED, quarantined_at=None, cause="", verified_at=now)
        if not moved:
            return False
        _record_look(document=document, actor=actor)
        log.record(
            action=Action.DOCUMENT_RELEASED,
            object_type="document",
            object_id=document.public_id,
            actor=actor,
            details={"reason": reason, "cause": document.cause},
        )
        incidents.resolve_alert(dedup_key=f"quarantine:{document.public_id}")
    return True


def _check_custody(*, document: Document) -> None:
    """Read a document's bytes back from the vault and compare them and their lock with its row.

    :raises errors.WormError: what differs, or that the vault does not answer
    """
    stored = store.verify(
        url=document.vault_url,
        key=document.vault_key,
        version=document.vault_version,
        sha256=document.file_sha256,
        size=document.file_bytes or 0,
        retain_until=custody.lock_end(document=document),
    )
    if stored.mode != document.vault_mode:
        raise errors.WormError(code="worm_mode_weak", values={"mode": stored.mode})


def _record_look(*, document: Document, actor: log.Actor, code: str = "") -> None:
    """Record that the stored bytes and their lock were looked at, and the code of what is wrong with them."""
    log.record(
        action=Action.DOCUMENT_VERIFIED,
        object_type="document",
        object_id=document.public_id,
        actor=actor,
        outcome="failed" if code else "ok",
        code=code,
        facts={"file_sha256": document.file_sha256, "vault_version": document.vault_version},
    )
