"""Whatever the mail server, or the folder in its place, does: the document stays, the mail waits, a person learns of it."""

import dataclasses
import datetime as dt
import pathlib
import re
import socket
import time
from collections.abc import Callable

import pytest
from django.core import mail
from pytest_django import Settings

from audit import log
from config import env
from documents import distribution
from documents.delivery import deliveries, letters
from documents.models import Alert, Delivery, DeliveryStatus, Document, Status
from documents.resilience import breaker, calls, dependencies
from tests import factories
from tests.documents.mailing import promptly, queued, told
from tests.services import force, mailbox, misbehaving

__all__ = ["promptly"]

pytestmark = pytest.mark.django_db
NOW = factories.NOW
HOUR = dt.timedelta(hours=1)
URL = re.compile(r"http://127\.0\.0\.1:8000/l/[A-Za-z0-9_-]{43}/")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outside table's row `mail`, with times that a test can wait for."""
    row = dataclasses.replace(dependencies.DEPENDENCIES["mail"], connect_s=0.4, total_s=0.8)
    monkeypatch.setitem(dependencies.DEPENDENCIES, "mail", row)


def garbage(_number: int, peer: socket.socket) -> None:
    """Answer as no mail server does."""
    peer.sendall(b"\x00\xff SSH-2.0 \r\n" * 50)


def bad_mood(_number: int, peer: socket.socket) -> None:
    """Greet with a 4xx."""
    peer.sendall(b"421 4.3.2 come back later\r\n")


def hang(server: misbehaving.BadServer) -> Callable[[int, socket.socket], None]:
    """Return a behaviour that accepts and says nothing."""
    return server.hang


def rude(_number: int, peer: socket.socket) -> None:
    """Accept everything until the message, and then drip its answer for ever."""
    peer.sendall(b"220 ready\r\n")
    reader = peer.makefile("rb")
    for line in reader:
        if line.upper().startswith(b"DATA"):
            peer.sendall(b"354 go on\r\n")
        elif line == b".\r\n":
            for _ in range(200):
                peer.sendall(b"2")
                time.sleep(0.2)
        elif not line.strip() or (b":" in line and not line.upper().startswith((b"MAIL", b"RCPT"))):
            continue
        elif line.upper().startswith((b"EHLO", b"MAIL", b"RCPT", b"RSET", b"QUIT", b"HELO")):
            peer.sendall(b"250 fine\r\n")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("behaviour", ["refuses", "hangs", "garbage", "421", "drips"])
def test_whatever_the_server_does_the_document_stays_and_the_mail_waits(behaviour: str, settings: Settings) -> None:
    one = queued()
    with misbehaving.BadServer() as server:
        server.behave = {"hangs": server.hang, "garbage": garbage, "421": bad_mood, "drips": rude, "refuses": garbage}[
            behaviour
        ]
        port = env_port() if behaviour == "refuses" else server.port
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        started = time.monotonic()
        deliveries.send(delivery_id=one.pk, now=NOW)
        took_s = time.monotonic() - started
    one.refresh_from_db()
    assert took_s < 5
    assert (one.status, one.cause, one.attempts) == (DeliveryStatus.QUEUED, "mail_unavailable", 1)
    assert one.next_try_at is not None
    assert NOW <= one.next_try_at <= NOW + dt.timedelta(seconds=30)
    assert told(one) == ["delivery.queued", "delivery.failed"]
    assert Document.objects.get(pk=one.document_id).status == Status.LOCKED
    opened = distribution.open(document=one.document, actor=log.SYSTEM, purpose="view", now=NOW)
    assert opened.body.startswith(b"%PDF")


def env_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_mail_that_waited_goes_out_when_the_server_is_back(smtp: mailbox.Mailbox) -> None:
    one = queued()
    smtp.stop()
    deliveries.send(delivery_id=one.pk, now=NOW)
    smtp.start()
    calls.BREAKERS["mail"] = breaker.Breaker(row=dependencies.DEPENDENCIES["mail"])
    deliveries.send(delivery_id=one.pk, now=NOW + HOUR)
    [message] = smtp.messages
    assert message["Message-ID"] == one.message_id


def test_after_three_days_a_mail_has_bounced_and_a_person_knows(smtp: mailbox.Mailbox) -> None:
    one = queued()
    smtp.stop()
    deliveries.send(delivery_id=one.pk, now=NOW + dt.timedelta(hours=71))
    one.refresh_from_db()
    assert one.status == DeliveryStatus.QUEUED
    deliveries.send(delivery_id=one.pk, now=NOW + dt.timedelta(hours=73))
    one.refresh_from_db()
    assert (one.status, one.next_try_at) == (DeliveryStatus.BOUNCED, None)
    assert told(one)[-1] == "delivery.bounced"
    alert = Alert.objects.get(object_id=one.public_id)
    assert (alert.code, alert.severity) == ("delivery_failed", "P2")


def test_a_recipient_refused_for_good_bounces_at_once_and_blames_no_server(smtp: mailbox.Mailbox) -> None:
    smtp.answer = "550 5.1.1 no such person"
    one = queued()
    deliveries.send(delivery_id=one.pk, now=NOW)
    one.refresh_from_db()
    assert (one.status, one.cause) == (DeliveryStatus.BOUNCED, "recipient_refused")
    assert Alert.objects.filter(code="delivery_failed").count() == 1
    assert calls.BREAKERS["mail"].failures == 0


def test_a_recipient_refused_for_now_is_tried_again(smtp: mailbox.Mailbox) -> None:
    smtp.answer = "451 4.7.1 greylisted"
    one = queued()
    deliveries.send(delivery_id=one.pk, now=NOW)
    one.refresh_from_db()
    assert one.status == DeliveryStatus.QUEUED
    smtp.answer = mailbox.ACCEPTED
    deliveries.send(delivery_id=one.pk, now=NOW + HOUR)
    assert len(smtp.messages) == 1


def test_a_letter_that_cannot_be_written_does_not_stop_the_others(
    smtp: mailbox.Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = queued(), queued()
    compose = letters.compose

    def choosy(*, batch: list[Delivery], now: dt.datetime) -> mail.EmailMultiAlternatives:
        if batch[0].pk == bad.pk:
            raise ZeroDivisionError
        return compose(batch=batch, now=now)

    monkeypatch.setattr(letters, "compose", choosy)
    for one in (bad, good):
        deliveries.send(delivery_id=one.pk, now=NOW)
    bad.refresh_from_db()
    assert (bad.status, bad.cause) == (DeliveryStatus.QUEUED, "internal_error")
    assert [message["Message-ID"] for message in smtp.messages] == [good.message_id]


def test_a_second_mail_with_the_same_message_id_lies_visibly_beside_the_first(
    tmp_path: pathlib.Path, settings: Settings
) -> None:
    settings.MAIL = env.mail(url=f"file://{tmp_path}/mail")
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = settings.MAIL["backend"], settings.MAIL["folder"]
    one = queued()
    deliveries.send(delivery_id=one.pk, now=NOW)
    with force.by_force():
        Delivery.objects.filter(pk=one.pk).update(status=DeliveryStatus.QUEUED, next_try_at=NOW)
    deliveries.send(delivery_id=one.pk, now=NOW)
    names = sorted(file.name for file in (tmp_path / "mail").iterdir())
    assert names == [f"{one.public_id}.2.eml", f"{one.public_id}.eml"]
    assert URL.search((tmp_path / "mail" / names[1]).read_text(encoding="utf-8"))


def test_a_full_folder_is_an_outage_and_leaves_no_half_written_mail(tmp_path: pathlib.Path, settings: Settings) -> None:
    (tmp_path / "mail").write_text("a file where the folder should be")
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = "documents.delivery.mailbox.EmlFolder", str(tmp_path / "mail")
    one = queued()
    deliveries.send(delivery_id=one.pk, now=NOW)
    one.refresh_from_db()
    assert (one.status, one.cause) == (DeliveryStatus.QUEUED, "mail_unavailable")
