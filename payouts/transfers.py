"""Money on its way to a payee: the Payout Statement that lists what it settles, and a period closed without a payout.

A payout statement closes to the cent or is not issued: what does not close is held, with the difference in words. The
earlier documents do not change; only their live payout status does.
"""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, cast

from audit import log
from documents import emission, errors, facts, intake, money, schemas
from documents.models import Document, Event, Kind, Party
from payouts import computation, diagnosis, figures, parties, picking, premises, returns, settlements
from payouts.diagnosis import Reckoned
from payouts.models import Payout, PayoutState, Settlement
from payouts.premises import Premises


def on_payout_sent(*, event: Event, fact: facts.Envelope, now: dt.datetime, actor: log.Actor) -> list[emission.Issued]:
    """This function will issue the payout statement of a transfer that closes, and settle what it lists.

    :raises errors.Problem: the codes of `premises`, `period_invalid`, `payee_mismatch`, `payout_does_not_close`
    :raises intake.Parked: an order, adjustment or credit has not been issued, or the opening balance is not known yet
    """
    return _issue(event=event, fact=fact, now=now, actor=actor, accept=False)


def on_period_closed(
    *, event: Event, fact: facts.Envelope, now: dt.datetime, actor: log.Actor
) -> list[emission.Issued]:
    """This function will issue the payout statement of a period that ends at zero or below; see `on_payout_sent`."""
    return _issue(event=event, fact=fact, now=now, actor=actor, accept=False)


def issue_with_difference(
    *, event: Event, fact: facts.Envelope, now: dt.datetime, actor: log.Actor
) -> list[emission.Issued]:
    """This function will issue a payout that does not close, with its difference printed and flagged.

    Two people must have decided it; the caller has checked that, and opens the discrepancy.
    """
    return _issue(event=event, fact=fact, now=now, actor=actor, accept=True)


def _issue(
    *, event: Event, fact: facts.Envelope, now: dt.datetime, actor: log.Actor, accept: bool
) -> list[emission.Issued]:
    """This function will issue one payout statement, or find the one that its payout has."""
    under, data = premises.of(fact=fact), cast("schemas.PayoutData", fact.data)
    told = facts.business_input(envelope=fact)
    if data.period.from_date > data.period.until_date:
        detail = f"from {data.period.from_date} to {data.period.until_date}"
        fault = errors.Fault(pointer="/data/period", code="period_invalid", detail=detail)
        raise errors.Problem(code="period_invalid", detail=detail, errors=[fault])
    payee = parties.locked(platform_id=data.payee.id)
    before = statement_of(payout=data.payout.id)
    if before is not None:
        return [_again(document=before, told=told, under=under, event=event, now=now, actor=actor)]
    sent_at = data.payout.sent_at or fact.occurred_at
    date = under.local_date(at=sent_at)
    ways = _ways(data=data, under=under, date=date, payee=payee)
    rates = under.rates(lines=told["adjustments"], date=date, pointer="/data/adjustments")
    reckoned = [_reckon(picked=picked, data=data, told=told, rates=rates, under=under) for picked in ways]
    chosen = next((one for one in reckoned if one.sums.closes), None)
    if chosen is None and not accept:
        raise diagnosis.problem(reckoned=reckoned[0], payee=data.payee.id, under=under)
    chosen = chosen or reckoned[0]
    payee = cast("Party", payee)
    _follow(data=data, payee=payee, under=under, sent_at=sent_at)
    draft = _draft(chosen=chosen, data=data, told=told, payee=payee, date=date, under=under)
    (issued,) = emission.issue(drafts=[draft], event=event, now=now, actor=actor)
    if not issued.replayed:
        _settle(chosen=chosen, statement=issued.document, data=data, sent_at=sent_at, event=event, now=now, actor=actor)
        intake.wake(awaited=f"payout:{data.payout.id}", now=now)
        intake.wake(awaited=balance(payee=payee, under=under), now=now)
    return [issued]


def statement_of(*, payout: str) -> Document | None:
    """This function will return the statement of a payout, if it has been issued."""
    key = emission.key(kind=Kind.PAYOUT_STATEMENT, subject=("payout", payout), audience="payee")
    return Document.objects.select_related("issuer", "owner").filter(document_key_id=key).first()


def balance(*, payee: Party, under: Premises) -> str:
    """This function will return the name under which a payout waits for the one whose closing balance it opens with."""
    return f"balance:{payee.platform_id}:{under.issuer.slug}"


def _again(
    *, document: Document, told: dict[str, Any], under: Premises, event: Event, now: dt.datetime, actor: log.Actor
) -> emission.Issued:
    """This function will answer a repeat: nothing is computed again, only the fingerprints are compared."""
    content = json.loads(document.content)
    draft = emission.Draft(
        kind=Kind.PAYOUT_STATEMENT,
        subject=("payout", document.subject.removeprefix("payout:")),
        audience="payee",
        pack=under.pack,
        issuer=under.issuer,
        owner=document.owner,
        owner_facts=content["owner"],
        currency=under.currency,
        total_minor=document.total_minor,
        operation_date=document.operation_date,
        time_zone=content["time_zone"],
        body={},
        business_input=told,
    )
    return emission.issue(drafts=[draft], event=event, now=now, actor=actor)[0]


def _ways(*, data: schemas.PayoutData, under: Premises, date: dt.date, payee: Party | None) -> list[list[picking.Pick]]:
    """This function will return the ways in which the payout may be meant, once its payee has been met.

    :raises intake.Parked: also for a payee whom nobody has told about
    """
    unknown = [] if payee is not None else [f"party:{data.payee.id}"]
    try:
        ways = picking.picks(data=data, under=under, date=date)
    except intake.Parked as parked:
        raise intake.Parked(missing=[*parked.missing, *unknown]) from None
    if unknown:
        raise intake.Parked(missing=unknown)
    return ways


def _reckon(
    *,
    picked: Sequence[picking.Pick],
    data: schemas.PayoutData,
    told: dict[str, Any],
    rates: dict[str, Any],
    under: Premises,
) -> Reckoned:
    """This function will add one way of meaning the payout up."""

    def minor(text: str) -> int:
        return money.minor(text, under.digits)

    adjustments = figures.read_lines(lines=told["adjustments"], digits=under.digits)
    orders = len({pick.order for pick in picked})
    withholdings = figures.read_withholdings(withholdings=told["withholdings"], digits=under.digits, orders=orders)
    sums = computation.payout(
        settled=[pick.amount_minor for pick in picked],
        adjustments=adjustments,
        rates=rates,
        withholdings=withholdings,
        cash_collected_minor=minor(data.cash_collected),
        opening_minor=minor(data.opening_carry_over),
        closing_minor=minor(data.closing_carry_over),
        amount_minor=minor(data.payout.amount),
    )
    return Reckoned(picked=picked, sums=sums, adjustments=adjustments, withholdings=withholdings)


def _follow(*, data: schemas.PayoutData, payee: Party, under: Premises, sent_at: dt.datetime) -> None:
    """This function will let a payout wait until it opens with what the one before it left.

    The one before is the last that was sent earlier and had not failed or come back by then: times of the facts.

    :raises intake.Parked: the earlier payout has not come, or has not come back yet
    """
    earlier = Payout.objects.filter(
        payee=payee, issuer=under.issuer, currency=under.currency, sent_at__lt=sent_at
    ).exclude(returned_at__lte=sent_at)
    last = earlier.order_by("-sent_at", "-payout_id").first()
    closing = last.closing_minor if last else 0
    if closing != money.minor(data.opening_carry_over, under.digits):
        raise intake.Parked(missing=[balance(payee=payee, under=under)])


def _draft(
    *,
    chosen: Reckoned,
    data: schemas.PayoutData,
    told: dict[str, Any],
    payee: Party,
    date: dt.date,
    under: Premises,
) -> emission.Draft:
    """This function will draft the payout statement."""
    sums, digits = chosen.sums, under.digits
    body: dict[str, object] = {
        "payout": {
            key: told["payout"][key]
            for key in ("id", "method", "destination_masked", "reference")
            if key in told["payout"]
        },
        "period": told["period"],
        "settles": [pick.content(digits=digits) for pick in chosen.picked],
        "adjustments": told["adjustments"],
        "tax_groups": [group.content(digits=digits) for group in sums.groups],
        "withholdings": [item.content(digits=digits) for item in chosen.withholdings],
        "totals": figures.texts(amounts=sums.totals, digits=digits),
    }
    flags = ["withholding_declared"] if any(item.status == "declared" for item in chosen.withholdings) else []
    if not sums.closes:
        body["difference"] = money.text(-sums.difference_minor, digits)
        flags.append("reconciliation_difference")
    if data.replaces is not None:
        body["replaces"] = data.replaces
    return emission.Draft(
        kind=Kind.PAYOUT_STATEMENT,
        subject=("payout", data.payout.id),
        audience="payee",
        pack=under.pack,
        issuer=under.issuer,
        owner=payee,
        owner_facts=picking.payee_printed(picked=chosen.picked) or dict(parties.printed(party=payee, pack=under.pack)),
        currency=under.currency,
        total_minor=sums.totals["amount"],
        operation_date=date,
        time_zone=under.pack.time_zone,
        body=body,
        business_input=told,
        flags=tuple(flags),
    )


def _settle(
    *,
    chosen: Reckoned,
    statement: Document,
    data: schemas.PayoutData,
    sent_at: dt.datetime,
    event: Event,
    now: dt.datetime,
    actor: log.Actor,
) -> None:
    """This function will tie the money to what it settles; without effect where it has failed."""
    failed_at = returns.failed_at(payout=data.payout.id, payee=statement.owner)
    closed = event.type == "PAYOUT_PERIOD_CLOSED"
    payout = Payout.objects.create(
        payout_id=data.payout.id,
        payee=statement.owner,
        issuer=statement.issuer,
        country_id=statement.country_id,
        currency=statement.currency,
        amount_minor=statement.total_minor,
        opening_minor=chosen.sums.totals["opening_carry_over"],
        closing_minor=chosen.sums.totals["closing_carry_over"],
        sent_at=sent_at,
        state=PayoutState.FAILED if failed_at else PayoutState.CLOSED if closed else PayoutState.SENT,
        statement=statement,
        event=event,
        returned_at=failed_at,
    )
    Settlement.objects.bulk_create(
        Settlement(payout=payout, document=pick.document, amount_minor=pick.amount_minor, effective=failed_at is None)
        for pick in chosen.picked
    )
    settlements.refresh(document_ids=[pick.document.pk for pick in chosen.picked], now=now, actor=actor)
