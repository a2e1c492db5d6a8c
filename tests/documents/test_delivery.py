"""Telling people: by the policy of each kind, once, also when a worker dies or several come at once."""

import concurrent.futures
import datetime as dt
import re
import threading

import pytest
from django.db import connections, transaction

from audit import log
from documents.custody import quarantine
from documents.delivery import deliveries, outbox
from documents.models import Channel, Delivery, DeliveryStatus, Kind, Link
from documents.resilience import leases
from tests import factories
from tests.documents.mailing import promptly, queued, text_of, told
from tests.services import mailbox

__all__ = ["promptly"]

pytestmark = pytest.mark.django_db
NOW = factories.NOW
HOUR = dt.timedelta(hours=1)
LEASE = dt.timedelta(minutes=5)  # longer than any lease
URL = re.compile(r"http://127\.0\.0\.1:8000/l/[A-Za-z0-9_-]{43}/")
MONDAY = dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC)  # nine in Madrid


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


def test_no_mail_goes_out_about_a_document_in_quarantine(smtp: mailbox.Mailbox) -> None:
    one = queued()
    quarantine.withhold(document=one.document, code="worm_checksum_mismatch", actor=log.SYSTEM, now=NOW)
    deliveries.send(delivery_id=one.pk, now=NOW)
    one.refresh_from_db()
    assert smtp.messages == []
    assert (one.status, one.cause) == (DeliveryStatus.QUEUED, "document_withheld")
