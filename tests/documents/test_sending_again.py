"""Sending a link again: a new mail with a new link, only where there is a document and an address for it."""

import datetime as dt
import re

import pytest

from audit import log
from documents import errors
from documents.delivery import deliveries, links
from documents.models import RevokeReason, Status
from tests import factories
from tests.documents.mailing import promptly, queued, text_of, told
from tests.services import mailbox

__all__ = ["promptly"]

pytestmark = pytest.mark.django_db
NOW = factories.NOW
URL = re.compile(r"http://127\.0\.0\.1:8000/l/[A-Za-z0-9_-]{43}/")


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
