"""How each dependency is asked whether it is well. Every check has a thread of its own and is never started twice."""

import contextlib
import pathlib
import smtplib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections

from audit import guard
from documents import errors
from documents.resilience import clock
from documents.vault import store as vault

ANSWER_S = 1.7  # all checks together; the rest of the promised 2 s is for the answer itself
SOCKET_S = 1.5
SKEW_ALERT_S = 5.0
AUDIT, AUDIT_EVERY_S = "audit", 10.0  # some catalogue look-ups; nobody weakens the log and mends it within seconds
AUDIT_WEAK = "audit_broken"  # all that may be told to anybody; the alert says what
NOT_COMPARABLE = "not comparable: PostgreSQL does not answer"  # one outage is one incident, and that is PostgreSQL's


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of one check; `detail` names no address, user or secret: anybody may read it."""

    ok: bool
    detail: str = ""


class Degrades(Exception):
    """What a check found wrong."""


def _postgresql() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _vault() -> str:
    store = vault.open_vault()
    store.find(key="readyz")  # never there: the question is whether the store answers
    if store.mode != vault.COMPLIANCE and settings.ENVIRONMENT == "production":
        raise errors.WormError(code="worm_mode_weak", detail=store.mode)
    return store.mode


def _redis() -> str:
    timeouts = {"socket_timeout": SOCKET_S, "socket_connect_timeout": SOCKET_S, "retry": None}
    client: Any = redis.Redis.from_url(settings.REDIS_URL, **timeouts)
    with contextlib.closing(client):
        client.ping()
    return ""


def _mail() -> str:
    parts = urlsplit(settings.MAIL_URL)
    if parts.scheme == "smtp":
        with smtplib.SMTP(str(settings.EMAIL_HOST), int(settings.EMAIL_PORT), timeout=SOCKET_S) as client:
            client.ehlo_or_helo_if_needed()
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


def _audit() -> list[str]:
    """Return the log's weaknesses, asked for at most once in AUDIT_EVERY_S."""
    if time.monotonic() - _looked_at.get(AUDIT, -AUDIT_EVERY_S) >= AUDIT_EVERY_S:
        _weak[:] = guard.weaknesses()
        _looked_at[AUDIT] = time.monotonic()
    return list(_weak)


def breaker_only() -> str:
    """Ask nobody: the breaker tells what the last real calls met."""
    return ""


# TABLE: dependency -> how to ask whether it is well. Asking a renderer or an alert channel has a price or an effect:
# their
# breakers tell what the last real calls met.
CHECKS: dict[str, Callable[[], str]] = {
    "postgresql": _postgresql,
    "vault": _vault,
    "redis": _redis,
    "mail": _mail,
    "clock": _clock,
    "renderer": breaker_only,
    "alert_channel": breaker_only,
}


class Question:
    """One piece of work that may hang, asked by at most one thread at a time."""

    def __init__(self, *, work: Callable[[], Any]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._open: _Asked | None = None

    def ask(self) -> "_Asked":
        """Start the work, or join the one that is under way."""
        with self._lock:
            if self._open is None or self._open.done.is_set():
                self._open = _Asked()
                threading.Thread(target=self._run, args=(self._open,), daemon=True).start()
            return self._open

    def _run(self, asked: "_Asked") -> None:
        try:
            asked.result = self._work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this check's answer
            asked.error = error
        finally:
            connections.close_all()
            asked.done.set()


class _Asked:
    """A question under way."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.result: Any = None
        self.error: Exception | None = None

    def answer(self, *, wait_s: float) -> Any:  # noqa: ANN401 - what the work returns
        """Wait for the answer.

        :raises TimeoutError: it hangs; it goes on, and whoever asks next joins it.
        """
        if not self.done.wait(max(wait_s, 0)):
            raise TimeoutError
        if self.error:
            raise self.error
        return self.result


QUESTIONS: dict[str, Question] = {}
_weak: list[str] = []  # what the log's guards lacked when they were last looked at
_looked_at: dict[str, float] = {}  # when in this process (monotonic) the log was last looked at


def look(*, wait_s: float = ANSWER_S) -> dict[str, CheckResult]:
    """Ask every dependency at once; one that has not answered in time is found hanging."""
    end = time.monotonic() + wait_s
    asked = {name: QUESTIONS.setdefault(name, Question(work=check)).ask() for name, check in CHECKS.items()}
    found = {}
    for name, one in asked.items():
        try:
            found[name] = CheckResult(ok=True, detail=one.answer(wait_s=end - time.monotonic()))
        except TimeoutError:
            found[name] = CheckResult(ok=False, detail="does not answer in time")
        except errors.Problem as problem:
            found[name] = CheckResult(ok=False, detail=problem.code)
        except Degrades as degrades:
            found[name] = CheckResult(ok=False, detail=str(degrades))
        except Exception as error:  # noqa: BLE001 - a check may fail in any way; its class is all that may be told
            found[name] = CheckResult(ok=False, detail=type(error).__name__)
    if not found["postgresql"].ok:
        found["clock"] = CheckResult(ok=True, detail=NOT_COMPARABLE)
    return found


def ask_log() -> _Asked:
    """Start asking what the log's guards lack, beside the dependencies."""
    return QUESTIONS.setdefault(AUDIT, Question(work=_audit)).ask()


def log_weaknesses(*, asked: _Asked, wait_s: float) -> list[str] | None:
    """Return what the log's guards lack; None where PostgreSQL does not answer."""
    try:
        found: list[str] = asked.answer(wait_s=wait_s)
    except (TimeoutError, DatabaseError, InterfaceError):
        return None
    return found
