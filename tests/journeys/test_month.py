"""A month of three countries, told in no order, some of it twice, by four at once: only what was planted differs.

A small month by default. The whole one, 200 drivers and 5,000 orders, takes some minutes: `MONTH=whole make test
ARGS=tests/journeys/test_month.py`; another one: `MONTH_SEED=7`.
"""

import datetime as dt
import json
import random
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from config import env
from documents.events import intake
from documents.events import waiting as events_waiting
from documents.models import Alert, Discrepancy, Document, Event, EventStatus, Issuer
from documents.resilience import queue
from payouts import tasks
from payouts.models import Payout
from payouts.reconciliation import run
from tests.payouts import account, month, telling
from tests.services import force

SIZES = {
    "small": month.Size(drivers=8, fleets=4, orders=12, often=16),
    "whole": month.Size(drivers=200, fleets=20, orders=5000),
}
SIZE = env.text(name="MONTH", default="small")
SEED = int(env.text(name="MONTH_SEED", default="1"))
ARRIVALS = range(int(env.text(name="MONTH_ARRIVALS", default="1")))
LIMIT_S = {"small": 300, "whole": 7200}
SENDERS = 4
PLANTED = {
    "cash_differs",
    "paid_twice",
    "returned_less",
    "balance_chain_broken",
    "paid_to_former_owner",
    "paid_for_canceled",
}
BROKEN = {
    "document_does_not_add_up",
    "event_without_document",
    "event_and_document_differ",
    "payout_and_statement_differ",
    "books_differ",
    "refund_status_differs",
    "payout_status_differs",
    "canceled_fact_differs",
}
TOLD = {
    "REFUND_FAILED",
    "DISPUTE_LOST",
    "PAYMENT_CANCELED",
    "ORDER_REASSIGNED",
    "ORDER_CANCELED",
    "PAYOUT_RETURNED",
    "PAYOUT_FAILED",
    "PAYOUT_CANCELED",
}
RESUMED_EVERY = 100  # events between two looks of the worker at what is parked


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


def _resume(*, moment: dt.datetime) -> bool:
    """Look at what is due and tell whether anything has moved by it."""
    before = _unfinished()
    for event_id in events_waiting.due(now=moment, limit=10_000):
        intake.resume(event_id=event_id, now=month.NOW)
    return _unfinished() != before


def _unfinished() -> list[object]:
    rows = Event.objects.exclude(status=EventStatus.PROCESSED).order_by("pk")
    return [*rows.values_list("pk", "status", "code", "missing")]


@pytest.mark.timeout(LIMIT_S[SIZE])
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("arrival", ARRIVALS)
def test_of_a_month_of_several_countries_exactly_what_was_planted_differs(
    arrival: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "enqueue", lambda **_: None)  # nobody listens: what is due is looked up
    telling.issuers()
    lived = {country: month.Month(seed=SEED, size=SIZES[SIZE], land=land) for country, land in account.LANDS.items()}
    told = [event for one in lived.values() for event in one.told(arrival=arrival)]
    random.Random(arrival).shuffle(told)
    answers = _tell(told)
    assert set(answers) <= {"processed", "parked", "held", "ignored"}
    _nothing_else_waits(lived.values())
    _documents_are_those_that_should_be(lived.values())
    planted = {row: minor for one in lived.values() for row, minor in one.planted.items()}
    assert _open() == planted
    _alerts_are_those_of(planted)
    summary = run.run(walk=run.key_ranges(), now=month.NOW, actor=tasks.ACTOR)
    assert (summary.findings, summary.truncated) == (Counter(code for code, _ in planted), False)
    assert (summary.opened, _open()) == (0, planted)
    assert {code for code, _ in planted} == PLANTED
    assert {event["type"] for event in told} >= TOLD
    for one in lived.values():
        _books_agree(told=summary.books[one.land.country, one.land.currency], lived=one)
        _statements_are_paid_by_whom_they_should_be(one)
    for content in Document.objects.filter(kind="PAYOUT_STATEMENT").values_list("content", flat=True).iterator():
        assert "difference" not in json.loads(content)
    _what_is_broken_by_force_is_found_too(before=summary.findings)


def _open() -> dict[month.Planted, int]:
    """Return {(code, key): the difference in minor units} of all that is open."""
    rows = Discrepancy.objects.filter(resolved_at=None).values_list("code", "dedup_key", "facts")
    return {(code, key): int(facts["difference"].replace(".", "")) for code, key, facts in rows}


def _nothing_else_waits(lived: Iterable[month.Month]) -> None:
    """But for the payouts that contradict another, and what was canceled before it happened."""
    rows = Event.objects.exclude(status=EventStatus.PROCESSED).filter(superseded_by=None)
    left = {
        (name.partition("_again")[0], status, code)
        for name, status, code in rows.values_list("event_id", "status", "code")
    }
    expected = {(name, EventStatus.PARKED, "") for one in lived for name in one.waiting}
    ignored = {(name, EventStatus.IGNORED, "canceled_before") for one in lived for name in one.ignored}
    assert (left - expected - ignored, expected - left) == (set(), set())


def _alerts_are_those_of(planted: Iterable[month.Planted]) -> None:
    """One for each that was planted, but for cash: one for each issuer and day."""
    alerts = {*Alert.objects.filter(resolved_at=None).values_list("dedup_key", flat=True)}
    own = {f"discrepancy:{key}" for code, key in planted if code != "cash_differs"}
    issuers = Issuer.objects.filter(slug__in=[land.issuer for land in account.LANDS.values()])
    by_day = {key.rpartition(":")[0] for key in alerts - own}
    assert (own - alerts, by_day) == (set(), {f"cash_differs:{issuer.pk}" for issuer in issuers})


def _documents_are_those_that_should_be(lived: Iterable[month.Month]) -> None:
    keys = {*Document.objects.values_list("document_key_id", flat=True)}
    for one in lived:
        for both in one.either:
            assert not both & keys or both <= keys
            keys -= both
    assert keys == {key for one in lived for key in one.keys}


def _books_agree(*, told: dict[str, int], lived: month.Month) -> None:
    figures = lived.figures
    expected = {word: figures[word] for word in ("earned", "paid", "adjustments", "withheld", "cash_collected")}
    assert {word: told[word] for word in expected} == expected
    assert (told["pending"], told["announced"], told["overpaid"]) == (-figures["forgotten"], 0, figures["overpaid"])
    assert told["settled"] == figures["earned"] + figures["forgotten"] + figures["overpaid"]
    assert told["carried"] == sum(lived.balances.values())
    assert (told["difference"], told["printed"]) == (0, 0)
    mine = Payout.objects.filter(country=lived.land.country)
    assert mine.count() == figures["payouts"]
    assert mine.exclude(returned_at=None).count() == figures["returned"] > 0


def _statements_are_paid_by_whom_they_should_be(lived: month.Month) -> None:
    dues = [one for rows in lived.due.values() for one in rows]
    rows = Document.objects.filter(document_key_id__in=[one.key for one in dues])
    shown = rows.values_list("document_key_id", "payout_status", "settled_by__subject", "total_minor")
    assert {(key, status, (by or "").removeprefix("payout:") or None, net) for key, status, by, net in shown} == {
        (one.key, "SENT" if (by := one.settled_by()) else "PENDING", by, one.net) for one in dues
    }


def _what_is_broken_by_force_is_found_too(*, before: dict[str, int]) -> None:
    """Break one record of each sort, each of another fact, and find each once."""
    receipts = Document.objects.filter(kind="PAYMENT_RECEIPT", corrected_by=None).order_by("pk")
    payout = Payout.objects.filter(returned_at=None, state="SENT").order_by("pk")
    note = Document.objects.filter(kind="CREDIT_NOTE", subject__startswith="refund:").order_by("pk").first()
    pending = Document.objects.filter(kind="ORDER_FINAL_STATEMENT", payout_status="PENDING").order_by("pk").first()
    canceled = Event.objects.filter(type="PAYMENT_CANCELED", status=EventStatus.PROCESSED).order_by("pk").first()
    assert note
    assert pending
    assert canceled
    with force.by_force():
        Document.objects.filter(pk=receipts[0].pk).update(total_minor=1)
        Event.objects.filter(pk=receipts[1].event_id).update(document_ids=[])
        event = Event.objects.get(pk=receipts[2].event_id)
        stated = json.loads(bytes(event.body or b""))
        stated["data"]["payment"]["amount"] = "1"
        Event.objects.filter(pk=event.pk).update(body=json.dumps(stated).encode())
        Payout.objects.filter(pk=payout[0].pk).update(amount_minor=payout[0].amount_minor + 1)
        Document.objects.filter(pk=note.pk).update(refund_status="" if note.refund_status else "FAILED")
        Document.objects.filter(pk=pending.pk).update(payout_status="SENT")
        Event.objects.filter(pk=canceled.pk).update(status=EventStatus.PARKED, next_try_at=None)
    found = run.run(walk=run.key_ranges(), now=month.NOW, actor=tasks.ACTOR).findings
    assert found == before | dict.fromkeys(BROKEN, 1)
