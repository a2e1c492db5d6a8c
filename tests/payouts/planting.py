"""What the sender of a month gets wrong, once each: the differences that must be found, with their amounts."""

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.payouts import account, losing, making
from tests.payouts.account import HOUR, START, WEEK, Due

if TYPE_CHECKING:
    from tests.payouts.month import Month

EARNED = 5000
PAID_AT = START + WEEK


def plant(*, month: "Month") -> None:
    """Plant differences of every sort, with drivers of their own."""
    _cash(month=month, name="cash_more", gap=150)
    _cash(month=month, name="cash_less", gap=-150)
    _paid_twice(month=month)
    _broken(month=month)
    _less(month=month)
    _lost(month=month, name="canceled", how=losing.cancel)
    _lost(month=month, name="reassigned", how=losing.reassign)


def _cash(*, month: "Month", name: str, gap: int) -> None:
    """A payout that takes off more cash than its order declares, or less."""
    due = _earn(month=month, name=name, cash=1000)
    payout = _pay(month=month, due=due, name=name, amount=EARNED - 1000 - gap, settled=EARNED, cash=1000 + gap)
    month.plant("cash_differs", f"PAYOUT_STATEMENT:payout:{payout}:payee", gap)


def _paid_twice(*, month: "Month") -> None:
    due = _earn(month=month, name="twice")
    _pay(month=month, due=due, name="twice", amount=EARNED, settled=EARNED)
    _pay(month=month, due=due, name="again", amount=2000, settled=2000, at=PAID_AT + HOUR)
    month.plant("paid_twice", due.key, 2000)
    month.count(overpaid=2000)


def _broken(*, month: "Month") -> None:
    """A payout that opens with what nobody left: it waits for a person, whenever it comes."""
    due, money = _earn(month=month, name="broken"), month.land.money
    _pay(month=month, due=due, name="broken", amount=EARNED, settled=EARNED)
    name = month.name("po", "_broken_next")
    at = account.text(PAID_AT + WEEK)
    month.tell(making.payout(name, money(500), payee=_payee(month, "broken"), at=at, opening=money(500), settles=[]))
    month.events[-1]["data"] |= {"cash_collected": money(0), "closing_carry_over": money(0)}
    month.waiting.add(f"evt_{name}")
    month.plant("balance_chain_broken", name, 500)


def _less(*, month: "Month") -> None:
    """A payout of which less comes back, without a fee."""
    due, money = _earn(month=month, name="less"), month.land.money
    payout = _pay(month=month, due=due, name="less", amount=EARNED, settled=EARNED)
    key, at = f"PAYOUT_REVERSAL_NOTICE:payout:{payout}:payee:returned", account.text(PAID_AT + HOUR)
    month.tell(making.reversal(payout, money(EARNED - 100), payee=_payee(month, "less"), at=at), key)
    month.plant("returned_less", key, 100)
    due.paid.clear()
    month.count(paid=-EARNED, returned=1)
    _pay(month=month, due=due, name="less_again", amount=EARNED, settled=EARNED, at=PAID_AT + 2 * HOUR)


def _lost(*, month: "Month", name: str, how: Callable[..., None]) -> None:
    """An order that is lost after it was paid, and nobody takes the money back."""
    due = _earn(month=month, name=name)
    _pay(month=month, due=due, name=name, amount=EARNED, settled=EARNED)
    owed = [(_payee(month, name), due)]
    how(month=month, order=due.order, owed=owed, at=PAID_AT + HOUR, forgotten=True)


def _payee(month: "Month", name: str) -> str:
    return month.name("drv", f"_{name}")


def _earn(*, month: "Month", name: str, cash: int = 0) -> Due:
    """One order of a driver of its own."""
    order, payee, at = month.name("ord", f"_{name}"), _payee(month, name), START + 5 * HOUR
    more: dict[str, Any] = {"cash_collected": month.land.money(cash)} if cash else {}
    lines = [month.land.line(EARNED)]
    month.tell(making.order(order, driver=payee, at=account.text(at), lines=lines, **more))
    return month.owe(payee, word="order", name=order, order=order, at=at, net=EARNED, cash=cash)


def _pay(
    *, month: "Month", due: Due, name: str, amount: int, settled: int, cash: int = 0, at: dt.datetime = PAID_AT
) -> str:
    money, payout = month.land.money, month.name("po", f"_{name}")
    payee = next(payee for payee, dues in month.due.items() if due in dues)
    more: dict[str, Any] = {"settles": [{"order": due.name, "amount": money(settled)}], "cash_collected": money(cash)}
    more |= {"opening": money(0), "closing": money(0)}
    event = making.payout(payout, money(amount), payee=payee, at=account.text(at), **more)
    month.tell(event, f"PAYOUT_STATEMENT:payout:{payout}:payee")
    due.paid.append((at, payout, settled))
    month.balances[payee] = 0
    month.count(paid=amount, cash_collected=cash, payouts=1)
    return payout
