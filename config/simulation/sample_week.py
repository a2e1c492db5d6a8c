"""One week of money in any country: an event list from which every kind of document comes, in each of its forms.

The sums are computed here, independently of the product. A country that has only its pack gets its week like the
others; names, tax ids and fares that look like home are data of `sample_people`.
"""

import datetime as dt
from collections.abc import Sequence
from fractions import Fraction

from config.simulation import sample_people
from config.simulation.event_parts import EventBody
from documents import money
from documents.countries.pack import Pack

SampleLine = tuple[str, str, Fraction, str]  # kind, description, units, tax code
MONDAY = dt.datetime(2026, 2, 16, 15, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
ZERO = Fraction(0)
# TABLE: the documents that must come of a week, {C} being the country.
KEYS = (
    "PAYMENT_RECEIPT:payment:pay_B_{C}:customer",
    "ORDER_FINAL_STATEMENT:order:ord_A_{C}:beneficiary",
    "ORDER_FINAL_STATEMENT:order:ord_A_{C}:beneficiary:adj_1_{C}",
    "ORDER_FINAL_STATEMENT:order:ord_B_{C}:beneficiary",
    "ORDER_FINAL_STATEMENT:order:ord_F_{C}:beneficiary",
    "ORDER_FINAL_STATEMENT:order:ord_P_{C}:beneficiary",
    "ORDER_FINAL_STATEMENT:order:ord_P_{C}:partner",
    "PAYOUT_STATEMENT:payout:po_1_{C}:payee",
    "PAYOUT_REVERSAL_NOTICE:payout:po_1_{C}:payee:returned",
    "PAYOUT_REVERSAL_NOTICE:payout:po_2_{C}:payee:failed",
    "CREDIT_NOTE:refund:rf_B_{C}:customer",
)


def week(*, pack: Pack, issuer: str) -> list[EventBody]:
    """Return a country's week in the order in which it happened."""
    return _Week(pack=pack, issuer=issuer).events


class _Week:
    """Collects the week's events; every amount is in whole minor units until it is written."""

    def __init__(self, *, pack: Pack, issuer: str) -> None:
        self.pack, self.issuer = pack, issuer
        self.digits = money.digits(pack.currency)
        self.unit = sample_people.UNITS.get(pack.currency, 1) * 10**self.digits
        self.fare, self.fee = sample_people.TAXES.get(pack.country, (next(iter(pack.tax_codes)),) * 2)
        self.prices = "gross" if self.digits == 0 else "net"
        self.events: list[EventBody] = []
        self._add_all()

    def _add_all(self) -> None:
        earlier = self._order("A", moment=MONDAY - 4 * DAY, lines=self._ride(Fraction(18)))
        tip, name = [("TIP", "Propina posterior", Fraction(3, 2), "")], self._name("adj_1")
        body: EventBody = {"adjustment": {"id": name, "reason": "LATE_TIP", "made_at": _text(MONDAY)}}
        body |= {"order": {"id": self._name("ord_A")}, "lines": self._lines(tip)}
        self._event("ORDER_ADJUSTED", name, MONDAY, body)
        whole = [
            ("FARE", "Servicio de transporte", Fraction(22), self.fare),
            ("SURCHARGE", "Suplemento nocturno", Fraction(3, 2), self.fare),
            ("TIP", "Propina", Fraction(3), ""),
            ("TOLL", "Peaje", Fraction(12, 5), ""),
            ("BONUS", "Incentivo por lluvia", Fraction(5), ""),
            ("PROMOTION", "Promoción compartida", Fraction(-1), ""),
            ("PLATFORM_FEE", "Comisión 20 %", Fraction(-22, 5), self.fee),
        ]
        cash = self._minor(Fraction(10))
        now = self._order("B", moment=MONDAY + DAY, lines=whole, cash=cash)
        self._order("F", moment=MONDAY + DAY, lines=self._ride(Fraction(30)), fleet=True)
        self._order("P", moment=MONDAY + 2 * DAY, lines=self._ride(Fraction(5)), withheld=True, meal=Fraction(25))
        self._receipt(moment=MONDAY + DAY - dt.timedelta(minutes=20))
        settles = [("order", "ord_A", earlier), ("adjustment", "adj_1", self._net(tip)), ("order", "ord_B", now)]
        self._payout(settles=settles, cash=cash)
        self._reversals()

    def _ride(self, units: Fraction) -> list[SampleLine]:
        return [
            ("FARE", "Servicio de transporte", units, self.fare),
            ("PLATFORM_FEE", "Comisión 20 %", -units / 5, self.fee),
        ]

    def _order(
        self,
        name: str,
        *,
        moment: dt.datetime,
        lines: Sequence[SampleLine],
        withheld: bool = False,
        cash: int = 0,
        fleet: bool = False,
        meal: Fraction = ZERO,
    ) -> int:
        """Add an order and return what it leaves its beneficiary."""
        withholdings, withheld_minor = self._withholding(base=self._minor(lines[0][2])) if withheld else ([], 0)
        payable = self._net(lines) - withheld_minor
        body: EventBody = {
            "order": {
                "id": self._name(f"ord_{name}"), "service": "FOOD_DELIVERY" if meal else "PASSENGER_RIDE",
                "completed_at": _text(moment), "city": self._data_of("city")[0],
            },
            "driver": self._person("driver"),
            "lines": self._lines(lines),
            "prices": self.prices,
            "withholdings": withholdings,
            "totals": {"payable": self._money(payable)},
        }  # fmt: skip
        if cash:
            body["cash_collected"] = self._money(cash)
        if fleet:
            body["beneficiary"] = self._person("fleet")
        if meal:
            self._add_meal(body=body, meal=meal)
        self._event("ORDER_COMPLETED", self._name(f"ord_{name}"), moment, body)
        return payable

    def _add_meal(self, *, body: EventBody, meal: Fraction) -> None:
        """Add a partner's meal to an order, and what it leaves the partner."""
        dishes: list[SampleLine] = [
            ("ITEM", "Menú del día para dos", meal, self.fee),
            ("PLATFORM_FEE", "Comisión 20 %", -meal / 5, self.fee),
        ]
        body["partner"] = self._person("partner")
        body["lines"] += [line | {"party": "partner"} for line in self._lines(dishes, start=len(body["lines"]) + 1)]
        body["totals"]["partner_payable"] = self._money(self._net(dishes))

    def _receipt(self, *, moment: dt.datetime) -> None:
        """Add what the customer paid for the ride, and the part that was refunded."""
        lines: list[SampleLine] = [
            ("FARE", "Servicio de transporte", Fraction(22), self.fare),
            ("SURCHARGE", "Suplemento nocturno", Fraction(3, 2), self.fare),
            ("TOLL", "Peaje", Fraction(12, 5), ""),
            ("PROMOTION", "Bienvenida", Fraction(-2), self.fare),
        ]
        name = self._name("pay_B")
        body = {
            "payment": {
                "id": name, "method": "card", "brand": "visa", "last4": "4242", "captured_at": _text(moment),
                "amount": self._money(self._net(lines)),
            },
            "order": {"id": self._name("ord_B"), "service": "PASSENGER_RIDE", "city": self._data_of("city")[0]},
            "customer": self._person("customer"),
            "lines": self._lines(lines),
            "prices": self.prices,
        }  # fmt: skip
        self._event("PAYMENT_CAPTURED", name, moment, body)
        back: list[SampleLine] = [("REFUND_ITEM", "Suplemento cobrado por error", Fraction(3, 2), self.fare)]
        refund = {
            "refund": {"id": self._name("rf_B"), "payment_id": name, "reason": "FARE_REVIEW"},
            "lines": self._lines(back),
        }
        self._event("REFUND_ISSUED", self._name("rf_B"), moment + DAY, refund)

    def _payout(self, *, settles: Sequence[tuple[str, str, int]], cash: int) -> None:
        """Add the week's transfer: a bonus of its own, withholdings, cash and a balance."""
        bonus: list[SampleLine] = [("BONUS", "Incentivo semanal", Fraction(8), self.fee)]
        withholdings, withheld_minor = self._withholding(base=self._minor(Fraction(40)))
        balance = self._minor(Fraction(2))
        amount = sum(part for _, _, part in settles) + self._net(bonus, prices="net") - withheld_minor - cash - balance
        self.amount = amount
        body = {
            **self._sent("po_1", moment=MONDAY + 7 * DAY, amount=amount),
            "payee": {"id": self._name("driver")},
            "settles": [{word: self._name(name), "amount": self._money(part)} for word, name, part in settles],
            "adjustments": self._lines(bonus),
            "withholdings": withholdings,
            "cash_collected": self._money(cash),
            "closing_carry_over": self._money(balance),
        }
        self._event("PAYOUT_SENT", self._name("po_1"), MONDAY + 7 * DAY, body)

    def _reversals(self) -> None:
        """Add the return of the week's transfer by the bank, and the failure of the fleet's."""
        back = {
            "payout": {"id": self._name("po_1"), "amount": self._money(self.amount)},
            "payee": {"id": self._name("driver")},
            "reason": {"code": "ACCOUNT_CLOSED", "text": "La cuenta de destino está cerrada"},
            "next_step": "Actualiza tu cuenta bancaria",
        }
        self._event("PAYOUT_RETURNED", self._name("po_1_back"), MONDAY + 8 * DAY, back)
        failed = {
            "payout": {"id": self._name("po_2"), "amount": self._money(self._minor(Fraction(24)))},
            "payee": {"id": self._name("fleet")},
            "reason": {"code": "NAME_MISMATCH", "text": "El titular de la cuenta no coincide"},
        }
        self._event("PAYOUT_FAILED", self._name("po_2_failed"), MONDAY + 8 * DAY, failed)

    def _sent(self, name: str, *, moment: dt.datetime, amount: int) -> EventBody:
        method, destination = sample_people.PAYOUT_METHODS.get(self.pack.country, ("Transferencia", "****6789"))
        begins = MONDAY.date()
        return {
            "payout": {
                "id": self._name(name), "method": method, "destination_masked": destination, "sent_at": _text(moment),
                "reference": f"AVT-{self.pack.country}-1", "amount": self._money(amount),
            },
            "period": {"from": begins.isoformat(), "to": (begins + 6 * DAY).isoformat()},
            "opening_carry_over": "0",
        }  # fmt: skip

    def _withholding(self, *, base: int) -> tuple[list[EventBody], int]:
        """Return the withholding that the pack knows of this country and its amount; without one, nothing."""
        if not self.pack.withholdings_seen:
            return [], 0
        rule = self.pack.withholdings_seen[0]
        amount = _half_up(base * Fraction(rule.rates[0]))
        withholding = {"name": rule.name, "rate": rule.rates[0], "legal_ref": rule.source.text[:120]}
        return [withholding | {"base": self._money(base), "amount": self._money(amount)}], amount

    def _net(self, lines: Sequence[SampleLine], *, prices: str | None = None) -> int:
        """Return lines and their tax, which is rounded once a group; gross prices hold it already."""
        total = sum(self._minor(units) for _, _, units, _ in lines)
        if (prices or self.prices) == "gross":
            return total
        groups: dict[tuple[str, bool], int] = {}
        for _, _, units, tax in lines:
            if tax:
                groups[tax, units < 0] = groups.get((tax, units < 0), 0) + self._minor(units)
        rates = {code: self.pack.rate_on(code=code, date=MONDAY.date()).fraction for code, _ in groups}
        return total + sum(_half_up(base * rates[code]) for (code, _), base in groups.items())

    def _lines(self, lines: Sequence[SampleLine], *, start: int = 1) -> list[EventBody]:
        return [
            {"id": str(place), "kind": kind, "description": description, "amount": self._money(self._minor(units))}
            | ({"tax": tax} if tax else {})
            for place, (kind, description, units, tax) in enumerate(lines, start=start)
        ]

    def _minor(self, units: Fraction) -> int:
        return _half_up(units * self.unit)

    def _money(self, minor: int) -> str:
        return money.text(minor, self.digits)

    def _name(self, name: str) -> str:
        return f"{name}_{self.pack.country}"

    def _data_of(self, who: str) -> tuple[str, str]:
        return sample_people.PEOPLE.get(self.pack.country, {}).get(who, (f"{who.title()} de {self.pack.name.es}", ""))

    def _person(self, who: str) -> EventBody:
        name, tax_id = self._data_of(who)
        person = {"id": self._name(who), "legal_name": name, "email": f"{self._name(who)}@example.com"}
        kind, _, number = tax_id.rpartition(" ")
        return person | ({"tax_id": number} if number else {}) | ({"tax_id_type": kind} if kind else {})

    def _event(self, kind: str, name: str, moment: dt.datetime, body: EventBody) -> None:
        self.events.append(
            {
                "id": f"evt_{name}",
                "type": kind,
                "occurred_at": _text(moment),
                "country": self.pack.country,
                "issuer": self.issuer,
                "data": {"currency": self.pack.currency, **body},
            }
        )


def _half_up(exact: Fraction) -> int:
    """Return the nearest whole number, a half going away from zero."""
    size = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return size if exact >= 0 else -size


def _text(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
