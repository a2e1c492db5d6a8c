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

from tests.payouts import making

START = dt.datetime(2026, 2, 2, 6, 0, tzinfo=dt.UTC)  # a Monday; Spain's own Mondays begin seven hours earlier
WEEKS = 4
NOW = START + dt.timedelta(days=45)
WEEK, HOUR = dt.timedelta(days=7), dt.timedelta(hours=1)
SHARES = {
    "refunded": 0.02,
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
SOME = 20
RARE = ("refunded", "adjusted", "returned", "failed", "instant", "in advance")
Event = dict[str, Any]
Row = tuple[str, int, str | None]  # kind, amount, tax code
ADJUSTED: tuple[list[Row], ...] = (
    [("TIP", 250, None)],
    [("FARE", 333, "IVA10")],
    [("FARE", -777, "IVA10"), ("PLATFORM_FEE", 155, "IVA21")],
)


@dataclasses.dataclass(kw_only=True, eq=False)
class Due:
    """One statement's net that somebody is owed; `left` is what no effective payout has settled."""

    word: str
    name: str
    order: str
    key: str
    at: dt.datetime
    net: int
    cash: int = 0
    left: int = 0
    paid: list[tuple[dt.datetime, str, int]] = dataclasses.field(default_factory=list)

    def settled_by(self) -> str | None:
        """The payout with which the whole net had been sent."""
        total = 0
        for _at, payout, amount in sorted(self.paid):
            total += amount
            if (total >= self.net) if self.net >= 0 else (total <= self.net):
                return payout
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Size:
    """`often` makes what is rare so many times as frequent, for a small month."""

    drivers: int
    fleets: int
    orders: int
    often: int = 1


@dataclasses.dataclass(kw_only=True)
class Month:
    """`events` in the order in which they happened; `keys` the documents that must come of them, once."""

    seed: int
    size: Size
    events: list[Event] = dataclasses.field(default_factory=list)
    keys: set[str] = dataclasses.field(default_factory=set)
    due: dict[str, list[Due]] = dataclasses.field(default_factory=dict)
    balances: dict[str, int] = dataclasses.field(default_factory=dict)
    figures: dict[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Live the month."""
        self.dice = random.Random(self.seed)
        self.figures = dict.fromkeys(
            ("earned", "paid", "adjustments", "withheld", "cash_collected", "payouts", "returned", "refunds"), 0
        )
        for number in range(self.size.orders):
            self._order(number)
        for payee in sorted(self.due):
            _Account(month=self, payee=payee).live()

    def told(self) -> Iterator[Event]:
        """Everything in no order at all, a tenth of it twice, some of that under another event id."""
        told = list(self.events)
        for number, event in enumerate(self.events):
            if self.happens("repeated"):
                again = event | {"id": f"{event['id']}_again{number}"}
                told.append(again if self.happens("under another id") else event)
        self.dice.shuffle(told)
        yield from told

    def happens(self, what: str) -> bool:
        return self.dice.random() < SHARES[what] * (self.size.often if what in RARE else 1)

    def moment(self, begins: dt.datetime, within: dt.timedelta) -> dt.datetime:
        return begins + dt.timedelta(seconds=self.dice.randrange(int(within.total_seconds())))

    def tell(self, event: Event, *keys: str) -> None:
        self.events.append(event)
        self.keys.update(keys)

    def _order(self, number: int) -> None:
        name, driver = f"ord_{number}", number % self.size.drivers
        at = self.moment(START, WEEKS * WEEK - 20 * HOUR)
        fleet = driver % self.size.fleets
        payee = f"flt_{fleet}" if fleet % 2 else f"drv_{driver}"
        prices = "gross" if self.happens("gross") else "net"
        lines, net = self._lines(prices)
        more: Event = {"prices": prices, "totals": {}}
        if fleet % 2:
            more["beneficiary"] = {"id": payee, "legal_name": f"Flota {fleet}, S.L."}
        elif self.happens("withheld"):
            base = self.dice.randrange(500, 3000)
            held = _part(base, 70)
            more["withholdings"] = [_withholding("0.07", base, held)]
            net -= held
        cash = self.dice.randrange(500, 4000) if self.happens("cash") else 0
        if cash:
            more["cash_collected"] = _money(cash)
        if self.happens("food"):
            restaurant = f"ptn_{number % 7}"
            items, part = self._lines(prices, party="partner", first=10)
            lines += items
            more["partner"] = {"id": restaurant, "legal_name": f"Restaurante {number % 7}"}
            more["totals"]["partner_payable"] = _money(part)
            self._owe(restaurant, word="order", name=name, order=name, at=at, net=part, audience="partner")
        more["totals"]["payable"] = _money(net)
        self._owe(payee, word="order", name=name, order=name, at=at, net=net, cash=cash)
        self.tell(making.order(name, driver=f"drv_{driver}", at=_text(at), lines=lines, **more))
        if self.happens("adjusted"):
            self._adjust(order=name, payee=payee, partner=more.get("partner"), at=at)
        self._payment(name=name, at=at)

    def _lines(self, prices: str, *, party: str | None = None, first: int = 1) -> tuple[list[dict[str, str]], int]:
        """Lines of one side of an order, and what they leave it."""
        fares = [self.dice.randrange(300, 4000) for _ in range(self.dice.choice((1, 1, 2)))]
        fee, tip = -(sum(fares) * self.dice.randrange(15, 25) // 100), self.dice.randrange(50, 500)
        rows: list[Row] = [*(("FARE", fare, "IVA10") for fare in fares), ("PLATFORM_FEE", fee, "IVA21")]
        rows += [("TIP", tip, None)] if self.happens("tip") else []
        rows += [("PROMOTION", -100, None)] if self.dice.random() < 0.1 else []
        rows += [("FARE", self.dice.randrange(100, 900), "IVA21")] if self.dice.random() < 0.05 else []
        net = _net(rows) if prices == "net" else sum(amount for _, amount, _ in rows)
        more = {"party": party} if party else {}
        return [
            making.line(_money(amount), name=str(first + place), kind=kind, tax=tax, **more)
            for place, (kind, amount, tax) in enumerate(rows)
        ], net

    def _adjust(self, *, order: str, payee: str, partner: Event | None, at: dt.datetime) -> None:
        for number in range(self.dice.choice((1, 1, 1, 2))):
            name, made_at = f"adj_{order}_{number}", self.moment(at + HOUR, dt.timedelta(days=9))
            rows = self.dice.choice(ADJUSTED)
            lines = [
                making.line(_money(cents), name=str(n), kind=kind, tax=tax) for n, (kind, cents, tax) in enumerate(rows)
            ]
            net = _net(rows)
            self._owe(payee, word="adjustment", name=name, order=order, at=made_at, net=net, suffix=f":{name}")
            if partner and self.dice.random() < 0.5:
                lines.append(making.line("-1.50", name="p", kind="ITEM", party="partner"))
                self._owe(
                    partner["id"], word="adjustment", name=name, order=order, at=made_at, net=-150, audience="partner",
                    suffix=f":{name}",
                )  # fmt: skip
            totals = {"payable": _money(net)}
            self.tell(making.adjustment(name, order, at=_text(made_at), lines=lines, totals=totals))

    def _owe(self, payee: str, *, audience: str = "beneficiary", suffix: str = "", **facts: Any) -> None:  # noqa: ANN401 - Due's own
        key = f"ORDER_FINAL_STATEMENT:order:{facts['order']}:{audience}{suffix}"
        self.keys.add(key)
        self.due.setdefault(payee, []).append(Due(key=key, left=facts["net"], **facts))
        self.figures["earned"] += facts["net"]

    def _payment(self, *, name: str, at: dt.datetime) -> None:
        fare = self.dice.randrange(300, 9000)
        gross = fare + _part(fare, 100)
        lines = [making.line(_money(fare), tax="IVA10")]
        event = making.payment(f"pay_{name}", _money(gross), lines)
        event["data"]["payment"]["captured_at"] = event["occurred_at"] = _text(at)
        event["data"]["order"]["id"] = name
        self.tell(event, f"PAYMENT_RECEIPT:payment:pay_{name}:customer")
        if not self.happens("refunded"):
            return
        parts = self.dice.choice(([fare], [fare // 3], [fare // 3, fare - fare // 3]))
        for number, part in enumerate(parts):
            refund = making.refund(f"rf_{name}_{number}", f"pay_{name}", [making.line(_money(part), tax="IVA10")])
            self.tell(refund, f"CREDIT_NOTE:refund:rf_{name}_{number}:customer")
            self.figures["refunds"] += 1


class _Account:
    """One payee's month of payouts, in the order of their moments: each opens with what the one before it left."""

    def __init__(self, *, month: Month, payee: str) -> None:
        self.month, self.payee, self.dice = month, payee, month.dice
        self.due, self.balance, self.count = month.due[payee], 0, 0

    def live(self) -> None:
        """Until everything is paid. After money came back, nothing is paid at once before the balance is settled."""
        back = False
        for week in range(WEEKS + 2):  # what is adjusted late is paid in March
            begins, ends = START + week * WEEK, START + (week + 1) * WEEK
            if not back:
                self._at_once(begins=begins, ends=ends)
            back = self._weekly(self.month.moment(ends, HOUR), last=week >= WEEKS + 1)
        self.month.balances[self.payee] = self.balance

    def _at_once(self, *, begins: dt.datetime, ends: dt.datetime) -> None:
        for one in sorted(self.due, key=lambda due: due.at):
            if not (begins + 3 * HOUR < one.at < ends - HOUR) or one.word != "order" or one.net <= 200 or one.cash:
                continue
            if self.month.happens("instant"):
                part = one.net if self.dice.random() < 0.3 else one.net // 2
                self._send(
                    one.at + dt.timedelta(minutes=self.dice.randrange(10, 40)), {one: part}, closing=self.balance
                )
            elif self.month.happens("in advance"):
                self._send(
                    one.at - dt.timedelta(minutes=self.dice.randrange(1, 10)), {one: one.net}, closing=self.balance
                )

    def _weekly(self, at: dt.datetime, *, last: bool) -> bool:
        parts = {one: one.left for one in self.due if one.at < at and (one.left or not one.paid)}
        if not parts and not (last and self.balance):
            return False
        before = self.balance
        name = self._send(at, parts, closing=None if not last else 0, whole=True)
        if not name or last:
            return False
        failed, returned = self.month.happens("failed"), self.month.happens("returned")
        none = (
            self.month.figures["returned"] == 0 and self.month.figures["payouts"] > SOME
        )  # there is one in every month
        if not (failed or returned or none):
            return False
        amount = self.month.events[-1]["data"]["payout"]["amount"]
        kind = "PAYOUT_FAILED" if failed else "PAYOUT_RETURNED"
        back_at = at + (HOUR if failed else self.dice.randrange(20, 70) * HOUR)
        word = "failed" if failed else "returned"
        self.month.tell(
            making.reversal(name, amount, kind=kind, payee=self.payee, at=_text(back_at)),
            f"PAYOUT_REVERSAL_NOTICE:payout:{name}:payee:{word}",
        )
        self.month.figures["returned"] += 1
        self._undo(name=name, parts=parts, before=before)
        if self.dice.random() < 0.5:  # else next week's takes it along
            self._send(back_at + HOUR, parts, closing=self.balance, replaces=name)
        return True

    def _undo(self, *, name: str, parts: dict[Due, int], before: int) -> None:
        for one, amount in parts.items():
            one.left += amount
            one.paid = [row for row in one.paid if row[1] != name]
        self.balance = before
        for word, amount in self.last.items():
            self.month.figures[word] -= amount

    def _send(
        self, at: dt.datetime, parts: dict[Due, int], *, closing: int | None, whole: bool = False, replaces: str = ""
    ) -> str | None:
        """One transfer, or a period closed at zero or below; `closing=None`: as it comes."""
        name, self.count = f"po_{self.payee}_{self.count}", self.count + 1
        cash = sum(one.cash for one in parts)
        lines, bonus = [], 0
        if whole and self.month.happens("bonus"):
            lines, bonus = [making.line("20.00", kind="BONUS", tax="IVA21")], 2420
        withholdings, held = [], 0
        if whole and self.payee.startswith("flt_") and self.month.happens("withheld"):
            base = abs(sum(parts.values()))
            held = _part(base, 10)
            withholdings = [_withholding("0.01", base, held)]
        owed = sum(parts.values()) + bonus - held - cash + self.balance
        if closing is None:
            closing = min(owed, 0) if owed <= 2000 else 500 if self.month.happens("reserve") else 0
        amount = owed - closing
        if amount < 0 or (amount == 0 and replaces):  # what is below zero is carried, whatever was asked
            closing, amount = owed, 0
        more: Event = {
            "adjustments": lines,
            "withholdings": withholdings,
            "cash_collected": _money(cash),
            **self._named(parts, at),
        }
        if replaces:
            more["replaces"] = replaces
        more["period"] = {"from": f"{at - WEEK:%Y-%m-%d}", "to": f"{at:%Y-%m-%d}"}
        facts: Event = {
            "payee": self.payee,
            "at": _text(at),
            "opening": _money(self.balance),
            "closing": _money(closing),
        }
        event = making.payout(name, _money(amount), **facts, **more)
        if amount == 0:
            event["type"] = "PAYOUT_PERIOD_CLOSED"
            event["data"]["payout"] = {"id": name, "amount": "0.00", "sent_at": _text(at)}
        self.month.tell(event, f"PAYOUT_STATEMENT:payout:{name}:payee")
        for one, part in parts.items():
            one.left -= part
            one.paid.append((at, name, part))
        self.last = {"paid": amount, "adjustments": bonus, "withheld": held, "cash_collected": cash}
        for word, minor in self.last.items():
            self.month.figures[word] += minor
        self.month.figures["payouts"] += 1
        self.balance = closing
        return name if amount else None

    def _named(self, parts: dict[Due, int], at: dt.datetime) -> Event:
        """By `orders` where that says it all: whole orders, with every adjustment that they had by then, or none."""
        orders = {one.order for one in parts if one.word == "order"}
        whole = all(amount == one.net for one, amount in parts.items())
        mine = {one for one in parts if one.word == "adjustment"}
        had = {one for one in self.due if one.word == "adjustment" and one.order in orders and one.at < at}
        if whole and mine in (set(), had) and self.dice.random() < 0.8:
            return {"orders": sorted(orders)}
        return {"settles": [{one.word: one.name, "amount": _money(amount)} for one, amount in parts.items()]}


def _net(rows: list[Row]) -> int:
    """Net prices: the amounts, and each group's tax (code and sign), rounded once."""
    groups: dict[tuple[str, bool], int] = {}
    for _kind, amount, tax in rows:
        if tax:
            groups[tax, amount < 0] = groups.get((tax, amount < 0), 0) + amount
    return sum(amount for _, amount, _ in rows) + sum(
        _part(base, {"IVA10": 100, "IVA21": 210}[code]) for (code, _), base in groups.items()
    )


def _part(amount: int, thousandths: int) -> int:
    """So many thousandths of an amount, half up away from zero."""
    part = (abs(amount) * thousandths + 500) // 1000
    return part if amount >= 0 else -part


def _withholding(rate: str, base: int, amount: int) -> dict[str, str]:
    return {"name": "IRPF", "rate": rate, "base": _money(base), "amount": _money(amount), "legal_ref": "RIRPF art. 95"}


def _money(minor: int) -> str:
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def _text(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
