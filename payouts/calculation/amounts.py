"""The amounts that a computation takes in and gives out, and how they are read from text and written as text. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

from documents import errors, money

Prices = Literal["net", "gross"]
UNTAXED = ""
JOINT = "+"  # between the codes of a line that has several: "ILA315+IVA19"


@dataclass(frozen=True, kw_only=True)
class AmountLine:
    """One line of an order, a receipt, a credit or a payout's adjustments; deductions are negative.

    `tax` are its codes as `joined` writes them.
    """

    id: str
    amount_minor: int
    tax: str = UNTAXED
    kind: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class CodeTax:
    """The tax of one code on a group's base."""

    code: str
    rate: Fraction
    tax_minor: int


@dataclass(frozen=True, kw_only=True)
class Group:
    """The lines of the same tax codes and one sign: `base` without tax, and the tax of each code on it."""

    base_minor: int
    taxes: tuple[CodeTax, ...] = ()
    deduction: bool = False

    @property
    def code(self) -> str:
        """Return the codes of its lines, as `joined` writes them."""
        return joined([tax.code for tax in self.taxes])

    @property
    def rate(self) -> Fraction:
        """Return the rates of all its codes together."""
        return sum((tax.rate for tax in self.taxes), Fraction(0))

    @property
    def tax_minor(self) -> int:
        """Return the tax of all its codes together."""
        return sum(tax.tax_minor for tax in self.taxes)

    @property
    def gross_minor(self) -> int:
        """Return base and tax together."""
        return self.base_minor + self.tax_minor

    @property
    def key(self) -> tuple[str, bool]:
        """Return what makes the group one of its kind: tax codes, and earnings or deductions."""
        return self.code, self.deduction


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
            tax=joined(codes_of(line=line)),
            kind=line.get("kind", ""),
            description=line.get("description", ""),
        )
        for line in lines
        if party is None or (line.get("party") or "beneficiary") == party
    ]


def codes_of(*, line: Mapping[str, Any]) -> list[str]:
    """Return the tax codes that a line of an event or a content states; none where it is not taxed."""
    return list(line.get("taxes") or [line["tax"]]) if line.get("taxes") or line.get("tax") else []


def joined(codes: Iterable[str]) -> str:
    """Return tax codes as one text, the same in whatever order they are stated; UNTAXED for none."""
    return JOINT.join(sorted(codes))


def split(tax: str) -> list[str]:
    """Return the tax codes that `joined` made one text of."""
    return tax.split(JOINT) if tax else []


def group_rows(*, groups: Iterable[Group], digits: int) -> list[dict[str, str]]:
    """Return groups as they are frozen: a row {code, rate, base, tax} a code, all text.

    A row of lines with several codes names the others in `with_codes`: their base is the same money.
    """
    return [
        {
            "code": tax.code,
            "rate": money.rate_text(tax.rate),
            "base": money.text(group.base_minor, digits),
            "tax": money.text(tax.tax_minor, digits),
        }
        | ({"with_codes": joined(others)} if (others := [each.code for each in group.taxes if each is not tax]) else {})
        for group in groups
        for tax in group.taxes
    ]


def read_groups(*, groups: Iterable[Mapping[str, Any]], digits: int) -> list[Group]:
    """Read a frozen content's `tax_groups` back; a negative base is a deduction's."""
    read: list[Group] = []
    taxes: list[CodeTax] = []
    for row in groups:
        rate, tax_minor = money.rate(row["rate"]), money.minor(row["tax"], digits)
        taxes.append(CodeTax(code=row["code"], rate=rate, tax_minor=tax_minor))
        if len(taxes) > len(split(row.get("with_codes", ""))):
            base = money.minor(row["base"], digits)
            deduction = base < 0 or any(tax.tax_minor < 0 for tax in taxes)
            read.append(Group(base_minor=base, taxes=tuple(taxes), deduction=deduction))
            taxes = []
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


def within(*, withholdings: Iterable[WithheldTax], earned_minor: int) -> list[WithheldTax]:
    """Return withholdings with those `declared` whose base is more than what was earned, whatever their arithmetic."""
    return [replace(item, status="declared") if item.base_minor > earned_minor else item for item in withholdings]


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
