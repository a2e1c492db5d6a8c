"""What an effect returns is what becomes of its event; what it wrote before it gave up is undone."""

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from audit import log
from audit.models import Event as AuditEvent
from config.events import TABLE
from documents import errors
from documents.events import effects, envelope, waiting
from documents.models import Alert, Document, DocumentKey, Event, Party, Series, Wait
from tests.payouts import making, telling

pytestmark = pytest.mark.django_db
PAYMENT = [making.line("11.00", tax="IVA10")]
# TABLE: type -> an event of it that could be issued, or waits.
EVENTS: dict[str, dict[str, Any]] = {
    event["type"]: event
    for event in (
        making.payment("pay_1", "12.10", PAYMENT),
        making.refund("rf_1", "pay_1", PAYMENT),
        making.order("ord_1"),
        making.adjustment("adj_1", "ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.period_closed("po_2", orders=["ord_1"]),
        making.reversal("po_1", "10.00", kind="PAYOUT_FAILED"),
        making.reversal("po_1", "10.00"),
        making.cancellation("pay_1", at="2026-02-18T10:00:00Z"),
        making.cancellation("ord_1", at="2026-02-18T10:00:00Z", kind="ORDER_CANCELED"),
        making.cancellation("po_1", at="2026-02-24T10:00:00Z", kind="PAYOUT_CANCELED"),
        making.dispute("dp_1", "pay_1", "12.10"),
        making.refund_failed("rf_1", "rf_1"),
        making.reassignment("ra_1", "ord_1"),
        making.contact("drv_1", at="2026-02-17T10:00:00Z", email="ana@example.org"),
    )
}


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def ends(
    monkeypatch: pytest.MonkeyPatch,
    outcome: Callable[[effects.Outcome], effects.Outcome],
    *,
    of: str = "ORDER_COMPLETED",
) -> None:
    """Let an effect do all that it does, and return another outcome."""
    real = TABLE[of].effect

    def effect(*, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> effects.Outcome:
        return outcome(real(event=event, message=message, now=now, actor=actor))

    monkeypatch.setattr("config.events.TABLE", {**TABLE, of: dataclasses.replace(TABLE[of], effect=effect)})


def written() -> list[int]:
    """Count everything that an effect may have written."""
    return [model.objects.count() for model in (Document, DocumentKey, Party, Series)] + [
        AuditEvent.objects.filter(action__in=["document.issued", "party.added", "series.added"]).count()
    ]


@pytest.mark.parametrize("type_", TABLE)
def test_no_effect_raises_what_it_could_return(type_: str) -> None:
    message = envelope.parse(payload=EVENTS[type_] | {"issuer": "nobody"})
    outcome = TABLE[type_].effect(event=Event(), message=message, now=telling.NOW, actor=telling.ACTOR)
    if type_ == "CONTACT_CHANGED":  # no issuer's to say
        assert outcome == effects.Waiting(missing=["party:drv_1"])
    else:
        assert isinstance(outcome, effects.Held)
        assert outcome.problem.code == "issuer_unknown"


def test_what_an_effect_did_before_it_waits_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, lambda _: effects.Waiting(missing=["order:ord_3", "order:ord_2", "order:ord_3"]))
    before = written()
    answer = telling.tell(making.order("ord_1"))
    assert (answer.status, answer.body["status"]) == (202, "parked")
    assert answer.body["missing"] == ["order:ord_2", "order:ord_3"]
    assert written() == before
    monkeypatch.undo()
    assert telling.tell(making.order("ord_1")).body["status"] == "processed"


def test_what_an_effect_did_before_it_holds_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, lambda _: effects.Held(problem=errors.Problem(code="totals_mismatch")))
    before = written()
    answer = telling.tell(making.order("ord_1"))
    assert (answer.status, answer.body["status"], answer.body["code"]) == (202, "held", "totals_mismatch")
    assert written() == before
    monkeypatch.undo()
    assert telling.tell(making.order("ord_1")).body["status"] == "processed"
    assert Document.objects.get().sequence == 1  # no number was lost


def test_what_an_effect_did_before_it_ignores_stays_and_its_code_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, lambda _: effects.Ignored(code="canceled_before"))
    for replayed in (False, True):
        answer = telling.tell(making.order("ord_1"))
        assert answer.status == 202
        assert answer.body == {
            "object": "event",
            "event_id": "evt_ord_1",
            "type": "ORDER_COMPLETED",
            "status": "ignored",
            "code": "canceled_before",
            "replayed": replayed,
            "documents": [],
        }
    assert Party.objects.filter(platform_id="drv_1").exists()
    event = Event.objects.get()
    recorded = AuditEvent.objects.filter(object_id=event.public_id).order_by("pk").values_list("action", "code")
    assert [*recorded] == [("event.received", ""), ("event.ignored", "canceled_before"), ("event.repeated", "")]
    assert waiting.due(now=telling.NOW + dt.timedelta(days=9), limit=9) == []


def test_an_event_that_waited_and_then_asks_for_nothing_waits_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    adjustment = making.adjustment("adj_1", "ord_1")
    assert telling.tell(adjustment).body["status"] == "parked"
    ends(monkeypatch, lambda _: effects.Ignored(code="canceled_before"), of="ORDER_ADJUSTED")
    answer = telling.tell(adjustment)
    assert (answer.status, answer.body["status"], "missing" in answer.body) == (202, "ignored", False)
    event = Event.objects.get()
    assert (event.missing, event.next_try_at, Wait.objects.count()) == ([], None, 0)
    assert AuditEvent.objects.filter(object_id=event.public_id, action="event.resumed").count() == 1


def test_an_event_that_was_held_and_then_asks_for_nothing_is_off_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    order = making.order("ord_1") | {"issuer": "nobody"}
    assert telling.tell(order).body["status"] == "held"
    assert Alert.objects.filter(resolved_at=None).count() == 1
    ends(monkeypatch, lambda _: effects.Ignored(code="canceled_before"))
    assert telling.tell(order).body["status"] == "ignored"
    assert not Alert.objects.filter(resolved_at=None).exists()


def test_of_a_type_that_nobody_knows_nothing_is_asked_and_no_code_is_made_up() -> None:
    for place in range(2):
        answer = telling.tell(making.order("ord_1") | {"type": "DRIVER_WAVED", "id": f"evt_{place}"})
        assert (answer.status, answer.body["status"], "code" in answer.body) == (202, "ignored", False)
    assert {*Event.objects.values_list("status", "subject", "code")} == {("ignored", "", "")}
    assert AuditEvent.objects.filter(action="event.ignored").count() == 2


def test_the_body_of_an_event_that_waits_is_read_once_however_often_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    adjustment, read = making.adjustment("adj_1", "ord_1"), []

    def counted(**what: Any) -> envelope.EventMessage:
        read.append(what["payload"]["id"])
        return parse(**what)

    parse = envelope.parse
    monkeypatch.setattr(envelope, "parse", counted)
    for count in (1, 2):
        assert telling.tell(adjustment).body["status"] == "parked"
        assert read == ["evt_adj_1"] * count
