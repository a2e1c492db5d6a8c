"""Every queue is worked on by leases: a worker whose lease has ended changes nothing, in none of them."""

import dataclasses
import datetime as dt
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit import log
from audit.models import Event as LogEvent
from documents import errors
from documents.access import actors, people
from documents.alerts import channel, incidents, sending
from documents.delivery import deliveries, invitations, mailbox, notices, sign_in_codes
from documents.emission import custody, locking
from documents.models import Alert, CustodyRound, Delivery, Document, Invitation, Kind, Leased, Notice, SignInCode
from documents.rendering import render as rendering
from documents.resilience import breaker, calls, dependencies, queue
from tests import factories
from tests.payouts import making, telling
from tests.services import misbehaving

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("smtp")]
REFUSED = ConnectionRefusedError(111, "refused")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Queue:
    """`make` puts something into the queue of a model, and `work` is what a worker does at a moment.

    The worker stops in the call `outside`, which ends well or with `failure`.
    """

    model: type[Leased]
    make: Callable[[], object]
    work: Callable[[dt.datetime], object]
    outside: tuple[object, str]
    failure: Exception


def issued() -> None:
    telling.tell(making.order("ord_1"))


def mail() -> None:
    now = timezone.now()
    document = factories.document(kind=Kind.PAYOUT_STATEMENT, now=now)
    with transaction.atomic():
        deliveries.plan(document=document, now=now, actor=log.SYSTEM)


def summary() -> None:
    now, owner = timezone.now() - dt.timedelta(days=8), factories.party(platform_id="drv_ana")
    for _ in range(3):
        document = factories.document(kind=Kind.ORDER_FINAL_STATEMENT, owner=owner, now=now)
        with transaction.atomic():
            deliveries.plan(document=document, now=now, actor=log.SYSTEM)
    deliveries.digest(now=timezone.now())


def notice() -> None:
    factories.party(platform_id="drv_ana", email="ana@example.com")
    telling.tell(making.contact("drv_ana", at="2026-02-26T09:00:00Z", email="ana@example.net"))


def opened(*, severity: str = "P2") -> None:
    incidents.open_alert(code="document_stuck", severity=severity, dedup_key="document:doc_1")


def resolved() -> None:
    opened()
    sending.deliver(now=timezone.now())  # of what nobody was told, nobody is told the end
    incidents.resolve_alert(dedup_key="document:doc_1")


def lock(now: dt.datetime) -> bool:
    return locking.advance_next(rows=locking.due(now=now), now=now)


def send(now: dt.datetime) -> bool:
    return deliveries.send_next(rows=deliveries.due(now=now), now=now)


def notify(now: dt.datetime) -> bool:
    return notices.send_next(rows=notices.due(now=now), now=now)


def invitation() -> None:
    command = actors.program(name="add_person", channel="command")
    person = people.add(login="nuria", email="nuria@example.com", actor=command)
    invitations.plan(person=person, now=timezone.now(), actor=command)


def invite(now: dt.datetime) -> bool:
    return invitations.send_next(rows=invitations.due(now=now), now=now)


def code() -> None:
    sign_in_codes.ask(
        address="ana@example.com", party=factories.party(), user=None, locale="es", now=timezone.now(), actor=log.SYSTEM
    )


def send_code(now: dt.datetime) -> bool:
    return sign_in_codes.send_next(rows=sign_in_codes.due(now=now), now=now)


def report(now: dt.datetime) -> int:
    return sending.deliver(now=now)


RENDER_FAILED = errors.Problem(code="render_failed")
VAULT_OUT = errors.WormError(code="worm_unavailable")
HAND_OVER, POST = (mailbox, "hand_over"), (channel, "send")
QUEUES = {
    "a document that is rendered": Queue(
        model=Document, make=issued, work=lock, outside=(rendering, "render"), failure=RENDER_FAILED
    ),
    "a document that is put": Queue(
        model=Document, make=issued, work=lock, outside=(custody, "_put"), failure=VAULT_OUT
    ),
    "a mail": Queue(model=Delivery, make=mail, work=send, outside=HAND_OVER, failure=REFUSED),
    "a summary": Queue(model=Delivery, make=summary, work=send, outside=HAND_OVER, failure=REFUSED),
    "a notice": Queue(model=Notice, make=notice, work=notify, outside=HAND_OVER, failure=REFUSED),
    "an invitation": Queue(model=Invitation, make=invitation, work=invite, outside=HAND_OVER, failure=REFUSED),
    "a code": Queue(model=SignInCode, make=code, work=send_code, outside=HAND_OVER, failure=REFUSED),
    "an alert": Queue(model=Alert, make=opened, work=report, outside=POST, failure=REFUSED),
    "a resolved alert": Queue(model=Alert, make=resolved, work=report, outside=POST, failure=REFUSED),
}


@pytest.fixture(autouse=True)
def _world(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Iterator[None]:
    """Every breaker closed, nobody who enqueues, and a channel for alerts."""
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(queue, "enqueue", lambda **_: False)
    telling.issuers()
    with misbehaving.BadServer() as server:
        monkeypatch.setattr(settings, "ALERT_URL", f"http://127.0.0.1:{server.port}/hook")
        yield


def state(model: type[Leased]) -> tuple[list[Any], int]:
    """Return the rows of a queue and how much is on record."""
    return list(model._default_manager.order_by("pk").values()), LogEvent.objects.count()


def stop_in(outside: tuple[object, str], monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None]) -> None:
    """Have something happen while the first outside call of a worker is under way."""
    original = getattr(*outside)
    stopped: list[bool] = []

    def slow(*arguments: Any, **named: Any) -> Any:
        if not stopped:
            stopped.append(True)
            meanwhile()
        return original(*arguments, **named)

    monkeypatch.setattr(*outside, slow)


@pytest.mark.parametrize("ends", ["well", "badly"])
@pytest.mark.parametrize("name", QUEUES)
def test_a_zombie_that_wakes_up_changes_nothing(name: str, ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = QUEUES[name]
    one.make()
    now = timezone.now()
    after: list[object] = []

    def another_worker() -> None:
        one.work(now + dt.timedelta(seconds=settings.LEASE_S + 1))
        rows, events = state(one.model)
        assert {(row["lease"], row["lease_until_at"], row["next_try_at"]) for row in rows} == {(None, None, None)}
        after.append((rows, events))
        if ends == "badly":
            raise one.failure

    stop_in(one.outside, monkeypatch, another_worker)
    one.work(now)
    assert [state(one.model)] == after


def test_the_table_above_has_every_queue() -> None:
    rounds = {CustodyRound}  # nothing is sent or stored in its name: tests/documents/test_custody.py
    assert {one.model for one in QUEUES.values()} | rounds == set(Leased.__subclasses__())


def test_an_alert_that_grows_worse_while_it_is_sent_is_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened()
    stop_in(POST, monkeypatch, lambda: opened(severity="P1"))
    now = timezone.now()
    assert sum(sending.deliver(now=now + dt.timedelta(minutes=minute)) for minute in range(3)) == 2
    alert = Alert.objects.get()
    assert (alert.severity, alert.sent_at is not None, alert.next_try_at) == ("P1", True, None)
