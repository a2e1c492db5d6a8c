"""What a page says: the frozen content with amounts, rates and dates as a reader of its country writes them. Pure.

Runs inside the renderer's child process. Two promises are kept here: no character reaches the page that the bundled
fonts lack (U+25AF stands in for it), and no leaf of the content stays unprinted (`rest` lists what templates left out).
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
    "opening_carry_over", "closing_carry_over", "difference",
})  # fmt: skip
AMOUNTS_IN_TOTALS = AMOUNTS | {"tax", "adjustments"}
DATES = frozenset({"operation_date", "issue_date", "retain_until", "from", "to"})
RATES = frozenset({"rate"})
# Codes that a reader should not have to read: the page says the name, the small print lists the codes.
NAMES: Mapping[str, Mapping[str, str]] = {
    "kind": {
        "FARE": "Tarifa", "TIP": "Propina", "TOLL": "Peaje", "SURCHARGE": "Suplemento", "BONUS": "Incentivo",
        "PROMOTION": "Promoción", "ITEM": "Artículo", "PLATFORM_FEE": "Comisión de la plataforma",
        "REFUND_ITEM": "Devolución", "ADJUSTMENT": "Ajuste", "CORRECTION": "Corrección",
    },
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
    },
    "prices": {"net": "sin impuestos", "gross": "con impuestos incluidos"},
    "status": {"checked": "Comprobada", "declared": "Declarada, sin comprobar"},
    "audience": {"beneficiary": "beneficiario", "partner": "comercio"},
    "payout_status": {"PENDING": "pendiente", "SENT": "enviado"},
    "outcome": {"failed": "no enviado", "returned": "devuelto"},
}  # fmt: skip
BENEFICIARY = {"es": "Beneficiario/a", "en": "Payee"}
LONG_TABLE_ROWS = 20  # from here on, sums carried over stand at the foot and head of each page


class Coded(str):  # noqa: SLOT000 - a str subclass has no slots for more
    """A code of the content; `name` is what a reader sees in its place."""

    name: str

    def __new__(cls, code: str, name: str) -> Self:
        """This function will build the pair."""
        found = super().__new__(cls, code)
        found.name = name
        return found


class Leaves(dict[str, Any]):
    """One object of the content as templates read it; it remembers which of its leaves were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - a leaf, an object or a list, as JSON has them
        """This function will return a member and remember that it was read."""
        value = super().__getitem__(key)
        self.read.add(key)
        return value


class Writer:
    """Writes one document's leaves: the locale of its country, the characters that the fonts have, the flags raised."""

    def __init__(self, *, locale: str, characters: frozenset[int]) -> None:
        self.locale, self.characters, self.flags = locale, characters, set[str]()
        self.marks = _separators(locale)
        self.codes: dict[str, None] = {}  # in the order they came

    def amount(self, text: str) -> str:
        """This function will group and point an amount, keeping every digit: "1234.50" is "1.234,50" in Spain."""
        return f"{Decimal(text):,f}".translate(self.marks)

    def rate(self, text: str) -> str:
        """This function will write a fraction as a percentage: "0.021" is "2,1 %"."""
        return f"{(Decimal(text) * 100).normalize():,f} %".translate(self.marks)

    def text(self, text: str) -> str:
        """This function will return the text with U+25AF for each cluster that the fonts cannot draw."""
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

    def leaf(self, *, key: str, parent: str, value: Any) -> str:  # noqa: ANN401 - a JSON leaf
        """This function will write one leaf by its name: an amount, a rate, a date, or text."""
        text = value if isinstance(value, str) else str(value)
        if key in (AMOUNTS_IN_TOTALS if parent in {"totals", "tax_groups"} else AMOUNTS) and NUMBER.fullmatch(text):
            return self.amount(text)
        if key in RATES and NUMBER.fullmatch(text):
            return self.rate(text)
        if key in DATES and DATE.fullmatch(text):
            return f"{text[8:]}/{text[5:7]}/{text[:4]}"
        if name := NAMES.get(key, {}).get(text):
            self.codes[text] = None
            return Coded(text, name)
        printed = self.text(text)
        return Coded(printed, printed) if key in NAMES else printed

    def tree(self, value: Any, *, key: str = "", parent: str = "") -> Any:  # noqa: ANN401 - JSON
        """This function will return the content as `Leaves`, every leaf written."""
        if isinstance(value, dict):
            found = Leaves()
            for name, member in value.items():
                dict.__setitem__(found, name, self.tree(member, key=name, parent=key))
            return found
        if isinstance(value, list):
            return [self.tree(member, key=key, parent=parent) for member in value]
        return self.leaf(key=key, parent=parent, value=value)


@lru_cache(maxsize=32)
def _separators(locale: str) -> dict[int, str]:
    """This function will return a translation of Python's separators to a locale's ("es-ES")."""
    found = Locale.parse(locale, sep="-")
    return {ord(","): numbers.get_group_symbol(found), ord("."): numbers.get_decimal_symbol(found)}


def _invisible(character: str) -> bool:
    """This function will say whether a character has no shape: joiners, soft hyphens, variation selectors."""
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f"


def _clusters(text: str) -> Iterator[str]:
    """This function will split text into a base and what clings to it: marks, joiners and what a joiner binds."""
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
    """This function will write an ISO date in words: "21 de febrero de 2026"."""
    return dates.format_date(dt.date.fromisoformat(text), format="long", locale=Locale.parse(locale, sep="-"))


def monogram(name: str) -> str:
    """This function will return the initials that stand in for a logo: "Aventide Iberia, S.L." is "AI"."""
    words = [word for word in re.findall(r"\w+", name) if len(word) > 1]
    return "".join(word[0] for word in words[:2]).upper()


def rest(*, leaves: Any, path: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """This function will yield (path, text) of every leaf that no template asked for."""
    if isinstance(leaves, list):
        for place, member in enumerate(leaves, start=1):
            yield from rest(leaves=member, path=f"{path}.{place}")
    elif isinstance(leaves, Leaves):
        for key, member in leaves.items():
            if isinstance(member, Leaves | list) or key not in leaves.read:
                yield from rest(leaves=member, path=f"{path}.{key}" if path else key)
    else:
        yield path, leaves


def running(*, rows: list[Leaves], amounts: list[str], writer: Writer) -> None:
    """This function will add to each row what stood before it (`before`) and with it (`after`), for "suma y sigue"."""
    total = Decimal(0)
    for row, amount in zip(rows, amounts, strict=True):
        before, total = total, total + Decimal(amount)
        dict.__setitem__(row, "before", writer.amount(str(before)))
        dict.__setitem__(row, "after", writer.amount(str(total)))
        row.read |= {"before", "after"}


def role(*, content: Mapping[str, Any], labels: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """This function will return what the owner is called: by the audience that ends the document's key."""
    audience = (content["document_key"].split(":") + [""] * 4)[3]
    if audience in {"customer", "partner"}:
        return labels[audience]
    return labels["driver"] if audience == "beneficiary" and "driver" not in content else BENEFICIARY


def compose(*, content: Mapping[str, Any], words: Mapping[str, Any], characters: frozenset[int]) -> dict[str, Any]:
    """This function will return the template's context: `doc` (the content as written) and what is derived from it.

    `words` is the country's: locale, title, labels, legal_notice. `characters` are the code points of the fonts.
    """
    locale = words["locale"]
    writer = Writer(locale=locale, characters=characters)
    doc = writer.tree(content)
    if content.get("settles"):
        running(rows=doc["settles"], amounts=[row["amount"] for row in content["settles"]], writer=writer)
    signs = [line["amount"].startswith("-") for line in content.get("lines", ())]
    lines = list(zip(doc.get("lines", ()), signs, strict=True))
    return {
        "doc": doc,
        "w": words["labels"],
        "title": words["title"],
        "legal_notice": words["legal_notice"],
        "monogram": writer.text(monogram(content["issuer"]["legal_name"])),
        "long": {key: long_date(text=content[key], locale=locale) for key in ("issue_date", "operation_date")},
        "earnings": [line for line, negative in lines if not negative],
        "deductions": [line for line, negative in lines if negative],
        "role": role(content=content, labels=words["labels"]),
        "codes": list(writer.codes),
        "long_table": len(content.get("settles", ())) > LONG_TABLE_ROWS,
        "flags": sorted(writer.flags),
        "rest": lambda: list(rest(leaves=doc)),  # called by the small print, after everything else was read
    }


def compose_plain(
    *, content: Mapping[str, Any], words: Mapping[str, Any], characters: frozenset[int]
) -> dict[str, Any]:
    """This function will return the context of the plain template, asking nothing of the content's shape."""
    writer = Writer(locale=words["locale"], characters=characters)
    doc = writer.tree(content)
    rows = list(rest(leaves=doc))
    return {"doc": doc, "title": words["title"], "rows": rows, "flags": sorted(writer.flags), "rest": ()}
