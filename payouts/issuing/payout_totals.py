"""How a payout stands before it is issued: what it may mean, what it comes to, and with what balance it opens."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from documents import errors, money
from documents.events import envelope, schemas, waiting
from documents.models import Party
from payouts.calculation import amounts, totals
from payouts.issuing import payout_lines
from payouts.issuing import terms as issuing_terms
from payouts.issuing.terms import IssuingTerms
from payouts.models import Payout


@dataclass(frozen=True, kw_only=True)
class Reckoned:
    """One way of meaning a payout, added up."""

    picked: Sequence[payout_lines.Pick]
    sums: amounts.Payout
    adjustments: Sequence[amounts.Line]
    withholdings: Sequence[amounts.Withholding]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a payout stands: what it was found to mean, and on which terms."""

    terms: IssuingTerms
    data: schemas.PayoutData
    told: dict[str, Any]
    payee: Party
    sent_at: dt.datetime
    date: dt.date
    chosen: Reckoned


def find(*, message: envelope.EventMessage, payee: Party | None, accept: bool) -> Standing:
    """Find out what a payout means: the first way that closes, else the likeliest one.

    It opens with the balance that it states, or, to be issued by people's decision (`accept`), with the one that is
    known. Call with the payee locked.

    :raises errors.Problem: the codes of `terms.resolve`, `period_invalid`, `payee_mismatch`
    :raises waiting.Parked: something that it names, or its payee, has not come
    """
    terms, data = issuing_terms.resolve(message=message), cast("schemas.PayoutData", message.data)
    told = envelope.business_input(message=message)
    check_period(data=data)
    sent_at = data.payout.sent_at or message.occurred_at
    date = terms.local_date(at=sent_at)
    ways = _ways(data=data, terms=terms, date=date, payee=payee)
    rates = terms.rates(lines=told["adjustments"], date=date, pointer="/data/adjustments")
    payee = cast("Party", payee)
    opening = (
        left(payee=payee, terms=terms, sent_at=sent_at)
        if accept
        else money.minor(data.opening_carry_over, terms.digits)
    )
    reckoned = [
        _reckon(picked=picked, data=data, told=told, rates=rates, terms=terms, opening_minor=opening) for picked in ways
    ]
    chosen = next((one for one in reckoned if one.sums.closes), reckoned[0])
    return Standing(terms=terms, data=data, told=told, payee=payee, sent_at=sent_at, date=date, chosen=chosen)


def check_period(*, data: schemas.PayoutData) -> None:
    """Refuse a period that runs backwards.

    :raises errors.Problem: `period_invalid`
    """
    if data.period.from_date > data.period.until_date:
        detail = f"from {data.period.from_date} to {data.period.until_date}"
        fault = errors.Fault(pointer="/data/period", code="period_invalid", detail=detail)
        raise errors.Problem(code="period_invalid", detail=detail, errors=[fault])


def left(*, payee: Party, terms: IssuingTerms, sent_at: dt.datetime) -> int:
    """Return the balance that the payout before a moment left, zero where there is none."""
    earlier = Payout.objects.filter(
        payee=payee, issuer=terms.issuer, currency=terms.currency, sent_at__lt=sent_at
    ).exclude(returned_at__lte=sent_at)
    last = earlier.order_by("-sent_at", "-payout_id").first()
    return last.closing_minor if last else 0


def _ways(
    *, data: schemas.PayoutData, terms: IssuingTerms, date: dt.date, payee: Party | None
) -> list[list[payout_lines.Pick]]:
    """Return the ways in which the payout may be meant, once its payee has been met.

    :raises waiting.Parked: also for a payee whom nobody has told about
    """
    unknown = [] if payee is not None else [f"party:{data.payee.id}"]
    try:
        ways = payout_lines.picks(data=data, terms=terms, date=date)
    except waiting.Parked as parked:
        raise waiting.Parked(missing=[*parked.missing, *unknown]) from None
    if unknown:
        raise waiting.Parked(missing=unknown)
    return ways


def _reckon(
    *,
    picked: Sequence[payout_lines.Pick],
    data: schemas.PayoutData,
    told: dict[str, Any],
    rates: dict[str, Any],
    terms: IssuingTerms,
    opening_minor: int,
) -> Reckoned:
    """Add one way of meaning the payout up."""

    def minor(text: str) -> int:
        return money.minor(text, terms.digits)

    adjustments = amounts.read_lines(lines=told["adjustments"], digits=terms.digits)
    orders = len({pick.order for pick in picked})
    withholdings = amounts.read_withholdings(withholdings=told["withholdings"], digits=terms.digits, orders=orders)
    sums = totals.payout(
        settled=[pick.amount_minor for pick in picked],
        adjustments=adjustments,
        rates=rates,
        withholdings=withholdings,
        cash_collected_minor=minor(data.cash_collected),
        opening_minor=opening_minor,
        closing_minor=minor(data.closing_carry_over),
        amount_minor=minor(data.payout.amount),
    )
    return Reckoned(picked=picked, sums=sums, adjustments=adjustments, withholdings=withholdings)
