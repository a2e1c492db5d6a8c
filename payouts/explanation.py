"""Where each cent of a net comes from, line by line; and what the gap of an open payout looks like. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Literal

from documents import money
from documents.countries.pack import Words
from payouts import computation
from payouts.computation import Line, Prices, Withholding

Rule = Literal[
    "line", "tax", "withholding", "part", "cash_collected", "opening_carry_over", "closing_carry_over", "difference"
]
Language = Literal["es", "en"]
PAIRS_MAX = 200  # orders compared two by two: 19,900 pairs
FINDINGS_MAX = 8


@dataclass(frozen=True, kw_only=True)
class Row:
    """Some of the net's cents: from which order and line, by which rule, at which rate. Rows add up to the net."""

    order: str
    line: str
    rule: Rule
    amount_minor: int
    rate: str = ""  # decimal fraction as text, where the rule has one
    words: Words


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a payout pays of one order (or adjustment, or credit), and what is known of that order."""

    order: str
    amount_minor: int  # what this payout settles of it
    rows: tuple[Row, ...] = ()  # from `explain_order`; they add up to the order's whole net
    cash_collected_minor: int = 0
    fee_tax_minor: int = 0  # the tax of its deductions, not above zero


def explain_order(
    *,
    order: str,
    lines: Sequence[Line],
    rates: Mapping[str, Fraction],
    prices: Prices = "net",
    withholdings: Sequence[Withholding] = (),
) -> list[Row]:
    """This function will return the rows of an order statement; they add up to its `payable`, to the cent.

    A group's tax is rounded once; each line shows its share of it by largest remainder.
    """
    rows = []
    for group_lines, rate, tax in _grouped(lines=lines, rates=rates, prices=prices):
        shares = money.split(tax, [line.amount_minor for line in group_lines])
        for line, share in zip(group_lines, shares, strict=True):
            net = line.amount_minor - (share if prices == "gross" else 0)
            rows.append(_line_row(order=order, line=line, amount_minor=net))
            if line.tax:
                rows.append(_tax_row(order=order, line=line, rate=rate, amount_minor=share))
    rows += [_withholding_row(order=order, item=item) for item in withholdings]
    owed = computation.order_statement(lines=lines, rates=rates, prices=prices, withholdings=withholdings)
    return _adding_up(rows=rows, total_minor=owed.totals["payable"])


def explain_payout(
    *,
    parts: Sequence[Part],
    adjustments: Sequence[Line] = (),
    rates: Mapping[str, Fraction],
    prices: Prices = "net",
    withholdings: Sequence[Withholding] = (),
    cash_collected_minor: int = 0,
    opening_minor: int = 0,
    closing_minor: int = 0,
    amount_minor: int,
) -> list[Row]:
    """This function will return the rows of a payout; they add up to the transferred amount, to the cent.

    A part that is not its order's whole net has a row for what other payouts pay; a payout that does not close has one
    for the difference.
    """
    rows: list[Row] = []
    for part in parts:
        rows += part.rows
        elsewhere = part.amount_minor - sum(row.amount_minor for row in part.rows)
        words = Words(es=f"Hasta lo que este pago liquida de {part.order}", en=f"To what this settles of {part.order}")
        if not part.rows:
            words = Words(es=f"Neto de {part.order}", en=f"Net of {part.order}")
        rows += _unless_zero(order=part.order, rule="part", amount_minor=elsewhere, words=words)
    rows += explain_order(order="", lines=adjustments, rates=rates, prices=prices, withholdings=withholdings)
    rows += _unless_zero(rule="cash_collected", amount_minor=-cash_collected_minor, words=_CASH)
    rows += _unless_zero(rule="opening_carry_over", amount_minor=opening_minor, words=_OPENING)
    rows += _unless_zero(rule="closing_carry_over", amount_minor=-closing_minor, words=_CLOSING)
    gap = amount_minor - sum(row.amount_minor for row in rows)
    rows += _unless_zero(rule="difference", amount_minor=gap, words=_DIFFERENCE)
    return _adding_up(rows=rows, total_minor=amount_minor)


def fee_tax(*, computed: computation.Computed) -> int:
    """This function will return the tax of a statement's deductions, not above zero: easily forgotten by a payer."""
    return sum(group.tax_minor for group in computed.groups if group.deduction)


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


# -- rows --

_CASH = Words(es="Efectivo ya cobrado al cliente", en="Cash already collected from the customer")
_OPENING = Words(es="Saldo anterior", en="Opening balance")
_CLOSING = Words(es="Saldo que pasa al siguiente pago", en="Balance carried to the next payout")
_DIFFERENCE = Words(es="Diferencia en conciliación", en="Difference in reconciliation")
_ROUNDING = Words(es="cabe en el redondeo de un céntimo por pedido", en="it fits rounding by a cent per order")
_NOTHING_ALONE = Words(
    es="no coincide con ninguna partida sola ni con dos pedidos; compara el desglose del pago con el del banco",
    en="it matches no single item and no two orders; compare the payout's breakdown with the bank's",
)


def _grouped(
    *, lines: Sequence[Line], rates: Mapping[str, Fraction], prices: Prices
) -> Iterator[tuple[list[Line], Fraction, int]]:
    """This function will give each tax group's lines, rate and rounded tax, as they appear; untaxed ones too."""
    groups = {group.key: group for group in computation.tax_groups(lines=lines, rates=rates, prices=prices)}
    for code, deduction in dict.fromkeys((line.tax, line.amount_minor < 0) for line in lines):
        members = [line for line in lines if (line.tax, line.amount_minor < 0) == (code, deduction)]
        group = groups.get((code, deduction))
        yield members, group.rate if group else Fraction(0), group.tax_minor if group else 0


def _line_row(*, order: str, line: Line, amount_minor: int) -> Row:
    """This function will return the row of a line's own amount, without tax."""
    name = line.description or line.kind or line.id
    return Row(order=order, line=line.id, rule="line", amount_minor=amount_minor, words=Words(es=name, en=name))


def _tax_row(*, order: str, line: Line, rate: Fraction, amount_minor: int) -> Row:
    """This function will return the row of a line's share of its group's tax."""
    percent = percent_text(rate=rate)
    words = Words(
        es=f"{line.tax} al {percent} %, redondeado por grupo y repartido por línea",
        en=f"{line.tax} at {percent} %, rounded per group and shared per line",
    )
    rate_text = money.rate_text(rate)
    return Row(order=order, line=line.id, rule="tax", amount_minor=amount_minor, rate=rate_text, words=words)


def _withholding_row(*, order: str, item: Withholding) -> Row:
    """This function will return the row of a withholding; it takes away."""
    es = f"Retención fiscal {item.name} al {percent_text(rate=item.rate)} % ({item.legal_ref})"
    en = f"Withholding {item.name} at {percent_text(rate=item.rate)} % ({item.legal_ref})"
    rate = money.rate_text(item.rate)
    words = Words(es=es, en=en)
    return Row(order=order, line="", rule="withholding", amount_minor=-item.amount_minor, rate=rate, words=words)


def percent_text(*, rate: Fraction) -> str:
    """This function will write a rate as a percentage without the sign: 1/10 is "10", 21/200 is "10.5"."""
    return money.rate_text(rate * 100)


def _unless_zero(*, order: str = "", rule: Rule, amount_minor: int, words: Words) -> list[Row]:
    """This function will return one row, or none where there is nothing to explain."""
    return [Row(order=order, line="", rule=rule, amount_minor=amount_minor, words=words)] if amount_minor else []


def _adding_up(*, rows: list[Row], total_minor: int) -> list[Row]:
    """This function will return the rows, if they explain the total and nothing else.

    :raises computation.BrokenSum: always a bug
    """
    if sum(row.amount_minor for row in rows) != total_minor:
        raise computation.BrokenSum("the rows of an explanation add up to its net")
    return rows


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
