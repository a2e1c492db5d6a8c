"""Telling people: once, in their language, whatever the mail server does."""

import concurrent.futures
import dataclasses
import datetime as dt
import json
import pathlib
import re
import socket
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage

import pytest
from django.core import mail
from django.db import connections, transaction
from pytest_django import Settings

from audit import log
from audit.models import Event, EventDetail
from config import env
from documents import distribution, errors
from documents.custody import quarantine
from documents.delivery import answers, deliveries, letters, links, outbox
from documents.models import Alert, Channel, Delivery, DeliveryStatus, Document, Kind, Link, Party, RevokeReason, Status
from documents.resilience import breaker, calls, dependencies, leases, queue
from tests import factories
from tests.documents import center
from tests.services import force, mailbox, misbehaving

pytestmark = pytest.mark.django_db
NOW = factories.NOW
HOUR = dt.timedelta(hours=1)
LEASE = dt.timedelta(minutes=5)  # longer than any lease
URL = re.compile(r"http://127\.0\.0\.1:8000/l/[A-Za-z0-9_-]{43}/")
MONDAY = dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC)  # nine in Madrid


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every breaker closed, and nobody to ring: tests say themselves when a worker comes."""
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(queue, "enqueue", lambda **_: False)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outside table's row `mail`, with times that a test can wait for."""
    row = dataclasses.replace(dependencies.DEPENDENCIES["mail"], connect_s=0.4, total_s=0.8)
    monkeypatch.setitem(dependencies.DEPENDENCIES, "mail", row)


def queued(*, kind: Kind = Kind.PAYOUT_STATEMENT, owner: Party | None = None, now: dt.datetime = NOW) -> Delivery:
    """Return what is planned for a document that has just been locked."""
    document = factories.document(kind=kind, owner=owner, now=now)
    with transaction.atomic():
        [made] = deliveries.plan(document=document, now=now, actor=log.SYSTEM)
    return made


def told(one: Delivery) -> list[str]:
    """Return what the log says of a delivery, in order."""
    return list(Event.objects.filter(object_id=one.public_id).order_by("id").values_list("action", flat=True))


def text_of(message: EmailMessage) -> str:
    """Return the plain text of a received mail."""
    part = message.get_body(preferencelist=("plain",))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize(
    ("kind", "channel"),
    [
        (Kind.PAYMENT_RECEIPT, Channel.EMAIL),
        (Kind.PAYOUT_STATEMENT, Channel.EMAIL),
        (Kind.PAYOUT_REVERSAL_NOTICE, Channel.EMAIL),
        (Kind.CREDIT_NOTE, Channel.EMAIL),
        (Kind.ORDER_FINAL_STATEMENT, Channel.DIGEST),
    ],
)
def test_each_kind_is_told_by_its_policy_and_put_on_record(kind: Kind, channel: Channel) -> None:
    one = queued(kind=kind)
    assert (one.channel, one.status, one.sequence) == (channel, DeliveryStatus.QUEUED, 1)
    assert told(one) == ["delivery.queued"]


def test_who_has_no_address_is_not_written_to_and_the_record_says_why() -> None:
    one = queued(owner=factories.party(platform_id="drv_no_mail", email=""))
    assert (one.status, one.cause, one.next_try_at) == (DeliveryStatus.NOT_WANTED, "no_address", None)
    assert told(one) == ["delivery.not_wanted"]


def test_a_document_released_from_quarantine_is_not_announced_again() -> None:
    one = queued()
    with transaction.atomic():
        assert deliveries.plan(document=one.document, now=NOW, actor=log.SYSTEM) == []


@pytest.mark.parametrize(
    ("locale", "total_minor", "said", "not_said"),
    [
        ("es-ES", 2188, "Te hemos enviado un pago.", "sin transferencia"),
        ("es-ES", 0, "Tu periodo se cerró sin transferencia.", "Te hemos enviado un pago"),
        ("en-GB", 2188, "We have sent you a payout.", "without a transfer"),
        ("en-GB", 0, "Your period closed without a transfer.", "We have sent you a payout"),
    ],
)
def test_no_mail_says_that_a_payout_was_sent_where_no_money_moved(
    smtp: mailbox.Mailbox, locale: str, total_minor: int, said: str, not_said: str
) -> None:
    owner = factories.party(locale=locale)
    document = factories.document(kind=Kind.PAYOUT_STATEMENT, owner=owner, total_minor=total_minor)
    with transaction.atomic():
        [one] = deliveries.plan(document=document, now=NOW, actor=log.SYSTEM)
    deliveries.send(delivery_id=one.pk, now=NOW)
    [message] = smtp.messages
    html = message.get_body(preferencelist=("html",))
    assert html is not None
    for text in (text_of(message), str(html.get_content())):
        assert said in " ".join(text.split())
        assert not_said not in " ".join(text.split())


def test_a_mail_arrives_with_its_message_id_and_a_link_that_works(smtp: mailbox.Mailbox) -> None:
    one = queued()
    deliveries.send(delivery_id=one.pk, now=NOW)
    [message] = smtp.messages
    assert message["Message-ID"] == one.message_id == f"<{one.public_id}@127.0.0.1>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "es"
    assert message.get_content_type() == "multipart/alternative"
    [url] = set(URL.findall(text_of(message)))
    assert links.find(token=url.split("/")[-2]) == Link.objects.get(delivery=one)
    one.refresh_from_db()
    assert (one.status, one.sent_at, one.lease, one.next_try_at) == (DeliveryStatus.SENT, NOW, None, None)
    assert told(one) == ["delivery.queued", "delivery.sent"]


def test_text_and_html_carry_the_same_link_and_nothing_remote_and_no_amount(smtp: mailbox.Mailbox) -> None:
    one = queued()
    deliveries.send(delivery_id=one.pk, now=NOW)
    [message] = smtp.messages
    part = message.get_body(preferencelist=("html",))
    assert part is not None
    html = str(part.get_content())
    assert URL.findall(text_of(message))[0] in html
    assert not re.search(r"<(img|script|iframe|link)\b|url\(|@import", html)
    assert set(re.findall(r'https?://[^/"\s<]+', html)) == {"http://127.0.0.1:8000"}
    for words in (str(message["Subject"]), html, text_of(message)):
        assert "21,88" not in words
        assert "21.88" not in words
        assert "Ana" not in words
        assert "12345678Z" not in words
    for words in (html, text_of(message)):
        assert "documentos@aventide.example" in words
    assert len(message.as_bytes()) < 20 * 1024


@pytest.mark.parametrize(
    ("locale", "subject"),
    [
        ("es-MX", "Tu liquidación de pago está lista"),
        ("en-GB", "Your payout statement is ready"),
        ("pt-BR", "Tu liquidación de pago está lista"),
    ],
)
def test_everybody_is_written_to_in_his_language_and_spanish_otherwise(
    smtp: mailbox.Mailbox, locale: str, subject: str
) -> None:
    one = queued(owner=factories.party(platform_id=f"drv_{locale}", locale=locale))
    deliveries.send(delivery_id=one.pk, now=NOW)
    assert smtp.messages[0]["Subject"] == subject


@pytest.mark.parametrize("kind", [Kind.PAYMENT_RECEIPT, Kind.PAYOUT_REVERSAL_NOTICE, Kind.CREDIT_NOTE])
def test_every_kind_has_a_letter_of_its_own(smtp: mailbox.Mailbox, kind: Kind) -> None:
    deliveries.send(delivery_id=queued(kind=kind).pk, now=NOW)
    assert smtp.messages[0]["Subject"]


def test_a_name_full_of_html_stays_a_name(smtp: mailbox.Mailbox) -> None:
    one = queued()
    issuer = one.document.issuer
    issuer.legal_name = '<script>alert("x")</script> & Hijos'
    with force.by_force():
        issuer.save(update_fields=["legal_name"])
    deliveries.send(delivery_id=one.pk, now=NOW)
    part = smtp.messages[0].get_body(preferencelist=("html",))
    assert part is not None
    assert "<script>" not in str(part.get_content())


def test_a_crash_between_sending_and_confirming_repeats_the_same_mail(
    smtp: mailbox.Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = queued()

    def die(**_what: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as broken:
        broken.setattr(deliveries, "confirm", die)
        with pytest.raises(SystemExit):
            deliveries.send(delivery_id=one.pk, now=NOW)
    assert list(deliveries.due(now=NOW + HOUR)) == [one]
    deliveries.send(delivery_id=one.pk, now=NOW + LEASE)
    first, second = smtp.messages
    assert first["Message-ID"] == second["Message-ID"] == one.message_id
    assert URL.findall(text_of(first)) == URL.findall(text_of(second))
    assert Link.objects.filter(delivery=one).count() == 1
    assert told(one).count("delivery.sent") == 1


@pytest.mark.usefixtures("committed_db")
@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_a_summary_is_leased_whole_though_two_workers_ask_at_the_same_moment() -> None:
    owner = factories.party(platform_id="drv_ana")
    bundle = [queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=owner) for _ in range(3)]
    deliveries.digest(now=MONDAY)

    def leased() -> list[Delivery]:
        try:
            with leases.lease(rows=deliveries.due(now=MONDAY), now=MONDAY) as lease:
                return outbox.bundle(lease=lease) if lease else []
        finally:
            connections.close_all()

    with (
        concurrent.futures.ThreadPoolExecutor(max_workers=1) as other,
        transaction.atomic(),
        leases.lease(rows=deliveries.due(now=MONDAY), now=MONDAY) as lease,
    ):
        assert lease is not None
        assert (outbox.bundle(lease=lease), other.submit(leased).result(timeout=10)) == (bundle, [])


@pytest.mark.usefixtures("committed_db")
@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_two_rounds_at_once_bundle_each_statement_once_and_none_is_left_without_a_mail(smtp: mailbox.Mailbox) -> None:
    owner = factories.party(platform_id="drv_ana")
    bundled = [queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=owner) for _ in range(4)]
    ready = threading.Barrier(4)

    def bundle(_number: int) -> list[int]:
        ready.wait(timeout=10)
        try:
            return deliveries.digest(now=MONDAY)
        finally:
            connections.close_all()

    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as threads:
        firsts = [pk for made in threads.map(bundle, range(4)) for pk in made]
    for pk in firsts:
        deliveries.send(delivery_id=pk, now=MONDAY)
    assert len(smtp.messages) == len(firsts)
    assert [told(one).count("delivery.sent") for one in bundled] == [1, 1, 1, 1]


def test_a_mail_in_somebodys_hands_is_left_alone(smtp: mailbox.Mailbox) -> None:
    one = queued()
    with leases.lease(rows=deliveries.due(now=NOW), now=NOW):
        deliveries.send(delivery_id=one.pk, now=NOW + dt.timedelta(seconds=1))
    assert smtp.messages == []


@pytest.mark.usefixtures("committed_db")
@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_eight_senders_at_once_send_one_mail(smtp: mailbox.Mailbox) -> None:
    one = queued()
    smtp.delay_s = 0.2

    def work(_number: int) -> None:
        try:
            deliveries.send(delivery_id=one.pk, now=NOW)
        finally:
            connections.close_all()

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as threads:
        list(threads.map(work, range(8)))
    assert [message["Message-ID"] for message in smtp.messages] == [one.message_id]
    one.refresh_from_db()
    assert (one.status, one.attempts) == (DeliveryStatus.SENT, 1)


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


def test_no_mail_goes_out_about_a_document_in_quarantine(smtp: mailbox.Mailbox) -> None:
    one = queued()
    quarantine.withhold(document=one.document, code="worm_checksum_mismatch", actor=log.SYSTEM, now=NOW)
    deliveries.send(delivery_id=one.pk, now=NOW)
    one.refresh_from_db()
    assert smtp.messages == []
    assert (one.status, one.cause) == (DeliveryStatus.QUEUED, "document_withheld")


@pytest.mark.usefixtures("smtp")
def test_the_address_is_kept_only_as_a_keyed_digest_and_is_nowhere_in_the_log() -> None:
    one = queued()
    deliveries.send(delivery_id=one.pk, now=NOW)
    one.refresh_from_db()
    assert one.address_digest == outbox.address_digest(address="ANA@example.com ")
    rows = json.dumps([*Event.objects.values(), *EventDetail.objects.values()], default=str)
    assert "ana@example.com" not in rows
    assert "ana@example.com" not in json.dumps(Delivery.objects.values()[0], default=str)


def test_a_line_break_in_an_address_adds_no_recipient(smtp: mailbox.Mailbox) -> None:
    one = queued(owner=factories.party(platform_id="drv_break", email="a@example.com\nBcc: b@example.com"))
    deliveries.send(delivery_id=one.pk, now=NOW)
    one.refresh_from_db()
    assert smtp.messages == []
    assert one.status == DeliveryStatus.QUEUED


# --- the weekly summary ---


def test_order_statements_wait_for_monday_morning_at_their_own_place(smtp: mailbox.Mailbox) -> None:
    one = queued(kind=Kind.ORDER_FINAL_STATEMENT)
    assert one.next_try_at == MONDAY
    deliveries.send(delivery_id=one.pk, now=NOW)
    assert deliveries.digest(now=MONDAY - dt.timedelta(seconds=1)) == []
    deliveries.send(delivery_id=one.pk, now=MONDAY)
    assert not deliveries.due(now=MONDAY).exists()
    assert smtp.messages == []
    assert deliveries.digest(now=MONDAY) == [one.pk]


def test_a_statement_locked_on_monday_at_nine_waits_for_the_next_one() -> None:
    one = queued(kind=Kind.ORDER_FINAL_STATEMENT, now=MONDAY)
    assert one.next_try_at == MONDAY + dt.timedelta(days=7)


def test_a_party_gets_one_summary_with_all_its_documents_and_nobody_elses(smtp: mailbox.Mailbox) -> None:
    ana, beto = (
        factories.party(platform_id="drv_ana"),
        factories.party(platform_id="drv_beto", email="beto@example.com"),
    )
    hers = [queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=ana) for _ in range(3)]
    his = queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=beto)
    for pk in deliveries.digest(now=MONDAY):
        deliveries.send(delivery_id=pk, now=MONDAY)
    assert deliveries.digest(now=MONDAY) == []
    assert [message["To"] for message in smtp.messages] == ["ana@example.com", "beto@example.com"]
    first, second = (text_of(message) for message in smtp.messages)
    assert all(one.document.number in first for one in hers)
    assert his.document.number not in first
    assert len(set(URL.findall(first))) == len(set(URL.findall(second))) == 1
    assert Link.objects.filter(weekly=True).count() == Link.objects.count() == 2
    assert smtp.messages[0]["Message-ID"] == hers[0].message_id
    assert set(Delivery.objects.values_list("status", flat=True)) == {DeliveryStatus.SENT}
    assert all(told(one)[-1] == "delivery.sent" for one in hers)


def test_a_summary_repeated_after_a_crash_is_the_same_one_though_more_has_come(
    smtp: mailbox.Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = factories.party(platform_id="drv_ana")
    first = [queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=owner) for _ in range(2)]
    [pk] = deliveries.digest(now=MONDAY)
    with monkeypatch.context() as broken:
        broken.setattr(deliveries, "confirm", lambda **_what: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            deliveries.send(delivery_id=pk, now=MONDAY)
    late = queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=owner)
    deliveries.digest(now=MONDAY)
    for pk in deliveries.due(now=MONDAY + LEASE).values_list("pk", flat=True):
        deliveries.send(delivery_id=pk, now=MONDAY + LEASE)
    crashed, again = (m for m in smtp.messages if m["Message-ID"] == first[0].message_id)
    assert URL.findall(text_of(crashed)) == URL.findall(text_of(again))
    assert late.document.number not in text_of(again)
    assert [told(one).count("delivery.sent") for one in first] == [1, 1]


def test_a_long_week_comes_in_parts(smtp: mailbox.Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "DIGEST_MAX", 2)
    owner = factories.party(platform_id="drv_busy")
    for _ in range(5):
        queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=owner)
    bundled = deliveries.digest(now=MONDAY)
    for pk in bundled:
        deliveries.send(delivery_id=pk, now=MONDAY)
    assert len(bundled) == len(smtp.messages) == 3
    assert not Delivery.objects.filter(status=DeliveryStatus.QUEUED).exists()


def test_a_hundred_documents_are_one_mail_that_names_twenty_and_one_link_to_all(smtp: mailbox.Mailbox) -> None:
    owner = factories.party(platform_id="drv_busy")
    week = [queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=owner) for _ in range(30)]
    for pk in deliveries.digest(now=MONDAY):
        deliveries.send(delivery_id=pk, now=MONDAY)
    [message] = smtp.messages
    [url] = set(URL.findall(text_of(message)))
    link = links.find(token=url.split("/")[-2])
    assert link is not None
    assert list(links.documents(link=link)) == [delivery.document for delivery in week]
    assert (link.weekly, link.downloads_max) == (True, 150)
    assert sum(delivery.document.number in text_of(message) for delivery in week) == 20
    assert "y 10 documentos más en el enlace" in text_of(message)
    assert message["Subject"] == "Tus 30 documentos de la semana"
    assert len(message.as_bytes()) < 30 * 1024


def a_week(*, number: int = 3) -> tuple[Link, list[Delivery]]:
    """Return the link of a week's mail that has been sent, and its deliveries."""
    owner = factories.party(platform_id="drv_ana")
    week = [queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=owner) for _ in range(number)]
    for pk in deliveries.digest(now=MONDAY):
        deliveries.send(delivery_id=pk, now=MONDAY)
    return Link.objects.get(), week


@pytest.mark.usefixtures("smtp")
def test_a_dead_link_to_a_week_becomes_one_new_link_to_the_same_week() -> None:
    link, week = a_week()
    later = MONDAY + dt.timedelta(days=9)
    made = deliveries.renew_week(link=link, actor=log.SYSTEM, now=later)
    assert made is not None
    assert deliveries.renew_week(link=link, actor=log.SYSTEM, now=later) is None
    deliveries.send(delivery_id=made.pk, now=later)
    fresh = Link.objects.exclude(pk=link.pk).get()
    assert (fresh.weekly, fresh.delivery) == (True, made)
    assert list(links.documents(link=fresh)) == [delivery.document for delivery in week]
    assert deliveries.digest(now=later + dt.timedelta(days=9)) == []


@pytest.mark.usefixtures("smtp")
def test_a_weeks_link_sent_again_is_one_mail_of_all_that_can_be_had_and_the_older_one_ends() -> None:
    link, week = a_week()
    one, *others = week
    single = deliveries.resend(document=one.document, actor=log.SYSTEM, now=MONDAY, revoke_older=True)
    link.refresh_from_db()
    assert link.revoked_at is None  # a mail of one document leaves the week's
    quarantine.withhold(document=one.document, code="worm_lock_missing", actor=log.SYSTEM, now=MONDAY)
    made = deliveries.resend_link(link=link, actor=log.SYSTEM, now=MONDAY)
    link.refresh_from_db()
    assert link.revoked_reason == RevokeReason.RESENT
    deliveries.send(delivery_id=made.pk, now=MONDAY)
    fresh = Link.objects.get(delivery=made)
    assert fresh.weekly
    assert list(links.documents(link=fresh)) == [delivery.document for delivery in others]
    assert Link.objects.filter(delivery=single).count() == 0  # that mail is still to be sent, with its own
    for delivery in others:
        quarantine.withhold(document=delivery.document, code="worm_lock_missing", actor=log.SYSTEM, now=MONDAY)
    with pytest.raises(errors.Problem, match="document_"):
        deliveries.resend_link(link=fresh, actor=log.SYSTEM, now=MONDAY)


@pytest.mark.usefixtures("smtp")
@pytest.mark.django_db(databases=["default", "denials"])
@pytest.mark.parametrize("door", ["api", "center"])
def test_both_doors_send_a_weeks_link_again_whole_and_to_nobody_who_may_not_see_all_of_it(door: str) -> None:
    link, week = a_week()
    abroad = factories.issuer(slug="aventide-co", code="ACO", country_code="CO")
    elsewhere = factories.document(kind=Kind.ORDER_FINAL_STATEMENT, owner=link.recipient, issued_by=abroad)
    browser = center.client(member=center.staff(roles=["finance"], countries=["ES"], name="sofia"))

    def resend(*, key: str) -> tuple[int, int]:
        """The status of the answer, and how many deliveries are queued."""
        api = door == "api"
        where = f"/api/v1/links/{link.public_id}" if api else f"{center.ADMIN}documents/link/{link.public_id}"
        answer = browser.post(f"{where}/resend/", headers={"Idempotency-Key": key} if api else {})
        return answer.status_code, Delivery.objects.filter(status=DeliveryStatus.QUEUED).count()

    assert resend(key="once-and-whole") == (201 if door == "api" else 302, 3)
    assert {event.object_id for event in center.said("delivery.resent")} == set(
        Delivery.objects.filter(sequence=2, document__in=[row.document for row in week]).values_list(
            "public_id", flat=True
        )
    )
    with force.by_force():
        Delivery.objects.create(
            document=elsewhere, recipient=link.recipient, channel=Channel.DIGEST, message_id="m@x", bundle=link.delivery
        )
    assert resend(key="not-all-of-it-mine") == (403, 4)  # the fourth is the one that was just made
    assert center.denials()[0].code == "country_out_of_scope"


@pytest.mark.usefixtures("smtp")
def test_no_new_link_to_a_week_goes_to_an_address_that_proved_to_be_somebody_elses() -> None:
    link, _week = a_week()
    links.revoke(link=link, reason=RevokeReason.WRONG_PERSON, actor=log.SYSTEM, now=MONDAY)
    assert deliveries.renew_week(link=link, actor=log.SYSTEM, now=MONDAY) is None


@pytest.mark.usefixtures("smtp")
def test_opening_a_week_moves_all_its_deliveries_and_a_download_only_its_own() -> None:
    link, week = a_week()
    assert answers.judge(link=link, answer="678Z", now=MONDAY, actor=log.SYSTEM) is answers.Verdict.OPENED
    assert [told(delivery)[-1] for delivery in week] == ["delivery.opened"] * 3
    document = week[1].document
    opened = distribution.open(
        document=document, actor=log.SYSTEM, purpose="download", now=MONDAY, link=link, session="s"
    )
    assert opened.sha256 == document.file_sha256
    assert [told(delivery)[-1] for delivery in week] == ["delivery.opened", "delivery.downloaded", "delivery.opened"]
    link.refresh_from_db()
    assert link.downloads == 1


@pytest.mark.usefixtures("smtp")
def test_a_week_leads_to_nothing_that_was_not_in_its_mail() -> None:
    link, week = a_week()
    later = queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=week[0].recipient).document
    with pytest.raises(errors.Problem, match="not_owner"):
        distribution.open(document=later, actor=log.SYSTEM, purpose="view", now=MONDAY, link=link, session="s")


def test_a_summary_goes_without_what_is_in_quarantine(smtp: mailbox.Mailbox) -> None:
    owner = factories.party(platform_id="drv_ana")
    fine, withheld = (queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=owner) for _ in range(2))
    quarantine.withhold(document=withheld.document, code="worm_lock_missing", actor=log.SYSTEM, now=NOW)
    for pk in deliveries.digest(now=MONDAY):
        deliveries.send(delivery_id=pk, now=MONDAY)
    [message] = smtp.messages
    assert fine.document.number in text_of(message)
    assert withheld.document.number not in text_of(message)
    withheld.refresh_from_db()
    assert (withheld.status, withheld.lease, withheld.bundle) == (DeliveryStatus.QUEUED, None, None)


def test_of_a_summary_whose_first_document_is_in_quarantine_the_others_go_without_it(smtp: mailbox.Mailbox) -> None:
    owner = factories.party(platform_id="drv_ana")
    withheld, *others = (queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=owner) for _ in range(3))
    quarantine.withhold(document=withheld.document, code="worm_lock_missing", actor=log.SYSTEM, now=NOW)
    deliveries.digest(now=MONDAY)
    while deliveries.send_next(rows=deliveries.due(now=MONDAY), now=MONDAY):
        pass
    [message] = smtp.messages
    assert message["Message-ID"] == others[0].message_id
    assert all(one.document.number in text_of(message) for one in others)
    assert [told(one)[-1] for one in (withheld, *others)] == ["delivery.queued", "delivery.sent", "delivery.sent"]
    withheld.refresh_from_db()
    assert (withheld.bundle, withheld.attempts, withheld.next_try_at) == (None, 0, MONDAY + outbox.WITHHELD)


# --- sending again ---


def test_sending_again_is_a_new_mail_with_a_new_link_and_ends_the_old_one_when_asked(smtp: mailbox.Mailbox) -> None:
    one = queued()
    deliveries.send(delivery_id=one.pk, now=NOW)
    again = deliveries.resend(document=one.document, actor=log.SYSTEM, now=NOW, revoke_older=True)
    deliveries.send(delivery_id=again.pk, now=NOW)
    assert (again.sequence, again.message_id == one.message_id) == (2, False)
    first, second = (URL.findall(text_of(message))[0] for message in smtp.messages)
    assert first != second
    assert smtp.messages[1]["Subject"] == "Tu enlace nuevo está listo"
    old = links.find(token=first.split("/")[-2])
    assert old is not None
    assert links.state(link=old, now=NOW) is links.State.REVOKED
    assert told(again) == ["delivery.resent", "delivery.sent"]


def test_only_a_locked_document_with_an_address_can_be_sent_again() -> None:
    with pytest.raises(errors.Problem, match="document_not_ready"):
        deliveries.resend(document=factories.document(status=Status.ISSUED), actor=log.SYSTEM, now=NOW)
    with pytest.raises(errors.Problem, match="document_quarantined"):
        deliveries.resend(document=factories.document(status=Status.QUARANTINED), actor=log.SYSTEM, now=NOW)
    mute = factories.document(owner=factories.party(platform_id="drv_mute", email=""))
    with pytest.raises(errors.Problem, match="validation_error"):
        deliveries.resend(document=mute, actor=log.SYSTEM, now=NOW)


def test_asking_for_a_new_link_a_hundred_times_sends_one() -> None:
    document = factories.document()
    made = [
        deliveries.renew(document=document, actor=log.SYSTEM, now=NOW + dt.timedelta(seconds=n)) for n in range(100)
    ]
    assert [one is not None for one in made] == [True] + [False] * 99
    assert deliveries.renew(document=document, actor=log.SYSTEM, now=NOW + dt.timedelta(minutes=11)) is not None


def test_no_new_link_goes_to_an_address_that_proved_to_be_somebody_elses() -> None:
    document = factories.document()
    link = links.create(document=document, recipient=document.owner, delivery=None, now=NOW)
    links.revoke(link=link, reason=RevokeReason.WRONG_PERSON, actor=log.SYSTEM, now=NOW)
    assert deliveries.renew(document=document, actor=log.SYSTEM, now=NOW) is None


# --- the folder as mailbox ---


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
