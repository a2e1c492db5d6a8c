"""Chains of balances: what replaces a payout, what is sent at one moment, and what contradicts."""

import random
from typing import Any

import pytest

from documents.models import Discrepancy, Event, EventStatus
from payouts.calculation import chains
from payouts.issuing import balances
from payouts.reconciliation import run
from tests.payouts import arrival, making, telling

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
ORDERS = [making.order("ord_1"), making.order("ord_2"), making.order("ord_3")]


@pytest.fixture(autouse=True)
def issuers(db: None) -> None:
    telling.issuers()


def tell_all(events: list[dict[str, Any]]) -> None:
    telling.told([*ORDERS, *events])


def findings() -> dict[str, int]:
    return run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings


def broken() -> list[dict[str, Any]]:
    return list(Discrepancy.objects.filter(code=balances.CODE, resolved_at=None).values_list("facts", flat=True))


# A debt of 2.00 is left, taken off by the payout that comes back after the next one was sent, and sent again.
RETURNED = [
    making.payout("po_a", "12.00", orders=["ord_1"], closing="-2.00", at="2026-02-09T07:00:00Z"),
    making.payout("po_b", "8.00", orders=["ord_2"], opening="-2.00", at="2026-02-16T07:00:00Z"),
    making.payout("po_c", "10.00", orders=["ord_3"], at="2026-02-23T07:00:00Z"),
    making.reversal("po_b", "8.00", at="2026-02-24T07:00:00Z"),
    making.payout("po_d", "8.00", orders=["ord_2"], opening="-2.00", at="2026-02-25T07:00:00Z", replaces="po_b"),
]


@pytest.mark.parametrize("order", arrival.orders(range(5)))
def test_a_payout_that_replaces_another_has_its_place_in_any_order_of_arrival(order: tuple[int, ...]) -> None:
    tell_all([RETURNED[place] for place in order])
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()
    assert broken() == []
    assert findings() == {}


def test_the_payout_after_one_that_was_replaced_goes_on_from_it() -> None:
    tell_all(RETURNED)
    telling.told(
        [
            making.order("ord_4"),
            making.payout("po_e", "10.00", orders=["ord_4"], at="2026-03-02T07:00:00Z"),
        ]
    )
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()
    assert findings() == {}


@pytest.mark.parametrize(("opening", "closing", "amount"), [("0.00", "0.00", "10.00"), ("-2.00", "1.00", "7.00")])
def test_a_payout_that_replaces_another_with_other_balances_waits_for_a_person(
    opening: str, closing: str, amount: str
) -> None:
    other = making.payout(
        "po_d",
        amount,
        orders=["ord_2"],
        opening=opening,
        closing=closing,
        at="2026-02-25T07:00:00Z",
        replaces="po_b",
    )
    tell_all([*RETURNED[:4], other])
    assert Event.objects.get(event_id="evt_po_d").missing == ["balance:drv_1:aventide-es"]


@pytest.mark.parametrize("order", arrival.orders(range(3)))
def test_payouts_of_one_moment_follow_each_other_by_their_balances_whatever_their_ids(order: tuple[int, ...]) -> None:
    at = "2026-02-23T07:00:00Z"
    events = [
        making.payout("po_z", "12.00", orders=["ord_1"], closing="-2.00", at=at),
        making.payout("po_a", "8.00", orders=["ord_2"], opening="-2.00", at=at),
        making.payout("po_m", "10.00", orders=["ord_3"], at="2026-03-02T07:00:00Z"),
    ]
    tell_all([events[place] for place in order])
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()
    assert broken() == []
    assert findings() == {}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_payouts_that_contradict_each_other_are_the_same_discrepancy_whichever_comes_first(
    order: tuple[int, int],
) -> None:
    events = [
        making.payout("po_1", "12.00", orders=["ord_1"], closing="-2.00", at="2026-02-16T07:00:00Z"),
        making.payout("po_2", "10.00", orders=["ord_2"], at="2026-02-23T07:00:00Z"),
    ]
    tell_all([events[place] for place in order])
    assert broken() == [
        {
            "currency": "EUR",
            "payout": "po_2",
            "payout_before": "po_1",
            "closing_before": "-2.00",
            "opening": "0.00",
            "difference": "2.00",
        }
    ]
    waits = Event.objects.exclude(status=EventStatus.PROCESSED).values_list("event_id", flat=True)
    assert [*waits] == [f"evt_po_{2 - order[0]}"]  # the one that came second
    assert findings() == {"balance_chain_broken": 1}
    assert len(broken()) == 1


# A payout came back before the next one was sent, which opened without it.
ENDED = [
    making.payout("po_a", "12.00", orders=["ord_1"], closing="-2.00", at="2026-02-09T07:00:00Z"),
    making.payout("po_b", "8.00", orders=["ord_2"], opening="-2.00", at="2026-02-16T07:00:00Z"),
    making.reversal("po_b", "8.00", at="2026-02-17T07:00:00Z"),
    making.payout("po_c", "8.00", orders=["ord_3"], opening="-2.00", at="2026-02-23T07:00:00Z"),
]


@pytest.mark.parametrize("kind", ["PAYOUT_RETURNED", "PAYOUT_FAILED"])
@pytest.mark.parametrize("order", arrival.orders(range(4)))
def test_a_payout_that_ended_before_the_next_was_sent_is_issued_in_any_order(kind: str, order: tuple[int, ...]) -> None:
    ended = [*ENDED[:2], ENDED[2] | {"type": kind}, ENDED[3]]
    tell_all([ended[place] for place in order])
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()
    assert broken() == []
    assert findings() == {}


@pytest.mark.parametrize("order", arrival.orders(range(4)))
def test_a_chain_of_balances_is_issued_whole_in_any_order(order: tuple[int, ...]) -> None:
    events = [
        making.payout("po_a", "12.00", orders=["ord_1"], closing="-2.00", at="2026-02-09T07:00:00Z"),
        making.payout("po_b", "11.00", orders=["ord_2"], opening="-2.00", closing="-3.00", at="2026-02-16T07:00:00Z"),
        making.payout("po_c", "7.00", orders=["ord_3"], opening="-3.00", at="2026-02-17T07:00:00Z"),
        making.period_closed("po_d", orders=[], opening="0.00", closing="0.00", at="2026-02-23T07:00:00Z"),
    ]
    tell_all([events[place] for place in order])
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()
    assert broken() == []


def test_what_was_missing_between_two_payouts_resolves_their_discrepancy() -> None:
    first = making.payout("po_1", "12.00", orders=["ord_1"], closing="-2.00", at="2026-02-09T07:00:00Z")
    last = making.payout("po_3", "10.00", orders=["ord_3"], at="2026-02-23T07:00:00Z")
    tell_all([first, last])
    assert len(broken()) == 1
    telling.told([making.payout("po_2", "8.00", orders=["ord_2"], opening="-2.00", at="2026-02-16T07:00:00Z")])
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()
    assert broken() == []


def test_links_follow_each_other_where_their_balances_let_them() -> None:
    at = telling.NOW

    def link(name: str, opening: int, closing: int) -> chains.BalanceLink:
        return chains.BalanceLink(payout=name, place=(at, name), opening_minor=opening, closing_minor=closing)

    loop = [link("a", 0, 0), link("b", 5, 0), link("c", 0, 5)]
    assert [one.payout for one in chains.ordered(links=loop)] == ["a", "c", "b"]
    apart = [link("a", 0, 3), link("b", 7, 7)]
    assert chains.follows(opening_minor=0, links=apart) == []
    assert [item.after.payout for item in chains.breaks(links=apart)] == ["b"]
    assert chains.breaks(links=[link("a", 4, 4)])[0].left_minor == 0


# Of one moment: a debt of 2.00 is left and taken off again, and in the end 3.00 are kept.
AT_ONCE = "2026-02-23T07:00:00Z"
ROUND = [
    making.payout("po_c", "12.00", orders=["ord_1"], closing="-2.00", at=AT_ONCE),
    making.payout("po_b", "8.00", orders=["ord_2"], opening="-2.00", at=AT_ONCE),
    making.payout("po_a", "7.00", orders=["ord_3"], closing="3.00", at=AT_ONCE),
]


@pytest.mark.parametrize("order", arrival.orders(range(4)))
def test_payouts_of_one_moment_are_issued_once_all_are_there_although_none_fits_before(order: tuple[int, ...]) -> None:
    later = making.payout("po_d", "3.00", settles=[], opening="3.00", at="2026-03-02T07:00:00Z")
    events = [*ROUND, later]
    tell_all([events[place] for place in order])
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()
    assert broken() == []
    assert findings() == {}


@pytest.mark.parametrize("seed", range(4))
def test_a_payout_that_fits_nowhere_keeps_none_of_its_moment_waiting(seed: int) -> None:
    stranger = making.payout("po_0", "1.00", settles=[], opening="9.00", closing="8.00", at=AT_ONCE)
    events = [stranger, *ROUND]
    random.Random(seed).shuffle(events)
    tell_all(events)
    waits = Event.objects.exclude(status=EventStatus.PROCESSED).values_list("event_id", flat=True)
    assert [*waits] == ["evt_po_0"]
    assert {"po_0"} <= {name for row in broken() for name in (row["payout"], row["payout_before"])}


@pytest.mark.parametrize("order", arrival.orders(range(3)))
def test_a_longer_round_of_one_moment_is_issued_whole_after_its_end(order: tuple[int, ...]) -> None:
    events = [
        making.payout("po_1", "9.00", orders=["ord_1"], closing="1.00", at=AT_ONCE),
        making.payout("po_2", "9.00", orders=["ord_2"], opening="1.00", closing="2.00", at=AT_ONCE),
        making.payout("po_3", "12.00", orders=["ord_3"], opening="2.00", at=AT_ONCE),
    ]
    end = making.payout("po_0", "2.00", orders=["ord_4"], closing="8.00", at=AT_ONCE)
    tell_all([making.order("ord_4"), end, *(events[place] for place in order)])
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()
    assert broken() == []
    assert findings() == {}
