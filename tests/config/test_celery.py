"""The doorbell never keeps its caller waiting, and a worker never gives up on its broker."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redis
from django.db import transaction
from kombu.exceptions import OperationalError

from config import celery, checks, env, schedule
from config.embedded import servers, services
from documents import catalog
from documents.models import Kind
from documents.operations import sweeper
from documents.task_names import TaskName
from tests.payouts import making, telling

PATIENCE_S = 30.0
TASK = "tests.nobody_knows_this_task"
WARM, COUNTED = 10, 30  # documents: every thread has connected after the first
CHECK_SESSIONS = 3  # of the watch: it asks PostgreSQL, its clock and the log as somebody who has just come


def _ring() -> float:
    began = time.monotonic()
    with pytest.raises((OperationalError, redis.exceptions.RedisError)):
        celery.app.send_task(TASK)
    return time.monotonic() - began


def test_a_dead_broker_does_not_hold_up_its_caller(valkey: servers.Valkey) -> None:
    valkey.kill()
    assert _ring() < 1.0


def test_a_hanging_broker_does_not_hold_up_its_caller(valkey: servers.Valkey) -> None:
    valkey.pause()
    assert _ring() < 1.5


def test_a_broker_that_hangs_between_two_rings_does_not_hold_up_the_second(valkey: servers.Valkey) -> None:
    celery.app.send_task(TASK)
    valkey.pause()
    assert _ring() < 1.5
    valkey.resume()


def test_the_doorbell_rings_again_after_the_broker_came_back(valkey: servers.Valkey) -> None:
    celery.app.send_task(TASK)
    valkey.kill()
    _ring()
    valkey.start()
    celery.app.send_task(TASK)
    assert redis.Redis.from_url(valkey.url).llen("celery") == 1


def test_a_message_is_json_and_nothing_else(valkey: servers.Valkey) -> None:
    celery.app.send_task(TASK, args=["doc_1"])
    message = json.loads(redis.Redis.from_url(valkey.url).lindex("celery", 0) or "")
    assert (message["content-type"], message["content-encoding"]) == ("application/json", "utf-8")
    assert celery.app.conf.accept_content == ["json"]


def test_a_task_is_given_back_when_its_worker_dies() -> None:
    conf = celery.app.conf
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost, conf.worker_prefetch_multiplier) == (True, True, 1)
    assert conf.task_soft_time_limit < conf.task_time_limit


def test_a_parked_event_and_a_payout_do_not_queue_behind_the_pages(valkey: servers.Valkey) -> None:
    for task in ("documents.advance", "documents.resume", "documents.deliver", "documents.advance_payout"):
        celery.app.send_task(task, kwargs={"document_id": 1})
    broker = redis.Redis.from_url(valkey.url)
    assert [broker.llen(name) for name in (celery.PAGES, celery.PAYOUTS, celery.FACTS)] == [2, 1, 1]
    assert {queue.name for queue in celery.app.conf.task_queues} == {celery.PAGES, celery.PAYOUTS, celery.FACTS}
    payouts = {kind for kind, rules in catalog.TABLE.items() if rules.task == "documents.advance_payout"}
    assert payouts == {Kind.PAYOUT_STATEMENT, Kind.PAYOUT_REVERSAL_NOTICE}


@pytest.fixture
def worker(
    committed_db: None,
    valkey: servers.Valkey,
    stack: services.Stack,
) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker that starts while its broker is dead."""
    valkey.kill()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "config.celery",
            "worker",
            "--pool",
            "threads",
            "--concurrency",
            "1",
            "--without-mingle",
        ],
        cwd=env.BASE_DIR,
        env=env.inherited() | stack.environment() | {"REDIS_URL": valkey.url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=PATIENCE_S)


def test_a_worker_waits_for_a_broker_that_is_late_or_dies(
    worker: subprocess.Popen[bytes], valkey: servers.Valkey
) -> None:
    time.sleep(3)
    for _ in range(2):
        assert worker.poll() is None
        valkey.start()
        broker = redis.Redis.from_url(valkey.url)
        for task in (TASK, "documents.resume"):
            celery.app.send_task(task, kwargs={"event_id": 0})
        assert _emptied(broker=broker, worker=worker)
        valkey.kill()


def test_a_worker_opens_no_sessions_of_postgresql_for_each_document(
    worker: subprocess.Popen[bytes], valkey: servers.Valkey, stack: services.Stack
) -> None:
    """Each mail and each document is a task: Celery by itself would connect anew for every one."""
    valkey.start()
    with transaction.atomic():
        telling.issuers()
    for number in range(WARM + COUNTED):
        event = making.payment(f"pay_{number}", "10.00", [making.line("10.00")])
        event["data"]["customer"]["email"] = "ana@example.com"
        telling.tell(event)
    with psycopg.connect(stack.superuser_url, autocommit=True) as server:
        began, before = _sessions(server=server, locked=WARM, worker=worker)
        ended, after = _sessions(server=server, locked=WARM + COUNTED, worker=worker)
    watched = CHECK_SESSIONS * (1 + (ended - began) // sweeper.WATCH_EVERY_S)
    assert after - before <= COUNTED // 10 + watched


def _sessions(
    *, server: psycopg.Connection[tuple[Any, ...]], locked: int, worker: subprocess.Popen[bytes]
) -> tuple[float, int]:
    """Wait until so many documents are locked; return the moment and how many sessions there have ever been."""
    until = time.monotonic() + 3 * PATIENCE_S
    while time.monotonic() < until and worker.poll() is None:
        row = server.execute(
            "SELECT count(*), (SELECT sessions FROM pg_stat_database WHERE datname = current_database())"
            " FROM documents_document WHERE status = 'LOCKED'"
        ).fetchone()
        assert row is not None
        if row[0] >= locked:
            return time.monotonic(), int(row[1])
        time.sleep(0.1)
    raise AssertionError(f"{locked} documents were not locked in time")


def test_a_task_that_no_name_stands_for_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(checks.check_tasks(None)) == []
    monkeypatch.setitem(schedule.SCHEDULE, "sweep", {"task": "documents.swep"})
    monkeypatch.setattr(checks, "TaskName", [name for name in TaskName if name != TaskName.DELIVER])
    assert [message.id for message in checks.check_tasks(None)] == ["tasks.E001", "tasks.E002"]


def _emptied(*, broker: redis.Redis, worker: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and worker.poll() is None:
        if broker.llen(celery.PAGES) == broker.llen(celery.FACTS) == 0:
            return True
        time.sleep(0.1)
    return False
