"""A payout that does not close: the exact difference, and what it looks like in words."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from documents import errors, money
from documents.models import Document, Kind
from payouts import figures, guesses, picking
from payouts.premises import Premises

# How a fault that is a diagnosis says in which language it speaks.
LANGUAGES: dict[guesses.Language, str] = {"es": "diagnosis", "en": "diagnosis_en"}


@dataclass(frozen=True, kw_only=True)
class Reckoned:
    """One way of meaning a payout, added up."""

    picked: Sequence[picking.Pick]
    sums: figures.Payout
    adjustments: Sequence[figures.Line]
    withholdings: Sequence[figures.Withholding]


def problem(*, reckoned: Reckoned, payee: str, under: Premises) -> errors.Problem:
    """This function will name a payout that does not close: the exact difference first, then what it looks like."""
    gap = money.text(reckoned.sums.difference_minor, under.digits)
    parts = [_part(pick=pick, under=under) for pick in reckoned.picked]
    listed = [pick.document.pk for pick in reckoned.picked]
    rows = (
        Document.objects.filter(
            owner__platform_id=payee,
            issuer=under.issuer,
            currency=under.currency,
            kind=Kind.ORDER_FINAL_STATEMENT,
            settlements=None,
        )
        .exclude(pk__in=listed)
        .defer("content")
        .order_by("pk")[: guesses.PAIRS_MAX]
    )
    unsettled = [guesses.Part(order=row.subject.removeprefix("order:"), amount_minor=row.total_minor) for row in rows]
    faults = [errors.Fault(pointer="/data/payout/amount", code="difference", detail=gap)]
    for language, code in LANGUAGES.items():
        words = guesses.diagnose(
            payout=reckoned.sums,
            parts=parts,
            unsettled=unsettled,
            adjustments=reckoned.adjustments,
            withholdings=reckoned.withholdings,
            digits=under.digits,
            currency=under.currency,
            language=language,
        )
        faults += [errors.Fault(pointer="/data", code=code, detail=sentence) for sentence in words]
    detail = f"computed minus stated is {gap} {under.currency}"
    return errors.Problem(code="payout_does_not_close", detail=detail, errors=faults)


def _part(*, pick: picking.Pick, under: Premises) -> guesses.Part:
    """This function will tell the diagnosis what it may want to know of one settled document."""
    content = json.loads(pick.document.content)
    groups = figures.read_groups(groups=content["tax_groups"], digits=under.digits)
    return guesses.Part(
        order=pick.order,
        amount_minor=pick.amount_minor,
        cash_collected_minor=money.minor(content.get("cash_collected", "0"), under.digits),
        fee_tax_minor=sum(group.tax_minor for group in groups if group.deduction),
    )
