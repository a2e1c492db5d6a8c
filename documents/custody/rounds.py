"""Rounds: what was locked in the last day is read again at once, and everything else within 90 days.

A round is a row that workers lease in turn, a batch each, so any of them goes on where another one was killed and the
pace holds for all together. What it has read, the documents say themselves: `verified_at` is the moment of the batch,
and one event of the log says so for all of them.
"""

import datetime as dt
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F, Min, Q

from audit import log
from audit.actions import Action
from documents import errors, locks
from documents.alerts import incidents
from documents.custody import displaced, inspection, missing, quarantine, restore
from documents.models import CustodyRound, Document, Status
from documents.resilience import leases
from documents.vault import places, rules

logger = logging.getLogger(__name__)
FRESH = dt.timedelta(days=1)  # what was locked within it is read in every round
LIMIT, AIM = dt.timedelta(days=90), dt.timedelta(days=72)  # all are read within LIMIT: each round has a share for AIM
OLDER_MIN = 500  # of the older ones, in one round
BATCH, PAUSE_S = 25, 0.02  # documents of one lease, and the rest after each: at most 50 a second
AGAIN = dt.timedelta(seconds=30)  # after the vault did not answer
SKEW = dt.timedelta(minutes=1)
MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"  # as the guard of `verified_at` writes it
STORE = "custody:store"
VAULT = "custody:vault"  # the dedup key of a vault that is not what it must be


@dataclass(kw_only=True)
class Seen:
    """What reading a batch came to; `failed` is why it ended early."""

    sound: list[int] = field(default_factory=list)
    withheld: list[tuple[Document, errors.Problem]] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    failed: errors.Problem | None = None


def go_on(*, now: dt.datetime) -> bool:
    """Read the next batch of the round that is under way, or begin one that is due; True: there is more to do."""
    _begin(now=now)
    under_way = CustodyRound.objects.filter(ended_at=None)
    with leases.lease(rows=leases.due(rows=under_way, now=now), now=now) as lease:
        if lease is None:
            return False
        row = CustodyRound.objects.get(pk=lease.pk)
        try:
            return _batch(row=row, lease=lease, now=now)
        except errors.Problem as problem:
            _put_off(row=row, problem=problem, now=now)
            return False


def _next(*, row: CustodyRound, now: dt.datetime) -> tuple[list[Document], bool]:
    """Return the next documents that a round has to read, and whether they count against its share of older ones."""
    locked = Document.objects.filter(status=Status.LOCKED, vault_url__in=places.known()).exclude(pk__in=row.unread)
    rows = locked.select_related(*inspection.JOINED).defer(*inspection.DEFERRED).order_by("verified_at", "pk")
    since = row.began_at - FRESH
    # A moment that is missing or still to come was not written by a round.
    forged = rows.filter(Q(verified_at=None) | Q(verified_at__gt=now + SKEW))
    fresh = rows.filter(verified_at__gte=since, verified_at__lt=row.began_at, locked_at__gte=since)
    first = list(forged[:BATCH]) or list(fresh[:BATCH])
    if first:
        return first, False
    return list(rows.filter(verified_at__lt=row.began_at)[: min(BATCH, row.older)]), True


def _begin(*, now: dt.datetime) -> None:
    """Begin a round, unless one is under way or the last one began too recently."""
    if CustodyRound.objects.filter(ended_at=None).exists():
        return
    every_s = settings.CUSTODY_ROUND_S
    began_at = dt.datetime.fromtimestamp(now.timestamp() // every_s * every_s, tz=dt.UTC)
    if CustodyRound.objects.filter(began_at__gte=began_at).exists():
        return
    locked = Document.objects.filter(status=Status.LOCKED).count()
    share = math.ceil(locked * every_s / AIM.total_seconds())
    late = Document.objects.filter(status=Status.LOCKED, verified_at__lt=began_at - AIM).count()
    # Workers begin at the same moments: of two at once, one row.
    CustodyRound.objects.bulk_create(
        [CustodyRound(began_at=began_at, older=max(OLDER_MIN, share, late), next_try_at=now)], ignore_conflicts=True
    )


def _batch(*, row: CustodyRound, lease: leases.Lease, now: dt.datetime) -> bool:
    """Read one batch; without any left, look for what is missing and end the round."""
    batch, older = _next(row=row, now=now)
    if not batch:
        _end(lease=lease, now=now)
        return False
    seen = read(batch=batch, now=now)
    if _note(lease=lease, seen=seen, older=len(batch) if older else 0, now=now) and seen.failed is not None:
        raise seen.failed
    return True


def read(*, batch: Sequence[Document], now: dt.datetime) -> Seen:
    """Check documents one after the other and withhold those that are not what was locked; an outage ends it."""
    said = inspection.recorded(documents=batch)
    seen = Seen()
    for document in batch:
        try:
            inspection.check(document=document, said=said)
            seen.sound.append(document.pk)
        except errors.Problem as problem:
            if problem.code not in quarantine.BROKEN:
                seen.failed = problem
                break
            if _withhold(document=document, problem=problem, said=said, now=now):
                seen.withheld.append((document, problem))
        except (DatabaseError, InterfaceError, log.AuditUnavailable):
            raise
        except Exception:
            # One document must not keep the others from being read.
            logger.exception("custody.not_read", extra={"document": document.public_id})
            seen.unread.append(document.pk)
        time.sleep(PAUSE_S)
    return seen


def confirm(*, sound: Sequence[int], now: dt.datetime) -> None:
    """Write, in the caller's transaction, that documents were read again and are what was locked."""
    if not sound:
        return
    locks.declare(rank=locks.Rank.DOCUMENT, keys=[(pk,) for pk in sound])
    Document.objects.filter(pk__in=sound, status=Status.LOCKED).update(verified_at=now)
    log.record(
        action=Action.DOCUMENT_VERIFIED,
        object_type="documents",
        object_id=now.astimezone(dt.UTC).strftime(MOMENT),
        actor=log.SYSTEM,
        details={"documents": len(sound)},
    )


def _withhold(*, document: Document, problem: errors.Problem, said: inspection.SealedFacts, now: dt.datetime) -> bool:
    """Withhold a document that does not check out; False where it was withheld already, or is not LOCKED any more."""
    number = next((facts["number"] for _, facts in said.get(document.public_id, ()) if "number" in facts), "")
    values: dict[str, errors.Value] = {"document": number} if number else {}
    if "columns" in problem.values:
        values["columns"] = problem.values["columns"]
    return quarantine.withhold(document=document, code=problem.code, actor=log.SYSTEM, now=now, values=values)


def _note(*, lease: leases.Lease, seen: Seen, older: int, now: dt.datetime) -> bool:
    """Write what a batch came to and let the next one be leased; False where another worker has the round now."""
    with transaction.atomic():
        confirm(sound=seen.sound, now=now)
        row = CustodyRound.objects.get(pk=lease.pk)
        if not leases.release(
            lease=lease,
            next_try_at=now,
            verified=row.verified + len(seen.sound),
            findings=row.findings + len(seen.withheld),
            older=max(0, row.older - older),
            unread=[*row.unread, *seen.unread],
        ):
            transaction.set_rollback(True)
            return False
        if seen.sound:
            incidents.resolve_alert(dedup_key=VAULT)
    return True


def _put_off(*, now: dt.datetime, problem: errors.Problem, row: CustodyRound) -> None:
    """Try again later: the vault does not answer, or is not what it must be, which is an incident of its own."""
    CustodyRound.objects.filter(pk=row.pk, ended_at=None).update(next_try_at=now + AGAIN, **leases.ENDED)
    logger.warning("custody.put_off", extra={"code": problem.code})
    if problem.row.severity == "P1" and not rules.is_our_clock(problem=problem):
        values = {**problem.values, "what": "custody"}
        incidents.open_alert(code=problem.code, dedup_key=VAULT, values=values, object_id="vault")


def _end(*, lease: leases.Lease, now: dt.datetime) -> None:
    """Look for what is missing or displaced, and end the round with what is left to read."""
    restore.look(now=now, actor=log.SYSTEM)
    gone = missing.look()
    elsewhere = displaced.look(now=now)
    _warn_of_unknown_store()
    locked = Document.objects.filter(status=Status.LOCKED)
    leases.finish(
        lease=lease,
        ended_at=now,
        findings=F("findings") + elsewhere,
        missing=len(gone),
        overdue=overdue(now=now),
        oldest_at=locked.aggregate(oldest_at=Min("verified_at"))["oldest_at"],
    )


def _warn_of_unknown_store() -> None:
    """Open one P2 for documents whose rows name a store that cannot be opened; resolve it where there are none."""
    lost = Document.objects.filter(status=Status.LOCKED).exclude(vault_url__in=places.known()).order_by("pk").first()
    if lost is None:
        incidents.resolve_alert(dedup_key=STORE)
    else:
        values: dict[str, errors.Value] = {"cause": "unknown_store", "store": lost.vault_url, "what": lost.number}
        incidents.open_alert(code="worm_unavailable", dedup_key=STORE, values=values, object_id=lost.public_id)


def overdue(*, now: dt.datetime) -> int:
    """Count the locked documents that nobody has read again for longer than LIMIT."""
    return Document.objects.filter(status=Status.LOCKED, verified_at__lt=now - LIMIT).count()
