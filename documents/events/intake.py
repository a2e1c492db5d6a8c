"""Intake: a signed event is stored raw and once, set in motion in the same transaction, and answered with the truth.

Nothing here knows HTTP beyond its status codes: `receive` returns a status and a body.
"""

import dataclasses
import datetime as dt
import functools
import http
import json
import logging
from collections.abc import Mapping, Sequence

from django.db import transaction
from django.db.models import F
from structlog import contextvars

from audit import log
from audit.actions import Action
from documents import canonical, errors, locks, metrics, transactions
from documents.alerts import discrepancies
from documents.events import answers, effects, envelope, outcomes, store, strict_json, waiting
from documents.models import Event, EventStatus
from documents.vault import probes

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Arrival:
    """A signed body that is an event: how it reads, which service signed it, who brought it and when."""

    raw: bytes
    payload: dict[str, object]
    message: envelope.EventMessage
    service: str
    now: dt.datetime
    actor: log.Actor

    @functools.cached_property
    def payload_sha256(self) -> str:
        return canonical.sha256(value=self.payload)


def receive(*, raw: bytes, services: Sequence[str], now: dt.datetime, actor: log.Actor) -> answers.Answer:
    """Take in one signed body, once, and answer what is true of it now.

    `services` are the platform services whose secret signed it. A rival transaction may make PostgreSQL give this one
    up (deadlock); it is then run again from the start. A defect of ours is 503 `internal_error`, never a 2xx: the event
    is stored and run again by itself, and a repeat runs it at once.

    :raises errors.Problem: `event_type_not_allowed`; nothing is stored
    :raises django.db.OperationalError: the database is out; nothing is stored and the sender must try again
    :raises audit.log.AuditUnavailable: the same of the log
    """
    try:
        return _receive(raw=raw, services=services, now=now, actor=actor)
    except (errors.Problem, *effects.OUTAGES):
        raise
    except Exception:
        logger.exception("event.not_stored")
        problem = outcomes.defect(cause="event_not_stored")
        return answers.Answer(status=problem.status, body={}, problem=problem)


def _receive(*, raw: bytes, services: Sequence[str], now: dt.datetime, actor: log.Actor) -> answers.Answer:
    """Take in a body that is an event: run it, or only store it where running failed; or refuse the body."""
    try:
        payload = strict_json.read(raw=raw)
        service = _service(payload=payload, services=services)
        message = envelope.parse(payload=payload, now=now)
    except errors.Problem as problem:
        if problem.row.status == http.HTTPStatus.FORBIDDEN:
            raise
        return _refuse(raw=raw, service=services[0], problem=problem, now=now, actor=actor)
    probes.prove(actor=log.SYSTEM, now=now)
    arrival = _Arrival(raw=raw, payload=payload, message=message, service=service, now=now, actor=actor)
    try:
        return transactions.retry_on_conflict(lambda: _take_in(arrival=arrival, runs=True))
    except effects.OUTAGES:
        raise
    except Exception:
        logger.exception("event.failed_outside_effect")  # it is stored below, and run later
        return transactions.retry_on_conflict(lambda: _take_in(arrival=arrival, runs=False))


def resume(*, event_id: int, now: dt.datetime) -> None:
    """Look again at an event that waits."""
    with contextvars.bound_contextvars(event=""):  # the log: `_resume` binds the id as soon as it has read it
        try:
            transactions.retry_on_conflict(lambda: _resume(event_id=event_id, now=now, runs=True))
        except effects.OUTAGES:
            raise
        except Exception:
            logger.exception("event.failed_outside_effect")
            transactions.retry_on_conflict(lambda: _resume(event_id=event_id, now=now, runs=False))


def _resume(*, event_id: int, now: dt.datetime, runs: bool) -> None:
    """Run an event that still waits; without `runs`, which has just failed, put it down as failed."""
    still_waiting = Event.objects.filter(waiting.PARKED | waiting.HELD_AGAIN, pk=event_id)
    seen = still_waiting.first()
    if seen is None:
        return
    contextvars.bind_contextvars(event=seen.public_id)
    if not runs:
        for event in locks.rows(queryset=still_waiting, skip_locked=True):
            outcomes.failed(event=event, now=now, actor=log.SYSTEM)
        return
    message = effects.message_of(event=seen)
    effects.lock_rows(message=message)
    waits = outcomes.lock_waiting(event=seen)
    if still_waiting.exists():
        effects.run(event=waits[seen.pk], waits=waits, message=message, now=now, actor=log.SYSTEM)


def _service(*, payload: dict[str, object], services: Sequence[str]) -> str:
    """Return the signing service that may send the type; a type in no table may come from any.

    :raises errors.Problem: `event_type_not_allowed`
    """
    row = effects.row(type_=payload.get("type"))
    if row is None:
        return services[0]
    if row.service not in services:
        values = {"type": str(payload["type"]), "service": services[0]}
        raise errors.Problem(code="event_type_not_allowed", values=values)
    return row.service


def _refuse(*, raw: bytes, service: str, problem: errors.Problem, now: dt.datetime, actor: log.Actor) -> answers.Answer:
    """Store a signed body that cannot be read as an event, once, and leave its id free for a readable one."""
    with transaction.atomic():
        store.keep_apart(raw=raw, service=service, code=problem.code, faults=problem.errors, now=now, actor=actor)
    metrics.EVENTS.labels(type="", status="refused").inc()
    return answers.Answer(status=problem.row.status, body={}, problem=problem)


def _take_in(*, arrival: _Arrival, runs: bool) -> answers.Answer:
    """Store an event and run it, or answer for the stored event that has its id.

    Without `runs`, which has just failed, it is only stored, to be run later.
    """
    message, now, actor = arrival.message, arrival.now, arrival.actor
    event = store.insert(
        message=message,
        service=arrival.service,
        subject=envelope.subject(message=message),
        raw=arrival.raw,
        payload_sha256=arrival.payload_sha256,
        now=now,
    )
    if event is None:
        return _answer_repeat(arrival=arrival, runs=runs)
    contextvars.bind_contextvars(event=event.public_id)  # for the access log's line, too
    log.record(
        action=Action.EVENT_RECEIVED,
        object_type="event",
        object_id=event.public_id,
        actor=actor,
        details={"type": message.type},
    )
    if not runs:
        outcomes.failed(event=event, now=now, actor=actor)
        return answers.answer(event=event, replayed=False)
    effects.lock_rows(message=message)
    waits = outcomes.lock_waiting(event=event)
    result = effects.run(event=event, waits=waits, message=message, now=now, actor=actor)
    return answers.answer(event=event, replayed=result.replayed, written=result.written)


def _answer_repeat(*, arrival: _Arrival, runs: bool) -> answers.Answer:
    """Answer for the stored event of an id; one that waits is run again first.

    What came now says the same as what is stored, or is put on record: the stored body is not read again.
    """
    stored = Event.objects.exclude(status=EventStatus.REFUSED).defer("body")
    seen = stored.get(event_id=arrival.message.id)
    contextvars.bind_contextvars(event=seen.public_id)
    same = seen.payload_sha256 == arrival.payload_sha256
    waits: Mapping[int, Event] = {}
    if same and runs and _is_waiting(event=seen):
        effects.lock_rows(message=arrival.message)
        waits = outcomes.lock_waiting(event=seen)
    event = waits.get(seen.pk) or locks.rows(queryset=stored.filter(pk=seen.pk))[0]
    Event.objects.filter(pk=event.pk).update(repeats=F("repeats") + 1)
    log.record(
        action=Action.EVENT_REPEATED,
        object_type="event",
        object_id=event.public_id,
        actor=arrival.actor,
        code="" if same else "event_id_reused",
    )
    if not same:
        _note_reused_id(arrival=arrival, event=event)
    elif _is_waiting(event=event) and waits:
        effects.run(event=event, waits=waits, message=arrival.message, now=arrival.now, actor=arrival.actor)
    elif _is_waiting(event=event) and not runs:
        outcomes.failed(event=event, now=arrival.now, actor=arrival.actor)
    return answers.answer(event=event, replayed=True, status=None if same else http.HTTPStatus.OK)


def _note_reused_id(*, arrival: _Arrival, event: Event) -> None:
    """Store another event's body that came under a used id, and open a discrepancy that names both."""
    store.keep_apart(
        raw=arrival.raw,
        service=arrival.service,
        code="event_id_reused",
        faults=(),
        now=arrival.now,
        actor=arrival.actor,
    )
    discrepancies.open_one(
        code="event_id_reused",
        dedup_key=f"event_id_reused:{event.event_id}:{arrival.payload_sha256}",
        facts={
            "event_id": event.event_id,
            "first": event.payload_sha256,
            "other": arrival.payload_sha256,
            **discrepancies.both_totals(first=json.loads(bytes(event.body or b"{}")), other=arrival.payload),
        },
        event=event,
        actor=arrival.actor,
    )


def _is_waiting(*, event: Event) -> bool:
    return event.status in {EventStatus.PARKED, EventStatus.HELD} and event.superseded_by_id is None
