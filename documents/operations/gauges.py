"""What stands in the tables at the moment of a scrape, for dashboards and alert rules."""

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from documents.events import outcomes
from documents.models import Alert, Delivery, DeliveryStatus, Document, Event, EventStatus, Status


def database_read(*, value: int) -> Metric:
    """Return the gauge that says whether the others were read: a gap is not a zero."""
    return _gauge(name="docs_database_read", words="1 where the gauges of the database could be read", rows={"": value})


def _gauge(*, name: str, words: str, rows: dict[str, float], label: str = "") -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, words, labels=[label] if label else [])
    for value, number in rows.items():
        gauge.add_metric([value] if label else [], number)
    return gauge


def read() -> list[Metric]:
    """Read what stands in the tables; a label that counts nothing is 0, so that it falls."""
    waiting = (EventStatus.PARKED, EventStatus.HELD)
    by_status = dict(Document.objects.values_list("status").annotate(Count("pk")))
    events = {
        EventStatus.PARKED.value: Event.objects.filter(status=EventStatus.PARKED).count(),
        EventStatus.HELD.value: Event.objects.filter(outcomes.for_a_person()).count(),
    }
    open_alerts = dict(Alert.objects.filter(resolved_at=None).values_list("severity").annotate(Count("pk")))
    oldest = Document.objects.filter(status=Status.ISSUED).aggregate(at=Min("issued_at"))["at"]
    unsent = Alert.objects.filter(resolved_at=None, sent_at=None).count()
    queued = Delivery.objects.filter(status=DeliveryStatus.QUEUED).count()
    age_s = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    return [
        database_read(value=1),
        _gauge(
            name="docs_documents",
            words="Documents, by state",
            rows={one.value: by_status.get(one.value, 0) for one in Status},
            label="status",
        ),
        _gauge(
            name="docs_events_waiting",
            words="Events that wait for another one or for a person",
            rows={one.value: events.get(one.value, 0) for one in waiting},
            label="status",
        ),
        _gauge(
            name="docs_alerts_open",
            words="Open incidents",
            rows={one: open_alerts.get(one, 0) for one in ("P1", "P2")},
            label="severity",
        ),
        _gauge(name="docs_alerts_unsent", words="Open incidents that nobody was told of", rows={"": unsent}),
        _gauge(name="docs_deliveries_queued", words="Deliveries that wait", rows={"": queued}),
        _gauge(name="docs_oldest_issued_s", words="Age of the oldest document without bytes, s", rows={"": age_s}),
    ]
