"""Copy locked documents into the store of VAULT_URL, one at a time; each row names the store that it lies in.

A copy of what a matter holds bears the store's own hold before its row names it. Until then a document is read from
where it was: at no moment is it without its bytes, and the work may end anywhere and be begun again. Nothing is removed
from a former store.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from audit import log
from audit.actions import Action
from documents import errors, locks
from documents.custody import hold_marks, legal_holds, quarantine
from documents.emission import custody
from documents.models import Document, Status
from documents.vault import places, store

BATCH = 200  # rows that are read at a time
UNKNOWN = "unknown_store"  # of `worm_unavailable`: nothing says how the store is opened that a row names


@dataclass(kw_only=True)
class MigratedSummary:
    """What became of the documents that lay elsewhere: `refused` has a code for each number that stays where it is."""

    moved: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def elsewhere() -> QuerySet[Document]:
    """Return the locked documents whose row names another store than VAULT_URL's."""
    return Document.objects.filter(status=Status.LOCKED).exclude(vault_url=places.here())


def walk() -> Iterator[Document]:
    """Yield each document that lies elsewhere, once, however many there are."""
    last = 0
    while True:
        batch = list(elsewhere().select_related("owner").filter(pk__gt=last).order_by("pk")[:BATCH])
        yield from batch
        if not batch:
            return
        last = batch[-1].pk


def migrate(*, document: Document, actor: log.Actor, now: dt.datetime) -> str:
    """Copy one document, and let its row name the copy; return the code for which it stays where it is, or nothing.

    :raises errors.WormError: a store does not answer; nothing has changed
    """
    try:
        body, until = _source(document=document)
    except errors.WormError as error:
        if error.values.get("cause") == UNKNOWN:
            return error.code
        if error.code not in quarantine.BROKEN:
            raise
        quarantine.withhold(document=document, code=error.code, actor=actor, now=now)
        return error.code
    try:
        # Repeated after it was cut off, this adopts the copy that is there.
        stored = store.lock(key=document.vault_key, body=body, retain_until=until, sha256=document.file_sha256)
        held = bool(legal_holds.held_among(documents=[document]))
        if held:
            hold_marks.mark(url=places.here(), key=stored.key, on=True)
    except errors.WormError as error:
        if error.code not in quarantine.BROKEN:
            raise
        return error.code
    _name(document=document, stored=stored, held=held, actor=actor, now=now)
    return ""


def _source(*, document: Document) -> tuple[bytes, dt.datetime]:
    """Return a document's bytes, compared with its row in the store that it names, and when they are locked until.

    A store that has been given another address cannot be opened by the one that the row names: what lies under the
    document's key in the present one, with the hash of its row, is then the document.
    """
    policy = custody.lock_end(document=document)
    if not places.is_known(url=document.vault_url):
        there = store.guarded(work=lambda: store.open_vault().find(key=document.vault_key))
        if there and there.sha256 == document.file_sha256:
            body = store.read(key=there.key, version=there.version, url=places.here())
            return body, max(policy, there.retain_until)
        raise errors.WormError(code="worm_unavailable", values={"cause": UNKNOWN, "store": document.vault_url})
    where: dict[str, Any] = {"url": document.vault_url, "key": document.vault_key, "version": document.vault_version}
    size = document.file_bytes or 0
    stored = store.verify(**where, sha256=document.file_sha256, size=size, retain_until=policy)
    return store.read(**where), max(policy, stored.retain_until)


def _name(*, document: Document, stored: store.Stored, held: bool, actor: log.Actor, now: dt.datetime) -> None:
    """Let a row name the copy, unless another command has done so or it was withheld meanwhile.

    The former store's hold says nothing of the copy: what has been held since is marked by the next look.
    """
    former = document.vault_url
    with transaction.atomic():
        locks.declare(rank=locks.Rank.DOCUMENT, keys=[(document.pk,)])
        moved = Document.objects.filter(pk=document.pk, status=Status.LOCKED, vault_url=former).update(
            vault_url=places.here(),
            vault_version=stored.version,
            vault_mode=stored.mode,
            verified_at=now,
            hold_told_at=now if held else None,
        )
        if moved:
            document.refresh_from_db()
            log.record(
                action=Action.DOCUMENT_MIGRATED,
                object_type="document",
                object_id=document.public_id,
                actor=actor,
                facts=custody.facts(document=document),
                details={"vault_url": document.vault_url, "vault_key": stored.key, "vault_mode": stored.mode},
            )
