"""Incidents: one row each, opened once, counted while it lasts, resolved on recovery, told to one real channel.

The row is written in the caller's transaction and sent later by `deliver` (the schedule calls it), so an alert is lost
neither with
its sender nor with the channel. Only when PostgreSQL itself is away is an alert sent first and written afterwards.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from audit import log as audit_log
from audit.actions import Action
from documents import alert_channel, errors, identifiers, metrics, resilience
from documents.models import Alert

log = logging.getLogger(__name__)
BATCH_MAX = 20
LEASE = timedelta(seconds=60)  # outlives the channel's 10 s
REST = timedelta(days=1)  # after a 4xx: the channel's address is wrong, and a repeat does not mend it
VAULT_PATIENCE = timedelta(hours=1)
RUNBOOKS = "docs/runbooks"
# Alerts whose code is no answer of a door. The doors' own codes stand in `errors.CODES`.
PAGES = {
    "audit_broken": "audit.md",
    "audit_unavailable": "audit.md",
    "audit_seal_late": "audit.md",
    "discrepancy_opened": "discrepancies.md",
    "divergent_repeat": "discrepancies.md",
    "event_id_reused": "discrepancies.md",
    "paid_twice": "discrepancies.md",
    "reconciliation_difference": "discrepancies.md",
    "document_does_not_add_up": "discrepancies.md",
    "books_differ": "discrepancies.md",
    "payout_status_differs": "discrepancies.md",
    "balance_chain_broken": "discrepancies.md",
    "payout_and_statement_differ": "discrepancies.md",
    "event_and_document_differ": "discrepancies.md",
    "event_without_document": "discrepancies.md",
    "number_gap": "numbers.md",
    "number_duplicate": "numbers.md",
    "series_exhausted": "numbers.md",
    "series_range_low": "numbers.md",
    "document_stuck": "documents.md",
    "document_quarantined": "documents.md",
    "vault_unavailable": "documents.md",
    "renderer_unavailable": "documents.md",
    "internal_error": "documents.md",
    "render_failed": "renderer.md",
    "render_timeout": "renderer.md",
    "event_held": "events.md",
    "event_parked_too_long": "events.md",
    "delivery_failed": "mail.md",
    "link_revoked": "links.md",
    "cross_owner_read": "links.md",
    "vault_read_only": "worm.md",
    "dependency_degraded": "README.md",
}


@dataclass(frozen=True, kw_only=True)
class Incident:
    """What an alert says, before it is a row."""

    code: str
    severity: str
    dedup_key: str
    detail: str
    object_id: str
    fallback: str


_unwritten: dict[str, tuple[Incident, datetime]] = {}  # sent while PostgreSQL was away; written on recovery
_direct = threading.BoundedSemaphore(1)


def runbook(*, code: str) -> str:
    """This function will return the page and anchor that tell what to do about a code."""
    if code.startswith("worm_"):
        page = "worm.md"
    elif code.startswith("dependency_") and code not in PAGES:
        page = f"{code.removeprefix('dependency_').replace('_', '-')}.md"
    elif code in PAGES:
        page = PAGES[code]
    elif code in errors.CODES and errors.CODES[code].severity:
        page = "events.md"  # right schema, cannot be issued as it is: a held event
    else:
        return f"{RUNBOOKS}/README.md"
    return f"{RUNBOOKS}/{page}#{code}"


def open_alert(
    *, code: str, severity: str, dedup_key: str, detail: str, object_id: str = "", fallback: str = ""
) -> Alert:
    """This function will open the incident, or count one that is open already (its severity may rise, never fall).

    Works inside the caller's transaction: an alert about a change that is rolled back is rolled back with it.

    :raises audit.log.AuditUnavailable: nothing is opened without its event.
    """
    return _open(
        incident=Incident(
            code=code, severity=severity, dedup_key=dedup_key, detail=detail, object_id=object_id, fallback=fallback
        )
    )


def _open(*, incident: Incident, opened_at: datetime | None = None, sent_at: datetime | None = None) -> Alert:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO documents_alert (public_id, dedup_key, code, severity, detail, object_id, fallback, runbook,
                                             count, attempts, opened_at, last_seen_at, sent_at)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 1, 0,
                        coalesce(%s, statement_timestamp()), statement_timestamp(), %s)
                ON CONFLICT (dedup_key) WHERE resolved_at IS NULL DO UPDATE SET
                    count = documents_alert.count + 1,
                    last_seen_at = statement_timestamp(),
                    severity = least(documents_alert.severity, excluded.severity),
                    sent_at = CASE WHEN excluded.severity >= documents_alert.severity THEN documents_alert.sent_at END
                RETURNING id, (xmax = 0)
                """,
                [
                    identifiers.new(prefix="alr"),
                    incident.dedup_key[:200],
                    incident.code,
                    incident.severity,
                    incident.detail[:500],
                    incident.object_id[:140],
                    incident.fallback[:300],
                    runbook(code=incident.code),
                    opened_at,
                    sent_at,
                ],
            )
            row_id, is_new = cursor.fetchone()
        alert = Alert.objects.get(pk=row_id)
        if is_new:
            _record(action=Action.ALERT_OPENED, alert=alert, actor=audit_log.SYSTEM)
    if is_new:
        metrics.ALERTS.labels(code=incident.code, severity=incident.severity).inc()
        log.error(
            "alert.opened", extra={"code": incident.code, "severity": incident.severity, "alert": alert.public_id}
        )
    return alert


def resolve_alert(*, dedup_key: str) -> bool:
    """This function will end the open incident of this key; False where there is none."""
    with transaction.atomic():
        alert = Alert.objects.select_for_update().filter(dedup_key=dedup_key[:200], resolved_at=None).first()
        if alert is None:
            return False
        Alert.objects.filter(pk=alert.pk).update(
            resolved_at=timezone.now(), next_try_at=None, lease_until_at=None, attempts=0
        )
        _record(action=Action.ALERT_RESOLVED, alert=alert, actor=audit_log.SYSTEM)
    log.info("alert.resolved", extra={"code": alert.code, "alert": alert.public_id})
    return True


def acknowledge(*, alert: Alert, user: AbstractBaseUser, actor: audit_log.Actor, now: datetime) -> bool:
    """This function will name the person who takes the incident; False when somebody has it already."""
    with transaction.atomic():
        taken = Alert.objects.filter(pk=alert.pk, acknowledged_at=None).update(
            acknowledged_at=now, acknowledged_by=user
        )
        if taken:
            _record(action=Action.ALERT_ACKNOWLEDGED, alert=alert, actor=actor)
    return bool(taken)


def _record(*, action: Action, alert: Alert, actor: audit_log.Actor) -> None:
    details = {"alert": alert.code, "severity": alert.severity, "about": alert.object_id}
    audit_log.record(
        action=action, object_type="alert", object_id=alert.public_id, actor=actor, code=alert.code, details=details
    )


# --- for resilience: outages are told even while PostgreSQL is away ---


def open_alert_or_send(*, code: str, severity: str, dedup_key: str, detail: str, object_id: str, fallback: str) -> None:
    """This function will open an alert, or send it straight to the channel when no row can be written."""
    incident = Incident(
        code=code, severity=severity, dedup_key=dedup_key, detail=detail, object_id=object_id, fallback=fallback
    )
    try:
        _open(incident=incident)
    except (DatabaseError, InterfaceError, audit_log.AuditUnavailable):
        log.critical("alert.opened_without_database", extra={"code": code, "severity": severity})
        if dedup_key not in _unwritten and _send_directly(incident=incident):
            _unwritten[dedup_key] = (incident, timezone.now())


def resolve_alert_or_wait(*, dedup_key: str) -> None:
    """This function will write what was only sent, and resolve; without PostgreSQL the watch resolves later."""
    try:
        sent = _unwritten.get(dedup_key)
        if sent:
            incident, at = sent
            _open(incident=incident, opened_at=at, sent_at=at)
            _unwritten.pop(dedup_key, None)
        resolve_alert(dedup_key=dedup_key)
    except (DatabaseError, InterfaceError, audit_log.AuditUnavailable):
        log.warning("alert.resolution_waits", extra={"dedup_key": dedup_key})


def write_unwritten() -> int:
    """This function will write the alerts that were sent while PostgreSQL was away; returns how many."""
    written = 0
    for dedup_key, (incident, at) in list(_unwritten.items()):
        _open(incident=incident, opened_at=at, sent_at=at)
        _unwritten.pop(dedup_key, None)
        written += 1
    return written


def _send_directly(*, incident: Incident) -> bool:
    """This function will send from one thread at a time, so that no request waits; False when it is busy."""
    if not settings.ALERT_URL:
        return True
    if not _direct.acquire(blocking=False):
        return False
    page = runbook(code=incident.code)
    message = alert_channel.Message.of(incident=incident, runbook=page, opened_at=timezone.now())

    def send() -> None:
        try:
            alert_channel.send(url=settings.ALERT_URL, message=message)
        except (*resilience.FAILURES, alert_channel.Refused):
            log.exception("alert.unsent", extra={"code": incident.code})
        finally:
            _direct.release()

    threading.Thread(target=send, name="alert", daemon=True).start()
    return True


# --- sending ---


def deliver(*, now: datetime) -> int:
    """This function will send what is unsent, openings and resolutions; returns how many the channel took.

    Claims by lease, so any number of workers may run it. Must be called outside transactions.
    """
    _escalate(now=now)
    if not settings.ALERT_URL:
        return 0
    return sum(_deliver_one(alert=alert, now=now) for alert in _claim(now=now))


def _escalate(*, now: datetime) -> None:
    """This function will raise the vault's outage to P1 after an hour, and have it told again."""
    late = Q(code="dependency_vault", severity="P2", resolved_at=None, opened_at__lt=now - VAULT_PATIENCE)
    Alert.objects.filter(late).update(severity="P1", sent_at=None, next_try_at=None)


def _claim(*, now: datetime) -> list[Alert]:
    unsent = Q(resolved_at=None, sent_at=None) | Q(resolved_at__isnull=False, resolution_sent_at=None)
    due = (Q(next_try_at=None) | Q(next_try_at__lte=now)) & (Q(lease_until_at=None) | Q(lease_until_at__lte=now))
    with transaction.atomic():
        claimed = list(
            Alert.objects.select_for_update(skip_locked=True).filter(unsent & due).order_by("pk")[:BATCH_MAX]
        )
        Alert.objects.filter(pk__in=[one.pk for one in claimed]).update(
            lease_until_at=now + LEASE, attempts=F("attempts") + 1
        )
    return claimed


def _deliver_one(*, alert: Alert, now: datetime) -> bool:
    """This function will send one claimed alert and note the result, if the row still says what was sent."""
    message = alert_channel.Message.of(
        incident=alert, runbook=alert.runbook, opened_at=alert.opened_at, resolved_at=alert.resolved_at
    )
    row = Alert.objects.filter(pk=alert.pk, resolved_at=alert.resolved_at, severity=alert.severity)
    try:
        resilience.call(
            dependency="alert_channel", work=lambda: alert_channel.send(url=settings.ALERT_URL, message=message)
        )
    except alert_channel.Refused as refused:
        log.error("alert.refused", extra={"alert": alert.public_id, "answer": str(refused)})  # noqa: TRY400 - theirs
        row.update(lease_until_at=None, next_try_at=now + REST)
        return False
    except resilience.Degraded as degraded:
        asked = getattr(degraded.cause, "retry_after_s", 0.0)
        wait_s = max(resilience.backoff_s(dependency="alert_channel", attempt=alert.attempts + 1), asked)
        row.update(lease_until_at=None, next_try_at=now + timedelta(seconds=wait_s))
        return False
    if alert.resolved_at is None:
        row.update(sent_at=now, lease_until_at=None, next_try_at=None, attempts=0)
    else:
        row.update(resolution_sent_at=now, lease_until_at=None, next_try_at=None)
    return True
