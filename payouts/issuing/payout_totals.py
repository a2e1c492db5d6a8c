"""What a payout would be issued with: the lines it pays, their totals, and the balance with which it opens."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from documents import errors, money
from documents.events import effects, envelope, schemas
from documents.models import Party
from payouts.calculation import amounts, totals
from payouts.issuing import balances, named_documents, payout_lines
from payouts.issuing import terms as issuing_terms
from payouts.issuing.terms import IssuingTerms


@dataclass(frozen=True, kw_only=True)
class PayoutCandidate:
    """One list of lines that a payout may stand for, and its totals."""

    lines: Sequence[payout_lines.PayoutLine]
    sums: amounts.PayoutTotals
    adjustments: Sequence[amounts.AmountLine]
    withholdings: Sequence[amounts.WithheldTax]


@dataclass(frozen=True, kw_only=True)
class PayoutDraft:
    """A payout before it is issued: what was stated, on which terms, and the candidate that was chosen."""

    terms: IssuingTerms
    data: schemas.PayoutData
    stated: dict[str, Any]
    payee: Party
    sent_at: dt.datetime
    date: dt.date
    candidate: PayoutCandidate
    chain: balances.Chain
    known: balances.KnownBalance


def resolve(*, message: envelope.EventMessage, payee: Party | None, accept: bool) -> PayoutDraft | effects.Waiting:
    """Return the draft of a payout, with the first candidate that closes, else the likeliest one.

    It opens with the balance that it states, with the known one where two people `accept` its difference, if one is. It
    waits for what it names, and for the event that first names its payee. Call with the payee locked.

    :raises errors.Problem: the codes of `terms.resolve`, `period_invalid`, `payee_mismatch`
    """
    terms, data = issuing_terms.resolve(message=message), cast("schemas.PayoutData", message.data)
    stated = envelope.business_input(message=message)
    check_period(data=data)
    sent_at = data.payout.sent_at or message.occurred_at
    date = terms.local_date(moment=sent_at)
    named, unknown = named_documents.named(data=data, sent_at=sent_at), [] if payee else [f"party:{data.payee.id}"]
    if named.missing:
        return effects.Waiting(missing=[*named.missing, *unknown])
    lines_of_candidates = payout_lines.candidates(named=named, data=data, terms=terms, date=date)
    if payee is None:
        return effects.Waiting(missing=unknown)
    rates = terms.rates(lines=stated["adjustments"], date=date, pointer="/data/adjustments")
    chain = balances.Chain(payee=payee, issuer=terms.issuer, currency=terms.currency)
    known = balances.known(data=data, sent_at=sent_at, chain=chain)
    opening_minor = known.opening_minor if accept else money.minor(data.opening_carry_over, terms.digits)
    candidates = [
        compute(lines=lines, data=data, stated=stated, rates=rates, terms=terms, opening_minor=opening_minor)
        for lines in lines_of_candidates
    ]
    candidate = next((item for item in candidates if item.sums.closes), candidates[0])
    return PayoutDraft(
        terms=terms,
        data=data,
        stated=stated,
        payee=payee,
        sent_at=sent_at,
        date=date,
        candidate=candidate,
        chain=chain,
        known=known,
    )


def check_period(*, data: schemas.PayoutData) -> None:
    """Refuse a period that runs backwards.

    :raises errors.Problem: `period_invalid`
    """
    if data.period.from_date > data.period.until_date:
        raise errors.problem_at(
            pointer="/data/period",
            code="period_invalid",
            values={"first": data.period.from_date.isoformat(), "last": data.period.until_date.isoformat()},
        )


def compute(
    *,
    lines: Sequence[payout_lines.PayoutLine],
    data: schemas.PayoutData,
    stated: dict[str, Any],
    rates: dict[str, Any],
    terms: IssuingTerms,
    opening_minor: int,
) -> PayoutCandidate:
    """Add up one list of lines that the payout may stand for."""

    def minor(text: str) -> int:
        return money.minor(text, terms.digits)

    adjustments = amounts.read_lines(lines=stated["adjustments"], digits=terms.digits)
    orders = len({line.order for line in lines})
    withholdings = amounts.read_withholdings(withholdings=stated["withholdings"], digits=terms.digits, orders=orders)
    sums = totals.payout(
        settled=[line.amount_minor for line in lines],
        adjustments=adjustments,
        rates=rates,
        withholdings=withholdings,
        cash_collected_minor=minor(data.cash_collected),
        opening_minor=opening_minor,
        closing_minor=minor(data.closing_carry_over),
        amount_minor=minor(data.payout.amount),
    )
    return PayoutCandidate(lines=lines, sums=sums, adjustments=adjustments, withholdings=withholdings)
