"""The card that says where each cent of a document comes from: one row a line, with its tax."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from babel import numbers
from django.utils.translation import gettext as _

from documents.admin import cells
from documents.admin.base import Card
from documents.models import Document

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

ROWS_MAX = 100
ExplainedRow = Mapping[str, str]


def card(*, document: Document) -> Card | None:
    """Return the explanation that a document carries; None for a kind that has none."""
    rows: list[ExplainedRow] = json.loads(document.content).get("explanation", [])
    if not rows:
        return None
    several = any("number" in row for row in rows)
    omitted = len(rows) - ROWS_MAX
    heads = [_("Pedido"), *([_("Documento")] if several else []), _("Línea"), _("Concepto"), _("Tipo"), _("Importe")]
    return Card(
        title=_("De dónde sale cada céntimo"),
        heads=heads,
        rows=[_cells(row, several=several, currency=document.currency) for row in rows[:ROWS_MAX]],
        note=_("Las demás filas (%(left)s) están en el PDF.") % {"left": omitted} if omitted > 0 else "",
        numeric=(len(heads) - 2, len(heads) - 1),
        wide=True,
    )


def _cells(row: ExplainedRow, *, several: bool, currency: str) -> "list[SafeString | str]":
    """Lay out one row."""
    rate = cells.NOTHING
    if "rate" in row:
        rate = f"{numbers.format_decimal(Decimal(row['rate']) * 100, locale=cells.locale())} %"
    return [
        cells.mono(row.get("order", "")),
        *([cells.mono(row.get("number", ""))] if several else []),
        row.get("line", "") or cells.NOTHING,
        _concept(row),
        rate,
        cells.amount_of_text(text=_balance(row) or row["amount"], currency=currency),
    ]


def _balance(row: ExplainedRow) -> str:
    """Return the debt that a payout leaves with the sign that it has everywhere else; "" for any other row."""
    is_debt = row["rule"] == "closing_carry_over" and Decimal(row["amount"]) > 0
    return f"-{row['amount']}" if is_debt else ""


def _concept(row: ExplainedRow) -> str:
    """Name what a row is about: the kind of line, its tax, the withholding, or the rule."""
    kinds = {
        "FARE": _("Tarifa"),
        "TIP": _("Propina"),
        "TOLL": _("Peaje"),
        "SURCHARGE": _("Suplemento"),
        "BONUS": _("Incentivo"),
        "PROMOTION": _("Promoción"),
        "ITEM": _("Artículo"),
        "PLATFORM_FEE": _("Comisión de la plataforma"),
        "REFUND_ITEM": _("Devolución"),
        "ADJUSTMENT": _("Ajuste"),
        "CORRECTION": _("Corrección"),
    }
    rules = {
        "line": kinds.get(row.get("kind", ""), row.get("kind", "")),
        "tax": row.get("tax", ""),
        "withholding": _("Retención fiscal %(name)s") % {"name": row.get("name", "")},
        "statement": _("Según su liquidación"),
        "part": _("Fuera de este pago"),
        "cash_collected": _("Efectivo ya cobrado"),
        "opening_carry_over": _("Saldo anterior"),
        "closing_carry_over": _("Deuda que pasa al siguiente") if _balance(row) else _("Saldo que pasa al siguiente"),
        "difference": _("Diferencia en conciliación"),
    }
    return rules.get(row["rule"], row["rule"])
