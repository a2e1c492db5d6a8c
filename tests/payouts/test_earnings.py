"""A person's money, level by level: each sum is that of the level below, of the PDF's content and of the event."""

import datetime as dt
import json
from typing import Any

import pytest

from documents import money
from documents.models import Document, Party
from payouts.accounts import balances, changes, summaries
from payouts.calculation import earnings
from payouts.calculation.earnings import MoneyAccount, TripChange
from payouts.calculation.totals import BrokenSum
from tests.payouts import making, telling

FIRST, LAST = dt.date(2026, 1, 1), dt.date(2026, 12, 31)
MONDAY = dt.date(2026, 2, 16)


@pytest.fixture(autouse=True)
def _issuers(db: None) -> None:
    telling.issuers()


def of(name: str) -> list[int]:
    return [Party.objects.get(platform_id=name).pk]


def account(name: str) -> MoneyAccount:
    accounts = balances.accounts(parties=of(name))
    return next(iter(accounts.values()), MoneyAccount(pending_minor=0))


def owed(name: str) -> int:
    return account(name).owed_minor


def week(name: str, *, monday: dt.date = MONDAY) -> earnings.EarningsWeek:
    read = changes.of_days(parties=of(name), first=monday, last=monday + dt.timedelta(days=6))
    return earnings.week(changes=next(iter(read.values()), []), monday=monday)


def assert_each_level_is_the_sum_of_the_one_below(name: str) -> int:
    """Return what all weeks come to, after adding up every level to the lines and the frozen totals."""
    total = 0
    for currency, read in changes.of_days(parties=of(name), first=FIRST, last=LAST).items():
        digits = money.digits(currency)
        for monday in sorted({earnings.monday(date=change.date) for change in read}):
            week = earnings.week(changes=read, monday=monday)
            by_hand = 0
            for change in (each for day in week.days for trip in day.trips for each in trip.changes):
                document = Document.objects.get(public_id=change.document)
                content = json.loads(document.content)
                word = "payable" if "payable" in content["totals"] else "gross"
                stated = money.minor(content["totals"][word], digits) * (1 if word == "payable" else -1)
                lines = earnings.lines(content=content, trip=change.trip, net_minor=change.net_minor, digits=digits)
                assert sum(line.amount_minor for line in lines) == change.net_minor == stated
                by_hand += stated
            assert week.net_minor == by_hand
            total += by_hand
        assert total == sum(change.net_minor for change in read)
    return total


def test_the_sample_week_is_told_to_the_cent_and_what_came_back_is_owed_again() -> None:
    *sent, returned = telling.sample("mx_week")
    telling.told(sent[:2])
    assert [(day.date.day, day.net_minor) for day in week("drv_MX42").days] == [(17, 43500), (18, 26100)]
    assert (week("drv_MX42").net_minor, week("drv_MX42").pending_minor) == (69600, 69600)
    assert owed("drv_MX42") == 69600
    telling.told(sent[2:])
    assert (week("drv_MX42").net_minor, week("drv_MX42").pending_minor) == (69600, 0)
    assert balances.accounts(parties=of("drv_MX42")) == {}
    telling.told([returned])
    assert week("drv_MX42").pending_minor == 69600
    # 50.00 of bonus, less 16.80 and 64.00 withheld and 100.00 of cash, stood in the payout and in no order.
    assert account("drv_MX42").returned[0].besides_minor == 5000 - 1680 - 6400 - 10000
    assert owed("drv_MX42") == 56520
    assert [row.payout_id for row in balances.to_be_sent_again(parties=of("drv_MX42"))] == ["po_5TQ8"]
    assert assert_each_level_is_the_sum_of_the_one_below("drv_MX42") == 69600


@pytest.mark.parametrize(
    ("name", "party", "net"),
    [("es_ride", "drv_77A1", 2188), ("co_food", "drv_CO7", 700000), ("co_food", "ptn_andes", 2105000)],
)
def test_drivers_and_partners_of_the_samples_have_what_their_documents_say(name: str, party: str, net: int) -> None:
    telling.told(telling.sample(name))
    assert assert_each_level_is_the_sum_of_the_one_below(party) == net


def taxed(name: str, **more: Any) -> making.EventJson:
    lines = [
        making.line("10.00", tax="IVA10"),
        making.line("-2.00", name="2", kind="PLATFORM_FEE", tax="IVA21"),
    ]
    return making.order(name, lines=lines, **more)


def test_what_changes_a_trip_later_has_a_day_of_its_own() -> None:
    telling.told([taxed("ord_1"), making.adjustment("adj_1", "ord_1", at="2026-02-25T10:00:00Z")])
    assert (week("drv_1").net_minor, week("drv_1", monday=dt.date(2026, 2, 23)).net_minor) == (858, 200)
    rows = changes.of_trip(parties=of("drv_1"), trip="ord_1")
    [trip] = earnings.trips(changes=changes.read(rows=rows)["EUR"])
    assert ([change.date.day for change in trip.changes], trip.net_minor) == ([17, 25], 1058)
    assert assert_each_level_is_the_sum_of_the_one_below("drv_1") == 1058


def test_an_order_that_becomes_somebody_elses_leaves_the_first_nothing() -> None:
    telling.told([taxed("ord_1"), making.adjustment("adj_1", "ord_1"), making.reassignment("rea_1", "ord_1")])
    assert assert_each_level_is_the_sum_of_the_one_below("drv_1") == 0
    assert assert_each_level_is_the_sum_of_the_one_below("drv_2") == 1058
    assert (owed("drv_1"), owed("drv_2")) == (0, 1058)
    for driver, count in (("drv_1", 4), ("drv_2", 2)):
        rows = changes.of_trip(parties=of(driver), trip="ord_1")
        assert {trip.trip for trip in earnings.trips(changes=changes.read(rows=rows)["EUR"])} == {"ord_1"}
        assert rows.count() == count


def test_a_canceled_order_that_was_paid_is_owed_by_who_was_paid() -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "10.00", orders=["ord_1"])])
    assert owed("drv_1") == 0
    telling.told([making.order_canceled("ord_1")])
    assert assert_each_level_is_the_sum_of_the_one_below("drv_1") == 0
    assert owed("drv_1") == -1000


def test_a_balance_that_is_carried_on_is_owed_once() -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "7.00", orders=["ord_1"], closing="3.00")])
    assert (account("drv_1").pending_minor, owed("drv_1")) == (0, 300)
    later = {"at": "2026-02-24T10:00:00Z"}
    telling.told([making.order("ord_2", "-4.00", **later)])
    assert owed("drv_1") == -100
    telling.told(
        [making.period_closed("po_2", orders=["ord_2"], opening="3.00", closing="-1.00", at="2026-03-01T07:00:00Z")]
    )
    assert (account("drv_1").pending_minor, account("drv_1").carried_minor, owed("drv_1")) == (0, -100, -100)


def test_an_order_that_is_paid_in_parts_is_owed_for_the_rest_and_cash_is_had_already() -> None:
    part = making.payout("po_1", "4.00", settles=[{"order": "ord_1", "amount": "4.00"}])
    telling.told([making.order("ord_1"), part])
    assert (week("drv_1").pending_minor, owed("drv_1")) == (600, 600)
    telling.told([making.order("ord_2", cash_collected="7.00")])
    assert (account("drv_1").cash_minor, owed("drv_1")) == (700, 600 + 1000 - 700)


def test_a_payout_that_was_sent_again_is_owed_no_more() -> None:
    telling.told(
        [
            making.order("ord_1"),
            making.payout("po_1", "12.00", orders=["ord_1"], adjustments=[making.line("2.00", kind="BONUS")]),
            making.reversal("po_1", "12.00"),
        ]
    )
    assert owed("drv_1") == 1200
    again: dict[str, Any] = {
        "at": "2026-02-25T07:00:00Z",
        "adjustments": [making.line("2.00", kind="BONUS")],
        "replaces": "po_1",
    }
    telling.told([making.payout("po_2", "12.00", orders=["ord_1"], **again)])
    assert balances.accounts(parties=of("drv_1")) == {}
    assert not balances.to_be_sent_again(parties=of("drv_1")).exists()


def test_a_year_is_the_sum_of_its_months_and_names_each_law() -> None:
    *sent, _returned = telling.sample("mx_week")
    telling.told(sent)
    [(key, year)] = summaries.of_period(parties=of("drv_MX42"), first=FIRST, last=LAST).items()
    assert key.currency == "MXN"
    assert (year.gross_minor, year.tax_charged_minor) == (80000 + 5000, 12800)
    assert (year.fees_minor, year.tax_borne_minor) == (-20000, -3200)
    assert [(law.name, law.legal_ref, law.amount_minor) for law in year.withheld] == [
        ("ISR", "LISR art. 113-A", 1680),
        ("IVA", "LIVA art. 18-J", 6400),
    ]
    assert year.net_minor == 56520 + 10000  # the cash is no tax and no fee
    months = [
        summaries.of_period(parties=of("drv_MX42"), first=dt.date(2026, month, 1), last=dt.date(2026, month, 28)).get(
            key
        )
        for month in (1, 2)
    ]
    assert earnings.added(summaries=[month for month in months if month]) == year


def test_a_payout_that_came_back_withheld_nothing() -> None:
    telling.told(telling.sample("mx_week"))
    [year] = summaries.of_period(parties=of("drv_MX42"), first=FIRST, last=LAST).values()
    assert (year.gross_minor, year.withheld, year.net_minor) == (80000, (), 69600)


def test_lines_that_do_not_add_up_are_never_shown() -> None:
    telling.told([making.order("ord_1")])
    content = json.loads(telling.document("ORDER_FINAL_STATEMENT:order:ord_1:beneficiary").content)
    with pytest.raises(BrokenSum):
        earnings.lines(content=content, trip="ord_1", net_minor=999, digits=2)


def test_a_week_is_of_seven_days_from_monday_on() -> None:
    days = [dt.date(2026, 2, 15), MONDAY, dt.date(2026, 2, 22), dt.date(2026, 2, 23)]
    made = [TripChange(document=str(day), trip="ord_1", date=day, net_minor=1) for day in days]
    assert [day.date for day in earnings.week(changes=made, monday=MONDAY).days] == days[1:3]
    assert {earnings.monday(date=day) for day in days[1:3]} == {MONDAY}
