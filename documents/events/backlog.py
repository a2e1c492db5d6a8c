"""Issue what was held while an issuer was paused, in the order in which it came.

The valve says whose turn it is: nothing else of the issuer is issued meanwhile, what comes new waits behind. Each turn
is moved by compare-and-set, so of two that do this at once one goes on, and whoever comes after a crash goes on from
where it stands.
"""

import datetime as dt
import logging
import time

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from documents import locks
from documents.emission import valve
from documents.events import intake, outcomes
from documents.models import Event, IssuingValve
from documents.resilience import queue
from documents.task_names import TaskName

logger = logging.getLogger(__name__)
A_WHILE_S = 5.0  # of one task, or of one look of the sweeper: its worker has other things to do
STALLED_AFTER = dt.timedelta(seconds=3)  # as of what the sweeper picks up elsewhere


def held() -> QuerySet[Event]:
    """Return the events that wait for their issuer to go on; what a person has dismissed does not."""
    # One whose body has been reduced to its digest cannot be run any more.
    return Event.objects.filter(outcomes.for_a_person(), code=valve.PAUSED, body__isnull=False)


def issue_on(*, issuer_id: int, now: dt.datetime) -> None:
    """Issue for a while, and leave the rest to another task."""
    if issue(issuer_id=issuer_id, now=now):
        queue.enqueue(task=TaskName.ISSUE_HELD, issuer_id=issuer_id)


def issue(*, issuer_id: int, now: dt.datetime) -> bool:
    """Issue what waits, as much as there is time for; return whether there may be more to do."""
    end, before = time.monotonic() + A_WHILE_S, 0
    while time.monotonic() < end:
        pk = _next_turn(issuer_id=issuer_id)
        if pk is None:
            return False
        if pk == before:
            logger.error("backlog.stands_still", extra={"item": str(pk)})
            return False
        intake.resume(event_id=pk, now=now)
        before = pk
    return True


def stalled(*, now: dt.datetime) -> int:
    """Go on with each issuer that nobody works at; return for how many.

    That is also one where an event was held at the very moment at which the last of those before it had been issued.
    """
    late = now - STALLED_AFTER
    missed = held().filter(issuer_slug=OuterRef("issuer__slug"), received_at__lt=late)
    running = IssuingValve.objects.filter(paused_at=None)
    waits = running.filter(Q(turned_at__lt=late, turn__isnull=False) | Q(Exists(missed), turn=None))
    issuers = list(waits.order_by("pk").values_list("pk", flat=True))
    for issuer_id in issuers:
        issue(issuer_id=issuer_id, now=now)
    return len(issuers)


def _next_turn(*, issuer_id: int) -> int | None:
    """Give the turn to the event that came first, and return it; None where nothing is left, or another one does it."""
    while True:
        row = IssuingValve.objects.select_related("issuer").only("turn", "paused_at", "issuer__slug").get(pk=issuer_id)
        if row.paused_at is not None:
            return None
        first = held().filter(issuer_slug=row.issuer.slug).order_by("pk").values_list("pk", flat=True).first()
        if row.turn is None:
            return first
        with transaction.atomic():
            locks.declare(rank=locks.Rank.VALVE, keys=[(issuer_id,)])
            same = IssuingValve.objects.filter(pk=issuer_id, paused_at=None, turn=row.turn)
            if not same.update(turn=first, turned_at=Now()):
                return None
        if first is not None:
            return first
        # Nothing was left, so everything may be issued again: look once more, for what was held meanwhile.
