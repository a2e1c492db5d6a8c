"""How long drivers wait: the 95th percentile of the last five minutes over this host's processes, by country.

Each process counts in a file of its own in PROMETHEUS_MULTIPROC_DIR (without it, in its memory): a window is a ring of
slots of five seconds, each of which says of which moment it is. Whoever answers `/metrics` adds the files up. A process
that is killed leaves what it has counted, which grows old like everything else; it leaves nothing that stays.
"""

import bisect
import contextlib
import itertools
import math
import mmap
import os
import pathlib
import threading
import time
from collections.abc import Iterator, Mapping

from django.conf import settings
from django.http import HttpRequest
from prometheus_client.core import GaugeMetricFamily

from documents import metrics
from documents.countries import pack

SHARE = 0.95
SLOT_S, SLOTS = 5, 60  # the window: five minutes
RING = SLOTS + 1  # the slot that is being filled stands beside those of the window
OTHER = "other"  # the label of an answer that is about no country, or one without a pack
_CELL = 4  # bytes of a count
_NAME = "driver_latency_{pid}.window"


def countries() -> tuple[str, ...]:
    """Return every label value: the countries that have a pack, and OTHER."""
    return (*sorted(pack.registry()), OTHER)


def label(*, country: str) -> str:
    """Return the label value of a country."""
    return country if country in pack.registry() else OTHER


def note_country(*, request: HttpRequest, country: str) -> None:
    """Note of which country an answer is that reads no document."""
    request.__dict__["answered_country"] = country


def country_of(*, request: HttpRequest) -> str:
    """Return of which country an answer is: as noted, else that of the documents read for it, if it is one."""
    of_documents = request.__dict__.get("countries", frozenset())
    alone = next(iter(of_documents)) if len(of_documents) == 1 else OTHER
    return str(request.__dict__.get("answered_country", alone))


class LatencyWindow:
    """The counts of one process, by slot, country and bucket: unsigned numbers of four bytes, the slot's own first."""

    def __init__(self, *, memory: mmap.mmap) -> None:
        self._memory = memory
        self._cells = memoryview(memory).cast("I")
        self._lock = threading.Lock()

    @classmethod
    def cells(cls) -> int:
        """Return how many counts one slot has, its number included."""
        return 1 + len(countries()) * (len(metrics.LATENCY_EDGES) + 1)

    @classmethod
    def size(cls) -> int:
        """Return the length of the whole in bytes."""
        return RING * cls.cells() * _CELL

    def count(self, *, country: str, seconds: float, now_s: float) -> None:
        """Count one answer; a slot that is of another moment is emptied first."""
        number, cells = int(now_s // SLOT_S), self.cells()
        start = number % RING * cells
        bucket = bisect.bisect_left(metrics.LATENCY_EDGES, seconds)
        place = 1 + countries().index(label(country=country)) * (len(metrics.LATENCY_EDGES) + 1) + bucket
        with self._lock:
            if self._cells[start] != number:
                self._cells[start : start + cells] = memoryview(bytes(cells * _CELL)).cast("I")
                self._cells[start] = number
            self._cells[start + place] += 1

    def bytes(self) -> bytes:
        """Return a copy of everything."""
        return self._memory[:]


_windows: dict[int, LatencyWindow] = {}  # by the process: a forked child has a window of its own
_opening = threading.Lock()


def observe(*, country: str, seconds: float) -> None:
    """Count an answer to a driver, in the histogram and in the window."""
    metrics.DRIVER_API_LATENCY.labels(country=label(country=country)).observe(seconds)
    _own().count(country=country, seconds=seconds, now_s=time.time())


def family() -> GaugeMetricFamily:
    """Return `docs_driver_api_latency_p95`: a country without an answer in five minutes has no series."""
    gauge = GaugeMetricFamily(
        "docs_driver_api_latency_p95",
        "95th percentile of answers to a driver, s, of the last 5 minutes over this host's processes",
        labels=["country"],
    )
    for country, counts in _sums(now_s=time.time()).items():
        if sum(counts):
            gauge.add_metric([country], percentile(counts=counts))
    return gauge


def percentile(*, counts: list[int]) -> float:
    """Return the 95th percentile, nearest rank, of counts by bucket: the bucket's geometric middle, s.

    Edges are 25 % apart, so it is off by 12 % at most.
    """
    rank = math.ceil(SHARE * sum(counts))
    bucket = bisect.bisect_left(list(itertools.accumulate(counts)), rank)
    step = math.sqrt(metrics.LATENCY_STEP)
    edges = metrics.LATENCY_EDGES
    return edges[bucket] / step if bucket < len(edges) else edges[-1] * step


def _sums(*, now_s: float) -> Mapping[str, list[int]]:
    """Add the windows of all processes up."""
    width, names = len(metrics.LATENCY_EDGES) + 1, countries()
    first = int(now_s // SLOT_S) - SLOTS + 1
    sums = [0] * (width * len(names))
    for written in _written(first=first):
        cells = memoryview(written).cast("I")
        for start in range(0, len(cells), LatencyWindow.cells()):
            if first <= cells[start] < first + SLOTS:
                sums = [sum(pair) for pair in zip(sums, cells[start + 1 : start + LatencyWindow.cells()], strict=True)]
    return {name: sums[place * width : (place + 1) * width] for place, name in enumerate(names)}


def _written(*, first: int) -> Iterator[bytes]:
    """Yield the windows of this host's processes; the file of a dead one whose counts are all too old is removed."""
    folder = _folder()
    if folder is None:
        yield _own().bytes()
        return
    for path in folder.glob(_NAME.format(pid="*")):
        with contextlib.suppress(FileNotFoundError):  # another process has removed it
            written = path.read_bytes()
            if len(written) != LatencyWindow.size():
                continue  # of another version, or about to be made
            stamps = memoryview(written).cast("I")[:: LatencyWindow.cells()]
            if max(stamps) < first and not metrics.lives(pid=int(path.stem.rpartition("_")[2])):
                path.unlink()
                continue
            yield written


def _own() -> LatencyWindow:
    """Return this process's window, opened at its first use."""
    pid = os.getpid()
    with _opening:
        if pid not in _windows:
            _windows.clear()
            _windows[pid] = LatencyWindow(memory=_memory(pid=pid))
        return _windows[pid]


def _memory(*, pid: int) -> mmap.mmap:
    """Map this process's file, or memory of its own where there is no folder."""
    folder = _folder()
    if folder is None:
        return mmap.mmap(-1, LatencyWindow.size())
    with (folder / _NAME.format(pid=pid)).open("a+b") as file:
        file.truncate(LatencyWindow.size())
        return mmap.mmap(file.fileno(), LatencyWindow.size())


def _folder() -> pathlib.Path | None:
    """Return the folder that the processes of this host share."""
    return pathlib.Path(settings.METRICS_FOLDER) if settings.METRICS_FOLDER else None
