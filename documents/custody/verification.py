"""A look at one document now, rung by rung: its bytes and their lock, the content in them, its record, and a render."""

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from django.db import transaction

from audit import log
from documents import errors, locks
from documents.custody import inspection, quarantine
from documents.emission import attachments, custody
from documents.models import Document, Status
from documents.vault import store

LOCK_CODES = frozenset({"worm_lock_missing", "worm_lock_too_short", "worm_mode_weak"})


class RungOutcome(StrEnum):
    """What came of a rung."""

    OK = "ok"
    FAILED = "failed"
    NOT_COMPARABLE = "not_comparable"  # an earlier rung or another engine leaves nothing to compare


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rung:
    """One rung: `code` says why it failed, `columns` what contradicts the log or the content."""

    rung: str
    outcome: RungOutcome
    code: str = ""
    columns: tuple[str, ...] = ()


def climb(*, document: Document, actor: log.Actor, now: dt.datetime) -> list[Rung]:
    """Verify a document and put the look on record; one whose bytes, lock or record differ is withheld.

    :param document: read with `inspection.JOINED`; locked, or in quarantine
    :raises errors.Problem: the vault does not answer, or `render_timeout`
    """
    rungs = [*_stored(document=document), _recorded(document=document)]
    pdf = None
    if all(rung.outcome is RungOutcome.OK for rung in rungs[:2]):
        pdf = store.read(url=document.vault_url, key=document.vault_key, version=document.vault_version)
    rungs.insert(2, _embedded(document=document, pdf=pdf))
    rungs.append(_rendered(document=document, pdf=pdf))
    broken = next((rung for rung in rungs if rung.code in quarantine.BROKEN), None)
    if broken is not None:
        quarantine.withhold(document=document, code=broken.code, actor=actor, now=now)
    with transaction.atomic():
        if broken is None:
            locks.declare(rank=locks.Rank.DOCUMENT, keys=[(document.pk,)])
            Document.objects.filter(pk=document.pk, status=Status.LOCKED).update(verified_at=now)
        quarantine.record_look(document=document, actor=actor, code=broken.code if broken else "")
    return rungs


def _stored(*, document: Document) -> list[Rung]:
    """Read the bytes back, and look at their lock."""

    def work() -> None:
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

    code = _code_of(work=work)
    if not code:
        return [Rung(rung="bytes", outcome=RungOutcome.OK), Rung(rung="lock", outcome=RungOutcome.OK)]
    if code in LOCK_CODES:
        return [Rung(rung="bytes", outcome=RungOutcome.OK), Rung(rung="lock", outcome=RungOutcome.FAILED, code=code)]
    failed = Rung(rung="bytes", outcome=RungOutcome.FAILED, code=code)
    return [failed, Rung(rung="lock", outcome=RungOutcome.NOT_COMPARABLE)]


def _embedded(*, document: Document, pdf: bytes | None) -> Rung:
    """Compare the content that the bytes carry."""
    if pdf is None:
        return Rung(rung="embedded", outcome=RungOutcome.NOT_COMPARABLE)
    if attachments.content_sha256(pdf=pdf) == document.content_sha256:
        return Rung(rung="embedded", outcome=RungOutcome.OK)
    return Rung(rung="embedded", outcome=RungOutcome.FAILED, code="worm_checksum_mismatch")


def _recorded(*, document: Document) -> Rung:
    """Compare the row with the log and with its content."""
    said = inspection.recorded(documents=[document])
    columns = inspection.differences(document=document, said=said)
    if not columns:
        return Rung(rung="record", outcome=RungOutcome.OK)
    return Rung(rung="record", outcome=RungOutcome.FAILED, code="record_differs", columns=tuple(columns))


def _rendered(*, document: Document, pdf: bytes | None) -> Rung:
    """Print the content again and compare; with another engine or bundle nothing can be said."""
    if pdf is None:
        return Rung(rung="render", outcome=RungOutcome.NOT_COMPARABLE)
    try:
        json.loads(document.content)
        rendered = custody.print_again(document=document)
    except (ValueError, errors.Problem):
        return Rung(rung="render", outcome=RungOutcome.NOT_COMPARABLE)
    made_by: Any = (rendered.engine, rendered.bundle_digest)
    if made_by != (document.engine, document.bundle_digest):
        return Rung(rung="render", outcome=RungOutcome.NOT_COMPARABLE)
    return Rung(rung="render", outcome=RungOutcome.OK if rendered.pdf == pdf else RungOutcome.FAILED)


def _code_of(*, work: Callable[[], None]) -> str:
    """Return the code of what is wrong with the stored bytes; "" for nothing.

    :raises errors.Problem: the vault does not answer
    """
    try:
        work()
    except errors.Problem as problem:
        if problem.code not in quarantine.BROKEN:
            raise
        return problem.code
    return ""
