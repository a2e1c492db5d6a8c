"""Seal lag: from the commit of an event to the signed head over it, while writers keep appending in short transactions.

One worker's sealer runs as in the product (`documents.operations.sweeper`): a turn, a pause of SEAL_EVERY_S, the next.
What an event's lag is, PostgreSQL says: the time of the first head that has it, less the event's own time.
"""

import multiprocessing
import os
import pathlib
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
GOAL_S = 2.0
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


def _append(writer: int) -> None:
    """Append at a steady pace for LOAD_S: what is measured is the lag, not how much fits."""
    end_s = time.monotonic() + LOAD_S
    number = 0
    while time.monotonic() < end_s:
        audit_append.record(kind="lock", number=writer * 10_000_000 + number)
        number += 1
        time.sleep(0.005)


def _seal_for(seconds: float) -> None:
    """Seal as a worker does, until a little after the last event."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        time.sleep(sweeper.SEAL_EVERY_S)
        while sealing.seal():
            pass


def run() -> list[audit_append.BenchRow]:
    """Measure on a private PostgreSQL, and return one row."""
    with services.Stack(fsync=True) as stack:
        audit_append.prepare(stack=stack)
        fork = multiprocessing.get_context("fork")
        writers = [fork.Process(target=_append, args=(writer,)) for writer in range(WRITERS)]
        sealer = fork.Process(target=_seal_for, args=(LOAD_S + 3 * sweeper.SEAL_EVERY_S,))
        for process in (sealer, *writers):
            process.start()
        for process in (*writers, sealer):
            process.join()
        with connection.cursor() as cursor:
            cursor.execute(_LAGS)
            count, half_s, most_s, longest_s = cursor.fetchone()
        connection.close()
    return [
        audit_append.BenchRow(
            what=f"seal lag, {WRITERS} writers, {count / LOAD_S:.0f} events/s",
            goal=f"p99 <= {GOAL_S:.0f} s",
            figure=f"p99 {most_s:.2f} s",
            ratio="-",
            spread=f"p50 {half_s:.2f} s, max {longest_s:.2f} s",
        )
    ]


if __name__ == "__main__":
    print("| what | goal | figure | ratio | spread |\n|---|---|---|---|---|")
    for row in run():
        print(f"| {' | '.join(row)} |")
