"""What a mail about a document says: a link that works, no amount, nothing remote, in its reader's language."""

import json
import re

import pytest
from django.db import transaction

from audit import log
from audit.models import Event, EventDetail
from documents.delivery import deliveries, links, outbox
from documents.models import Delivery, DeliveryStatus, Kind, Link
from tests import factories
from tests.documents.mailing import promptly, queued, text_of, told
from tests.services import force, mailbox

__all__ = ["promptly"]

pytestmark = pytest.mark.django_db
NOW = factories.NOW
URL = re.compile(r"http://127\.0\.0\.1:8000/l/[A-Za-z0-9_-]{43}/")


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
