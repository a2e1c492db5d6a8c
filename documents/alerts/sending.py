"""Sends alerts to the channels: leased, sent once, escalated where an outage lasts.

The first channel is asked first, and the second one where the first has failed. What neither takes is tried again after
WAITS_S. The end of an incident goes to the channel that took its opening, which alone knows of it.
"""

import functools
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from audit import log
from audit.actions import Action
from documents.alerts import channel, incidents
from documents.models import Alert
from documents.resilience import calls, leases

ROUND_MAX = 20  # alerts
WAITS_S = (60, 300, 900, 3600)  # after the first, second, third and each further try that failed
FIRST, SECOND = "alert_channel", "alert_channel_2"
UNRECORDED = timedelta(hours=1)
VAULT_PATIENCE = timedelta(hours=1)
LISTEN_EVERY_S = 10.0
_last: dict[str, float] = {}  # when this process asked a channel that had failed (monotonic)
_refused: set[str] = set()  # the channels that answered a 4xx last


def deliver(*, now: datetime) -> int:
    """Send what is unsent, openings and resolutions; return how many a channel accepted.

    Each alert is leased when its turn comes, so any number of workers may run it. Call it outside transactions.
    """
    _escalate(now=now)
    if not urls():
        return 0
    _listen(now=now)
    began, accepted = time.monotonic(), 0
    for _ in range(ROUND_MAX):
        # Of now, since a channel that hangs takes longer than a lease lasts.
        moment = now + timedelta(seconds=time.monotonic() - began)
        sent = send_next(rows=due(now=moment), now=moment)
        if sent is None:
            break
        accepted += sent
    return accepted


def send_next(*, rows: QuerySet[Alert], now: datetime) -> bool | None:
    """Send the first of `rows` that no other worker has; return whether a channel accepted it, None without any."""
    with leases.lease(rows=rows, now=now) as lease:
        return None if lease is None else _send(lease=lease, now=now)


def urls() -> dict[str, str]:
    """Return the channels that are set: dependency -> address, the first one first."""
    named = {FIRST: settings.ALERT_URL, SECOND: settings.ALERT_URL_2}
    return {name: url for name, url in named.items() if url}


def unsent(*, before: datetime) -> QuerySet[Alert]:
    """Return the alerts of whose opening or end nobody was told though somebody was to be before then."""
    waits = Q(next_try_at__lt=before) | Q(attempts__gt=0, opened_at__lt=before)
    opening, end = Q(sent_at=None), Q(resolved_at__lt=before, resolution_sent_at=None)
    return Alert.objects.filter(waits & (opening | end), next_try_at__isnull=False)


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


def _listen(*, now: datetime) -> None:
    """Ask the channels that have failed whether they are there again; what has waited for them is due then."""
    for name, url in urls().items():
        circuit = calls.BREAKERS[name]
        is_well = circuit.state == "closed" and not circuit.incident and not circuit.failures
        if is_well or time.monotonic() - _last.get(name, -LISTEN_EVERY_S) < LISTEN_EVERY_S:
            continue
        _last[name] = time.monotonic()
        failed = circuit.state != "closed" or circuit.failures > 0
        if not channel.listens(url=url, refused=name in _refused):
            calls.note_failure(dependency=name, cause=channel.Unavailable(answer="does not listen"))
            continue
        calls.note_success(dependency=name)
        if failed:
            _wake(now=now)


def _wake(*, now: datetime) -> None:
    """Make due what could not be sent."""
    Alert.objects.filter(next_try_at__gt=now, attempts__gt=0).update(next_try_at=now)


def _send(*, lease: leases.Lease, now: datetime) -> bool:
    """Send a leased alert and note the result: first that it has begun, and in a turn of its own that it is over."""
    alert = Alert.objects.get(pk=lease.pk)
    begins = alert.sent_at is None
    message = channel.AlertMessage.of(
        incident=alert,
        runbook=alert.runbook,
        opened_at=alert.opened_at,
        resolved_at=None if begins else alert.resolved_at,
    )
    wait_s = 0.0
    for name, url in _ways(alert=alert, begins=begins):
        try:
            calls.call(dependency=name, work=functools.partial(channel.send, url=url, message=message))
        except calls.DependencyDown as down:
            wait_s = max(wait_s, getattr(down.cause, "retry_after_s", 0.0))
            if getattr(down.cause, "refused", False):
                _refused.add(name)
            continue
        _refused.discard(name)
        try:
            _confirm(alert=alert, lease=lease, name=name, begins=begins, now=now)
        except log.AuditUnavailable:
            # It is out, which cannot be noted before the log takes it: rather a repeat an hour than one a minute.
            leases.release(lease=lease, next_try_at=now + UNRECORDED)
        return True
    wait_s = max(wait_s, WAITS_S[min(max(alert.attempts, 1), len(WAITS_S)) - 1])
    leases.release(lease=lease, next_try_at=now + timedelta(seconds=wait_s))
    return False


def _ways(*, alert: Alert, begins: bool) -> Iterator[tuple[str, str]]:
    """Yield the channels that an alert may go to, and their addresses: where it is over, the one that knows of it."""
    known = urls()
    if not begins and alert.channel in known:
        known = {alert.channel: known[alert.channel]}
    yield from known.items()


def _confirm(*, alert: Alert, lease: leases.Lease, name: str, begins: bool, now: datetime) -> None:
    """Note that an opening or an end is out; an end that came while its opening was being sent is due at once."""
    sent = {"sent_at": now, "channel": name} if begins else {"resolution_sent_at": now}
    with transaction.atomic():
        if not leases.finish(lease=lease, attempts=0, **sent):
            return
        incidents.record(action=Action.ALERT_SENT, alert=alert, actor=log.SYSTEM)
        if begins:
            over = Alert.objects.filter(pk=alert.pk, resolved_at__isnull=False, resolution_sent_at=None)
            over.update(next_try_at=now)
