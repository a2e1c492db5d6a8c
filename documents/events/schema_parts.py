"""The parts that several events are made of: parties, lines, withholdings and their totals, each with its limits."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from documents.events import fields

LINES_MAX = 2000
TAXES_MAX = 10  # codes of one line
WITHHOLDINGS_MAX = 100

LineKind = Literal[
    "FARE", "TIP", "TOLL", "SURCHARGE", "BONUS", "PROMOTION", "ITEM", "PLATFORM_FEE", "REFUND_ITEM", "ADJUSTMENT"
]


class Strict(BaseModel):
    """Unknown fields, numbers for text and later changes are all refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StatedParty(Strict):
    """A person or company as the platform knows it: `id` is the identity, everything else may change."""

    id: fields.Id
    legal_name: fields.Text
    tax_id: fields.Text | None = None
    tax_id_type: fields.Text | None = None
    address: fields.Text | None = None
    email: fields.Email | None = None
    locale: fields.Locale | None = None


class Reference(Strict):
    """Somebody or something that another event is about, by its id."""

    id: fields.Id


class Line(Strict):
    """One line; `taxes` are several codes on its amount, `party` says whose it is when not the beneficiary's.

    A fee is of the platform's supply and all else of the service's; only a refund may be of either.
    """

    id: fields.Id
    kind: LineKind
    description: fields.Text
    amount: fields.Amount
    tax: fields.Text | None = None
    taxes: Annotated[list[fields.Text], Field(min_length=1, max_length=TAXES_MAX), fields.once(str)] | None = None
    party: Literal["partner"] | None = None
    supply: Literal["service", "platform"] | None = None

    @model_validator(mode="after")
    def of_its_supply(self) -> Self:
        """Refuse a line that is by its kind of another supply than it states."""
        own = "platform" if self.kind == "PLATFORM_FEE" else "service"
        if self.kind != "REFUND_ITEM" and self.supply not in {None, own}:
            raise fields.wrong("other_supply")
        return self

    @model_validator(mode="after")
    def taxed_one_way(self) -> Self:
        """Refuse a line that states both `tax` and `taxes`."""
        if self.tax is not None and self.taxes is not None:
            raise fields.wrong("tax_or_taxes")
        return self


class Withholding(Strict):
    """Tax held back, as decided elsewhere; never below zero."""

    name: fields.Text
    rate: fields.RateText
    base: fields.Moved
    amount: fields.Moved
    legal_ref: fields.Text


Lines = Annotated[list[Line], Field(min_length=1, max_length=LINES_MAX), fields.once(lambda line: line.id)]
LinesOrNone = Annotated[list[Line], Field(max_length=LINES_MAX), fields.once(lambda line: line.id)]
Withholdings = Annotated[list[Withholding], Field(max_length=WITHHOLDINGS_MAX)]


class NetTaxGross(Strict):
    """The totals of a receipt or a credit."""

    net: fields.Amount
    tax: fields.Amount
    gross: fields.Amount


class EventData(Strict):
    """What the data of every event with amounts has."""

    currency: fields.CurrencyCode


class PlainData(Strict):
    """What the data of an event without amounts has: its currency may be left out."""

    currency: fields.CurrencyCode | None = None
