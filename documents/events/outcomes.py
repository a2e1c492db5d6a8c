"""What becomes of an event: processed, parked, held or dismissed; in the caller's transaction, with its audit event."""

import datetime as dt
import functools
from collections.abc import Callable, Mapping, Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from audit import log
from audit.actions import Action
from documents import errors, locks, metrics
from documents.alerts import causes, incidents
from documents.emission import document_keys, valve
from documents.events import envelope
from documents.models import Dismissal, DismissalState, Document, Event, EventStatus, Kind, Wait
from documents.resilience import queue
from documents.task_names import TaskName

BACKOFF_S = (2, 300)  # first and longest pause between looks at an event that is parked, or has failed
AWAITED_QUIET_S = 15 * 60.0  # for so long nobody is called for what a later event may make right, such as a tip
DEFECT = "internal_error"  # the code of an event whose effect failed by a defect of ours
FAULTS_MAX = 60  # stored of a held event: a payout has up to 1,500 orders, and each of them may be wrong
EARLIER_MAX = 8  # events of one subject that are run before a later one: the first that can be issued wins
PARKED_TOO_LONG = "event_parked_too_long"
_RESTS = {EventStatus.PROCESSED: Action.EVENT_PROCESSED, EventStatus.IGNORED: Action.EVENT_IGNORED}


def dismissed() -> Exists:
    """Return the condition of an event that a person has taken off the list."""
    return Exists(Dismissal.objects.filter(event=OuterRef("public_id"), state=DismissalState.DISMISSED))


def for_a_person() -> Q:
    """Return the condition of a held event that nothing has superseded and nobody has dismissed."""
    return Q(~dismissed(), status=EventStatus.HELD, superseded_by=None)


def too_long(*, now: dt.datetime, limit_s: int) -> Q:
    """Return the condition of an event parked past the limit, which nobody has dismissed.

    What waits without a timer waits without limit, and a cancellation always: what was canceled seldom happens.
    """
    return Q(
        ~dismissed(),
        ~Q(type__in=envelope.CANCELLATIONS),
        status=EventStatus.PARKED,
        next_try_at__isnull=False,
        received_at__lt=now - dt.timedelta(seconds=limit_s),
    )


def processed(*, event: Event, documents: Sequence[int], actor: log.Actor) -> None:
    """Move an event to processed: its documents answer it."""
    _finish(event=event, status=EventStatus.PROCESSED, documents=documents, actor=actor)
    _supersede_held(by=event, actor=actor)


def ignored(*, event: Event, code: str, actor: log.Actor) -> None:
    """Move an event to ignored: it asks for nothing, and no document answers it."""
    _finish(event=event, status=EventStatus.IGNORED, code=code, actor=actor)


def _finish(
    *, event: Event, status: EventStatus, code: str = "", documents: Sequence[int] = (), actor: log.Actor
) -> None:
    """Move an event to a state in which it rests for ever."""
    if event.status in {EventStatus.PARKED, EventStatus.HELD}:
        Wait.objects.filter(event=event).delete()
        incidents.resolve_alert(dedup_key=f"event:{event.public_id}")
        log.record(  # by the cause that it waited for, empty for another event
            action=Action.EVENT_RESUMED, object_type="event", object_id=event.public_id, actor=actor, code=event.code
        )
    moved = {"status": status, "code": code, "errors": [], "missing": [], "document_ids": [*documents]}
    for name, value in moved.items():
        setattr(event, name, value)
    Event.objects.filter(pk=event.pk).update(**moved, next_try_at=None)
    log.record(action=_RESTS[status], object_type="event", object_id=event.public_id, actor=actor, code=code)
    # A type that is in no table has no subject, and its name is the sender's own.
    metrics.EVENTS.labels(type=event.type if event.subject else "", status=status).inc()


def park(*, event: Event, missing: list[str], now: dt.datetime, actor: log.Actor, until_woken: bool = False) -> None:
    """Park an event until what it needs has come; it is run again then, and on a timer unless `until_woken`."""
    next_try_at = None if until_woken else now + _pause(attempts=event.attempts)
    changed = event.status != EventStatus.PARKED or event.missing != missing
    _resolve_defect(event=event)
    event.status, event.missing, event.code, event.errors = EventStatus.PARKED, missing, "", []
    event.attempts += 1
    Event.objects.filter(pk=event.pk).update(
        status=EventStatus.PARKED,
        code="",
        errors=[],
        missing=missing,
        attempts=event.attempts,
        next_try_at=next_try_at,
    )
    if until_woken:  # what was said of it while a timer looked is so no more
        incidents.resolve_alert(dedup_key=f"event:{event.public_id}")
    if changed:
        _reopen(event=event, code="", actor=actor)  # it waits for something that nobody has seen yet
        Wait.objects.filter(event=event).delete()
        Wait.objects.bulk_create([Wait(event=event, awaited=awaited) for awaited in missing])
        log.record(
            action=Action.EVENT_PARKED,
            object_type="event",
            object_id=event.public_id,
            actor=actor,
            details={"missing": [*missing[:100]]},
        )
        metrics.EVENTS.labels(type=event.type, status="parked").inc()
        if not until_woken:  # what is missing may have been committed while this transaction looked: look once more
            transaction.on_commit(lambda: queue.enqueue(task=TaskName.RESUME, event_id=event.pk))


def hold(*, event: Event, problem: errors.Problem, awaits: Sequence[str] = (), actor: log.Actor) -> None:
    """Hold an event that cannot be issued as it is: a work item and a P2, or its issuer's P1; nothing is numbered."""
    paused = problem.code == valve.PAUSED
    if isinstance(problem, valve.LimitReached):
        transaction.on_commit(functools.partial(valve.pause, reached=problem))
    alone = [errors.Fault(pointer="", code=problem.code, values=problem.values)] if problem.values else []
    faults = [fault.as_json() for fault in (problem.errors or alone)[:FAULTS_MAX]]
    changed = event.status != EventStatus.HELD or event.code != problem.code
    if changed:
        _resolve_defect(event=event)
    differs = changed or event.errors != faults
    event.status, event.code, event.errors, event.missing = EventStatus.HELD, problem.code, faults, []
    Event.objects.filter(pk=event.pk).update(
        status=EventStatus.HELD, code=problem.code, errors=faults, missing=[], next_try_at=None
    )
    for awaited in awaits:
        Wait.objects.get_or_create(event=event, awaited=awaited)
    if not differs:
        return
    still_dismissed = not changed or _reopen(event=event, code=problem.code, actor=actor)
    log.record(action=Action.EVENT_HELD, object_type="event", object_id=event.public_id, actor=actor, code=problem.code)
    if not changed:
        return
    metrics.EVENTS.labels(type=event.type, status="held").inc()
    if paused:  # the issuer's own P1 says it once; what was said of this event is so no more
        incidents.resolve_alert(dedup_key=f"event:{event.public_id}")
    elif not still_dismissed:
        about = causes.of_held(issuer=event.issuer_slug, country=event.country_code, faults=faults)
        incidents.open_alert(
            code=DEFECT if problem.code == DEFECT else "event_held",
            dedup_key=f"event:{event.public_id}",
            values={"type": event.type, "event": event.event_id, "cause": problem.code, "what": event.event_id} | about,
            object_id=event.public_id,
            quiet_s=AWAITED_QUIET_S if awaits else 0.0,
        )


def failed(*, event: Event, now: dt.datetime, actor: log.Actor) -> None:
    """Hold an event whose effect failed by a defect of ours: the sweeper runs it again, for ever."""
    again = event.status == EventStatus.HELD and event.code == DEFECT
    attempts = event.attempts if again else 0
    hold(event=event, problem=errors.Problem(code=DEFECT), actor=actor)
    event.attempts, event.next_try_at = attempts + 1, now + _pause(attempts=attempts)
    Event.objects.filter(pk=event.pk).update(attempts=event.attempts, next_try_at=event.next_try_at)


def _resolve_defect(*, event: Event) -> None:
    """Resolve the alert of a defect that an event has got past, whatever comes of the event."""
    if event.status == EventStatus.HELD and event.code == DEFECT:
        incidents.resolve_alert(dedup_key=f"event:{event.public_id}")


def _pause(*, attempts: int) -> dt.timedelta:
    """Return how long an event rests after so many attempts: it doubles, up to the longest."""
    first_s, longest_s = BACKOFF_S
    return dt.timedelta(seconds=min(first_s * 2 ** min(attempts, 20), longest_s))


def processed_before(*, event: Event) -> Event | None:
    """Return an event of the same subject that has been processed already, if there is one; call with it locked."""
    # One without documents is being run right now, in this transaction.
    processed_events = _of_same_subject(event=event).filter(status=EventStatus.PROCESSED, document_ids__len__gt=0)
    return processed_events.exclude(pk=event.pk).order_by("pk").first()


def lock_waiting(*, event: Event) -> dict[int, Event]:
    """Lock an event with all about its subject that are parked or held: those may be run or superseded with it.

    Call with the subject locked.

    :returns: {primary key: event}, by their keys
    """
    others = _of_same_subject(event=event).filter(status__in=(EventStatus.PARKED, EventStatus.HELD))
    locked = locks.rows(queryset=Event.objects.filter(Q(pk=event.pk) | Q(pk__in=others.values("pk"))).defer("body"))
    return {row.pk: row for row in locked}


def waiting_before(*, event: Event, waits: Mapping[int, Event]) -> list[Event]:
    """Return the events of the same subject that came before this one and wait to be run again."""
    if envelope.each_counts(type_=event.type):
        return []
    earlier = (row for pk, row in waits.items() if pk < event.pk)
    again = [row for row in earlier if row.status == EventStatus.PARKED or row.code == DEFECT]
    return again[:EARLIER_MAX]


def _of_same_subject(*, event: Event) -> QuerySet[Event]:
    """Return the events of the same subject whose types mean the same; none for one without a subject."""
    if not event.subject:
        return Event.objects.none()
    return Event.objects.filter(subject=event.subject, type__in=envelope.equivalent_types(type_=event.type))


def repeat(*, event: Event, by: Event, known_as: Callable[[Kind], tuple[str, str]], actor: log.Actor) -> None:
    """Answer an event that cannot be issued, or not yet, with the documents that its subject has already.

    The documents stay; should the data differ, that is put on record. `known_as` gives the event's own fingerprints
    for a kind.
    """
    for document in Document.objects.filter(pk__in=by.document_ids).select_related("document_key"):
        document_keys.repeated(
            document=document,
            first=document.document_key.fingerprint,
            others=known_as(Kind(document.kind)),
            event=event,
            actor=actor,
        )
    processed(event=event, documents=by.document_ids, actor=actor)


def _supersede_held(*, by: Event, actor: log.Actor) -> None:
    """Mark the held events about a subject as superseded by the one that has now been processed.

    One that is held by a defect of ours is left out: it is run again by itself and is a repeat then, and what differs
    is put on record.
    """
    held = _of_same_subject(event=by).filter(status=EventStatus.HELD, superseded_by=None)
    superseded = dict(held.exclude(code=DEFECT).exclude(pk=by.pk).order_by("pk").values_list("pk", "public_id"))
    locks.declare(rank=locks.Rank.EVENT, keys=[(pk,) for pk in superseded])
    Event.objects.filter(pk__in=superseded).update(superseded_by=by)
    for public_id in superseded.values():
        log.record(
            action=Action.EVENT_SUPERSEDED,
            object_type="event",
            object_id=public_id,
            actor=actor,
            details={"by": by.public_id},
        )
        incidents.resolve_alert(dedup_key=f"event:{public_id}")


def dismiss(
    *,
    event: Event,
    reason: str,
    document: Document | None,
    user: User,
    now: dt.datetime,
    actor: log.Actor,
) -> Dismissal:
    """Take an event that is held, or waits too long, off the work list, and end its alert.

    Call in a transaction, with the event locked and not dismissed yet. The event itself stays as it is: what it
    waits for still resumes it, and a corrected event still supersedes it.
    """
    code = event.code if event.status == EventStatus.HELD else PARKED_TOO_LONG
    made = Dismissal.objects.create(
        event=event, code=code, reason=reason, document=document, dismissed_by=user, dismissed_at=now
    )
    resolution = {"document": document.public_id} if document else {}
    log.record(
        action=Action.EVENT_DISMISSED,
        object_type="event",
        object_id=event.public_id,
        actor=actor,
        code=code,
        details={"reason": reason, **resolution},
    )
    metrics.EVENTS.labels(type=event.type, status="dismissed").inc()
    incidents.resolve_alert(dedup_key=f"event:{event.public_id}")
    return made


def _reopen(*, event: Event, code: str, actor: log.Actor) -> bool:
    """Bring a dismissed event back to the list unless its cause is still the one it was dismissed for.

    :returns: whether it stays dismissed
    """
    made = Dismissal.objects.filter(event=event, state=DismissalState.DISMISSED).first()
    if made is None or made.code == code:
        return made is not None
    Dismissal.objects.filter(pk=made.pk).update(state=DismissalState.REOPENED, reopened_at=Now())
    log.record(
        action=Action.EVENT_REOPENED, object_type="event", object_id=event.public_id, actor=actor, code=made.code
    )
    metrics.EVENTS.labels(type=event.type, status="reopened").inc()
    return False


def defect(*, cause: str) -> errors.Problem:
    """Return what the door answers to a defect of ours: 503, and the same event will go through later."""
    return errors.Problem(code=DEFECT, values={"cause": cause}, status=503)
