"""Whichever telling comes first, and whatever waits: the same documents, the same live status, the same open work."""

import copy
import json
from typing import Any

import pytest

from documents.events import envelope, intake
from documents.models import Discrepancy, Document, Event, EventStatus, Kind
from payouts.models import Payout
from tests.payouts import arrival, making, telling

pytestmark = pytest.mark.django_db(transaction=True)

OFS, PS, PRN = "ORDER_FINAL_STATEMENT:order", "PAYOUT_STATEMENT:payout", "PAYOUT_REVERSAL_NOTICE:payout"
EARLY = "2026-02-17T09:59:00Z"  # before any order of `making` completed


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _status(order: str) -> str | None:
    return telling.document(f"{OFS}:{order}:beneficiary").payout_status


def _again(event: dict[str, Any], **data: Any) -> dict[str, Any]:
    """Return another telling of a fact: another event id, other data."""
    other = copy.deepcopy(event)
    other["id"] = f"{event['id']}.b"
    other["data"] |= data
    return other


def _open() -> list[str]:
    return sorted(Discrepancy.objects.filter(resolved_at=None).values_list("code", flat=True))


# -- born SENT --


@pytest.mark.parametrize("order", arrival.orders(range(3)))
def test_nothing_stays_sent_on_the_word_of_a_payout_that_was_corrected(order: tuple[int, ...]) -> None:
    wrong = making.payout("po_1", "20.01", orders=["ord_1", "ord_2"], at=EARLY)
    events = [wrong, making.order("ord_1"), making.order("ord_2")]
    telling.told([events[place] for place in order])
    right = making.payout("po_1", "10.00", orders=["ord_2"], at=EARLY) | {"id": "evt_right"}
    telling.told([right])
    assert (_status("ord_1"), _status("ord_2")) == ("PENDING", "SENT")
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).filter(superseded_by=None).exists()


def test_an_order_that_only_the_corrected_payout_named_does_not_stay_sent_when_it_comes_last() -> None:
    wrong = making.payout("po_1", "20.01", orders=["ord_1", "ord_2"], at=EARLY)
    right = making.payout("po_1", "10.00", orders=["ord_2"], at=EARLY) | {"id": "evt_right"}
    for event in (wrong, making.order("ord_2"), right, making.order("ord_1")):
        telling.tell(event)
    telling.catch_up()
    assert (_status("ord_1"), _status("ord_2")) == ("PENDING", "SENT")
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()


@pytest.mark.parametrize("wrong_first", [True, False])
def test_a_held_payout_pays_nobody(wrong_first: bool) -> None:
    events = [making.payout("po_1", "11.00", orders=["ord_1"], at=EARLY), making.order("ord_1")]
    telling.told(events if wrong_first else events[::-1])
    born = "SENT" if wrong_first else "PENDING"
    assert telling.document(f"{OFS}:ord_1:beneficiary").payout_status_at_issue == born
    assert _status("ord_1") == "PENDING"


def test_a_payout_that_lacks_another_order_pays_nobody_yet() -> None:
    telling.told([making.payout("po_1", "20.00", orders=["ord_1", "ord_2"], at=EARLY), making.order("ord_1")])
    assert telling.document(f"{OFS}:ord_1:beneficiary").payout_status_at_issue == "SENT"
    assert _status("ord_1") == "PENDING"
    telling.told([making.order("ord_2")])
    assert (_status("ord_1"), _status("ord_2")) == ("SENT", "SENT")


def test_a_payout_that_waits_is_read_once_however_many_of_its_orders_come(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"ord_{number}" for number in range(5)]
    telling.tell(making.payout("po_1", "50.00", orders=names, at=EARLY))
    parse, read = envelope.parse, []

    def counted(**what: Any) -> envelope.EventMessage:
        read.append(what["payload"]["id"])
        return parse(**what)

    monkeypatch.setattr(envelope, "parse", counted)
    for name in names:
        assert telling.tell(making.order(name)).status == 201
    assert read.count("evt_po_1") == 1
    printed = Document.objects.values_list("payout_status_at_issue", "payout_status").order_by("pk")
    assert [*printed] == [("SENT", "PENDING")] * 4 + [("SENT", "SENT")]


# -- of divergent repeats the first to arrive wins --


def test_a_newcomer_never_overtakes_the_telling_that_waited() -> None:
    first = making.payout("po_1", "10.00", orders=["ord_1"])
    telling.tell(first)
    telling.tell(making.order("ord_1"))  # and nobody has looked at the first one yet
    answer = telling.tell(_again(first, payout=first["data"]["payout"] | {"amount": "9.00"}, cash_collected="1.00"))
    assert (answer.status, answer.body["replayed"]) == (200, True)
    assert telling.document(f"{PS}:po_1:payee").total_minor == 1000
    telling.catch_up()
    assert _open() == ["divergent_repeat"]
    assert Event.objects.get(event_id=first["id"]).status == EventStatus.PROCESSED


def test_of_two_that_waited_the_first_wins_whichever_is_looked_at_first() -> None:
    first = making.payout("po_1", "10.00", orders=["ord_1"])
    second = _again(first, payout=first["data"]["payout"] | {"amount": "9.00"}, cash_collected="1.00")
    for event in (first, second, making.order("ord_1")):
        telling.tell(event)
    intake.resume(event_id=Event.objects.get(event_id=second["id"]).pk, now=telling.NOW)
    assert telling.document(f"{PS}:po_1:payee").total_minor == 1000
    telling.catch_up()
    assert _open() == ["divergent_repeat"]


def test_many_tellings_that_wait_are_each_looked_at_a_few_times() -> None:
    first = making.payout("po_1", "10.00", orders=["ord_1"])
    others = [_again(first, payout=first["data"]["payout"] | {"reference": f"R{place}"}) for place in range(24)]
    for place, event in enumerate([first, *others]):
        telling.tell(event | {"id": f"evt_{place}"})
    telling.told([making.order("ord_1")])
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()
    assert json.loads(telling.document(f"{PS}:po_1:payee").content)["payout"]["reference"] == "PO_1"


def test_a_correction_goes_on_while_the_first_telling_waits_for_what_never_comes() -> None:
    first = making.payout("po_1", "20.00", orders=["ord_1", "ord_never"])
    statuses = telling.told(
        [first, making.order("ord_1"), making.payout("po_1", "10.00", orders=["ord_1"]) | {"id": "evt_ok"}]
    )
    assert statuses == ["parked", "processed", "processed"]
    assert _status("ord_1") == "SENT"


def test_a_chain_told_backwards_is_woken_link_by_link() -> None:
    links = [
        making.payout(
            f"po_{place}", "1.00", settles=[], at=f"2026-02-2{place}T07:00:00Z", closing="9.00", opening="10.00"
        )
        for place in range(1, 8)
    ]
    for place, link in enumerate(links):
        link["data"] |= {"opening_carry_over": f"{10 - place}.00", "closing_carry_over": f"{9 - place}.00"}
    first = making.payout("po_0", "0.00", orders=["ord_1"], at="2026-02-20T07:00:00Z", closing="10.00")
    telling.told([making.order("ord_1"), *reversed(links)])
    telling.tell(first)
    woken = Event.objects.filter(status=EventStatus.PARKED, missing=[]).values_list("subject", flat=True)
    assert sorted(woken) == ["payout:po_1", "payout:po_2", "payout:po_3"]
    telling.catch_up()
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()


# -- no second document of one fact --


@pytest.mark.parametrize("shared_first", [True, False])
def test_another_telling_of_an_order_never_adds_a_document(shared_first: bool) -> None:
    own = making.order("ord_1", lines=[making.line("10.00"), making.line("20.00", name="2", kind="ITEM")])
    lines = [making.line("10.00"), making.line("20.00", name="2", kind="ITEM", party="partner")]
    shared = _again(own, lines=lines, partner={"id": "ptn_1", "legal_name": "La Fonda"})
    events = [shared, own] if shared_first else [own, shared]
    telling.told(events)
    owed = sorted(Document.objects.filter(kind=Kind.ORDER_FINAL_STATEMENT).values_list("total_minor", flat=True))
    assert owed == ([1000, 2000] if shared_first else [3000])
    assert set(_open()) == {"divergent_repeat"}


def test_one_adjustment_is_of_one_order_and_one_audience() -> None:
    lines = [making.line("10.00"), making.line("20.00", name="2", kind="ITEM", party="partner")]
    order = making.order("ord_1", lines=lines)
    order["data"]["partner"] = {"id": "ptn_1", "legal_name": "La Fonda"}
    tip = making.adjustment("adj_1", "ord_1", "3.00")
    telling.told([order, making.order("ord_2"), tip])
    numbered = Document.objects.count()
    elsewhere = _again(tip, order={"id": "ord_2"})
    other = _again(tip, lines=[{**tip["data"]["lines"][0], "party": "partner"}]) | {"id": "evt_third"}
    assert [telling.tell(event).status for event in (elsewhere, other)] == [200, 200]
    assert Document.objects.count() == numbered
    assert set(_open()) == {"divergent_repeat"}


# -- what contradicts --


@pytest.mark.parametrize("failed_first", [True, False])
@pytest.mark.parametrize("amounts", [{"amount": "10.01"}, {"amount": "9.00", "fee": "0.99"}])
def test_a_failure_of_another_amount_takes_nothing_back(amounts: dict[str, str], failed_first: bool) -> None:
    told = [
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.reversal("po_1", **amounts, kind="PAYOUT_FAILED"),
    ]
    telling.told([making.order("ord_1"), *(told[::-1] if failed_first else told)])
    assert _status("ord_1") == "SENT"
    assert Payout.objects.get().state == "SENT"


@pytest.mark.parametrize("closed_first", [True, False])
def test_a_payout_settles_its_held_telling_whether_it_was_sent_or_its_period_closed(closed_first: bool) -> None:
    closed, sent = making.period_closed("po_1", orders=["ord_1"]), making.payout("po_1", "10.01", orders=["ord_1"])
    if closed_first:
        told = [closed, making.payout("po_1", "10.00", orders=["ord_1"]) | {"id": "evt_ok"}]
    else:
        told = [sent, making.period_closed("po_1", orders=["ord_1"], closing_carry_over="10.00") | {"id": "evt_ok"}]
    assert telling.told([making.order("ord_1"), *told]) == ["processed", "held", "processed"]
    assert Event.objects.get(status=EventStatus.HELD).superseded_by == Event.objects.get(event_id="evt_ok")


# -- what is open says what is true now --


@pytest.mark.parametrize("order", arrival.orders(range(3)))
def test_money_paid_twice_says_how_much_and_by_which_payouts_now(order: tuple[int, ...]) -> None:
    amounts = {"po_1": "10.00", "po_2": "6.00", "po_3": "3.00"}
    payouts = [
        making.payout(name, amount, settles=[{"order": "ord_1", "amount": amount}], at=f"2026-02-2{place}T07:00:00Z")
        for place, (name, amount) in enumerate(amounts.items(), start=3)
    ]
    telling.told([making.order("ord_1"), *(payouts[place] for place in order)])
    facts = Discrepancy.objects.get(resolved_at=None).facts
    assert (facts["difference"], facts["settled"], facts["payouts"]) == ("9.00", "19.00", ["po_1", "po_2", "po_3"])
    telling.told([making.reversal("po_2", "6.00")])
    facts = Discrepancy.objects.get(resolved_at=None).facts
    assert (facts["difference"], facts["payouts"]) == ("3.00", ["po_1", "po_3"])


def test_a_diagnosis_learns_what_came_later() -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "15.00", orders=["ord_1"])])
    held = Event.objects.get(event_id="evt_po_1")
    assert "nothing_alone" in json.dumps(held.errors)
    telling.told([making.order("ord_2", lines=[making.line("5.00")])])
    held.refresh_from_db()
    assert "ord_2" in json.dumps(held.errors)
    telling.told([making.payout("po_2", "5.00", orders=["ord_2"], at="2026-02-24T07:00:00Z")])
    held.refresh_from_db()
    assert "ord_2" not in json.dumps(held.errors)
