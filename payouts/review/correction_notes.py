"""The credit note of a correction: what was decided, the lines it comes to, and the draft of the document."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from documents import money
from documents.emission import document_keys, issuing
from documents.models import Document, Kind
from payouts.calculation import amounts
from payouts.issuing import credit_notes
from payouts.issuing.credit_notes import CreditedAmount
from payouts.issuing.terms import IssuingTerms

LINE_KIND = "CORRECTION"
# TABLE: kind of the original -> how a line of its credit begins.
_LINE_LABELS = {Kind.PAYMENT_RECEIPT: "Abono", Kind.ORDER_FINAL_STATEMENT: "Descuento"}


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
    return credit_notes.lines_of(
        credited=credited,
        kind=LINE_KIND,
        label=_LINE_LABELS[Kind(correction.original.kind)],
        withheld=bool(correction.content.get("withholdings")),
        digits=correction.terms.digits,
    )


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
            "original": credit_notes.named(original=original),
            "correction": {"id": correction.id, "reason": correction.reason},
            **credit_notes.printed_amounts(
                lines=lines, sums=sums, prices=content["prices"], terms=terms, date=original.operation_date
            ),
        },
        business_input=correction.business_input,
        corrects=original,
    )
