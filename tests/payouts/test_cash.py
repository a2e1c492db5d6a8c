"""The cash that a payout takes off is what its orders declare, however and whenever both come."""

import json
from typing import Any

import pytest

from documents.alerts import channel, discrepancies
from documents.models import Alert, Discrepancy, Document, Resolution
from payouts.calculation import cash
from payouts.reconciliation import run
from tests.payouts import arrival, making, telling

pytestmark = pytest.mark.django_db
PS = "PAYOUT_STATEMENT:payout"


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _flags(name: str) -> list[str]:
    return telling.document(f"{PS}:{name}:payee").flags


def _open() -> dict[str, tuple[str, str, str]]:
    """Return {statement's payout: what was declared, what was taken off, the difference}."""
    return {
        row.dedup_key.split(":")[3]: (row.facts["declared"], row.facts["collected"], row.facts["difference"])
        for row in Discrepancy.objects.filter(code="cash_differs", resolved_at=None)
    }


def _alerts() -> list[Alert]:
    return list(Alert.objects.filter(code="cash_differs", resolved_at=None))


def _ride(name: str = "ord_1", cash_collected: str | None = "27.20", **more: Any) -> dict[str, Any]:
    """Return an order that leaves 21.88, paid in cash."""
    lines = [
        making.line("22.00", tax="IVA10"),
        making.line("3.00", name="2", kind="TIP"),
        making.line("-4.40", name="3", kind="PLATFORM_FEE", tax="IVA21"),
    ]
    declared = {} if cash_collected is None else {"cash_collected": cash_collected}
    return making.order(name, lines=lines, **declared, **more)


def _reconciled() -> dict[str, int]:
    return run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings


# -- one payout of whole orders --


def test_a_payout_that_forgets_the_cash_is_issued_flagged_and_open_with_both_amounts_and_the_orders() -> None:
    assert telling.told([_ride(), making.payout("po_1", "21.88", orders=["ord_1"])]) == ["processed", "processed"]
    statement = telling.document(f"{PS}:po_1:payee")
    assert statement.flags == ["cash_differs"]
    found = Discrepancy.objects.get()
    assert (found.document, found.facts) == (
        statement,
        {
            "currency": "EUR",
            "declared": "27.20",
            "collected": "0.00",
            "difference": "-27.20",
            "orders": ["ord_1"],
            "payouts": ["po_1"],
        },
    )
    assert _reconciled() == {"cash_differs": 1}
    assert Discrepancy.objects.count() == 1


def test_a_period_closed_with_the_cash_twice_is_seen() -> None:
    closed = making.period_closed("po_1", orders=["ord_1"], closing="-32.52", cash_collected="54.40")
    telling.told([_ride(), closed])
    assert (_flags("po_1"), _open()) == (["cash_differs"], {"po_1": ("27.20", "54.40", "27.20")})


def test_the_right_cash_raises_nothing() -> None:
    closed = making.period_closed("po_1", orders=["ord_1"], closing="-5.32", cash_collected="27.20")
    telling.told([_ride(), closed])
    assert (_flags("po_1"), _open(), _alerts(), _reconciled()) == ([], {}, [], {})


@pytest.mark.parametrize(
    ("declared", "collected", "flags"),
    [
        ([None, None], "4.00", ["cash_undeclared"]),
        ([None, None], "0.00", []),
        (["0.00", None], "4.00", ["cash_differs"]),
        (["4.00", None], "4.00", []),
        (["4", "1.50"], "5.50", []),
        (["4.00", "1.50"], "4.00", ["cash_differs"]),
    ],
)
def test_only_orders_that_declare_cash_are_compared_and_zero_declares(
    declared: list[str | None], collected: str, flags: list[str]
) -> None:
    orders = [_ride(f"ord_{place}", amount) for place, amount in enumerate(declared)]
    amount = 2 * 21_88 - round(float(collected) * 100)
    paid = making.payout("po_1", f"{amount / 100:.2f}", orders=["ord_0", "ord_1"], cash_collected=collected)
    telling.told([*orders, paid])
    assert _flags("po_1") == flags
    assert ([*_open()], len(_alerts())) == ((["po_1"], 1) if flags == ["cash_differs"] else ([], 0))


def test_a_fleets_payout_that_waits_for_its_orders_and_comes_again_is_compared_once() -> None:
    fleet = {"id": "flt_1", "legal_name": "Flota Sur, S.L."}
    paid = making.payout("po_1", "43.76", orders=["ord_1", "ord_2"], payee="flt_1")
    orders = [_ride(beneficiary=fleet), _ride("ord_2", "1.00", beneficiary=fleet)]
    assert telling.told([paid, orders[1], paid, orders[0], *orders, paid])[0] == "parked"
    assert (_flags("po_1"), _open()) == (["cash_differs"], {"po_1": ("28.20", "0.00", "-28.20")})
    assert Discrepancy.objects.count() == 1


# -- by parts, adjustments, returns --


def _parts(name: str, amount: str, *, part: str, at: str, taken: str = "0.00") -> dict[str, Any]:
    settles = [{"order": "ord_1", "amount": part}]
    return making.payout(name, amount, settles=settles, at=at, cash_collected=taken)


@pytest.mark.parametrize("way", arrival.orders(range(3)))
def test_an_order_paid_by_parts_has_its_cash_taken_off_once_by_any_of_them(way: tuple[int, ...]) -> None:
    events = [
        making.order("ord_1", "20.00", cash_collected="6.00"),
        _parts("po_1", "12.00", part="12.00", at="2026-02-23T07:00:00Z"),
        _parts("po_2", "2.00", part="8.00", at="2026-02-24T07:00:00Z", taken="6.00"),
    ]
    telling.told(events[place] for place in way)
    assert (_open(), _reconciled()) == ({}, {})


@pytest.mark.parametrize("way", arrival.orders(range(3)))
def test_parts_that_never_take_the_cash_off_differ_at_the_last_sent_whichever_comes_last(way: tuple[int, ...]) -> None:
    events = [
        making.order("ord_1", "20.00", cash_collected="6.00"),
        _parts("po_1", "12.00", part="12.00", at="2026-02-23T07:00:00Z"),
        _parts("po_2", "8.00", part="8.00", at="2026-02-24T07:00:00Z"),
    ]
    telling.told(events[place] for place in way)
    assert _open() == {"po_2": ("6.00", "0.00", "-6.00")}
    assert "cash_differs" in _flags("po_1") + _flags("po_2")
    assert _reconciled() == {"cash_differs": 1}


def test_a_part_takes_off_no_more_than_the_order_declares() -> None:
    telling.told(
        [
            making.order("ord_1", "20.00", cash_collected="6.00"),
            _parts("po_1", "5.99", part="12.00", at="2026-02-23T07:00:00Z", taken="6.01"),
        ]
    )
    assert _open() == {"po_1": ("6.00", "6.01", "0.01")}


def test_the_cash_goes_with_the_order_and_not_with_its_adjustment() -> None:
    telling.told(
        [
            making.order("ord_1", "20.00", cash_collected="6.00"),
            making.payout("po_1", "14.00", orders=["ord_1"], cash_collected="6.00"),
            making.adjustment("adj_1", "ord_1", "9.00", at="2026-02-23T10:00:00Z"),
            making.payout(
                "po_2",
                "3.00",
                settles=[{"adjustment": "adj_1", "amount": "9.00"}],
                cash_collected="6.00",
                at="2026-02-24T07:00:00Z",
            ),
        ]
    )
    assert (_flags("po_1"), _flags("po_2")) == ([], ["cash_differs"])
    assert _open() == {"po_2": ("0.00", "6.00", "6.00")}


def test_an_order_with_its_adjustment_is_compared_like_the_order_alone() -> None:
    telling.told(
        [
            making.order("ord_1", "20.00", cash_collected="6.00"),
            making.adjustment("adj_1", "ord_1", "2.00"),
            making.payout("po_1", "16.00", orders=["ord_1"], cash_collected="6.00"),
        ]
    )
    assert (_flags("po_1"), _open()) == ([], {})


@pytest.mark.parametrize("way", arrival.orders(range(3)))
def test_money_that_came_back_no_longer_differs_and_its_second_try_is_compared_alone(way: tuple[int, ...]) -> None:
    events = [
        making.payout("po_1", "20.00", orders=["ord_1"]),
        making.reversal("po_1", "20.00"),
        making.payout("po_2", "14.00", orders=["ord_1"], at="2026-02-25T07:00:00Z", cash_collected="6.00"),
    ]
    telling.told([making.order("ord_1", "20.00", cash_collected="6.00"), *(events[place] for place in way)])
    assert (_open(), _alerts(), _reconciled()) == ({}, [], {})
    assert {*Discrepancy.objects.filter(code="cash_differs").values_list("resolution", flat=True)} <= {
        Resolution.CASH_AGREES
    }


# -- the alert, reconciliation, the door --


def test_an_issuer_has_one_alert_a_day_that_lists_its_payouts_and_ends_with_the_last_of_them() -> None:
    for number in (1, 2):
        driver = f"drv_{number}"
        order = making.order(f"ord_{number}", driver=driver, cash_collected="4.00")
        telling.told([order, making.payout(f"po_{number}", "10.00", orders=[f"ord_{number}"], payee=driver)])
    (alert,) = _alerts()
    numbers = [telling.document(f"{PS}:po_{number}:payee").number for number in (1, 2)]
    assert (alert.severity, alert.values["count"], alert.values["documents"]) == ("P2", 2, numbers)
    assert alert.runbook == "docs/runbooks/discrepancies.md#cash_differs"
    assert ", ".join(numbers) in channel.sentence(alert=alert, language="es")
    telling.told([making.reversal("po_1", "10.00")])
    (alert,) = _alerts()
    assert alert.values["documents"] == numbers[1:]
    telling.told([making.reversal("po_2", "10.00", payee="drv_2")])
    assert _alerts() == []


def test_reconciliation_opens_again_what_still_differs() -> None:
    telling.told([making.order("ord_1", cash_collected="4.00"), making.payout("po_1", "10.00", orders=["ord_1"])])
    key, resolution = Discrepancy.objects.get().dedup_key, Resolution.NO_DIFFERENCE
    discrepancies.resolve(dedup_key=key, resolution=resolution, actor=telling.ACTOR, now=telling.NOW)
    assert _alerts() == []
    assert _reconciled() == {"cash_differs": 1}
    assert _open() == {"po_1": ("4.00", "0.00", "-4.00")}


@pytest.mark.parametrize("event", [making.order("ord_1"), making.payout("po_1", "1.00"), "closed"])
def test_cash_below_zero_is_refused_with_its_place(event: Any) -> None:
    event = making.period_closed("po_1", orders=[]) if event == "closed" else json.loads(json.dumps(event))
    event["data"]["cash_collected"] = "-0.01"
    problem = telling.tell(event).problem
    assert problem is not None
    assert (problem.status, [fault.pointer for fault in problem.errors]) == (400, ["/data/cash_collected"])
    assert not Document.objects.exists()


def test_payouts_are_compared_together_only_where_they_share_an_orders_cash() -> None:
    def part(payout: int, statement: int, own: int | None, declared: int | None) -> cash.CashPart:
        return cash.CashPart(
            payout=payout,
            statement=statement,
            order=f"ord_{statement}",
            net_minor=100,
            own_minor=own,
            declared_minor=declared,
        )

    parts = [part(1, 7, 50, 10), part(2, 7, 50, 10), part(2, 8, 50, 0), part(3, 8, 50, 0), part(4, 9, 100, None)]
    compared = cash.compare(collected={1: 0, 2: 9, 3: 0, 4: 5}, parts=parts)
    assert [(row.payouts, row.declared_minor, row.collected_minor, row.differs) for row in compared] == [
        ((1, 2), 10, 9, True),
        ((3,), 0, 0, False),
        ((4,), None, 5, False),
    ]
