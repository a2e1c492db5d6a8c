"""The amounts that a computation takes in and gives out, and how they are read from text and written as text. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from documents import errors, money

Prices = Literal["net", "gross"]
UNTAXED = ""


@dataclass(frozen=True, kw_only=True)
class AmountLine:
    """One line of an order, a receipt, a credit or a payout's adjustments; deductions are negative."""

    id: str
    amount_minor: int
    tax: str = UNTAXED
    kind: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The lines of one tax code and one sign: `base` without tax, and its tax rounded once."""

    code: str
    rate: Fraction
    base_minor: int
    tax_minor: int
    deduction: bool = False

    @property
    def gross_minor(self) -> int:
        """Return base and tax together."""
        return self.base_minor + self.tax_minor

    @property
    def key(self) -> tuple[str, bool]:
        """Return what makes the group one of its kind: tax code, and earnings or deductions."""
        return self.code, self.deduction

    def content(self, *, digits: int) -> dict[str, str]:
        """Return the group as it is frozen: {code, rate, base, tax}, all text."""
        return {
            "code": self.code,
            "rate": money.rate_text(self.rate),
            "base": money.text(self.base_minor, digits),
            "tax": money.text(self.tax_minor, digits),
        }


@dataclass(frozen=True, kw_only=True)
class WithheldTax:
    """Tax that is withheld, as another system decided it; `status` says whether base times rate is the amount."""

    name: str
    rate: Fraction
    base_minor: int
    amount_minor: int
    legal_ref: str
    status: Literal["checked", "declared"]

    def content(self, *, digits: int) -> dict[str, str]:
        """Return the withholding as it is frozen, all text."""
        return {
            "name": self.name,
            "rate": money.rate_text(self.rate),
            "base": money.text(self.base_minor, digits),
            "amount": money.text(self.amount_minor, digits),
            "legal_ref": self.legal_ref,
            "status": self.status,
        }


@dataclass(frozen=True, kw_only=True)
class Computed:
    """A document's `totals` (minor units, by the words of the API) and its tax groups, untaxed lines left out."""

    totals: dict[str, int]
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Credited(Computed):
    """A credit note's sums, and what may still be credited after it (untaxed groups have the code "")."""

    remaining: tuple[Group, ...] = ()

    @property
    def remaining_minor(self) -> int:
        """Return the gross that later credits may still give back."""
        return sum(group.gross_minor for group in self.remaining)


@dataclass(frozen=True, kw_only=True)
class PayoutTotals(Computed):
    """A payout's sums; `difference_minor` is computed minus stated, zero when it closes."""

    difference_minor: int = 0

    @property
    def closes(self) -> bool:
        """Tell whether the parts add up to the transferred amount, to the cent."""
        return self.difference_minor == 0


# -- reading --


def read_lines(*, lines: Iterable[Mapping[str, Any]], digits: int, party: str | None = None) -> list[AmountLine]:
    """Read the lines of an event or a content; with `party` ("beneficiary", "partner") only that one's.

    :raises errors.Problem: `validation_error` for a text that is no amount
    """
    return [
        AmountLine(
            id=line["id"],
            amount_minor=money.minor(line["amount"], digits),
            tax=line.get("tax") or UNTAXED,
            kind=line.get("kind", ""),
            description=line.get("description", ""),
        )
        for line in lines
        if party is None or (line.get("party") or "beneficiary") == party
    ]


def read_groups(*, groups: Iterable[Mapping[str, str]], digits: int) -> list[Group]:
    """Read a frozen content's `tax_groups` back; a negative base is a deduction's."""
    read = []
    for group in groups:
        base, tax = money.minor(group["base"], digits), money.minor(group["tax"], digits)
        rate, deduction = money.rate(group["rate"]), base < 0 or tax < 0
        read.append(Group(code=group["code"], rate=rate, base_minor=base, tax_minor=tax, deduction=deduction))
    return read


def read_withholdings(*, withholdings: Iterable[Mapping[str, str]], digits: int, orders: int = 1) -> list[WithheldTax]:
    """Read an event's withholdings and check each one's arithmetic.

    Each contributing order may have been rounded on its own, so a deviation of up to `orders` minor units still counts
    as `checked`; with more it is `declared`: printed as it came, and flagged.
    """
    read = []
    for item in withholdings:
        rate, base = money.rate(item["rate"]), money.minor(item["base"], digits)
        amount = money.minor(item["amount"], digits)
        close = abs(amount - money.round_half_up(base * rate)) <= max(orders, 1)
        read.append(
            WithheldTax(
                name=item["name"],
                rate=rate,
                base_minor=base,
                amount_minor=amount,
                legal_ref=item["legal_ref"],
                status="checked" if close else "declared",
            )
        )
    return read


def texts(*, amounts: Mapping[str, int], digits: int) -> dict[str, str]:
    """Return totals as they are frozen and answered: each with exactly the currency's digits."""
    return {word: money.text(amount, digits) for word, amount in amounts.items()}


def check_totals(
    *, stated: Mapping[str, str] | None, computed: Mapping[str, int], digits: int, pointer: str = "/data/totals"
) -> None:
    """Compare the totals that an event states with the computed ones; each must match exactly.

    :raises errors.Problem: `totals_mismatch`, with a fault per wrong total
    """
    faults = [
        errors.Fault(
            pointer=f"{pointer}/{word}",
            code="totals_mismatch",
            values={"total": word, "stated": amount, "expected": money.text(computed[word], digits)},
        )
        for word, amount in (stated or {}).items()
        if money.minor(amount, digits) != computed[word]
    ]
    if faults:
        raise errors.Problem(code="totals_mismatch", errors=faults)
