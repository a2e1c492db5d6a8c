"""The weekly summary of order statements: on Monday morning, one mail a party, nobody else's documents."""

import datetime as dt
import re

import pytest

from audit import log
from documents.custody import quarantine
from documents.delivery import deliveries, links, outbox
from documents.models import Delivery, DeliveryStatus, Kind, Link
from tests import factories
from tests.documents.mailing import promptly, queued, text_of, told
from tests.services import mailbox

__all__ = ["promptly"]

pytestmark = pytest.mark.django_db
NOW = factories.NOW
LEASE = dt.timedelta(minutes=5)  # longer than any lease
URL = re.compile(r"http://127\.0\.0\.1:8000/l/[A-Za-z0-9_-]{43}/")
MONDAY = dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC)  # nine in Madrid


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
