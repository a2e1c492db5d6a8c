"""What happens in a marketplace, from one person to the next: customers who pay, drivers who are paid.

The sums are computed here, independently of the product, so that they can check it. A scenario names the documents that
must come of its events.
"""

import datetime as dt
import random

from config.simulation import event_parts, markets
from config.simulation.event_parts import EventBody
from config.simulation.markets import Market

START = dt.datetime(2026, 2, 2, 6, 0, tzinfo=dt.UTC)  # a Monday
# How often each of these happens, of all the times that it could.
CHANCES = {
    "a paid order": 0.7,
    "a refund": 0.15,
    "a refund that fails": 0.3,
    "a dispute": 0.08,
    "a cancellation": 0.08,
    "a tax id": 0.5,
    "a tip that comes late": 0.3,
    "a payout by orders": 0.5,
    "a payout that fails": 0.08,
    "a payout that comes back": 0.12,
    "a payout that is canceled": 0.06,
    "an order that is lost": 0.3,
    "a new owner": 0.5,
    "a new address": 0.1,
}
# TABLE: how a payout ends, sometimes: the last word of the event's type.
ENDINGS = {
    "a payout that comes back": "RETURNED",
    "a payout that fails": "FAILED",
    "a payout that is canceled": "CANCELED",
}
WEEK_EVENTS_MAX = 20
CUSTOMER_EVENTS_MAX = 5  # a receipt, its refund, that it failed, the one that replaces it, a new address


class Scenario:
    """Collects events in the order in which they happened, and the keys of the documents that must come of them."""

    def __init__(self, *, random: random.Random, run: str) -> None:
        self.random, self.run = random, run
        self.events: list[EventBody] = []
        self.keys: set[str] = set()
        self.count = 0

    def receipt(self, *, market: Market, moment: dt.datetime, order: str) -> str:
        """Add a payment and, sometimes, a partial refund of it; return the payment's id."""
        payment, customer = self._name("pay"), self._name("cus")
        amounts = [self._amount(market) for _ in range(self.random.randint(1, 4))]
        code, rate = market.fare
        net, tax = sum(amounts), event_parts.tax(sum(amounts), rate)
        lines = [event_parts.line(n, "FARE", "Servicio", amount, code) for n, amount in enumerate(amounts, start=1)]
        totals = {"net": net, "tax": tax, "gross": net + tax}
        data: EventBody = {
            "currency": market.currency,
            "payment": {
                "id": payment, "method": "card", "brand": "visa", "last4": "4242",
                "captured_at": event_parts.text(moment), "amount": event_parts.money(net + tax),
            },
            "order": {"id": order, "service": market.service, "city": market.city},
            "customer": self._person(customer, market, tax_id=self._happens("a tax id")),
            "lines": lines,
            "totals": {word: event_parts.money(minor) for word, minor in totals.items()},
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
                    "lines": [event_parts.line(1, "REFUND_ITEM", "Devolución", amounts[0], code)],
                },
            )
            self.keys.add(f"CREDIT_NOTE:refund:{refund}:customer")
        return payment

    def week(self, *, market: Market, moment: dt.datetime) -> None:
        """Add a driver's week: orders, adjustments, one payout and, sometimes, its failure or return."""
        driver = self._person(self._name("drv"), market, tax_id=True)
        whole, parts = self._happens("a payout by orders"), dict[str, list[tuple[str, str, int]]]()
        for _ in range(self.random.randint(1, 4)):
            moment += dt.timedelta(minutes=self.random.randint(20, 400))
            order = self._name("ord")
            if self._happens("a paid order"):
                self.receipt(market=market, moment=moment - dt.timedelta(minutes=15), order=order)
            parts[order] = [("order", order, self._order(order=order, market=market, moment=moment, driver=driver))]
            if self._happens("a tip that comes late"):
                tip, adjustment = self._adjust(order=order, market=market, moment=moment + dt.timedelta(hours=2))
                parts[order].append(("adjustment", adjustment, tip))
        if len(parts) > 1 and self._happens("an order that is lost"):
            self._lose(parts=parts.pop(order), market=market, moment=moment + dt.timedelta(hours=3), owner=driver["id"])
        named = [part for mine in parts.values() for part in mine]
        settles = [{word: name, "amount": event_parts.money(minor)} for word, name, minor in named]
        self._payout(
            market=market,
            moment=START + dt.timedelta(days=7 * (1 + (moment - START).days // 7), hours=2),
            payee=driver["id"],
            what={"orders": [*parts]} if whole else {"settles": settles},
            total=sum(minor for _, _, minor in named),
        )

    def customer(self, *, market: Market, moment: dt.datetime) -> None:
        """Add a customer who pays and, sometimes, gets the money back in another way, or changes his address."""
        payment = self.receipt(market=market, moment=moment, order=self._name("ord"))
        self._undo(payment=payment, market=market, moment=moment)
        if not self._happens("a new address"):
            return
        paid = next(event for event in reversed(self.events) if event["type"] == "PAYMENT_CAPTURED")
        customer = paid["data"]["customer"]
        data = {
            "currency": market.currency,
            "party": {"id": customer["id"], "email": f"nuevo.{customer['id']}@example.com"},
        }
        self._add("CONTACT_CHANGED", market, moment + dt.timedelta(days=1), data)

    def _undo(self, *, payment: str, market: Market, moment: dt.datetime) -> None:
        """Add, sometimes, that a refund failed and was made again; of a payment without one, a dispute or its end."""
        refunded, reason = self.events[-1], {"code": "CARD_CLOSED", "text": "La tarjeta está cancelada"}
        if refunded["type"] == "REFUND_ISSUED":
            if self._happens("a refund that fails"):
                failed = refunded["data"]["refund"]
                about = {"refund": {"id": failed["id"], "payment_id": payment}, "reason": reason}
                self._add("REFUND_FAILED", market, moment + dt.timedelta(hours=6), about)
                again = failed | {"id": self._name("rf"), "replaces": failed["id"]}
                self._add("REFUND_ISSUED", market, moment + dt.timedelta(hours=7), refunded["data"] | {"refund": again})
        elif self._happens("a dispute"):
            dispute = {"id": self._name("dp"), "payment_id": payment, "amount": "1.00", "reason": "FRAUDULENT"}
            data = {"currency": market.currency, "dispute": dispute}
            self._add("DISPUTE_LOST", market, moment + dt.timedelta(hours=8), data)
            self.keys.add(f"CREDIT_NOTE:dispute:{dispute['id']}:customer")
        elif self._happens("a cancellation"):
            end = moment + dt.timedelta(minutes=9)
            canceled = {"payment": {"id": payment}, "reason": reason, "canceled_at": event_parts.text(end)}
            self._add("PAYMENT_CANCELED", market, end, canceled)
            self.keys.add(f"CREDIT_NOTE:payment:{payment}:customer:canceled")

    def unknown_type(self, *, market: Market, moment: dt.datetime) -> None:
        """Add an event of a type that the product does not know."""
        self._add("COURIER_WAVED", market, moment, {"wave": self._name("wav")})

    def _order(self, *, order: str, market: Market, moment: dt.datetime, driver: EventBody) -> int:
        fare, tip = self._amount(market), self._amount(market) // 10
        fee = -(fare // 5)
        lines = [
            event_parts.line(1, "FARE", "Servicio de transporte", fare, market.fare[0]),
            event_parts.line(2, "TIP", "Propina", tip),
            event_parts.line(3, "PLATFORM_FEE", "Comisión 20 %", fee, market.fee[0]),
        ]
        payable = fare + tip + fee + event_parts.tax(fare, market.fare[1]) + event_parts.tax(fee, market.fee[1])
        data: EventBody = {
            "currency": market.currency,
            "order": {
                "id": order,
                "service": market.service,
                "completed_at": event_parts.text(moment),
                "city": market.city,
            },
            "driver": driver,
            "lines": lines,
            "withholdings": [],
            "totals": {"payable": event_parts.money(payable)},
        }
        self.keys.add(f"ORDER_FINAL_STATEMENT:order:{order}:beneficiary")
        if market.country == "CO":
            items = self._amount(market)
            lines += [
                event_parts.line(4, "ITEM", "Bandeja paisa", items, "INC8") | {"party": "partner"},
                event_parts.line(5, "PLATFORM_FEE", "Comisión 20 %", -(items // 5), "IVA19") | {"party": "partner"},
            ]
            data["partner"] = {
                "id": "ptn_andes",
                "legal_name": "Restaurante Andes S.A.S.",
                "email": "caja@restandes.example.com",
            }
            data["totals"]["partner_payable"] = event_parts.money(
                items - items // 5 + event_parts.tax(items, 80) + event_parts.tax(-(items // 5), 190)
            )
            self.keys.add(f"ORDER_FINAL_STATEMENT:order:{order}:partner")
        self._add("ORDER_COMPLETED", market, moment, data)
        return payable

    def _adjust(self, *, order: str, market: Market, moment: dt.datetime) -> tuple[int, str]:
        tip, adjustment = self._amount(market) // 10, self._name("adj")
        data = {
            "currency": market.currency,
            "adjustment": {"id": adjustment, "reason": "LATE_TIP", "made_at": event_parts.text(moment)},
            "order": {"id": order},
            "lines": [event_parts.line(1, "TIP", "Propina posterior", tip)],
            "totals": {"payable": event_parts.money(tip)},
        }
        self._add("ORDER_ADJUSTED", market, moment, data)
        self.keys.add(f"ORDER_FINAL_STATEMENT:order:{order}:beneficiary:{adjustment}")
        return tip, adjustment

    def _lose(self, *, parts: list[tuple[str, str, int]], market: Market, moment: dt.datetime, owner: str) -> None:
        """Give an order and its adjustments to another, or cancel it; `parts`: (order or adjustment, id, net)."""
        order, lost_at = parts[0][1], event_parts.text(moment)
        if self._happens("a new owner"):
            name, to = self._name("ra"), self._person(self._name("drv"), market, tax_id=True)
            reassignment = {"id": name, "reason": "WRONG_DRIVER", "made_at": lost_at}
            data = {"reassignment": reassignment, "order": {"id": order}, "from": {"id": owner}, "to": to}
            self._add("ORDER_REASSIGNED", market, moment, data)
            for kind in ("CREDIT_NOTE", "ORDER_FINAL_STATEMENT"):
                suffixes = ["", *(f":{adjustment}" for _, adjustment, _ in parts[1:])]
                self.keys |= {f"{kind}:reassignment:{name}:beneficiary{suffix}" for suffix in suffixes}
            return
        reason = {"code": "CUSTOMER_LEFT", "text": "El cliente lo canceló"}
        self._add("ORDER_CANCELED", market, moment, {"order": {"id": order}, "reason": reason, "canceled_at": lost_at})
        self.keys |= {f"CREDIT_NOTE:{word}:{name}:beneficiary:canceled" for word, name, _ in parts}
        if f"ORDER_FINAL_STATEMENT:order:{order}:partner" in self.keys:
            self.keys.add(f"CREDIT_NOTE:order:{order}:partner:canceled")

    def _payout(self, *, market: Market, moment: dt.datetime, payee: str, what: EventBody, total: int) -> None:
        payout = self._name("po")
        monday = moment.date() - dt.timedelta(days=7)
        data = {
            "currency": market.currency,
            "payout": {
                "id": payout, "method": "SEPA", "destination_masked": "**** 6789", "sent_at": event_parts.text(moment),
                "reference": f"AVT-{payout}", "amount": event_parts.money(total),
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
        self._end(payout=payout, payee=payee, total=total, market=market, moment=moment + dt.timedelta(hours=30))

    def _end(self, *, payout: str, payee: str, total: int, market: Market, moment: dt.datetime) -> None:
        """Add, sometimes, that a payout came back, failed or was canceled."""
        word = next((word for ending, word in ENDINGS.items() if self._happens(ending)), "")
        if not word:
            return
        code, text = self.random.choice(markets.REASONS)
        ended: EventBody = {"payout": {"id": payout}, "reason": {"code": code, "text": text}}
        if word == "CANCELED":
            ended["canceled_at"] = event_parts.text(moment)
        else:
            ended["payout"]["amount"] = event_parts.money(total)
            ended |= {"currency": market.currency, "payee": {"id": payee}, "next_step": "Actualiza tu cuenta bancaria"}
        self._add(f"PAYOUT_{word}", market, moment, ended)
        self.keys.add(f"PAYOUT_REVERSAL_NOTICE:payout:{payout}:payee:{word.lower()}")

    def _add(self, kind: str, market: Market, moment: dt.datetime, data: EventBody) -> None:
        self.events.append(
            {
                "id": self._name("evt"),
                "type": kind,
                "occurred_at": event_parts.text(moment),
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
