"""`/healthz`: the process answers; `/readyz`: it may take traffic, and what is degraded; `/metrics`: Prometheus.

Every check has its own thread and is never started twice: one that hangs is reported as such and costs one thread.
"""

import time
from typing import TypeVar

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from documents import latency, metrics
from documents.operations import checks, gauges
from documents.resilience import calls, dependencies
from documents.vault import local_records

T = TypeVar("T", bound=HttpResponse)
STOPPING = ("postgresql", "vault")  # without these nothing may be accepted or served


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer that the process is up; no dependency is asked."""
    return _uncached(JsonResponse({"status": "ok"}))


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer the state of each dependency; 503 only where nothing may be accepted or served (STOPPING)."""
    end = time.monotonic() + checks.ANSWER_S
    asked_log, asked_probes = checks.ask_log(), checks.ask_probes()
    results = checks.look()
    weak = checks.log_weaknesses(asked=asked_log, wait_s=end - time.monotonic())
    probed = checks.probe_ages(asked=asked_probes, wait_s=end - time.monotonic())
    states = {name: calls.BREAKERS[name].state for name in checks.CHECKS}
    # An open breaker counts even while the check passes: the last real calls failed.
    degraded = [name for name, result in results.items() if not result.ok or states[name] != "closed"]
    if weak:
        degraded.append(checks.AUDIT)  # the log still records: traffic goes on, but a person is needed at once
    unusable = [name for name in STOPPING if not results[name].ok]
    body = {
        "status": "unavailable" if unusable else "degraded" if degraded else "ok",
        "degraded": degraded,
        "warnings": ["vault_read_only"] if results["vault"].detail == local_records.READ_ONLY else [],
        "dependencies": {
            name: {
                "status": "degraded" if name in degraded else "ok",
                "detail": result.detail,
                "breaker": states[name],
                **(_meanwhile(name=name) if name in degraded else {}),
            }
            for name, result in results.items()
        },
        "checks": {checks.AUDIT: {"status": "degraded" if weak else "ok", "detail": _of_log(weak=weak)}},
        "probes": probed,
    }
    answer = JsonResponse(body, status=503 if unusable else 200)
    if unusable:
        answer["Retry-After"] = "5"
    return _uncached(answer)


def _of_log(*, weak: dict[str, str] | None) -> str:
    return checks.NOT_COMPARABLE if weak is None else checks.AUDIT_WEAK if weak else ""


def _meanwhile(*, name: str) -> dict[str, str]:
    row = dependencies.DEPENDENCIES[name]
    return {"fallback": row.fallback[0], "fallback_en": row.fallback[1], "runbook": row.runbook}


@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus: the counters of the processes, and gauges read from the database now."""
    try:
        extra = (
            checks.QUESTIONS.setdefault("gauges", checks.Question(work=gauges.read))
            .ask()
            .answer(wait_s=checks.ANSWER_S)
        )
    except (TimeoutError, DatabaseError, InterfaceError):
        extra = [gauges.database_read(value=0)]
    exposed = metrics.exposition(extra=[*extra, latency.family()])
    return _uncached(HttpResponse(exposed, content_type=metrics.CONTENT_TYPE))


def _uncached(answer: T) -> T:
    answer["Cache-Control"] = "no-store"
    return answer
