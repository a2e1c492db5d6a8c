"""What the gap of a payout that does not close looks like, in words: the mistakes that would leave just that gap. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from documents import money
from documents.countries.pack import Words
from payouts import computation
from payouts.computation import Line, Withholding

Language = Literal["es", "en"]
PAIRS_MAX = 200  # orders compared two by two: 19,900 pairs
FINDINGS_MAX = 8


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a payout pays of one order (or adjustment, or credit), and what is known of that order."""

    order: str
    amount_minor: int  # what this payout settles of it
    cash_collected_minor: int = 0
    fee_tax_minor: int = 0  # the tax of its deductions, not above zero


def diagnose(
    *,
    payout: computation.Payout,
    parts: Sequence[Part],
    unsettled: Sequence[Part] = (),
    adjustments: Sequence[Line] = (),
    withholdings: Sequence[Withholding] = (),
    digits: int,
    currency: str,
    language: Language = "es",
) -> list[str]:
    """This function will say in words what the difference of a payout that does not close looks like, likeliest first.

    `unsettled` are statements of the same payee that no payout has settled. Guesses, for a person to check; never
    empty for a payout with a difference, and empty for one that closes.
    """
    gap = payout.difference_minor
    if gap == 0:
        return []
    named = [
        words
        for amount, words in (
            *_guesses_of_orders(parts=parts, unsettled=unsettled),
            *_guesses_of_items(payout=payout, adjustments=adjustments, withholdings=withholdings),
        )
        if amount == gap
    ]
    named = named or [words for amount, words in _guesses_of_pairs(parts=parts, unsettled=unsettled) if amount == gap]
    if abs(gap) <= len(parts):
        named.append(_ROUNDING)
    size = f"{money.text(abs(gap), digits)} {currency}"
    opening = Words(
        es=f"Faltan {size} en la transferencia" if gap > 0 else f"Sobran {size} en la transferencia",
        en=f"The transfer is {size} short" if gap > 0 else f"The transfer is {size} over",
    )
    found = dict.fromkeys(getattr(words, language) for words in named or [_NOTHING_ALONE])
    return [f"{getattr(opening, language)}: {guess}." for guess in found][:FINDINGS_MAX]


_ROUNDING = Words(es="cabe en el redondeo de un céntimo por pedido", en="it fits rounding by a cent per order")
_NOTHING_ALONE = Words(
    es="no coincide con ninguna partida sola ni con dos pedidos; compara el desglose del pago con el del banco",
    en="it matches no single item and no two orders; compare the payout's breakdown with the bank's",
)

# -- guesses: (the difference that this mistake would leave, the mistake in words) --

Guess = tuple[int, Words]


def _guesses_of_orders(*, parts: Sequence[Part], unsettled: Sequence[Part]) -> Iterator[Guess]:
    """This function will give what forgetting, or doubling, something of one order would leave."""
    for part in parts:
        net = Words(es=f"es el neto de {part.order}", en=f"it is the net of {part.order}")
        cash = Words(es=f"es el efectivo de {part.order}", en=f"it is the cash of {part.order}")
        tax = Words(es=f"es el impuesto de la comisión de {part.order}", en=f"it is the fee tax of {part.order}")
        omitted, doubled = (
            _because(net, "no se transfirió", "left out"),
            _because(net, "se transfirió dos veces", "twice"),
        )
        yield from _twins(part.amount_minor, omitted, doubled)
        undeclared = _because(cash, "se descontó sin declararlo", "taken but not declared")
        yield from _twins(
            part.cash_collected_minor,
            undeclared,
            _because(cash, "se declaró sin descontarlo", "declared but not taken"),
        )
        twice = _because(tax, "se descontó dos veces", "taken twice")
        yield from _twins(-part.fee_tax_minor, twice, _because(tax, "no se descontó", "not taken"))
    for part in unsettled:
        net = Words(es=f"es el neto de {part.order}", en=f"it is the net of {part.order}")
        yield from _twins(-part.amount_minor, _because(net, "falta en la lista", "not listed"))
    cash = Words(es="es el efectivo de todos los pedidos", en="it is the cash of all orders")
    all_cash = sum(part.cash_collected_minor for part in parts)
    yield from _twins(all_cash, _because(cash, "se descontó sin declararlo", "taken but not declared"))
    tax = Words(es="es el impuesto de todas las comisiones", en="it is the tax of all fees")
    yield from _twins(sum(part.fee_tax_minor for part in parts), _because(tax, "no se descontó", "not taken"))


def _guesses_of_items(
    *, payout: computation.Payout, adjustments: Sequence[Line], withholdings: Sequence[Withholding]
) -> Iterator[Guess]:
    """This function will give what forgetting, or doubling, an item of the payout itself would leave."""
    items = [
        *((line.amount_minor, f"el ajuste {line.description or line.id}", f"line {line.id}") for line in adjustments),
        *(
            (group.tax_minor, f"el {group.code} de los ajustes", f"the adjustments' {group.code}")
            for group in payout.groups
        ),
        *(
            (-item.amount_minor, f"la retención fiscal {item.name}", f"withholding {item.name}")
            for item in withholdings
        ),
    ]
    totals = payout.totals
    items += [
        (totals["adjustments"], "el total de ajustes", "the adjustments' total"),
        (-totals["withheld"], "el total de retenciones fiscales", "the withholdings' total"),
        (-totals["cash_collected"], "el efectivo declarado", "the cash collected"),
        (totals["opening_carry_over"], "el saldo anterior", "the opening balance"),
        (-totals["closing_carry_over"], "el saldo siguiente", "the closing balance"),
    ]
    for amount, es, en in items:
        item = Words(es=f"es {es}", en=f"it is {en}")
        ignored = _because(item, "no se tuvo en cuenta en la transferencia", "ignored by the transfer")
        yield from _twins(amount, ignored, _because(item, "se contó dos veces en la transferencia", "counted twice"))
        yield from _twins(
            2 * amount, Words(es=f"es dos veces {es}: signo contrario", en=f"it is twice {en}: wrong sign")
        )


def _guesses_of_pairs(*, parts: Sequence[Part], unsettled: Sequence[Part]) -> Iterator[Guess]:
    """This function will give what forgetting two orders would leave, within a bound."""
    for group, sign, es, en in (
        (parts, 1, "no se transfirieron", "left out"),
        (unsettled, -1, "faltan en la lista", "not listed"),
    ):
        for one, other in combinations(group[:PAIRS_MAX], 2):
            nets = Words(
                es=f"son los netos de {one.order} y {other.order}", en=f"nets of {one.order} and {other.order}"
            )
            yield from _twins(sign * (one.amount_minor + other.amount_minor), _because(nets, es, en))


def _because(what: Words, es: str, en: str) -> Words:
    """This function will join what a gap equals with the mistake that would leave it."""
    return Words(es=f"{what.es}: {es}", en=f"{what.en}: {en}")


def _twins(amount_minor: int, missing: Words, doubled: Words | None = None) -> Iterator[Guess]:
    """This function will give a guess and its opposite; nothing explains nothing."""
    if amount_minor:
        yield amount_minor, missing
        if doubled is not None:
            yield -amount_minor, doubled
