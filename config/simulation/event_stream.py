"""A stream of events as a marketplace sends them, drawn from a seed: rides in Spain, deliveries, food in Colombia.

The sums are computed here, independently of the product, so that they can check it. A stream names the documents that
must come of it.
"""

import dataclasses
import datetime as dt
import random
from collections.abc import Iterator
from typing import Any

from config.simulation import markets
from config.simulation.markets import Market

START = dt.datetime(2026, 2, 2, 6, 0, tzinfo=dt.UTC)  # a Monday
REPEATED_SHARE = 0.1
# How often each of these happens, of all the times that it could.
CHANCES = {
    "a paid order": 0.7,
    "a refund": 0.15,
    "a tax id": 0.5,
    "a tip that comes late": 0.3,
    "a payout by orders": 0.5,
    "a payout that fails": 0.08,
    "a payout that comes back": 0.12,
    "a new address": 0.1,
    "a week": 0.6,
    "a customer": 0.9,
    "another event id": 0.3,
}
WEEK_EVENTS_MAX = 20
CUSTOMER_EVENTS_MAX = 3  # a receipt, its refund, a new address
NEIGHBOURHOOD = 60  # how many places an event may travel when the stream is shuffled

EventBody = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream:
    """`events` in the order of sending, repeats among them; `keys`: the documents that must exist in the end, once."""

    events: list[EventBody]
    keys: frozenset[str]


class _Scenario:
    """Collects events in the order in which they happened, and the keys of the documents that must come of them."""

    def __init__(self, *, random: random.Random, run: str) -> None:
        self.random, self.run = random, run
        self.events: list[EventBody] = []
        self.keys: set[str] = set()
        self.count = 0

    def receipt(self, *, market: Market, moment: dt.datetime, order: str) -> None:
        """Add a payment and, sometimes, a partial refund of it."""
        payment, customer = self._name("pay"), self._name("cus")
        amounts = [self._amount(market) for _ in range(self.random.randint(1, 4))]
        code, rate = market.fare
        net, tax = sum(amounts), _tax(sum(amounts), rate)
        data: EventBody = {
            "currency": market.currency,
            "payment": {
                "id": payment, "method": "card", "brand": "visa", "last4": "4242",
                "captured_at": _text(moment), "amount": _money(net + tax),
            },
            "order": {"id": order, "service": market.service, "city": market.city},
            "customer": self._person(customer, market, tax_id=self._happens("a tax id")),
            "lines": [_line(n, "FARE", "Servicio", amount, code) for n, amount in enumerate(amounts, start=1)],
            "totals": {"net": _money(net), "tax": _money(tax), "gross": _money(net + tax)},
        }  # fmt: skip
        self._add("PAYMENT_CAPTURED", market, moment, data)
        self.keys.add(f"PAYMENT_RECEIPT:payment:{payment}:customer")
        if self._happens("a refund"):
            refund = self._name("rf")
            self._add(
                "REFUND_ISSUED",
                market,
                moment + dt.timedelta(hours=5),
                {
                    "currency": market.currency,
                    "refund": {"id": refund, "payment_id": payment, "reason": "ORDER_ITEM_MISSING"},
                    "lines": [_line(1, "REFUND_ITEM", "Devolución", amounts[0], code)],
                },
            )
            self.keys.add(f"CREDIT_NOTE:refund:{refund}:customer")

    def week(self, *, market: Market, moment: dt.datetime) -> None:
        """Add a driver's week: orders, adjustments, one payout and, sometimes, its failure or return."""
        driver = self._person(self._name("drv"), market, tax_id=True)
        settles: list[dict[str, str]] = []
        whole, total = self._happens("a payout by orders"), 0
        orders = []
        for _ in range(self.random.randint(1, 4)):
            moment += dt.timedelta(minutes=self.random.randint(20, 400))
            order = self._name("ord")
            orders.append(order)
            if self._happens("a paid order"):
                self.receipt(market=market, moment=moment - dt.timedelta(minutes=15), order=order)
            payable = self._order(order=order, market=market, moment=moment, driver=driver)
            settles.append({"order": order, "amount": _money(payable)})
            total += payable
            if self._happens("a tip that comes late"):
                tip, adjustment = self._adjust(order=order, market=market, moment=moment + dt.timedelta(hours=2))
                settles.append({"adjustment": adjustment, "amount": _money(tip)})
                total += tip
        self._payout(
            market=market,
            moment=START + dt.timedelta(days=7 * (1 + (moment - START).days // 7), hours=2),
            payee=driver["id"],
            what={"orders": orders} if whole else {"settles": settles},
            total=total,
        )

    def customer(self, *, market: Market, moment: dt.datetime) -> None:
        """Add a customer who pays and, sometimes, changes his address."""
        self.receipt(market=market, moment=moment, order=self._name("ord"))
        if not self._happens("a new address"):
            return
        customer = next(event for event in reversed(self.events) if event["type"] == "PAYMENT_CAPTURED")["data"][
            "customer"
        ]
        data = {
            "currency": market.currency,
            "party": {"id": customer["id"], "email": f"nuevo.{customer['id']}@example.com"},
        }
        self._add("CONTACT_CHANGED", market, moment + dt.timedelta(days=1), data)

    def unknown_type(self, *, market: Market, moment: dt.datetime) -> None:
        """Add an event of a type that the product does not know."""
        self._add("COURIER_WAVED", market, moment, {"wave": self._name("wav")})

    def _order(self, *, order: str, market: Market, moment: dt.datetime, driver: EventBody) -> int:
        fare, tip = self._amount(market), self._amount(market) // 10
        fee = -(fare // 5)
        lines = [
            _line(1, "FARE", "Servicio de transporte", fare, market.fare[0]),
            _line(2, "TIP", "Propina", tip),
            _line(3, "PLATFORM_FEE", "Comisión 20 %", fee, market.fee[0]),
        ]
        payable = fare + tip + fee + _tax(fare, market.fare[1]) + _tax(fee, market.fee[1])
        data: EventBody = {
            "currency": market.currency,
            "order": {"id": order, "service": market.service, "completed_at": _text(moment), "city": market.city},
            "driver": driver,
            "lines": lines,
            "withholdings": [],
            "totals": {"payable": _money(payable)},
        }
        self.keys.add(f"ORDER_FINAL_STATEMENT:order:{order}:beneficiary")
        if market.country == "CO":
            items = self._amount(market)
            lines += [
                _line(4, "ITEM", "Bandeja paisa", items, "INC8") | {"party": "partner"},
                _line(5, "PLATFORM_FEE", "Comisión 20 %", -(items // 5), "IVA19") | {"party": "partner"},
            ]
            data["partner"] = {
                "id": "ptn_andes",
                "legal_name": "Restaurante Andes S.A.S.",
                "email": "caja@restandes.example.com",
            }
            data["totals"]["partner_payable"] = _money(items - items // 5 + _tax(items, 80) + _tax(-(items // 5), 190))
            self.keys.add(f"ORDER_FINAL_STATEMENT:order:{order}:partner")
        self._add("ORDER_COMPLETED", market, moment, data)
        return payable

    def _adjust(self, *, order: str, market: Market, moment: dt.datetime) -> tuple[int, str]:
        tip, adjustment = self._amount(market) // 10, self._name("adj")
        data = {
            "currency": market.currency,
            "adjustment": {"id": adjustment, "reason": "LATE_TIP", "made_at": _text(moment)},
            "order": {"id": order},
            "lines": [_line(1, "TIP", "Propina posterior", tip)],
            "totals": {"payable": _money(tip)},
        }
        self._add("ORDER_ADJUSTED", market, moment, data)
        self.keys.add(f"ORDER_FINAL_STATEMENT:order:{order}:beneficiary:{adjustment}")
        return tip, adjustment

    def _payout(self, *, market: Market, moment: dt.datetime, payee: str, what: EventBody, total: int) -> None:
        payout = self._name("po")
        monday = moment.date() - dt.timedelta(days=7)
        data = {
            "currency": market.currency,
            "payout": {
                "id": payout, "method": "SEPA", "destination_masked": "**** 6789", "sent_at": _text(moment),
                "reference": f"AVT-{payout}", "amount": _money(total),
            },
            "payee": {"id": payee},
            "period": {"from": monday.isoformat(), "to": (monday + dt.timedelta(days=6)).isoformat()},
            **what,
            "adjustments": [],
            "withholdings": [],
            "cash_collected": "0",
            "opening_carry_over": "0",
            "closing_carry_over": "0",
        }  # fmt: skip
        self._add("PAYOUT_SENT", market, moment, data)
        self.keys.add(f"PAYOUT_STATEMENT:payout:{payout}:payee")
        returned = self._happens("a payout that comes back")
        if returned or self._happens("a payout that fails"):
            word = "RETURNED" if returned else "FAILED"
            code, text = self.random.choice(markets.REASONS)
            reversal = {
                "currency": market.currency,
                "payout": {"id": payout, "amount": _money(total)},
                "payee": {"id": payee},
                "reason": {"code": code, "text": text},
                "next_step": "Actualiza tu cuenta bancaria",
            }
            self._add(f"PAYOUT_{word}", market, moment + dt.timedelta(hours=30), reversal)
            self.keys.add(f"PAYOUT_REVERSAL_NOTICE:payout:{payout}:payee:{word.lower()}")

    def _add(self, kind: str, market: Market, moment: dt.datetime, data: EventBody) -> None:
        self.events.append(
            {
                "id": self._name("evt"),
                "type": kind,
                "occurred_at": _text(moment),
                "country": market.country,
                "issuer": market.issuer,
                "data": data,
            }
        )

    def _happens(self, what: str) -> bool:
        return self.random.random() < CHANCES[what]

    def _name(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}_{self.run}_{self.count}"

    def _person(self, name: str, market: Market, *, tax_id: bool) -> EventBody:
        person = {"id": name, "legal_name": self.random.choice(markets.NAMES), "email": f"{name}@example.com"}
        if tax_id:
            number, kind = self.random.choice(market.tax_ids)
            person |= {"tax_id": number, "tax_id_type": kind}
        return person

    def _amount(self, market: Market) -> int:
        return market.unit_minor * self.random.randint(3, 40) + self.random.randint(0, 99)


def draw(*, seed: int, count: int, shuffled: bool = True) -> Stream:
    """Draw exactly `count` events, a tenth of them repeats; the same for the same seed.

    Shuffled, an event may come before what it needs.
    """
    dice = random.Random(seed)  # noqa: S311 - reproducible, protects nothing
    scenario = _Scenario(random=dice, run=f"s{seed}")
    distinct = count - int(count * REPEATED_SHARE)
    moment = START
    while len(scenario.events) < distinct:
        moment += dt.timedelta(minutes=dice.randint(1, 30))
        market, room = dice.choice(markets.MARKETS), distinct - len(scenario.events)
        if room >= WEEK_EVENTS_MAX and dice.random() < CHANCES["a week"]:
            scenario.week(market=market, moment=moment)
        elif room >= CUSTOMER_EVENTS_MAX and dice.random() < CHANCES["a customer"]:
            scenario.customer(market=market, moment=moment)
        else:
            scenario.unknown_type(market=market, moment=moment)
    events = list(scenario.events)
    events += [
        _repeated(dice.choice(scenario.events), dice=dice, number=number) for number in range(count - len(events))
    ]
    if shuffled:
        events = [event for _, event in sorted(_scattered(events, dice), key=lambda pair: pair[0])]
    return Stream(events=events, keys=frozenset(scenario.keys))


def _repeated(event: EventBody, *, dice: random.Random, number: int) -> EventBody:
    """Return an event again: the very same one, or the same data under another event id."""
    another_id = dice.random() < CHANCES["another event id"]
    return event | {"id": f"{event['id']}_again{number}"} if another_id else event


def _scattered(events: list[EventBody], dice: random.Random) -> Iterator[tuple[float, EventBody]]:
    for place, event in enumerate(events):
        yield place + dice.uniform(0, NEIGHBOURHOOD), event


def _tax(base_minor: int, thousandths: int) -> int:
    """Return a tax, rounded half up away from zero."""
    tax = (abs(base_minor) * thousandths + 500) // 1000
    return tax if base_minor >= 0 else -tax


def _money(minor: int) -> str:
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def _line(number: int, kind: str, description: str, amount_minor: int, tax: str = "") -> EventBody:
    line = {"id": str(number), "kind": kind, "description": description, "amount": _money(amount_minor)}
    return line | ({"tax": tax} if tax else {})


def _text(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
