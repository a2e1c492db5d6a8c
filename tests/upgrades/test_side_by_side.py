"""An earlier version's own processes go on beside this version's, on one database and under load, until they are gone."""

import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import call_command

from audit import inspection
from config import env
from config.embedded import services
from config.simulation import outside_checker, processes, sender
from tests.services import database

# The oldest version from which an upgrade needs no stop. Where a migration that runs before the code needs one that runs
# after it, an upgrade stops in between, and this becomes the version of that one.
# git archive ca2cfb5 audit config documents payouts locale templates manage.py pyproject.toml | gzip -9n
FORMER = pathlib.Path(__file__).with_name("former.tar.gz")
SENDERS, PAUSE_S, PATIENCE_S = 3, 0.2, 60
# How many events are sent before the first migration, by then to the earlier version, to both, and to this one alone.
FIRST, ALONE, BOTH, EVENTS = 15, 90, 130, 150
STREAM = """
import django, json, sys
django.setup()
from config.simulation import event_stream
stream = event_stream.draw(seed=15, count=int(sys.argv[1]))
print(json.dumps({"events": stream.events, "keys": sorted(stream.keys)}))
"""
WAITING = """
SELECT (SELECT count(*) FROM documents_document WHERE status <> 'LOCKED'),
       (SELECT count(*) FROM documents_event WHERE status = 'parked'),
       (SELECT count(*) FROM documents_delivery WHERE status = 'QUEUED' AND channel = 'EMAIL')
       + (SELECT count(*) FROM documents_notice WHERE status = 'QUEUED'),
       (SELECT count(*) FROM documents_alert WHERE severity = 'P1' AND resolved_at IS NULL)
"""
DONE = (0, 0, 0, 0)


class Load:
    """Sends a stream to web servers that come and go, each event once, and counts how it was answered."""

    def __init__(self, *, events: list[dict[str, Any]]) -> None:
        self.answers, self.statuses = Counter[tuple[str, int]](), dict[str, str]()
        self._urls, self.refused = list[str](), list[str]()
        self._taken = self._upto = 0
        self._events, self._dice, self._lock = iter(events), random.Random(15), threading.Lock()
        self._under_way = Counter[str]()
        self._pool = concurrent.futures.ThreadPoolExecutor(SENDERS)
        self._jobs: list[concurrent.futures.Future[None]] = []

    def reach(self, *urls: str, upto: int) -> None:
        """Send so many to these from now on, and return when no other is asked any more, as a front does."""
        with self._lock:
            self._urls, self._upto = list(urls), upto
        self._jobs = self._jobs or [self._pool.submit(self._send) for _ in range(SENDERS)]
        while any(count for url, count in self._under_way.items() if url not in urls):
            time.sleep(0.02)

    def sent(self, *, count: int) -> None:
        """Return when so many are answered."""
        while self.answers.total() < count:
            for job in self._jobs:
                if job.done():
                    job.result()
            time.sleep(0.05)

    def end(self) -> None:
        """Wait for the rest of the stream."""
        self._upto = EVENTS + 1
        for job in self._jobs:
            job.result()

    def _send(self) -> None:
        while True:
            with self._lock:
                event = next(self._events, None) if self._taken < self._upto else {}
                url = self._dice.choice(self._urls)
                self._under_way[url] += 1
                self._taken += bool(event)
            try:
                if event is None:
                    return
                if event:
                    self._one(event=event, url=url)
            finally:
                with self._lock:
                    self._under_way[url] -= 1
            time.sleep(PAUSE_S)

    def _one(self, *, event: dict[str, Any], url: str) -> None:
        body = json.dumps(event, ensure_ascii=False).encode()
        secret = env.text(name=f"WEBHOOK_SECRET_{sender.service_of(event=event).upper()}")
        with contextlib.closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)) as connection:
            connection.request("POST", sender.PATH, body=body, headers=sender.headers(body=body, secret=secret))
            answer = connection.getresponse()
            said = json.loads(answer.read())
        if answer.status >= HTTPStatus.BAD_REQUEST:
            self.refused.append(f"{event['type']} at {url}: {answer.status} {said.get('code')}")
        self.answers[url, answer.status] += 1
        self.statuses[event["id"]] = str(said.get("status"))


@pytest.fixture
def former(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return the earlier version's code, as it was; a clone need not have the history."""
    home = tmp_path / "former"
    home.mkdir()
    tar = shutil.which("tar")
    assert tar
    subprocess.run([tar, "-xzf", str(FORMER), "-C", str(home)], check=True)
    (home / "var" / "static").mkdir(parents=True)
    return home


@contextlib.contextmanager
def _running(*, name: str, folder: pathlib.Path, home: pathlib.Path, variables: dict[str, str]) -> Iterator[str]:
    logs = folder / name
    logs.mkdir()
    listening = processes.listen()
    group = processes.ProcessGroup(folder=logs, listening=listening, environment=variables, patience_s=10, home=home)
    with contextlib.closing(listening), group as started:
        started.await_web(within_s=PATIENCE_S)
        yield started.url


def _typed(*command: str, home: pathlib.Path, variables: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, *command],
        cwd=home,
        env={**env.inherited(), **variables},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.django_db(transaction=True, databases=["default", "denials", "owner"])
def test_two_versions_side_by_side_under_load_answer_hold_and_count_as_one(
    stack: services.Stack, former: pathlib.Path, vault_folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    variables = {
        **stack.environment(),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "VAULT_URL": f"file://{vault_folder}",
        "MAIL_URL": f"file://{tmp_path / 'mail'}",
        "LEASE_S": "4",
        "SWEEP_EVERY_S": "1",
    }
    database.load(stack=stack, dump=b"SELECT 1")
    _typed("manage.py", "provision", home=former, variables=variables)
    _typed("manage.py", "add_issuer", "config/samples/issuers.json", home=former, variables=variables)
    stream = json.loads(_typed("-c", STREAM, str(EVENTS), home=former, variables=variables))
    load = Load(events=stream["events"])
    with contextlib.ExitStack() as new_ones:
        with _running(name="old", folder=tmp_path, home=former, variables=variables) as old:
            load.reach(old, upto=ALONE)
            load.sent(count=FIRST)
            call_command("provision", "--before", verbosity=0)
            new = new_ones.enter_context(_running(name="new", folder=tmp_path, home=env.BASE_DIR, variables=variables))
            load.reach(old, new, upto=BOTH)
            load.sent(count=BOTH)
            load.reach(new, upto=EVENTS)
        call_command("provision", verbosity=0)
        load.end()
        _await(stack=stack)
    assert load.refused == []
    assert {url for url, _ in load.answers} == {old, new}
    checked = {"vault": f"file://{vault_folder}", "mail": tmp_path / "mail", "keys": stream["keys"]}
    _, findings = outside_checker.check(database_url=stack.superuser_url, events=load.statuses, **checked)
    assert findings == []
    assert inspection.weaknesses() == {}


def _await(*, stack: services.Stack) -> None:
    """Return when nothing waits any more, nor what the earlier version's watch took for a manipulation.

    Nothing may be held.
    """
    until, waiting = time.monotonic() + PATIENCE_S, None
    while waiting != DONE and time.monotonic() < until:
        time.sleep(0.2)
        with psycopg.connect(stack.superuser_url) as connection:
            waiting = connection.execute(WAITING).fetchone()
            held = connection.execute("SELECT type, code FROM documents_event WHERE status = 'held'").fetchall()
    assert (waiting, held) == (DONE, [])
