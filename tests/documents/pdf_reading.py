"""Reading a PDF back as a person would, and how a person in each country expects a leaf to be written.

Written apart from `documents/rendering/printout.py` on purpose: two mistakes would have to be the same one.
"""

import io
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pikepdf
import pypdfium2

SIGNS = {"ES": ".,", "CO": ".,", "CL": ".,", "AR": ".,", "MX": ",.", "PE": ",."}  # thousands, decimals
MONEY = {
    "amount", "base", "net", "gross", "earnings", "deductions", "withheld", "payable", "included", "cash_collected",
    "opening_carry_over", "closing_carry_over", "difference",
}  # fmt: skip
KIND_WORDS = {
    "FARE": "Tarifa", "TIP": "Propina", "TOLL": "Peaje", "SURCHARGE": "Suplemento", "BONUS": "Incentivo",
    "PROMOTION": "Promoci", "ITEM": "Artículo", "PLATFORM_FEE": "Comisi",
    "REFUND_ITEM": "Devolución", "ADJUSTMENT": "Ajuste", "CORRECTION": "Corrección",
}  # fmt: skip
WORDS = {  # what a person reads in place of a code; a row under a heading of its kind has none of its own
    "kind": KIND_WORDS,
    "concept": KIND_WORDS | {"tax": "Impuestos", "withholding": "Retenciones fiscales", "statement": "Según su liquidación"},
    "service": {
        "PASSENGER_RIDE": "Transporte de viajeros", "DELIVERY": "Entrega a domicilio",
        "FOOD_DELIVERY": "Reparto de comida",
    },
    "method": {"card": "Tarjeta", "cash": "Efectivo", "wallet": "Monedero", "transfer": "Transferencia"},
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


def text(pdf: bytes) -> str:
    """The text of all pages, in one piece."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return "\n".join(leaf.get_textpage().get_text_range() for leaf in document)
    finally:
        document.close()


def squashed(said: str) -> str:
    """Text without blanks and line ends (and without the hyphen that PDFium puts where a word was cut)."""
    said = unicodedata.normalize("NFC", said).replace("\ufffe", "").replace("\u0002", "")
    return "".join(said.split())


def leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """(path, leaf) of a JSON value, list positions left out."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from leaves(member, (*path, key))
    elif isinstance(value, list):
        for member in value:
            yield from leaves(member, path)
    else:
        yield path, str(value)


def printed(path: tuple[str, ...], leaf: str, content: dict[str, Any]) -> str:
    """What stands on the page for a leaf."""
    thousands, decimals = tuple(SIGNS[content["country"]])
    key = path[-1]
    if key == "log_commitment":
        return leaf[:16] or "aún sin sello"  # whole in content.json
    if _is_money(path):
        whole, _, cents = leaf.lstrip("-").partition(".")
        grouped = f"{int(whole):,}".replace(",", thousands)
        if content["country"] == "CO" and not any(map(_centavos, leaves(content))):
            cents = ""
        return ("-" if leaf.startswith("-") else "") + grouped + (decimals + cents if cents else "")
    if key == "rate":
        return f"{(Decimal(leaf) * 100).normalize():f} %".replace(".", decimals)
    if key.endswith("_date") or key in {"retain_until", "from", "to"}:
        year, month, day = leaf.split("-")
        return f"{day}/{month}/{year}"
    return leaf


def unprinted(*, content: dict[str, Any], said: str) -> list[tuple[tuple[str, ...], str]]:
    """Return the leaves of a content that its page does not say; `said` is the text of the page, squashed.

    A code is said by its words too; the rule of an explanation is the shape of its row.
    """
    return [
        (path, leaf)
        for path, leaf in leaves(content)
        if path[-1] != "rule"
        and squashed(printed(path, leaf, content)) not in said
        and squashed(WORDS.get(path[-1], {}).get(leaf, leaf)) not in said
    ]


def _is_money(path: tuple[str, ...]) -> bool:
    return path[-1] in MONEY or (path[-1] in {"tax", "adjustments"} and path[-2:-1] in {("totals",), ("tax_groups",)})


def _centavos(told: tuple[tuple[str, ...], str]) -> bool:
    path, leaf = told
    return _is_money(path) and bool(leaf.partition(".")[2].strip("0"))


def attachment(pdf: bytes) -> bytes:
    """The bytes of content.json."""
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        return opened.attachments["content.json"].get_file().read_bytes()
