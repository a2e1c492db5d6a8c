"""`/healthz`: the process answers; `/readyz`: it may take traffic, and what is degraded; `/metrics`: Prometheus.

Every check has its own thread and is never started twice: one that hangs is reported as such and costs one thread.
"""

import hmac
import time
from collections.abc import Mapping, Sequence
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from documents import latency, metrics
from documents.access import actors, proxies
from documents.operations import checks, conditions, gauges
from documents.resilience import calls, dependencies
from documents.vault import local_records

T = TypeVar("T", bound=HttpResponse)
STOPPING = (calls.POSTGRESQL,)  # what comes in is stored there; without any other part it waits there


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer that the process is up; no dependency is asked."""
    return _uncached(JsonResponse({"status": "ok"}))


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer the state of each dependency and of the service; 503 only without what takes events in (STOPPING).

    Every process answers the same: what it knows alone does not count. Who may not see more gets the status alone.
    """
    end = time.monotonic() + checks.ANSWER_S
    asked_log, asked_probes, asked_tables = checks.ask_log(), checks.ask_probes(), conditions.ask()
    results = checks.look()
    weak = checks.log_weaknesses(asked=asked_log, wait_s=end - time.monotonic())
    probed = checks.probe_ages(asked=asked_probes, wait_s=end - time.monotonic())
    tables = conditions.answered(asked=asked_tables, wait_s=end - time.monotonic())
    states = _breakers(results=results)
    # An open breaker counts even while the check passes: the last real calls failed.
    away = [name for name, result in results.items() if not result.ok or states[name] != "closed"]
    own = _own_checks(weak=weak, tables=tables, away=away)
    degraded = [*away, *(name for name, fault in own.items() if fault)]
    unusable = [name for name in STOPPING if not results[name].ok]
    body = {
        "status": "unavailable" if unusable else "degraded" if degraded else "ok",
        "degraded": degraded,
        "warnings": ["vault_read_only"] if results["vault"].detail == local_records.READ_ONLY else [],
        "dependencies": {
            name: _of_dependency(name=name, result=result, state=states[name], is_away=name in away)
            for name, result in results.items()
        },
        "checks": {
            name: {
                "status": "degraded" if fault else "ok",
                "detail": checks.NOT_COMPARABLE if (weak if name == checks.AUDIT else tables) is None else fault,
            }
            for name, fault in own.items()
        },
        "probes": probed,
    }
    seen = body if may_see(request=request) else {"status": body["status"]}
    answer = JsonResponse(seen, status=503 if unusable else 200)
    if unusable:
        answer["Retry-After"] = "5"
    return _uncached(answer)


def _breakers(*, results: Mapping[str, checks.CheckResult]) -> dict[str, str]:
    """Return the state of each breaker; of PostgreSQL's own, which each process has for itself, what it answers now."""
    states = {name: calls.BREAKERS[name].state for name in checks.CHECKS}
    return states | {calls.POSTGRESQL: "closed" if results[calls.POSTGRESQL].ok else "open"}


def _own_checks(
    *, weak: dict[str, str] | None, tables: conditions.Conditions | None, away: Sequence[str]
) -> dict[str, str]:
    """Return what is wrong with the service itself: check -> fault, empty where it is well or cannot be known."""
    known = tables or conditions.Conditions()
    lives = known.lives
    hosts = {host for silent in lives.silent.values() for host in silent}
    faults = conditions.locking_faults(conditions=known, away=away) if tables else []
    workers = "" if lives.has_worker or tables is None else "no worker"
    return {
        checks.AUDIT: checks.AUDIT_WEAK if weak else "",  # the log still records, but a person is needed at once
        conditions.WORKERS: workers or (f"{len(hosts)} hosts are silent" if hosts else ""),
        conditions.LOCKING: f"nothing can be locked: {', '.join(faults)}" if faults else "",
        conditions.ALERTS: f"{known.unsent} alerts have reached nobody" if known.unsent else "",
    }


def _of_dependency(*, name: str, result: checks.CheckResult, state: str, is_away: bool) -> dict[str, str]:
    row = dependencies.DEPENDENCIES[name]
    meanwhile = {"fallback": row.fallback[0], "fallback_en": row.fallback[1], "runbook": row.runbook}
    status = "degraded" if is_away else "ok"
    return {"status": status, "detail": result.detail, "breaker": state, **(meanwhile if is_away else {})}


def may_see(*, request: HttpRequest) -> bool:
    """Tell whether the caller has a METRICS_TOKEN, or asks from one of INNER_NETWORKS: volumes are nobody else's."""
    given = request.headers.get("Authorization", "").partition("Bearer ")[2].strip()
    has_token = any(hmac.compare_digest(given.encode(), token.encode()) for token in settings.METRICS_TOKEN.split())
    return has_token or proxies.is_inner(request=request)


@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus: the counters of the processes, and gauges read from the database now."""
    if not may_see(request=request):
        actors.refuse(request=request, code="not_authenticated", object_type="route", object_id="metrics")
    try:
        extra = (
            checks.QUESTIONS.setdefault("gauges", checks.Question(work=gauges.read))
            .ask()
            .answer(wait_s=checks.ANSWER_S)
        )
    except (TimeoutError, DatabaseError, InterfaceError):
        extra = [gauges.database_read(value=0), gauges.breakers(postgresql="open")]
    exposed = metrics.exposition(extra=[*extra, latency.family()], folder=settings.METRICS_FOLDER)
    return _uncached(HttpResponse(exposed, content_type=metrics.CONTENT_TYPE))


def _uncached(answer: T) -> T:
    answer["Cache-Control"] = "no-store"
    return answer
