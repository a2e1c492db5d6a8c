"""The sweeper: what is due in PostgreSQL is picked up again, with or without the broker.

`sweep` does one round. `Poller` runs it on threads of the worker's own, which also renew the leases of what is being
worked on, even while the worker waits for its broker to come back.
"""

import concurrent.futures
import datetime as dt
import functools
import logging
import threading
from collections.abc import Callable

from celery import bootsteps
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connections
from django.utils import timezone

logger = logging.getLogger(__name__)
BATCH_MAX, EVENTS_MAX = 20, 200  # events come first and take milliseconds: what they issue is rendered next
THREADS = 2
WATCH_EVERY_S, NUMBERS_EVERY_S = 10, 60


def sweep(*, now: dt.datetime) -> int:
    """Try once whatever is due (events, documents, mails) and do the periodic work; return how many were due."""
    from documents.alerts import sending
    from documents.delivery import deliveries, notices
    from documents.emission import locking
    from documents.events import intake, outcomes, waiting
    from documents.operations import numbers, watch

    jobs = [
        *_due_jobs(
            due=waiting.due, work=lambda pk: intake.resume(event_id=pk, now=timezone.now()), now=now, limit=EVENTS_MAX
        ),
        *_due_jobs(due=locking.due, work=lambda pk: locking.advance(document_id=pk, now=timezone.now()), now=now),
        *_due_jobs(due=deliveries.due, work=lambda pk: deliveries.send(delivery_id=pk, now=timezone.now()), now=now),
        *_due_jobs(due=notices.due, work=lambda pk: notices.send(notice_id=pk, now=timezone.now()), now=now),
    ]
    with concurrent.futures.ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="sweep") as threads:
        list(threads.map(_alone, jobs))
    for periodic in (
        lambda: watch.watch(now=now, every_s=WATCH_EVERY_S),
        lambda: numbers.look(every_s=NUMBERS_EVERY_S),
        lambda: sending.deliver(now=now),
        lambda: deliveries.digest(now=now),
        lambda: outcomes.overdue(now=now, limit_s=settings.PARKED_LIMIT_S),
    ):
        _alone(periodic)
    return len(jobs)


def _due_jobs(
    *, due: Callable[..., list[int]], work: Callable[[int], object], now: dt.datetime, limit: int = BATCH_MAX
) -> list[functools.partial[object]]:
    """Return the jobs of one kind that are due; a kind that cannot be read does not stop the others."""
    try:
        return [functools.partial(work, pk) for pk in due(now=now, limit=limit)]
    except DatabaseError:
        logger.exception("sweep.due_not_read")  # the other kinds go on
        return []


def _alone(job: Callable[[], object]) -> None:
    """Run one job on connections of its own thread; its failure does not stop the others."""
    try:
        job()
    except Exception:
        logger.exception("sweep.job_failed")  # it is due again later
    finally:
        if threading.current_thread() is not threading.main_thread():
            connections.close_all()


class Poller(bootsteps.StartStopStep):
    """Celery worker step: two threads, for leases and sweeps, that live as long as the worker."""

    def __init__(self, parent: object, **options: object) -> None:
        super().__init__(parent, **options)
        self.ended = threading.Event()
        self.threads: list[threading.Thread] = []

    def start(self, _parent: object) -> None:
        """Start renewing and sweeping."""
        for turn in (self._renew, self._sweep):
            thread = threading.Thread(target=self._every, args=(turn,), name=f"poller-{turn.__name__}", daemon=True)
            thread.start()
            self.threads.append(thread)

    def stop(self, _parent: object) -> None:
        """Let the current round finish and end the threads."""
        self.ended.set()
        for thread in self.threads:
            thread.join(timeout=10)

    def _every(self, turn: Callable[[], object]) -> None:
        while not self.ended.wait(settings.SWEEP_EVERY_S):
            close_old_connections()
            try:
                turn()
            except Exception:
                logger.exception("sweep.turn_failed", extra={"task": turn.__name__})

    def _renew(self) -> None:
        from documents.resilience import leases

        leases.renew(now=timezone.now())

    def _sweep(self) -> None:
        # A full batch says that more is waiting: go on at once.
        while sweep(now=timezone.now()) >= BATCH_MAX and not self.ended.is_set():
            pass
