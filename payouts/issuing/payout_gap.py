"""Whether a payout closes; of one that does not, its exact difference, and what may have caused it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Exists, OuterRef

from documents import errors, money
from documents.events import effects, envelope, schemas
from documents.models import Document, Kind, Party
from payouts.calculation import amounts, gap_causes
from payouts.issuing import named_documents, owners, payout_lines, payout_totals, retries
from payouts.issuing.terms import IssuingTerms
from payouts.models import Settlement

UNSETTLED_MAX = 2000  # some weeks of a busy driver


def closing(
    *, message: envelope.EventMessage, data: schemas.PayoutData, payee: Party | None
) -> payout_totals.PayoutDraft | effects.Waiting | effects.Held:
    """Return the draft of a payout that closes, or why there is none yet.

    :raises errors.Problem: what nothing that concerns the payee can make right
    """
    awaits = [retries.awaited(payee=data.payee.id)]
    try:
        draft = payout_totals.resolve(message=message, payee=payee, accept=False)
    except errors.Problem as fault:
        if fault.code != retries.NOT_OWNED:
            raise
        return effects.Held(problem=fault, awaits=awaits)
    if isinstance(draft, effects.Waiting) or draft.candidate.sums.closes:
        return draft
    canceled = named_documents.canceled(data=data)
    gap = problem(candidate=draft.candidate, payee=data.payee.id, canceled=canceled, terms=draft.terms)
    return effects.Held(problem=gap, awaits=awaits)


def problem(
    *,
    candidate: payout_totals.PayoutCandidate,
    payee: str,
    canceled: Sequence[str] = (),
    terms: IssuingTerms,
) -> errors.Problem:
    """Return the problem of a payout that does not close: the exact difference first, then what may have caused it.

    `canceled` are those of its orders of which nothing is owed. Two queries, however many orders the payout has.
    """
    gap: dict[str, errors.Value] = {
        "difference": money.text(candidate.sums.difference_minor, terms.digits),
        "currency": terms.currency,
        "country": terms.pack.country,
    }
    parts = _parts(lines=candidate.lines, terms=terms)
    listed = [payout_line.document.pk for payout_line in candidate.lines]
    unsettled = _unsettled(payee=payee, listed=listed, terms=terms)
    diagnoses = gap_causes.diagnose(
        payout=candidate.sums,
        parts=parts,
        unsettled=unsettled,
        adjustments=candidate.adjustments,
        withholdings=candidate.withholdings,
    )
    faults = [errors.Fault(pointer="/data/payout/amount", code="difference", values=gap)]
    if canceled:
        said: dict[str, errors.Value] = {"cause": "canceled", "who": [*canceled[: gap_causes.NAMES_MAX]]}
        if len(canceled) > gap_causes.NAMES_MAX:
            said["more"] = len(canceled) - gap_causes.NAMES_MAX
        faults.append(errors.Fault(pointer="/data", code="diagnosis", values={**said, **gap}))
    faults += [
        errors.Fault(pointer="/data", code="diagnosis", values=diagnosis.values | gap) for diagnosis in diagnoses
    ]
    return errors.Problem(code="payout_does_not_close", errors=faults)


def _unsettled(*, payee: str, listed: Sequence[int], terms: IssuingTerms) -> list[gap_causes.OwedItem]:
    """Return what the payee has been owed of late and no payout in effect settles, newest first."""
    rows = (
        Document.objects.filter(
            ~Exists(Settlement.objects.filter(document=OuterRef("pk"), effective=True)),
            ~Exists(Document.objects.filter(owners.TAKEN_BACK, corrects=OuterRef("pk"))),
            owner__platform_id=payee,
            issuer=terms.issuer,
            currency=terms.currency,
            kind=Kind.ORDER_FINAL_STATEMENT,
        )
        .exclude(pk__in=listed)
        .order_by("-pk")
        .values_list("subject", "document_key_id", "total_minor")[:UNSETTLED_MAX]
    )
    return [
        gap_causes.OwedItem(
            order=owners.order_of(subject=subject), adjustment=owners.adjustment_in(key=key), amount_minor=total
        )
        for subject, key, total in rows
    ]


def _parts(*, lines: Sequence[payout_lines.PayoutLine], terms: IssuingTerms) -> list[gap_causes.OwedItem]:
    """Return what the diagnosis needs to know of each document that is paid, read in one query."""
    contents = payout_lines.contents(lines=lines)
    return [
        _part(payout_line=payout_line, content=contents[payout_line.document.pk], terms=terms) for payout_line in lines
    ]


def _part(
    *, payout_line: payout_lines.PayoutLine, content: Mapping[str, Any], terms: IssuingTerms
) -> gap_causes.OwedItem:
    """Return what of one document's content may have been forgotten or counted twice."""
    taxes: dict[str, int] = {}
    lines = amounts.read_lines(lines=content["lines"], digits=terms.digits)
    for group in amounts.read_groups(groups=content["tax_groups"], lines=lines, digits=terms.digits):
        for tax in group.taxes if group.supply == "platform" else ():
            name = tax_name(code=tax.code, terms=terms)
            taxes[name] = taxes.get(name, 0) + tax.tax_minor
    return gap_causes.OwedItem(
        order=payout_line.order,
        adjustment=payout_line.adjustment,
        amount_minor=payout_line.amount_minor,
        cash_collected_minor=money.minor(content.get("cash_collected", "0"), terms.digits),
        tips_minor=sum(line.amount_minor for line in lines if line.kind == "TIP"),
        fee_taxes=tuple(taxes.items()),
        withheld=tuple(
            (item["name"], money.minor(item["amount"], terms.digits)) for item in content.get("withholdings", ())
        ),
    )


def tax_name(*, code: str, terms: IssuingTerms) -> str:
    """Return what a country calls a tax: IVA for the code IVA21, INC for INC8."""
    letters = re.match(r"[^\W\d_]+", code)
    return letters[0] if letters else terms.pack.tax_name
