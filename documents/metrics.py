"""The metrics of this service, by the names that dashboards, alert rules and runbooks use.

Web and worker are several processes of a host, which count in files of one folder (METRICS_FOLDER): `/metrics` adds
them up. A command, and a test, count alone. Labels come from closed vocabularies: never an id, an address or a name.
What can be read from the tables is a gauge of `operations.gauges` instead: a dead process leaves none behind.
"""

import contextlib
import fcntl
import os
import pathlib
from collections import Counter as Counts
from collections.abc import Iterable, Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0)
FOLDED_KINDS, DEAD = ("counter", "histogram"), "dead"  # what is added up, and what stands where a process' id does
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
    folded = [pathlib.Path(folder) / f"{kind}_{DEAD}.db" for kind in FOLDED_KINDS]
    others = [path for path in paths if int(path.stem.rpartition("_")[2]) != os.getpid()]
    if any(lives(pid=int(path.stem.rpartition("_")[2])) for path in others):
        return 0
    for path in (*others, *folded):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    return len(others)


def fold(*, folder: str) -> int:
    """Add up in one file a kind what dead processes have counted, and return how many files went into it.

    No sum changes by it. Where processes die and come again beside others that live on, files would come without end,
    and each scrape reads them all.
    """
    gone: dict[str, list[pathlib.Path]] = {}
    for path in pathlib.Path(folder).glob("*_*.db"):
        kind, _, pid = path.stem.rpartition("_")
        if kind in FOLDED_KINDS and pid.isdigit() and not lives(pid=int(pid)):
            gone.setdefault(kind, []).append(path)
    if not gone:
        return 0
    with _held(folder=folder, how=fcntl.LOCK_EX):
        return sum(_fold(into=pathlib.Path(folder) / f"{kind}_{DEAD}.db", paths=paths) for kind, paths in gone.items())


def _fold(*, into: pathlib.Path, paths: list[pathlib.Path]) -> int:
    there = [path for path in paths if path.exists()]  # another process may have been first
    sums: Counts[str] = Counts()
    for path in (*there, into):
        # Without a first byte where its process died as it began: nothing was counted in it.
        if path.exists() and path.stat().st_size:
            for key, value, *_ in MmapedDict.read_all_values_from_file(str(path)):
                sums[key] += value
    fresh = into.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    written = MmapedDict(str(fresh))
    for key, value in sums.items():
        written.write_value(key, value, 0.0)
    written.close()
    fresh.replace(into)
    for path in there:
        path.unlink()
    return len(there)


@contextlib.contextmanager
def _held(*, folder: str, how: int) -> Iterator[None]:
    """Hold the folder's lock: nobody adds up while files go."""
    with (pathlib.Path(folder) / "lock").open("a") as lock:
        fcntl.flock(lock, how)
        yield


def lives(*, pid: int) -> bool:
    """Tell whether a process of this host is alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def exposition(*, extra: Iterable[Metric] = (), folder: str = "") -> bytes:
    """Return every metric in Prometheus' text format.

    :param extra: families that are read or worked out at the moment of the scrape.
    :param folder: METRICS_FOLDER; without one, this process alone
    """
    families = [*extra]
    if folder:
        fold(folder=folder)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)
        with _held(folder=folder, how=fcntl.LOCK_SH):
            families[:0] = registry.collect()
    else:
        families[:0] = REGISTRY.collect()
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
