"""A month of one country as a marketplace lives it, drawn from a seed, with its own arithmetic of who is owed what.

200 drivers in 20 fleets: every other fleet is paid for its drivers, the drivers of the rest are paid themselves;
restaurants are paid for their part. Payouts go out every Monday; some orders are paid at once, in part, or before they
end. Money comes back, is sent again, and balances are carried. The sender makes no mistakes: everything must close.
"""

import dataclasses
import datetime as dt
import random
from collections.abc import Iterator
from typing import Any

from tests.payouts import account, making
from tests.payouts.account import HOUR, START, WEEK, WEEKS, OrderRow
from tests.payouts.making import EventJson

NOW = START + dt.timedelta(days=45)
SHARES = {
    "refunded": 0.02,
    "refund failed": 0.3,
    "disputed": 0.01,
    "canceled": 0.01,
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
RARE = ("refunded", "disputed", "canceled", "adjusted", "returned", "failed", "instant", "in advance")
ADJUSTED: tuple[list[OrderRow], ...] = (
    [("TIP", 250, None)],
    [("FARE", 333, "IVA10")],
    [("FARE", -777, "IVA10"), ("PLATFORM_FEE", 155, "IVA21")],
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

    `keys` are the documents that must come of them, once.
    """

    seed: int
    size: Size
    events: list[EventJson] = dataclasses.field(default_factory=list)
    undone: list[EventJson] = dataclasses.field(default_factory=list)
    keys: set[str] = dataclasses.field(default_factory=set)
    due: dict[str, list[account.Due]] = dataclasses.field(default_factory=dict)
    balances: dict[str, int] = dataclasses.field(default_factory=dict)
    figures: dict[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Live the month."""
        self.dice = random.Random(self.seed)
        self.undoing = random.Random(f"undoing {self.seed}")  # its own, so that all else of a seed stays as it is
        self.figures = dict.fromkeys(
            ("earned", "paid", "adjustments", "withheld", "cash_collected", "payouts", "returned", "refunds"), 0
        )
        for number in range(self.size.orders):
            self._order(number)
        for payee in sorted(self.due):
            account.Account(month=self, payee=payee).live()

    def told(self) -> Iterator[EventJson]:
        """Everything in no order at all, a tenth of it twice, some of that under another event id."""
        told = list(self.events)
        for number, event in enumerate(self.events):
            if self.happens("repeated"):
                again = event | {"id": f"{event['id']}_again{number}"}
                told.append(again if self.happens("under another id") else event)
        self.dice.shuffle(told)
        for event in self.undone:
            for _ in range(2 if self.undoing.random() < SHARES["repeated"] else 1):
                told.insert(self.undoing.randrange(len(told) + 1), event)
        yield from told

    def happens(self, what: str) -> bool:
        dice = self.undoing if what in UNDOING else self.dice
        return dice.random() < SHARES[what] * (self.size.often if what in RARE else 1)

    def moment(self, begins: dt.datetime, within: dt.timedelta) -> dt.datetime:
        return begins + dt.timedelta(seconds=self.dice.randrange(int(within.total_seconds())))

    def tell(self, event: EventJson, *keys: str) -> None:
        self.events.append(event)
        self.keys.update(keys)

    def undo(self, event: EventJson, *keys: str) -> None:
        self.undone.append(event)
        self.keys.update(keys)

    def _order(self, number: int) -> None:
        name, driver = f"ord_{number}", number % self.size.drivers
        at = self.moment(START, WEEKS * WEEK - 20 * HOUR)
        fleet = driver % self.size.fleets
        payee = f"flt_{fleet}" if fleet % 2 else f"drv_{driver}"
        prices = "gross" if self.happens("gross") else "net"
        lines, net = self._lines(prices)
        more: EventJson = {"prices": prices, "totals": {}}
        if fleet % 2:
            more["beneficiary"] = {"id": payee, "legal_name": f"Flota {fleet}, S.L."}
        elif self.happens("withheld"):
            base = self.dice.randrange(500, 3000)
            held = account.share(base, 70)
            more["withholdings"] = [account.withholding("0.07", base, held)]
            net -= held
        cash = self.dice.randrange(500, 4000) if self.happens("cash") else 0
        if cash:
            more["cash_collected"] = account.money(cash)
        if self.happens("food"):
            restaurant = f"ptn_{number % 7}"
            items, part = self._lines(prices, party="partner", first=10)
            lines += items
            more["partner"] = {"id": restaurant, "legal_name": f"Restaurante {number % 7}"}
            more["totals"]["partner_payable"] = account.money(part)
            self._owe(restaurant, word="order", name=name, order=name, at=at, net=part, audience="partner")
        more["totals"]["payable"] = account.money(net)
        self._owe(payee, word="order", name=name, order=name, at=at, net=net, cash=cash)
        self.tell(making.order(name, driver=f"drv_{driver}", at=account.text(at), lines=lines, **more))
        if self.happens("adjusted"):
            self._adjust(order=name, payee=payee, partner=more.get("partner"), at=at)
        self._payment(name=name, at=at)

    def _lines(self, prices: str, *, party: str | None = None, first: int = 1) -> tuple[list[dict[str, str]], int]:
        """Lines of one side of an order, and what they leave it."""
        fares = [self.dice.randrange(300, 4000) for _ in range(self.dice.choice((1, 1, 2)))]
        fee, tip = -(sum(fares) * self.dice.randrange(15, 25) // 100), self.dice.randrange(50, 500)
        rows: list[OrderRow] = [*(("FARE", fare, "IVA10") for fare in fares), ("PLATFORM_FEE", fee, "IVA21")]
        rows += [("TIP", tip, None)] if self.happens("tip") else []
        rows += [("PROMOTION", -105, "IVA10")] if self.dice.random() < 0.1 else []
        rows += [("FARE", self.dice.randrange(100, 900), "IVA21")] if self.dice.random() < 0.05 else []
        net = account.net(rows) if prices == "net" else sum(amount for _, amount, _ in rows)
        more = {"party": party} if party else {}
        return [
            making.line(account.money(amount), name=str(first + place), kind=kind, tax=tax, **more)
            for place, (kind, amount, tax) in enumerate(rows)
        ], net

    def _adjust(self, *, order: str, payee: str, partner: EventJson | None, at: dt.datetime) -> None:
        for number in range(self.dice.choice((1, 1, 1, 2))):
            name, made_at = f"adj_{order}_{number}", self.moment(at + HOUR, dt.timedelta(days=9))
            rows = self.dice.choice(ADJUSTED)
            lines = [
                making.line(account.money(cents), name=str(n), kind=kind, tax=tax)
                for n, (kind, cents, tax) in enumerate(rows)
            ]
            net = account.net(rows)
            self._owe(payee, word="adjustment", name=name, order=order, at=made_at, net=net, suffix=f":{name}")
            if partner and self.dice.random() < 0.5:
                lines.append(making.line("-1.50", name="p", kind="ITEM", party="partner"))
                self._owe(
                    partner["id"], word="adjustment", name=name, order=order, at=made_at, net=-150, audience="partner",
                    suffix=f":{name}",
                )  # fmt: skip
            totals = {"payable": account.money(net)}
            self.tell(making.adjustment(name, order, at=account.text(made_at), lines=lines, totals=totals))

    def _owe(self, payee: str, *, audience: str = "beneficiary", suffix: str = "", **facts: Any) -> None:
        key = f"ORDER_FINAL_STATEMENT:order:{facts['order']}:{audience}{suffix}"
        self.keys.add(key)
        self.due.setdefault(payee, []).append(account.Due(key=key, left=facts["net"], **facts))
        self.figures["earned"] += facts["net"]

    def _payment(self, *, name: str, at: dt.datetime) -> None:
        fare = self.dice.randrange(300, 9000)
        gross = fare + account.share(fare, 100)
        lines = [making.line(account.money(fare), tax="IVA10")]
        event = making.payment(f"pay_{name}", account.money(gross), lines)
        event["data"]["payment"]["captured_at"] = event["occurred_at"] = account.text(at)
        event["data"]["order"]["id"] = name
        self.tell(event, f"PAYMENT_RECEIPT:payment:pay_{name}:customer")
        if self.happens("refunded"):
            self._refund(name=name, fare=fare, at=at)
        elif self.happens("disputed"):
            dispute = making.dispute(f"dp_{name}", f"pay_{name}", "1.00", at=account.text(at + WEEK))
            self.undo(dispute, f"CREDIT_NOTE:dispute:dp_{name}:customer")
        elif self.happens("canceled"):
            canceled = making.cancellation(f"pay_{name}", at=account.text(at + HOUR))
            self.undo(canceled, f"CREDIT_NOTE:payment:pay_{name}:customer:canceled")

    def _refund(self, *, name: str, fare: int, at: dt.datetime) -> None:
        """Give a payment back, in one or two parts; some do not arrive, and are given back once more, or twice."""
        parts = self.dice.choice(([fare], [fare // 3], [fare // 3, fare - fare // 3]))
        for number, part in enumerate(parts):
            refund, lines = f"rf_{name}_{number}", [making.line(account.money(part), tax="IVA10")]
            given = making.refund(refund, f"pay_{name}", lines)
            given["occurred_at"] = account.text(at + dt.timedelta(days=number + 1))
            self.tell(given, f"CREDIT_NOTE:refund:{refund}:customer")
            self.figures["refunds"] += 1
            while self.happens("refund failed"):
                again = f"{refund}_x"
                self.undo(making.refund_failed(refund, f"pay_{name}"))
                replaced = making.refund(again, f"pay_{name}", lines, replaces=refund)
                self.undo(replaced | {"occurred_at": given["occurred_at"]})
                refund = again
