"""Two facts at the same moment, each of which needs what the other one has not committed yet."""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections, transaction

from documents.events import intake, outcomes, waiting
from documents.models import Event, EventStatus
from tests.payouts import making, telling

pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture(autouse=True)
def _world(committed_db: None) -> Iterator[None]:
    with transaction.atomic():
        telling.issuers()
    yield
    connections.close_all()


def beside(work: Callable[[], object]) -> threading.Thread:
    """Do some work on connections of its own, at the same time."""

    def alone() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=alone)
    thread.start()
    return thread


def status(event_id: str) -> str:
    return Event.objects.get(event_id=event_id).status


def test_a_payout_that_is_being_held_while_its_adjustment_comes_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    telling.tell(making.order("ord_1", "10.00"))
    reached, released = threading.Event(), threading.Event()
    hold = outcomes.hold

    def slowly(**given: Any) -> None:
        reached.set()
        assert released.wait(timeout=20)
        hold(**given)

    monkeypatch.setattr(outcomes, "hold", slowly)
    payout = beside(lambda: telling.tell(making.payout("po_1", "12.00", orders=["ord_1"])))
    assert reached.wait(timeout=20)
    adjusted = beside(lambda: telling.tell(making.adjustment("adj_1", "ord_1", "2.00")))
    time.sleep(0.5)
    released.set()
    payout.join()
    adjusted.join()
    telling.catch_up()
    assert (status("evt_po_1"), status("evt_adj_1")) == (EventStatus.PROCESSED, EventStatus.PROCESSED)


def test_a_payout_that_is_being_parked_while_its_order_comes_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached, released = threading.Event(), threading.Event()
    park = outcomes.park

    def slowly(**given: Any) -> None:
        reached.set()
        assert released.wait(timeout=20)
        park(**given)

    monkeypatch.setattr(outcomes, "park", slowly)
    payout = beside(lambda: telling.tell(making.payout("po_1", "10.00", orders=["ord_1"])))
    assert reached.wait(timeout=20)
    ordered = beside(lambda: telling.tell(making.order("ord_1", "10.00")))
    time.sleep(0.5)
    released.set()
    payout.join()
    ordered.join()
    # Nobody woke it: the timer does.
    for pk in waiting.due(now=telling.NOW.replace(hour=12), limit=10):
        intake.resume(event_id=pk, now=telling.NOW)
    assert status("evt_po_1") == EventStatus.PROCESSED


def test_two_refunds_of_one_payment_at_once_never_credit_more_than_was_paid() -> None:
    telling.tell(making.payment("pay_1", "10.00", [making.line("10.00")]))
    together = threading.Barrier(4)

    def refund(number: int) -> None:
        together.wait()
        telling.tell(making.refund(f"rf_{number}", "pay_1", [making.line("4.00", kind="REFUND_ITEM")]))

    for thread in [beside(functools.partial(refund, number)) for number in range(4)]:
        thread.join()
    statuses = sorted(status(f"evt_rf_{number}") for number in range(4))
    assert statuses == [EventStatus.HELD] * 2 + [EventStatus.PROCESSED] * 2
