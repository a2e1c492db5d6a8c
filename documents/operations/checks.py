"""How each dependency is asked whether it works. Every check has a thread of its own and is never started twice."""

import contextlib
import pathlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections
from django.utils import timezone

from audit import inspection
from documents import errors, outside_smtp
from documents.models import ProbeExtent
from documents.resilience import clock
from documents.vault import probes, store

T = TypeVar("T")
ANSWER_S = 1.7  # all checks together; the rest of the promised 2 s is for the answer itself
SOCKET_S = 1.5
SKEW_ALERT_S = 5.0
AUDIT, AUDIT_EVERY_S = "audit", 10.0  # a few catalogue look-ups; a guard is not removed and restored within seconds
AUDIT_WEAK = "audit_broken"  # all that anybody may see; the alert says what is wrong
NOT_PROVISIONED = "the database is not provisioned: run provision"
NOT_COMPARABLE = "not comparable: PostgreSQL does not answer"  # its outage is an incident of its own


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of one check; `detail` is public: it names no address, user or secret."""

    ok: bool
    detail: str = ""


class Degrades(Exception):
    """The dependency answers, but not well enough; the text says why."""


def _postgresql() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(to_regclass('documents_event'), 'INSERT')")
        (may_store,) = cursor.fetchone()
    if not may_store:
        raise Degrades(NOT_PROVISIONED)
    return ""


def _vault() -> str:
    vault = store.open_vault()
    vault.find(key="readyz")  # never there: the question is whether the store answers
    if vault.mode != store.COMPLIANCE and settings.ENVIRONMENT == "production":
        raise errors.WormError(code="worm_mode_weak", values={"mode": vault.mode})
    return vault.mode


def _redis() -> str:
    timeouts = {"socket_timeout": SOCKET_S, "socket_connect_timeout": SOCKET_S, "retry": None}
    client: Any = redis.Redis.from_url(settings.REDIS_URL, **timeouts)
    # Each byte has a time limit of its own, which a server that answers a byte at a time never meets.
    timer = threading.Timer(SOCKET_S, client.connection_pool.disconnect)
    timer.daemon = True
    timer.start()
    with contextlib.closing(client):
        try:
            client.ping()
        except ValueError as closed:  # while it was read
            raise TimeoutError from closed
        finally:
            timer.cancel()
    return ""


def _mail() -> str:
    if settings.EMAIL_HOST:
        outside_smtp.greet(total_s=SOCKET_S)
    else:
        pathlib.Path(str(settings.EMAIL_FILE_PATH)).mkdir(parents=True, exist_ok=True)
    return ""


def _clock() -> str:
    skew_s = clock.clock_skew_s()
    if skew_s is None:
        return NOT_COMPARABLE
    if abs(skew_s) > SKEW_ALERT_S:
        message = f"{skew_s:.0f} s off"
        raise Degrades(message)
    return f"{skew_s:.3f} s off"


def _audit() -> dict[str, str]:
    """Return the log's weaknesses, object by object, asked for at most once in AUDIT_EVERY_S."""
    if time.monotonic() - _looked_at.get(AUDIT, -AUDIT_EVERY_S) >= AUDIT_EVERY_S:
        weak = inspection.weaknesses()
        _weak.clear()
        _weak.update(weak)
        _looked_at[AUDIT] = time.monotonic()
    return dict(_weak)


def _probes() -> dict[str, dict[str, object]]:
    """Return {extent: age in s and result of its last probe}; an extent that was never probed has no age."""
    lasts = {extent: probes.latest(extent=extent) for extent in ProbeExtent}
    return {
        extent.value: {
            "age_s": round((timezone.now() - last.probed_at).total_seconds()) if last else None,
            "passed": last.passed if last else None,
        }
        for extent, last in lasts.items()
    }


def breaker_only() -> str:
    """Ask nothing: the breaker knows how the last real calls went."""
    return ""


# TABLE: dependency -> its check. To ask a renderer, a canary or an alert channel costs something or has an effect: for
# these the breaker says how the last real calls went.
CHECKS: dict[str, Callable[[], str]] = {
    "postgresql": _postgresql,
    "vault": _vault,
    "redis": _redis,
    "mail": _mail,
    "clock": _clock,
    "renderer": breaker_only,
    "vault_former": breaker_only,
    "vault_canary": breaker_only,
    "alert_channel": breaker_only,
    "alert_channel_2": breaker_only,
}


class Question(Generic[T]):
    """One piece of work that may hang, done by at most one thread at a time."""

    def __init__(self, *, work: Callable[[], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._open: Asked[T] | None = None

    def ask(self) -> "Asked[T]":
        """Start the work, or join what is under way."""
        with self._lock:
            if self._open is None or self._open.done.is_set():
                self._open = Asked()
                threading.Thread(target=self._run, args=(self._open,), daemon=True).start()
            return self._open

    def _run(self, asked: "Asked[T]") -> None:
        try:
            asked.results.append(self._work())
        except Exception as error:  # noqa: BLE001 - any exception is the answer of this check
            asked.error = error
        finally:
            connections.close_all()
            asked.done.set()


class Asked(Generic[T]):
    """A question under way: one result or one error once it is done."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.results: list[T] = []
        self.error: Exception | None = None

    def answer(self, *, wait_s: float) -> T:
        """Wait for the answer.

        :raises TimeoutError: there is none yet; the work goes on, and the next to ask joins it.
        :raises Exception: whatever the work raised
        """
        if not self.done.wait(max(wait_s, 0)):
            raise TimeoutError
        if self.error:
            raise self.error
        return self.results[0]


QUESTIONS: dict[str, Question[Any]] = {}
_weak: dict[str, str] = {}  # what the log's guards lacked at the last look
_looked_at: dict[str, float] = {}  # when in this process (monotonic) the log was last looked at


def look(*, wait_s: float = ANSWER_S) -> dict[str, CheckResult]:
    """Ask every dependency at once; one that does not answer in time fails its check."""
    end = time.monotonic() + wait_s
    asked = {name: QUESTIONS.setdefault(name, Question(work=check)).ask() for name, check in CHECKS.items()}
    results = {}
    for name, question in asked.items():
        try:
            results[name] = CheckResult(ok=True, detail=question.answer(wait_s=end - time.monotonic()))
        except TimeoutError:
            results[name] = CheckResult(ok=False, detail="does not answer in time")
        except errors.Problem as problem:
            results[name] = CheckResult(ok=False, detail=problem.code)
        except Degrades as degrades:
            results[name] = CheckResult(ok=False, detail=str(degrades))
        except Exception as error:  # noqa: BLE001 - a check may fail in any way; only its class may be shown
            results[name] = CheckResult(ok=False, detail=type(error).__name__)
    if not results["postgresql"].ok:
        results["clock"] = CheckResult(ok=True, detail=NOT_COMPARABLE)
    return results


def ask_log() -> Asked[dict[str, str]]:
    """Start asking what the log's guards lack, beside the dependencies."""
    return QUESTIONS.setdefault(AUDIT, Question(work=_audit)).ask()


def ask_probes() -> Asked[dict[str, dict[str, object]]]:
    """Start asking when the vault was probed last."""
    return QUESTIONS.setdefault("probes", Question(work=_probes)).ask()


def probe_ages(*, asked: Asked[dict[str, dict[str, object]]], wait_s: float) -> dict[str, dict[str, object]]:
    """Return the last probe of each extent; empty where PostgreSQL does not answer."""
    try:
        return asked.answer(wait_s=wait_s)
    except (TimeoutError, DatabaseError, InterfaceError):
        return {}


def log_weaknesses(*, asked: Asked[dict[str, str]], wait_s: float) -> dict[str, str] | None:
    """Return what the log's guards lack; None where PostgreSQL does not answer."""
    try:
        return asked.answer(wait_s=wait_s)
    except (TimeoutError, DatabaseError, InterfaceError):
        return None
