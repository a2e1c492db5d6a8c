"""The credit note of a correction: what was decided, the lines it comes to, and the draft of the document."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from documents import money
from documents.emission import document_keys, issuing
from documents.models import Document, Kind
from payouts.calculation import amounts
from payouts.issuing import credit_notes, parties
from payouts.issuing.credit_notes import CreditedAmount
from payouts.issuing.terms import IssuingTerms

LINE_KIND = "CORRECTION"
# TABLE: kind of the original -> how a line of its credit begins.
_LINE_LABELS = {Kind.PAYMENT_RECEIPT: "Abono", Kind.ORDER_FINAL_STATEMENT: "Descuento"}


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What somebody decided: `parts`, a gross, or without either all that remains. `known_as` identifies a repeat."""

    id: str
    original: Document
    content: dict[str, Any]
    terms: IssuingTerms
    parts: tuple[CreditedAmount, ...] | None
    gross_minor: int | None
    reason: str

    @property
    def key(self) -> str:
        """Return the permanent key of the credit note."""
        return issuing.key(kind=Kind.CREDIT_NOTE, subject=("correction", self.id), audience=str(self.original.audience))

    @property
    def business_input(self) -> dict[str, object]:
        """Return what was decided, without anything computed."""
        digits, about = self.terms.digits, {"document": self.original.document_key_id, "reason": self.reason}
        if self.gross_minor is not None:
            return {**about, "amount": money.text(self.gross_minor, digits)}
        lines: object = "remaining"
        if self.parts is not None:
            lines = [
                {"tax": part.tax, "amount": money.text(part.amount_minor, digits), **part.stated} for part in self.parts
            ]
        return {**about, "lines": lines}

    @property
    def known_as(self) -> tuple[str, str]:
        """Return the digests by which a repeat is known."""
        return document_keys.known_as(
            kind=Kind.CREDIT_NOTE,
            country=self.terms.pack.country,
            issuer=self.terms.issuer.slug,
            data=self.business_input,
        )


def credited(
    *, correction: Correction, parts: Sequence[CreditedAmount]
) -> tuple[list[dict[str, Any]], amounts.Credited, str]:
    """Return the lines of the credit note, one for each tax group, what they come to, and how they are priced.

    `parts` are the groups that are credited where no gross was decided.

    :raises errors.Problem: `credit_exceeds_remaining`, `tax_code_unknown`
    """
    original, content, terms = correction.original, correction.content, correction.terms
    label = _LINE_LABELS[Kind(original.kind)]
    if correction.gross_minor is not None:
        lines, sums = credit_notes.of_amount(
            gross_minor=correction.gross_minor,
            original=original,
            content=content,
            terms=terms,
            kind=LINE_KIND,
            label=label,
            pointer="/data/amount",
        )
        return lines, sums, "gross"
    withheld = bool(content.get("withholdings"))
    lines = credit_notes.lines_of(credited=parts, kind=LINE_KIND, label=label, withheld=withheld, digits=terms.digits)
    return lines, credit_notes.credit(lines=lines, original=original, content=content, terms=terms), content["prices"]


def draft(
    *, correction: Correction, lines: Sequence[dict[str, Any]], sums: amounts.Credited, prices: str, now: dt.datetime
) -> issuing.Draft:
    """Draft the credit note."""
    original, content, terms = correction.original, correction.content, correction.terms
    date = terms.local_date(moment=now, time_zone=content["time_zone"])
    return issuing.Draft(
        kind=Kind.CREDIT_NOTE,
        subject=("correction", correction.id),
        audience=str(original.audience),
        pack=terms.pack,
        issuer=terms.issuer,
        owner=original.owner,
        owner_facts=parties.printed(party=original.owner, pack=terms.pack, date=date),
        currency=terms.currency,
        total_minor=sums.totals["gross"],
        operation_date=date,
        time_zone=content["time_zone"],
        body={
            "original": credit_notes.named(original=original),
            "correction": {"id": correction.id, "reason": correction.reason},
            **credit_notes.printed_amounts(
                lines=lines, sums=sums, prices=prices, terms=terms, date=original.operation_date
            ),
        },
        business_input=correction.business_input,
        corrects=original,
    )
