"""One payee's month of payouts, with plain arithmetic of its own: each opens with what the one before it left."""

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from tests.payouts import making
from tests.payouts.making import EventJson

if TYPE_CHECKING:
    from tests.payouts.month import Month

START = dt.datetime(2026, 2, 2, 6, 0, tzinfo=dt.UTC)  # a Monday; Spain's own Mondays begin seven hours earlier
WEEKS = 4
WEEK, HOUR = dt.timedelta(days=7), dt.timedelta(hours=1)
SOME = 20
SOLD, CHARGED = "sold", "charged"  # whose tax code a row has: the country's for what is sold, or for what is charged
OrderRow = tuple[str, int, str | None]  # kind, amount, tax


@dataclasses.dataclass(frozen=True, kw_only=True)
class Land:
    """A country's issuer, money and tax codes, with their rates in thousandths; `digits` are its currency's."""

    country: str
    issuer: str
    currency: str
    sold: tuple[str, int]
    charged: tuple[str, int]
    digits: int = 2

    def money(self, minor: int) -> str:
        text = f"{abs(minor):0{self.digits + 1}d}"
        whole, rest = text[: len(text) - self.digits], text[len(text) - self.digits :]
        return f"{'-' if minor < 0 else ''}{whole}{'.' if rest else ''}{rest}"

    def net(self, rows: list[OrderRow]) -> int:
        """Net prices: the amounts, and each group's tax (code and supply), rounded once."""
        groups: dict[tuple[tuple[str, int], bool], int] = {}
        for kind, amount, tax in rows:
            if tax:
                key = (getattr(self, tax), kind == "PLATFORM_FEE")
                groups[key] = groups.get(key, 0) + amount
        return sum(amount for _, amount, _ in rows) + sum(share(base, rate) for ((_, rate), _), base in groups.items())

    def line(
        self, minor: int, *, name: str = "1", kind: str = "FARE", tax: str | None = None, **more: str
    ) -> EventJson:
        code = getattr(self, tax)[0] if tax else None
        return making.line(self.money(minor), name=name, kind=kind, tax=code, **more)

    def withholding(self, rate: str, base: int, amount: int) -> dict[str, str]:
        stated = {"base": self.money(base), "amount": self.money(amount)}
        return {"name": "IRPF", "rate": rate, "legal_ref": "RIRPF art. 95", **stated}


LANDS = {
    "ES": Land(country="ES", issuer="aventide-es", currency="EUR", sold=("IVA10", 100), charged=("IVA21", 210)),
    "CO": Land(country="CO", issuer="aventide-co", currency="COP", sold=("INC8", 80), charged=("IVA19", 190)),
    "CL": Land(
        country="CL", issuer="aventide-cl", currency="CLP", sold=("IVA19", 190), charged=("IVA19", 190), digits=0
    ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss:
    """An order that its owner has no more from a moment on; `forgotten`: what was paid of it is never taken back."""

    code: str
    at: dt.datetime
    credit: str
    key: str
    forgotten: bool = False


@dataclasses.dataclass(kw_only=True, eq=False)
class Due:
    """One statement's net that somebody is owed; `left` is what no effective payout has settled.

    `lost`: how it was taken back, `back` what payouts have taken off again since. `moved`: it was another's before.
    """

    word: str
    name: str
    order: str
    key: str
    at: dt.datetime
    net: int
    cash: int = 0
    left: int = 0
    moved: bool = False
    lost: Loss | None = None
    paid: list[tuple[dt.datetime, str, int]] = dataclasses.field(default_factory=list)
    back: list[tuple[str, int]] = dataclasses.field(default_factory=list)

    def settled_by(self) -> str | None:
        """The payout with which the whole net had been sent."""
        total = 0
        for _at, payout, amount in sorted(self.paid):
            total += amount
            if (total >= self.net) if self.net >= 0 else (total <= self.net):
                return payout
        return None

    def paid_in_vain(self) -> int:
        """What was paid of it and not taken off again, once it is lost."""
        return sum(amount for *_, amount in self.paid) + sum(amount for _, amount in self.back) if self.lost else 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sending:
    """What one payout consists of: so much of each due, and so much of what is taken back."""

    parts: dict[Due, int]
    back: dict[Due, int]

    @property
    def total(self) -> int:
        return sum(self.parts.values()) + sum(self.back.values())

    @property
    def cash(self) -> int:
        """What comes off for cash; what came off for an order that is taken back is given again."""
        return sum(one.cash for one in self.parts) - sum(one.cash for one in self.back)

    @property
    def owed(self) -> int:
        return self.total - self.cash


class Account:
    """One payee's month of payouts, in the order of their moments: each opens with what the one before it left."""

    def __init__(self, *, month: "Month", payee: str) -> None:
        self.month, self.payee, self.dice, self.land = month, payee, month.dice, month.land
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
            if one.moved:
                continue
            if self.month.happens("instant"):
                part = one.net if self.dice.random() < 0.3 else one.net // 2
                at = one.at + dt.timedelta(minutes=self.dice.randrange(10, 40))
                self._send(at, Sending(parts={one: part}, back={}), closing=self.balance)
            elif self.month.happens("in advance"):
                at = one.at - dt.timedelta(minutes=self.dice.randrange(1, 10))
                self._send(at, Sending(parts={one: one.net}, back={}), closing=self.balance)

    def _due(self, at: dt.datetime) -> Sending:
        """What is owed at a moment: of what is lost by then, nothing more, and what was paid of it comes off."""
        had = [one for one in self.due if not (one.lost and one.lost.at < at)]
        lost = [one for one in self.due if one not in had and one.lost and not one.lost.forgotten]
        return Sending(
            parts={one: one.left for one in had if one.at < at and (one.left or not one.paid)},
            back={one: -one.paid_in_vain() for one in lost if one.paid_in_vain()},
        )

    def _weekly(self, at: dt.datetime, *, last: bool) -> bool:
        sending = self._due(at)
        if not sending.parts and not sending.back and not (last and self.balance):
            return False
        before = self.balance
        name = self._send(at, sending, closing=None if not last else 0, whole=True)
        if not name or last:
            return False
        how = next((how for how in ("failed", "returned", "payout canceled") if self.month.happens(how)), "")
        if not how and self.month.figures["returned"] == 0 and self.month.figures["payouts"] > SOME:
            how = "returned"  # there is one in every month
        if not how:
            return False
        back_at = at + (HOUR if how == "failed" else self.dice.randrange(20, 70) * HOUR)
        self._come_back(name, how=how.split()[-1], at=back_at)
        left = self.balance
        self._undo(name=name, sending=sending, before=before)
        if self.dice.random() < 0.5 and sending.owed + before > left:  # else next week's takes it along
            self._send(back_at + HOUR, sending, closing=left, replaces=name)
        return True

    def _come_back(self, name: str, *, how: str, at: dt.datetime) -> None:
        """The money is back: all of it, or what the bank's fee leaves; or less, and nobody says why."""
        key = f"PAYOUT_REVERSAL_NOTICE:payout:{name}:payee:{how}"
        self.month.figures["returned"] += 1
        if how == "canceled":
            self.month.tell(making.cancellation(name, at=text(at), kind="PAYOUT_CANCELED"), key)
            return
        sent = self.last["paid"]
        missing = min(sent - 1, 90) if self.month.happens("less") else 0
        fee = missing if self.month.happens("fee") else 0
        more = {"fee": self.land.money(fee)} if fee else {}
        kind, amount = f"PAYOUT_{how.upper()}", self.land.money(sent - missing)
        self.month.tell(making.reversal(name, amount, kind=kind, payee=self.payee, at=text(at), **more), key)
        if missing and not fee:
            self.month.plant("returned_less", key, missing)

    def _undo(self, *, name: str, sending: Sending, before: int) -> None:
        for one, amount in sending.parts.items():
            one.left += amount
            one.paid = [row for row in one.paid if row[1] != name]
        for one in sending.back:
            one.back = [row for row in one.back if row[0] != name]
        self.balance = before
        for word, amount in self.last.items():
            self.month.figures[word] -= amount

    def _send(
        self, at: dt.datetime, sending: Sending, *, closing: int | None, whole: bool = False, replaces: str = ""
    ) -> str | None:
        """One sending, or a period closed at zero or below; `closing=None`: as it comes."""
        name, self.count = f"po_{self.payee}_{self.count}", self.count + 1
        cash = sum(one.cash for one in sending.parts)
        lines, added = self._added(sending, whole=whole)
        withholdings, held = self._withheld(sending) if whole else ([], 0)
        owed = sending.total + added - held - cash + self.balance
        if closing is None:
            closing = min(owed, 0) if owed <= 2000 else 500 if self.month.happens("reserve") else 0
        amount = owed - closing
        if amount < 0:  # what is below zero is carried, whatever was asked
            closing, amount = owed, 0
        more: EventJson = {
            **({"replaces": replaces} if replaces else {}),
            "period": {"from": f"{at - WEEK:%Y-%m-%d}", "to": f"{at:%Y-%m-%d}"},
            "adjustments": lines,
            "withholdings": withholdings,
            "cash_collected": self.land.money(cash),
            **self._named(sending, at),
        }
        balances: EventJson = {"opening": self.land.money(self.balance), "closing": self.land.money(closing)}
        event = making.payout(name, self.land.money(amount), payee=self.payee, at=text(at), **balances, **more)
        if amount == 0:
            event["type"] = "PAYOUT_PERIOD_CLOSED"
            event["data"]["payout"] = {"id": name, "amount": self.land.money(0), "sent_at": text(at)}
        self.month.tell(event, f"PAYOUT_STATEMENT:payout:{name}:payee")
        self._book(name, at, sending)
        self.last = {"paid": amount, "adjustments": added, "withheld": held, "cash_collected": cash}
        self.month.count(payouts=1, **self.last)
        self.balance = closing
        return name if amount else None

    def _book(self, name: str, at: dt.datetime, sending: Sending) -> None:
        for one, part in sending.parts.items():
            one.left -= part
            one.paid.append((at, name, part))
        for one, part in sending.back.items():
            one.back.append((name, part))

    def _added(self, sending: Sending, *, whole: bool) -> tuple[list[dict[str, str]], int]:
        """The payout's own lines: a bonus at times, and the cash of what is taken back, which came off with it."""
        lines, total = [], 0
        if whole and self.month.happens("bonus"):
            lines, total = [self.land.line(2000, kind="BONUS", tax=CHARGED)], 2000 + share(2000, self.land.charged[1])
        cash = sum(one.cash for one in sending.back)
        if cash:
            lines.append(self.land.line(cash, name="cash", kind="ADJUSTMENT"))
        return lines, total + cash

    def _withheld(self, sending: Sending) -> tuple[list[dict[str, str]], int]:
        """Return what is withheld of a fleet's week at times, and how much that is."""
        if not self.payee.startswith("flt_") or not self.month.happens("withheld"):
            return [], 0
        base = abs(sending.total)
        held = share(base, 10)
        return [self.land.withholding("0.01", base, held)], held

    def _named(self, sending: Sending, at: dt.datetime) -> EventJson:
        """By `orders` where that says it all: whole orders, with every adjustment that they had by then, or none."""
        parts = sending.parts
        orders = {one.order for one in parts if one.word == "order"}
        whole = all(amount == one.net for one, amount in parts.items()) and not sending.back
        mine = {one for one in parts if one.word == "adjustment"}
        had = {one for one in self.due if one.word == "adjustment" and one.order in orders and one.at < at}
        if whole and mine in (set(), had) and self.dice.random() < 0.8:
            return {"orders": sorted(orders)}
        credits_: dict[str, int] = {}
        for one, amount in sending.back.items():
            assert one.lost
            credits_[one.lost.credit] = credits_.get(one.lost.credit, 0) + amount
        settles = [{one.word: one.name, "amount": self.land.money(amount)} for one, amount in parts.items()]
        return {"settles": settles + [{"credit": n, "amount": self.land.money(minor)} for n, minor in credits_.items()]}


def share(amount: int, thousandths: int) -> int:
    """So many thousandths of an amount, half up away from zero."""
    part = (abs(amount) * thousandths + 500) // 1000
    return part if amount >= 0 else -part


def text(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
