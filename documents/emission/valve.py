"""The safety valve: an issuer that issues more than it ever has stops, until a person lets it go on.

A defect or a mistake of a sender would number documents that nobody can take back, as fast as the machine goes. Each
issuer has a row: what it has issued within a window of some minutes and on the day is counted in the transaction that
takes the numbers, beside them. Past a limit nothing is issued any more and events are held `issuing_paused`; once a
person resumes it, `events.backlog` has them issued in the order in which they came.
"""

import contextlib
import contextvars
import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Count, Max
from django.db.models.functions import Now

from audit import log
from audit.actions import Action
from documents import errors, locks
from documents.alerts import incidents
from documents.models import Event, EventStatus, Issuer, IssuingValve
from documents.models.parties import DAY_MAX_LEAST, MINUTE_MAX_LEAST
from documents.resilience import queue
from documents.task_names import TaskName

PAUSED = "issuing_paused"
# The limit of a minute is one of several minutes together, so that a backfill may be quick; one that somebody has set
# is meant as it says.
WINDOW_MINUTES, WINDOW_MINUTES_SET = 10, 1
PAST = dt.timedelta(days=28)  # what an issuer has done, by which it is judged
TIMES_MINUTE, TIMES_DAY = 10, 3  # its busiest minute, and its busiest day
LIMIT_MAX = 10**9  # as documents.models.IssuingValve
FRESH = dt.timedelta(days=1)  # how long the limits stand that were worked out

_TAKE = """
UPDATE documents_issuingvalve SET
  window_count = CASE WHEN window_ends_at > %(now)s THEN window_count ELSE 0 END
    + CASE WHEN %(event)s <= uncounted_until_event THEN 0 ELSE %(documents)s END,
  window_ends_at = CASE WHEN window_ends_at > %(now)s THEN window_ends_at ELSE %(now)s
    + make_interval(mins => CASE WHEN minute_max_set IS NULL THEN %(window)s ELSE %(window_set)s END) END,
  day_count = CASE WHEN counted_date >= %(date)s THEN day_count ELSE 0 END
    + CASE WHEN %(event)s <= uncounted_until_event THEN 0 ELSE %(documents)s END,
  counted_date = greatest(counted_date, %(date)s)
WHERE issuer_id = %(issuer)s
RETURNING coalesce(%(event)s <= turn, paused_at IS NULL), %(event)s > uncounted_until_event,
  window_count, minute_max, minute_max_set, day_count, coalesce(day_max_set, day_max)
"""
_BUSIEST = """
SELECT (SELECT max(documents) FROM (SELECT count(*) AS documents FROM documents_document
          WHERE issuer_id = %(issuer)s AND issued_at >= %(since)s GROUP BY date_trunc('minute', issued_at)) AS minutes),
       (SELECT max(documents) FROM (SELECT count(*) AS documents FROM documents_document
          WHERE issuer_id = %(issuer)s AND issued_at >= %(since)s GROUP BY issue_date) AS days)
"""


class LimitReached(errors.Problem):
    """What is about to be issued is more than the issuer may: `limit` is "minute" or "day", `most` what it may."""

    def __init__(self, *, issuer: Issuer, limit: str, most: int, minutes: int = 0) -> None:
        super().__init__(code=PAUSED, values={"issuer": issuer.slug})
        self.issuer, self.limit, self.most, self.minutes = issuer, limit, most, minutes


def take(*, issuer: Issuer, documents: int, event_id: int, now: dt.datetime, date: dt.date) -> None:
    """Count documents that are about to be numbered, on the issuer's local day; call just before.

    The row stays locked until the transaction ends, so two that issue at once never pass a limit together; a rollback
    takes the count back.

    :raises LimitReached: it would be more than the issuer may; `pause` is due once this transaction has ended
    :raises errors.Problem: `issuing_paused`, or it is not this event's turn yet
    """
    row = _take(issuer_id=issuer.pk, documents=documents, event_id=event_id, now=now, date=date)
    if row is None:
        _ensure(issuer_id=issuer.pk)
        row = _take(issuer_id=issuer.pk, documents=documents, event_id=event_id, now=now, date=date)
    if row is None or not row.open:
        raise errors.Problem(code=PAUSED, values={"issuer": issuer.slug})
    if (forecast := _forecast.get()) is not None:
        forecast.see(issuer=issuer, documents=documents, row=row)
        return
    if row.counts and row.in_window > row.window_max:
        raise LimitReached(issuer=issuer, limit="minute", most=row.window_max, minutes=row.window_minutes)
    if row.counts and row.in_day > row.day_max:
        raise LimitReached(issuer=issuer, limit="day", most=row.day_max)


class _Row(NamedTuple):
    """What a valve says once documents have been counted: is it open to their event, and does that count."""

    open: bool
    counts: bool
    in_window: int
    minute_max: int
    minute_max_set: int | None
    in_day: int
    day_max: int

    @property
    def window_minutes(self) -> int:
        return WINDOW_MINUTES if self.minute_max_set is None else WINDOW_MINUTES_SET

    @property
    def window_max(self) -> int:
        return (self.minute_max_set or self.minute_max) * self.window_minutes


class Forecast:
    """What a rehearsal knows of limits: how much each issuer may still issue, and which are thought to be paused."""

    def __init__(self) -> None:
        self.room: dict[str, tuple[int, LimitReached]] = {}
        self.paused: set[str] = set()

    def see(self, *, issuer: Issuer, documents: int, row: _Row) -> None:
        """Note what an issuer may still issue, when it is first seen; whatever it issues is not refused.

        :raises errors.Problem: `issuing_paused`, of one that is thought to be
        """
        if issuer.slug in self.paused:
            raise errors.Problem(code=PAUSED, values={"issuer": issuer.slug})
        minutes, window_max = row.window_minutes, row.window_max
        limits = (
            (window_max - row.in_window, LimitReached(issuer=issuer, limit="minute", most=window_max, minutes=minutes)),
            (row.day_max - row.in_day, LimitReached(issuer=issuer, limit="day", most=row.day_max)),
        )
        left, reached = min(limits, key=lambda each: each[0])
        self.room.setdefault(issuer.slug, (left + documents, reached))


_forecast: contextvars.ContextVar[Forecast | None] = contextvars.ContextVar("forecast", default=None)


@contextlib.contextmanager
def foreseeing(*, forecast: Forecast) -> Iterator[None]:
    """Let limits be foreseen instead of reached, where all that is issued is undone."""
    token = _forecast.set(forecast)
    try:
        yield
    finally:
        _forecast.reset(token)


def _take(*, issuer_id: int, documents: int, event_id: int, now: dt.datetime, date: dt.date) -> _Row | None:
    """Count documents; None where the issuer has no row yet."""
    locks.declare(rank=locks.Rank.VALVE, keys=[(issuer_id,)])
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "issuer": issuer_id,
                "documents": documents,
                "event": event_id,
                "now": now,
                "date": date,
                "window": WINDOW_MINUTES,
                "window_set": WINDOW_MINUTES_SET,
            },
        )
        row = cursor.fetchone()
    return None if row is None else _Row(*row)


def _ensure(*, issuer_id: int) -> None:
    """Make the row of an issuer exist."""
    locks.declare(rank=locks.Rank.VALVE, keys=[(issuer_id,)])
    IssuingValve.objects.bulk_create([IssuingValve(issuer_id=issuer_id)], ignore_conflicts=True)


def pause(*, reached: LimitReached) -> None:
    """Let nothing more of an issuer be issued, and open one P1; nothing where it is paused already.

    Call outside of the transaction that reached the limit: that one is undone, or holds locks of a later rank.

    :raises audit.log.AuditUnavailable: the next event that reaches the limit pauses it
    """
    issuer = reached.issuer
    with transaction.atomic():
        locks.declare(rank=locks.Rank.VALVE, keys=[(issuer.pk,)])
        running = IssuingValve.objects.filter(issuer=issuer, paused_at=None)
        if not running.update(paused_at=Now(), paused_by=reached.limit, turn=0):
            return
        log.record(
            action=Action.ISSUER_PAUSED,
            object_type="issuer",
            object_id=issuer.slug,
            actor=log.SYSTEM,
            code=reached.limit,
            details={"most": reached.most},
        )
        values: dict[str, errors.Value] = {"cause": reached.limit, "issuer": issuer.slug, "most": reached.most}
        if reached.minutes:
            values["minutes"] = reached.minutes
        incidents.open_alert(code=PAUSED, dedup_key=_alert(issuer=issuer), values=values, object_id=issuer.slug)


@contextlib.contextmanager
def pauses() -> Iterator[None]:
    """Pause an issuer whose limit a person's own decision reaches; to the person it is refused like any other."""
    try:
        yield
    except LimitReached as reached:
        pause(reached=reached)
        raise


def resume(*, issuer: Issuer, reason: str, now: dt.datetime, actor: log.Actor) -> bool:
    """Let an issuer issue again, what is held first; False where it is not paused.

    Counting begins anew, and what has come until now is not counted: whoever resumes has looked at it. What comes while
    it is being issued waits for its turn, and is counted.
    """
    with transaction.atomic():
        locks.declare(rank=locks.Rank.VALVE, keys=[(issuer.pk,)])
        paused_events = Event.objects.filter(status=EventStatus.HELD, code=PAUSED, superseded_by=None)
        held = paused_events.filter(issuer_slug=issuer.slug).aggregate(last=Max("pk"), count=Count("pk"))
        anew = {"window_ends_at": None, "window_count": 0, "day_count": 0, "turn": 0, "turned_at": now}
        resumed = {"paused_at": None, "paused_by": "", "resumed_at": now, "uncounted_until_event": held["last"] or 0}
        if not IssuingValve.objects.filter(issuer=issuer).exclude(paused_at=None).update(**anew, **resumed):
            return False
        log.record(
            action=Action.ISSUER_RESUMED,
            object_type="issuer",
            object_id=issuer.slug,
            actor=actor,
            details={"reason": reason, "held": held["count"]},
        )
        incidents.resolve_alert(dedup_key=_alert(issuer=issuer), actor=actor, reason=reason)
        transaction.on_commit(lambda: queue.enqueue(task=TaskName.ISSUE_HELD, issuer_id=issuer.pk))
    return True


def limit(*, issuer: Issuer, minute_max: int | None, day_max: int | None, reason: str, actor: log.Actor) -> None:
    """Set how much an issuer may issue in a minute and on a day; None for what its own past allows.

    The window begins anew; the day's count stays.
    """
    with transaction.atomic():
        _ensure(issuer_id=issuer.pk)
        IssuingValve.objects.filter(issuer=issuer).update(
            minute_max_set=minute_max, day_max_set=day_max, window_ends_at=None, window_count=0
        )
        log.record(
            action=Action.ISSUER_LIMITED,
            object_type="issuer",
            object_id=issuer.slug,
            actor=actor,
            details={"minute": minute_max or 0, "day": day_max or 0, "reason": reason},
        )


def work_out_limits(*, now: dt.datetime) -> int:
    """Work out anew, once a day, what each issuer's own past allows; return for how many issuers.

    It reads the documents of four weeks, so it is the sweeper's, never the line's.
    """
    fresh = IssuingValve.objects.filter(limits_at__gt=now - FRESH).values("issuer")
    due = list(Issuer.objects.exclude(pk__in=fresh).order_by("pk").values_list("pk", flat=True))
    for issuer_id in due:
        with connection.cursor() as cursor:
            cursor.execute(_BUSIEST, {"issuer": issuer_id, "since": now - PAST})
            minute, day = cursor.fetchone()
        limits = {
            "minute_max": max(MINUTE_MAX_LEAST, TIMES_MINUTE * (minute or 0)),
            "day_max": max(DAY_MAX_LEAST, TIMES_DAY * (day or 0)),
        }
        with transaction.atomic():
            _ensure(issuer_id=issuer_id)
            IssuingValve.objects.filter(issuer=issuer_id).update(**limits, limits_at=now)
    return len(due)


def _alert(*, issuer: Issuer) -> str:
    return f"{PAUSED}:{issuer.slug}"
