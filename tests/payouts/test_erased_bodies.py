"""What comes long after is issued, held and answered as it would be, had the bodies of what it is about not been erased."""

from typing import Any

import pytest
from django.db import transaction

from documents.custody import erasure
from documents.models import Discrepancy, Document, Erased, ErasurePeriod, Event
from payouts.reconciliation import run
from tests.payouts import making, telling
from tests.services import force

pytestmark = pytest.mark.django_db
DAY = "2026-02-17T{}:00:00Z"  # the order is completed, and the payment captured, on it at ten
LATE = {"occurred_at": DAY.format("15")}  # that it was made at eleven is what counts
EARNED = [making.order("ord_1"), making.adjustment("adj_1", "ord_1", at=DAY.format("11")) | LATE]
PAID = making.payment("pay_1", "10.00", [making.line("10.00")])
REFUNDED = making.refund("rf_1", "pay_1", [making.line("10.00")])
CANCELED = making.order_canceled("ord_1", at=DAY.format("12"))
# TABLE: a story -> what is erased, and what comes then.
STORIES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "a reassignment of before the order was completed": (
        EARNED,
        [making.reassignment("ra_1", "ord_1", at=DAY.format("09"))],
    ),
    "a reassignment between the order and its adjustment": (
        EARNED,
        [making.reassignment("ra_1", "ord_1", at="2026-02-17T10:30:00Z")],
    ),
    "a cancellation between the order and its adjustment": (
        EARNED,
        [making.order_canceled("ord_1", at="2026-02-17T10:30:00Z")],
    ),
    "a cancellation after the adjustment": (EARNED, [CANCELED]),
    "an adjustment of before a cancellation": (
        [*EARNED, CANCELED],
        [making.adjustment("adj_2", "ord_1", at=DAY.format("11"))],
    ),
    "an adjustment of after a cancellation": (
        [*EARNED, CANCELED],
        [making.adjustment("adj_2", "ord_1", at=DAY.format("13"))],
    ),
    "a reassignment of a canceled order": ([*EARNED, CANCELED], [making.reassignment("ra_1", "ord_1")]),
    "a payout, a repeat of it that says otherwise, and what it repeats": (
        [*EARNED, making.payout("po_1", "11.00", orders=["ord_1"])],
        [
            making.payout("po_1", "12.00", orders=["ord_1"]) | {"id": "evt_other"},
            making.payout("po_1", "11.00", orders=["ord_1"]),
            making.order("ord_1", "99.00") | {"id": "evt_ord_again"},
        ],
    ),
    "a refund": ([PAID], [REFUNDED]),
    "a refund of before the payment, on its day": ([PAID], [REFUNDED | {"occurred_at": DAY.format("08")}]),
    "another event under a used id": (
        [PAID],
        [{**making.payment("pay_2", "7.00", [making.line("7.00")]), "id": PAID["id"]}],
    ),
}


def _outcome() -> list[Any]:
    """Return what there is now: documents, what became of events, and what differs."""
    documents = Document.objects.order_by("document_key_id")
    events = Event.objects.order_by("event_id", "body_sha256")
    return [
        list(documents.values_list("document_key_id", "total_minor", "payout_status", "status")),
        list(events.values_list("event_id", "status", "code", "errors")),
        list(Discrepancy.objects.filter(resolved_at=None).order_by("code").values_list("code", flat=True)),
        run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings,
    ]


def _told(*, first: list[dict[str, Any]], then: list[dict[str, Any]], erases: bool) -> list[Any]:
    """Tell a story, with the bodies erased in between or not, and take it back."""
    before = transaction.savepoint()
    telling.told(first)
    if erases:
        with force.by_force():
            ErasurePeriod.objects.update(days=0)
        assert sum(erasure.erase(what=Erased.BODIES)) >= 1
    outcome = [telling.told(then), *_outcome()]
    transaction.savepoint_rollback(before)
    return outcome


@pytest.mark.parametrize("story", STORIES)
def test_it_comes_to_the_same(story: str) -> None:
    telling.issuers()
    first, then = STORIES[story]
    with_bodies = _told(first=first, then=then, erases=False)
    assert _told(first=first, then=then, erases=True) == with_bodies
