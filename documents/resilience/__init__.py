"""The outside world in one table, and the one way to call it: timeouts, breaker, fallback, alert.

Only one layer retries: the row in PostgreSQL (a document's, a delivery's, an alert's next try). `call` therefore tries
once; the
row waits `backoff_s` and comes again, at most `attempts_max` times before it rests for a person. Nothing here sleeps.
"""

import logging
import random
import smtplib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TypeVar

from celery import current_app
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError, connections
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

# `alerts` sends through `call`, `call` opens alerts: each uses the other at run time only.
from documents import errors, metrics
from documents.alerts import channel, outages
from documents.resilience.breaker import Breaker
from documents.resilience.doorbell import Doorbell

log = logging.getLogger(__name__)
T = TypeVar("T")
SKEW_FRESH_S = 60.0
# What a dependency does wrong. Anything else (a TypeError) is a defect of ours and must not be taken for an outage.
FAILURES = (
    OSError,
    EOFError,
    smtplib.SMTPException,
    HTTPException,
    RedisError,
    KombuError,
    DatabaseError,
    InterfaceError,
    SoftTimeLimitExceeded,
)
ANSWERS = (errors.Problem, smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, channel.Refused)
PERMANENT_SMTP = 500
ENDLESS = 1_000_000  # the row is tried for as long as the dependency is away


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """One row: seconds in `_s`; `fallback` is what happens meanwhile (es, en), `never` what must not."""

    name: str
    connect_s: float
    total_s: float
    attempts_max: int
    backoff_base_s: float
    backoff_cap_s: float
    breaker_failures: int
    breaker_open_s: float
    fallback: tuple[str, str]
    never: str
    alert_severity: str
    runbook: str = field(default="")


_ROWS = (
    Dependency(
        name="vault", connect_s=2, total_s=10, attempts_max=ENDLESS, backoff_base_s=2, backoff_cap_s=300,
        breaker_failures=3, breaker_open_s=10, alert_severity="P2",
        fallback=("El documento espera como ISSUED; no se sirve nada sin resguardar",
                  "The document waits as ISSUED; nothing unlocked is served"),
        never="show locked; lose; double",
    ),
    Dependency(
        name="mail", connect_s=3, total_s=10, attempts_max=150, backoff_base_s=30, backoff_cap_s=3600,
        breaker_failures=3, breaker_open_s=30, alert_severity="P2",
        fallback=("El documento está en el panel; el correo se reintenta durante 72 h",
                  "The document is in the panel; mail follows for 72 h"),
        never="block emission; mail twice",
    ),
    Dependency(
        name="redis", connect_s=1, total_s=2, attempts_max=1, backoff_base_s=1, backoff_cap_s=30,
        breaker_failures=3, breaker_open_s=5, alert_severity="P2",
        fallback=("Los procesos consultan PostgreSQL cada pocos segundos", "Workers poll PostgreSQL every few seconds"),
        never="lose an event; 5xx at intake",
    ),
    Dependency(
        name="postgresql", connect_s=2, total_s=5, attempts_max=1, backoff_base_s=1, backoff_cap_s=30,
        breaker_failures=3, breaker_open_s=2, alert_severity="P1",
        fallback=("503 con Retry-After; ningún webhook recibe 2xx", "503 with Retry-After; no webhook gets a 2xx"),
        never="accept what is not saved",
    ),
    Dependency(
        name="renderer", connect_s=1, total_s=180, attempts_max=5, backoff_base_s=5, backoff_cap_s=300,
        breaker_failures=5, breaker_open_s=30, alert_severity="P2",
        fallback=("El documento espera; sus datos se pueden leer", "The document waits; its data can be read"),
        never="different bytes, other fonts",
    ),
    Dependency(
        name="clock", connect_s=1, total_s=2, attempts_max=1, backoff_base_s=1, backoff_cap_s=30,
        breaker_failures=1, breaker_open_s=60, alert_severity="P2",
        fallback=("Con más de 60 s de desvío nada se resguarda", "Beyond 60 s of skew nothing is locked"),
        never="lock with a skew over 60 s",
    ),
    Dependency(
        name="alert_channel", connect_s=3, total_s=10, attempts_max=ENDLESS, backoff_base_s=15, backoff_cap_s=900,
        breaker_failures=3, breaker_open_s=30, alert_severity="P2",
        fallback=("Las alertas se ven en el Centro de documentos y se envían después",
                  "Alerts show in the Document Center and are sent later"),
        never="block emission; lose an alert",
    ),
)  # fmt: skip
DEPENDENCIES: dict[str, Dependency] = {
    row.name: Dependency(**{**row.__dict__, "runbook": f"docs/runbooks/{row.name.replace('_', '-')}.md"})
    for row in _ROWS
}


class Degraded(Exception):  # noqa: N818 - a state that callers plan for, not a defect
    """The dependency is away (`cause` is its error) or its breaker is open (`cause` is None): take the fallback."""

    def __init__(self, *, dependency: str, cause: BaseException | None = None) -> None:
        self.dependency, self.cause = dependency, cause
        super().__init__(f"{dependency}: {cause or 'breaker open'}")


BREAKERS: dict[str, Breaker] = {name: Breaker(row=row) for name, row in DEPENDENCIES.items()}


class _Inside(threading.local):
    """The dependencies that this thread is calling right now."""

    def __init__(self) -> None:
        self.names: set[str] = set()


_inside = _Inside()


def call(*, dependency: str, work: Callable[[], T], now: Callable[[], float] | None = None) -> T:
    """This function will try an outside call once, behind its breaker; a slow answer is used, and counted as a failure.

    `work` sets the row's timeouts on its own sockets. A refusal that no repeat would change (a Problem that is not
    retryable,
    a recipient refused for good) comes through as it is: the dependency is well.

    :raises Degraded: the breaker is open, or the call failed.
    """
    if dependency in _inside.names:
        return work()  # a call within a call of the same dependency is one call: the outer one counts
    _inside.names.add(dependency)
    try:
        return _call(dependency=dependency, work=work, clock=now or time.monotonic)
    finally:
        _inside.names.discard(dependency)


def _call(*, dependency: str, work: Callable[[], T], clock: Callable[[], float]) -> T:
    breaker = BREAKERS[dependency]
    started = clock()
    if not breaker.admits(now=started):
        raise Degraded(dependency=dependency)
    try:
        result = work()
    except Degraded:
        breaker.abandoned()  # another dependency's outage says nothing about this one
        raise
    except Exception as error:
        if not _is_outage(error=error):
            # An answer proves that it is well; a defect of ours (a TypeError) proves nothing.
            if isinstance(error, ANSWERS):
                note_success(dependency=dependency, now=clock)
            else:
                breaker.abandoned()
            raise
        metrics.DEPENDENCY_SECONDS.labels(dependency=dependency, outcome="failed").observe(clock() - started)
        note_failure(dependency=dependency, cause=error, now=clock)
        raise Degraded(dependency=dependency, cause=error) from error
    took = clock() - started
    metrics.DEPENDENCY_SECONDS.labels(dependency=dependency, outcome="ok").observe(took)
    if took > breaker.row.total_s:
        note_failure(dependency=dependency, cause=TimeoutError(f"answered after {took:.1f} s"), now=clock)
    else:
        note_success(dependency=dependency, now=clock)
    return result


def note_failure(*, dependency: str, cause: BaseException, now: Callable[[], float] | None = None) -> None:
    """This function will count a failure that was met outside `call` (a door that lost PostgreSQL); opens the alert."""
    row = DEPENDENCIES[dependency]
    log.warning(
        "dependency.failed", extra={"dependency": dependency, "cause": f"{type(cause).__name__}: {cause}"[:300]}
    )
    if BREAKERS[dependency].failed(now=(now or time.monotonic)()):
        outages.open_alert_or_send(
            code=f"dependency_{dependency}",
            severity=row.alert_severity,
            dedup_key=f"dependency:{dependency}",
            detail=f"{type(cause).__name__}: {cause}"[:500],
            object_id=dependency,
            fallback=" / ".join(row.fallback),
        )


def note_success(*, dependency: str, now: Callable[[], float] | None = None) -> None:
    """This function will count a success; resolves the incident's alert once the dependency has held SETTLE_S."""
    if BREAKERS[dependency].succeeded(now=(now or time.monotonic)()):
        outages.resolve_alert_or_wait(dedup_key=f"dependency:{dependency}")


def backoff_s(*, dependency: str, attempt: int) -> float:
    """This function will return how long a row waits after its `attempt` (from 1): exponential, full jitter."""
    row = DEPENDENCIES[dependency]
    ceiling = min(row.backoff_cap_s, row.backoff_base_s * 2 ** min(max(attempt, 1) - 1, 30))
    return random.uniform(0, ceiling)  # noqa: S311 - spreads load, protects nothing


def _is_outage(*, error: Exception) -> bool:
    if isinstance(error, errors.Problem):
        return error.row.retryable
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return any(code < PERMANENT_SMTP for code, _text in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code < PERMANENT_SMTP
    return isinstance(error, FAILURES)


_doorbell = Doorbell(
    publish_s=DEPENDENCIES["redis"].total_s,
    admits=lambda: BREAKERS["redis"].admits(now=time.monotonic()),
    failed=lambda cause: note_failure(dependency="redis", cause=cause),
    succeeded=lambda: note_success(dependency="redis"),
    outages=FAILURES,
)


def ring(task: str, args: Sequence[object] = ()) -> bool:
    """This function will ask the broker for a task by its name: never waits for the broker, never raises.

    False when nobody was asked (breaker open, queue full); True promises nothing either: the sweeper is the guarantee.
    """
    app = current_app._get_current_object()  # noqa: SLF001 - Celery's idiom for a proxy's target
    return _doorbell.ring(app=app, task=task, args=tuple(args))


_skew: dict[str, float] = {}


def clock_skew_s() -> float | None:
    """This function will return how far this machine's clock is ahead of PostgreSQL's, measured at most once a minute.

    None where PostgreSQL does not answer: then nothing can commit either.
    """
    if time.monotonic() - _skew.get("measured_at", -SKEW_FRESH_S) < SKEW_FRESH_S:
        return _skew["skew_s"]
    try:
        before = time.time()
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            theirs = float(cursor.fetchone()[0])
    except (DatabaseError, InterfaceError):
        return None
    after = time.time()
    _skew.update(skew_s=(before + after) / 2 - theirs, measured_at=time.monotonic())
    return _skew["skew_s"]
