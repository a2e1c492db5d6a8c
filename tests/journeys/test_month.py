"""A month of a country, told in no order, some of it twice, by four at once: every payout closes, nothing waits.

A small month by default. The whole one, 200 drivers and 5,000 orders, takes some minutes: `MONTH=whole make test
ARGS=tests/journeys/test_month.py`; another one: `MONTH_SEED=7`.
"""

import datetime as dt
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from config import env
from documents.events import intake
from documents.events import waiting as events_waiting
from documents.models import Alert, Discrepancy, Document, Event, EventStatus
from documents.resilience import queue
from payouts import tasks
from payouts.models import Payout
from payouts.reconciliation import run
from tests.payouts import account, month, telling

SIZES = {
    "small": month.Size(drivers=12, fleets=4, orders=160, often=6),
    "whole": month.Size(drivers=200, fleets=20, orders=5000),
}
SIZE = env.text(name="MONTH", default="small")
LIMIT_S = {"small": 300, "whole": 7200}
SENDERS = 4
RESUMED_EVERY = 100  # events between two looks of the worker at what is parked
SHOWN_MAX = 10


def _tell(told: list[account.EventJson]) -> Counter[str]:
    """Tell events from several threads, and do now and then what the worker does."""
    answers: Counter[str] = Counter()
    with ThreadPoolExecutor(max_workers=SENDERS) as threads:
        for start in range(0, len(told), RESUMED_EVERY):
            answers.update(threads.map(_send, told[start : start + RESUMED_EVERY]))
            _resume(moment=month.NOW)
        list(threads.map(lambda _: connections.close_all(), range(SENDERS * 4)))
    while _resume(moment=month.NOW + account.WEEK):
        pass
    return answers


def _send(event: account.EventJson) -> str:
    return str(telling.tell(event, now=month.NOW).body.get("status"))


def _resume(*, moment: dt.datetime) -> int:
    """Look at what is due and return how many events are no longer parked after it."""
    before = Event.objects.filter(status=EventStatus.PARKED).count()
    for event_id in events_waiting.due(now=moment, limit=10_000):
        intake.resume(event_id=event_id, now=month.NOW)
    return before - Event.objects.filter(status=EventStatus.PARKED).count()


@pytest.mark.timeout(LIMIT_S[SIZE])
@pytest.mark.django_db(transaction=True)
def test_a_month_ends_with_every_payout_closed_and_the_books_at_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "enqueue", lambda **_: None)  # nobody listens: what is due is looked up
    telling.issuers()
    lived = month.Month(seed=env.number(name="MONTH_SEED", default=1), size=SIZES[SIZE])
    answers = _tell(list(lived.told()))
    assert set(answers) <= {"processed", "parked", "held"}
    waiting = Event.objects.exclude(status=EventStatus.PROCESSED)
    assert list(waiting.values_list("event_id", "status", "code", "missing", "errors")[:SHOWN_MAX]) == []
    assert _keys() == lived.keys
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    assert not Alert.objects.filter(resolved_at=None).exists()
    summary = run.run(walk=run.key_ranges(), now=month.NOW, actor=tasks.ACTOR)
    assert (summary.findings, summary.truncated) == ({}, False)
    assert {"REFUND_FAILED", "DISPUTE_LOST", "PAYMENT_CANCELED"} <= {event["type"] for event in lived.undone}
    _books_agree(told=summary.books["ES", "EUR"], lived=lived)
    _statements_are_paid_by_whom_they_should_be(lived)
    for content in Document.objects.filter(kind="PAYOUT_STATEMENT").values_list("content", flat=True).iterator():
        assert "difference" not in json.loads(content)


def _keys() -> set[str]:
    return set(Document.objects.values_list("document_key_id", flat=True))


def _books_agree(*, told: dict[str, int], lived: month.Month) -> None:
    expected = {word: lived.figures[word] for word in ("earned", "paid", "adjustments", "withheld", "cash_collected")}
    assert {word: told[word] for word in expected} == expected
    assert (told["settled"], told["pending"], told["announced"], told["overpaid"]) == (told["earned"], 0, 0, 0)
    assert told["carried"] == sum(lived.balances.values())
    assert (told["difference"], told["printed"]) == (0, 0)
    assert Payout.objects.count() == lived.figures["payouts"]
    assert Payout.objects.exclude(returned_at=None).count() == lived.figures["returned"] > 0


def _statements_are_paid_by_whom_they_should_be(lived: month.Month) -> None:
    expected = {one.key: one.settled_by() for dues in lived.due.values() for one in dues}
    rows = Document.objects.filter(kind="ORDER_FINAL_STATEMENT").values_list(
        "document_key_id", "payout_status", "settled_by__subject", "total_minor"
    )
    shown = {key: (status, (by or "").removeprefix("payout:") or None) for key, status, by, _ in rows}
    assert shown == {key: ("SENT", by) for key, by in expected.items()}
    assert {key: minor for key, _, _, minor in rows} == {
        one.key: one.net for dues in lived.due.values() for one in dues
    }
