"""Run the effect of a stored event, and move the event by what came of it.

`config.events.TABLE` says which function is the effect of a type, and which rows are locked before it. An effect
returns its outcome: `Issued`, `Waiting`, `Held` or `Ignored`. It has a savepoint of its own, so the event stays
whatever becomes of the effect.
"""

import dataclasses
import datetime as dt
import functools
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from django.db import InterfaceError, OperationalError, transaction
from django.utils.module_loading import import_string
from structlog import contextvars

from audit import log
from documents import errors, locks
from documents.emission import document_keys, issuing
from documents.events import envelope, outcomes
from documents.models import Document, Event, EventStatus, Kind
from documents.vault import comparisons, probes

logger = logging.getLogger(__name__)
# Not defects: the database is out, or the log. Nothing is stored, and the sender must try again.
OUTAGES = (OperationalError, InterfaceError, log.AuditUnavailable)
TABLE = "config.events.TABLE"  # a floor above, so by name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Issued:
    """What an effect has issued, now or before; nothing for an event that asks for no document."""

    documents: Sequence[issuing.IssuedDocument] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waiting:
    """An effect cannot run yet: `missing` names the subjects that must come first, such as `order:ord_1`.

    `until_woken`: they may never come, or wait for a person themselves, so no timer looks and nobody is alerted; only
    for what has the event's own subject, whose lock keeps the two one after the other.
    """

    missing: Sequence[str]
    until_woken: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Held:
    """An event cannot be issued as it is: a person must look at it, or a corrected one come.

    `awaits` names what may make it right or explain it, such as `payee:drv_1`: whoever brings that lets it be tried.
    """

    problem: errors.Problem
    awaits: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ignored:
    """An event asks for nothing, for the reason in `code`: it is stored, answered 202, and issues nothing."""

    code: str


Outcome = Issued | Waiting | Held | Ignored


class Effect(Protocol):
    """A function that issues what an event asks for."""

    def __call__(self, *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> Outcome:
        """Return what came of it; what it wrote before it returns `Waiting` or `Held` is undone."""


class RowLock(Protocol):
    """A function that locks the rows an effect is about."""

    def __call__(self, *, message: envelope.EventMessage) -> None:
        """Lock them until the transaction ends."""


class WaitEffect(Protocol):
    """A function that is called before an event moves that has issued nothing: to wait, to be held, or as a repeat."""

    def __call__(self, *, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> None:
        """Correct what was done in the belief that the effect would succeed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventType:
    """`service` signs events of the type; `effect` is the function that they set in motion.

    `locks` first locks the rows that the effect is about. It runs outside the effect's savepoint, so that they stay
    locked until the event's outcome is committed, whatever the outcome is. `waits` is called when nothing was issued.
    """

    service: str
    effect: Effect
    locks: RowLock | None = None
    waits: WaitEffect | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunResult:
    """What came of an effect: whether its documents were there before, and the rows that it has written now."""

    replayed: bool
    written: Sequence[Document] = ()


def holds_on_problem(effect: Effect) -> Effect:
    """Return an effect that holds its event with the problem which its calculation finds.

    Terms, amounts and numbers raise a problem wherever they meet a wrong figure; here it becomes an outcome.
    """

    @functools.wraps(effect)
    def outcome(*, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> Outcome:
        try:
            return effect(event=event, message=message, now=now, actor=actor)
        except errors.Problem as problem:
            return Held(problem=problem)

    return outcome


def row(*, type_: object) -> EventType | None:
    """Return the table's row of an event type; None for a type that is not in it."""
    table: Mapping[str, EventType] = import_string(TABLE)
    return table.get(type_) if isinstance(type_, str) else None


def message_of(*, event: Event) -> envelope.EventMessage:
    """Read a stored event's message again; it passed the schema when it came, whatever the clock says now."""
    return envelope.parse(payload=json.loads(bytes(event.body or b"")), now=None)


def lock_rows(*, message: envelope.EventMessage) -> None:
    """Lock what an effect is about before any row of an event, so that no two transactions wait for each other.

    Last comes the subject: of a wrong event and its correction that come at once, one sees what came of the other.
    """
    lock, subject = _row(message).locks, envelope.subject(message=message)
    if lock:
        lock(message=message)
    if subject:
        locks.advisory(rank=locks.Rank.SUBJECT, key=subject)


def run(
    *,
    event: Event,
    waits: Mapping[int, Event],
    message: envelope.EventMessage,
    now: dt.datetime,
    actor: log.Actor,
) -> RunResult:
    """Run an event until it rests; events about the same subject that came before it and wait are run first.

    Call after `lock_rows`; `waits` is what `outcomes.lock_waiting` has locked then.
    """
    for earlier in outcomes.waiting_before(event=event, waits=waits):
        _run_one(event=earlier, message=message_of(event=earlier), now=now, actor=actor)
        if earlier.status == EventStatus.PROCESSED:
            break
    return _run_one(event=event, message=message, now=now, actor=actor)


def _run_one(*, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> RunResult:
    """Run one event's effect, and move the event by what came of it.

    Where an earlier event about the same subject has its documents, this one is a repeat like any other unless it finds
    the same: what was issued stays, nothing is added, and a difference is put on record.
    """
    with contextvars.bound_contextvars(event=event.public_id):  # the log
        before = outcomes.processed_before(event=event)
        outcome = _outcome(event=event, message=message, before=before, now=now, actor=actor)
        stands, issued = _stands(outcome=outcome, before=before), _issued(outcome=outcome)
        written = [item.document for item in issued if stands and not item.replayed]
        waits = _row(message).waits
        repeats = before is not None and not stands
        if before is not None and repeats:
            _repeat(event=event, message=message, before=before, actor=actor)
        else:
            _move(event=event, outcome=outcome, now=now, actor=actor)
        if waits and outcome is not None and not written:
            waits(message=message, now=now, actor=actor)
        return RunResult(replayed=repeats or (bool(issued) and not written), written=[] if repeats else written)


def _issued(*, outcome: Outcome | None) -> Sequence[issuing.IssuedDocument]:
    """Return what an effect says it has issued."""
    return outcome.documents if isinstance(outcome, Issued) else ()


def _move(*, event: Event, outcome: Outcome | None, now: dt.datetime, actor: log.Actor) -> None:
    """Move an event by what came of its effect."""
    match outcome:
        case Issued(documents=issued):
            outcomes.processed(event=event, documents=[item.document.pk for item in issued], actor=actor)
        case Ignored(code=code):
            outcomes.ignored(event=event, code=code, actor=actor)
        case Waiting(missing=missing, until_woken=until_woken):
            outcomes.park(event=event, missing=sorted(set(missing)), until_woken=until_woken, now=now, actor=actor)
        case Held(problem=problem, awaits=awaits):
            outcomes.hold(event=event, problem=problem, awaits=awaits, actor=actor)
        case None:
            outcomes.failed(event=event, now=now, actor=actor)


def _outcome(
    *, event: Event, message: envelope.EventMessage, before: Event | None, now: dt.datetime, actor: log.Actor
) -> Outcome | None:
    """Return what came of an event's effect; None where it failed by a defect of ours.

    What it has written is undone unless its outcome stands.
    """
    if not probes.is_proven():
        return Waiting(missing=[probes.AWAITED])
    if comparisons.is_pending():
        return Waiting(missing=[comparisons.AWAITED])
    try:
        with transaction.atomic():
            outcome = _row(message).effect(event=event, message=message, now=now, actor=actor)
            if not _stands(outcome=outcome, before=before):
                transaction.set_rollback(rollback=True)
            return outcome
    except OUTAGES:
        raise
    except Exception:
        logger.exception("event.failed")
        return None


def _stands(*, outcome: Outcome | None, before: Event | None) -> bool:
    """Tell whether what an effect has written stays: it did not give up, and adds nothing to what the first issued."""
    if isinstance(outcome, Issued):
        return before is None or all(item.replayed for item in outcome.documents)
    return isinstance(outcome, Ignored)


def _repeat(*, event: Event, message: envelope.EventMessage, before: Event, actor: log.Actor) -> None:
    """Answer an event with the documents that its subject has already."""
    data = envelope.business_input(message=message)

    def known_as(kind: Kind) -> tuple[str, str]:
        return document_keys.known_as(kind=kind, country=message.country, issuer=message.issuer, data=data)

    outcomes.repeat(event=event, by=before, known_as=known_as, actor=actor)


def _row(message: envelope.EventMessage) -> EventType:
    """Return the table's row of a message; one that ignores it for a type that is in no table."""
    return row(type_=message.type) or EventType(service="", effect=_ignore)


def _ignore(**_: object) -> Ignored:
    return Ignored(code="")
