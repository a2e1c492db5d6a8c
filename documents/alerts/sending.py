"""Sends alerts to the channel: leased, sent once, escalated where an outage lasts."""

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from audit import log
from audit.actions import Action
from documents.alerts import channel, incidents
from documents.models import Alert
from documents.resilience import calls, dependencies, leases

ROUND_MAX = 20  # alerts
REST = timedelta(days=1)  # after a 4xx: the channel's address is wrong, and a repeat does not mend it
UNRECORDED = timedelta(hours=1)
VAULT_PATIENCE = timedelta(hours=1)


def deliver(*, now: datetime) -> int:
    """Send what is unsent, openings and resolutions; return how many the channel accepted.

    Each alert is leased when its turn comes, so any number of workers may run it. Call it outside transactions.
    """
    _escalate(now=now)
    if not settings.ALERT_URL:
        return 0
    began, accepted = time.monotonic(), 0
    for _ in range(ROUND_MAX):
        moment = now + timedelta(
            seconds=time.monotonic() - began
        )  # a channel that hangs takes longer than a lease lasts
        with leases.lease(rows=due(now=moment), now=moment) as lease:
            if lease is None:
                break
            accepted += _send(lease=lease, now=moment)
    return accepted


def due(*, now: datetime) -> QuerySet[Alert]:
    """Return the alerts whose opening or resolution may be sent now, those that have waited longest first."""
    return leases.due(rows=Alert.objects.all(), now=now)


def _escalate(*, now: datetime) -> None:
    """Raise the vault's outage to P1 after an hour, and have it sent again."""
    late = Alert.objects.filter(
        code="dependency_vault", severity="P2", resolved_at=None, opened_at__lt=now - VAULT_PATIENCE
    )
    for alert in late.order_by("pk"):
        incidents.escalate(alert=alert, severity="P1", now=now)


def _send(*, lease: leases.Lease, now: datetime) -> bool:
    """Send a leased alert and note the result, unless the alert has come to say something else meanwhile."""
    alert = Alert.objects.get(pk=lease.pk)
    message = channel.AlertMessage.of(
        incident=alert, runbook=alert.runbook, opened_at=alert.opened_at, resolved_at=alert.resolved_at
    )
    try:
        calls.call(dependency="alert_channel", work=lambda: channel.send(url=settings.ALERT_URL, message=message))
    except calls.RefusedError as refused:
        incidents.logger.error("alert.refused", extra={"alert": alert.public_id, "answer": str(refused)})
        leases.release(lease=lease, next_try_at=now + REST)
        return False
    except calls.DependencyDown as down:
        asked = getattr(down.cause, "retry_after_s", 0.0)
        wait_s = max(dependencies.backoff_s(dependency="alert_channel", attempt=alert.attempts), asked)
        leases.release(lease=lease, next_try_at=now + timedelta(seconds=wait_s))
        return False
    try:
        _confirm(alert=alert, lease=lease, now=now)
    except log.AuditUnavailable:
        # It is out, which cannot be noted before the log takes it: rather a repeat an hour than one a minute.
        leases.release(lease=lease, next_try_at=now + UNRECORDED)
    return True


def _confirm(*, alert: Alert, lease: leases.Lease, now: datetime) -> None:
    """Note that an opening or a resolution is out."""
    sent = "sent_at" if alert.resolved_at is None else "resolution_sent_at"
    with transaction.atomic():
        if leases.finish(lease=lease, attempts=0, **{sent: now}):
            incidents.record(action=Action.ALERT_SENT, alert=alert, actor=log.SYSTEM)
