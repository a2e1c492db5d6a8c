"""The watch of the worker: it asks every dependency again and again, and opens and resolves the incidents."""

import contextlib
import logging
import time
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Q
from django.utils import timezone

from audit import log, sealing, tree
from documents import errors
from documents.access import actors
from documents.alerts import incidents, outages
from documents.events import waiting
from documents.models import Alert, ProbeExtent
from documents.operations import absences, checks, conditions
from documents.resilience import calls, circuits
from documents.vault import full_probe, local_records, probes

logger = logging.getLogger(__name__)
PROBE = conditions.PROBE
PROBER = actors.program(name="probe", channel="worker")
GUARD, GUARD_REST = "audit_guard", "audit_guard:"  # the dedup keys of alerts about the log's guards
GUARDS_MAX = 10
SEAL_LATE_S, SEAL_STOPPED_S = 10, 60
_last: dict[str, float] = {}  # when the watch was last kept in this process


def watch(*, now: datetime, every_s: float = 0.0) -> list[str]:
    """Ask every dependency, feed the breakers, resolve incidents that are over; return the dependencies that failed.

    It does nothing when called again before `every_s` have passed in this process. The schedule calls it every few
    seconds, so an outage is reported before a user meets it, and an incident is resolved even if its process died.
    """
    if time.monotonic() - _last.get("watch", -every_s) < every_s:
        return []
    _last["watch"] = time.monotonic()
    circuits.refresh(breakers=calls.BREAKERS.values(), now=time.monotonic())
    results = checks.look(wait_s=5.0)
    for name, result in results.items():
        if checks.CHECKS[name] is checks.breaker_only:
            _end_orphan(name=name, now=now)
        elif result.ok:
            calls.note_success(dependency=name)
            _end_orphan(name=name, now=now)
        else:
            calls.note_failure(dependency=name, cause=checks.Degrades(result.detail))
    if not results[calls.POSTGRESQL].ok:
        outages.send_unsent()
    for look in (
        outages.write_unwritten,
        lambda: _warn_of_weak_vault(result=results["vault"]),
        lambda: _warn_of_weak_log(weak=checks.log_weaknesses(asked=checks.ask_log(), wait_s=5.0)),
        lambda: _probe(now=now),
        _warn_of_unsealed,
        absences.look,
    ):
        # Each by itself: an alert that cannot be written now must not keep the next one from being sent.
        with contextlib.suppress(DatabaseError, InterfaceError, log.AuditUnavailable):
            look()
    return [name for name, result in results.items() if not result.ok]


def _end_orphan(*, name: str, now: datetime) -> None:
    """Resolve an incident that no process has repeated for as long as a breaker stays suspicious.

    One whose last call failed may be about to open its breaker once more: that incident is not over.
    """
    circuit = calls.BREAKERS[name]
    quiet = now - timedelta(seconds=circuit.row.steady_s + circuit.row.breaker_open_s)
    stale = Q(dedup_key=f"dependency:{name}", resolved_at=None, last_seen_at__lt=quiet)
    with contextlib.suppress(DatabaseError, InterfaceError):
        if circuit.state == "closed" and not circuit.failures and Alert.objects.filter(stale).exists():
            outages.resolve_alert_or_wait(dedup_key=f"dependency:{name}")


def _warn_of_weak_vault(*, result: checks.CheckResult) -> None:
    key = "vault_read_only"
    if result.detail == local_records.READ_ONLY:
        if not Alert.objects.filter(dedup_key=key, resolved_at=None).exists():
            incidents.open_alert(code=key, dedup_key=key, object_id="vault")
    elif result.ok:
        incidents.resolve_alert(dedup_key=key)


def _warn_of_weak_log(*, weak: dict[str, str] | None) -> None:
    """Open one P1 for each object by which the log could be rewritten; resolve those whose object is as it should be.

    Of very many, as after a restore, the first ones have each their own, and the rest share one.
    """
    if weak is None:
        return
    named = {f"{GUARD}:{name}"[:200]: (name, [f"{name}: {fault}"]) for name, fault in weak.items()}
    is_open = set(
        Alert.objects.filter(dedup_key__startswith=f"{GUARD}:", resolved_at=None).values_list("dedup_key", flat=True)
    )
    free = GUARDS_MAX - len(is_open & named.keys())
    fresh = [key for key in named if key not in is_open]
    if fresh[free:]:
        named[GUARD_REST] = (checks.AUDIT, [named[key][0] for key in fresh[free:]])
    for key in (*fresh[:free], *({GUARD_REST} & named.keys() - is_open)):
        name, weaknesses = named[key]
        # Sent directly to the channel where the log itself no longer accepts events.
        outages.open_alert_or_send(
            code=checks.AUDIT_WEAK, dedup_key=key, values={"weaknesses": weaknesses}, object_id=name
        )
    for key in is_open - named.keys():
        incidents.resolve_alert(dedup_key=key)


def _warn_of_unsealed() -> None:
    """Say when the log is not sealed for long, and which open transaction holds it up.

    First it seals a batch, so that what nobody could seal while no worker ran is no incident of the worker that starts.
    """
    try:
        sealing.seal()
    except Exception:
        logger.exception("watch.not_sealed")  # what is wrong with it shows in what waits
    count, age_s = tree.unsealed()
    held = sealing.holding_up() if age_s > SEAL_LATE_S else None
    seen: dict[str, dict[str, errors.Value]] = {}
    # It has been open for at least as long as what waits for it, which is all that is known of another role's.
    open_s = age_s if held is None or held.age_s is None else held.age_s
    if held is not None and open_s > SEAL_LATE_S:
        seen["sealing_delayed"] = {"pid": held.pid, "role": held.role, "age_s": round(open_s)}
    head = tree.head()
    last = timezone.now() - timedelta(seconds=SEAL_STOPPED_S)
    if age_s > SEAL_STOPPED_S and (head is None or head.at <= last):  # else another process is at it
        seen["sealing_stopped"] = {"count": count, "age_s": round(age_s)}
    for code in ("sealing_delayed", "sealing_stopped"):
        if code not in seen:
            incidents.resolve_alert(dedup_key=code)
        elif not Alert.objects.filter(dedup_key=code, resolved_at=None).exists():
            incidents.open_alert(code=code, dedup_key=code, values=seen[code], object_id="audit_log")


def _probe(*, now: datetime) -> None:
    """Attack the deployment's vault when that is due; a store that let an attack through is a P1 until it holds."""
    with contextlib.suppress(errors.WormError):  # it does not answer: the dependency's own incident
        probes.probe(actor=PROBER, now=now)
        full_probe.probe_if_due(actor=PROBER, now=now)
    lasts = [row for extent in ProbeExtent if (row := probes.latest(extent=extent))]
    if not lasts:
        return
    if last := next((row for row in lasts if not row.passed), None):
        values = {**last.values, "what": PROBE}
        if not Alert.objects.filter(dedup_key=PROBE, resolved_at=None).exists():
            incidents.open_alert(code=last.code, severity="P1", dedup_key=PROBE, values=values, object_id="vault")
        return
    incidents.resolve_alert(dedup_key=PROBE)
    with transaction.atomic():
        waiting.wake(awaited=[probes.AWAITED], now=now)
