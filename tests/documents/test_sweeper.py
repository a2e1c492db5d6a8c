"""The sweeper picks up whatever stands still, and lets nobody's failure stop anybody else's work."""

import datetime as dt
import pathlib
from typing import Any

import pytest
from django.db import OperationalError, ProgrammingError, transaction

from audit.models import Event as LogEvent
from documents.delivery import deliveries, notices
from documents.emission import custody
from documents.events import waiting
from documents.models import Delivery, DeliveryStatus, Document, Event, EventStatus, Kind, Status
from documents.operations import sweeper
from tests.payouts import making, telling

pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture(autouse=True)
def _world(committed_db: None, tmp_path: pathlib.Path, settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = settings.MAIL["backend"], str(tmp_path / "mail")
    with transaction.atomic():
        telling.issuers()


def sweep() -> int:
    return sweeper.sweep(now=dt.datetime.now(tz=dt.UTC) + sweeper.OVERDUE_AFTER)


def receipt(name: str) -> None:
    event = making.payment(name, "10.00", [making.line("10.00")])
    event["data"]["customer"]["email"] = f"{name}@example.com"
    telling.tell(event)


def test_one_sweep_locks_what_is_issued_and_the_next_one_sends_its_mail(tmp_path: pathlib.Path) -> None:
    receipt("pay_1")
    sweep()
    assert Document.objects.get().status == Status.LOCKED
    sweep()
    assert Delivery.objects.get().status == DeliveryStatus.SENT
    assert len(list((tmp_path / "mail").glob("*.eml"))) == 1
    assert sweep() == 0


def test_a_sweep_resumes_what_is_parked_though_nobody_rang() -> None:
    telling.tell(making.payout("po_1", "10.00", orders=["ord_1"]))
    telling.tell(making.order("ord_1", "10.00"))
    sweep()
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()
    payout = Event.objects.order_by("pk")[0]
    told = LogEvent.objects.filter(object_id=payout.public_id).order_by("pk").values_list("action", flat=True)
    assert list(told) == ["event.received", "event.parked", "event.resumed", "event.processed"]


@pytest.mark.parametrize("error", [ProgrammingError("no such table"), OperationalError("timeout")])
@pytest.mark.parametrize("source", [waiting, deliveries, notices])
def test_a_kind_of_work_that_cannot_be_asked_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, source: object, error: Exception
) -> None:
    receipt("pay_1")

    def out(**_: object) -> None:
        raise error

    monkeypatch.setattr(source, "due", out)
    sweep()
    assert Document.objects.get().status == Status.LOCKED


def test_one_documents_failure_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        receipt(f"pay_{number}")
    poison = Document.objects.order_by("pk").first()
    assert poison is not None
    lock = custody.lock

    def failing(**given: Any) -> custody.LockedFile:
        if given["document"] == poison:
            raise ZeroDivisionError
        return lock(**given)

    monkeypatch.setattr(custody, "lock", failing)
    sweep()
    assert dict(Document.objects.order_by("pk").values_list("pk", "status")) == {
        row.pk: Status.ISSUED if row == poison else Status.LOCKED for row in Document.objects.all()
    }
    # It is leased until its lease ends, so the next rounds leave it alone.
    sweep()
    assert Document.objects.get(pk=poison.pk).attempts == 1


def test_the_sweeper_leaves_to_the_queue_what_is_fresh() -> None:
    receipt("pay_1")
    Document.objects.update(next_try_at=dt.datetime.now(tz=dt.UTC))
    sweeper.sweep(now=dt.datetime.now(tz=dt.UTC))
    assert Document.objects.get().attempts == 0
    sweep()
    assert Document.objects.get().status == Status.LOCKED


def test_a_payout_does_not_wait_behind_the_statements_that_came_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        telling.tell(making.order(f"ord_{number}", "10.00"))
    telling.tell(making.payout("po_1", "10.00", orders=["ord_0"]))
    monkeypatch.setattr(sweeper, "TURNS_MAX", 1)
    sweep()
    locked = Document.objects.filter(status=Status.LOCKED).order_by("pk")
    assert [document.kind for document in locked] == [Kind.ORDER_FINAL_STATEMENT, Kind.PAYOUT_STATEMENT]
    assert locked[0] == Document.objects.earliest("pk")
