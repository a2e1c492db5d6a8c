"""The metrics of this service, by the names that dashboards, alert rules and runbooks use.

Web and worker are several processes of a host, which count in files of one folder (METRICS_FOLDER): `/metrics` adds
them up. A command, and a test, count alone. Labels come from closed vocabularies: never an id, an address or a name.
What can be read from the tables is a gauge of `operations.gauges` instead: a dead process leaves none behind.
"""

import contextlib
import os
import pathlib
from collections.abc import Iterable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0)
LATENCY_NAME = "docs_driver_api_latency_seconds"
# 25 % apart, from a millisecond to over a minute: whoever reads a bucket's geometric middle is off by 12 % at most.
LATENCY_STEP = 1.25
LATENCY_EDGES = tuple(float(f"{0.001 * LATENCY_STEP**number:.6g}") for number in range(51))

EVENTS = Counter("docs_events", "Events received, by what became of them", ["type", "status"])
DOCUMENT_ISSUED = Counter("docs_document_issued", "Documents numbered and frozen", ["kind", "country"])
DOCUMENT_LOCKED = Counter("docs_document_locked", "Documents written once, read back and compared")
DOCUMENT_QUARANTINED = Counter("docs_document_quarantined", "Documents withheld: bytes or lock did not check out")
DOCUMENT_DISPOSED = Counter("docs_document_disposed", "Documents disposed of after their retention")
DOCUMENT_DOWNLOADED = Counter("docs_document_downloaded", "Documents whose bytes were served", ["channel"])
DOCUMENT_REPEATED = Counter("docs_document_repeated", "Repeats answered with the document that was there")
DELIVERY = Counter("docs_delivery", "Deliveries, by the state reached", ["status"])
LINK_EVENTS = Counter("docs_link_events", "Secure links: created, seen, opened, failed, locked, revoked", ["event"])
DENIED = Counter("docs_denied", "Refused accesses", ["code"])
WORM_ERRORS = Counter("docs_worm_errors", "Broken or unproven promises of the vault", ["code"])
ALERTS = Counter("docs_alerts", "Incidents opened", ["code", "severity"])
ENQUEUE_SKIPPED = Counter(
    "docs_enqueue_skipped", "Tasks left to the sweeper because the broker did not take them", ["task"]
)
DEPENDENCY_SECONDS = Histogram(
    "docs_dependency_seconds", "Calls to the outside world", ["dependency", "outcome"], buckets=SECONDS
)
EMISSION_SECONDS = Histogram("docs_emission_seconds", "From the event's receipt to the step", ["step"], buckets=SECONDS)
RENDER_SECONDS = Histogram("docs_render_seconds", "Composing one PDF", ["kind"], buckets=SECONDS)
DRIVER_API_LATENCY = Histogram(
    LATENCY_NAME, "Panel and API answers to a driver, but 429", ["country"], buckets=LATENCY_EDGES
)


def begin(
    *, worm_codes: Iterable[str], refusals: Iterable[str], dependencies: Iterable[str], countries: Iterable[str]
) -> None:
    """Let the series that rules watch be born at 0: an error that a series is born with is no increase of it."""
    for code in worm_codes:
        WORM_ERRORS.labels(code=code)
    for code in refusals:
        DENIED.labels(code=code)
    for dependency in dependencies:
        for outcome in ("ok", "failed"):
            DEPENDENCY_SECONDS.labels(dependency=dependency, outcome=outcome)
    for country in countries:
        DRIVER_API_LATENCY.labels(country=country)


def clear(*, folder: str) -> int:
    """Remove what processes have counted that are all dead; return how many files that were.

    As long as one of them lives its dead siblings' counts stay: a sum must not fall while it is watched.
    """
    paths = [path for path in pathlib.Path(folder).glob("*_*.db") if path.stem.rpartition("_")[2].isdigit()]
    others = [path for path in paths if int(path.stem.rpartition("_")[2]) != os.getpid()]
    if any(lives(pid=int(path.stem.rpartition("_")[2])) for path in others):
        return 0
    for path in others:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    return len(others)


def lives(*, pid: int) -> bool:
    """Tell whether a process of this host is alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def exposition(*, extra: Iterable[Metric] = ()) -> bytes:
    """Return every metric in Prometheus' text format.

    :param extra: families that are read or worked out at the moment of the scrape.
    """
    registry = CollectorRegistry()
    try:
        MultiProcessCollector(registry)
    except ValueError:  # no PROMETHEUS_MULTIPROC_DIR: this process alone
        registry = REGISTRY
    families = [*registry.collect(), *extra]
    once = CollectorRegistry()
    once.register(_Collected(families))
    return generate_latest(once)


class _Collected:
    """Families that were collected already, handed to the exporter as they are."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """Return the families."""
        return self._families
