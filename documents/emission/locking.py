"""Bring a document from ISSUED to LOCKED: the table of steps, and the loop that takes them."""

import datetime as dt
import functools
from collections.abc import Callable

from django.db import transaction
from django.db.models import QuerySet
from structlog import contextvars

from audit import log
from audit.actions import Action
from documents import catalog, errors, metrics
from documents.alerts import incidents
from documents.delivery import deliveries
from documents.emission import custody, printing
from documents.models import Document, Kind, Status
from documents.resilience import dependencies, leases, queue
from documents.task_names import TaskName
from documents.vault import places, rules, store

RENDER_TRIES_MAX = 3  # then the plain built-in template prints the same content
WAIT_MAX_S = 3600  # nobody else's clock decides for longer
TRIES_MAX = 8  # then the document rests with its cause until a person retries it


def advance(*, document_id: int, now: dt.datetime) -> None:
    """Move a document as far as it goes: the only loop of the line, bounded by the number of states."""
    for _ in STEPS:
        status = Document.objects.values_list("status", flat=True).get(pk=document_id)
        step = STEPS.get(Status(status))
        if step is None or not step(document_id, now):
            return


def advance_next(*, rows: QuerySet[Document], now: dt.datetime) -> bool:
    """Lock the first of `rows` that no other worker has; return whether there was one."""
    with leases.lease(rows=rows, now=now) as lease:
        if lease is None:
            return False
        _lock_leased(lease=lease, now=now)
        return True


def due(*, now: dt.datetime) -> QuerySet[Document]:
    """Return the documents that are not LOCKED yet and may be tried now, those that have waited longest first."""
    return leases.due(rows=Document.objects.filter(status=Status.ISSUED), now=now)


def retry(*, document: Document, actor: log.Actor, now: dt.datetime) -> bool:
    """Let a document that has given up be tried again, counted from zero; return whether it was waiting."""
    with transaction.atomic():
        moved = Document.objects.filter(pk=document.pk, status=Status.ISSUED).update(attempts=0, next_try_at=now)
        if moved:
            log.record(
                action=Action.DOCUMENT_RETRIED, object_type="document", object_id=document.public_id, actor=actor
            )
            transaction.on_commit(
                functools.partial(queue.enqueue, task=catalog.TABLE[Kind(document.kind)].task, document_id=document.pk)
            )
    return bool(moved)


def _lock(document_id: int, now: dt.datetime) -> bool:
    """Lease one document and lock it."""
    with leases.lease(rows=Document.objects.filter(pk=document_id, status=Status.ISSUED), now=now) as lease:
        return lease is not None and _lock_leased(lease=lease, now=now)


def _lock_leased(*, lease: leases.Lease, now: dt.datetime) -> bool:
    """Render, store and verify a leased document, and only then call it LOCKED."""
    document = Document.objects.select_related("issuer", "country", "owner").get(pk=lease.pk)
    with contextvars.bound_contextvars(document=document.public_id):  # the log
        return _lock_or_rest(document=document, lease=lease, now=now)


def _lock_or_rest(*, document: Document, lease: leases.Lease, now: dt.datetime) -> bool:
    """Lock a leased document, or put it off."""
    try:
        _refuse_endless(document=document)
        locked_file = custody.lock(document=document, lease=lease, plain=document.attempts > RENDER_TRIES_MAX)
    except errors.Problem as problem:
        _rest(document=document, lease=lease, problem=problem, now=now)
        return False
    return _confirm(document=document, lease=lease, locked_file=locked_file)


def _refuse_endless(*, document: Document) -> None:
    """Give up on a document whose tries all ended their worker before they came to an end.

    :raises errors.Problem: `internal_error`
    """
    if document.attempts > TRIES_MAX:
        raise errors.Problem(code="internal_error", values={"cause": "no_try_ended"})


def _confirm(*, document: Document, lease: leases.Lease, locked_file: custody.LockedFile) -> bool:
    """Move a document to LOCKED with its audit event and deliveries, if the lease still holds."""
    stored = locked_file.stored
    locked_at = max(stored.stored_at, document.issued_at)  # S3 tells time in whole seconds
    with transaction.atomic():
        moved = leases.finish(
            lease=lease,
            status=Status.LOCKED,
            locked_at=locked_at,
            verified_at=locked_at,
            vault_url=places.here(),
            vault_version=stored.version,
            vault_mode=stored.mode,
            file_sha256=stored.sha256,
            file_bytes=stored.size,
            pages=locked_file.pages,
            flags=sorted({*document.flags, *locked_file.flags}),
            cause="",
        )
        if not moved:
            return False
        document.refresh_from_db()
        log.record(
            action=Action.DOCUMENT_LOCKED,
            object_type="document",
            object_id=document.public_id,
            actor=log.SYSTEM,
            facts=custody.facts(document=document),
            details={"vault_url": document.vault_url, "vault_key": stored.key, "vault_mode": stored.mode},
        )
        _plan_deliveries(document=document, now=locked_at)
        _warn_of_siblings(document=document, stored=stored)
        if document.attempts > 1:
            incidents.resolve_alert(dedup_key=f"document:{document.public_id}")
    printing.succeeded()
    metrics.DOCUMENT_LOCKED.inc()
    metrics.EMISSION_SECONDS.labels(step="locked").observe((locked_at - document.issued_at).total_seconds())
    return True


def _warn_of_siblings(*, document: Document, stored: store.Stored) -> None:
    """Open an alert for a second version with the same bytes, which two workers left that were at work at once."""
    if stored.siblings:
        incidents.open_alert(
            code="worm_extra_version",
            severity="P2",  # the same bytes: nothing but room is lost
            dedup_key=f"siblings:{document.public_id}",
            values={"cause": "identical", "key": stored.key, "version": stored.siblings[0], "what": document.number},
            object_id=document.public_id,
        )


def _plan_deliveries(*, document: Document, now: dt.datetime) -> None:
    """Plan the deliveries of a locked document, and enqueue those that are due at once."""
    for planned in deliveries.plan(document=document, now=now, actor=log.SYSTEM):
        transaction.on_commit(functools.partial(queue.enqueue, task=TaskName.DELIVER, delivery_id=planned.pk))


def _rest(*, document: Document, lease: leases.Lease, problem: errors.Problem, now: dt.datetime) -> None:
    """Store why a document could not be locked: it is tried again later or, out of tries, by a person.

    An outage is not the document's fault and costs it no tries; nor is a clock that is off, an incident of its own.
    """
    code, worm = problem.code, problem.code.startswith("worm_")
    outage = worm and (problem.row.retryable or rules.is_our_clock(problem=problem))
    printing.failed(document_id=document.pk, problem=problem)
    waits = problem.code in printing.CODES and printing.fails()  # for the renderer, like all others
    final = not (outage or waits) and document.attempts >= TRIES_MAX
    pause_s = _pause_s(document=document, problem=problem, outage=outage, waits=waits)
    with transaction.atomic():
        rested = leases.release(
            lease=lease,
            cause=code,
            attempts=_counted(document=document, outage=outage, waits=waits),
            next_try_at=None if final else now + dt.timedelta(seconds=pause_s),
        )
        if not rested:
            return
        log.record(
            action=Action.DOCUMENT_WORM_FAILED if worm else Action.DOCUMENT_RENDER_FAILED,
            object_type="document",
            object_id=document.public_id,
            actor=log.SYSTEM,
            outcome="failed",
            code=code,
        )
        # An outage is the dependency's one incident, not one for each document that waits; a first try is none.
        is_lasting = document.attempts >= RENDER_TRIES_MAX or problem.row.severity == "P1"
        if final or (is_lasting and not (outage or waits)):
            incidents.open_alert(
                code=code,
                dedup_key=f"document:{document.public_id}",
                values={**problem.values, "what": document.number},
                object_id=document.public_id,
            )


def _pause_s(*, document: Document, problem: errors.Problem, outage: bool, waits: bool) -> float:
    """Return how long a document rests, s: at least for as long as the store asked for."""
    pause_s = dependencies.backoff_s(dependency="vault" if outage else "renderer", attempt=document.attempts)
    if waits:
        pause_s = min(pause_s, printing.PAUSE_MAX_S)
    wait_s = problem.values.get("wait_s", 0)
    return max(pause_s, min(wait_s, WAIT_MAX_S)) if isinstance(wait_s, int) else pause_s


def _counted(*, document: Document, outage: bool, waits: bool) -> int:
    """Return how many tries a document has had: an outage is none, and a dying renderer never the last one."""
    if outage:
        return document.attempts - 1
    return min(document.attempts, TRIES_MAX - 1) if waits else document.attempts


# TABLE: the line. State -> the step that leaves it; a document rests in a state that has no step.
STEPS: dict[Status, Callable[[int, dt.datetime], bool]] = {Status.ISSUED: _lock}
