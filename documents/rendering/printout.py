"""Write the frozen content for a page: amounts, rates and dates as in the document's country. Pure.

Runs inside the renderer's child process. It makes two promises: no character that the bundled fonts lack is printed
(U+25AF replaces it), and every leaf of the content is printed (`rest` lists those that the templates left out).
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Self

from babel import Locale, dates, numbers

SUBSTITUTE = "\u25af"
FLAG_SUBSTITUTED = "glyph_substituted"
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", flags=re.ASCII)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", flags=re.ASCII)
AMOUNTS = frozenset({
    "amount", "base", "net", "gross", "earnings", "deductions", "withheld", "payable", "included", "cash_collected",
    "opening_carry_over", "closing_carry_over", "difference", "fee", "missing",
})  # fmt: skip
AMOUNTS_IN_TOTALS = AMOUNTS | {"tax", "adjustments"}
DATES = frozenset({"operation_date", "issue_date", "order_date", "canceled_date", "retain_until", "from", "to"})
RATES = frozenset({"rate"})
_KINDS = {
    "FARE": "Tarifa", "TIP": "Propina", "TOLL": "Peaje", "SURCHARGE": "Suplemento", "BONUS": "Incentivo",
    "PROMOTION": "Promoción", "ITEM": "Artículo", "PLATFORM_FEE": "Comisión de la plataforma",
    "REFUND_ITEM": "Devolución", "ADJUSTMENT": "Ajuste", "CORRECTION": "Corrección",
}  # fmt: skip
_RULES = {
    "line": "Importe", "tax": "Impuestos", "withholding": "Retenciones fiscales", "statement": "Según su liquidación",
    "part": "Fuera de este pago", "cash_collected": "Efectivo", "opening_carry_over": "Saldo anterior",
    "closing_carry_over": "Saldo siguiente", "difference": "Diferencia en conciliación",
}  # fmt: skip
# Codes that readers need not see: the page prints the name.
NAMES: Mapping[str, Mapping[str, str]] = {
    "kind": _KINDS,
    "rule": _RULES,
    "concept": _KINDS | _RULES,
    "service": {
        "PASSENGER_RIDE": "Transporte de viajeros", "DELIVERY": "Entrega a domicilio",
        "FOOD_DELIVERY": "Reparto de comida",
    },
    "method": {
        "card": "Tarjeta", "cash": "Efectivo", "wallet": "Monedero", "transfer": "Transferencia", "bizum": "Bizum",
        "pix": "Pix", "pse": "PSE", "paypal": "PayPal",
    },
    "brand": {"visa": "Visa", "mastercard": "Mastercard", "amex": "American Express"},
    "reason": {
        "ORDER_ITEM_MISSING": "Faltó un artículo del pedido", "ORDER_CANCELLED": "Pedido cancelado",
        "LATE_TIP": "Propina posterior", "FARE_REVIEW": "Revisión de la tarifa",
        "WRONG_DRIVER": "Se asignó a otro conductor",
    },
    "supply": {"service": "Servicio", "platform": "Plataforma"},
    "prices": {"net": "sin impuestos", "gross": "con impuestos incluidos"},
    "status": {"checked": "Comprobada", "declared": "Declarada, sin comprobar"},
    "audience": {"beneficiary": "beneficiario", "partner": "comercio"},
    "payout_status": {"PENDING": "pendiente", "SENT": "enviado"},
    "outcome": {"failed": "no enviado", "returned": "devuelto", "canceled": "cancelado"},
}  # fmt: skip


class Coded(str):
    """A code of the content; `name` is what a reader sees in its place."""

    __slots__ = ("name",)
    name: str

    def __new__(cls, code: str, name: str) -> Self:
        """Build the pair."""
        coded = super().__new__(cls, code)
        coded.name = name
        return coded


class Leaves(dict[str, Any]):
    """One object of the content as templates read it; it remembers which of its leaves were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        """Return a member and remember that it was read."""
        value = super().__getitem__(key)
        self.read.add(key)
        return value


class Writer:
    """Writes one document's leaves: the locale of its country, the characters that the fonts have, the flags raised.

    `decimals` are printed of every amount; None prints all that it has.
    """

    def __init__(self, *, locale: str, characters: frozenset[int], decimals: int | None = None) -> None:
        self.locale, self.characters, self.decimals, self.flags = locale, characters, decimals, set[str]()
        self.marks = _separators(locale)

    def amount(self, text: str) -> str:
        """Group and point an amount: "1234.50" is "1.234,50" in Spain."""
        if self.decimals is not None:
            whole, _, cents = text.partition(".")
            text = f"{whole}.{cents[: self.decimals]}" if self.decimals else whole
        return f"{Decimal(text):,f}".translate(self.marks)

    def rate(self, text: str) -> str:
        """Write a fraction as a percentage: "0.021" is "2,1 %"."""
        return f"{(Decimal(text) * 100).normalize():,f} %".translate(self.marks)

    def text(self, text: str) -> str:
        """Return the text with U+25AF for each cluster that the fonts cannot draw."""
        if self.characters.issuperset(map(ord, text)):
            return text
        return "".join(self._cluster(part) for part in _clusters(text))

    def _cluster(self, cluster: str) -> str:
        if cluster.isspace():
            return " "
        seen = "".join(character for character in cluster if not _invisible(character))
        for form in (seen, unicodedata.normalize("NFD", seen)):
            if self.characters.issuperset(map(ord, form)):
                return form
        self.flags.add(FLAG_SUBSTITUTED)
        return SUBSTITUTE

    def leaf(self, *, key: str, parent: str, value: Any) -> str:
        """Write one leaf by its name: an amount, a rate, a date, or text."""
        text = value if isinstance(value, str) else str(value)
        if is_amount(key=key, parent=parent, text=text):
            return self.amount(text)
        if key in RATES and NUMBER.fullmatch(text):
            return self.rate(text)
        if key in DATES and DATE.fullmatch(text):
            return f"{text[8:]}/{text[5:7]}/{text[:4]}"
        if name := NAMES.get(key, {}).get(text):
            return Coded(text, name)
        printed = self.text(text)
        return Coded(printed, printed) if key in NAMES else printed

    def tree(self, value: Any, *, key: str = "", parent: str = "") -> Any:
        """Return the content as `Leaves`, every leaf written."""
        if isinstance(value, dict):
            leaves = Leaves()
            for name, member in value.items():
                dict.__setitem__(leaves, name, self.tree(member, key=name, parent=key))
            return leaves
        if isinstance(value, list):
            return [self.tree(member, key=key, parent=parent) for member in value]
        return self.leaf(key=key, parent=parent, value=value)


def is_amount(*, key: str, parent: str, text: str) -> bool:
    """Return whether a leaf is an amount of money, by its name and the name of what it is part of."""
    return key in (AMOUNTS_IN_TOTALS if parent in {"totals", "tax_groups"} else AMOUNTS) and bool(
        NUMBER.fullmatch(text)
    )


def decimals(*, content: Any, shown: int) -> int | None:
    """Return how many decimals a document prints: the country's, or all if any amount needs them."""

    def cents(value: Any, key: str = "", parent: str = "") -> Iterator[str]:
        if isinstance(value, dict):
            for name, member in value.items():
                yield from cents(member, name, key)
        elif isinstance(value, list):
            for member in value:
                yield from cents(member, key, parent)
        elif isinstance(value, str) and is_amount(key=key, parent=parent, text=value):
            yield value.partition(".")[2]

    return None if any(digits[shown:].strip("0") for digits in cents(content)) else shown


@lru_cache(maxsize=32)
def _separators(locale: str) -> dict[int, str]:
    """Return a translation of Python's separators to a locale's ("es-ES")."""
    parsed = Locale.parse(locale, sep="-")
    return {ord(","): numbers.get_group_symbol(parsed), ord("."): numbers.get_decimal_symbol(parsed)}


def _invisible(character: str) -> bool:
    """Return whether a character has no shape: joiners, soft hyphens, variation selectors."""
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f"


def _clusters(text: str) -> Iterator[str]:
    """Split text into clusters: a base with its marks, joiners and what a joiner binds to it."""
    cluster = ""
    for character in text:
        clings = unicodedata.category(character)[0] == "M" or _invisible(character)
        if cluster and not clings and cluster[-1] != "\u200d":
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


def long_date(*, text: str, locale: str) -> str:
    """Write an ISO date out: "21 de febrero de 2026"."""
    return dates.format_date(dt.date.fromisoformat(text), format="long", locale=Locale.parse(locale, sep="-"))


def monogram(name: str) -> str:
    """Return the initials that stand in for a logo: "Aventide Iberia, S.L." is "AI"."""
    parts = [part for part in re.findall(r"\w+", name) if len(part) > 1]
    return "".join(part[0] for part in parts[:2]).upper()


def _has_leaves(member: Any) -> bool:
    """Return whether a member has objects in it, which remember by themselves what was read of them."""
    return isinstance(member, Leaves) or (isinstance(member, list) and any(map(_has_leaves, member)))


def rest(*, leaves: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every leaf that no template asked for."""
    if isinstance(leaves, list):
        for place, member in enumerate(leaves, start=1):
            yield from rest(leaves=member, path=f"{path}.{place}")
    elif isinstance(leaves, Leaves):
        for key, member in leaves.items():
            if key not in leaves.read or _has_leaves(member):
                yield from rest(leaves=member, path=f"{path}.{key}" if path else key)
    else:
        yield path, leaves
