"""The lookout of a web process: a thread that says it is alive, looks after the workers, and speaks where none is left.

Workers have the watch, which asks every dependency. A web process needs less: whether PostgreSQL answers, so that its
breaker closes again by itself; how the breakers stand; and whether anybody is there to send alerts.
"""

import logging
import os
import threading
from collections.abc import Callable

from django.db import DatabaseError, connections
from django.utils import timezone

from documents.alerts import outages, sending
from documents.operations import absences, checks, conditions, heartbeats
from documents.resilience import calls

logger = logging.getLogger(__name__)
LOOK_EVERY_S = 5.0
ANSWER_S = 5.0  # the total of `postgresql` in `resilience.dependencies`


class Lookout:
    """A thread that looks every few seconds until it is ended."""

    def __init__(self, *, every_s: float = LOOK_EVERY_S) -> None:
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="lookout", daemon=True)
        self._pid = os.getpid()

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def end(self) -> None:
        """End in order: nobody calls this process silent."""
        self._ended.set()
        if self._pid == os.getpid() and self._thread.is_alive():
            self._thread.join(timeout=1.0)
        _alone(heartbeats.end)

    def _go_on(self) -> None:
        while not self._ended.wait(self._every_s):
            look()


def look() -> None:
    """Look once; a part that fails stops no other."""
    if not ask_postgresql():
        outages.send_unsent()
        return
    for part in (
        lambda: heartbeats.beat(role=heartbeats.ProcessRole.WEB),
        outages.write_unwritten,
        absences.look,
        _speak,
    ):
        _alone(part)


def ask_postgresql() -> bool:
    """Ask PostgreSQL, note in this process' breaker how it went, and return whether it answers."""
    question = checks.QUESTIONS.setdefault(calls.POSTGRESQL, checks.Question(work=checks.CHECKS[calls.POSTGRESQL]))
    try:
        question.ask().answer(wait_s=ANSWER_S)
    except (DatabaseError, *calls.FAILURES) as error:
        calls.note_failure(dependency=calls.POSTGRESQL, cause=error)
        return False
    calls.note_success(dependency=calls.POSTGRESQL)
    return True


def _speak() -> None:
    """Send the alerts where no worker is left that would."""
    if not conditions.read().lives.has_worker:
        sending.deliver(now=timezone.now())


def _alone(part: Callable[[], object]) -> None:
    """Do one part; what it raises is logged, and its connection does not outlive it."""
    try:
        part()
    except Exception:
        logger.exception("lookout.part_failed")
    finally:
        connections.close_all()
