"""What an event states of its own totals, against what its lines come to."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from documents import errors, money
from documents.events import schema_parts
from documents.money import Prices
from payouts.calculation import sum_causes
from payouts.calculation.amounts import AmountLine, Computed
from payouts.issuing.terms import IssuingTerms

Stated = Mapping[str, tuple[str, str]]  # pointer -> (which total, amount as it is stated)


def given(*, totals: schema_parts.NetTaxGross | None, pointer: str, amount: str | None) -> Stated:
    """Return what an event states, by the pointers: its totals, and the amount that was moved."""
    stated = totals.model_dump() if totals else {}
    by_pointer = {f"/data/totals/{word}": (word, text) for word, text in stated.items()}
    return by_pointer | ({pointer: ("amount", amount)} if amount is not None else {})


def check(
    *,
    given: Stated,
    sums: Computed,
    lines: Sequence[AmountLine],
    rates: Mapping[str, Fraction],
    prices: Prices,
    terms: IssuingTerms,
) -> None:
    """Compare stated totals {net, tax, gross} and the moved amount with the computed gross, to the cent.

    `lines` are those that were stated, `rates` their codes'; without lines no mistake is looked for.

    :raises errors.Problem: `totals_mismatch`, with the mistake that explains it, where one does
    """
    expected = {**sums.totals, "amount": sums.totals["gross"]}
    place = {"currency": terms.currency, "country": terms.pack.country}
    faults = [
        errors.Fault(
            pointer=pointer,
            code="totals_mismatch",
            values={"total": word, "stated": amount, "expected": money.text(expected[word], terms.digits), **place},
        )
        for pointer, (word, amount) in given.items()
        if money.minor(amount, terms.digits) != expected[word]
    ]
    if not faults:
        return
    minors = {word: money.minor(amount, terms.digits) for word, amount in given.values()}
    gross = minors.get("amount", minors.get("gross"))
    if lines and gross is not None and gross == minors.get("gross", gross):
        stated = {"gross": gross} | {word: minor for word, minor in minors.items() if word in {"net", "tax"}}
        cause = sum_causes.cause(lines=lines, rates=rates, prices=prices, stated=stated)
        if cause:
            said: dict[str, errors.Value] = {**faults[-1].values, "cause": f"sum_{cause}"}
            faults.append(errors.Fault(pointer="/data", code="diagnosis", values=said))
    raise errors.Problem(code="totals_mismatch", errors=faults)
