"""A month of a country, told in no order and some of it twice: every payout closes and the books sum to zero."""

import dataclasses
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from config import env
from documents import money
from documents.models import Discrepancy, Document, Event, EventStatus
from payouts.models import Settlement
from tests.payouts import making, telling

ORDERS = env.number(name="MONTH_ORDERS", default=120)
WEEKS = ("2026-02-02", "2026-02-09", "2026-02-16", "2026-02-23")


@dataclasses.dataclass
class Month:
    """What a generator has told, and what it owes each payee."""

    dice: random.Random
    drivers: int
    fleets: int
    events: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    owed: dict[str, list[tuple[str, str, int]]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    balance: dict[str, int] = dataclasses.field(default_factory=dict)
    payouts: int = 0

    def week(self, *, number: int, orders: int) -> None:
        """This function will tell a week's orders, its adjustments and refunds, and pay everybody at its end."""
        day = WEEKS[number]
        for place in range(orders):
            self._order(name=f"ord_{number}_{place}", at=f"{day}T{8 + place % 12:02}:{place % 60:02}:00Z")
        end = f"{day[:-2]}{int(day[-2:]) + 5:02}"
        for payee in sorted(self.owed):
            self._pay(payee=payee, at=f"{end}T20:{number:02}:00Z", day=day)

    def _order(self, *, name: str, at: str) -> None:
        driver = self.dice.randrange(self.drivers)
        fleet = {"id": f"flt_{driver % self.fleets}", "legal_name": f"Flota {driver % self.fleets}"}
        whole = self.dice.random() < 0.5
        fare, tip = self.dice.randrange(500, 4000), self.dice.choice((0, 0, 0, 150))
        lines = [
            making.line(money.text(fare, 2), tax="IVA10"),
            making.line(money.text(-fare // 5, 2), name="2", tax="IVA21"),
        ]
        if tip:
            lines.append(making.line(money.text(tip, 2), name="3", kind="TIP"))
        more: dict[str, Any] = {"beneficiary": fleet} if whole else {}
        event = making.order(name, driver=f"drv_{driver}", at=at, lines=lines, **more)
        self.events.append(event)
        net = fare + tip + (-fare // 5)
        net += _tax(fare, 10) + _tax(-fare // 5, 21)
        payee = fleet["id"] if whole else f"drv_{driver}"
        self.owed[payee].append(("order", name, net))
        if self.dice.random() < 0.1:
            amount = self.dice.choice((200, 350, -120))
            later = making.adjustment(f"adj_{name}", name, money.text(amount, 2), at=at)
            self.events.append(later)
            self.owed[payee].append(("adjustment", f"adj_{name}", amount))
        self._payment(name=name, fare=fare)

    def _payment(self, *, name: str, fare: int) -> None:
        gross = fare + _tax(fare, 10)
        lines = [making.line(money.text(fare, 2), tax="IVA10")]
        self.events.append(making.payment(f"pay_{name}", money.text(gross, 2), lines))
        if self.dice.random() < 0.1:
            part = [making.line(money.text(fare // 3, 2), tax="IVA10")]
            self.events.append(making.refund(f"rf_{name}", f"pay_{name}", part))

    def _pay(self, *, payee: str, at: str, day: str) -> None:
        parts, opening = self.owed.pop(payee), self.balance.get(payee, 0)
        earned = sum(amount for *_, amount in parts) + opening
        closing = self.dice.choice((0, 0, 0, 500)) if earned > 500 else min(earned, 0)
        name, self.payouts = f"po_{self.payouts}", self.payouts + 1
        by_name = any(kind == "adjustment" for kind, *_ in parts) and self.dice.random() < 0.5
        named: dict[str, Any] = {"orders": [one for kind, one, _ in parts if kind == "order"]}
        if by_name:
            named = {"settles": [{kind: one, "amount": money.text(amount, 2)} for kind, one, amount in parts]}
        amount = money.text(earned - closing, 2)
        event = making.payout(
            name, amount, payee=payee, at=at, opening=money.text(opening, 2), closing=money.text(closing, 2), **named
        )
        event["data"]["period"] = {"from": day, "to": day}
        self.events.append(event)
        self.balance[payee] = closing
        if self.dice.random() < 0.05 and closing == opening:
            self.events.append(making.reversal(name, amount, payee=payee, at=at.replace("T20", "T21")))
            again = making.payout(
                f"{name}b",
                amount,
                payee=payee,
                at=at.replace("T20", "T22"),
                opening=money.text(opening, 2),
                closing=money.text(closing, 2),
                replaces=name,
                **named,
            )
            self.events.append(again)


def _tax(amount: int, percent: int) -> int:
    return money.round_half_up(amount * percent, 100)


def _told(events: list[dict[str, Any]], dice: random.Random) -> Iterator[dict[str, Any]]:
    """This function will give all events in no order, every tenth one twice."""
    repeated = [event for event in events if dice.random() < 0.1]
    everything = [*events, *repeated]
    dice.shuffle(everything)
    yield from everything


@pytest.mark.django_db
@pytest.mark.parametrize("seed", [1, 2])
def test_a_shuffled_month_ends_with_every_payout_closed_and_the_books_at_zero(seed: int) -> None:
    telling.issuers()
    month = Month(dice=random.Random(seed), drivers=max(ORDERS // 25, 4), fleets=max(ORDERS // 250, 2))
    for number in range(len(WEEKS)):
        month.week(number=number, orders=ORDERS // len(WEEKS))
    telling.told(_told(month.events, month.dice))
    assert list(Event.objects.exclude(status=EventStatus.PROCESSED).values_list("event_id", "code", "missing")) == []
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    nets = sum(Document.objects.filter(kind="ORDER_FINAL_STATEMENT").values_list("total_minor", flat=True))
    settled = sum(Settlement.objects.filter(effective=True).values_list("amount_minor", flat=True))
    back = Document.objects.filter(kind="PAYOUT_REVERSAL_NOTICE").values_list("total_minor", flat=True)
    sent = Document.objects.filter(kind="PAYOUT_STATEMENT").values_list("total_minor", flat=True)
    assert nets == settled == sum(sent) - sum(back) + sum(month.balance.values())
    assert not Document.objects.filter(kind="ORDER_FINAL_STATEMENT").exclude(payout_status="SENT").exists()
