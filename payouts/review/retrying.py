"""Finance has held events tried again, one, several, or all of a code: what has changed since may let them be issued.

Nothing is decided: a retry does what a repeat by the sender does. Those that the request has no time for are run by the
workers.
"""

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, QuerySet

from audit import log
from audit.actions import Action
from documents.access import deciding
from documents.emission import valve
from documents.events import intake, outcomes, waiting
from documents.models import Event, EventStatus

AT_ONCE_S = 5.0  # of one request; a proxy gives it up much later


@dataclass(frozen=True, kw_only=True)
class Retried:
    """What became of events that were tried again: `over` need nothing more though they issued nothing."""

    issued: int
    parked: int
    held: int
    over: int
    queued: int


def can_retry(*, event: Event) -> bool:
    """Tell whether an event can be tried again, as `waiting.RETRIABLE` says: of an issuer that is not paused."""
    waits = event.status == EventStatus.HELD and event.superseded_by_id is None and event.body is not None
    return waits and event.code != valve.PAUSED


def retriable(*, countries: Sequence[str] | None) -> QuerySet[Event]:
    """Return the events of the work list that can be tried again (None: of all countries), as they came."""
    rows = Event.objects.filter(outcomes.for_a_person(), waiting.RETRIABLE).defer("body").order_by("pk")
    return rows if countries is None else rows.filter(country_code__in=countries)


def codes(*, countries: Sequence[str] | None) -> dict[str, int]:
    """Return {code: how many events of the work list it holds}, the most frequent first."""
    counted = retriable(countries=countries).order_by().values_list("code").annotate(count=Count("pk"))
    return dict(sorted(counted, key=lambda row: (-row[1], row[0])))


def retry(*, events: Sequence[Event], user: User, now: dt.datetime, actor: log.Actor) -> Retried:
    """Try events again in the order in which they came, each on record, and say what became of them.

    :raises errors.Problem: what `request` raises
    """
    return _run(keys=[event.pk for event in request(events=events, user=user, now=now, actor=actor)], now=now)


def request(*, events: Sequence[Event], user: User, now: dt.datetime, actor: log.Actor) -> list[Event]:
    """Let events be tried again, each on record, and return those that were held; the sweeper runs them.

    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope` (both on record)
    """
    for country, event in {event.country_code: event for event in events}.items():
        deciding.require(
            right="approve_difference",
            user=user,
            country=country,
            object_type="event",
            object_id=event.public_id,
            actor=actor,
        )
    with transaction.atomic():
        retried = waiting.retry(held=Event.objects.filter(pk__in=[event.pk for event in events]), now=now)
        for event in retried:
            log.record(
                action=Action.EVENT_RETRIED,
                object_type="event",
                object_id=event.public_id,
                actor=actor,
                code=event.code,
            )
    return list(retried)


def _run(*, keys: Sequence[int], now: dt.datetime) -> Retried:
    """Run them, as many as there is time for."""
    end, ran = time.monotonic() + AT_ONCE_S, 0
    for pk in keys:
        if time.monotonic() >= end:
            break
        intake.resume(event_id=pk, now=now)
        ran += 1
    became = list(Event.objects.filter(pk__in=keys[:ran]).values_list("status", "superseded_by", "document_ids"))
    issued = sum(status == EventStatus.PROCESSED and bool(documents) for status, _by, documents in became)
    waits = [status for status, by, _documents in became if by is None]
    parked, held = waits.count(EventStatus.PARKED), waits.count(EventStatus.HELD)
    return Retried(
        issued=issued, parked=parked, held=held, over=len(became) - issued - parked - held, queued=len(keys) - ran
    )
