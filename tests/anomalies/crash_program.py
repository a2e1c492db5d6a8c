"""A process that works on the line and is killed where it is told to be: the other half of `test_crash_steps`.

It reads one job a line from standard input and answers one line. Each job is done in a forked child, so that starting
Django is paid once; the killed child leaves what a killed worker leaves.
"""

import concurrent.futures
import contextlib
import datetime as dt
import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import django
from django.db import connections

from tests.anomalies import crash_points

CONTINUE_MAX_S = 120.0
IMPORTED = (
    "config.events",
    "config.simulation.sender",
    "documents.operations.sweeper",
    "documents.operations.health",
    "documents.alerts.incidents",
    "rest_framework.views",
)


def main() -> None:
    """Do jobs until its input ends."""
    django.setup()
    points = {**crash_points.TABLE, **crash_points.IN_FOLDER}
    for module in {point.target.partition(":")[0] for point in points.values()} | set(IMPORTED):
        importlib.import_module(module)
    rendering = importlib.import_module("documents.rendering.render")
    importlib.import_module("documents.vault.store").open_vault()
    warm = rendering.Pool(size=1)
    with contextlib.suppress(Exception):  # a first job warms the renderer up; what it makes is thrown away
        warm.render(job={}, logo=b"", lines=0)
    print("ready", flush=True)  # noqa: T201 - the answer is the interface
    for line in sys.stdin:
        job = json.loads(line)
        connections.close_all()
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ours)
            _work(job=job, theirs=theirs, warm=warm, rendering=rendering)
        os.close(theirs)
        with os.fdopen(ours, "rb") as said:
            answer = said.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(  # noqa: T201 - the answer is the interface
            json.dumps(
                {"killed": killed, "code": os.waitstatus_to_exitcode(status), "said": json.loads(answer or b"null")}
            ),
            flush=True,
        )


def _work(*, job: dict[str, Any], theirs: int, warm: Any, rendering: Any) -> NoReturn:
    """Do a job in the child, write what came of it into the pipe, and end."""
    code = 1
    try:
        points = {**crash_points.TABLE, **crash_points.IN_FOLDER}
        point = points[job["at"]] if job.get("at") else None
        if point is None or not point.own_renderer:
            rendering._pool = warm  # made when first asked for
            for renderer in filter(None, warm.places.queue):
                renderer.process.poll = lambda: None  # it is our parent's child: only he can ask the kernel
        if point:
            _arm(point)
        os.write(theirs, json.dumps(WORK[job["work"]](job)).encode())
        code = 0
    except BaseException:  # noqa: BLE001 - said, and told by the exit code
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _arm(point: crash_points.Point) -> None:
    """Wrap the point's function so that its nth call is this process's last."""
    module, _, path = point.target.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for one in owners:
        owner = getattr(owner, one)
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def dying(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        mine = calls == point.nth
        if mine and point.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, dying)


def _receive(job: dict[str, Any]) -> list[list[object]]:
    """Take events in, one after the other: [[status, body's status], ...]."""
    from audit import log
    from config.simulation import sender
    from documents.events import intake

    told = []
    for event in job["events"]:
        service = sender.service_of(event=event)
        answer = intake.receive(
            raw=json.dumps(event).encode(),
            services=[service],
            now=_now(),
            actor=log.Actor(kind="service", id=service, service=service, channel="webhook"),
        )
        told.append([answer.status, answer.body.get("status")])
    return told


def _advance(job: dict[str, Any]) -> int:
    """Try `limit` documents that nobody has tried before; returns how many there were.

    What a killed worker left is first in turn as soon as its lease is over, and does not pass every step again.
    """
    from documents.emission import locking

    due = locking.due(now=_now()).filter(attempts=0).values_list("pk", flat=True)[: job.get("limit", 1)]
    for pk in due:
        locking.advance(document_id=pk, now=_now())
    return len(due)


def _deliver(job: dict[str, Any]) -> int:
    """Try a mail that nobody has tried before; returns how many there were to choose from (0 or 1)."""
    from documents.delivery import deliveries

    due = deliveries.due(now=_now()).filter(attempts=0).values_list("pk", flat=True)[:1]
    for pk in due:
        deliveries.send(delivery_id=pk, now=_now())
    return len(due)


def _continue(job: dict[str, Any]) -> int:
    """Be the fresh worker: it sweeps by two threads until nothing is on its way; returns how many jobs it found."""
    from documents.models import Channel, Delivery, DeliveryStatus, Document, Status
    from documents.operations import sweeper

    done, until = 0, time.monotonic() + CONTINUE_MAX_S
    with concurrent.futures.ThreadPoolExecutor(max_workers=sweeper.THREADS) as threads:
        while time.monotonic() < until:
            rounds = [threads.submit(sweeper.sweep, now=_now() + sweeper.OVERDUE_AFTER) for _ in range(sweeper.THREADS)]
            done += sum(swept.result() for swept in rounds)
            documents = Document.objects.filter(status=Status.ISSUED)
            mails = Delivery.objects.filter(status=DeliveryStatus.QUEUED, channel=Channel.EMAIL)
            if not documents.exists() and not mails.exists():
                break
            time.sleep(0.05)
    return done


def _now() -> dt.datetime:
    return dt.datetime.now(tz=dt.UTC)


WORK: dict[str, Callable[[dict[str, Any]], object]] = {
    "receive": _receive,
    "advance": _advance,
    "deliver": _deliver,
    "continue": _continue,
}

if __name__ == "__main__":
    main()
