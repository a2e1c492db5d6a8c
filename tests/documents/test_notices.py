"""A changed address is told to whoever had it before: once, whatever the mail server does, and then it is forgotten."""

import datetime as dt
import email.message
import json
import re

import pytest
from django.db import IntegrityError, connection, transaction

from audit import log
from audit.models import Event as LogEvent
from audit.models import EventDetail
from documents import formatting
from documents.delivery import codes, deliveries, letters, links, notices, outbox, single_mails
from documents.delivery import mailbox as mailbox_room
from documents.models import Alert, DeliveryStatus, Event, EventStatus, Kind, Link, Notice, Party
from documents.operations import sweeper, watch
from documents.resilience import breaker, calls, dependencies, leases, queue
from tests import factories
from tests.payouts import making, telling
from tests.services import mailbox, rivals

pytestmark = pytest.mark.django_db
NOW = telling.NOW
HOUR = dt.timedelta(hours=1)
OLD, NEW = "ana@example.com", "intruder@example.net"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every breaker closed, and nobody to ring: tests say themselves when a worker comes."""
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(queue, "enqueue", lambda **_: False)
    telling.issuers()


def party(**more: str) -> Party:
    """Return Ana, at her old address."""
    return factories.party(platform_id="drv_ana", email=OLD, **more)


def change(*, at: str = "2026-02-26T09:00:00Z", **more: str) -> None:
    """Tell of Ana's new contact data."""
    assert telling.tell(making.contact("drv_ana", at=at, **more)).body["status"] == "processed"


def queued(**more: str) -> Notice:
    """Return the notice of a change that has just been told."""
    party(**more)
    change(email=NEW)
    return Notice.objects.get()


def told(one: Notice) -> list[str]:
    """Return what the log says of a notice, in order."""
    return list(LogEvent.objects.filter(object_id=one.public_id).order_by("id").values_list("action", flat=True))


def words(message: email.message.EmailMessage, kind: str) -> str:
    """Return the text or the HTML of a received mail."""
    part = message.get_body(preferencelist=(kind,))
    assert part is not None
    return str(part.get_content())


def test_the_old_address_is_told_and_the_new_one_is_not_in_the_mail(smtp: mailbox.Mailbox) -> None:
    one = queued()
    assert (one.status, one.address) == (DeliveryStatus.QUEUED, OLD)
    notices.send(notice_id=one.pk, now=NOW)
    [message] = smtp.messages
    assert smtp.envelopes[0].rcpt_tos == [OLD]
    assert message["Message-ID"] == one.message_id == f"<{one.public_id}@127.0.0.1>"
    assert message["Subject"] == "El correo de tu cuenta ha cambiado"
    assert message["Content-Language"] == "es"
    for kind in ("plain", "html"):
        text = words(message, kind)
        assert "Si no fuiste tú" in text
        assert "26 de febrero de 2026" in text
        assert one.public_id in text
        for secret in (NEW, OLD, "Ana", "Ruiz", "12345678Z", "drv_ana", "http"):
            assert secret not in text
    assert told(one) == ["delivery.queued", "delivery.sent"]


def test_once_the_mail_is_out_the_old_address_stands_nowhere(smtp: mailbox.Mailbox) -> None:
    one = queued()
    notices.send(notice_id=one.pk, now=NOW)
    one.refresh_from_db()
    assert smtp.messages
    assert (one.status, one.address, one.sent_at, one.lease) == (DeliveryStatus.SENT, "", NOW, None)
    rows = [
        *Notice.objects.values(),
        *Party.objects.values(),
        *LogEvent.objects.values(),
        *EventDetail.objects.values(),
    ]
    assert OLD not in json.dumps(rows, default=str)


def test_who_reads_english_is_told_in_english_even_when_the_same_change_moves_the_language(
    smtp: mailbox.Mailbox,
) -> None:
    party(locale="en-GB")
    change(email=NEW, locale="es-ES")
    notices.send(notice_id=Notice.objects.get().pk, now=NOW)
    [message] = smtp.messages
    assert message["Subject"] == "Your account's e-mail address has changed"
    for kind in ("plain", "html"):
        assert not re.search(r"[áéíóúñ¿]|dirección|correo", words(message, kind))
        assert "If it was not you" in words(message, kind)


@pytest.mark.parametrize("email", [OLD, "Ana@Example.com"])
def test_the_same_address_again_tells_nobody_and_leaves_the_links_open(email: str) -> None:
    link = links.create(document=factories.document(owner=party()), recipient=party(), delivery=None, now=NOW)
    change(email=email)
    assert not Notice.objects.exists()
    link.refresh_from_db()
    assert link.revoked_at is None


@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_a_mail_that_was_being_written_opens_no_new_link_for_the_old_address(smtp: mailbox.Mailbox) -> None:
    document = factories.document(kind=Kind.PAYOUT_STATEMENT, owner=party(), now=NOW)
    with transaction.atomic():
        [queued_mail] = deliveries.plan(document=document, now=NOW, actor=log.SYSTEM)
    with rivals.overtaken(after='FROM "documents_delivery" INNER JOIN', by=lambda: change(email=NEW)):
        deliveries.send(delivery_id=queued_mail.pk, now=NOW)
    assert [envelope.rcpt_tos for envelope in smtp.envelopes] == [[NEW]]
    queued_mail.refresh_from_db()
    assert queued_mail.address_digest == outbox.address_digest(address=NEW)


def test_a_change_of_language_alone_tells_nobody() -> None:
    party()
    change(locale="en-GB")
    assert not Notice.objects.exists()


def test_who_had_no_address_gets_no_notice_and_his_new_one_counts() -> None:
    factories.party(platform_id="drv_ana", email="")
    change(email=NEW)
    assert not Notice.objects.exists()
    assert Party.objects.get(platform_id="drv_ana").email == NEW


def test_a_change_that_comes_late_tells_nobody_and_changes_nothing() -> None:
    one = queued()
    change(email="older@example.org", at="2026-02-25T09:00:00Z")
    assert list(Notice.objects.all()) == [one]
    assert Party.objects.get(platform_id="drv_ana").email == NEW


def test_each_change_tells_the_address_it_replaces(smtp: mailbox.Mailbox) -> None:
    queued()
    change(email="third@example.org", at="2026-02-27T09:00:00Z")
    for pk in notices.due(now=NOW).values_list("pk", flat=True):
        notices.send(notice_id=pk, now=NOW)
    assert [envelope.rcpt_tos for envelope in smtp.envelopes] == [[OLD], [NEW]]


def test_a_repeated_event_does_not_write_twice() -> None:
    one = queued()
    answer = telling.tell(making.contact("drv_ana", at="2026-02-26T09:00:00Z", email=NEW))
    assert answer.status == 200
    assert list(Notice.objects.all()) == [one]


def test_a_notice_that_cannot_be_queued_takes_the_change_back_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    party()
    with monkeypatch.context() as broken:
        broken.setattr(mailbox_room, "message_id", lambda **_what: 1 / 0)
        telling.tell(making.contact("drv_ana", at="2026-02-26T09:00:00Z", email=NEW))
    assert not Notice.objects.exists()
    assert Party.objects.get(platform_id="drv_ana").email == OLD
    assert Event.objects.get(type="CONTACT_CHANGED").status == EventStatus.HELD  # not lost: a person sees it


def test_a_crash_between_sending_and_confirming_repeats_the_same_mail(
    smtp: mailbox.Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = queued()

    def die(_self: object, **_what: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as broken:
        broken.setattr(single_mails.MailKind, "end", die)
        with pytest.raises(SystemExit):
            notices.send(notice_id=one.pk, now=NOW)
    assert list(notices.due(now=NOW + HOUR)) == [one]
    notices.send(notice_id=one.pk, now=NOW + HOUR)
    first, second = smtp.messages
    assert first["Message-ID"] == second["Message-ID"] == one.message_id
    assert first.as_bytes().count(b"ntc_") == second.as_bytes().count(b"ntc_")
    assert told(one).count("delivery.sent") == 1


def test_a_notice_in_somebodys_hands_is_left_alone(smtp: mailbox.Mailbox) -> None:
    one = queued()
    with leases.lease(rows=Notice.objects.filter(pk=one.pk), now=NOW):
        notices.send(notice_id=one.pk, now=NOW)
    assert smtp.messages == []


def test_with_the_mail_server_down_the_change_stands_and_the_notice_waits(smtp: mailbox.Mailbox) -> None:
    smtp.stop()
    one = queued()
    notices.send(notice_id=one.pk, now=NOW)
    one.refresh_from_db()
    assert (one.status, one.cause, one.address, one.lease) == (DeliveryStatus.QUEUED, "mail_unavailable", OLD, None)
    assert one.next_try_at is not None
    assert NOW <= one.next_try_at <= NOW + HOUR
    assert told(one) == ["delivery.queued", "delivery.failed"]
    smtp.start()
    calls.BREAKERS["mail"] = breaker.Breaker(row=dependencies.DEPENDENCIES["mail"])
    notices.send(notice_id=one.pk, now=NOW + HOUR)
    assert [message["Message-ID"] for message in smtp.messages] == [one.message_id]


def test_after_three_days_without_a_mail_server_a_person_knows_and_the_address_is_erased(
    smtp: mailbox.Mailbox,
) -> None:
    smtp.stop()
    one = queued()
    notices.send(notice_id=one.pk, now=NOW + dt.timedelta(hours=73))
    one.refresh_from_db()
    assert (one.status, one.address, one.next_try_at) == (DeliveryStatus.BOUNCED, "", None)
    assert told(one)[-1] == "delivery.bounced"
    alert = Alert.objects.get(object_id=one.public_id)
    assert (alert.code, alert.severity) == ("delivery_failed", "P2")
    assert OLD not in json.dumps(alert.values)


def test_an_old_mailbox_that_is_gone_ends_the_notice_and_wakes_nobody(smtp: mailbox.Mailbox) -> None:
    smtp.answer = "550 5.1.1 no such person"
    one = queued()
    notices.send(notice_id=one.pk, now=NOW)
    one.refresh_from_db()
    assert (one.status, one.cause, one.address) == (DeliveryStatus.BOUNCED, "recipient_refused", "")
    assert not Alert.objects.exists()


def test_a_recipient_refused_for_now_is_tried_again(smtp: mailbox.Mailbox) -> None:
    smtp.answer = "451 4.7.1 greylisted"
    one = queued()
    notices.send(notice_id=one.pk, now=NOW)
    smtp.answer = mailbox.ACCEPTED
    notices.send(notice_id=one.pk, now=NOW + HOUR)
    assert len(smtp.messages) == 1


def test_a_letter_that_cannot_be_written_waits_and_stops_nobody(
    smtp: mailbox.Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = queued()
    with monkeypatch.context() as broken:
        broken.setattr(letters, "contact_changed", lambda **_what: 1 / 0)
        notices.send(notice_id=one.pk, now=NOW)
    one.refresh_from_db()
    assert (one.status, one.cause) == (DeliveryStatus.QUEUED, "internal_error")
    notices.send(notice_id=one.pk, now=NOW + HOUR)
    assert len(smtp.messages) == 1


@pytest.mark.usefixtures("committed_db")
@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_the_sweeper_sends_what_no_doorbell_rang_for(smtp: mailbox.Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "watch", lambda **_what: [])  # it would ask every server of this machine
    one = queued()
    sweeper.sweep(now=dt.datetime.now(tz=dt.UTC) + sweeper.OVERDUE_AFTER)
    one.refresh_from_db()
    assert one.status == DeliveryStatus.SENT
    assert [envelope.rcpt_tos for envelope in smtp.envelopes] == [[OLD]]


def end(one: Notice, **columns: str) -> None:
    """End a notice by force and have the deferred guard look at once."""
    with transaction.atomic():
        Notice.objects.filter(pk=one.pk).update(**columns)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_the_database_keeps_no_address_of_an_ended_notice_and_no_end_without_its_event() -> None:
    one = queued()
    with pytest.raises(IntegrityError, match="notice_forgets_address"):
        end(one, status=DeliveryStatus.SENT)
    with pytest.raises(IntegrityError, match="audit guard"):
        end(one, status=DeliveryStatus.BOUNCED, address="")


def test_one_event_makes_one_notice() -> None:
    one = queued()
    with pytest.raises(IntegrityError), transaction.atomic():
        notices.plan(party=one.party, event=Event.objects.get(), now=NOW, actor=telling.ACTOR)


def asked(smtp: mailbox.Mailbox, *, locale: str = "es-ES") -> tuple[Link, Notice, email.message.EmailMessage]:
    """Return a link whose owner has asked for a code, the notice, and the mail."""
    owner = factories.party(platform_id="drv_code", tax_id="", locale=locale)
    document = factories.document(owner=owner)
    link = links.create(document=document, recipient=owner, delivery=None, now=NOW)
    notice = notices.mail_code(link=link, now=NOW, actor=telling.ACTOR)
    assert notice is not None
    notices.send(notice_id=notice.pk, now=NOW)
    [message] = smtp.messages
    notice.refresh_from_db()
    return link, notice, message


@pytest.mark.parametrize(("locale", "subject"), [("es-MX", "{} es tu código"), ("en-GB", "{} is your code")])
def test_a_code_arrives_in_the_owners_language_with_no_link_no_name_and_no_amount(
    smtp: mailbox.Mailbox, locale: str, subject: str
) -> None:
    link, notice, message = asked(smtp, locale=locale)
    code = codes.code(notice=notice)
    assert message["Subject"] == subject.format(code)
    assert message["Message-ID"] == notice.message_id
    assert (notice.status, notice.address, notice.party) == (DeliveryStatus.SENT, "", link.recipient)
    assert told(notice) == ["delivery.queued", "delivery.sent"]
    for kind in ("plain", "html"):
        text = words(message, kind)
        assert code in text
        assert formatting.support(issuer=link.document.issuer) in text
        assert not re.search(r"/l/|Ana|21[,.]88", text)


def test_a_code_that_could_not_be_mailed_in_time_is_not_mailed_later_and_calls_nobody(smtp: mailbox.Mailbox) -> None:
    document = factories.document()
    link = links.create(document=document, recipient=document.owner, delivery=None, now=NOW)
    notice = notices.mail_code(link=link, now=NOW, actor=telling.ACTOR)
    assert notice is not None
    smtp.stop()
    notices.send(notice_id=notice.pk, now=NOW + dt.timedelta(minutes=11))
    notice.refresh_from_db()
    assert (notice.status, notice.address) == (DeliveryStatus.BOUNCED, "")
    assert not Alert.objects.filter(code="delivery_failed").exists()
