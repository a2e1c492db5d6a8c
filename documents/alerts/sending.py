"""Sends alerts to the channel: leased, sent once, escalated where an outage lasts."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from documents.alerts import channel, incidents
from documents.models import Alert
from documents.resilience import calls, dependencies

BATCH_MAX = 20
LEASE = timedelta(seconds=60)  # outlives the channel's 10 s
REST = timedelta(days=1)  # after a 4xx: the channel's address is wrong, and a repeat does not mend it
VAULT_PATIENCE = timedelta(hours=1)


def deliver(*, now: datetime) -> int:
    """Send what is unsent, openings and resolutions; return how many the channel accepted.

    Each alert is leased first, so any number of workers may run it. Call it outside transactions.
    """
    _escalate(now=now)
    if not settings.ALERT_URL:
        return 0
    return sum(_deliver_one(alert=alert, now=now) for alert in _lease(now=now))


def _escalate(*, now: datetime) -> None:
    """Raise the vault's outage to P1 after an hour, and have it sent again."""
    late = Q(code="dependency_vault", severity="P2", resolved_at=None, opened_at__lt=now - VAULT_PATIENCE)
    Alert.objects.filter(late).update(severity="P1", sent_at=None, next_try_at=None)


def _lease(*, now: datetime) -> list[Alert]:
    unsent = Q(resolved_at=None, sent_at=None) | Q(resolved_at__isnull=False, resolution_sent_at=None)
    due = (Q(next_try_at=None) | Q(next_try_at__lte=now)) & (Q(lease_until_at=None) | Q(lease_until_at__lte=now))
    with transaction.atomic():
        leased = list(Alert.objects.select_for_update(skip_locked=True).filter(unsent & due).order_by("pk")[:BATCH_MAX])
        Alert.objects.filter(pk__in=[alert.pk for alert in leased]).update(
            lease_until_at=now + LEASE, attempts=F("attempts") + 1
        )
    return leased


def _deliver_one(*, alert: Alert, now: datetime) -> bool:
    """Send one leased alert and note the result, if the row still says what was sent."""
    message = channel.AlertMessage.of(
        incident=alert, runbook=alert.runbook, opened_at=alert.opened_at, resolved_at=alert.resolved_at
    )
    row = Alert.objects.filter(pk=alert.pk, resolved_at=alert.resolved_at, severity=alert.severity)
    try:
        calls.call(dependency="alert_channel", work=lambda: channel.send(url=settings.ALERT_URL, message=message))
    except calls.RefusedError as refused:
        incidents.logger.error("alert.refused", extra={"alert": alert.public_id, "answer": str(refused)})
        row.update(lease_until_at=None, next_try_at=now + REST)
        return False
    except calls.DependencyDown as down:
        asked = getattr(down.cause, "retry_after_s", 0.0)
        wait_s = max(dependencies.backoff_s(dependency="alert_channel", attempt=alert.attempts + 1), asked)
        row.update(lease_until_at=None, next_try_at=now + timedelta(seconds=wait_s))
        return False
    if alert.resolved_at is None:
        row.update(sent_at=now, lease_until_at=None, next_try_at=None, attempts=0)
    else:
        row.update(resolution_sent_at=now, lease_until_at=None, next_try_at=None)
    return True
