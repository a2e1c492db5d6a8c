"""Incidents: one row each, opened once, counted while it lasts, resolved on recovery, sent to one channel.

The row is written in the caller's transaction and sent later by `sending.deliver`, which the schedule calls, so an
alert is lost neither with its process nor with the channel. Only while PostgreSQL itself is away is an alert sent first
and written afterwards (`outages`).
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.utils import timezone

from audit import log
from audit.actions import Action
from documents import errors, identifiers, locks, metrics
from documents.models import Alert
from documents.resilience import leases

logger = logging.getLogger(__name__)
RUNBOOKS = "docs/runbooks"
# TABLE: code of an alert -> its runbook page, where no door answers with the code; the others are in `errors.CODES`.
PAGES = {
    "audit_broken": "audit.md",
    "audit_unavailable": "audit.md",
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
    "document_stuck": "documents.md",  # by the rule of ops/alerts.yml
    "document_quarantined": "documents.md",
    "internal_error": "documents.md",
    "render_failed": "renderer.md",
    "render_timeout": "renderer.md",
    "event_held": "events.md",
    "event_parked_too_long": "events.md",
    "delivery_failed": "mail.md",
    "link_revoked": "links.md",
    "cross_owner_read": "access.md",
    "access_rule_broken": "access.md",
    "vault_read_only": "worm.md",
    "dependency_degraded": "README.md",
}
# Nothing that the service sees ends these: a person does, with a reason.
BY_A_PERSON = frozenset({"cross_owner_read", "access_rule_broken", "link_revoked", "delivery_failed"})

# A higher severity is sent again, and whoever is sending the lower one has lost the lease.
_WRITE = """
INSERT INTO documents_alert (public_id, dedup_key, code, severity, detail, object_id, fallback, runbook, count,
  attempts, opened_at, last_seen_at, sent_at, next_try_at)
VALUES (%(public_id)s, %(dedup_key)s, %(code)s, %(severity)s, %(detail)s, %(object_id)s, %(fallback)s, %(runbook)s, 1,
  0, coalesce(%(opened_at)s, statement_timestamp()), statement_timestamp(), %(sent_at)s,
  CASE WHEN %(sent_at)s::timestamptz IS NULL THEN statement_timestamp() END)
ON CONFLICT (dedup_key) WHERE resolved_at IS NULL DO UPDATE SET
  count = documents_alert.count + 1,
  last_seen_at = statement_timestamp(),
  severity = least(documents_alert.severity, excluded.severity),
  sent_at = CASE WHEN excluded.severity >= documents_alert.severity THEN documents_alert.sent_at END,
  lease = CASE WHEN excluded.severity >= documents_alert.severity THEN documents_alert.lease END,
  lease_until_at = CASE WHEN excluded.severity >= documents_alert.severity THEN documents_alert.lease_until_at END,
  next_try_at = CASE WHEN excluded.severity >= documents_alert.severity THEN documents_alert.next_try_at
                     ELSE statement_timestamp() END
RETURNING id, (xmax = 0)
"""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """What an alert says, before its row is written."""

    code: str
    severity: str
    dedup_key: str
    detail: str
    object_id: str
    fallback: str


def runbook(*, code: str) -> str:
    """Return the runbook's page and anchor of a code."""
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
    """Open the incident, or add one to the count of the open one (its severity may rise, never fall).

    Works inside the caller's transaction: an alert about a change that is rolled back is rolled back with it.

    :raises audit.log.AuditUnavailable: no incident is opened without its audit event.
    """
    return write(
        incident=Incident(
            code=code, severity=severity, dedup_key=dedup_key, detail=detail, object_id=object_id, fallback=fallback
        )
    )


def write(*, incident: Incident, opened_at: datetime | None = None, sent_at: datetime | None = None) -> Alert:
    """Write an incident's row, or add one to the count of the open one."""
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
                    "detail": incident.detail[:500],
                    "object_id": incident.object_id[:140],
                    "fallback": incident.fallback[:300],
                    "runbook": runbook(code=incident.code),
                    "opened_at": opened_at,
                    "sent_at": sent_at,
                },
            )
            row_id, is_new = cursor.fetchone()
        alert = Alert.objects.get(pk=row_id)
        if is_new:
            _record(action=Action.ALERT_OPENED, alert=alert, actor=log.SYSTEM)
    if is_new:
        metrics.ALERTS.labels(code=incident.code, severity=incident.severity).inc()
        logger.error(
            "alert.opened", extra={"code": incident.code, "severity": incident.severity, "alert": alert.public_id}
        )
    return alert


def resolve_alert(*, dedup_key: str, actor: log.Actor = log.SYSTEM, reason: str = "") -> bool:
    """Resolve the open incident of this key; False where there is none. Whoever is sending it has lost its lease.

    :param reason: why a person resolves it, in that person's words
    """
    now = timezone.now()
    with transaction.atomic():
        alert = Alert.objects.filter(dedup_key=dedup_key[:200], resolved_at=None).first()
        if alert is None:
            return False
        _declare(dedup_key=dedup_key)
        resolved = {"resolved_at": now, "next_try_at": now, "attempts": 0}
        if not Alert.objects.filter(pk=alert.pk, resolved_at=None).update(**resolved, **leases.ENDED):
            return False
        _record(action=Action.ALERT_RESOLVED, alert=alert, actor=actor, reason=reason)
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
            _record(action=Action.ALERT_ACKNOWLEDGED, alert=alert, actor=actor)
    return bool(acknowledged)


def _record(*, action: Action, alert: Alert, actor: log.Actor, reason: str = "") -> None:
    details = {"alert": alert.code, "severity": alert.severity, "about": alert.object_id}
    if reason:
        details["reason"] = reason
    log.record(
        action=action, object_type="alert", object_id=alert.public_id, actor=actor, code=alert.code, details=details
    )
