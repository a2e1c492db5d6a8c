"""The credit note of a correction: what was decided, the lines it comes to, and the draft of the document."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from documents import money
from documents.emission import document_keys, issuing
from documents.models import Document, Kind
from payouts.calculation import amounts
from payouts.issuing import receipts
from payouts.issuing.terms import IssuingTerms

LINE_KIND = "CORRECTION"
# TABLE: kind of the original -> how a line of its credit begins.
_LINE_LABELS = {Kind.PAYMENT_RECEIPT: "Abono", Kind.ORDER_FINAL_STATEMENT: "Descuento"}


@dataclass(frozen=True, kw_only=True)
class CreditedAmount:
    """So much of one tax group of the original, in minor units, with its sign, in the original's way of pricing."""

    tax: str
    amount_minor: int
    supply: amounts.Supply = "service"

    @property
    def stated(self) -> dict[str, str]:
        """Return how the supply is written: that of the service is not."""
        return {"supply": self.supply} if self.supply == "platform" else {}


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What somebody decided; without `parts` it credits all that remains. `known_as` identifies a repeat."""

    id: str
    original: Document
    content: dict[str, Any]
    terms: IssuingTerms
    parts: tuple[CreditedAmount, ...] | None
    reason: str

    @property
    def key(self) -> str:
        """Return the permanent key of the credit note."""
        return issuing.key(kind=Kind.CREDIT_NOTE, subject=("correction", self.id), audience=str(self.original.audience))

    @property
    def business_input(self) -> dict[str, object]:
        """Return what was decided, without anything computed."""
        digits = self.terms.digits
        lines: object = "remaining"
        if self.parts is not None:
            lines = [
                {"tax": part.tax, "amount": money.text(part.amount_minor, digits), **part.stated} for part in self.parts
            ]
        return {"document": self.original.document_key_id, "lines": lines, "reason": self.reason}

    @property
    def known_as(self) -> tuple[str, str]:
        """Return the digests by which a repeat is known."""
        return document_keys.known_as(
            kind=Kind.CREDIT_NOTE,
            country=self.terms.pack.country,
            issuer=self.terms.issuer.slug,
            data=self.business_input,
        )


def lines(*, correction: Correction, credited: Sequence[CreditedAmount]) -> list[dict[str, Any]]:
    """Return the lines of the credit note: one for each tax group that is credited."""
    label, withheld = _LINE_LABELS[Kind(correction.original.kind)], bool(correction.content.get("withholdings"))
    return [
        {
            "id": str(place),
            "kind": LINE_KIND,
            "description": f"{label}: {_group_label(part, withheld=withheld)}",
            "amount": money.text(part.amount_minor, correction.terms.digits),
            **_taxes(part),
            **part.stated,
        }
        for place, part in enumerate(credited, start=1)
    ]


def _taxes(part: CreditedAmount) -> dict[str, object]:
    """Return how a line states the tax codes of its group."""
    codes = amounts.split(part.tax)
    return {"taxes": codes} if len(codes) > 1 else {"tax": part.tax} if codes else {}


def _group_label(part: CreditedAmount, *, withheld: bool) -> str:
    what = "comisiones" if part.supply == "platform" else "conceptos"
    if part.supply == "platform" and not part.tax and withheld:
        return "retenciones fiscales y comisiones sin impuesto"
    return f"{what} con {' + '.join(amounts.split(part.tax))}" if part.tax else f"{what} sin impuesto"


def draft(
    *, correction: Correction, lines: Sequence[dict[str, Any]], sums: amounts.Credited, now: dt.datetime
) -> issuing.Draft:
    """Draft the credit note."""
    original, content, terms = correction.original, correction.content, correction.terms
    return issuing.Draft(
        kind=Kind.CREDIT_NOTE,
        subject=("correction", correction.id),
        audience=str(original.audience),
        pack=terms.pack,
        issuer=terms.issuer,
        owner=original.owner,
        owner_facts=content["owner"],
        currency=terms.currency,
        total_minor=sums.totals["gross"],
        operation_date=terms.local_date(moment=now, time_zone=content["time_zone"]),
        time_zone=content["time_zone"],
        body={
            "original": receipts.named(original=original),
            "correction": {"id": correction.id, "reason": correction.reason},
            **receipts.printed_amounts(
                lines=lines, sums=sums, prices=content["prices"], terms=terms, date=original.operation_date
            ),
        },
        business_input=correction.business_input,
        corrects=original,
    )
