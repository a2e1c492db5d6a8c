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
OrderRow = tuple[str, int, str | None]  # kind, amount, tax code


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


class Account:
    """One payee's month of payouts, in the order of their moments: each opens with what the one before it left."""

    def __init__(self, *, month: "Month", payee: str) -> None:
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
            making.reversal(name, amount, kind=kind, payee=self.payee, at=text(back_at)),
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
        withholdings, held = self._withheld(parts) if whole else ([], 0)
        owed = sum(parts.values()) + bonus - held - cash + self.balance
        if closing is None:
            closing = min(owed, 0) if owed <= 2000 else 500 if self.month.happens("reserve") else 0
        amount = owed - closing
        if amount < 0 or (amount == 0 and replaces):  # what is below zero is carried, whatever was asked
            closing, amount = owed, 0
        more: EventJson = {
            **({"replaces": replaces} if replaces else {}),
            "period": {"from": f"{at - WEEK:%Y-%m-%d}", "to": f"{at:%Y-%m-%d}"},
            "adjustments": lines,
            "withholdings": withholdings,
            "cash_collected": money(cash),
            **self._named(parts, at),
        }
        balances: EventJson = {"opening": money(self.balance), "closing": money(closing)}
        event = making.payout(name, money(amount), payee=self.payee, at=text(at), **balances, **more)
        if amount == 0:
            event["type"] = "PAYOUT_PERIOD_CLOSED"
            event["data"]["payout"] = {"id": name, "amount": "0.00", "sent_at": text(at)}
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

    def _withheld(self, parts: dict[Due, int]) -> tuple[list[dict[str, str]], int]:
        """Return what is withheld of a fleet's week at times, and how much that is."""
        if not self.payee.startswith("flt_") or not self.month.happens("withheld"):
            return [], 0
        base = abs(sum(parts.values()))
        held = share(base, 10)
        return [withholding("0.01", base, held)], held

    def _named(self, parts: dict[Due, int], at: dt.datetime) -> EventJson:
        """By `orders` where that says it all: whole orders, with every adjustment that they had by then, or none."""
        orders = {one.order for one in parts if one.word == "order"}
        whole = all(amount == one.net for one, amount in parts.items())
        mine = {one for one in parts if one.word == "adjustment"}
        had = {one for one in self.due if one.word == "adjustment" and one.order in orders and one.at < at}
        if whole and mine in (set(), had) and self.dice.random() < 0.8:
            return {"orders": sorted(orders)}
        return {"settles": [{one.word: one.name, "amount": money(amount)} for one, amount in parts.items()]}


def net(rows: list[OrderRow]) -> int:
    """Net prices: the amounts, and each group's tax (code and supply), rounded once."""
    groups: dict[tuple[str, bool], int] = {}
    for kind, amount, tax in rows:
        if tax:
            key = (tax, kind == "PLATFORM_FEE")
            groups[key] = groups.get(key, 0) + amount
    return sum(amount for _, amount, _ in rows) + sum(
        share(base, {"IVA10": 100, "IVA21": 210}[code]) for (code, _), base in groups.items()
    )


def share(amount: int, thousandths: int) -> int:
    """So many thousandths of an amount, half up away from zero."""
    part = (abs(amount) * thousandths + 500) // 1000
    return part if amount >= 0 else -part


def withholding(rate: str, base: int, amount: int) -> dict[str, str]:
    return {"name": "IRPF", "rate": rate, "base": money(base), "amount": money(amount), "legal_ref": "RIRPF art. 95"}


def money(minor: int) -> str:
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def text(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
