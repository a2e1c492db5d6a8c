"""Dispose of what has expired: the bytes go, the row with its hash and the log stay, and the log says who and how.

A document goes only when its last protected day is over where its law is, when no matter holds it, and when the store
lets it go: three looks, of which the last is not ours.
"""

import datetime as dt
from collections.abc import Iterator

from django.db import transaction
from django.db.models import QuerySet

from audit import log
from audit.actions import Action
from documents import errors, locks, metrics
from documents.custody import legal_holds
from documents.emission import custody
from documents.models import Document, Status
from documents.vault import store

METHOD = "versions deleted from the vault"
AHEAD = dt.timedelta(days=2)  # no zone is further from UTC


def expired(*, now: dt.datetime) -> Iterator[Document]:
    """Yield the documents whose retention is over and that no matter holds, the longest over first."""
    rows = due(now=now).only("pk", "country_id", "retain_until").order_by("retain_until", "pk")
    for row in rows.iterator():
        if custody.lock_end_of(country=row.country_id, retain_until=row.retain_until) <= now:
            yield row


def due(*, now: dt.datetime) -> QuerySet[Document]:
    """Return the LOCKED documents whose last day may be over, and that no matter holds."""
    return Document.objects.filter(~legal_holds.is_held(), status=Status.LOCKED, retain_until__lt=(now + AHEAD).date())


def dispose(*, document: Document, now: dt.datetime, actor: log.Actor) -> bool:
    """Remove a document's bytes from the vault and put that on record; False where that has been done.

    A crash between the two leaves a LOCKED row without bytes: the next run disposes of it all the same, unless a round
    has withheld it meanwhile, which a person then looks at.

    :raises errors.Problem: `retention_active`, `legal_hold_active` (both on record), `document_not_ready`
    :raises errors.WormError: `worm_still_locked`, `worm_unavailable`: nothing has changed
    """
    row = Document.objects.select_related("owner").get(pk=document.pk)
    if row.status == Status.DISPOSED:
        return False
    if code := _refusal(document=row, now=now):
        log.deny(actor=actor, object_type="document", object_id=row.public_id, code=code)
        raise errors.Problem(code=code)
    versions = _remove(document=row)
    with transaction.atomic():
        locks.declare(rank=locks.Rank.DOCUMENT, keys=[(row.pk,)])
        disposed = {"status": Status.DISPOSED, "disposed_at": now, "next_try_at": None}
        if not Document.objects.filter(pk=row.pk, status=Status.LOCKED).update(**disposed):
            return False
        log.record(
            action=Action.DOCUMENT_DISPOSED,
            object_type="document",
            object_id=row.public_id,
            actor=actor,
            facts=custody.facts(document=row),
            details={"method": METHOD, "vault_key": row.vault_key, "versions": versions},
        )
    metrics.DOCUMENT_DISPOSED.inc()
    return True


def _refusal(*, document: Document, now: dt.datetime) -> str:
    """Return the code of what keeps a document from being disposed of; "" for nothing."""
    if document.status != Status.LOCKED:
        return "document_not_ready"
    if custody.lock_end_of(country=document.country_id, retain_until=document.retain_until) > now:
        return "retention_active"
    return "legal_hold_active" if legal_holds.held_among(documents=[document]) else ""


def _remove(*, document: Document) -> int:
    """Remove every version of a document from the vault; return how many there were."""

    def work() -> int:
        vault = store.open_vault(url=document.vault_url)
        versions = [row for row in vault.versions(key=document.vault_key) if not row.marker]
        for version in versions:
            vault.dispose(key=document.vault_key, version=version.version)
        return len(versions)

    return store.guarded(work=work, url=document.vault_url)
