"""Events that wait: which are due, which one that has just come wakes, and which have waited for too long."""

import datetime as dt
import functools
from collections.abc import Sequence

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from documents import errors, locks
from documents.alerts import incidents
from documents.emission import valve
from documents.events import outcomes
from documents.models import Event, EventStatus, Wait
from documents.resilience import queue
from documents.task_names import TaskName

NEXT_MAX = 3  # woken of a chain
PARKED = Q(status=EventStatus.PARKED)
# A held event is run again only where a later event may have made it right, or explained it, or where it is held by a
# defect of ours: that is run again for ever (at once where an earlier version, which did not do so, has held it). One
# whose issuer is paused has its turn by `backlog`.
HELD_AGAIN = Q(status=EventStatus.HELD, superseded_by=None) & Q(
    Q(next_try_at__isnull=False) | Q(code__in=(outcomes.DEFECT, valve.PAUSED))
)
_DUE_AT_ONCE = Q(code=outcomes.DEFECT, next_try_at=None)
# What can be tried again when somebody, or something, says so: its body is still here to be read. Where an issuer is
# paused, resuming it is what lets its events be issued, each in its turn.
RETRIABLE = Q(~Q(code=valve.PAUSED), status=EventStatus.HELD, superseded_by=None, body__isnull=False)
# TABLE: the codes under which an issuer, a number and what a country's pack says are missed.
ISSUER_CODES = ("issuer_unknown",)
SERIES_CODES = ("series_exhausted",)
PACK_CODES = (
    "country_unsupported",
    "currency_unsupported",
    "period_invalid",
    "tax_code_unknown",
    "tax_id_invalid",
    "tax_rate_not_in_force",
    "time_implausible",
)

_WAKE = """
UPDATE documents_event SET missing = missing - %(awaited)s::text[],
  next_try_at = CASE WHEN missing - %(awaited)s::text[] = '[]' THEN %(now)s ELSE next_try_at END
WHERE id = ANY(%(ids)s) RETURNING id, missing = '[]'
"""


def wake(*, awaited: Sequence[str], now: dt.datetime, after: dt.datetime | None = None) -> None:
    """Make due the events that wait for subjects which have just come, in the transaction that brought them.

    `after` is for a chain: the moment of the link that has come. A few of the next links are woken, and each wakes the
    ones after it.

    An event that waits for more is not run for each subject: a payout of 1,500 orders is run when the last of them
    comes. The rows are locked meanwhile, so of two transactions that bring the last two at once, the later one sees
    that it was the last.
    """
    waits = Wait.objects.filter(awaited__in=awaited).values("event_id")
    parked = Event.objects.filter(PARKED, pk__in=waits)
    if after is not None:
        links = parked.annotate(past=Q(occurred_at__lt=after)).order_by("past", "occurred_at", "pk")
        parked = parked.filter(pk__in=list(links.values_list("pk", flat=True)[:NEXT_MAX]))
    rank = locks.Rank.WOKEN_EVENT
    locked = locks.rows(queryset=parked.only("pk"), rank=rank, key=lambda event: (min(awaited), event.pk))
    if not locked:
        return
    with connection.cursor() as cursor:
        cursor.execute(_WAKE, {"awaited": [*awaited], "now": now, "ids": [event.pk for event in locked]})
        woken = [pk for pk, ready in cursor.fetchall() if ready]
    for pk in woken:
        transaction.on_commit(functools.partial(queue.enqueue, task=TaskName.RESUME, event_id=pk))


def retry(*, held: QuerySet[Event], now: dt.datetime) -> list[Event]:
    """Let these held events be run again, by a worker or by the sweeper, after the commit; return them as they came.

    Who retries holds no row of an event: a name, an issuer or a series comes first.
    """
    return _make_due(chosen=held.filter(RETRIABLE), now=now)


def run_again(*, waits: QuerySet[Event], now: dt.datetime) -> list[Event]:
    """Let these events be run again, parked or held, whatever they wait for; see `retry`."""
    return _make_due(chosen=waits.filter(PARKED | RETRIABLE), now=now)


def _make_due(*, chosen: QuerySet[Event], now: dt.datetime) -> list[Event]:
    locked = locks.rows(queryset=chosen.defer("body"), rank=locks.Rank.RETRIED_EVENT)
    Event.objects.filter(pk__in=[event.pk for event in locked]).update(next_try_at=now)
    for event in locked:
        transaction.on_commit(functools.partial(queue.enqueue, task=TaskName.RESUME, event_id=event.pk))
    return locked


def due(*, now: dt.datetime, limit: int) -> list[int]:
    """Return events that wait and are due to be run again, those that have been due for longest first."""
    due_events: list[int] = []
    is_due = Q(next_try_at__lte=now)
    for waits in (PARKED & is_due, HELD_AGAIN & (is_due | _DUE_AT_ONCE)):  # one after the other, each by its index
        rows = Event.objects.filter(waits).order_by("next_try_at", "pk")
        due_events += rows.values_list("pk", flat=True)[: limit - len(due_events)]
    return due_events


def overdue(*, now: dt.datetime, limit_s: int) -> int:
    """Open one P2 for each event parked past the limit and return how many there are.

    Each is looked at again under its lock: one that has been processed meanwhile would keep its alert for ever.
    """
    late = Event.objects.filter(outcomes.too_long(now=now, limit_s=limit_s)).defer("body")
    keys = list(late.values_list("pk", flat=True))
    for pk in keys:
        with transaction.atomic():
            for event in locks.rows(queryset=late.filter(pk=pk), skip_locked=True):
                incidents.open_alert(
                    code=outcomes.PARKED_TOO_LONG,
                    dedup_key=f"event:{event.public_id}",
                    values={"type": event.type, "event": event.event_id, **errors.counted(missing=event.missing)},
                    object_id=event.public_id,
                )
    return len(keys)
