"""The worker is killed at every step of the line; a fresh one goes on, and the outside checker finds nothing wrong.

Once at each step; four times with `HYPOTHESIS_PROFILE=long`.
"""

import contextlib
import json
import pathlib
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django.plugin import DjangoDbBlocker

from config import env
from config.embedded import services
from config.simulation import event_parts, event_stream, outside_checker
from tests.anomalies import crash_points
from tests.services import database, objects
from tests.services.live import SAMPLES

LONG = env.text(name="HYPOTHESIS_PROFILE") == "long"
EVENTS = 200 if LONG else 100
KILLS_EACH = 4 if LONG else 1  # at each of the points
MAILS = 60 if LONG else 30  # documents that are locked in peace, so that there are mails to die with


class Program:
    """The process that is killed again and again: a job in, an answer out."""

    def __init__(self, *, environment: dict[str, str], log: pathlib.Path) -> None:
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.anomalies.crash_program"],
            cwd=env.BASE_DIR,
            env=env.inherited() | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("wb"),
            text=True,
        )
        assert self._said() == "ready", log.read_text()

    def do(self, work: str, **job: object) -> dict[str, Any]:
        """Have one job done and return {killed, code, said}."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"work": work, **job}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._said())
        assert answer["killed"] or answer["code"] == 0, self.log.read_text()[-4000:]
        return answer

    def end(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=20)

    def _said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextlib.contextmanager
def running(
    *, folder: pathlib.Path, vault_url: str, stack: services.Stack, blocker: DjangoDbBlocker
) -> Iterator[Program]:
    """Run the process over an empty database, which is put back afterwards; its mails and its log are in `folder`."""
    with blocker.unblock():
        call_command("add_issuer", str(SAMPLES / "issuers.json"), stdout=(folder / "issuers.log").open("w"))
        database.connections.close_all()
    (folder / "mail").mkdir()
    environment = {
        **stack.environment(),
        "REDIS_URL": "redis://127.0.0.1:1/0",  # no doorbell: what was killed is found in PostgreSQL alone
        "LEASE_S": "2",
        "VAULT_URL": vault_url,
        "MAIL_URL": f"file://{folder / 'mail'}",
    }
    started = Program(environment=environment, log=folder / "program.log")
    yield started
    started.end()
    with blocker.unblock():
        database.restore(stack=stack)


@pytest.fixture
def vault_url(s3_objects: objects.Objects) -> str:
    """A bucket of the test's own."""
    return s3_objects.bucket(name=f"crash-{secrets.token_hex(4)}")


@pytest.fixture
def program(
    tmp_path: pathlib.Path,
    vault_url: str,
    stack: services.Stack,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Program]:
    with running(folder=tmp_path, vault_url=vault_url, stack=stack, blocker=django_db_blocker) as started:
        yield started


@pytest.mark.timeout(400)
def test_a_worker_killed_at_any_step_loses_doubles_and_unlocks_nothing(
    program: Program, tmp_path: pathlib.Path, vault_url: str, stack: services.Stack
) -> None:
    drawn = event_stream.draw(seed=20, count=EVENTS, shuffled=False)
    kills: Counter[str] = Counter()
    told = _send_dying(program=program, drawn=drawn, kills=kills)
    assert set(told) == {event["id"] for event in drawn.events}
    for name in _points("advance"):
        _until_killed(program=program, name=name, work="advance", kills=kills)
    program.do("advance", limit=MAILS)
    for name in _points("deliver"):
        _until_killed(program=program, name=name, work="deliver", kills=kills)
    program.do("continue")

    assert {name: kills[name] for name in crash_points.TABLE} == dict.fromkeys(crash_points.TABLE, KILLS_EACH)
    figures, findings = outside_checker.check(
        database_url=stack.superuser_url,
        vault=vault_url,
        mail=tmp_path / "mail",
        keys=drawn.keys,
        events=told,
    )
    assert findings == []
    assert figures["documents"] == len(drawn.keys)
    # Some mails went out twice: that is the price of never losing one, and each has its one Message-ID.
    assert figures["mails"] > sum(1 for _ in (tmp_path / "mail").glob("*[0-9a-z].eml")) - kills.total()


def _points(work: str) -> list[str]:
    return [name for name, point in crash_points.TABLE.items() if point.work == work]


def _send_dying(*, program: Program, drawn: event_stream.Stream, kills: Counter[str]) -> dict[str, str]:
    """Post every event as a sender does: until it is answered. Some answers die on their way."""
    told: dict[str, str] = {}
    wanted = [name for name in _points("receive") for _ in range(KILLS_EACH)]
    unsent: list[event_parts.EventBody] = []
    seen: set[str] = set()
    for event in drawn.events:
        # Only a fact that issues something for the first time passes all of the steps.
        if wanted and event["type"] in {"PAYMENT_CAPTURED", "ORDER_COMPLETED"} and event["id"] not in seen:
            name = wanted.pop()
            answer = program.do("receive", events=[event], at=name)
            assert answer["killed"], name
            kills[name] += 1
        seen.add(event["id"])
        unsent.append(event)
    for event, (status, word) in zip(unsent, program.do("receive", events=unsent)["said"], strict=True):
        assert status in {200, 201, 202}
        told[event["id"]] = word
    return told


def _until_killed(*, program: Program, name: str, work: str, kills: Counter[str]) -> None:
    """Work at what waits longest, and die at the point, KILLS_EACH times."""
    for _ in range(KILLS_EACH):
        answer = program.do(work, at=name)
        assert answer["killed"], f"{name}: {answer}"
        kills[name] += 1
