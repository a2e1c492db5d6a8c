"""Events in any order, repeated, delayed, with processes that end in the middle: the laws hold after every step."""

import collections
import datetime as dt
import json
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from audit.models import Event as AuditEvent
from config import env
from config.simulation import event_parts, event_stream
from documents.delivery import deliveries
from documents.emission import document_keys, issuing, locking, numbering
from documents.events import answers, intake
from documents.events import waiting as events_waiting
from documents.models import Delivery, DeliveryStatus, Document, Event, EventStatus, Kind, PayoutStatus, Series, Status
from payouts.models import Payout, PayoutState, Settlement
from tests.payouts import telling

LONG = env.text(name="HYPOTHESIS_PROFILE") == "long"  # other examples at each run, and many
EXAMPLES, STEPS = (150, 80) if LONG else (8, 40)
EVENTS = 30


class Ended(BaseException):
    """The process ends here, as far as the line can tell."""


class AnyOrder(RuleBasedStateMachine):
    """A week of events that a perverse network delivers to a line whose worker is not well."""

    @initialize(seed=strategies.integers(min_value=0, max_value=10_000))
    def begin(self, seed: int) -> None:
        """Draw a stream and begin a transaction of this example's own."""
        self.around = transaction.atomic()
        vars(self.around)["_from_testcase"] = True  # as Django marks a test's: it is not the product's
        self.around.__enter__()
        telling.issuers()
        drawn = event_stream.draw(seed=seed, count=EVENTS, shuffled=False)
        self.keys = drawn.keys
        self.untold: list[event_parts.EventBody] = drawn.events
        self.told: list[event_parts.EventBody] = []
        self.now = telling.NOW
        self.clock = 0

    def later(self) -> dt.datetime:
        self.clock += 1
        return self.now + dt.timedelta(seconds=self.clock)

    def tell(self, event: event_parts.EventBody) -> None:
        answer = telling.tell(event, now=self.later())
        assert answer.status in {200, 201, 202}, answer.body
        if event not in self.told:
            self.told.append(event)

    @precondition(lambda self: self.untold)
    @rule(place=strategies.integers(min_value=0))
    def an_event_comes(self, place: int) -> None:
        self.tell(self.untold.pop(place % len(self.untold)))

    @precondition(lambda self: self.told)
    @rule(place=strategies.integers(min_value=0))
    def an_event_comes_again(self, place: int) -> None:
        before = Document.objects.count()
        self.tell(self.told[place % len(self.told)])
        parked = Event.objects.filter(status=EventStatus.PARKED).exists()
        assert parked or Document.objects.count() >= before

    @precondition(lambda self: self.told)
    @rule(place=strategies.integers(min_value=0))
    def a_fact_comes_under_another_event_id(self, place: int) -> None:
        event = self.told[place % len(self.told)]
        self.tell(event | {"id": f"{event['id']}_x{self.clock}"})

    @precondition(lambda self: self.untold)
    @rule(place=strategies.integers(min_value=0), step=strategies.sampled_from(["claim", "take", "write", "end"]))
    def the_process_ends_during_intake(self, place: int, step: str) -> None:
        event = self.untold[place % len(self.untold)]
        module, name = {
            "claim": (document_keys, "claim"),
            "take": (numbering, "take"),
            "write": (issuing, "_write"),
            "end": (answers, "answer"),
        }[step]
        original = getattr(module, name)

        def ending(**given: Any) -> None:
            original(**given)
            raise Ended

        numbers = dict(Series.objects.values_list("code", "next"))
        known = Event.objects.filter(event_id=event["id"]).exists()  # a stream tells some events twice
        setattr(module, name, ending)
        try:
            telling.tell(event, now=self.later())
        except Ended:
            assert dict(Series.objects.values_list("code", "next")) == numbers
            assert Event.objects.filter(event_id=event["id"]).exists() == known
        else:
            self.untold.remove(event)
            self.told.append(event)
        finally:
            setattr(module, name, original)

    @rule()
    def the_worker_looks_at_what_is_parked(self) -> None:
        for pk in events_waiting.due(now=self.later() + dt.timedelta(seconds=600), limit=5):
            intake.resume(event_id=pk, now=self.later())

    @rule(place=strategies.integers(min_value=0))
    def the_worker_locks_a_document(self, place: int) -> None:
        waiting = list(Document.objects.filter(status=Status.ISSUED).values_list("pk", flat=True))
        if waiting and self.clock % 4 == 0:
            locking.advance(document_id=waiting[place % len(waiting)], now=dt.datetime.now(tz=dt.UTC))

    @rule()
    def the_worker_sends_a_mail(self) -> None:
        for pk in deliveries.due(now=dt.datetime.now(tz=dt.UTC)).values_list("pk", flat=True)[:1]:
            deliveries.send(delivery_id=pk, now=dt.datetime.now(tz=dt.UTC))

    @invariant()
    def one_document_a_key(self) -> None:
        if hasattr(self, "keys"):
            keys = list(Document.objects.values_list("document_key_id", flat=True))
            assert len(keys) == len(set(keys))
            assert set(keys) <= self.keys

    @invariant()
    def no_gap_and_no_number_twice(self) -> None:
        if hasattr(self, "keys"):
            taken = collections.defaultdict(list)
            for series, sequence in Document.objects.values_list("series_id", "sequence"):
                taken[series].append(sequence)
            for row in Series.objects.all():
                assert sorted(taken[row.pk]) == list(range(row.first, row.next)), row.code

    @invariant()
    def every_state_has_its_event(self) -> None:
        if hasattr(self, "keys"):
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                cursor.execute("SET CONSTRAINTS ALL DEFERRED")
            events = set(AuditEvent.objects.values_list("object_id", "action"))
            for public_id, status in Document.objects.values_list("public_id", "status"):
                assert (public_id, f"document.{status.lower()}") in events
            for public_id, status in Delivery.objects.filter(status=DeliveryStatus.SENT).values_list(
                "public_id", "status"
            ):
                assert (public_id, f"delivery.{status.lower()}") in events

    @invariant()
    def no_money_is_settled_beyond_what_a_statement_is_worth(self) -> None:
        if hasattr(self, "keys"):
            for document in Document.objects.filter(kind=Kind.ORDER_FINAL_STATEMENT):
                settled = Settlement.objects.filter(document=document, effective=True)
                total = sum(settled.values_list("amount_minor", flat=True))
                assert total in {0, document.total_minor}, document.number
                assert document.payout_status == (PayoutStatus.SENT if total else PayoutStatus.PENDING), document.number

    def teardown(self) -> None:
        """Let everything come that has not, and the worker catch up: then nothing is open and every sum closes."""
        if not hasattr(self, "keys"):
            return
        try:
            for event in self.untold:
                telling.tell(event, now=self.later())
            for _ in range(20):
                due = events_waiting.due(now=self.later() + dt.timedelta(seconds=600), limit=1000)
                for pk in due:
                    intake.resume(event_id=pk, now=self.later())
                if not due:
                    break
            open_ones = Event.objects.filter(status__in=[EventStatus.PARKED, EventStatus.HELD])
            assert not [(one.type, one.event_id, one.status, one.code, one.missing) for one in open_ones]
            assert set(Document.objects.values_list("document_key_id", flat=True)) == self.keys
            self.no_gap_and_no_number_twice()
            self.no_money_is_settled_beyond_what_a_statement_is_worth()
            for payout in Payout.objects.select_related("statement"):
                assert payout.statement is not None
                content = json.loads(payout.statement.content)
                settled = sum(payout.settlements.values_list("amount_minor", flat=True))
                assert settled == payout.amount_minor, content["number"]
                effective = payout.state in {PayoutState.SENT, PayoutState.CLOSED}
                assert set(payout.settlements.values_list("effective", flat=True)) == {effective}
        finally:
            transaction.set_rollback(True)
            self.around.__exit__(None, None, None)


@pytest.mark.django_db
@pytest.mark.timeout(3000)
def test_whatever_order_events_come_in_and_whenever_processes_end_the_laws_hold() -> None:
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=not LONG,
            phases=[Phase.generate],  # shrinking a month takes longer than reading it
            suppress_health_check=list(HealthCheck),
        ),
    )
