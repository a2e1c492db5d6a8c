"""A month of one country as a marketplace lives it, drawn from a seed, with its own arithmetic of who is owed what.

200 drivers in 20 fleets: every other fleet is paid for its drivers, the drivers of the rest are paid themselves;
restaurants are paid for their part. Payouts go out every Monday; some orders are paid at once, in part, or before they
end. Orders change hands and are canceled, money comes back, is sent again, and balances are carried. Everything closes,
but for the mistakes of the sender that the month itself names: `planted`.
"""

import dataclasses
import datetime as dt
import random
from collections.abc import Iterator
from typing import Any

from tests.payouts import account, losing, making, planting
from tests.payouts.account import CHARGED, HOUR, SOLD, START, WEEK, WEEKS, Due, Land, OrderRow
from tests.payouts.making import EventJson

NOW = START + dt.timedelta(days=45)
SHARES = {
    "refunded": 0.02,
    "refund failed": 0.3,
    "disputed": 0.01,
    "canceled": 0.01,
    "reassigned": 0.02,
    "order canceled": 0.02,
    "canceled before": 0.005,
    "forgotten": 0.3,
    "payout canceled": 0.005,
    "fee": 0.4,
    "less": 0.5,
    "adjusted": 0.03,
    "returned": 0.01,
    "failed": 0.01,
    "gross": 0.1,
    "cash": 0.12,
    "food": 0.1,
    "tip": 0.25,
    "withheld": 0.3,
    "instant": 0.03,
    "in advance": 0.01,
    "bonus": 0.05,
    "reserve": 0.1,
    "repeated": 0.1,
    "under another id": 0.25,
}
UNDOING = ("refund failed", "disputed", "canceled")
RARE = (
    "refunded",
    "disputed",
    "canceled",
    "adjusted",
    "reassigned",
    "order canceled",
    "canceled before",
    "returned",
    "failed",
    "payout canceled",
    "instant",
    "in advance",
)
Planted = tuple[str, str]  # a discrepancy's code and key
ADJUSTED: tuple[list[OrderRow], ...] = (
    [("TIP", 250, None)],
    [("FARE", 333, SOLD)],
    [("FARE", -777, SOLD), ("PLATFORM_FEE", 155, CHARGED)],
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Size:
    """`often` makes what is rare so many times as frequent, for a small month."""

    drivers: int
    fleets: int
    orders: int
    often: int = 1


@dataclasses.dataclass(kw_only=True)
class Month:
    """`events` in the order in which they happened, `undone` what became of payments and refunds later.

    `keys` are the documents that must come of them, once; of each of `either`, all or none, as the events arrive.
    `planted` are the differences, with their amounts; `waiting` the events that wait for ever, `ignored` those of
    orders that were canceled before.
    """

    seed: int
    size: Size
    land: Land
    events: list[EventJson] = dataclasses.field(default_factory=list)
    undone: list[EventJson] = dataclasses.field(default_factory=list)
    keys: set[str] = dataclasses.field(default_factory=set)
    due: dict[str, list[account.Due]] = dataclasses.field(default_factory=dict)
    balances: dict[str, int] = dataclasses.field(default_factory=dict)
    figures: dict[str, int] = dataclasses.field(default_factory=dict)
    either: list[set[str]] = dataclasses.field(default_factory=list)
    planted: dict[Planted, int] = dataclasses.field(default_factory=dict)
    waiting: set[str] = dataclasses.field(default_factory=set)
    ignored: set[str] = dataclasses.field(default_factory=set)

    def __post_init__(self) -> None:
        """Live the month."""
        self.dice = random.Random(f"{self.seed} {self.land.country}")
        self.undoing = random.Random(
            f"undoing {self.seed} {self.land.country}"
        )  # its own, so that all else of a seed stays as it is
        self.figures = dict.fromkeys(
            (
                "earned",
                "paid",
                "adjustments",
                "withheld",
                "cash_collected",
                "payouts",
                "returned",
                "overpaid",
                "forgotten",
            ),
            0,
        )
        drivers = [self.name("drv", n) for n in range(self.size.drivers) if n % self.size.fleets % 2 == 0]
        self.payees = [*drivers, *(self.name("flt", n) for n in range(1, self.size.fleets, 2))]
        for number in range(self.size.orders):
            self._order(number)
        planting.plant(month=self)
        for payee in sorted(self.due.keys() - self.balances.keys()):
            account.Account(month=self, payee=payee).live()
        losing.plant_forgotten(month=self)

    def told(self, *, arrival: int) -> Iterator[EventJson]:
        """Everything in no order at all, a tenth of it twice, some of that under another event id."""
        dice, told = random.Random(f"{self.seed} {self.land.country} {arrival}"), [*self.events, *self.undone]
        for number, event in enumerate(self.events):
            if dice.random() < SHARES["repeated"]:
                again = event | {"id": f"{event['id']}_again{number}"}
                told.append(again if dice.random() < SHARES["under another id"] else event)
        dice.shuffle(told)
        yield from told

    def happens(self, what: str) -> bool:
        dice = self.undoing if what in UNDOING else self.dice
        return dice.random() < SHARES[what] * (self.size.often if what in RARE else 1)

    def moment(self, begins: dt.datetime, within: dt.timedelta) -> dt.datetime:
        return begins + dt.timedelta(seconds=self.dice.randrange(int(within.total_seconds())))

    def tell(self, event: EventJson, *keys: str) -> None:
        self.events.append(self._here(event))
        self.keys.update(keys)

    def undo(self, event: EventJson, *keys: str) -> None:
        self.undone.append(self._here(event))
        self.keys.update(keys)

    def _here(self, event: EventJson) -> EventJson:
        """An event of this country and its money."""
        data = event["data"] | {"currency": self.land.currency}
        return event | {"country": self.land.country, "issuer": self.land.issuer, "data": data}

    def count(self, **figures: int) -> None:
        for word, minor in figures.items():
            self.figures[word] += minor

    def plant(self, code: str, key: str, minor: int) -> None:
        """A difference that must be found, of so much."""
        self.planted[code, f"{code}:{key}"] = minor

    def name(self, prefix: str, number: object) -> str:
        return f"{prefix}_{self.land.country}{number}"

    def _order(self, number: int) -> None:
        name, driver = self.name("ord", number), number % self.size.drivers
        at = self.moment(START, WEEKS * WEEK - 20 * HOUR)
        fleet = driver % self.size.fleets
        payee = self.name("flt", fleet) if fleet % 2 else self.name("drv", driver)
        prices = "gross" if self.happens("gross") else "net"
        lines, net = self._lines(prices)
        more: EventJson = {"prices": prices, "totals": {}}
        facts: EventJson = {"word": "order", "name": name, "order": name, "at": at}
        owed: losing.Owed = []
        if fleet % 2:
            more["beneficiary"] = {"id": payee, "legal_name": losing.legal_name(payee)}
        elif self.happens("withheld"):
            base = self.dice.randrange(500, 3000)
            held = account.share(base, 70)
            more["withholdings"] = [self.land.withholding("0.07", base, held)]
            net -= held
        cash = self.dice.randrange(500, 4000) if self.happens("cash") else 0
        if cash:
            more["cash_collected"] = self.land.money(cash)
        if self.happens("food"):
            restaurant = self.name("ptn", number % 7)
            items, part = self._lines(prices, party="partner", first=10)
            lines += items
            more["partner"] = {"id": restaurant, "legal_name": f"Restaurante {number % 7}"}
            more["totals"]["partner_payable"] = self.land.money(part)
            owed.append((restaurant, self.owe(restaurant, net=part, audience="partner", **facts)))
        more["totals"]["payable"] = self.land.money(net)
        owed.append((payee, self.owe(payee, net=net, cash=cash, **facts)))
        self.tell(making.order(name, driver=self.name("drv", driver), at=account.text(at), lines=lines, **more))
        if self.happens("adjusted"):
            owed += self._adjust(order=name, payee=payee, partner=more.get("partner"), at=at)
        losing.change(month=self, order=name, owed=owed, at=at)
        self._payment(name=name, at=at)

    def _lines(self, prices: str, *, party: str | None = None, first: int = 1) -> tuple[list[dict[str, str]], int]:
        """Lines of one side of an order, and what they leave it."""
        fares = [self.dice.randrange(300, 4000) for _ in range(self.dice.choice((1, 1, 2)))]
        fee, tip = -(sum(fares) * self.dice.randrange(15, 25) // 100), self.dice.randrange(50, 500)
        rows: list[OrderRow] = [*(("FARE", fare, SOLD) for fare in fares), ("PLATFORM_FEE", fee, CHARGED)]
        rows += [("TIP", tip, None)] if self.happens("tip") else []
        rows += [("PROMOTION", -105, SOLD)] if self.dice.random() < 0.1 else []
        rows += [("FARE", self.dice.randrange(100, 900), CHARGED)] if self.dice.random() < 0.05 else []
        net = self.land.net(rows) if prices == "net" else sum(amount for _, amount, _ in rows)
        more = {"party": party} if party else {}
        return [
            self.land.line(amount, name=str(first + place), kind=kind, tax=tax, **more)
            for place, (kind, amount, tax) in enumerate(rows)
        ], net

    def _adjust(self, *, order: str, payee: str, partner: EventJson | None, at: dt.datetime) -> losing.Owed:
        owed: losing.Owed = []
        for number in range(self.dice.choice((1, 1, 1, 2))):
            name, made_at = f"adj_{order}_{number}", self.moment(at + HOUR, dt.timedelta(days=9))
            facts: EventJson = {"word": "adjustment", "name": name, "order": order, "at": made_at}
            rows = self.dice.choice(ADJUSTED)
            lines = [
                self.land.line(cents, name=str(n), kind=kind, tax=tax) for n, (kind, cents, tax) in enumerate(rows)
            ]
            net = self.land.net(rows)
            owed.append((payee, self.owe(payee, net=net, **facts)))
            if partner and self.dice.random() < 0.5:
                lines.append(self.land.line(-150, name="p", kind="ITEM", party="partner"))
                owed.append((partner["id"], self.owe(partner["id"], net=-150, audience="partner", **facts)))
            totals = {"payable": self.land.money(net)}
            self.tell(making.adjustment(name, order, at=account.text(made_at), lines=lines, totals=totals))
        return owed

    def owe(self, payee: str, *, audience: str = "beneficiary", key: str = "", **facts: Any) -> Due:
        """Somebody is owed one statement's net."""
        suffix = f":{facts['name']}" if facts["word"] == "adjustment" else ""
        key = key or f"ORDER_FINAL_STATEMENT:order:{facts['order']}:{audience}{suffix}"
        self.keys.add(key)
        self.due.setdefault(payee, []).append(Due(key=key, left=facts["net"], **facts))
        self.figures["earned"] += facts["net"]
        return self.due[payee][-1]

    def _payment(self, *, name: str, at: dt.datetime) -> None:
        fare = self.dice.randrange(300, 9000)
        gross = fare + account.share(fare, self.land.sold[1])
        lines = [self.land.line(fare, tax=SOLD)]
        event = making.payment(f"pay_{name}", self.land.money(gross), lines)
        event["data"]["payment"]["captured_at"] = event["occurred_at"] = account.text(at)
        event["data"]["order"]["id"] = name
        self.tell(event, f"PAYMENT_RECEIPT:payment:pay_{name}:customer")
        if self.happens("refunded"):
            self._refund(name=name, fare=fare, at=at)
        elif self.happens("disputed"):
            amount, lost_at = self.land.money(100), account.text(at + WEEK)
            dispute = making.dispute(f"dp_{name}", f"pay_{name}", amount, at=lost_at)
            self.undo(dispute, f"CREDIT_NOTE:dispute:dp_{name}:customer")
        elif self.happens("canceled"):
            canceled = making.cancellation(f"pay_{name}", at=account.text(at + HOUR))
            self.undo(canceled, f"CREDIT_NOTE:payment:pay_{name}:customer:canceled")

    def _refund(self, *, name: str, fare: int, at: dt.datetime) -> None:
        """Give a payment back, in one or two parts; some do not arrive, and are given back once more, or twice."""
        parts = self.dice.choice(([fare], [fare // 3], [fare // 3, fare - fare // 3]))
        for number, part in enumerate(parts):
            refund, lines = f"rf_{name}_{number}", [self.land.line(part, tax=SOLD)]
            given = making.refund(refund, f"pay_{name}", lines)
            given["occurred_at"] = account.text(at + dt.timedelta(days=number + 1))
            self.tell(given, f"CREDIT_NOTE:refund:{refund}:customer")
            while self.happens("refund failed"):
                again = f"{refund}_x"
                self.undo(making.refund_failed(refund, f"pay_{name}"))
                replaced = making.refund(again, f"pay_{name}", lines, replaces=refund)
                self.undo(replaced | {"occurred_at": given["occurred_at"]})
                refund = again
