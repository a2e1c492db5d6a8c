"""The doorbell with a broker that refuses, hangs, answers garbage, stands still: nobody waits, nothing raises."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from celery import Celery
from pytest_django import Settings
from redis import Redis, RedisError

from config import celery
from config.embedded import servers
from documents.alerts import channel
from documents.models import Alert
from documents.operations import checks
from documents.resilience import breaker, calls, dependencies, publisher, queue
from documents.task_names import TaskName
from tests.services import misbehaving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)


@pytest.fixture
def own_publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[publisher.Publisher]:
    """A doorbell of the test's own: its thread and socket end up with nobody else's broker."""
    old = queue._publisher
    own = publisher.Publisher(
        publish_s=old.publish_s,
        admits=old._admits,
        failed=old._failed,
        succeeded=old._succeeded,
        outages=calls.FAILURES,
    )
    monkeypatch.setattr(queue, "_publisher", own)
    yield own
    assert own.drain(timeout_s=15)  # a late alert of this thread must not fall into another test's database


@contextlib.contextmanager
def app_at(port: int) -> Iterator[Celery]:
    app = Celery("bell", broker=f"redis://127.0.0.1:{port}/0", set_as_current=False)
    yield app
    app.close()


def longest_enqueue_s(*, own_publisher: publisher.Publisher, app: Celery, count: int) -> float:
    longest = 0.0
    for number in range(count):
        started = time.monotonic()
        own_publisher.enqueue(app=app, task="documents.advance", arguments={"document_id": number})
        longest = max(longest, time.monotonic() - started)
    return longest


def test_a_broker_that_refuses_costs_the_caller_nothing_and_is_one_alert(own_publisher: publisher.Publisher) -> None:
    with misbehaving.nobody_listens() as port, app_at(port) as app:
        assert longest_enqueue_s(own_publisher=own_publisher, app=app, count=50) < 0.2
        assert own_publisher.drain(timeout_s=15)
    assert calls.BREAKERS["redis"].state == "open"
    alert = Alert.objects.get()
    assert (alert.dedup_key, alert.severity) == ("dependency:redis", "P2")
    assert "PostgreSQL" in channel.meanwhile(code=alert.code, language="es")


def test_a_broker_that_accepts_and_never_answers_is_noticed_within_seconds_and_delays_nobody(
    own_publisher: publisher.Publisher,
) -> None:
    with misbehaving.BadServer() as server, app_at(server.port) as app:
        server.behave = server.hang
        started = time.monotonic()
        assert longest_enqueue_s(own_publisher=own_publisher, app=app, count=50) < 0.2
        assert own_publisher.drain(timeout_s=15)
        assert time.monotonic() - started < 10
    assert calls.BREAKERS["redis"].state == "open"
    assert Alert.objects.count() == 1


def test_a_broker_that_answers_garbage_is_an_outage_not_a_crash(own_publisher: publisher.Publisher) -> None:
    with misbehaving.BadServer() as server, app_at(server.port) as app:

        def garbage(_number: int, peer: socket.socket) -> None:
            peer.recv(100)
            peer.sendall(b"\x00\xffHTTP/1.1 400 what?\r\n\r\n" * 10)

        server.behave = garbage
        assert longest_enqueue_s(own_publisher=own_publisher, app=app, count=10) < 0.2
        assert own_publisher.drain(timeout_s=15)
    assert calls.BREAKERS["redis"].state == "open"


def test_a_broker_that_answers_with_errors_is_an_outage(own_publisher: publisher.Publisher) -> None:
    with misbehaving.BadServer() as server, app_at(server.port) as app:

        def error(_number: int, peer: socket.socket) -> None:
            while peer.recv(4096):
                peer.sendall(b"-LOADING the dataset is in memory soon\r\n" * 4)

        server.behave = error
        longest_enqueue_s(own_publisher=own_publisher, app=app, count=6)
        assert own_publisher.drain(timeout_s=15)
    assert calls.BREAKERS["redis"].state == "open"


def test_a_publisher_that_hangs_beyond_every_timeout_leaves_rings_to_the_sweeper_and_stays_one_thread(
    own_publisher: publisher.Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(Celery, "send_task", lambda *_a, **_k: release.wait(30))
    monkeypatch.setattr(own_publisher, "publish_s", 0.2)
    before = threading.active_count()
    with misbehaving.nobody_listens() as port, app_at(port) as app:
        assert own_publisher.enqueue(app=app, task="documents.advance", arguments={"document_id": 1})
        time.sleep(0.4)
        assert [
            own_publisher.enqueue(app=app, task="documents.advance", arguments={"document_id": 2}) for _ in range(100)
        ] == [False] * 100
        assert threading.active_count() <= before + 1
        release.set()
        assert own_publisher.drain(timeout_s=5)


def test_the_queue_is_bounded(own_publisher: publisher.Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(Celery, "send_task", lambda *_a, **_k: release.wait(30))
    with misbehaving.nobody_listens() as port, app_at(port) as app:
        taken = sum(
            own_publisher.enqueue(app=app, task="documents.advance", arguments={"document_id": n})
            for n in range(publisher.WAITING_MAX * 2)
        )
        assert taken <= publisher.WAITING_MAX + 1
        release.set()
        assert own_publisher.drain(timeout_s=10)


def test_a_broker_killed_and_started_again_is_rung_again_without_a_restart(
    own_publisher: publisher.Publisher, valkey: servers.Valkey
) -> None:
    app = celery.app

    def lengths() -> int:
        return int(Redis.from_url(valkey.url).llen("celery"))

    own_publisher.enqueue(app=app, task="documents.advance", arguments={"document_id": 1})
    assert own_publisher.drain(timeout_s=5)
    assert lengths() == 1
    valkey.kill()
    for number in range(10):
        own_publisher.enqueue(app=app, task="documents.advance", arguments={"document_id": number})
    assert own_publisher.drain(timeout_s=15)
    assert calls.BREAKERS["redis"].state == "open"
    valkey.start()
    before = lengths()
    time.sleep(dependencies.DEPENDENCIES["redis"].breaker_open_s + 0.1)
    own_publisher.enqueue(app=app, task="documents.advance", arguments={"document_id": 99})
    assert own_publisher.drain(timeout_s=5)
    assert calls.BREAKERS["redis"].state == "closed"
    assert lengths() == before + 1


def test_a_broker_that_stands_still_in_the_middle_delays_nobody(
    own_publisher: publisher.Publisher, valkey: servers.Valkey
) -> None:
    app = celery.app

    own_publisher.enqueue(app=app, task="documents.advance", arguments={"document_id": 1})
    assert own_publisher.drain(timeout_s=5)
    valkey.pause()
    started = time.monotonic()
    for number in range(20):
        queue.enqueue(task=TaskName.ADVANCE, document_id=number)
    assert time.monotonic() - started < 0.5
    assert own_publisher.drain(timeout_s=15)
    valkey.resume()
    assert calls.BREAKERS["redis"].state == "open"


def test_a_health_check_lets_go_of_a_dripping_broker_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def drip(number: int, peer: socket.socket) -> None:
        peer.sendall(b"+")  # a line that has no end
        server.drip(number, peer)

    monkeypatch.setattr(checks, "SOCKET_S", 0.5)
    with misbehaving.BadServer(behave=drip) as server:
        settings.REDIS_URL = f"redis://127.0.0.1:{server.port}/0"
        started = time.monotonic()
        with pytest.raises((OSError, RedisError)):
            checks.CHECKS["redis"]()
        assert time.monotonic() - started < 1.0
