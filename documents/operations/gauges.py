"""Gauges read from the tables at the moment of a scrape, for dashboards and alert rules."""

import datetime as dt
import time

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from audit import tree
from documents.alerts import sending
from documents.custody import rounds
from documents.events import outcomes
from documents.models import Alert, Delivery, DeliveryStatus, Document, Event, EventStatus, ProbeExtent, Status
from documents.operations import conditions, ledger_gauges
from documents.operations.families import gauge
from documents.resilience import breaker, calls, circuits
from documents.vault import probes


def database_read(*, value: int) -> Metric:
    """Return the gauge that says whether the others could be read: a gap must not look like a zero."""
    return gauge(name="docs_database_read", text="1 where the gauges of the database could be read", rows={"": value})


def breakers(*, postgresql: str) -> Metric:
    """Return how the breakers stand; that of PostgreSQL is said by whoever has asked it now."""
    states = {name: circuit.state for name, circuit in calls.BREAKERS.items()} | {calls.POSTGRESQL: postgresql}
    rows: dict[str, float] = {name: breaker.CODES[state] for name, state in states.items()}
    return gauge(name="docs_breaker_state", text="0 closed, 1 half open, 2 open", rows=rows, label="dependency")


def read() -> list[Metric]:
    """Read the gauges; a label without rows is 0, so that its line in a chart falls."""
    waiting = (EventStatus.PARKED, EventStatus.HELD)
    by_status = dict(Document.objects.values_list("status").annotate(Count("pk")))
    events = {
        EventStatus.PARKED.value: Event.objects.filter(status=EventStatus.PARKED).count(),
        EventStatus.HELD.value: Event.objects.filter(outcomes.for_a_person()).count(),
    }
    oldest = Document.objects.filter(status=Status.ISSUED).aggregate(oldest_at=Min("issued_at"))["oldest_at"]
    circuits.refresh(breakers=calls.BREAKERS.values(), now=time.monotonic())
    unverified = rounds.overdue(now=timezone.now())
    queued = Delivery.objects.filter(status=DeliveryStatus.QUEUED).count()
    age_s = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    return [
        database_read(value=1),
        breakers(postgresql="closed"),
        gauge(
            name="docs_documents",
            text="Documents, by state",
            rows={status.value: by_status.get(status.value, 0) for status in Status},
            label="status",
        ),
        gauge(
            name="docs_events_waiting",
            text="Events that wait for another one or for a person",
            rows={status.value: events.get(status.value, 0) for status in waiting},
            label="status",
        ),
        *_alerts(),
        *_guarantees(),
        gauge(name="docs_deliveries_queued", text="Deliveries that wait", rows={"": queued}),
        gauge(name="docs_unverified", text="Locked documents not read again for 90 days", rows={"": unverified}),
        gauge(name="docs_oldest_issued_s", text="Age of the oldest document without bytes, s", rows={"": age_s}),
        *ledger_gauges.read(),
    ]


def _alerts() -> list[Metric]:
    """Return how many incidents are open, and of how many of them nobody was told."""
    is_open = Alert.objects.filter(resolved_at=None)
    severities = dict(is_open.values_list("severity").annotate(Count("pk")))
    rows: dict[str, float] = {severity: severities.get(severity, 0) for severity in ("P1", "P2")}
    unsent = sending.unsent(before=timezone.now() - dt.timedelta(seconds=conditions.UNSENT_S)).count()
    return [
        gauge(name="docs_alerts_open", text="Open incidents", rows=rows, label="severity"),
        gauge(
            name="docs_alerts_unsent",
            text="Incidents of which somebody was to be told two minutes ago, and nobody was",
            rows={"": unsent},
        ),
    ]


def _guarantees() -> list[Metric]:
    """Return how old the vault's probes are, and how much of the log has no place in its tree yet."""
    count, lag_s = tree.unsealed()
    return [
        _probe_ages(),
        gauge(name="docs_unsealed", text="Events of the log without a place in its tree", rows={"": count}),
        gauge(name="docs_seal_lag_s", text="Age of the oldest of them, s", rows={"": lag_s}),
    ]


def _probe_ages() -> GaugeMetricFamily:
    """Return how old the vault's last probe of each extent is."""
    lasts = {extent: probes.latest(extent=extent) for extent in ProbeExtent}
    return gauge(
        name="docs_vault_probe_age_s",
        text="Age of the vault's last probe, s; an extent that was never probed has no series",
        rows={
            extent.value: (timezone.now() - last.probed_at).total_seconds() for extent, last in lasts.items() if last
        },
        label="extent",
    )
