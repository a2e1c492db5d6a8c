"""The alert channel refusing, hanging, dripping, answering 5xx, 4xx, garbage, flapping: no alert is lost."""

import json
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
    assert 50 < waits(alert) <= 60


@pytest.mark.parametrize("way", ["hang", "drip"])
def test_a_channel_that_hangs_or_drips_is_cut_off_in_time(server: misbehaving.BadServer, way: str) -> None:
    server.behave = getattr(server, way)
    alert = open_one()
    sent, took_s = deliver_once()
    assert sent == 0
    assert took_s < channel.TOTAL_S + 1
    waits(alert)


@pytest.mark.parametrize("status", [500, 502, 503, 429, 404, 401, 301])
def test_whatever_is_no_success_is_tried_later(server: misbehaving.BadServer, status: int) -> None:
    server.behave = server.answering(misbehaving.http(status=status, headers="Location: http://169.254.169.254/\r\n"))
    alert = open_one()
    assert deliver_once()[0] == 0
    assert 50 < waits(alert) <= 60
    assert server.connections == 1


def test_the_wait_that_the_channel_asks_for_is_honoured(server: misbehaving.BadServer) -> None:
    server.behave = server.answering(misbehaving.http(status=503, headers="Retry-After: 600\r\n"))
    alert = open_one()
    deliver_once()
    assert 590 < waits(alert) <= 600


def test_a_channel_that_answers_404_is_tried_after_1_5_15_and_60_minutes(
    server: misbehaving.BadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.behave = server.answering(misbehaving.http(status=404))
    alert = open_one()
    now = timezone.now()
    tried = []
    monkeypatch.setattr(channel, "listens", lambda **_: False)  # it is not asked in between here
    for minute in range(200):
        before = server.connections
        calls.BREAKERS["alert_channel"] = breaker.Breaker(row=dependencies.DEPENDENCIES["alert_channel"])
        sending.deliver(now=now + timedelta(minutes=minute, seconds=minute / 10))
        tried += [minute] * (server.connections - before)
    assert tried == [0, 1, 6, 21, 81, 141]
    alert.refresh_from_db()
    assert alert.sent_at is None


def test_a_404_that_lasts_is_an_incident_of_the_channel(server: misbehaving.BadServer) -> None:
    server.behave = server.answering(misbehaving.http(status=404))
    for number in range(3):
        incidents.open_alert(code="document_stuck", dedup_key=f"document:{number}")
    deliver_once()
    assert calls.BREAKERS["alert_channel"].state == "open"


@pytest.mark.parametrize(("status", "refused", "there"), [
    (200, True, True), (405, True, True), (404, False, True), (404, True, False), (500, False, False), (429, False, False),
])  # fmt: skip
def test_a_channel_listens_that_answers_otherwise_than_it_failed(
    server: misbehaving.BadServer, settings: Settings, status: int, refused: bool, there: bool
) -> None:
    server.behave = server.answering(misbehaving.http(status=status))
    assert channel.listens(url=settings.ALERT_URL, refused=refused) is there


def test_one_alert_is_enough_to_notice_within_half_a_minute_that_the_channel_is_away(
    server: misbehaving.BadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.behave = server.answering(misbehaving.http(status=500))
    open_one()
    for _ in range(3):
        monkeypatch.setattr(sending, "_last", {})  # ten seconds later
        deliver_once()
    assert calls.BREAKERS["alert_channel"].state == "open"
    assert Alert.objects.filter(dedup_key="dependency:alert_channel", resolved_at=None).count() == 1


@pytest.fixture
def second(settings: Settings) -> Iterator[misbehaving.BadServer]:
    with misbehaving.BadServer() as server:
        settings.ALERT_URL_2 = f"http://127.0.0.1:{server.port}/second"
        yield server


@pytest.mark.parametrize("way", ["refuse", "hang", "404", "500", "garbage"])
def test_what_the_first_channel_does_not_take_the_second_one_does_at_once(
    way: str, server: misbehaving.BadServer, second: misbehaving.BadServer, settings: Settings
) -> None:
    well = server.behave
    server.behave = server.hang if way == "hang" else server.answering(b"\x00\xff" * 50)
    if way.isdigit():
        server.behave = server.answering(misbehaving.http(status=int(way)))
    alert, address = open_one(), settings.ALERT_URL
    with misbehaving.nobody_listens() as port:
        settings.ALERT_URL = f"http://127.0.0.1:{port}/hook" if way == "refuse" else address
        assert deliver_once()[0] == 1
    alert.refresh_from_db()
    assert alert.channel == "alert_channel_2"
    settings.ALERT_URL, server.behave, server.received = address, well, []
    incidents.resolve_alert(dedup_key=alert.dedup_key)
    assert deliver_once()[0] == 1
    # The end goes to whom the opening went, though the first one is well again.
    assert [json.loads(body)["status"] for _path, body in second.received] == ["firing", "resolved"]
    assert [body for _path, body in server.received if body] == []


def test_no_end_is_told_to_a_channel_that_has_not_been_told_of_the_opening(
    server: misbehaving.BadServer, second: misbehaving.BadServer
) -> None:
    alert = open_one()
    assert deliver_once()[0] == 1
    incidents.resolve_alert(dedup_key=alert.dedup_key)
    server.behave = server.answering(misbehaving.http(status=500))
    assert deliver_once()[0] == 0
    assert second.received == []


def test_a_channel_that_is_back_is_asked_without_a_word_and_gets_what_waits(
    server: misbehaving.BadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_last", {})
    well = server.behave
    server.behave = server.answering(misbehaving.http(status=503))
    for number in range(3):
        incidents.open_alert(code="document_stuck", dedup_key=f"document:{number}")
    now = timezone.now()
    assert sending.deliver(now=now) == 0
    assert calls.BREAKERS["alert_channel"].state == "open"
    server.behave, server.received = well, []
    monkeypatch.setattr(sending, "_last", {})
    assert sending.deliver(now=now + timedelta(seconds=10)) == 3 + 1  # and the channel's own outage
    assert len([body for _path, body in server.received if body]) == 4


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
    told = [body for _path, body in server.received if body]  # it is asked without a word before
    assert len(told) == 5 + 1  # and the channel's own outage, opened meanwhile
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


def test_a_wrong_address_of_the_channel_says_so(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.ALERT_URL = "gopher://somewhere"
    alert = open_one()
    assert deliver_once()[0] == 0
    assert 50 < waits(alert) <= 60
    assert "dependency.failed" in caplog.text


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
