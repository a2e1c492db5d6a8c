"""What an order leaves its beneficiary and its partner: the Statement final, and an adjustment's supplement.

A statement says whether its money had been sent when it was issued, and that never changes on paper; the live status
is `settlements`' business.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from audit import log
from documents import errors
from documents.emission import issuing
from documents.events import envelope, schemas, waiting
from documents.models import Document, Event, EventStatus, Kind, PayoutStatus, Wait
from payouts.calculation import amounts, breakdown, totals
from payouts.issuing import parties, retries
from payouts.issuing import terms as issuing_terms
from payouts.issuing.terms import IssuingTerms

AUDIENCES = ("beneficiary", "partner")


def on_order_completed(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> list[issuing.Issued]:
    """Issue the statement of an order's beneficiary, and the partner's where the order names one.

    :raises errors.Problem: the codes of `terms.resolve`, `tax_id_invalid`, `totals_mismatch`
    """
    terms, data = issuing_terms.resolve(message=message), cast("schemas.OrderData", message.data)
    told = envelope.business_input(message=message)
    at = data.order.completed_at
    date = terms.local_date(at=at, time_zone=data.order.time_zone)
    named = _people(data=data, terms=terms)
    rates = terms.rates(lines=told["lines"], date=date)
    withholdings = amounts.read_withholdings(withholdings=told["withholdings"], digits=terms.digits)
    computed = {
        audience: totals.order_statement(
            lines=amounts.read_lines(lines=told["lines"], digits=terms.digits, party=audience),
            rates=rates,
            prices=data.prices,
            withholdings=withholdings if audience == "beneficiary" else (),
        )
        for audience in AUDIENCES
        if audience in named
    }
    payable = {word: computed[who].totals["payable"] for word, who in _PAYABLE.items() if who in computed}
    amounts.check_totals(stated=told.get("totals"), computed=payable, digits=terms.digits)
    rows = parties.add_missing(named=[*named.values()], now=now, actor=actor)
    drafts = []
    for audience, sums in computed.items():
        owner = named[audience]
        held_back = withholdings if audience == "beneficiary" else []
        body = _body(audience=audience, order=data.order.id, sums=sums, told=told, withholdings=held_back, terms=terms)
        body["order"] = {key: told["order"][key] for key in ("id", "service", "city") if key in told["order"]}
        status, live = _at_issue(awaited=f"order:{data.order.id}", payee=owner.party.id, before=at)
        body["payout_status"] = str(status)
        if audience == "beneficiary":
            body |= _beneficiary_only(data=data, told=told)
        declared = any(item.status == "declared" for item in held_back)
        drafts.append(
            issuing.Draft(
                kind=Kind.ORDER_FINAL_STATEMENT,
                subject=("order", data.order.id),
                audience=audience,
                pack=terms.pack,
                issuer=terms.issuer,
                owner=rows[owner.party.id],
                owner_facts=dict(owner.printed),
                currency=terms.currency,
                total_minor=sums.totals["payable"],
                operation_date=date,
                time_zone=data.order.time_zone or terms.pack.time_zone,
                body=body,
                business_input=told,
                payout_status_at_issue=status,
                payout_status=live,
                flags=(*owner.flags, *(("withholding_declared",) if declared else ())),
            )
        )
    # Woken before the numbers are taken, in one transaction: who holds a series should have nothing left to do.
    waiting.wake(awaited=f"order:{data.order.id}", now=now)
    for payee in sorted({draft.owner.platform_id for draft in drafts}):
        retries.retry_held(payee=payee, now=now)
    return issuing.issue(drafts=drafts, event=event, now=now, actor=actor)


def on_order_adjusted(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> list[issuing.Issued]:
    """Issue what an adjustment adds to an order's statements or takes from them.

    Owner, driver and time zone are those of the first statement, as it prints them.

    :raises errors.Problem: the codes of `terms.resolve`, `totals_mismatch`,
        `party_unknown` (a partner without statement)
    :raises waiting.Parked: the order's statement has not been issued
    """
    terms, data = issuing_terms.resolve(message=message), cast("schemas.AdjustmentData", message.data)
    told = envelope.business_input(message=message)
    first = {audience: first_statement(order=data.order.id, audience=audience) for audience in AUDIENCES}
    if first["beneficiary"] is None:
        raise waiting.Parked(missing=[f"order:{data.order.id}"])
    audiences = [who for who in AUDIENCES if any((line.party or "beneficiary") == who for line in data.lines)]
    for audience in audiences:
        if first[audience] is None:
            detail = f"order {data.order.id} has no statement of a partner"
            raise errors.Problem(
                code="party_unknown", detail=detail, errors=[errors.Fault(pointer="/data/lines", code="party_unknown")]
            )
    terms.require_match(document=first["beneficiary"])
    # See `parties.lock_payee`: without this, neither would see what the other one has not committed yet.
    for owner in sorted({cast("Document", first[audience]).owner.platform_id for audience in audiences}):
        parties.lock_party(platform_id=owner)
    time_zone = json.loads(first["beneficiary"].content)["time_zone"]
    date = terms.local_date(at=data.adjustment.made_at, time_zone=time_zone)
    rates = terms.rates(lines=told["lines"], date=date)
    computed = {
        audience: totals.order_statement(
            lines=amounts.read_lines(lines=told["lines"], digits=terms.digits, party=audience),
            rates=rates,
            prices=data.prices,
        )
        for audience in audiences
    }
    # An adjustment has one total: the beneficiary's, or the partner's where every line is the partner's.
    amounts.check_totals(
        stated=told.get("totals"), computed={"payable": computed[audiences[0]].totals["payable"]}, digits=terms.digits
    )
    drafts = [
        _supplement(
            audience=audience,
            sums=sums,
            first=cast("Document", first[audience]),
            date=date,
            message=message,
            told=told,
            terms=terms,
        )
        for audience, sums in computed.items()
    ]
    waiting.wake(awaited=f"adjustment:{data.adjustment.id}", now=now)
    for payee in sorted({draft.owner.platform_id for draft in drafts}):
        retries.retry_held(payee=payee, now=now)
    return issuing.issue(drafts=drafts, event=event, now=now, actor=actor)


def first_statement(*, order: str, audience: str) -> Document | None:
    """Return the statement of an order that its adjustments supplement, if it has been issued."""
    key = issuing.key(kind=Kind.ORDER_FINAL_STATEMENT, subject=("order", order), audience=audience)
    return Document.objects.select_related("issuer", "owner").filter(document_key_id=key).first()


_PAYABLE: Mapping[str, str] = {"payable": "beneficiary", "partner_payable": "partner"}


def _people(*, data: schemas.OrderData, terms: IssuingTerms) -> dict[str, parties.NamedParty]:
    """Return {driver, beneficiary, partner (where named)}, each tax id checked."""
    people = {"driver": data.driver, "beneficiary": data.beneficiary or data.driver}
    pointers = {
        "driver": "driver",
        "beneficiary": "beneficiary" if data.beneficiary else "driver",
        "partner": "partner",
    }
    if data.partner is not None:
        people["partner"] = data.partner
    return {
        word: parties.check(party=party, pack=terms.pack, pointer=f"/data/{pointers[word]}")
        for word, party in people.items()
    }


def _body(
    *,
    audience: str,
    order: str,
    sums: amounts.Computed,
    told: Mapping[str, Any],
    withholdings: Sequence[amounts.WithheldTax] = (),
    terms: IssuingTerms,
) -> dict[str, Any]:
    """Return the part of the content that every order statement has."""
    lines = [line for line in told["lines"] if line.get("party", "beneficiary") == audience]
    explained = breakdown.statement(
        order=order,
        lines=amounts.read_lines(lines=lines, digits=terms.digits),
        groups=sums.groups,
        prices=told["prices"],
        withholdings=withholdings,
        total_minor=sums.totals["payable"],
    )
    return {
        "audience": audience,
        "prices": told["prices"],
        "lines": [{key: value for key, value in line.items() if key != "party"} for line in lines],
        "tax_groups": [group.content(digits=terms.digits) for group in sums.groups],
        "withholdings": [item.content(digits=terms.digits) for item in withholdings],
        "totals": amounts.texts(amounts=sums.totals, digits=terms.digits),
        "explanation": [row.content(digits=terms.digits) for row in explained],
    }


def _beneficiary_only(*, data: schemas.OrderData, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what only the beneficiary's statement prints: driver and cash."""
    body: dict[str, Any] = {}
    if data.beneficiary is not None and data.beneficiary.id != data.driver.id:
        body["driver"] = {"id": data.driver.id, "legal_name": data.driver.legal_name}
    if "cash_collected" in told:
        body["cash_collected"] = told["cash_collected"]
    return body


def _supplement(
    *,
    audience: str,
    sums: amounts.Computed,
    first: Document,
    date: dt.date,
    message: envelope.EventMessage,
    told: dict[str, Any],
    terms: IssuingTerms,
) -> issuing.Draft:
    """Draft the statement of an adjustment for one audience."""
    data, before = cast("schemas.AdjustmentData", message.data), json.loads(first.content)
    status, live = _at_issue(
        awaited=f"adjustment:{data.adjustment.id}", payee=first.owner.platform_id, before=data.adjustment.made_at
    )
    body = _body(audience=audience, order=data.order.id, sums=sums, told=told, terms=terms)
    body["order"] = before["order"]
    body["payout_status"] = str(status)
    body["adjustment"] = {
        "id": data.adjustment.id,
        "reason": data.adjustment.reason,
        "corrects": first.number,
    }
    if "driver" in before:
        body["driver"] = before["driver"]
    return issuing.Draft(
        kind=Kind.ORDER_FINAL_STATEMENT,
        subject=("order", data.order.id),
        audience=audience,
        discriminator=data.adjustment.id,
        pack=terms.pack,
        issuer=terms.issuer,
        owner=first.owner,
        owner_facts=before["owner"],
        currency=terms.currency,
        total_minor=sums.totals["payable"],
        operation_date=date,
        time_zone=before["time_zone"],
        body=body,
        business_input=told,
        payout_status_at_issue=status,
        payout_status=live,
        corrects=first,
    )


def _at_issue(*, awaited: str, payee: str, before: dt.datetime) -> tuple[PayoutStatus, PayoutStatus]:
    """Say whether the money had been sent when it was earned, and whether it counts as sent now.

    Only a payout that names what is being issued can tell, and while this is not issued such a payout is parked. It
    counts while nothing else is missing: `transfers.on_payout_waiting` takes it back should the payout not be issued.
    """
    waiting = Wait.objects.filter(awaited=awaited, event__status=EventStatus.PARKED, event__type="PAYOUT_SENT")
    found: list[Sequence[str]] = []
    for body, missing in waiting.values_list("event__body", "event__missing"):
        payout = retries.payout_data(body=body)
        if payout is not None and payout.payee.id == payee and payout.payout.sent_at < before:
            found.append(missing)
    born = PayoutStatus.SENT if found else PayoutStatus.PENDING
    return born, PayoutStatus.SENT if [awaited] in found else PayoutStatus.PENDING
