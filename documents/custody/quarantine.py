"""The quarantine of a document whose bytes are not what they were: nobody gets it until a person has released it."""

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType

from django.db import transaction

from audit import log
from audit.actions import Action
from documents import errors, locks, metrics
from documents.alerts import incidents
from documents.custody import inspection
from documents.models import Document, Status

BROKEN = (
    frozenset(  # the bytes, their lock or their record are not what was promised: nothing else is learned by waiting
        {"worm_checksum_mismatch", "worm_version_missing", "worm_lock_missing", "worm_lock_too_short", "worm_mode_weak"}
        | {"worm_delete_marker", "worm_extra_version", "record_differs"}
    )
)


def withhold(
    *,
    document: Document,
    code: str,
    actor: log.Actor,
    now: dt.datetime,
    values: Mapping[str, errors.Value] = MappingProxyType({}),
    out_of: str = Status.LOCKED,
) -> bool:
    """Withhold a document whose bytes are not what they were, and open a P1; False where it was withheld already.

    :param out_of: the status that its row says it has
    :param values: what the alert says besides, or of another number than the row's
    """
    with transaction.atomic():
        locks.declare(rank=locks.Rank.DOCUMENT, keys=[(document.pk,)])
        moved = Document.objects.filter(pk=document.pk, status=out_of).update(
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
            values={"document": document.number, "cause": code, **values},
            object_id=document.public_id,
        )
    metrics.DOCUMENT_QUARANTINED.inc()
    return True


def release(*, document: Document, reason: str, actor: log.Actor, now: dt.datetime) -> bool:
    """Let a document out of quarantine after a fresh look at its bytes and their lock; False where it is in none.

    Not within a transaction: the look asks the vault.

    :param reason: why a person releases it, in that person's words
    :raises errors.Problem: what `look` raises; the document stays withheld
    """
    sound_since = look(document=document, actor=actor)
    return end(document=document, sound_since=sound_since, reason=reason, actor=actor, now=now)


def look(*, document: Document, actor: log.Actor) -> dt.datetime | None:
    """Look afresh at a withheld document's bytes, their lock and its record. One that finds something is on record.

    :returns: since when it is withheld, by which `end` knows the quarantine; None where it is in none
    :raises errors.Problem: bytes, lock or record are still not what was promised, or the vault does not answer
    """
    document.refresh_from_db()
    if document.status != Status.QUARANTINED:
        return None
    try:
        inspection.check(document=document, said=inspection.recorded(documents=[document]))
    except errors.Problem as error:
        with transaction.atomic():
            record_look(document=document, actor=actor, code=error.code)
        raise
    return document.quarantined_at


def end(
    *, document: Document, sound_since: dt.datetime | None, reason: str, actor: log.Actor, now: dt.datetime
) -> bool:
    """End the quarantine during which a look found everything as promised; False where that is over, or none was.

    :param sound_since: what `look` has returned
    """
    if sound_since is None:
        return False
    with transaction.atomic():
        locks.declare(rank=locks.Rank.DOCUMENT, keys=[(document.pk,)])
        # The moment names this quarantine: one that somebody else has ended and another has begun is not released.
        moved = Document.objects.filter(pk=document.pk, status=Status.QUARANTINED, quarantined_at=sound_since).update(
            status=Status.LOCKED, quarantined_at=None, cause="", verified_at=now
        )
        if not moved:
            return False
        record_look(document=document, actor=actor)
        log.record(
            action=Action.DOCUMENT_RELEASED,
            object_type="document",
            object_id=document.public_id,
            actor=actor,
            details={"reason": reason, "cause": document.cause},
        )
        incidents.resolve_alert(dedup_key=f"quarantine:{document.public_id}")
    return True


def record_look(*, document: Document, actor: log.Actor, code: str = "") -> None:
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
