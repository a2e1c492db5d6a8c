"""What the tests of deliveries share: a delivery that waits, what the log says of it, the text of a mail."""

import datetime as dt
from email.message import EmailMessage

import pytest
from django.db import transaction

from audit import log
from audit.models import Event
from documents.delivery import deliveries
from documents.models import Delivery, Kind, Party
from documents.resilience import breaker, calls, dependencies, queue
from tests import factories

NOW = factories.NOW


@pytest.fixture(autouse=True)
def promptly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every breaker closed, and nobody to ring: tests say themselves when a worker comes."""
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(queue, "enqueue", lambda **_: False)


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
