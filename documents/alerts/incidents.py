"""Incidents: one row each, opened once, counted while it lasts, resolved on recovery, sent to one channel.

The row is written in the caller's transaction and sent later by `sending.deliver`, which the schedule calls, so an
alert is lost neither with its process nor with a channel. Only while PostgreSQL itself is away is an alert sent first
and written afterwards (`outages`).
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.utils import timezone

from audit import log
from audit.actions import Action
from documents import errors, identifiers, locks, metrics
from documents.alerts import catalog
from documents.models import Alert
from documents.resilience import leases

logger = logging.getLogger(__name__)
FLASH = timedelta(seconds=30)  # what is over so soon after people were to be told, before anybody tried to, was a flash

_WRITE = """
INSERT INTO documents_alert (public_id, dedup_key, code, severity, values, object_id, runbook, count,
  attempts, opened_at, last_seen_at, sent_at, channel, next_try_at)
VALUES (%(public_id)s, %(dedup_key)s, %(code)s, %(severity)s, %(values)s::jsonb, %(object_id)s, %(runbook)s, 1,
  0, coalesce(%(opened_at)s, statement_timestamp()), statement_timestamp(), %(sent_at)s, %(channel)s,
  CASE WHEN %(sent_at)s::timestamptz IS NULL THEN statement_timestamp() + make_interval(secs => %(quiet_s)s) END)
ON CONFLICT (dedup_key) WHERE resolved_at IS NULL DO UPDATE SET
  count = documents_alert.count + 1,
  last_seen_at = statement_timestamp()
RETURNING id, (xmax = 0)
"""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """What an alert says, before its row is written."""

    code: str
    severity: str
    dedup_key: str
    values: Mapping[str, errors.Value]
    object_id: str


def incident(
    *, code: str, dedup_key: str, values: Mapping[str, errors.Value], object_id: str = "", severity: str = ""
) -> Incident:
    """Return what an alert says: with the severity of its row in `catalog.ALERTS`, unless it has one of its own.

    :raises KeyError: a code without a row
    """
    severity = severity or catalog.severity(code=code, values=values)
    return Incident(code=code, severity=severity, dedup_key=dedup_key, values=values, object_id=object_id)


def open_alert(
    *,
    code: str,
    dedup_key: str,
    values: Mapping[str, errors.Value] | None = None,
    object_id: str = "",
    severity: str = "",
    quiet_s: float = 0.0,
) -> Alert:
    """Open the incident, or add one to the count of the open one (its severity may rise, never fall).

    Works inside the caller's transaction: an alert about a change that is rolled back is rolled back with it.

    :param quiet_s: for so long it stands in the Document Center and calls nobody

    :raises audit.log.AuditUnavailable: no incident is opened without its audit event.
    """
    return write(
        incident=incident(code=code, dedup_key=dedup_key, values=values or {}, object_id=object_id, severity=severity),
        quiet_s=quiet_s,
    )


def write(
    *,
    incident: Incident,
    opened_at: datetime | None = None,
    sent_at: datetime | None = None,
    channel: str = "",
    quiet_s: float = 0.0,
) -> Alert:
    """Write an incident's row, or add one to the count of the open one; `channel` took it at `sent_at`."""
    with transaction.atomic():
        _declare(dedup_key=incident.dedup_key)
        with connection.cursor() as cursor:
            cursor.execute(
                _WRITE,
                {
                    "public_id": identifiers.new(prefix="alr"),
                    "dedup_key": incident.dedup_key[:200],
                    "code": incident.code,
                    "severity": incident.severity,
                    "values": json.dumps(errors.bounded(values=incident.values)),
                    "object_id": incident.object_id[:140],
                    "runbook": catalog.runbook(code=incident.code),
                    "opened_at": opened_at,
                    "sent_at": sent_at,
                    "channel": channel,
                    "quiet_s": quiet_s,
                },
            )
            row_id, is_new = cursor.fetchone()
        alert = Alert.objects.get(pk=row_id)
        if is_new:
            record(action=Action.ALERT_OPENED, alert=alert, actor=log.SYSTEM)
        elif incident.severity < alert.severity:
            escalate(alert=alert, severity=incident.severity, now=timezone.now())
    if is_new:
        metrics.ALERTS.labels(code=incident.code, severity=incident.severity).inc()
        logger.error(
            "alert.opened", extra={"code": incident.code, "severity": incident.severity, "alert": alert.public_id}
        )
    return alert


def renew(*, dedup_key: str, values: Mapping[str, errors.Value]) -> bool:
    """Replace what the open incident of this key says; False where there is none. It is not sent again."""
    return bool(
        Alert.objects.filter(dedup_key=dedup_key[:200], resolved_at=None).update(values=errors.bounded(values=values))
    )


def resolve_alert(*, dedup_key: str, actor: log.Actor = log.SYSTEM, reason: str = "") -> bool:
    """Resolve the open incident of this key; False where there is none.

    Whoever was told of it is told of its end. Of one that is over before anybody was to be told, nobody is.

    :param reason: why a person resolves it, in that person's words
    """
    now = timezone.now()
    with transaction.atomic():
        alert = Alert.objects.filter(dedup_key=dedup_key[:200], resolved_at=None).first()
        if alert is None:
            return False
        _declare(dedup_key=dedup_key)
        if not Alert.objects.filter(pk=alert.pk, resolved_at=None).update(resolved_at=now):
            return False
        is_told = Alert.objects.filter(pk=alert.pk, sent_at__isnull=False)
        is_told.update(next_try_at=now, attempts=0, **leases.ENDED)
        untold = Alert.objects.filter(pk=alert.pk, sent_at=None, channel="", attempts=0, next_try_at__gt=now - FLASH)
        untold.update(next_try_at=None)
        record(action=Action.ALERT_RESOLVED, alert=alert, actor=actor, reason=reason)
    logger.info("alert.resolved", extra={"code": alert.code, "alert": alert.public_id})
    return True


def _declare(*, dedup_key: str) -> None:
    """Declare the lock on an alert.

    Whoever writes an alert about an event has the event locked; and whoever opens or resolves a discrepancy has locked
    its subject or payee, or locks nothing else. So the locks of these order nothing.
    """
    if not dedup_key.startswith(("event:", "discrepancy:")):
        locks.declare(rank=locks.Rank.ALERT, keys=[(dedup_key[:200],)])


def acknowledge(*, alert: Alert, user: AbstractBaseUser, actor: log.Actor, now: datetime) -> bool:
    """Record who takes care of the incident; False where somebody has acknowledged it already."""
    with transaction.atomic():
        acknowledged = Alert.objects.filter(pk=alert.pk, acknowledged_at=None).update(
            acknowledged_at=now, acknowledged_by=user
        )
        if acknowledged:
            record(action=Action.ALERT_ACKNOWLEDGED, alert=alert, actor=actor)
    return bool(acknowledged)


def escalate(*, alert: Alert, severity: str, now: datetime) -> None:
    """Raise the severity of an open incident, which is then sent again: whoever is sending it has lost its lease."""
    raised = {"severity": severity, "sent_at": None, "next_try_at": now, **leases.ENDED}
    with transaction.atomic():
        if Alert.objects.filter(pk=alert.pk, severity__gt=severity, resolved_at=None).update(**raised):
            alert.refresh_from_db()
            record(action=Action.ALERT_ESCALATED, alert=alert, actor=log.SYSTEM)


def record(*, action: Action, alert: Alert, actor: log.Actor, reason: str = "") -> None:
    """Put one step of an incident on record, in the caller's transaction."""
    details = {"alert": alert.code, "severity": alert.severity, "about": alert.object_id}
    if reason:
        details["reason"] = reason
    log.record(
        action=action, object_type="alert", object_id=alert.public_id, actor=actor, code=alert.code, details=details
    )
