"""The watch of the worker: what is looked at again and again, and whom it calls."""

import contextlib
import time
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError
from django.db.models import Q

from audit import log as audit_log
from documents import errors
from documents.alerts import incidents, outages
from documents.models import Alert
from documents.operations import checks
from documents.resilience import breaker, calls, dependencies
from documents.vault import local_store
from documents.vault import store as vault

PROBE_EVERY_S = 86_400.0
_last: dict[str, float] = {"probe": time.monotonic()}  # what was done when in this process; opening a vault probes it


def watch(*, now: datetime, every_s: float = 0.0) -> list[str]:
    """Ask every dependency, feed the breakers, end incidents that are over; returns who is away.

    Called again before `every_s` have passed in this process, it does nothing.

    The schedule calls it every few seconds, so an outage is told before a user meets it, and an incident whose process
    died
    is resolved all the same.
    """
    if time.monotonic() - _last.get("watch", -every_s) < every_s:
        return []
    _last["watch"] = time.monotonic()
    found = checks.look(wait_s=5.0)
    for name, one in found.items():
        if checks.CHECKS[name] is checks.breaker_only:
            if calls.BREAKERS[name].state == "closed":
                _end_orphan(name=name, now=now)
        elif one.ok:
            calls.note_success(dependency=name)
            _end_orphan(name=name, now=now)
        else:
            calls.note_failure(dependency=name, cause=checks.Degrades(one.detail))
    with contextlib.suppress(DatabaseError, InterfaceError, audit_log.AuditUnavailable):
        outages.write_unwritten()
        _warn_of_weak_vault(found=found["vault"])
        _warn_of_weak_log(weak=checks.log_weaknesses(asked=checks.ask_log(), wait_s=5.0))
        _probe_daily()
    return [name for name, one in found.items() if not one.ok]


def _end_orphan(*, name: str, now: datetime) -> None:
    """Resolve an incident that no process has repeated for as long as a breaker stays suspicious."""
    row = dependencies.DEPENDENCIES[name]
    quiet = now - timedelta(seconds=breaker.SETTLE_S + row.breaker_open_s)
    stale = Q(dedup_key=f"dependency:{name}", resolved_at=None, last_seen_at__lt=quiet)
    with contextlib.suppress(DatabaseError, InterfaceError):
        if calls.BREAKERS[name].state == "closed" and Alert.objects.filter(stale).exists():
            outages.resolve_alert_or_wait(dedup_key=f"dependency:{name}")


def _warn_of_weak_vault(*, found: checks.CheckResult) -> None:
    key = "vault_read_only"
    if found.detail == local_store.READ_ONLY:
        if not Alert.objects.filter(dedup_key=key, resolved_at=None).exists():
            detail = "LOCAL_READ_ONLY: the owner of the files could still remove them"
            incidents.open_alert(code=key, severity="P2", dedup_key=key, detail=detail, object_id="vault")
    elif found.ok:
        incidents.resolve_alert(dedup_key=key)


def _warn_of_weak_log(*, weak: list[str] | None) -> None:
    """Open one P1 while the log could be rewritten, and end it when it is guarded again."""
    key = "audit_guard"
    if weak is None:
        return
    if not weak:
        incidents.resolve_alert(dedup_key=key)
    elif not Alert.objects.filter(dedup_key=key, resolved_at=None).exists():
        # Straight to the channel where the log itself takes no event any more.
        outages.open_alert_or_send(
            code=checks.AUDIT_WEAK,
            severity="P1",
            dedup_key=key,
            detail="; ".join(weak),
            object_id=checks.AUDIT,
            fallback="Se sigue registrando todo / Everything is still recorded",
        )


def _probe_daily() -> None:
    """Attack the vault's canary once a day; a store that lets one through stops, and is P1."""
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
