"""What may have caused the difference of a payout that does not close: the mistakes that would leave that gap. Pure.

A guess is a mistake, the difference that it would leave, and the order it is about. Only guesses that fit the gap
become diagnoses, so that a payout of 1,500 orders is compared in milliseconds.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from payouts.calculation.amounts import AmountLine, PayoutTotals, WithheldTax

PAIRS_MAX = 40  # among more orders than that, some two fit any gap by chance
FINDINGS_MAX = 8
NAMES_MAX = 2  # orders named for one mistake that any of many may have caused
NAME_LENGTH_MAX = 80
OMITTED, DOUBLED, WRONG_SIGN = "omitted", "doubled", "wrong_sign"


class Mistake(StrEnum):
    """What may have been forgotten, counted twice or given the wrong sign; the last five have no such shape."""

    CASH = "cash"
    FEE_TAX = "fee_tax"
    NET = "net"
    ADJUSTMENT = "adjustment"
    TIP = "tip"
    WITHHELD = "withheld"
    ALL_CASH = "all_cash"
    ALL_FEE_TAX = "all_fee_tax"
    ALL_TIPS = "all_tips"
    ALL_WITHHELD = "all_withheld"
    PAIR = "pair"
    LINE = "line"
    LINES_TAX = "lines_tax"
    WITHHOLDING = "withholding"
    ALL_LINES = "all_lines"
    ALL_WITHHOLDINGS = "all_withholdings"
    DECLARED_CASH = "declared_cash"
    OPENING = "opening"
    CLOSING = "closing"
    MISSING = "missing"
    MISSING_ADJUSTMENT = "missing_adjustment"
    MISSING_PAIR = "missing_pair"
    ROUNDING = "rounding"
    NOTHING_ALONE = "nothing_alone"


@dataclass(frozen=True, kw_only=True)
class OwedItem:
    """What a payout pays of one order (or adjustment, or credit), and what is known of that order.

    `fee_taxes` are the taxes of its platform fees by name (IVA, IGV); `withheld` goes by name too.
    """

    order: str
    amount_minor: int  # what this payout settles of it
    adjustment: str = ""
    cash_collected_minor: int = 0
    tips_minor: int = 0
    fee_taxes: tuple[tuple[str, int], ...] = ()
    withheld: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A mistake in one shape, and the difference that it would leave.

    `who` is the order or adjustment it is about, `of` the order of that adjustment, `also` the other order of a pair.
    """

    gap_minor: int
    mistake: Mistake
    shape: str = ""
    who: str = ""
    of: str = ""
    also: str = ""
    what: str = ""

    @property
    def cause(self) -> str:
        """Return the mistake with its shape, as a diagnosis names it: `cash_omitted`."""
        return f"{self.mistake}_{self.shape}" if self.shape else str(self.mistake)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """A cause that fits, and the first of the orders that it may be about (each name with its `of` and `also`)."""

    cause: str
    what: str = ""
    names: tuple[tuple[str, str, str], ...] = ()
    more: int = 0

    @property
    def values(self) -> dict[str, str | int | list[str]]:
        """Return what a sentence about it may name."""
        lists = {word: [name[place] for name in self.names] for place, word in enumerate(("who", "of", "also"))}
        values: dict[str, str | int | list[str]] = {word: names for word, names in lists.items() if any(names)}
        if self.what:
            values["what"] = self.what
        if self.more:
            values["more"] = self.more
        return {"cause": self.cause, **values}


def diagnose(
    *,
    payout: PayoutTotals,
    parts: Sequence[OwedItem],
    unsettled: Sequence[OwedItem] = (),
    adjustments: Sequence[AmountLine] = (),
    withholdings: Sequence[WithheldTax] = (),
) -> list[Diagnosis]:
    """Return what may have caused the difference of a payout that does not close, likeliest first.

    `unsettled` are statements of the same payee that no payout has settled. Guesses, for a person to check; never empty
    for a payout with a difference, and empty for one that closes.
    """
    gap = payout.difference_minor
    if gap == 0:
        return []
    cash = sum(part.cash_collected_minor for part in parts)
    every = (
        *_likely(parts=parts, unsettled=unsettled),
        *_of_orders(parts=parts),
        *_of_items(payout=payout, cash=cash, adjustments=adjustments, withholdings=withholdings),
        *_of_all(parts=parts),
    )
    fitting = [guess for guess in every if guess.gap_minor == gap]
    fitting = fitting or [guess for guess in _of_pairs(parts=parts, unsettled=unsettled) if guess.gap_minor == gap]
    if abs(gap) <= len(parts):
        fitting.append(Guess(gap_minor=gap, mistake=Mistake.ROUNDING))
    return _findings(fitting=fitting or [Guess(gap_minor=gap, mistake=Mistake.NOTHING_ALONE)])


def _findings(*, fitting: Iterable[Guess]) -> list[Diagnosis]:
    """Return one diagnosis for each mistake, with the orders that it may be about."""
    groups: dict[tuple[str, str], dict[tuple[str, str, str], None]] = {}
    for guess in fitting:
        names = groups.setdefault((guess.cause, guess.what), {})
        if guess.who:
            names[guess.who, guess.of, guess.also] = None
    return [
        Diagnosis(
            cause=cause,
            what=what[:NAME_LENGTH_MAX],
            names=tuple(names)[:NAMES_MAX],
            more=max(0, len(names) - NAMES_MAX),
        )
        for (cause, what), names in list(groups.items())[:FINDINGS_MAX]
    ]


# -- the guesses, likeliest first --


def _pair(amount_minor: int, mistake: Mistake, **about: str) -> Iterator[Guess]:
    """Give what forgetting an amount would leave, and doubling it; of a zero, nothing."""
    if amount_minor:
        yield Guess(gap_minor=amount_minor, mistake=mistake, shape=OMITTED, **about)
        yield Guess(gap_minor=-amount_minor, mistake=mistake, shape=DOUBLED, **about)


def _named(part: OwedItem) -> dict[str, str]:
    return {"who": part.adjustment, "of": part.order} if part.adjustment else {"who": part.order}


def _likely(*, parts: Sequence[OwedItem], unsettled: Sequence[OwedItem]) -> Iterator[Guess]:
    """Give the mistakes that happen most: cash, the tax of a fee, something not listed."""
    for part in parts:
        yield from _pair(part.cash_collected_minor, Mistake.CASH, who=part.order)
    for part in parts:
        for name, minor in part.fee_taxes:
            yield from _pair(minor, Mistake.FEE_TAX, who=part.order, what=name)
    for part in unsettled:
        mistake = Mistake.MISSING_ADJUSTMENT if part.adjustment else Mistake.MISSING
        yield Guess(gap_minor=-part.amount_minor, mistake=mistake, **_named(part))


def _of_orders(*, parts: Sequence[OwedItem]) -> Iterator[Guess]:
    """Give what forgetting, or doubling, something else of one order would leave."""
    for part in parts:
        mistake = Mistake.ADJUSTMENT if part.adjustment else Mistake.NET
        yield from _pair(part.amount_minor, mistake, **_named(part))
    for part in parts:
        yield from _pair(part.tips_minor, Mistake.TIP, who=part.order)
    for part in parts:
        for name, minor in part.withheld:
            yield from _pair(-minor, Mistake.WITHHELD, who=part.order, what=name)
    for part in parts:
        if part.cash_collected_minor:
            gap = -2 * part.cash_collected_minor
            yield Guess(gap_minor=gap, mistake=Mistake.CASH, shape=WRONG_SIGN, who=part.order)


def _of_all(*, parts: Sequence[OwedItem]) -> Iterator[Guess]:
    """Give what forgetting, or doubling, something of all orders at once would leave."""
    yield from _pair(_sum(part.cash_collected_minor for part in parts), Mistake.ALL_CASH)
    for name, minor in _by_name(part.fee_taxes for part in parts).items():
        yield from _pair(minor, Mistake.ALL_FEE_TAX, what=name)
    yield from _pair(_sum(part.tips_minor for part in parts), Mistake.ALL_TIPS)
    for name, minor in _by_name(part.withheld for part in parts).items():
        yield from _pair(-minor, Mistake.ALL_WITHHELD, what=name)


def _sum(amounts: Iterable[int]) -> int:
    """Add amounts up; zero where only one is not zero, for that one is guessed by itself."""
    some = [amount for amount in amounts if amount]
    return sum(some) if len(some) > 1 else 0


def _by_name(named: Iterable[tuple[tuple[str, int], ...]]) -> dict[str, int]:
    amounts: dict[str, list[int]] = {}
    for pairs in named:
        for name, minor in pairs:
            amounts.setdefault(name, []).append(minor)
    return {name: _sum(listed) for name, listed in amounts.items()}


def _of_items(
    *,
    payout: PayoutTotals,
    cash: int,
    adjustments: Sequence[AmountLine],
    withholdings: Sequence[WithheldTax],
) -> Iterator[Guess]:
    """Give what forgetting, or doubling, an item of the payout itself would leave.

    `cash` is what its orders say was collected: a declared cash of the same amount is guessed of the orders already.
    """
    totals = payout.totals
    items = [
        *((line.amount_minor, Mistake.LINE, line.description or line.id) for line in adjustments),
        *((tax.tax_minor, Mistake.LINES_TAX, tax.code) for group in payout.groups for tax in group.taxes),
        *((-tax.amount_minor, Mistake.WITHHOLDING, tax.name) for tax in withholdings),
        (totals["adjustments"] if len(adjustments) > 1 else 0, Mistake.ALL_LINES, ""),
        (-_sum(tax.amount_minor for tax in withholdings), Mistake.ALL_WITHHOLDINGS, ""),
        (0 if totals["cash_collected"] == cash else -totals["cash_collected"], Mistake.DECLARED_CASH, ""),
        (totals["opening_carry_over"], Mistake.OPENING, ""),
        (-totals["closing_carry_over"], Mistake.CLOSING, ""),
    ]
    for amount, mistake, what in items:
        yield from _pair(amount, mistake, what=what)
    for amount, mistake, what in items:
        if amount:
            yield Guess(gap_minor=2 * amount, mistake=mistake, shape=WRONG_SIGN, what=what)


def _of_pairs(*, parts: Sequence[OwedItem], unsettled: Sequence[OwedItem]) -> Iterator[Guess]:
    """Give what forgetting two orders would leave, among so few that a fit means something."""
    if len(parts) <= PAIRS_MAX:
        for first, other in combinations(parts, 2):
            both = first.amount_minor + other.amount_minor
            yield from _pair(both, Mistake.PAIR, who=first.order, also=other.order)
    if len(unsettled) <= PAIRS_MAX:
        for first, other in combinations(unsettled, 2):
            gap = -(first.amount_minor + other.amount_minor)
            yield Guess(gap_minor=gap, mistake=Mistake.MISSING_PAIR, who=first.order, also=other.order)
