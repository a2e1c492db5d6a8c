"""What of a document may still be credited, what a credit of it comes to, and how its note is written."""

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from documents import errors, locks, money
from documents.models import Document, Kind, RefundStatus
from payouts.calculation import amounts, crediting, totals
from payouts.issuing import terms as issuing_terms
from payouts.issuing.terms import IssuingTerms


@dataclasses.dataclass(frozen=True, kw_only=True)
class CreditedAmount:
    """So much of one tax group of the original, in minor units, with its sign, as the credit's prices are."""

    tax: str
    amount_minor: int
    supply: amounts.Supply = "service"

    @property
    def stated(self) -> dict[str, str]:
        """Return how the supply is written: that of the service is not."""
        return {"supply": self.supply} if self.supply == "platform" else {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _EarlierCredit:
    """An earlier credit note of a document; `failed`: of a refund whose money did not arrive."""

    number: str
    content: dict[str, Any]
    failed: bool


def lock_document(*, key: str) -> Document | None:
    """Return a document by its key; until the transaction ends nobody else credits it."""
    rows = Document.objects.select_related("issuer", "owner").defer("issuer__logo")
    return next(iter(locks.rows(queryset=rows.filter(document_key_id=key))), None)


def named(*, original: Document) -> dict[str, str]:
    """Return how a credit note names what it corrects."""
    return {
        "number": original.number,
        "issue_date": original.issue_date.isoformat(),
        "content_sha256": original.content_sha256,
        "document_key": original.document_key_id,
    }


def credit(
    *,
    lines: Sequence[Mapping[str, Any]],
    original: Document,
    content: Mapping[str, Any],
    terms: IssuingTerms,
    prices: money.Prices | None = None,
    instead_of: Document | None = None,
) -> amounts.Credited:
    """Return a credit's sums after every earlier credit of the same document; call with it locked.

    `prices` are the lines' own; the document's where they state none. `instead_of` is an earlier credit that does not
    count, because this one stands for it.

    `remaining` of the result is what may still be credited after it; without lines, what may be now. All credits of an
    order statement together take no more than it owes: what was withheld of it counts as a deduction.

    :raises errors.Problem: `tax_code_unknown`, `credit_exceeds_remaining`
    """
    for code, place in issuing_terms.first_places(lines=lines).items():
        if code not in terms.pack.tax_codes:
            raise errors.problem_at(
                pointer=f"/data/lines/{place}",
                code="tax_code_unknown",
                values={"tax": code, "country": terms.pack.country, "known": [*terms.pack.tax_codes]},
            )
    notes = _notes(original=original, but=instead_of)
    owed = _lines(content=content, digits=terms.digits)
    groups = amounts.read_groups(groups=content["tax_groups"], lines=owed, digits=terms.digits)
    creditable = totals.creditable(lines=owed, groups=groups)
    credited = [group for note in notes for group in _credited(note=note.content, owed=owed, digits=terms.digits)]
    asked, way = amounts.read_lines(lines=lines, digits=terms.digits), prices or content["prices"]
    try:
        return totals.credit(original=creditable, credited=credited, lines=asked, prices=way)
    except errors.Problem as problem:
        why = crediting.excess_cause(original=creditable, credited=credited, lines=asked, prices=way)
        raise _exceeds(problem, pointer="/data/lines", why=why, notes=notes, terms=terms) from None


def remaining(
    *, content: Mapping[str, Any], notes: Iterable[Mapping[str, Any]], digits: int
) -> tuple[amounts.Group, ...]:
    """Return what of a document's content the notes that credit it leave, of whichever sign."""
    owed = _lines(content=content, digits=digits)
    groups = amounts.read_groups(groups=content["tax_groups"], lines=owed, digits=digits)
    credited = [group for note in notes for group in _credited(note=note, owed=owed, digits=digits)]
    return totals.remaining(original=totals.creditable(lines=owed, groups=groups), credited=credited)


def notes_of(*, original: Document) -> list[dict[str, Any]]:
    """Return the contents of the credit notes of a document, in the order in which they were issued."""
    return [note.content for note in _notes(original=original)]


def _notes(*, original: Document, but: Document | None = None) -> list[_EarlierCredit]:
    """Return the credit notes of a document, but for one, in the order in which they were issued."""
    earlier = Document.objects.filter(corrects=original, kind=Kind.CREDIT_NOTE).order_by("pk")
    if but is not None:
        earlier = earlier.exclude(pk=but.pk)
    return [
        _EarlierCredit(number=number, content=json.loads(content), failed=status == RefundStatus.FAILED)
        for number, content, status in earlier.values_list("number", "content", "refund_status")
    ]


def _exceeds(
    problem: errors.Problem, *, pointer: str, why: str, notes: Sequence[_EarlierCredit], terms: IssuingTerms
) -> errors.Problem:
    """Return a problem of the calculation with its place in the event, and the likeliest mistake where it has amounts.

    Of the earlier credit notes, that of a refund which failed explains it, or the one that took all that remained.
    """
    values = {**problem.values, "currency": terms.currency, "country": terms.pack.country}
    faults = [errors.Fault(pointer=pointer, code=problem.code, values=values)]
    if "asked_minor" in values:
        where = "credit_group" if values.get("tax") else "credit"
        said = {**values, "cause": f"{where}_{why}", "documents": [note.number for note in notes]}
        failed = [note for note in notes if note.failed]
        canceled = [note for note in notes if "cancellation" in note.content]
        if why == "taken_before" and (failed or canceled):
            named, cause = (failed[-1], "failed_before") if failed else (canceled[0], "canceled")
            said |= {"cause": f"{where}_{cause}", "documents": [named.number]}
            said |= {"refund": named.content["refund"]["id"]} if failed else {}
        faults.append(errors.Fault(pointer=pointer, code="diagnosis", values=said))
    return errors.Problem(code=problem.code, errors=faults)


def of_amount(
    *,
    gross_minor: int,
    original: Document,
    content: Mapping[str, Any],
    terms: IssuingTerms,
    kind: str,
    label: str,
    pointer: str,
) -> tuple[list[dict[str, Any]], amounts.Credited]:
    """Return the lines and sums of a credit of which only the gross is known, spread over what remains.

    There is a line of that kind for each tax group, named by the label, with the tax inside: such a note's prices are
    `gross`. `pointer` is where the event states it. Call with the original locked.

    :raises errors.Problem: `credit_exceeds_remaining`
    """
    remaining = credit(lines=(), original=original, content=content, terms=terms).remaining
    try:
        parts = crediting.spread(gross_minor=gross_minor, remaining=remaining)
    except errors.Problem as problem:
        why = "taken_before" if gross_minor <= original.total_minor else "above_original"
        notes = _notes(original=original)
        raise _exceeds(problem, pointer=pointer, why=why, notes=notes, terms=terms) from None
    credited = [
        CreditedAmount(tax=group.code, amount_minor=part, supply=group.supply)
        for group, part in zip(remaining, parts, strict=True)
        if part
    ]
    withheld = bool(content.get("withholdings"))
    lines = lines_of(credited=credited, kind=kind, label=label, withheld=withheld, digits=terms.digits)
    return lines, credit(lines=lines, original=original, content=content, terms=terms, prices="gross")


def of_rest(
    *, original: Document, content: Mapping[str, Any], terms: IssuingTerms, kind: str, label: str
) -> tuple[list[dict[str, Any]], amounts.Credited] | None:
    """Return the lines and sums of a credit of all that remains, priced as the original; None where nothing does.

    Call with the original locked.
    """
    remaining = credit(lines=(), original=original, content=content, terms=terms).remaining
    if sum(group.gross_minor for group in remaining) <= 0:
        return None
    is_net = content["prices"] == "net"
    credited = [
        CreditedAmount(
            tax=group.code, amount_minor=group.base_minor if is_net else group.gross_minor, supply=group.supply
        )
        for group in remaining
        if group.base_minor or group.gross_minor
    ]
    withheld = bool(content.get("withholdings"))
    lines = lines_of(credited=credited, kind=kind, label=label, withheld=withheld, digits=terms.digits)
    return lines, credit(lines=lines, original=original, content=content, terms=terms)


def _lines(*, content: Mapping[str, Any], digits: int) -> list[amounts.AmountLine]:
    """Return the lines of a document that can be credited.

    What was withheld of it counts as an untaxed deduction, so that all of them together are the document's total.
    """
    withheld = sum(money.minor(item["amount"], digits) for item in content.get("withholdings", ()))
    taken = amounts.AmountLine(id="withheld", amount_minor=-withheld, supply="platform")
    return [*amounts.read_lines(lines=content["lines"], digits=digits), *([taken] if withheld else [])]


def _credited(*, note: Mapping[str, Any], owed: Sequence[amounts.AmountLine], digits: int) -> tuple[amounts.Group, ...]:
    """Return the groups of an earlier credit; `owed` are the lines of what it corrects."""
    lines = amounts.read_lines(lines=note["lines"], digits=digits)
    for place, raw in enumerate(note["lines"]):
        if raw["kind"] == "CORRECTION" and "supply" not in raw:
            line = lines[place]
            supply = amounts.supply_before(tax=line.tax, negative=line.amount_minor < 0, lines=owed)
            lines[place] = dataclasses.replace(line, supply=supply)
    groups = amounts.read_groups(groups=note["tax_groups"], lines=owed, digits=digits)
    return totals.creditable(lines=lines, groups=groups)


def lines_of(
    *, credited: Sequence[CreditedAmount], kind: str, label: str, withheld: bool, digits: int
) -> list[dict[str, Any]]:
    """Return the lines of a credit note that were not stated: one for each tax group that is credited.

    `withheld`: tax is withheld of the original, and credited with its untaxed fees.
    """
    return [
        {
            "id": str(place),
            "kind": kind,
            "description": f"{label}: {_group_label(part, withheld=withheld)}",
            "amount": money.text(part.amount_minor, digits),
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


def printed_amounts(
    *, lines: Sequence[Mapping[str, Any]], sums: amounts.Computed, prices: str, terms: IssuingTerms, date: dt.date
) -> dict[str, Any]:
    """Return the lines, tax groups and totals of a receipt or credit note; `date` is that of the taxes."""
    return {
        "prices": prices,
        "lines": [{key: value for key, value in line.items() if key != "party"} for line in lines],
        "tax_groups": terms.printed_groups(groups=sums.groups, date=date),
        "totals": amounts.texts(amounts=sums.totals, digits=terms.digits),
    }
