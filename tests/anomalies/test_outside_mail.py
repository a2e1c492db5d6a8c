"""Mail through Django's own SMTP backend against servers that refuse, hang, drip, say no or garbage."""

import dataclasses
import datetime as dt
import smtplib
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from django.core.mail import EmailMessage
from django.utils import timezone
from pytest_django import Settings

from documents.alerts import channel, incidents, sending
from documents.delivery import mailbox as messages
from documents.models import Alert
from documents.operations import checks
from documents.resilience import breaker, calls, dependencies
from tests.services import mailbox, misbehaving

pytestmark = pytest.mark.django_db
TIMEOUT_S = 0.5


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(checks, "SOCKET_S", TIMEOUT_S)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_TIMEOUT, settings.EMAIL_USE_TLS = "127.0.0.1", TIMEOUT_S, False


@pytest.fixture
def server(settings: Settings) -> Iterator[misbehaving.BadServer]:
    with misbehaving.BadServer() as server:
        point_at(settings, server.port)
        yield server


def point_at(settings: Settings, port: int) -> None:
    settings.EMAIL_PORT, settings.MAIL_URL = port, f"smtp://127.0.0.1:{port}"


def send() -> str:
    mail = EmailMessage(
        subject="Documento", body="Tu documento", to=["ana@example.com"], headers={"Message-ID": "<1@docs>"}
    )
    try:
        calls.call(dependency="mail", work=mail.send)
    except calls.DependencyDown as degraded:
        return "open" if degraded.cause is None else "failed"
    except OSError as refused:
        return type(refused).__name__
    return "sent"


def outcomes() -> list[str]:
    return [send() for _ in range(4)]


OUTAGE = ["failed", "failed", "failed", "open"]


def check_fails() -> bool:
    try:
        checks.CHECKS["mail"]()
    except OSError:
        return True
    return False


def test_a_refusing_mail_server_opens_the_breaker_and_is_one_p2_that_says_what_happens_meanwhile(
    settings: Settings,
) -> None:
    with misbehaving.nobody_listens() as port:
        point_at(settings, port)
        assert outcomes() == OUTAGE
        assert check_fails()
    alert = Alert.objects.get()
    assert (alert.dedup_key, alert.severity) == ("dependency:mail", "P2")
    assert "72 h" in channel.meanwhile(code=alert.code, language="es")


def test_a_mail_server_that_accepts_and_says_nothing_costs_its_timeout_only(server: misbehaving.BadServer) -> None:
    server.behave = server.hang
    started = time.monotonic()
    assert outcomes() == OUTAGE
    assert time.monotonic() - started < 3 * TIMEOUT_S + 1
    assert check_fails()


def dialogue(answers: dict[bytes, bytes]) -> Callable[[int, socket.socket], None]:
    def behave(_number: int, peer: socket.socket) -> None:
        peer.sendall(b"220 mail ready\r\n")
        with peer.makefile("rb") as lines:
            for line in lines:
                verb = line.strip().split(b" ")[0].upper()
                peer.sendall(answers.get(verb, b"250 OK\r\n"))

    return behave


@pytest.mark.parametrize("stage", [b"MAIL", b"RCPT", b"DATA"])
def test_a_temporary_refusal_at_any_stage_is_tried_later(server: misbehaving.BadServer, stage: bytes) -> None:
    server.behave = dialogue({stage: b"451 try again later\r\n"})
    assert outcomes() == OUTAGE


@pytest.mark.parametrize("stage", [b"MAIL", b"RCPT", b"DATA"])
def test_a_final_refusal_of_one_mail_is_that_mails_and_leaves_the_server_in_use(
    server: misbehaving.BadServer, stage: bytes
) -> None:
    server.behave = dialogue({stage: b"550 no such user\r\n"})
    found = outcomes()
    assert all(one.startswith("SMTP") for one in found)
    assert calls.BREAKERS["mail"].state == "closed"
    assert not Alert.objects.exists()


@pytest.mark.parametrize(
    "greeting",
    [b"\x00\xff\xfe garbage\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"554 go away\r\n", b"421 busy\r\n"],
)
def test_garbage_or_a_refusing_greeting_is_an_outage(server: misbehaving.BadServer, greeting: bytes) -> None:
    server.behave = lambda _number, peer: peer.sendall(greeting)
    found = outcomes()
    assert "sent" not in found
    if not greeting.startswith(b"554"):  # a greeting that refuses for good is an answer
        assert found == OUTAGE


def test_a_server_that_breaks_off_in_the_middle_is_an_outage(server: misbehaving.BadServer) -> None:
    def cut(_number: int, peer: socket.socket) -> None:
        peer.sendall(b"220 mail ready\r\n")
        peer.recv(100)

    server.behave = cut
    assert outcomes() == OUTAGE


def test_a_dripping_mail_server_is_found_out_by_the_health_check_in_time(server: misbehaving.BadServer) -> None:
    server.behave = server.drip
    started = time.monotonic()
    assert checks.look(wait_s=0.6)["mail"].ok is False
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("greets", [True, False])
def test_a_health_check_lets_go_of_a_dripping_mail_server_when_its_time_is_over(
    server: misbehaving.BadServer, greets: bool
) -> None:
    def drip(number: int, peer: socket.socket) -> None:
        if greets:
            peer.sendall(b"220 mail ready\r\n")
        server.drip(number, peer)

    server.behave = drip
    started = time.monotonic()
    with pytest.raises((OSError, smtplib.SMTPException)):
        checks.CHECKS["mail"]()
    assert time.monotonic() - started < 2 * TIMEOUT_S


def test_mail_leaves_again_after_a_recovery_and_the_alert_resolves(smtp: mailbox.Mailbox, settings: Settings) -> None:
    well = smtp.port
    with misbehaving.nobody_listens() as port:
        point_at(settings, port)
        assert outcomes() == OUTAGE
    point_at(settings, well)
    one = calls.BREAKERS["mail"]
    one.opened_at -= 3600
    assert send() == "sent"
    one.closed_at -= one.row.steady_s
    assert send() == "sent"
    assert Alert.objects.get().resolved_at is not None
    assert not check_fails()


@pytest.mark.parametrize("after", [0, 1])
def test_a_mail_server_that_drips_from_the_greeting_on_is_cut_off_at_the_deadline_of_the_whole_conversation(
    server: misbehaving.BadServer, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    row = dataclasses.replace(dependencies.DEPENDENCIES["mail"], connect_s=1, total_s=1.5)
    monkeypatch.setitem(dependencies.DEPENDENCIES, "mail", row)

    def drip(number: int, peer: socket.socket) -> None:
        if after:
            peer.sendall(b"220 mail ready\r\n")
        server.drip(number, peer)

    server.behave = drip
    started = time.monotonic()
    with pytest.raises((OSError, smtplib.SMTPException)):
        messages.hand_over(message=EmailMessage(subject="Documento", body="Tu documento", to=["ana@example.com"]))
    assert time.monotonic() - started < 2.5


@pytest.mark.django_db
def test_a_mail_server_that_drips_holds_an_alert_no_longer_than_its_channels_limit(
    server: misbehaving.BadServer, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(channel, "CONNECT_S", 1.0)
    monkeypatch.setattr(channel, "TOTAL_S", 1.5)
    settings.ALERT_URL, settings.ALERT_URL_2 = "mailto:guardia@example.com", ""
    server.behave = server.drip
    alert = incidents.open_alert(code="dependency_redis", dedup_key="dependency:redis")
    started = time.monotonic()
    assert sending.deliver(now=timezone.now()) == 0
    assert time.monotonic() - started < 4
    alert.refresh_from_db()
    assert alert.sent_at is None
    assert alert.next_try_at is not None


@pytest.mark.django_db
def test_an_alert_that_the_mail_server_refuses_for_good_goes_to_the_second_channel_and_stops_no_other(
    smtp: mailbox.Mailbox, settings: Settings
) -> None:
    point_at(settings, smtp.port)
    smtp.answer = "550 no such mailbox"
    settings.ALERT_URL, settings.ALERT_URL_2 = "mailto:guardia@example.com", "mailto:otra@example.com"
    alerts = [incidents.open_alert(code="dependency_redis", dedup_key=f"dependency:{name}") for name in ("a", "b")]
    assert sending.deliver(now=timezone.now()) == 0
    for alert in alerts:
        alert.refresh_from_db()
        assert (alert.sent_at, alert.attempts) == (None, 1)
    smtp.answer = mailbox.ACCEPTED
    calls.BREAKERS.update({name: breaker.Breaker(row=dependencies.DEPENDENCIES[name]) for name in calls.BREAKERS})
    later = timezone.now() + dt.timedelta(seconds=sending.WAITS_S[0] + 1)
    assert sending.deliver(now=later) == len(alerts)
    assert {message["To"] for message in smtp.messages} == {"guardia@example.com"}
