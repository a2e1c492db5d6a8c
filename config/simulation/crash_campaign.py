"""The crash campaign: a stream from many senders, the worker killed again and again, an outside checker at the end.

Everything is private to one run: servers, folder, port, secrets. The moments of the kills are drawn from the seed, as
so many documents locked; each kill takes the worker's whole family with it, renderers included, while it is at work.
"""

import dataclasses
import json
import pathlib
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from http import HTTPStatus
from typing import Self

import psycopg

from config import progress
from config.simulation import event_parts, event_stream, processes, sender

LOOK_EVERY_S = 0.1
START_MAX_S = 120.0
STILL_MAX_S = 120.0  # nothing moves for this long: the campaign ends with its findings
CHECK_MAX_S = 600.0
PAUSE_BEFORE_KILL_MAX_S = 0.3

_LOCKED = "SELECT count(*) FROM documents_document WHERE status = 'LOCKED'"
_OPEN = """
SELECT (SELECT count(*) FROM documents_document WHERE status = 'ISSUED'),
       (SELECT count(*) FROM documents_event WHERE status = 'parked' OR status = 'held' AND superseded_by_id IS NULL),
       (SELECT count(*) FROM documents_delivery WHERE status = 'QUEUED' AND channel = 'EMAIL')
       + (SELECT count(*) FROM documents_notice WHERE status = 'QUEUED')
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What a campaign does; the same plan draws the same stream and the same moments."""

    seed: int
    events: int
    senders: int
    kills: int
    web_kills: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a campaign. Durations in seconds; `answers` counts the statuses that the senders received."""

    plan: Plan
    send_s: float
    drain_s: float
    kills: int
    web_kills: int
    worker_starts: int
    answers: Mapping[str, int]
    figures: Mapping[str, int]
    findings: list[str]

    def as_json(self) -> dict[str, object]:
        """Return the report as one JSON object."""
        total_s = self.send_s + self.drain_s
        return dataclasses.asdict(self) | {
            "events_per_s": round(self.plan.events / self.send_s, 1) if self.send_s else None,
            "documents_per_s": round(self.figures.get("documents", 0) / total_s, 1) if total_s else None,
            "passed": not self.findings,
        }


def run(
    *,
    plan: Plan,
    process_group: processes.ProcessGroup,
    database_url: str,
    vault_url: str,
    mail: pathlib.Path,
    secrets: Mapping[str, str],
) -> Report:
    """Run one campaign on a provisioned database with issuers; `process_group` starts and ends here.

    :raises TimeoutError: the web server does not come up
    """
    stream = event_stream.draw(seed=plan.seed, count=plan.events)
    with process_group, psycopg.connect(database_url, autocommit=True) as database:
        process_group.await_web(within_s=START_MAX_S)
        began = time.monotonic()
        killer = Killer(plan=plan, process_group=process_group, database_url=database_url, documents=len(stream.keys))
        with killer:
            answers, findings = _send(plan=plan, stream=stream, url=process_group.url, secrets=secrets)
            sent = time.monotonic()
            findings += _drain(database=database, documents=len(stream.keys), killer=killer)
            drained = time.monotonic()
        figures, outside = ask_outside(
            database_url=database_url, vault=vault_url, mail=mail, keys=stream.keys, events=answers
        )
        if killer.done["worker"] < plan.kills:
            findings.append(f"only {killer.done['worker']} of {plan.kills} kills happened")
        return Report(
            plan=plan,
            send_s=round(sent - began, 1),
            drain_s=round(drained - sent, 1),
            kills=killer.done["worker"],
            web_kills=killer.done["web"],
            worker_starts=process_group.processes["worker"].starts,
            answers=dict(sorted(Counter(answers.values()).items())),
            figures=figures,
            findings=findings + outside + process_group.locks_out_of_order(),
        )


class Killer:
    """A thread that kills the worker each time another drawn number of documents has been locked."""

    def __init__(self, *, plan: Plan, process_group: processes.ProcessGroup, database_url: str, documents: int) -> None:
        dice = random.Random(plan.seed)  # noqa: S311 - reproducible, protects nothing
        moments = [(dice.uniform(0, documents), "worker") for _ in range(plan.kills)]
        moments += [(dice.uniform(0, documents), "web") for _ in range(plan.web_kills)]
        self._moments = sorted(moments)
        self._pauses = [dice.uniform(0, PAUSE_BEFORE_KILL_MAX_S) for _ in moments]
        self._processes, self._database_url = process_group, database_url
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._kill_all, name="killer", daemon=True)
        self.done = Counter({"worker": 0, "web": 0})

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Kill nobody any more."""
        self._ended.set()
        self._thread.join(timeout=10)

    @property
    def finished(self) -> bool:
        """Whether every kill has happened."""
        return sum(self.done.values()) == len(self._moments)

    def _kill_all(self) -> None:
        with psycopg.connect(self._database_url, autocommit=True) as database:
            for (documents, name), pause_s in zip(self._moments, self._pauses, strict=True):
                while _count(database=database, query=_LOCKED) < int(documents):
                    if self._ended.wait(LOOK_EVERY_S):
                        return
                self._ended.wait(pause_s)
                while not self._processes.kill(name=name):
                    if self._ended.wait(LOOK_EVERY_S):
                        return
                self.done[name] += 1


def _send(
    *, plan: Plan, stream: event_stream.Stream, url: str, secrets: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Post the stream and return {event id: the status answered last}, and what was answered otherwise than 2xx."""
    answers: dict[str, str] = {}
    findings: list[str] = []

    def post(event: event_parts.EventBody) -> sender.PostedEvent:
        return sender.post(base_url=url, event=event, secret=secrets[sender.service_of(event=event)])

    with (
        progress.progress(label="eventos enviados", total=len(stream.events)) as step,
        ThreadPoolExecutor(max_workers=plan.senders) as threads,
    ):
        jobs = {threads.submit(post, event): event["id"] for event in stream.events}
        for job in as_completed(jobs):
            try:
                sent = job.result()
            except (OSError, ValueError) as error:
                findings.append(f"event {jobs[job]}: no answer, {type(error).__name__}: {error}")
                continue
            if HTTPStatus.OK <= sent.status < HTTPStatus.MULTIPLE_CHOICES:
                answers[sent.event_id] = str(sent.body.get("status"))
            else:
                findings.append(f"event {sent.event_id}: answered {sent.status} {sent.body.get('code')}")
            step(note=f"{sent.status} {sent.event_id}")
    return answers, findings


def _drain(*, database: psycopg.Connection[tuple[int, ...]], documents: int, killer: Killer) -> list[str]:
    """Wait until nothing is open and every kill has happened, or until nothing moves any more."""
    last, moved = None, time.monotonic()
    with progress.progress(label="documentos resguardados", total=documents) as step:
        shown = 0
        while True:
            still_open = database.execute(_OPEN).fetchone() or (0,)
            locked = _count(database=database, query=_LOCKED)
            if locked > shown:
                step(done=locked - shown, note=f"{sum(killer.done.values())} ✝")
                shown = locked
            if not any(still_open) and (killer.finished or locked >= documents):
                return []
            if (still_open, killer.done.total()) != last:
                last, moved = (still_open, killer.done.total()), time.monotonic()
            if time.monotonic() - moved > STILL_MAX_S:
                return [f"nothing moves for {STILL_MAX_S:.0f} s: {still_open} documents, events and mails are open"]
            time.sleep(LOOK_EVERY_S)


def _count(*, database: psycopg.Connection[tuple[int, ...]], query: str) -> int:
    row = database.execute(query).fetchone()
    return int(row[0]) if row else 0


def ask_outside(
    *, database_url: str, vault: str, mail: pathlib.Path, keys: frozenset[str], events: Mapping[str, str]
) -> tuple[dict[str, int], list[str]]:
    """Run the outside checker as a program of its own, which cannot import this project."""
    where = {"database_url": database_url, "vault": vault, "mail": str(mail)}
    question = {**where, "keys": sorted(keys), "events": events}
    checker = pathlib.Path(__file__).with_name("outside_checker.py")
    ran = subprocess.run(
        [sys.executable, "-I", str(checker)],
        input=json.dumps(question).encode(),
        capture_output=True,
        check=False,
        timeout=CHECK_MAX_S,
        cwd="/",
    )
    try:
        answer = json.loads(ran.stdout)
    except ValueError:
        return {}, [f"the outside checker failed: {ran.stderr.decode(errors='replace')[-1000:]}"]
    return answer["figures"], answer["findings"]
