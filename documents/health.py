"""Is this process alive, may it take traffic, what is away: `/healthz`, `/readyz`, `/metrics`, and the watch.

Every check has its own thread and is never started twice: one that hangs is reported as hanging, and costs one thread.
"""

import contextlib
import pathlib
import smtplib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from audit import guard
from audit import log as audit_log
from documents import errors, gauges, metrics
from documents.alerts import incidents, outages
from documents.models import Alert
from documents.resilience import breaker, calls, clock, dependencies
from documents.vault import local_store
from documents.vault import store as vault

T = TypeVar("T", bound=HttpResponse)
ANSWER_S = 1.7  # all checks together; the rest of the promised 2 s is for the answer itself
SOCKET_S = 1.5
SKEW_ALERT_S = 5.0
PROBE_EVERY_S = 86_400.0
AUDIT, AUDIT_EVERY_S = "audit", 10.0  # some catalogue look-ups; nobody weakens the log and mends it within seconds
AUDIT_WEAK = "audit_broken"  # all that may be told to anybody; the alert says what
NOT_COMPARABLE = "not comparable: PostgreSQL does not answer"  # one outage is one incident, and that is PostgreSQL's
STOPPING = ("postgresql", "vault")  # without these nothing may be accepted or served


@dataclass(frozen=True, kw_only=True)
class Found:
    """The result of one check; `detail` names no address, user or secret: anybody may read it."""

    ok: bool
    detail: str = ""


class Degrades(Exception):  # noqa: N818 - the dependency answers, and not well enough
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
    """This function will return the log's weaknesses, asked for at most once in AUDIT_EVERY_S."""
    if time.monotonic() - _last.get(AUDIT, -AUDIT_EVERY_S) >= AUDIT_EVERY_S:
        _weak[:] = guard.weaknesses()
        _last[AUDIT] = time.monotonic()
    return list(_weak)


def _breaker_only() -> str:
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
    "renderer": _breaker_only,
    "alert_channel": _breaker_only,
}


class _Question:
    """One piece of work that may hang, asked by at most one thread at a time."""

    def __init__(self, *, work: Callable[[], Any]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._open: _Asked | None = None

    def ask(self) -> "_Asked":
        """This method will start the work, or join the one that is under way."""
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
        """This method will wait for the answer.

        :raises TimeoutError: it hangs; it goes on, and whoever asks next joins it.
        """
        if not self.done.wait(max(wait_s, 0)):
            raise TimeoutError
        if self.error:
            raise self.error
        return self.result


_questions: dict[str, _Question] = {}
_weak: list[str] = []  # what the log's guards lacked when they were last looked at
_last: dict[str, float] = {"probe": time.monotonic()}  # what was done when in this process; opening a vault probes it


def look(*, wait_s: float = ANSWER_S) -> dict[str, Found]:
    """This function will ask every dependency at once; one that has not answered in time is found hanging."""
    end = time.monotonic() + wait_s
    asked = {name: _questions.setdefault(name, _Question(work=check)).ask() for name, check in CHECKS.items()}
    found = {}
    for name, one in asked.items():
        try:
            found[name] = Found(ok=True, detail=one.answer(wait_s=end - time.monotonic()))
        except TimeoutError:
            found[name] = Found(ok=False, detail="does not answer in time")
        except errors.Problem as problem:
            found[name] = Found(ok=False, detail=problem.code)
        except Degrades as degrades:
            found[name] = Found(ok=False, detail=str(degrades))
        except Exception as error:  # noqa: BLE001 - a check may fail in any way; its class is all that may be told
            found[name] = Found(ok=False, detail=type(error).__name__)
    if not found["postgresql"].ok:
        found["clock"] = Found(ok=True, detail=NOT_COMPARABLE)
    return found


def _ask_log() -> _Asked:
    """This function will start asking what the log's guards lack, beside the dependencies."""
    return _questions.setdefault(AUDIT, _Question(work=_audit)).ask()


def _told_of_log(*, asked: _Asked, wait_s: float) -> list[str] | None:
    """This function will return what the log's guards lack; None where PostgreSQL does not answer."""
    try:
        found: list[str] = asked.answer(wait_s=wait_s)
    except (TimeoutError, DatabaseError, InterfaceError):
        return None
    return found


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """This view will say that the process answers; it asks nobody."""
    return _uncached(JsonResponse({"status": "ok"}))


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """This view will name each dependency; 503 only where nothing may be accepted or served (STOPPING)."""
    end = time.monotonic() + ANSWER_S
    asked_log = _ask_log()
    found = look()
    weak = _told_of_log(asked=asked_log, wait_s=end - time.monotonic())
    states = {name: calls.BREAKERS[name].state for name in CHECKS}
    # An open breaker counts even while the check passes: the last real calls failed.
    degraded = [name for name, one in found.items() if not one.ok or states[name] != "closed"]
    if weak:
        degraded.append(AUDIT)  # what is recorded still is: traffic goes on, and a person must come at once
    unusable = [name for name in STOPPING if not found[name].ok]
    body = {
        "status": "unavailable" if unusable else "degraded" if degraded else "ok",
        "degraded": degraded,
        "warnings": ["vault_read_only"] if found["vault"].detail == local_store.READ_ONLY else [],
        "dependencies": {
            name: {
                "status": "degraded" if name in degraded else "ok",
                "detail": one.detail,
                "breaker": states[name],
                **(_meanwhile(name=name) if name in degraded else {}),
            }
            for name, one in found.items()
        },
        "checks": {AUDIT: {"status": "degraded" if weak else "ok", "detail": _of_log(weak=weak)}},
    }
    answer = JsonResponse(body, status=503 if unusable else 200)
    if unusable:
        answer["Retry-After"] = "5"
    return _uncached(answer)


def _of_log(*, weak: list[str] | None) -> str:
    return NOT_COMPARABLE if weak is None else AUDIT_WEAK if weak else ""


def _meanwhile(*, name: str) -> dict[str, str]:
    row = dependencies.DEPENDENCIES[name]
    return {"fallback": row.fallback[0], "fallback_en": row.fallback[1], "runbook": row.runbook}


@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """This view will answer Prometheus: what the processes counted, and what the database says now."""
    try:
        extra = _questions.setdefault("gauges", _Question(work=gauges.read)).ask().answer(wait_s=ANSWER_S)
    except (TimeoutError, DatabaseError, InterfaceError):
        extra = [gauges.database_read(value=0)]
    return _uncached(HttpResponse(metrics.exposition(extra=extra), content_type=metrics.CONTENT_TYPE))


def _uncached(answer: T) -> T:
    answer["Cache-Control"] = "no-store"
    return answer


def watch(*, now: datetime, every_s: float = 0.0) -> list[str]:
    """This function will ask every dependency, feed the breakers, end incidents that are over; returns who is away.

    Called again before `every_s` have passed in this process, it does nothing.

    The schedule calls it every few seconds, so an outage is told before a user meets it, and an incident whose process
    died
    is resolved all the same.
    """
    if time.monotonic() - _last.get("watch", -every_s) < every_s:
        return []
    _last["watch"] = time.monotonic()
    found = look(wait_s=5.0)
    for name, one in found.items():
        if CHECKS[name] is _breaker_only:
            if calls.BREAKERS[name].state == "closed":
                _end_orphan(name=name, now=now)
        elif one.ok:
            calls.note_success(dependency=name)
            _end_orphan(name=name, now=now)
        else:
            calls.note_failure(dependency=name, cause=Degrades(one.detail))
    with contextlib.suppress(DatabaseError, InterfaceError, audit_log.AuditUnavailable):
        outages.write_unwritten()
        _warn_of_weak_vault(found=found["vault"])
        _warn_of_weak_log(weak=_told_of_log(asked=_ask_log(), wait_s=5.0))
        _probe_daily()
    return [name for name, one in found.items() if not one.ok]


def _end_orphan(*, name: str, now: datetime) -> None:
    """This function will resolve an incident that no process has repeated for as long as a breaker stays suspicious."""
    row = dependencies.DEPENDENCIES[name]
    quiet = now - timedelta(seconds=breaker.SETTLE_S + row.breaker_open_s)
    stale = Q(dedup_key=f"dependency:{name}", resolved_at=None, last_seen_at__lt=quiet)
    with contextlib.suppress(DatabaseError, InterfaceError):
        if calls.BREAKERS[name].state == "closed" and Alert.objects.filter(stale).exists():
            outages.resolve_alert_or_wait(dedup_key=f"dependency:{name}")


def _warn_of_weak_vault(*, found: Found) -> None:
    key = "vault_read_only"
    if found.detail == local_store.READ_ONLY:
        if not Alert.objects.filter(dedup_key=key, resolved_at=None).exists():
            detail = "LOCAL_READ_ONLY: the owner of the files could still remove them"
            incidents.open_alert(code=key, severity="P2", dedup_key=key, detail=detail, object_id="vault")
    elif found.ok:
        incidents.resolve_alert(dedup_key=key)


def _warn_of_weak_log(*, weak: list[str] | None) -> None:
    """This function will open one P1 while the log could be rewritten, and end it when it is guarded again."""
    key = "audit_guard"
    if weak is None:
        return
    if not weak:
        incidents.resolve_alert(dedup_key=key)
    elif not Alert.objects.filter(dedup_key=key, resolved_at=None).exists():
        # Straight to the channel where the log itself takes no event any more.
        outages.open_alert_or_send(
            code=AUDIT_WEAK,
            severity="P1",
            dedup_key=key,
            detail="; ".join(weak),
            object_id=AUDIT,
            fallback="Se sigue registrando todo / Everything is still recorded",
        )


def _probe_daily() -> None:
    """This function will attack the vault's canary once a day; a store that lets one through stops, and is P1."""
    if time.monotonic() - _last["probe"] < PROBE_EVERY_S:
        return
    _last["probe"] = time.monotonic()
    key = "vault_probe"
    try:
        vault.probe_again()
    except errors.WormError as error:
        incidents.open_alert(code=error.code, severity="P1", dedup_key=key, detail=error.detail, object_id="vault")
    else:
        incidents.resolve_alert(dedup_key=key)
