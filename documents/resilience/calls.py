"""The only way to call a dependency: once, behind its breaker, with an alert when it stays away.

Only one layer retries: the row in PostgreSQL (a document's, a delivery's, an alert's next try). `call` therefore tries
once; the row waits `backoff_s` and is tried again, at most `attempts_max` times before a person must retry it. Nothing
here sleeps.
"""

import logging
import smtplib
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Protocol, TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, connection, transaction
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from documents import errors, metrics, transactions
from documents.resilience import breaker, circuits, dependencies

log = logging.getLogger(__name__)
T = TypeVar("T")


class Listener(Protocol):
    """A listener for outages: `documents.alerts` opens and resolves their incidents. Calls know nothing of alerts."""

    def outage_began(self, *, row: dependencies.Dependency, cause: BaseException) -> None:
        """Take note that a breaker has opened."""

    def outage_ended(self, *, row: dependencies.Dependency) -> None:
        """Take note that a dependency has answered for long enough."""


LISTENERS: list[Listener] = []  # added to by `documents.apps`
# The ways in which a dependency fails. Anything else (a TypeError) is a defect of ours and no outage.
FAILURES = (
    OSError,
    EOFError,
    smtplib.SMTPException,
    HTTPException,
    RedisError,
    KombuError,
    OperationalError,
    InterfaceError,
    SoftTimeLimitExceeded,
)
ANSWERS = (errors.Problem, smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)
PERMANENT_SMTP = 500
# SQLSTATE of what PostgreSQL itself ended, and lives: a statement past its time or its wait for a lock, or a conflict.
ENDED_BY_POSTGRESQL = transactions.CONFLICTS | {"57014", "55P03"}


class DependencyDown(Exception):
    """The dependency is down (`cause` is its error) or its breaker is open (`cause` is None): use the fallback."""

    def __init__(self, *, dependency: str, cause: BaseException | None = None) -> None:
        self.dependency, self.cause = dependency, cause
        super().__init__(f"{dependency}: {cause or 'breaker open'}")


POSTGRESQL = "postgresql"
BREAKERS: dict[str, breaker.Breaker] = {
    name: breaker.Breaker(row=row)
    if name == POSTGRESQL  # where it is away, its row is too
    else circuits.SharedBreaker(row=row, is_usable=lambda: BREAKERS[POSTGRESQL].state == "closed")
    for name, row in dependencies.DEPENDENCIES.items()
}


class _Inside(threading.local):
    """The dependencies that this thread is calling right now."""

    def __init__(self) -> None:
        self.names: set[str] = set()


_inside = _Inside()


def call(*, dependency: str, work: Callable[[], T], now: Callable[[], float] | None = None) -> T:
    """Try an outside call once, behind its breaker; a slow answer is used, and counted as a failure.

    `work` sets the row's timeouts on its own sockets. A refusal that no repeat would change (a Problem that is not
    retryable, a recipient refused for good) is raised as it is: the dependency is well.

    :raises DependencyDown: the breaker is open, or the call failed.
    :raises RuntimeError: the caller is in a transaction, whose locks would be held for as long as the call takes
    """
    if connection.in_atomic_block:
        with transaction.atomic(durable=True, savepoint=False):
            pass  # Django raises where this is within a transaction other than a test's
    if dependency in _inside.names:
        return work()  # a call within a call of the same dependency is one call: the outer one counts
    _inside.names.add(dependency)
    try:
        return _call(dependency=dependency, work=work, clock=now or time.monotonic)
    finally:
        _inside.names.discard(dependency)


def _call(*, dependency: str, work: Callable[[], T], clock: Callable[[], float]) -> T:
    """Try a call once; see `call`."""
    circuit = BREAKERS[dependency]
    started = clock()
    if not circuit.admits(now=started):
        raise DependencyDown(dependency=dependency)
    try:
        result = work()
    except DependencyDown:
        circuit.abandoned()  # another dependency's outage says nothing about this one
        raise
    except Exception as error:
        if not _is_outage(error=error):
            # An answer proves that it is well; a defect of ours (a TypeError) proves nothing.
            if isinstance(error, ANSWERS):
                note_success(dependency=dependency, now=clock)
            else:
                circuit.abandoned()
            raise
        metrics.DEPENDENCY_SECONDS.labels(dependency=dependency, outcome="failed").observe(clock() - started)
        note_failure(dependency=dependency, cause=error, now=clock)
        raise DependencyDown(dependency=dependency, cause=error) from error
    took = clock() - started
    metrics.DEPENDENCY_SECONDS.labels(dependency=dependency, outcome="ok").observe(took)
    if took > circuit.row.total_s:
        note_failure(dependency=dependency, cause=TimeoutError(f"answered after {took:.1f} s"), now=clock)
    else:
        note_success(dependency=dependency, now=clock)
    return result


def note_failure(*, dependency: str, cause: BaseException, now: Callable[[], float] | None = None) -> None:
    """Count a failure, also one met outside `call` (a door that lost PostgreSQL); open the alert with the breaker."""
    row = dependencies.DEPENDENCIES[dependency]
    log.warning("dependency.failed", extra={"dependency": dependency, "cause": cause})
    if BREAKERS[dependency].failed(now=(now or time.monotonic)()):
        for listener in LISTENERS:
            listener.outage_began(row=row, cause=cause)


def note_success(*, dependency: str, now: Callable[[], float] | None = None) -> None:
    """Count a success; resolve the incident's alert once the dependency has answered for its row's `steady_s`."""
    if BREAKERS[dependency].succeeded(now=(now or time.monotonic)()):
        for listener in LISTENERS:
            listener.outage_ended(row=dependencies.DEPENDENCIES[dependency])


def note_database_error(*, cause: BaseException) -> None:
    """Count an error of PostgreSQL that a door has met, unless PostgreSQL itself answered with it."""
    if not ended_by_postgresql(error=cause):
        note_failure(dependency=POSTGRESQL, cause=cause)


def ended_by_postgresql(*, error: BaseException) -> bool:
    """Return whether PostgreSQL ended a statement (a time limit, a lock, a deadlock), and is well."""
    return getattr(error.__cause__, "sqlstate", None) in ENDED_BY_POSTGRESQL


def _is_outage(*, error: Exception) -> bool:
    """Return whether an error means that the dependency is down."""
    if ended_by_postgresql(error=error):
        return False
    if isinstance(error, errors.Problem):
        return error.row.retryable
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return any(code < PERMANENT_SMTP for code, _text in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code < PERMANENT_SMTP
    return isinstance(error, FAILURES)
