"""Intake: a signed event is stored raw and once, set in motion in the same transaction, and answered with the truth.

Nothing here knows HTTP: `receive` gives a status and a body. The answers are the table "No fact is lost".
"""

import dataclasses
import datetime as dt
import functools
import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F
from django.utils.module_loading import import_string

from audit import log
from audit.actions import Action
from documents import canonical, errors, identifiers, metrics, transactions
from documents.alerts import discrepancies
from documents.emission import document_keys
from documents.events import answers, envelope, outcomes, store, strict_json
from documents.events import waiting as events_waiting
from documents.models import Document, Event, EventStatus, Kind

if TYPE_CHECKING:
    from documents.emission import issuing

logger = logging.getLogger(__name__)
# Not defects: the database is out, or the log; nothing is stored, and the sender keeps the fact and tries again.
_OUT = (OperationalError, InterfaceError, log.AuditUnavailable)
TABLE = "config.events.TABLE"  # upward, so by name


class _ToldBefore(Exception):
    """Another event has told the same fact before, and what this one would add was not told then."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Ran:
    """What came of an effect: whether its documents were there before, and the rows that it has written now."""

    replayed: bool
    written: Sequence[Document] = ()


def receive(*, raw: bytes, services: Sequence[str], now: dt.datetime, actor: log.Actor) -> answers.Answer:
    """Take in one signed body, once, and answer what is true of it now.

    `services` are the platform services whose secret signed it. A rival transaction may make PostgreSQL give this one
    up (deadlock); it is then safe to run again from the start. A defect of ours is 503 `internal_error`, never a 2xx:
    the event is stored and run again by itself, and a repeat runs it at once.

    :raises errors.Problem: `event_type_not_allowed`; nothing is stored
    :raises django.db.OperationalError: the database is out; nothing is stored and the sender must try again
    :raises audit.log.AuditUnavailable: the same of the log
    """
    try:
        return _receive(raw=raw, services=services, now=now, actor=actor)
    except (errors.Problem, *_OUT):
        raise
    except Exception:
        logger.exception("an event could not be stored")
        problem = outcomes.defect(detail="the event is not stored: send it again")
        return answers.Answer(status=problem.status, body={}, problem=problem)


def _receive(*, raw: bytes, services: Sequence[str], now: dt.datetime, actor: log.Actor) -> answers.Answer:
    """Take in a body that is an event: run where that goes, else only stored; or refuse it."""
    try:
        payload = strict_json.read(raw=raw)
        service = _service(payload=payload, services=services)
        message = envelope.parse(payload=payload, now=now)
    except errors.Problem as problem:
        if problem.row.status == 403:  # noqa: PLR2004 - HTTP
            raise
        return _refuse(raw=raw, service=services[0], problem=problem, now=now, actor=actor)
    take_in = functools.partial(
        _take_in, raw=raw, payload=payload, message=message, service=service, now=now, actor=actor
    )
    try:
        return transactions.retry_on_conflict(lambda: take_in(runs=True))
    except _OUT:
        raise
    except Exception:
        logger.exception("the event %s failed outside of its effect; it is stored and run later", message.id)
        return transactions.retry_on_conflict(lambda: take_in(runs=False))


def resume(*, event_id: int, now: dt.datetime) -> None:
    """Look again at an event that waits; a rival that is looking at it already is left alone."""
    try:
        transactions.retry_on_conflict(lambda: _resume(event_id=event_id, now=now, runs=True))
    except _OUT:
        raise
    except Exception:
        logger.exception("event %s failed outside of its effect; it is run again later", event_id)
        transactions.retry_on_conflict(lambda: _resume(event_id=event_id, now=now, runs=False))


def _resume(*, event_id: int, now: dt.datetime, runs: bool) -> None:
    waiting = Event.objects.filter(events_waiting.PARKED | events_waiting.HELD_AGAIN, pk=event_id)
    seen = waiting.first()
    if seen is None:
        return
    if not runs:
        event = waiting.select_for_update(skip_locked=True).first()
        if event is not None:
            outcomes.failed(event=event, now=now, actor=log.SYSTEM)
        return
    message = _message(seen)
    _lock_subject(message=message)
    event = waiting.select_for_update(skip_locked=True).first()
    if event is not None:
        _run(event=event, message=message, now=now, actor=log.SYSTEM)


def _service(*, payload: dict[str, object], services: Sequence[str]) -> str:
    """Return the signing service that may send the type; a type in no table may come from any."""
    row = import_string(TABLE).get(payload.get("type")) if isinstance(payload.get("type"), str) else None
    if row is None:
        return services[0]
    if row.service not in services:
        raise errors.Problem(code="event_type_not_allowed", detail=f"{payload['type']} is not {services[0]}'s to send")
    return str(row.service)


def _refuse(*, raw: bytes, service: str, problem: errors.Problem, now: dt.datetime, actor: log.Actor) -> answers.Answer:
    """Keep a signed body that cannot be read as an event, once, without burning its id."""
    with transaction.atomic():
        store.keep_apart(raw=raw, service=service, code=problem.code, faults=problem.errors, now=now, actor=actor)
    metrics.EVENTS.labels(type="", status="refused").inc()
    return answers.Answer(status=problem.row.status, body={}, problem=problem)


def _take_in(
    *,
    raw: bytes,
    payload: dict[str, object],
    message: envelope.EventMessage,
    service: str,
    now: dt.datetime,
    actor: log.Actor,
    runs: bool,
) -> answers.Answer:
    """Store an event and set it in motion, or answer for the one that has its id.

    Without `runs`, which has just failed, it is only stored, to be run later.
    """
    row = import_string(TABLE).get(message.type)
    public_id = identifiers.new(prefix="evt")
    subject = envelope.subject(message=message) if row else ""
    payload_sha256 = canonical.sha256(value=payload)
    status = EventStatus.PROCESSED if row else EventStatus.IGNORED
    inserted = store.insert(
        public_id=public_id,
        message=message,
        service=service,
        subject=subject,
        raw=raw,
        payload_sha256=payload_sha256,
        status=status,
        now=now,
    )
    if inserted is None:
        return _answer_repeat(
            event_id=message.id,
            raw=raw,
            payload=payload,
            payload_sha256=payload_sha256,
            service=service,
            now=now,
            actor=actor,
            runs=runs,
        )
    log.record(
        action=Action.EVENT_RECEIVED,
        object_type="event",
        object_id=public_id,
        actor=actor,
        details={"type": message.type},
    )
    event = Event(
        pk=inserted,
        public_id=public_id,
        event_id=message.id,
        service=service,
        type=message.type,
        country_code=message.country,
        issuer_slug=message.issuer,
        subject=subject,
        occurred_at=message.occurred_at,
        received_at=now,
        status=status,
    )
    event._state.adding = False  # noqa: SLF001 - the row exists: the insert above is plain SQL for its ON CONFLICT
    if row is None:
        log.record(action=Action.EVENT_IGNORED, object_type="event", object_id=public_id, actor=actor)
        return answers.answer(event=event, replayed=False)
    if not runs:
        outcomes.failed(event=event, now=now, actor=actor)
        return answers.answer(event=event, replayed=False)
    ran = _run(event=event, message=message, now=now, actor=actor)
    return answers.answer(event=event, replayed=ran.replayed, written=ran.written)


def _run(*, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> _Ran:
    """Bring an event to where it rests; of several tellings of one fact the first goes first."""
    _lock_subject(message=message)
    for earlier in outcomes.waiting_before(event=event):
        _try(event=earlier, message=_message(earlier), now=now, actor=actor)
        if earlier.status == EventStatus.PROCESSED:
            break
    return _try(event=event, message=message, now=now, actor=actor)


def _try(*, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> _Ran:
    """Run one event's effect, whoever else waits with the same fact.

    The effect has a savepoint of its own: what it did before it had to give up is undone, the event stays.
    """
    try:
        with transaction.atomic():
            issued = _issued(event=event, message=message, now=now, actor=actor)
    except (events_waiting.Parked, errors.Problem, _ToldBefore) as cause:
        repeated = _not_issued(event=event, message=message, cause=cause, now=now, actor=actor)
        return _Ran(replayed=repeated)
    except _OUT:
        raise
    except Exception:
        logger.exception("the effect of %s failed", event.public_id)
        repeated = _repeats(event=event, message=message, actor=actor)
        if not repeated:
            outcomes.failed(event=event, now=now, actor=actor)
        return _Ran(replayed=repeated)
    outcomes.processed(event=event, documents=[one.document.pk for one in issued], actor=actor)
    return _Ran(
        replayed=bool(issued) and all(one.replayed for one in issued),
        written=[one.document for one in issued if not one.replayed],
    )


def _issued(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> "Sequence[issuing.Issued]":
    """Run an event's effect.

    :raises _ToldBefore: the fact has been told before, and this telling would issue what that one did not
    """
    effect = import_string(import_string(TABLE)[message.type].effect)
    issued: Sequence[issuing.Issued] = effect(event=event, message=message, now=now, actor=actor)
    if any(not one.replayed for one in issued) and outcomes.answered(event=event) is not None:
        raise _ToldBefore
    return issued


def _lock_subject(*, message: envelope.EventMessage) -> None:
    """Lock what an effect is about before any row of an event, so that no two transactions wait for each other."""
    row = import_string(TABLE)[message.type]
    if row.locks:
        import_string(row.locks)(message=message)


def _not_issued(
    *,
    event: Event,
    message: envelope.EventMessage,
    cause: events_waiting.Parked | errors.Problem | _ToldBefore,
    now: dt.datetime,
    actor: log.Actor,
) -> bool:
    """Park or hold an event whose effect gave up; says whether its fact has documents already."""
    if _repeats(event=event, message=message, actor=actor):
        return True
    if isinstance(cause, events_waiting.Parked):
        outcomes.park(event=event, missing=cause.missing, now=now, actor=actor)
    elif isinstance(cause, errors.Problem):
        outcomes.hold(event=event, problem=cause, actor=actor)
    row = import_string(TABLE)[message.type]
    if row.waits:
        import_string(row.waits)(event=event, message=message, now=now, actor=actor)
    return False


def _repeats(*, event: Event, message: envelope.EventMessage, actor: log.Actor) -> bool:
    """Say whether an event's fact has its documents already, and answer it with them if so.

    It is a repeat like any other then: what was issued stays, and what differs is kept beside it.
    """
    before = outcomes.answered(event=event)
    if before is None:
        return False
    data = envelope.business_input(message=message)

    def fingerprint(kind: Kind) -> str:
        return document_keys.fingerprint(kind=kind, country=message.country, issuer=message.issuer, data=data)

    outcomes.repeat(event=event, by=before, fingerprint=fingerprint, actor=actor)
    return True


def _answer_repeat(
    *,
    event_id: str,
    raw: bytes,
    payload: dict[str, object],
    payload_sha256: str,
    service: str,
    now: dt.datetime,
    actor: log.Actor,
    runs: bool,
) -> answers.Answer:
    """Answer for the stored event of an id; one that waits is looked at again first."""
    stored = Event.objects.exclude(status=EventStatus.REFUSED)
    seen = stored.get(event_id=event_id)
    if runs and _waits(event=seen):
        _lock_subject(message=_message(seen))
    event = stored.select_for_update().get(pk=seen.pk)
    Event.objects.filter(pk=event.pk).update(repeats=F("repeats") + 1)
    same = event.payload_sha256 == payload_sha256
    log.record(
        action=Action.EVENT_REPEATED,
        object_type="event",
        object_id=event.public_id,
        actor=actor,
        code="" if same else "event_id_reused",
    )
    if not same:
        store.keep_apart(raw=raw, service=service, code="event_id_reused", faults=(), now=now, actor=actor)
        discrepancies.open_one(
            code="event_id_reused",
            dedup_key=f"event_id_reused:{event_id}:{payload_sha256}",
            facts={
                "event_id": event_id,
                "first": event.payload_sha256,
                "other": payload_sha256,
                **discrepancies.both_totals(first=json.loads(bytes(event.body or b"{}")), other=payload),
            },
            event=event,
            actor=actor,
        )
    elif _waits(event=event) and runs:
        _run(event=event, message=_message(event), now=now, actor=actor)
    elif _waits(event=event):
        outcomes.failed(event=event, now=now, actor=actor)
    return answers.answer(event=event, replayed=True, status=200 if not same else None)


def _waits(*, event: Event) -> bool:
    return event.status in {EventStatus.PARKED, EventStatus.HELD} and event.superseded_by_id is None


def _message(event: Event) -> envelope.EventMessage:
    """Read a stored event again; it passed the schema when it came, whatever the clock says now."""
    body = Event.objects.values_list("body", flat=True).get(pk=event.pk)
    return envelope.parse(payload=json.loads(bytes(body or b"")), now=None)
