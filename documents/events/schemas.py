"""What other systems tell us, type by type: the strict schema of every event's data, and nothing that is not in it.

A schema says what a fact may look like; whether it can be issued (totals, tax ids, rates, issuers) is asked later, by
the effect, so that a fact which looks right is never lost.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from documents.events import fields

LINES_MAX = 2000
WITHHOLDINGS_MAX = 100

Prices = Literal["net", "gross"]
LineKind = Literal[
    "FARE", "TIP", "TOLL", "SURCHARGE", "BONUS", "PROMOTION", "ITEM", "PLATFORM_FEE", "REFUND_ITEM", "ADJUSTMENT"
]


class Strict(BaseModel):
    """Unknown fields, numbers for text and later changes are all refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Party(Strict):
    """A person or company as the platform knows it: `id` is the identity, everything else may change."""

    id: fields.Id
    legal_name: fields.Text
    tax_id: fields.Text | None = None
    tax_id_type: fields.Text | None = None
    address: fields.Text | None = None
    email: fields.Email | None = None
    locale: fields.Locale | None = None


class Named(Strict):
    """Somebody or something that another event has told about."""

    id: fields.Id


class Line(Strict):
    """One line; `party` says whose it is when it is not the beneficiary's."""

    id: fields.Id
    kind: LineKind
    description: fields.Text
    amount: fields.Amount
    tax: fields.Text | None = None
    party: Literal["partner"] | None = None


class Withholding(Strict):
    """Tax held back, as decided elsewhere."""

    name: fields.Text
    rate: fields.Rate
    base: fields.Amount
    amount: fields.Amount
    legal_ref: fields.Text


Lines = Annotated[list[Line], Field(min_length=1, max_length=LINES_MAX), fields.once(lambda line: line.id)]
LinesOrNone = Annotated[list[Line], Field(max_length=LINES_MAX), fields.once(lambda line: line.id)]
Withholdings = Annotated[list[Withholding], Field(max_length=WITHHOLDINGS_MAX)]


class NetTaxGross(Strict):
    """The totals of a receipt or a credit."""

    net: fields.Amount
    tax: fields.Amount
    gross: fields.Amount


class Data(Strict):
    """What every event's data has."""

    currency: fields.CurrencyCode


# -- payments and refunds --


class Payment(Strict):
    """A captured payment."""

    id: fields.Id
    method: fields.Text
    brand: fields.Text | None = None
    last4: fields.Last4 | None = None
    captured_at: fields.Moment
    amount: fields.Moved


class PaidOrder(Strict):
    """The order that a payment is for."""

    id: fields.Id
    service: fields.Text
    city: fields.Text | None = None
    time_zone: fields.Zone | None = None


class PaymentData(Data):
    """PAYMENT_CAPTURED."""

    payment: Payment
    order: PaidOrder
    customer: Party
    lines: Lines
    prices: Prices = "net"
    totals: NetTaxGross | None = None


class Refund(Strict):
    """A refund of a payment, whole or in part."""

    id: fields.Id
    payment_id: fields.Id
    reason: fields.Text


class RefundData(Data):
    """REFUND_ISSUED."""

    refund: Refund
    lines: Lines
    totals: NetTaxGross | None = None


# -- orders --


class Order(PaidOrder):
    """An order that was carried out."""

    completed_at: fields.Moment


class OrderTotals(Strict):
    """What the beneficiary and the partner are owed."""

    payable: fields.Amount
    partner_payable: fields.Amount | None = None


class OrderData(Data):
    """ORDER_COMPLETED."""

    order: Order
    driver: Party
    beneficiary: Party | None = None
    partner: Party | None = None
    lines: Lines
    prices: Prices = "net"
    withholdings: Withholdings
    cash_collected: fields.Amount | None = None
    totals: OrderTotals | None = None

    @model_validator(mode="after")
    def partner_is_named(self) -> Self:
        """Refuse lines and totals of a partner whom the order does not name."""
        if self.partner is None:
            if any(line.party for line in self.lines):
                raise PydanticCustomError("partner_missing", "a line says party=partner and the order names no partner")
            if self.totals and self.totals.partner_payable is not None:
                raise PydanticCustomError("partner_missing", "partner_payable is stated and the order names no partner")
        return self


class Adjustment(Strict):
    """A late tip, a fare review."""

    id: fields.Id
    reason: fields.Text
    made_at: fields.Moment


class AdjustmentTotals(Strict):
    """What an adjustment adds or takes."""

    payable: fields.Amount


class AdjustmentData(Data):
    """ORDER_ADJUSTED."""

    adjustment: Adjustment
    order: Named
    lines: Lines
    prices: Prices = "net"
    totals: AdjustmentTotals | None = None


# -- payouts --


class Sent(Strict):
    """A transfer of money."""

    id: fields.Id
    method: fields.Text
    destination_masked: fields.Masked
    sent_at: fields.Moment
    reference: fields.Text
    amount: fields.Moved


class Closed(Strict):
    """A period that ends at zero or below: nothing is transferred."""

    id: fields.Id
    method: fields.Text | None = None
    sent_at: fields.Moment | None = None
    reference: fields.Text | None = None
    amount: fields.Moved


class Period(Strict):
    """Both days are in it. Whether it runs forwards is asked later: an inverted one is held, not refused."""

    from_date: fields.Day = Field(alias="from")
    until_date: fields.Day = Field(alias="to")


class Settles(Strict):
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
            raise PydanticCustomError("names_one", "exactly one of order, adjustment and credit")
        return self


class _PayoutData(Data):
    payee: Named
    period: Period
    orders: Annotated[list[fields.Id], Field(max_length=LINES_MAX), fields.once(str)] | None = None
    settles: Annotated[list[Settles], Field(max_length=LINES_MAX), fields.once(lambda item: item.named)] | None = None
    adjustments: LinesOrNone
    withholdings: Withholdings
    cash_collected: fields.Amount
    opening_carry_over: fields.Amount
    closing_carry_over: fields.Amount
    replaces: fields.Id | None = None

    @model_validator(mode="after")
    def one_list(self) -> Self:
        """Refuse both lists of what is settled, and none."""
        if (self.orders is None) == (self.settles is None):
            raise PydanticCustomError("orders_or_settles", "exactly one of orders and settles")
        return self


class PayoutData(_PayoutData):
    """PAYOUT_SENT."""

    payout: Sent


class PeriodClosedData(_PayoutData):
    """PAYOUT_PERIOD_CLOSED."""

    payout: Closed

    @model_validator(mode="after")
    def moves_nothing(self) -> Self:
        """Refuse a closed period that moves money."""
        if self.payout.amount.strip("0."):
            raise PydanticCustomError("not_zero", "a period that is closed without a payout has amount zero")
        return self


class Moved(Strict):
    """The payout that failed or came back."""

    id: fields.Id
    amount: fields.Moved


class Reason(Strict):
    """Why, for machines and for people."""

    code: fields.Text
    text: fields.Text


class ReversalData(Data):
    """PAYOUT_FAILED and PAYOUT_RETURNED."""

    payout: Moved
    payee: Named
    reason: Reason
    next_step: fields.Text | None = None


# -- parties --


class Contact(Strict):
    """Where somebody is reached now."""

    id: fields.Id
    email: fields.Email | None = None
    locale: fields.Locale | None = None


class ContactData(Strict):
    """CONTACT_CHANGED: the only fact without money, so its currency may be left out."""

    currency: fields.CurrencyCode | None = None
    party: Contact
