"""The sentences of what may have caused the difference of a payout that does not close: `diagnosis.<cause>`.

A mistake comes in two or three shapes: something was `omitted`, `doubled`, or has the `wrong_sign`.
"""

from collections.abc import Iterator, Mapping

from documents.countries.sources import Words

SHORT = Words(es="Faltan {size:amount} en la transferencia", en="The transfer is {size:amount} short")
OVER = Words(es="Sobran {size:amount} en la transferencia", en="The transfer is {size:amount} over")

Why = Mapping[str, tuple[str, str]]  # shape -> what happened (es, en)
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
_SIGN = {"wrong_sign": ("signo contrario", "wrong sign")}

# TABLE: cause -> what the difference is exactly (es, en), and why it may be, by shape.
_EXACTLY: Mapping[str, tuple[str, str, Why]] = {
    "cash": ("el efectivo de {who:either}", "the cash of {who:either}", _CASH),
    "fee_tax": ("el {what} de la comisión de {who:either}", "the {what} of the fee of {who:either}", _TAKEN),
    "net": ("el neto de {who:either}", "the net of {who:either}", _SENT),
    "adjustment": ("el ajuste {who:either}", "the adjustment {who:either}", _SENT),
    "tip": ("la propina de {who:either}", "the tip of {who:either}", _SENT),
    # The order's own, not the payout's.
    "withheld": (
        "la retención fiscal {what} de {who:either}", "the withholding {what} of {who:either}", _TAKEN,
    ),
    "all_cash": ("el efectivo de todos los pedidos", "the cash of all orders", _CASH),
    "all_fee_tax": ("el {what} de todas las comisiones", "the {what} of all fees", _TAKEN),
    "all_tips": ("las propinas de todos los pedidos", "the tips of all orders", _MANY_SENT),
    "all_withheld": (
        "la retención fiscal {what} de todos los pedidos", "the withholding {what} of all orders", _TAKEN,
    ),
    "pair": ("la suma de los netos de {who:either}", "the sum of the nets of {who:either}", _MANY_SENT),
}  # fmt: skip
# TABLE: cause -> what of the payout itself the difference is exactly (es, en); each may have the wrong sign, too.
_ITEMS: Mapping[str, tuple[str, str]] = {
    "line": ("el ajuste {what}", "line {what}"),
    "lines_tax": ("el {what} de los ajustes", "the adjustments' {what}"),
    "withholding": ("la retención fiscal {what}", "withholding {what}"),
    "all_lines": ("el total de ajustes", "the adjustments' total"),
    "all_withholdings": ("el total de retenciones fiscales", "all withholdings"),
    "declared_cash": ("el efectivo declarado", "the cash"),
    "opening": ("el saldo anterior", "the opening balance"),
    "closing": ("el saldo siguiente", "the closing balance"),
}
# TABLE: cause -> the whole of what is said after the size of the difference.
_OTHERS: Mapping[str, Words] = {
    "missing": Words(
        es="falta {who:either}, cuyo neto es exactamente la diferencia",
        en="{who:either} is missing: its net is exactly the difference",
    ),
    "missing_adjustment": Words(
        es="falta el ajuste {who:either}, cuyo neto es exactamente la diferencia",
        en="adjustment {who:either} is missing: its net is exactly the difference",
    ),
    "missing_pair": Words(
        es="faltan {who:either}, cuyos netos suman exactamente la diferencia",
        en="{who:either} are missing: their nets add up to exactly the difference",
    ),
    "canceled": Words(
        es="se canceló antes de completarse {who:either}: no se debe nada por ello",
        en="{who:either} was canceled before it was completed: nothing is owed of it",
    ),
    "rounding": Words(es="cabe en el redondeo de un céntimo por pedido", en="it fits rounding by a cent per order"),
    "nothing_alone": Words(
        es="no coincide con ninguna partida sola ni con dos pedidos; compara el desglose del pago con el del banco",
        en="it matches no single item and no two orders; compare the payout's breakdown with the bank's",
    ),
}

# TABLE: cause -> the mistake behind totals that differ from what the lines come to (es, en).
_SUMS: Mapping[str, tuple[str, str]] = {
    "gross_read_as_net": (
        "es lo que suman las líneas si sus importes ya llevan el impuesto (falta «prices»: «gross»)",
        "it is what the lines come to if their amounts hold the tax already (“prices”: “gross” is missing)",
    ),
    "net_read_as_gross": (
        "es lo que suman las líneas si sus importes no llevan el impuesto (sobra «prices»: «gross»)",
        "it is what the lines come to if their amounts are without tax (“prices”: “gross” is wrong)",
    ),
    "tax_rounded_per_line": (
        "el impuesto se redondeó línea por línea; se redondea una vez por tipo",
        "the tax was rounded line by line; it is rounded once for each rate",
    ),
    "discount_omitted": ("no se restó el descuento", "the discount was not taken off"),
    "discount_doubled": ("el descuento se restó dos veces", "the discount was taken off twice"),
    "discount_untaxed": (
        "el descuento se restó sin su impuesto", "the discount was taken off without its tax",
    ),
}  # fmt: skip

# TABLE: cause -> why a credit is more than what remains (es, en).
_CREDITS: Mapping[str, tuple[str, str]] = {
    "gross_read_as_net": (
        "cabe si sus importes ya llevan el impuesto (falta «prices»: «gross»)",
        "it fits if its amounts hold the tax already (“prices”: “gross” is missing)",
    ),
    "failed_before": (
        "la devolución {refund} ({documents:all}) falló; si esta la sustituye, indícalo con «replaces»",
        "the refund {refund} ({documents:all}) failed; if this one replaces it, say so with “replaces”",
    ),
    "canceled": (
        "se canceló, y lo que quedaba se abonó en {documents:all}",
        "it was canceled, and what remained was credited by {documents:all}",
    ),
    "taken_before": ("lo demás ya se abonó ({documents:all})", "the rest was credited before ({documents:all})"),
    "above_original": (
        "es más de lo que se pagó de eso en el documento original",
        "it is more than was paid of that in the original document",
    ),
}  # fmt: skip


def _rows() -> Iterator[tuple[str, Words]]:
    """Yield each cause with what is said after the size of the difference."""
    yield from _OTHERS.items()
    for name, (es, en, why) in _EXACTLY.items():
        yield from _shapes(name=name, es=es, en=en, why=why)
    cash_es, cash_en, _why = _EXACTLY["cash"]
    yield from _shapes(name="cash", es=f"dos veces {cash_es}", en=f"twice {cash_en}", why=_SIGN)
    for name, (es, en) in _ITEMS.items():
        yield from _shapes(name=name, es=es, en=en, why=_SEEN)
        yield from _shapes(name=name, es=f"dos veces {es}", en=f"twice {en}", why=_SIGN)


def _shapes(*, name: str, es: str, en: str, why: Why) -> Iterator[tuple[str, Words]]:
    for shape, (why_es, why_en) in why.items():
        exactly = Words(
            es=f"la diferencia es exactamente {es} ({why_es})", en=f"the difference is exactly {en} ({why_en})"
        )
        yield f"{name}_{shape}", exactly


TABLE: Mapping[str, Words] = (
    {
        f"diagnosis.{cause}": Words(es=f"{{difference:gap}}: {row.es}.", en=f"{{difference:gap}}: {row.en}.")
        for cause, row in _rows()
    }
    | {
        f"diagnosis.sum_{cause}": Words(
            es=f"Dice {{stated:amount}} y las líneas suman {{expected:amount}}: {es}.",
            en=f"It says {{stated:amount}} and the lines come to {{expected:amount}}: {en}.",
        )
        for cause, (es, en) in _SUMS.items()
    }
    | {
        f"diagnosis.{where}_{cause}": Words(
            es=f"Abona {{asked_minor:amount}}{of_es} y quedan {{remaining_minor:amount}}: {es}.",
            en=f"It credits {{asked_minor:amount}}{of_en} and {{remaining_minor:amount}} remain: {en}.",
        )
        for where, of_es, of_en in (("credit", "", ""), ("credit_group", " con {tax}", " with {tax}"))
        for cause, (es, en) in _CREDITS.items()
    }
)
