"""The data of every event, type by type: a strict schema each, and nothing that is not in it.

A schema says what a message may look like. Whether it can be issued (totals, tax ids, rates, issuers) is asked later,
by the effect, so that a message which looks right is always stored.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from documents import money
from documents.events import fields, schema_parts

# -- payments and refunds --


class Payment(schema_parts.Strict):
    """A captured payment."""

    id: fields.Id
    method: fields.Text
    brand: fields.Text | None = None
    last4: fields.Last4 | None = None
    captured_at: fields.Moment
    amount: fields.Moved


class PaidOrder(schema_parts.Strict):
    """The order that a payment is for."""

    id: fields.Id
    service: fields.Text
    city: fields.Text | None = None
    time_zone: fields.Zone | None = None


class PaymentData(schema_parts.EventData):
    """PAYMENT_CAPTURED."""

    payment: Payment
    order: PaidOrder
    customer: schema_parts.StatedParty
    lines: schema_parts.Lines
    prices: money.Prices = "net"
    totals: schema_parts.NetTaxGross | None = None


class Refund(schema_parts.Strict):
    """A refund of a payment, whole or in part; `amount` is what went back, tax and all.

    `replaces` is the refund whose money did not arrive: this one gives it back once more.
    """

    id: fields.Id
    payment_id: fields.Id
    reason: fields.Text
    amount: fields.Moved | None = None
    replaces: fields.Id | None = None

    @model_validator(mode="after")
    def replaces_another(self) -> Self:
        """Refuse a refund that replaces itself."""
        if self.replaces == self.id:
            raise fields.wrong("replaces_itself")
        return self


class RefundData(schema_parts.EventData):
    """REFUND_ISSUED."""

    refund: Refund
    lines: schema_parts.Lines | None = None
    prices: money.Prices | None = None  # the receipt's own where it does not say
    totals: schema_parts.NetTaxGross | None = None

    @model_validator(mode="after")
    def says_how_much(self) -> Self:
        """Refuse a refund that gives back nothing, in lines or in an amount."""
        if self.lines is None and not (self.refund.amount or "").strip("0."):
            raise fields.wrong("lines_or_amount")
        return self


# -- orders --


class Order(PaidOrder):
    """An order that was carried out."""

    completed_at: fields.Moment


class OrderTotals(schema_parts.Strict):
    """What the beneficiary and the partner are owed."""

    payable: fields.Amount
    partner_payable: fields.Amount | None = None


class OrderData(schema_parts.EventData):
    """ORDER_COMPLETED."""

    order: Order
    driver: schema_parts.StatedParty
    beneficiary: schema_parts.StatedParty | None = None
    partner: schema_parts.StatedParty | None = None
    lines: schema_parts.Lines
    prices: money.Prices = "net"
    withholdings: schema_parts.Withholdings
    cash_collected: fields.Moved | None = None
    totals: OrderTotals | None = None

    @model_validator(mode="after")
    def partner_is_named(self) -> Self:
        """Refuse lines and totals of a partner whom the order does not name."""
        if self.partner is None:
            if any(line.party for line in self.lines):
                raise fields.wrong("partner_missing")
            if self.totals and self.totals.partner_payable is not None:
                raise fields.wrong("partner_missing")
        return self


class Adjustment(schema_parts.Strict):
    """A late tip, a fare review."""

    id: fields.Id
    reason: fields.Text
    made_at: fields.Moment


class AdjustmentTotals(schema_parts.Strict):
    """What an adjustment adds or takes."""

    payable: fields.Amount


class AdjustmentData(schema_parts.EventData):
    """ORDER_ADJUSTED."""

    adjustment: Adjustment
    order: schema_parts.Reference
    lines: schema_parts.Lines
    prices: money.Prices = "net"
    totals: AdjustmentTotals | None = None


# -- payouts --


class SentPayout(schema_parts.Strict):
    """A transfer of money."""

    id: fields.Id
    method: fields.Text
    destination_masked: fields.MaskedText
    sent_at: fields.Moment
    reference: fields.Text
    amount: fields.Moved


class ClosedPeriod(schema_parts.Strict):
    """A period that ends at zero or below: nothing is transferred."""

    id: fields.Id
    method: fields.Text | None = None
    sent_at: fields.Moment | None = None
    reference: fields.Text | None = None
    amount: fields.Moved


class Period(schema_parts.Strict):
    """Both days are in it. Whether it runs forwards is asked by the effect: an inverted period is held, not refused."""

    from_date: fields.Day = Field(alias="from")
    until_date: fields.Day = Field(alias="to")


class Settles(schema_parts.Strict):
    """One thing that a payout pays, and how much of it."""

    order: fields.Id | None = None
    adjustment: fields.Id | None = None
    credit: fields.Id | None = None
    amount: fields.Amount

    @property
    def named(self) -> tuple[str, str]:
        """Return what is settled: ("order", "ord_1")."""
        return next((word, name) for word in ("order", "adjustment", "credit") if (name := getattr(self, word)))

    @model_validator(mode="after")
    def names_one(self) -> Self:
        """Refuse an item that names nothing, or two things."""
        if sum(1 for name in (self.order, self.adjustment, self.credit) if name) != 1:
            raise fields.wrong("names_one")
        return self


class _PayoutData(schema_parts.EventData):
    payee: schema_parts.Reference
    period: Period
    orders: Annotated[list[fields.Id], Field(max_length=schema_parts.LINES_MAX), fields.once(str)] | None = None
    settles: (
        Annotated[list[Settles], Field(max_length=schema_parts.LINES_MAX), fields.once(lambda item: item.named)] | None
    ) = None
    adjustments: schema_parts.LinesOrNone
    withholdings: schema_parts.Withholdings
    cash_collected: fields.Moved
    opening_carry_over: fields.Amount
    closing_carry_over: fields.Amount
    replaces: fields.Id | None = None

    @model_validator(mode="after")
    def one_list(self) -> Self:
        """Refuse both lists of what is settled, and none."""
        if (self.orders is None) == (self.settles is None):
            raise fields.wrong("orders_or_settles")
        return self


class PayoutData(_PayoutData):
    """PAYOUT_SENT."""

    payout: SentPayout


class PeriodClosedData(_PayoutData):
    """PAYOUT_PERIOD_CLOSED."""

    payout: ClosedPeriod

    @model_validator(mode="after")
    def moves_nothing(self) -> Self:
        """Refuse a closed period that moves money."""
        if self.payout.amount.strip("0."):
            raise fields.wrong("not_zero")
        return self


# -- parties --


class Contact(schema_parts.Strict):
    """Where somebody is reached now."""

    id: fields.Id
    email: fields.Email | None = None
    locale: fields.Locale | None = None


class ContactData(schema_parts.PlainData):
    """CONTACT_CHANGED."""

    party: Contact
