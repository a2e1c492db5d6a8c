"""A person's money, level by level: a week, its days, their trips, the changes of each, and its lines. Pure.

Each document about an order is one dated change of its trip: the statement, an adjustment's, a credit note, which takes
away. A trip that changes later has a place on each of those days, and each level is the sum of the one below it: of
lines the change, of changes the trip, of trips the day, of days the week. What a document leaves is its own total, so
the sums are those of its PDF, of the API and of the event.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from documents import money
from payouts.calculation import amounts, breakdown
from payouts.calculation.breakdown import ExplanationRow
from payouts.calculation.totals import BrokenSum

WEEK_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class TripLine:
    """One line of a change: what it is, in minor units; `supply` is "platform" for what the platform charges."""

    row: ExplanationRow
    description: str = ""
    supply: amounts.Supply = "service"
    legal_ref: str = ""

    @property
    def amount_minor(self) -> int:
        """Return what the line adds, or takes away."""
        return self.row.amount_minor


@dataclass(frozen=True, kw_only=True)
class TripChange:
    """What one document changes of what a trip leaves, on the local day of its operation."""

    document: str  # its public id
    trip: str
    date: dt.date
    net_minor: int
    pending_minor: int = 0  # of it, what no payout in effect pays
    cash_minor: int = 0  # declared cash that no payout has counted yet


@dataclass(frozen=True, kw_only=True)
class Trip:
    """The changes of one trip, of one day or of its whole life, in the order in which they were issued."""

    trip: str
    changes: tuple[TripChange, ...]

    @property
    def net_minor(self) -> int:
        """Return what the changes come to."""
        return sum(change.net_minor for change in self.changes)

    @property
    def pending_minor(self) -> int:
        """Return what of it is not paid."""
        return sum(change.pending_minor for change in self.changes)


@dataclass(frozen=True, kw_only=True)
class EarningsDay:
    """The trips that happened or changed on a day."""

    date: dt.date
    trips: tuple[Trip, ...]

    @property
    def net_minor(self) -> int:
        """Return what the trips come to."""
        return sum(trip.net_minor for trip in self.trips)


@dataclass(frozen=True, kw_only=True)
class EarningsWeek:
    """The days of a week, from Monday on, on which something happened."""

    monday: dt.date
    days: tuple[EarningsDay, ...]

    @property
    def net_minor(self) -> int:
        """Return what the days come to."""
        return sum(day.net_minor for day in self.days)

    @property
    def pending_minor(self) -> int:
        """Return what of it is not paid."""
        return sum(trip.pending_minor for day in self.days for trip in day.trips)


@dataclass(frozen=True, kw_only=True)
class ReturnedPayout:
    """A payout whose money came back and has not been sent again, in minor units."""

    amount_minor: int
    included_minor: int
    opening_minor: int
    closing_minor: int

    @property
    def besides_minor(self) -> int:
        """Return what it held besides what it settles: its adjustments, less its withholdings and the cash."""
        return self.amount_minor - self.included_minor - self.opening_minor + self.closing_minor


@dataclass(frozen=True, kw_only=True)
class MoneyAccount:
    """What is owed to a person by one issuer in one currency; below zero, what the person owes.

    `carried_minor` is the balance that the last payout in effect left, in the person's favour when positive.
    """

    pending_minor: int
    carried_minor: int = 0
    cash_minor: int = 0
    returned: tuple[ReturnedPayout, ...] = ()

    @property
    def owed_minor(self) -> int:
        """Return what a payout of everything would transfer now."""
        besides = sum(payout.besides_minor for payout in self.returned)
        return self.pending_minor + self.carried_minor - self.cash_minor + besides


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """Tax that was withheld by one law, in minor units."""

    name: str
    legal_ref: str
    amount_minor: int


@dataclass(frozen=True, kw_only=True)
class EarningsSummary:
    """What lines come to in a month or a year: a summary of documents, and no document itself.

    gross + tax charged + fees + tax borne - withheld is what the documents leave.
    """

    gross_minor: int
    tax_charged_minor: int
    fees_minor: int
    tax_borne_minor: int
    withheld: tuple[Withheld, ...]

    @property
    def withheld_minor(self) -> int:
        """Return what was withheld by all laws."""
        return sum(item.amount_minor for item in self.withheld)

    @property
    def net_minor(self) -> int:
        """Return what is left."""
        taxed = self.gross_minor + self.tax_charged_minor + self.fees_minor + self.tax_borne_minor
        return taxed - self.withheld_minor


def monday(*, date: dt.date) -> dt.date:
    """Return the Monday of a day's week."""
    return date - dt.timedelta(days=date.weekday())


def week(*, changes: Iterable[TripChange], monday: dt.date) -> EarningsWeek:
    """Return a week of the changes that fall into it."""
    last = monday + dt.timedelta(days=WEEK_DAYS - 1)
    by_date: dict[dt.date, list[TripChange]] = {}
    for change in changes:
        if monday <= change.date <= last:
            by_date.setdefault(change.date, []).append(change)
    days = tuple(EarningsDay(date=date, trips=trips(changes=by_date[date])) for date in sorted(by_date))
    return EarningsWeek(monday=monday, days=days)


def trips(*, changes: Iterable[TripChange]) -> tuple[Trip, ...]:
    """Return the trips of changes, in the order of the first change of each."""
    by_trip: dict[str, list[TripChange]] = {}
    for change in changes:
        by_trip.setdefault(change.trip, []).append(change)
    return tuple(Trip(trip=name, changes=tuple(own)) for name, own in by_trip.items())


def lines(*, content: Mapping[str, Any], trip: str, net_minor: int, digits: int) -> tuple[TripLine, ...]:
    """Return the lines of a change's frozen document: they add up to what it leaves.

    :raises BrokenSum: they do not, which is a defect of ours
    """
    rows = breakdown.frozen(content=content, order=trip, digits=digits)
    described = tuple(_described(rows=rows, lines=content["lines"], withholdings=content.get("withholdings", ())))
    if sum(line.amount_minor for line in described) != net_minor:
        raise BrokenSum("the lines of a document add up to what it leaves")
    return described


def payout_lines(*, content: Mapping[str, Any], digits: int) -> tuple[TripLine, ...]:
    """Return what a payout's frozen statement adds to what it settles: its adjustments with tax, its withholdings."""
    adjustments = content.get("adjustments", ())
    own = amounts.read_lines(lines=adjustments, digits=digits)
    totals = content["totals"]
    rows = breakdown.statement(
        order="",
        lines=own,
        groups=amounts.read_groups(groups=content.get("tax_groups", ()), lines=own, digits=digits),
        prices=content.get("prices", "net"),
        withholdings=amounts.read_withholdings(withholdings=content.get("withholdings", ()), digits=digits),
        total_minor=money.minor(totals["adjustments"], digits) - money.minor(totals["withheld"], digits),
    )
    return tuple(_described(rows=rows, lines=adjustments, withholdings=content.get("withholdings", ())))


def _described(
    *, rows: Sequence[ExplanationRow], lines: Sequence[Mapping[str, Any]], withholdings: Sequence[Mapping[str, str]]
) -> Iterator[TripLine]:
    """Yield rows with what their document says of them in words; a tax has the words of its line."""
    by_id = {line["id"]: line for line in lines}
    laws = iter(withholdings)
    for row in rows:
        if row.rule == "withholding":
            yield TripLine(row=row, description=row.name, legal_ref=next(laws)["legal_ref"])
            continue
        line = by_id[row.line]
        yield TripLine(row=row, description=line.get("description", ""), supply=amounts.supply_of(line=line))


def summary(*, lines: Iterable[TripLine]) -> EarningsSummary:
    """Return what lines come to, by what they are."""
    sums = dict.fromkeys(("gross_minor", "tax_charged_minor", "fees_minor", "tax_borne_minor"), 0)
    laws: dict[tuple[str, str], int] = {}
    for line in lines:
        if line.row.rule == "withholding":
            law = line.row.name, line.legal_ref
            laws[law] = laws.get(law, 0) - line.amount_minor
        else:
            sums[_word(line)] += line.amount_minor
    withheld = tuple(Withheld(name=name, legal_ref=ref, amount_minor=laws[name, ref]) for name, ref in sorted(laws))
    return EarningsSummary(**sums, withheld=withheld)


def added(*, summaries: Iterable[EarningsSummary]) -> EarningsSummary:
    """Return summaries as one, of the months of a year."""
    sums = dict.fromkeys((field.name for field in dataclasses.fields(EarningsSummary) if field.name != "withheld"), 0)
    laws: dict[tuple[str, str], int] = {}
    for part in summaries:
        for name in sums:
            sums[name] += getattr(part, name)
        for item in part.withheld:
            law = item.name, item.legal_ref
            laws[law] = laws.get(law, 0) + item.amount_minor
    withheld = tuple(Withheld(name=name, legal_ref=ref, amount_minor=laws[name, ref]) for name, ref in sorted(laws))
    return EarningsSummary(**sums, withheld=withheld)


def _word(line: TripLine) -> str:
    """Return to which sum of a summary a line belongs."""
    if line.row.rule == "tax":
        return "tax_borne_minor" if line.supply == "platform" else "tax_charged_minor"
    return "fees_minor" if line.supply == "platform" else "gross_minor"
