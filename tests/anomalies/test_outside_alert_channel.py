"""The alert channel refusing, hanging, dripping, answering 5xx, 4xx, garbage, flapping: no alert is lost."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from documents.alerts import channel, incidents, sending
from documents.models import Alert
from documents.resilience import breaker, calls, dependencies, leases
from tests.services import misbehaving

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(channel, "CONNECT_S", 0.3)
    monkeypatch.setattr(channel, "TOTAL_S", 0.6)


@pytest.fixture
def server(settings: Settings) -> Iterator[misbehaving.BadServer]:
    with misbehaving.BadServer() as server:
        settings.ALERT_URL = f"http://127.0.0.1:{server.port}/hook"
        yield server


def open_one() -> Alert:
    return incidents.open_alert(code="document_stuck", dedup_key="document:doc_1", values={"document": "doc_1"})


def deliver_once() -> tuple[int, float]:
    started = time.monotonic()
    sent = sending.deliver(now=timezone.now())
    return sent, time.monotonic() - started


def waits(alert: Alert) -> float:
    alert.refresh_from_db()
    assert alert.sent_at is None
    assert alert.lease_until_at is None
    assert alert.next_try_at is not None
    return (alert.next_try_at - timezone.now()).total_seconds()


def test_a_refusing_channel_keeps_the_alert_and_is_tried_later(settings: Settings) -> None:
    alert = open_one()
    with misbehaving.nobody_listens() as port:
        settings.ALERT_URL = f"http://127.0.0.1:{port}/hook"
        assert deliver_once()[0] == 0
    assert waits(alert) <= dependencies.DEPENDENCIES["alert_channel"].backoff_base_s * 2


@pytest.mark.parametrize("way", ["hang", "drip"])
def test_a_channel_that_hangs_or_drips_is_cut_off_in_time(server: misbehaving.BadServer, way: str) -> None:
    server.behave = getattr(server, way)
    alert = open_one()
    sent, took_s = deliver_once()
    assert sent == 0
    assert took_s < channel.TOTAL_S + 1
    waits(alert)


@pytest.mark.parametrize("status", [500, 502, 503, 429, 301])
def test_a_server_error_or_a_redirect_is_tried_later(server: misbehaving.BadServer, status: int) -> None:
    server.behave = server.answering(misbehaving.http(status=status, headers="Location: http://169.254.169.254/\r\n"))
    alert = open_one()
    assert deliver_once()[0] == 0
    assert waits(alert) < 60
    assert server.connections == 1


def test_the_wait_that_the_channel_asks_for_is_honoured(server: misbehaving.BadServer) -> None:
    server.behave = server.answering(misbehaving.http(status=503, headers="Retry-After: 600\r\n"))
    alert = open_one()
    deliver_once()
    assert 590 < waits(alert) <= 600


def test_a_client_error_is_not_hammered(server: misbehaving.BadServer) -> None:
    server.behave = server.answering(misbehaving.http(status=404))
    alert = open_one()
    now = timezone.now()
    for minute in range(0, 600, 10):
        sending.deliver(now=now + timedelta(minutes=minute))
    assert server.connections == 1
    alert.refresh_from_db()
    assert alert.sent_at is None
    assert calls.BREAKERS["alert_channel"].state == "closed"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff\x00\xff" * 50,
        b"HTTP/1.1 abc\r\n\r\n",
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300,
    ],
)
def test_garbage_is_tried_later(server: misbehaving.BadServer, garbage: bytes) -> None:
    server.behave = server.answering(garbage)
    alert = open_one()
    assert deliver_once()[0] == 0
    waits(alert)


def test_a_channel_that_comes_back_gets_every_alert_once(server: misbehaving.BadServer) -> None:
    well: Callable[..., None] = server.behave
    server.behave = server.answering(misbehaving.http(status=503))
    for number in range(5):
        incidents.open_alert(code="document_stuck", dedup_key=f"document:{number}")
    now = timezone.now()
    sending.deliver(now=now)
    opened = calls.BREAKERS["alert_channel"]
    assert opened.state == "open"
    assert (
        server.connections == dependencies.DEPENDENCIES["alert_channel"].breaker_failures
    )  # the other two were not tried
    server.behave, server.received = well, []
    opened.opened_at -= 60
    for hour in range(1, 4):
        sending.deliver(now=now + timedelta(hours=hour))
    assert len(server.received) == 5 + 1  # and the channel's own outage, opened meanwhile
    assert not Alert.objects.filter(sent_at=None).exists()


def test_a_channel_that_answers_every_second_time_gets_every_alert(server: misbehaving.BadServer) -> None:
    well = server.behave

    def flap(number: int, peer: socket.socket) -> None:
        (well if number % 2 else server.answering(misbehaving.http(status=500)))(number, peer)

    server.behave = flap
    for number in range(6):
        incidents.open_alert(code="document_stuck", dedup_key=f"document:{number}")
    now = timezone.now()
    for hour in range(8):
        sending.deliver(now=now + timedelta(hours=hour))
    assert not Alert.objects.filter(sent_at=None).exists()


def test_a_wrong_address_of_the_channel_rests_and_says_so(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.ALERT_URL = "gopher://somewhere"
    alert = open_one()
    assert deliver_once()[0] == 0
    assert waits(alert) > 3600
    assert "alert.refused" in caplog.text


def test_a_worker_killed_while_it_sends_leaves_the_alert_to_the_next_one(
    server: misbehaving.BadServer, settings: Settings
) -> None:
    alert = open_one()
    now = timezone.now()
    with leases.lease(rows=sending.due(now=now), now=now) as lease:
        assert lease is not None
        assert lease.pk == alert.pk  # and it is given up without a word, as by a worker that dies
    assert sending.deliver(now=now + timedelta(seconds=5)) == 0
    assert sending.deliver(now=now + timedelta(seconds=settings.LEASE_S + 1)) == 1
    assert len(server.received) == 1
