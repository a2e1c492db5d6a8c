"""What may have caused the difference of a payout that does not close: the mistakes that would leave that gap. Pure.

A guess is a mistake, the difference that it would leave, and the order it is about. Only guesses that fit the gap are
put into words, so that a payout of 1,500 orders is compared in milliseconds.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Literal

from babel import numbers

from documents.countries.pack import Words
from payouts.calculation.amounts import AmountLine, PayoutTotals, WithheldTax

Language = Literal["es", "en"]
PAIRS_MAX = 40  # among more orders than that, some two fit any gap by chance
FINDINGS_MAX = 8
NAMES_MAX = 2  # orders named for one mistake that any of many may have caused
NAME_LENGTH_MAX = 80


@dataclass(frozen=True, kw_only=True)
class OwedItem:
    """What a payout pays of one order (or adjustment, or credit), and what is known of that order.

    `fee_taxes` are the taxes of its deductions by name (IVA, IGV), not above zero; `withheld` goes by name too.
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
    """A mistake, and the difference that it would leave; `{who}` and `{what}` of its texts are filled in last."""

    gap_minor: int
    texts: Words
    who: str = ""
    what: str = ""


def diagnose(
    *,
    payout: PayoutTotals,
    parts: Sequence[OwedItem],
    unsettled: Sequence[OwedItem] = (),
    adjustments: Sequence[AmountLine] = (),
    withholdings: Sequence[WithheldTax] = (),
    digits: int,
    currency: str,
    language: Language = "es",
    locale: str = "es-ES",
) -> list[str]:
    """Return sentences that say what may have caused the difference of a payout that does not close, likeliest first.

    `unsettled` are statements of the same payee that no payout has settled; `locale` is how Spanish writes amounts in
    that country. Guesses, for a person to check; never empty for a payout with a difference, and empty for one that
    closes.
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
        fitting.append(Guess(gap_minor=gap, texts=_ROUNDING))
    fitting = fitting or [Guess(gap_minor=gap, texts=_NOTHING_ALONE)]
    spoken = "en" if language == "en" else locale
    opening = (_SHORT if gap > 0 else _OVER).en if language == "en" else (_SHORT if gap > 0 else _OVER).es
    opening = opening.replace("{size}", written(minor=abs(gap), digits=digits, currency=currency, locale=spoken))
    return [f"{opening}: {sentence}." for sentence in _sentences(fitting=fitting, language=language, locale=spoken)]


def written(*, minor: int, digits: int, currency: str, locale: str) -> str:
    """Write an amount as a locale does: "1.234,50 EUR" in es-ES, "1,234.50 MXN" in es-MX."""
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    text = numbers.format_decimal(Decimal(minor).scaleb(-digits), format=pattern, locale=locale.replace("-", "_"))
    return f"{text} {currency}"


def _sentences(*, fitting: Iterable[Guess], language: Language, locale: str) -> list[str]:
    """Return one sentence for each mistake, with the orders that it may be about."""
    groups: dict[tuple[str, str], list[str]] = {}
    for guess in fitting:
        groups.setdefault((getattr(guess.texts, language), guess.what), []).append(guess.who)
    sentences = []
    for (template, what), names in list(groups.items())[:FINDINGS_MAX]:
        who = _either(names=list(dict.fromkeys(names)), language=language, locale=locale)
        sentences.append(template.replace("{who}", who).replace("{what}", what[:NAME_LENGTH_MAX]))
    return sentences


def _either(*, names: Sequence[str], language: Language, locale: str) -> str:
    """Name the first of the orders that a guess may be about, and count the others."""
    join, more = (" or ", "more") if language == "en" else (" o ", "más")
    small = {"{of}": "of", "{and}": "and"} if language == "en" else {"{of}": "de", "{and}": "y"}
    short = list(names[:NAMES_MAX])
    for word, said in small.items():
        short = [name.replace(word, said) for name in short]
    rest = len(names) - NAMES_MAX
    if rest <= 0:
        return join.join(short)
    return f"{', '.join(short)}{join}{numbers.format_decimal(rest, locale=locale.replace('-', '_'))} {more}"


# -- the texts; a mistake and its opposite stand side by side --


def _exactly(es: str, en: str, *, why_es: str, why_en: str) -> Words:
    return Words(es=f"la diferencia es exactamente {es} ({why_es})", en=f"the difference is exactly {en} ({why_en})")


def _twins(es: str, en: str, *, omitted: tuple[str, str], doubled: tuple[str, str]) -> tuple[Words, Words]:
    return (
        _exactly(es, en, why_es=omitted[0], why_en=omitted[1]),
        _exactly(es, en, why_es=doubled[0], why_en=doubled[1]),
    )


_SHORT = Words(es="Faltan {size} en la transferencia", en="The transfer is {size} short")
_OVER = Words(es="Sobran {size} en la transferencia", en="The transfer is {size} over")
_ROUNDING = Words(es="cabe en el redondeo de un céntimo por pedido", en="it fits rounding by a cent per order")
_NOTHING_ALONE = Words(
    es="no coincide con ninguna partida sola ni con dos pedidos; compara el desglose del pago con el del banco",
    en="it matches no single item and no two orders; compare the payout's breakdown with the bank's",
)
_SENT = {"omitted": ("no se transfirió", "not transferred"), "doubled": ("se transfirió dos veces", "sent twice")}
_MANY_SENT = {
    "omitted": ("no se transfirieron", "not transferred"),
    "doubled": ("se transfirieron dos veces", "sent twice"),
}
_TAKEN = {"omitted": ("no se descontó", "not taken"), "doubled": ("se descontó dos veces", "taken twice")}
_CASH = {
    "omitted": ("se descontó sin declararlo", "taken but not declared"),
    "doubled": ("se declaró sin descontarlo", "declared but not taken"),
}
_SEEN = {
    "omitted": ("no se tuvo en cuenta en la transferencia", "ignored by the transfer"),
    "doubled": ("se contó dos veces en la transferencia", "counted twice by the transfer"),
}
_CASH_OF = _twins("el efectivo de {who}", "the cash of {who}", **_CASH)
_TAX_OF = _twins("el {what} de la comisión de {who}", "the {what} of the fee of {who}", **_TAKEN)
_NET_OF = _twins("el neto de {who}", "the net of {who}", **_SENT)
_ADJUSTMENT_OF = _twins("el ajuste {who}", "the adjustment {who}", **_SENT)
_TIPS_OF = _twins("la propina de {who}", "the tip of {who}", **_SENT)
_WITHHELD_OF = _twins(
    "la retención fiscal {what} de {who}", "the withholding {what} of {who}", **_TAKEN
)  # the order's own, not the payout's
_ALL_CASH = _twins("el efectivo de todos los pedidos", "the cash of all orders", **_CASH)
_ALL_TAX = _twins("el {what} de todas las comisiones", "the {what} of all fees", **_TAKEN)
_ALL_TIPS = _twins("las propinas de todos los pedidos", "the tips of all orders", **_MANY_SENT)
_ALL_WITHHELD = _twins(
    "la retención fiscal {what} de todos los pedidos", "the withholding {what} of all orders", **_TAKEN
)
_CASH_SIGN = _exactly(
    "dos veces el efectivo de {who}", "twice the cash of {who}", why_es="signo contrario", why_en="wrong sign"
)
_MISSING = Words(
    es="falta {who}, cuyo neto es exactamente la diferencia", en="{who} is missing: its net is exactly the difference"
)
_MISSING_ADJUSTMENT = Words(
    es="falta el ajuste {who}, cuyo neto es exactamente la diferencia",
    en="adjustment {who} is missing: its net is exactly the difference",
)
_MISSING_PAIR = Words(
    es="faltan {who}, cuyos netos suman exactamente la diferencia",
    en="{who} are missing: their nets add up to exactly the difference",
)
_PAIR = _twins("la suma de los netos de {who}", "the sum of the nets of {who}", **_MANY_SENT)


# -- the guesses, likeliest first --


def _pair(amount_minor: int, texts: tuple[Words, Words], *, who: str = "", what: str = "") -> Iterator[Guess]:
    """Give what forgetting an amount would leave, and doubling it; of a zero, nothing."""
    if amount_minor:
        yield Guess(gap_minor=amount_minor, texts=texts[0], who=who, what=what)
        yield Guess(gap_minor=-amount_minor, texts=texts[1], who=who, what=what)


def _who(part: OwedItem) -> str:
    return f"{part.adjustment} {{of}} {part.order}" if part.adjustment else part.order


def _likely(*, parts: Sequence[OwedItem], unsettled: Sequence[OwedItem]) -> Iterator[Guess]:
    """Give the mistakes that happen most: cash, the tax of a fee, something not listed."""
    for part in parts:
        yield from _pair(part.cash_collected_minor, _CASH_OF, who=part.order)
    for part in parts:
        for name, minor in part.fee_taxes:
            yield from _pair(minor, _TAX_OF, who=part.order, what=name)
    for part in unsettled:
        texts = _MISSING_ADJUSTMENT if part.adjustment else _MISSING
        yield Guess(gap_minor=-part.amount_minor, texts=texts, who=_who(part))


def _of_orders(*, parts: Sequence[OwedItem]) -> Iterator[Guess]:
    """Give what forgetting, or doubling, something else of one order would leave."""
    for part in parts:
        yield from _pair(part.amount_minor, _ADJUSTMENT_OF if part.adjustment else _NET_OF, who=_who(part))
    for part in parts:
        yield from _pair(part.tips_minor, _TIPS_OF, who=part.order)
    for part in parts:
        for name, minor in part.withheld:
            yield from _pair(-minor, _WITHHELD_OF, who=part.order, what=name)
    for part in parts:
        if part.cash_collected_minor:
            yield Guess(gap_minor=-2 * part.cash_collected_minor, texts=_CASH_SIGN, who=part.order)


def _of_all(*, parts: Sequence[OwedItem]) -> Iterator[Guess]:
    """Give what forgetting, or doubling, something of all orders at once would leave."""
    yield from _pair(_sum(part.cash_collected_minor for part in parts), _ALL_CASH)
    for name, minor in _by_name(part.fee_taxes for part in parts).items():
        yield from _pair(minor, _ALL_TAX, what=name)
    yield from _pair(_sum(part.tips_minor for part in parts), _ALL_TIPS)
    for name, minor in _by_name(part.withheld for part in parts).items():
        yield from _pair(-minor, _ALL_WITHHELD, what=name)


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
        *((line.amount_minor, "el ajuste {what}", "line {what}", line.description or line.id) for line in adjustments),
        *(
            (group.tax_minor, "el {what} de los ajustes", "the adjustments' {what}", group.code)
            for group in payout.groups
        ),
        *((-tax.amount_minor, "la retención fiscal {what}", "withholding {what}", tax.name) for tax in withholdings),
        (totals["adjustments"] if len(adjustments) > 1 else 0, "el total de ajustes", "the adjustments' total", ""),
        (-_sum(tax.amount_minor for tax in withholdings), "el total de retenciones fiscales", "all withholdings", ""),
        (0 if totals["cash_collected"] == cash else -totals["cash_collected"], "el efectivo declarado", "the cash", ""),
        (totals["opening_carry_over"], "el saldo anterior", "the opening balance", ""),
        (-totals["closing_carry_over"], "el saldo siguiente", "the closing balance", ""),
    ]
    for amount, es, en, what in items:
        yield from _pair(amount, _twins(es, en, **_SEEN), what=what)
    for amount, es, en, what in items:
        if amount:
            texts = _exactly(f"dos veces {es}", f"twice {en}", why_es="signo contrario", why_en="wrong sign")
            yield Guess(gap_minor=2 * amount, texts=texts, what=what)


def _of_pairs(*, parts: Sequence[OwedItem], unsettled: Sequence[OwedItem]) -> Iterator[Guess]:
    """Give what forgetting two orders would leave, among so few that a fit means something."""
    if len(parts) <= PAIRS_MAX:
        for first, other in combinations(parts, 2):
            yield from _pair(first.amount_minor + other.amount_minor, _PAIR, who=f"{first.order} {{and}} {other.order}")
    if len(unsettled) <= PAIRS_MAX:
        for first, other in combinations(unsettled, 2):
            gap = -(first.amount_minor + other.amount_minor)
            yield Guess(gap_minor=gap, texts=_MISSING_PAIR, who=f"{first.order} {{and}} {other.order}")
