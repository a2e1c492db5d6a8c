"""Events that wait: which are due, and which a new fact wakes."""

import datetime as dt
from collections.abc import Sequence

from django.db import connection, transaction
from django.db.models import Q

from documents.events import outcomes
from documents.models import Event, EventStatus
from documents.resilience import queue

NEXT_MAX = 3  # woken of a chain
PARKED = Q(status=EventStatus.PARKED)
# A held event has a next look only where a later fact may have mended or explained it, or where a defect of ours is
# why it is held: that is run again for ever (at once where a version that did not do so has held it).
HELD_AGAIN = Q(status=EventStatus.HELD, superseded_by=None) & Q(Q(next_try_at__isnull=False) | Q(code=outcomes.DEFECT))
_DUE_AT_ONCE = Q(code=outcomes.DEFECT, next_try_at=None)

_WAKE = """
WITH waiting AS (
  SELECT e.id FROM documents_wait w JOIN documents_event e ON e.id = w.event_id
  WHERE w.awaited = %(awaited)s AND e.status = 'parked'
  ORDER BY e.occurred_at < %(after)s, CASE WHEN %(after)s::timestamptz IS NOT NULL THEN e.occurred_at END, e.id
  LIMIT CASE WHEN %(after)s::timestamptz IS NOT NULL THEN %(next_max)s END FOR NO KEY UPDATE OF e
)
UPDATE documents_event e
SET missing = e.missing - %(awaited)s::text,
  next_try_at = CASE WHEN e.missing - %(awaited)s::text = '[]' THEN %(now)s ELSE e.next_try_at END
FROM waiting WHERE e.id = waiting.id
RETURNING e.id, e.missing = '[]'
"""


class Parked(Exception):
    """An effect cannot run yet: `missing` names the subjects that must come first, such as `order:ord_1`."""

    def __init__(self, *, missing: Sequence[str]) -> None:
        self.missing = sorted(set(missing))
        super().__init__(", ".join(self.missing))


def wake(*, awaited: str, now: dt.datetime, after: dt.datetime | None = None) -> None:
    """Make due whatever waits for a subject that has just come, in the bringer's transaction.

    Of a chain `after` is the moment at which this link was: a few of the next are woken, and each wakes its own.

    What waits for more is not looked at for each: a payout of 1,500 orders is, when the last of them comes. The rows
    are held meanwhile, so of two who bring the last two at once, the later one sees that it was the last.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WAKE, {"awaited": awaited, "now": now, "after": after, "next_max": NEXT_MAX})
        woken = [pk for pk, ready in cursor.fetchall() if ready]
    for pk in woken:
        transaction.on_commit(lambda pk=pk: queue.enqueue(task="documents.resume", args=[pk]))  # type: ignore[misc]  # the default binds the loop variable


def due(*, now: dt.datetime, limit: int) -> list[int]:
    """Return events that wait and whose next look is due, of several about one fact the first."""
    found: list[int] = []
    looked = Q(next_try_at__lte=now)
    for waits in (PARKED & looked, HELD_AGAIN & (looked | _DUE_AT_ONCE)):  # one by one, each by its index
        rows = Event.objects.filter(waits).order_by("next_try_at", "pk")
        found += rows.values_list("pk", flat=True)[: limit - len(found)]
    return found
