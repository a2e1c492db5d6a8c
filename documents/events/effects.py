"""Run the effect of a stored event: issue what it asks for, or find that it must wait or be held.

`config.events.TABLE` says which function is the effect of a type, and which rows are locked before it. The effect has
a savepoint of its own, so the event stays whatever becomes of the effect.
"""

import dataclasses
import datetime as dt
import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from django.db import InterfaceError, OperationalError, transaction
from django.utils.module_loading import import_string
from structlog import contextvars

from audit import log
from documents import errors
from documents.emission import document_keys
from documents.events import envelope, outcomes, waiting
from documents.models import Document, Event, EventStatus, Kind

if TYPE_CHECKING:
    from documents.emission import issuing

logger = logging.getLogger(__name__)
# Not defects: the database is out, or the log. Nothing is stored, and the sender must try again.
OUTAGES = (OperationalError, InterfaceError, log.AuditUnavailable)
TABLE = "config.events.TABLE"  # a floor above, so by name


class Effect(Protocol):
    """A function that issues what an event asks for."""

    def __call__(
        self, *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
    ) -> "Sequence[issuing.Issued]":
        """Return what was issued, now or before.

        :raises waiting.Parked: something that must come first is missing
        :raises errors.Problem: a person must look at it
        """


class RowLock(Protocol):
    """A function that locks the rows an effect is about."""

    def __call__(self, *, message: envelope.EventMessage) -> None:
        """Lock them until the transaction ends."""


class WaitEffect(Protocol):
    """A function that is called when an effect gave up, and its event is parked or held."""

    def __call__(self, *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> None:
        """Correct what was done in the belief that the effect would succeed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventType:
    """`service` signs events of the type; `effect` is the function that they set in motion.

    `locks` first locks the rows that the effect is about. It runs outside the effect's savepoint, so that they stay
    locked until the event's outcome is committed, whatever the outcome is. `waits` is called when the effect gave up.
    """

    service: str
    effect: Effect
    locks: RowLock | None = None
    waits: WaitEffect | None = None


class _AlreadyIssued(Exception):
    """An earlier event of the same subject has its documents, and this one would issue others."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunResult:
    """What came of an effect: whether its documents were there before, and the rows that it has written now."""

    replayed: bool
    written: Sequence[Document] = ()


def row(*, type_: object) -> EventType | None:
    """Return the table's row of an event type; None for a type that is not in it."""
    table: Mapping[str, EventType] = import_string(TABLE)
    return table.get(type_) if isinstance(type_, str) else None


def message_of(*, event: Event) -> envelope.EventMessage:
    """Read a stored event's message again; it passed the schema when it came, whatever the clock says now."""
    body = Event.objects.values_list("body", flat=True).get(pk=event.pk)
    return envelope.parse(payload=json.loads(bytes(body or b"")), now=None)


def lock_rows(*, message: envelope.EventMessage) -> None:
    """Lock what an effect is about before any row of an event, so that no two transactions wait for each other."""
    locks = _row(message).locks
    if locks:
        locks(message=message)


def run(*, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> RunResult:
    """Run an event until it rests; events about the same subject that came before it and wait are run first."""
    lock_rows(message=message)
    for earlier in outcomes.waiting_before(event=event):
        _run_one(event=earlier, message=message_of(event=earlier), now=now, actor=actor)
        if earlier.status == EventStatus.PROCESSED:
            break
    return _run_one(event=event, message=message, now=now, actor=actor)


def _run_one(*, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> RunResult:
    """Run one event's effect; what the effect did before it gave up is undone."""
    with contextvars.bound_contextvars(event=event.public_id):  # the log
        try:
            with transaction.atomic():
                issued = _issue(event=event, message=message, now=now, actor=actor)
        except (waiting.Parked, errors.Problem, _AlreadyIssued) as cause:
            repeated = _not_issued(event=event, message=message, cause=cause, now=now, actor=actor)
            return RunResult(replayed=repeated)
        except OUTAGES:
            raise
        except Exception:
            logger.exception("event.failed")
            repeated = _repeats(event=event, message=message, actor=actor)
            if not repeated:
                outcomes.failed(event=event, now=now, actor=actor)
            return RunResult(replayed=repeated)
        outcomes.processed(event=event, documents=[item.document.pk for item in issued], actor=actor)
        return RunResult(
            replayed=bool(issued) and all(item.replayed for item in issued),
            written=[item.document for item in issued if not item.replayed],
        )


def _issue(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> "Sequence[issuing.Issued]":
    """Call an event's effect.

    :raises _AlreadyIssued: an earlier event of the subject has its documents, and this one would issue others
    """
    issued = _row(message).effect(event=event, message=message, now=now, actor=actor)
    if any(not item.replayed for item in issued) and outcomes.processed_before(event=event) is not None:
        raise _AlreadyIssued
    return issued


def _not_issued(
    *,
    event: Event,
    message: envelope.EventMessage,
    cause: waiting.Parked | errors.Problem | _AlreadyIssued,
    now: dt.datetime,
    actor: log.Actor,
) -> bool:
    """Park or hold an event whose effect gave up; return whether it is answered with earlier documents instead."""
    if _repeats(event=event, message=message, actor=actor):
        return True
    if isinstance(cause, waiting.Parked):
        outcomes.park(event=event, missing=cause.missing, now=now, actor=actor)
    elif isinstance(cause, errors.Problem):
        outcomes.hold(event=event, problem=cause, actor=actor)
    waits = _row(message).waits
    if waits:
        waits(event=event, message=message, now=now, actor=actor)
    return False


def _repeats(*, event: Event, message: envelope.EventMessage, actor: log.Actor) -> bool:
    """Return whether an event's subject has its documents already, and answer it with them if so.

    It is then a repeat like any other: what was issued stays, and a difference is put on record.
    """
    before = outcomes.processed_before(event=event)
    if before is None:
        return False
    data = envelope.business_input(message=message)

    def fingerprint(kind: Kind) -> str:
        return document_keys.fingerprint(kind=kind, country=message.country, issuer=message.issuer, data=data)

    outcomes.repeat(event=event, by=before, fingerprint=fingerprint, actor=actor)
    return True


def _row(message: envelope.EventMessage) -> EventType:
    """Return the table's row of a message whose type is in it.

    :raises KeyError: a type that is in no table
    """
    table: Mapping[str, EventType] = import_string(TABLE)
    return table[message.type]
