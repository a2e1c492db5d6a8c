"""Seal lag: from the commit of an event to the signed head over it, while writers keep appending in short transactions.

One worker's sealer runs as in the product (`documents.operations.sweeper`): a turn, a pause of SEAL_EVERY_S, the next.
What an event's lag is, PostgreSQL says: the time of the first head that has it, less the event's own time.

Then the same writers with and without the sealer in turns: what an append takes, in ratio, is what sealing costs it.
"""

import multiprocessing
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django
from django.db import connection

django.setup()

from audit import sealing
from benchmarks import audit_append
from config.embedded import services
from documents.operations import sweeper

WRITERS, LOAD_S = 4, 20.0
TURNS, TURN_S = 8, 3.0
GOAL_S, SLOWER_MAX = 2.0, 1.1
_LAGS = """
WITH lag AS (
  SELECT extract(epoch FROM (SELECT head.at FROM audit_treehead AS head WHERE head.size > place.index
                             ORDER BY head.size LIMIT 1) - event.at) AS s
  FROM audit_treeplace AS place JOIN audit_event AS event ON event.id = place.event_id
  WHERE event.object_type = 'document'
)
SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY s), percentile_cont(0.99) WITHIN GROUP (ORDER BY s), max(s)
FROM lag
"""


def _append(writer: int, seconds: float, took_s: "multiprocessing.Queue[list[float]]") -> None:
    """Append at a steady pace: what is measured is the lag and what one append takes, not how many fit."""
    number, took = 0, []
    end_s = time.monotonic() + seconds
    while (start_s := time.monotonic()) < end_s:
        audit_append.record(kind="lock", number=writer * 10_000_000 + number)
        took.append(time.monotonic() - start_s)
        number += 1
        time.sleep(0.005)
    took_s.put(took)


def _seal_for(seconds: float) -> None:
    """Seal as a worker does, until a little after the last event."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        time.sleep(sweeper.SEAL_EVERY_S)
        while sealing.seal():
            pass


def _load(*, seconds: float, sealed: bool) -> float:
    """Let all writers append for a while and return the median of what one append took, in seconds."""
    fork = multiprocessing.get_context("fork")
    took_s: multiprocessing.Queue[list[float]] = fork.Queue()
    processes = [fork.Process(target=_append, args=(writer, seconds, took_s)) for writer in range(WRITERS)]
    if sealed:
        processes.append(fork.Process(target=_seal_for, args=(seconds + 3 * sweeper.SEAL_EVERY_S,)))
    for process in processes:
        process.start()
    took = [one for _ in range(WRITERS) for one in took_s.get()]
    for process in processes:
        process.join()
    return statistics.median(took)


def run() -> list[audit_append.BenchRow]:
    """Measure on a private PostgreSQL, and return two rows: the lag, and what sealing costs an append."""
    with services.Stack(fsync=True) as stack:
        audit_append.prepare(stack=stack)
        _load(seconds=LOAD_S, sealed=True)
        with connection.cursor() as cursor:
            cursor.execute(_LAGS)
            count, half_s, most_s, longest_s = cursor.fetchone()
        connection.close()
        ratios, took_s = [], 0.0
        for turn in range(TURNS):
            order = (True, False) if turn % 2 else (False, True)
            took = {sealed: _load(seconds=TURN_S, sealed=sealed) for sealed in order}
            ratios.append(took[True] / took[False])
            took_s = took[True]
    ratios.sort()
    return [
        audit_append.BenchRow(
            what=f"seal lag, {WRITERS} writers, {count / LOAD_S:.0f} events/s",
            goal=f"p99 <= {GOAL_S:.0f} s",
            figure=f"p99 {most_s:.2f} s",
            ratio="-",
            spread=f"p50 {half_s:.2f} s, max {longest_s:.2f} s",
        ),
        audit_append.BenchRow(
            what=f"an append while the sealer works, {WRITERS} writers, over one while it rests",
            goal=f"<= {SLOWER_MAX}",
            figure=f"{took_s * 1000:.1f} ms",
            ratio=f"{statistics.median(ratios):.2f}",
            spread=f"{ratios[0]:.2f}-{ratios[-1]:.2f}",
        ),
    ]


if __name__ == "__main__":
    print("| what | goal | figure | ratio | spread |\n|---|---|---|---|---|")
    for row in run():
        print(f"| {' | '.join(row)} |")
