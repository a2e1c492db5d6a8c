"""The form of a gauge that is read at the moment of a scrape."""

from collections.abc import Mapping

from prometheus_client.core import GaugeMetricFamily


def gauge(*, name: str, text: str, rows: Mapping[str, float], label: str = "") -> GaugeMetricFamily:
    """Return a gauge with a series a row: value of its `label` -> number; without a label, the one row "" alone."""
    family = GaugeMetricFamily(name, text, labels=[label] if label else [])
    for value, number in rows.items():
        family.add_metric([value] if label else [], number)
    return family
