"""The sweeper: what is overdue in PostgreSQL is picked up again, with or without the broker.

`sweep` does one round. `Poller` runs its parts on threads of the worker's own, one of which renews the leases of what
is being worked on, even while the worker waits for its broker to come back.
"""

import contextlib
import datetime as dt
import functools
import logging
import threading
from collections.abc import Callable

from celery import bootsteps
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, transaction
from django.utils import timezone

logger = logging.getLogger(__name__)
# What is fresh is the queue's: its message is on the way. Where none comes, the row is the sweeper's after this time.
OVERDUE_AFTER = dt.timedelta(seconds=3)
TURNS_MAX, EVENTS_MAX = 20, 200  # of one round
THREADS = 2
SEAL_EVERY_S = 1.0  # the lag from commit to signed head is to stay below 2 s
WATCH_EVERY_S, NUMBERS_EVERY_S, HOLDS_EVERY_S, ARCHIVE_EVERY_S = 10, 60, 5, 10


def sweep(*, now: dt.datetime) -> int:
    """Try once whatever is overdue (events, documents, mails) and do the periodic work; return how much was overdue."""
    done = resume(now=now) + work_off(now=now)
    tend(now=now)
    return done


def resume(*, now: dt.datetime) -> int:
    """Run the overdue events again; return how many there were. What they issue is due afterwards."""
    from documents.events import intake, waiting

    try:
        events = waiting.due(now=now - OVERDUE_AFTER, limit=EVENTS_MAX)
    except DatabaseError:
        logger.exception("sweep.due_not_read")  # the other kinds go on
        return 0
    for pk in events:
        _alone(functools.partial(intake.resume, event_id=pk, now=timezone.now()))
    return len(events)


def work_off(*, now: dt.datetime) -> int:
    """Work on overdue rows, one of each kind in turn and the oldest first; return how many there were.

    Each row is leased when its turn comes, so any number of threads and workers share what there is. A few payouts
    never wait behind thousands of statements: each kind of document has a turn of its own.
    """
    from documents.delivery import deliveries, invitations, notices, sign_in_codes
    from documents.models import Kind

    overdue_at = now - OVERDUE_AFTER
    kinds: list[Callable[[], bool]] = [
        *(functools.partial(_next_document, kind=kind, overdue_at=overdue_at) for kind in Kind),
        lambda: deliveries.send_next(rows=deliveries.due(now=overdue_at), now=timezone.now()),
        lambda: notices.send_next(rows=notices.due(now=overdue_at), now=timezone.now()),
        lambda: invitations.send_next(rows=invitations.due(now=overdue_at), now=timezone.now()),
        lambda: sign_in_codes.send_next(rows=sign_in_codes.due(now=overdue_at), now=timezone.now()),
    ]
    done = 0
    for _ in range(TURNS_MAX):
        kinds = [next_one for next_one in kinds if _alone(next_one)]
        done += len(kinds)
    return done


def tend(*, now: dt.datetime) -> None:
    """Do the periodic work: watch, send alerts, bundle the week's summaries, report events that wait for too long.

    Issuers that were resumed go on here where their task was lost; what each may issue is worked out anew. The vault is
    told of legal holds.
    """
    from documents.alerts import sending
    from documents.custody import hold_marks
    from documents.delivery import deliveries
    from documents.emission import valve
    from documents.events import backlog, waiting
    from documents.operations import numbers, watch
    from documents.resilience import clock

    for periodic in (
        lambda: watch.watch(now=now, every_s=WATCH_EVERY_S),
        lambda: numbers.look(every_s=NUMBERS_EVERY_S),
        lambda: sending.deliver(now=clock.of_database(now=now)),
        lambda: deliveries.digest(now=now),
        lambda: waiting.overdue(now=now, limit_s=settings.PARKED_LIMIT_S),
        lambda: backlog.stalled(now=now),
        lambda: valve.work_out_limits(now=now),
        lambda: hold_marks.tell(now=now, every_s=HOLDS_EVERY_S),
    ):
        _alone(periodic)


def _next_document(*, kind: str, overdue_at: dt.datetime) -> bool:
    from documents.emission import locking

    return locking.advance_next(rows=locking.due(now=overdue_at).filter(kind=kind), now=timezone.now())


def _alone(job: Callable[[], object]) -> bool:
    """Do one job, whose failure stops no other, and return whether there may be another one of its kind now."""
    try:
        return bool(job())
    except DatabaseError:
        logger.exception("sweep.due_not_read")  # the other kinds go on
        return False
    except Exception:
        logger.exception("sweep.job_failed")  # it is due again later
        return True
    finally:
        close_old_connections()


class Poller(bootsteps.StartStopStep):
    """Celery worker step: a few threads, for leases, periodic work and sweeps, that live as long as the worker.

    Each keeps its connection from one turn to the next.
    """

    def __init__(self, parent: object, **options: object) -> None:
        super().__init__(parent, **options)
        self.ended = threading.Event()
        self.threads: list[threading.Thread] = []
        self.compared = False  # whether the vault has been asked for numbers that the database does not know

    def start(self, _parent: object) -> None:
        """Start renewing, tending, sweeping, sealing the log, and reading again what is locked.

        Before that it looks whether the database is older than the vault: no number is given twice after a restore.
        """
        from documents.operations import worker_metrics

        worker_metrics.start()
        self._compare_at_start()
        close_old_connections()
        for turn in (self._renew, self._tend, self._keep, self._seal, *[self._work_off] * THREADS):
            pause_s = SEAL_EVERY_S if turn == self._seal else settings.SWEEP_EVERY_S
            name = f"poller-{turn.__name__}"
            thread = threading.Thread(target=self._every, args=(turn, pause_s), name=name, daemon=True)
            thread.start()
            self.threads.append(thread)

    def stop(self, _parent: object) -> None:
        """Let the current round finish and end the threads."""
        from documents.operations import heartbeats

        self.ended.set()
        for thread in self.threads:
            thread.join(timeout=10)
        with contextlib.suppress(DatabaseError):
            heartbeats.end()

    def _every(self, turn: Callable[[], object], pause_s: float) -> None:
        while not self.ended.wait(pause_s):
            close_old_connections()
            try:
                turn()
            except Exception:
                logger.exception("sweep.turn_failed", extra={"task": turn.__name__})

    def _renew(self) -> None:
        """Renew the leases, and say that this worker is alive."""
        from documents.operations import heartbeats
        from documents.resilience import leases

        leases.renew(now=timezone.now())
        heartbeats.beat(role=heartbeats.ProcessRole.WORKER)

    def _compare_at_start(self) -> None:
        """Compare, or leave it to the rounds: a worker starts without PostgreSQL, too, and is there when it is back."""
        try:
            self._compare_with_vault()
        except (DatabaseError, InterfaceError):
            logger.exception("sweep.compared_later")

    def _compare_with_vault(self) -> None:
        """Look, until the vault has answered once since the start, whether it is ahead of the database.

        Then what has waited for that goes on, whichever process it came to.
        """
        from documents.access import actors
        from documents.custody import restore
        from documents.events import waiting
        from documents.vault import comparisons

        if self.compared:
            return
        actor = actors.program(name="restore", channel="worker")
        self.compared = restore.at_start(actor=actor, now=timezone.now())
        if self.compared:
            with transaction.atomic():
                waiting.wake(awaited=[comparisons.AWAITED], now=timezone.now())

    def _tend(self) -> None:
        self._compare_with_vault()
        # A full batch says that more is waiting: go on at once.
        while resume(now=timezone.now()) >= EVENTS_MAX and not self.ended.is_set():
            pass
        tend(now=timezone.now())

    def _keep(self) -> None:
        from documents.custody import log_archive, rounds

        log_archive.tend(now=timezone.now(), every_s=ARCHIVE_EVERY_S)
        while rounds.go_on(now=timezone.now()) and not self.ended.is_set():
            pass

    def _seal(self) -> None:
        from audit import sealing

        while sealing.seal() and not self.ended.is_set():
            pass

    def _work_off(self) -> None:
        while work_off(now=timezone.now()) and not self.ended.is_set():
            pass
