"""Credit notes that take an order's statement back whole: it became somebody else's, or the order was canceled.

What remains of it is taken back whatever its sign, so that its owner is neither owed anything of it nor owes it.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from documents import money
from documents.emission import issuing
from documents.models import Document, Kind, Party
from payouts.calculation import amounts
from payouts.issuing import credit_notes, parties
from payouts.issuing.credit_notes import CreditedAmount
from payouts.issuing.terms import IssuingTerms

LABEL, LINE_KIND = "Anulación", "CORRECTION"


@dataclass(frozen=True, kw_only=True)
class TakenBack:
    """A statement that is taken back: one that was issued (locked), or the draft of one that is issued with it."""

    audience: str
    owner: Party
    content: Mapping[str, Any]
    document: Document | None = None
    key: str = ""


def issued(*, document: Document) -> TakenBack:
    """Return a statement that was issued before; call with it locked."""
    return TakenBack(
        audience=str(document.audience), owner=document.owner, content=json.loads(document.content), document=document
    )


def drafted(*, draft: issuing.Draft) -> TakenBack:
    """Return a statement that is issued in the same call."""
    content = {**draft.body, "owner": draft.owner_facts, "time_zone": draft.time_zone}
    return TakenBack(
        audience=draft.audience,
        owner=draft.owner,
        content=content,
        key=issuing.key(
            kind=draft.kind, subject=draft.subject, audience=draft.audience, discriminator=draft.discriminator
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Rest:
    """All that remains of a statement: the lines of the note that takes it back, and what they come to."""

    lines: list[dict[str, Any]]
    sums: amounts.Computed


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why statements are taken back: the note's subject, what it prints of the cause, the day, and the event's data."""

    subject: tuple[str, str]
    printed: Mapping[str, object]
    date: dt.date
    business_input: dict[str, object]


def note(*, of: TakenBack, cause: Cause, discriminator: str = "", terms: IssuingTerms) -> list[issuing.Draft]:
    """Return the draft of the credit note; none where nothing remains to be taken back."""
    notes = credit_notes.notes_of(original=of.document) if of.document else []
    rest = _rest(content=of.content, notes=notes, digits=terms.digits)
    if rest is None:
        return []
    owner_facts = of.content["owner"]  # a draft's event names its owner, a cancellation and a reassignment do not
    if of.document is not None:
        owner_facts = parties.printed(party=of.owner, pack=terms.pack, date=cause.date)
    named: dict[str, object] = {"original": credit_notes.named(original=of.document)} if of.document else {}
    return [
        issuing.Draft(
            kind=Kind.CREDIT_NOTE,
            subject=cause.subject,
            audience=of.audience,
            discriminator=discriminator,
            pack=terms.pack,
            issuer=terms.issuer,
            owner=of.owner,
            owner_facts=owner_facts,
            currency=terms.currency,
            total_minor=rest.sums.totals["gross"],
            operation_date=cause.date,
            time_zone=of.content["time_zone"],
            body={**named, **cause.printed, **_amounts(of=of, rest=rest, digits=terms.digits)},
            business_input=cause.business_input,
            corrects=of.document,
            following=None if of.document else issuing.Following(key=of.key, named=_named),
        )
    ]


def _rest(*, content: Mapping[str, Any], notes: Sequence[Mapping[str, Any]], digits: int) -> _Rest | None:
    """Return all that remains of a statement after the notes that credit it; None for nothing.

    Its lines are the statement's own where no note has taken anything of them.
    """
    groups = [
        group
        for group in credit_notes.remaining(content=content, notes=notes, digits=digits)
        if group.base_minor or group.tax_minor
    ]
    if not groups:
        return None
    net, tax = sum(group.base_minor for group in groups), sum(group.tax_minor for group in groups)
    sums = amounts.Computed(
        totals={"net": net, "tax": tax, "gross": net + tax}, groups=tuple(group for group in groups if group.taxes)
    )
    if not notes:
        return _Rest(lines=_own_lines(content=content, digits=digits), sums=sums)
    is_net, withheld = content["prices"] == "net", bool(content.get("withholdings", ()))
    parts = [
        CreditedAmount(
            tax=group.code, amount_minor=group.base_minor if is_net else group.gross_minor, supply=group.supply
        )
        for group in groups
    ]
    lines = credit_notes.lines_of(credited=parts, kind=LINE_KIND, label=LABEL, withheld=withheld, digits=digits)
    return _Rest(lines=lines, sums=sums)


def _own_lines(*, content: Mapping[str, Any], digits: int) -> list[dict[str, Any]]:
    """Return the lines of a statement as its credit note repeats them, with one for what was withheld of it."""
    withheld = sum(money.minor(item["amount"], digits) for item in content.get("withholdings", ()))
    taken = {
        "id": "withheld",
        "kind": LINE_KIND,
        "description": "Retenciones fiscales",
        "amount": money.text(-withheld, digits),
        "supply": "platform",
    }
    return [*content["lines"], *([taken] if withheld else [])]


def _named(document: Document) -> dict[str, object]:
    """Return how the note names a statement that has its number now."""
    return {"original": credit_notes.named(original=document)}


def _amounts(*, of: TakenBack, rest: _Rest, digits: int) -> dict[str, object]:
    """Return the lines, tax groups and totals of the note; why a code charges nothing is as the statement says it."""
    reasons = {
        row["code"]: {"legal_reason": row["legal_reason"]} for row in of.content["tax_groups"] if "legal_reason" in row
    }
    rows = amounts.group_rows(groups=rest.sums.groups, digits=digits)
    return {
        "prices": of.content["prices"],
        "lines": rest.lines,
        "tax_groups": [{**row, **reasons.get(row["code"], {})} for row in rows],
        "totals": amounts.texts(amounts=rest.sums.totals, digits=digits),
    }
