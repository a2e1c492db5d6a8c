"""What a list of events would come to, asked of the service's own database: every event is taken in and undone.

Events that speak of the same order, payment or payee are tried together, in one transaction that is rolled back: a
refund finds its payment. It stays as short as such a group, because what it locks the running service waits for.

So no group sees what the others would number. That is added up in the order of the list: where an issuer would reach
its limit, if all of it came at once, the groups after that are tried again with the issuer paused.
"""

import collections
import contextlib
import datetime as dt
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Count

from config import progress
from config.simulation import sender
from documents import errors, locks
from documents.access import actors
from documents.emission import valve
from documents.events import answers, intake
from documents.models import Event, EventStatus

TRIES_MAX = 5
LOCK_TIMEOUT = "500ms"  # we give way: the running service comes first
TURNS_MAX = 20  # of what waits within a group
PARTIES = frozenset({"customer", "driver", "beneficiary", "partner", "party"})
ACTOR = actors.program(name="send_events", channel="command")


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """One event and what would become of it: an outcome, and the code that goes with it."""

    event_id: str
    outcome: str  # issued, stored, repeated, held, parked, ignored, refused, busy
    code: str = ""
    documents: int = 0  # that it would number


@dataclass(frozen=True, kw_only=True)
class ForeseenPause:
    """An issuer that the list would pause, at a place of it: the limit, and how many documents come before."""

    place: int
    documents: int
    reached: valve.LimitReached


Pauses = Mapping[str, ForeseenPause]  # by the issuer


def rehearse_all(*, events: Sequence[Mapping[str, Any]], now: dt.datetime) -> tuple[list[Rehearsed], Pauses]:
    """Return what would become of each event, in the order of the list, with progress; nothing is written.

    And which issuers the list would pause.
    """
    rehearsed: dict[int, Rehearsed] = {}
    forecast, together = valve.Forecast(), groups(events=events)
    with progress.progress(label="ensayo", total=len(events)) as step, _unlogged(), valve.foreseeing(forecast=forecast):
        for places in together:
            rehearsed |= _patiently(events=events, places=places, forecast=forecast, pauses={}, now=now)
            step(done=len(places), note=rehearsed[places[-1]].event_id)
        pauses = _pauses(events=events, rehearsed=rehearsed, forecast=forecast)
        first = min((pause.place for pause in pauses.values()), default=len(events))
        for places in together:
            if places[-1] >= first:
                rehearsed |= _patiently(events=events, places=places, forecast=forecast, pauses=pauses, now=now)
    return [rehearsed[place] for place in range(len(events))], pauses


def _pauses(
    *, events: Sequence[Mapping[str, Any]], rehearsed: Mapping[int, Rehearsed], forecast: valve.Forecast
) -> dict[str, ForeseenPause]:
    """Return which issuers would be paused, and where in the list, if all of it came at once."""
    numbered: collections.Counter[str] = collections.Counter()
    pauses: dict[str, ForeseenPause] = {}
    for place in range(len(events)):
        issuer, documents = str(events[place].get("issuer")), rehearsed[place].documents
        if not documents or issuer in pauses:
            continue
        left, reached = forecast.room[issuer]
        if numbered[issuer] + documents > left:
            pauses[issuer] = ForeseenPause(place=place, documents=numbered[issuer], reached=reached)
        numbered[issuer] += documents
    return pauses


def groups(*, events: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Return the places of events that are about the same things, each group in the order of the list."""
    leader = list(range(len(events)))

    def root(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    first: dict[str, int] = {}
    for place, event in enumerate(events):
        for name in _names(event=event):
            earlier, later = sorted((root(first.setdefault(name, place)), root(place)))
            leader[later] = earlier
    found_groups: dict[int, list[int]] = {}
    for place in range(len(events)):
        found_groups.setdefault(root(place), []).append(place)
    return list(found_groups.values())


def _names(*, event: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids by which an event may depend on another one: its own, and those of its data but for most people."""
    yield str(event.get("id"))
    data = event.get("data")
    for name, block in data.items() if isinstance(data, dict) else ():
        if isinstance(block, list):
            yield from (text for text in block if isinstance(text, str))
        elif isinstance(block, dict) and name not in PARTIES:
            values = (value for key, value in block.items() if key in {"id", "replaces"} or key.endswith("_id"))
            yield from (value for value in values if isinstance(value, str))


def _patiently(
    *,
    events: Sequence[Mapping[str, Any]],
    places: Sequence[int],
    forecast: valve.Forecast,
    pauses: Pauses,
    now: dt.datetime,
) -> dict[int, Rehearsed]:
    """Try a group, by its places, until the running service does not need the same rows; then say that it was busy."""
    for attempt in range(1, TRIES_MAX + 1):
        try:
            return _group(events={place: events[place] for place in places}, forecast=forecast, pauses=pauses, now=now)
        except OperationalError as error:
            if not getattr(error.__cause__, "sqlstate", ""):
                raise  # no connection: nothing can be asked
            time.sleep(0.1 * 2**attempt)
    return {place: Rehearsed(event_id=str(events[place].get("id")), outcome="busy") for place in places}


def _group(
    *, events: Mapping[int, Mapping[str, Any]], forecast: valve.Forecast, pauses: Pauses, now: dt.datetime
) -> dict[int, Rehearsed]:
    """Take in a group and let what waits in it be resumed, in a transaction that is rolled back.

    What waits when an issuer is paused has been resumed by then.
    """
    forecast.paused.clear()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        names = [str(event.get("id")) for event in events.values()]
        taken_in = list[answers.Answer]()
        for place, event in events.items():
            if paused := {issuer for issuer, pause in pauses.items() if pause.place <= place} - forecast.paused:
                _resume_all(names=names, now=now)
                forecast.paused |= paused
            taken_in.append(_take_in(event=event, now=now))
        _resume_all(names=names, now=now)
        stored = Event.objects.exclude(status=EventStatus.REFUSED).filter(event_id__in=names)
        rows = {row.event_id: row for row in stored.defer("body").annotate(numbered=Count("documents"))}
        results = [_result(name=name, answer=answer, rows=rows) for name, answer in zip(names, taken_in, strict=True)]
        transaction.set_rollback(rollback=True)
    return dict(zip(events, results, strict=True))


def _take_in(*, event: Mapping[str, Any], now: dt.datetime) -> answers.Answer:
    raw, service = json.dumps(event, ensure_ascii=False).encode(), sender.service_of(event=event)
    try:
        return intake.receive(raw=raw, services=[service], now=now, actor=ACTOR)
    except errors.Problem as problem:
        return answers.Answer(status=problem.status, body={}, problem=problem)
    finally:
        locks.begin_anew()


def _resume_all(*, names: Sequence[str], now: dt.datetime) -> None:
    """Resume the events of the group that wait, as the worker does, until nothing moves."""
    waits = Event.objects.filter(status=EventStatus.PARKED, event_id__in=names).order_by("pk")
    before: list[tuple[int, object]] = []
    for _ in range(TURNS_MAX):
        left = list(waits.values_list("pk", "missing"))
        if left == before:
            return
        before = left
        for pk, _missing in left:
            intake.resume(event_id=pk, now=now)
            locks.begin_anew()


def _result(*, name: str, answer: answers.Answer, rows: Mapping[str, Any]) -> Rehearsed:
    """Say what would become of an event, from the answer to it and from its row in the end."""
    if answer.problem is not None and answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
        return Rehearsed(event_id=name, outcome="refused", code=answer.problem.code)
    row = rows.get(name)
    if row is None:
        return Rehearsed(event_id=name, outcome="refused", code=answer.problem.code if answer.problem else "")
    if answer.body.get("replayed") is True:
        return Rehearsed(event_id=name, outcome="repeated", code=row.code)
    if row.status == EventStatus.PARKED:
        return Rehearsed(event_id=name, outcome="parked")
    if row.status == EventStatus.PROCESSED:
        outcome = "issued" if row.document_ids else "stored"
        return Rehearsed(event_id=name, outcome=outcome, documents=row.numbered)
    return Rehearsed(event_id=name, outcome=str(row.status), code=row.code)


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Log nothing of what does not happen: no alert is opened, whatever a line says."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
