"""The doorbell never keeps its caller waiting, and a worker never gives up on its broker."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import redis
from kombu.exceptions import OperationalError

from config import celery, env
from config.embedded import servers, services

PATIENCE_S = 30.0
TASK = "tests.nobody_knows_this_task"


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


def test_a_parked_event_does_not_queue_behind_the_pages(valkey: servers.Valkey) -> None:
    for task in ("documents.advance", "documents.resume", "documents.deliver"):
        celery.app.send_task(task, args=[1])
    broker = redis.Redis.from_url(valkey.url)
    assert (broker.llen(celery.PAGES), broker.llen(celery.FACTS)) == (2, 1)
    assert {queue.name for queue in celery.app.conf.task_queues} == {celery.PAGES, celery.FACTS}


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
            celery.app.send_task(task, args=[0])
        assert _emptied(broker=broker, worker=worker)
        valkey.kill()


def _emptied(*, broker: redis.Redis, worker: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and worker.poll() is None:
        if broker.llen(celery.PAGES) == broker.llen(celery.FACTS) == 0:
            return True
        time.sleep(0.1)
    return False
