"""The amounts that a computation takes in and gives out, and how they are read from text and written as text. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

from documents import errors, money

Supply = Literal["service", "platform"]  # what is rendered to the customer, and what the platform renders
GroupKey = tuple[str, Supply]  # of a group: the tax codes as `joined` writes them, and the supply
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
    supply: Supply = "service"
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
    """The lines of the same tax codes and supply: `base` without tax, and the tax of each code on it."""

    base_minor: int
    taxes: tuple[CodeTax, ...] = ()
    supply: Supply = "service"

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
    def key(self) -> GroupKey:
        """Return what makes the group one of its kind: tax codes and supply."""
        return self.code, self.supply

    def of(self, *, base_minor: int, minors: Sequence[int]) -> "Group":
        """Return a group of the same codes and supply with other money: `minors` is the tax of each code."""
        pairs = zip(self.taxes, minors, strict=True)
        taxes = tuple(CodeTax(code=tax.code, rate=tax.rate, tax_minor=minor) for tax, minor in pairs)
        return Group(base_minor=base_minor, taxes=taxes, supply=self.supply)


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
            supply=supply_of(line=line),
            kind=line.get("kind", ""),
            description=line.get("description", ""),
        )
        for line in lines
        if party is None or (line.get("party") or "beneficiary") == party
    ]


def supply_of(*, line: Mapping[str, Any]) -> Supply:
    """Return what a line of an event or a content belongs to: a fee is the platform's, all else the service's."""
    return "platform" if line.get("supply", line.get("kind")) in {"platform", "PLATFORM_FEE"} else "service"


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

    A row of the platform's supply says so in `supply`. A row of lines with several codes names the others in
    `with_codes`: their base is the same money.
    """
    return [
        {
            "code": tax.code,
            "rate": money.rate_text(tax.rate),
            "base": money.text(group.base_minor, digits),
            "tax": money.text(tax.tax_minor, digits),
        }
        | ({"supply": "platform"} if group.supply == "platform" else {})
        | ({"with_codes": joined(others)} if (others := [each.code for each in group.taxes if each is not tax]) else {})
        for group in groups
        for tax in group.taxes
    ]


def read_groups(*, groups: Iterable[Mapping[str, Any]], lines: Iterable[AmountLine], digits: int) -> list[Group]:
    """Read a frozen content's `tax_groups` back, one group for each supply of the same codes.

    `lines` are the document's own, or of a credit those of what it corrects. Rows from before supplies were written
    are of one sign: see `supply_before`; the rows of one supply count as one.
    """
    read: dict[GroupKey, Group] = {}
    rows: list[Mapping[str, Any]] = []
    earlier = list(lines)
    for row in groups:
        rows.append(row)
        if len(rows) > len(split(row.get("with_codes", ""))):
            group = _read_group(rows=rows, lines=earlier, digits=digits)
            before = read.get(group.key)
            read[group.key] = added(group, before) if before else group
            rows = []
    return list(read.values())


def _read_group(*, rows: Sequence[Mapping[str, Any]], lines: Iterable[AmountLine], digits: int) -> Group:
    """Read the rows of one group: one for each of its codes."""
    base = money.minor(rows[0]["base"], digits)
    taxes = tuple(
        CodeTax(code=row["code"], rate=money.rate(row["rate"]), tax_minor=money.minor(row["tax"], digits))
        for row in rows
    )
    codes, negative = joined(row["code"] for row in rows), base < 0 or any(tax.tax_minor < 0 for tax in taxes)
    supply = rows[0].get("supply") or supply_before(tax=codes, negative=negative, lines=lines)
    return Group(base_minor=base, taxes=taxes, supply=supply)


def supply_before(*, tax: str, negative: bool, lines: Iterable[AmountLine]) -> Supply:
    """Return the supply of what does not state it: the platform's if all lines of those codes and that sign are.

    What states none today is of the service, and has such a line of the service.
    """
    supplies = {line.supply for line in lines if line.tax == tax and (line.amount_minor < 0) is negative}
    return "platform" if supplies == {"platform"} else "service"


def added(group: Group, other: Group) -> Group:
    """Return two groups of the same codes as one."""
    others = {tax.code: tax.tax_minor for tax in other.taxes}
    return group.of(
        base_minor=group.base_minor + other.base_minor,
        minors=[tax.tax_minor + others[tax.code] for tax in group.taxes],
    )


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
