"""The statements of an order: what it leaves its beneficiary and its partner; `order_adjustments` adds to them.

A statement prints whether its money had been sent when it was issued, and that print never changes; the live payout
status is kept by `settlements`.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from audit import log
from documents.emission import issuing
from documents.events import effects, envelope, schemas, waiting
from documents.models import Event, Kind, Party
from payouts.calculation import amounts, breakdown
from payouts.issuing import cancellations, order_totals, owners, parties, party_changes, retries, settlements
from payouts.issuing import terms as issuing_terms
from payouts.issuing.terms import IssuingTerms

AUDIENCES = ("beneficiary", "partner")


@effects.holds_on_problem
def on_order_completed(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the statement of an order's beneficiary, and the partner's where the order names one.

    Ignored: one that was canceled before. Held: the codes of `terms.resolve`, `tax_id_invalid`, `totals_mismatch`.
    """
    data = cast("schemas.OrderData", message.data)
    if _was_canceled(message=message):
        waiting.wake(awaited=[f"order:{data.order.id}"], now=now)
        return effects.Ignored(code=cancellations.CODE)
    terms = issuing_terms.resolve(message=message)
    stated = envelope.business_input(message=message)
    date = terms.local_date(moment=data.order.completed_at, time_zone=data.order.time_zone)
    people = _people(data=data, terms=terms)
    withholdings = amounts.read_withholdings(withholdings=stated["withholdings"], digits=terms.digits)
    audiences = [audience for audience in AUDIENCES if audience in people]
    computed = order_totals.of_order(
        stated=stated, audiences=audiences, withholdings=withholdings, date=date, terms=terms
    )
    rows = parties.add_missing(named=[*people.values()], message=message, actor=actor)
    drafts = [
        _draft(
            audience=audience,
            sums=sums,
            withholdings=withholdings if audience == "beneficiary" else (),
            person=people[audience],
            owner=rows[people[audience].party.id],
            date=date,
            data=data,
            stated=stated,
            terms=terms,
        )
        for audience, sums in computed.items()
    ]
    awaited = [f"order:{data.order.id}", *parties.awaited(platform_ids=rows)]
    issued = issue(awaited=awaited, drafts=drafts, event=event, now=now, actor=actor)
    return party_changes.keep_up(
        outcome=issued, named=[*people.values()], rows=rows, event=event, message=message, now=now, actor=actor
    )


def _was_canceled(*, message: envelope.EventMessage) -> bool:
    """Tell whether an order that has no statement was canceled before it was completed."""
    order = message.data.order
    is_issued = owners.first_statement(order=order.id, audience=owners.BENEFICIARY) is not None
    return not is_issued and cancellations.precedes(message=message, happened_at=order.completed_at)


def _people(*, data: schemas.OrderData, terms: IssuingTerms) -> dict[str, parties.NamedParty]:
    """Return {driver, beneficiary, partner (where named)}, each tax id checked."""
    people = {"driver": data.driver, "beneficiary": data.beneficiary or data.driver}
    if data.partner is not None:
        people["partner"] = data.partner
    members = {name: name for name in people} | ({} if data.beneficiary else {"beneficiary": "driver"})
    return {
        name: parties.check(party=party, pack=terms.pack, pointer=f"/data/{members[name]}")
        for name, party in people.items()
    }


def _draft(
    *,
    audience: str,
    sums: amounts.Computed,
    withholdings: Sequence[amounts.WithheldTax],
    person: parties.NamedParty,
    owner: Party,
    date: dt.date,
    data: schemas.OrderData,
    stated: dict[str, Any],
    terms: IssuingTerms,
) -> issuing.Draft:
    """Draft the first statement of an order for one audience."""
    order, earned_at = data.order.id, data.order.completed_at
    withholdings = amounts.within(withholdings=withholdings, earned_minor=sums.totals["earnings"])
    body = printed(audience=audience, sums=sums, stated=stated, withholdings=withholdings, date=date, terms=terms)
    body["order"] = {key: stated["order"][key] for key in ("id", "service", "city") if key in stated["order"]}
    awaited = f"order:{order}"
    born, live = settlements.statuses_at_issue(awaited=awaited, payee=owner.platform_id, earned_at=earned_at)
    body["payout_status"] = str(born)
    body |= _beneficiary_only(data=data, stated=stated) if audience == "beneficiary" else {}
    warnings = ["withholding_declared"] if any(item.status == "declared" for item in withholdings) else []
    return issuing.Draft(
        kind=Kind.ORDER_FINAL_STATEMENT,
        subject=("order", order),
        audience=audience,
        pack=terms.pack,
        issuer=terms.issuer,
        owner=owner,
        owner_facts=dict(person.printed),
        currency=terms.currency,
        total_minor=sums.totals["payable"],
        operation_date=date,
        time_zone=data.order.time_zone or terms.pack.time_zone,
        body=body,
        business_input=stated,
        payout_status_at_issue=born,
        payout_status=live,
        flags=(*person.flags, *warnings),
    )


def printed(
    *,
    audience: str,
    sums: amounts.Computed,
    stated: Mapping[str, Any],
    withholdings: Sequence[amounts.WithheldTax] = (),
    date: dt.date,
    terms: IssuingTerms,
) -> dict[str, Any]:
    """Return the part of the content that every order statement has."""
    lines = [line for line in stated["lines"] if line.get("party", "beneficiary") == audience]
    explained = breakdown.statement(
        order=stated["order"]["id"],
        lines=amounts.read_lines(lines=lines, digits=terms.digits),
        groups=sums.groups,
        prices=stated["prices"],
        withholdings=withholdings,
        total_minor=sums.totals["payable"],
    )
    return {
        "audience": audience,
        "prices": stated["prices"],
        "lines": [{key: value for key, value in line.items() if key != "party"} for line in lines],
        "tax_groups": terms.printed_groups(groups=sums.groups, date=date),
        "withholdings": [item.content(digits=terms.digits) for item in withholdings],
        "totals": amounts.texts(amounts=sums.totals, digits=terms.digits),
        "explanation": [row.content(digits=terms.digits) for row in explained],
    }


def _beneficiary_only(*, data: schemas.OrderData, stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return what only the beneficiary's statement prints: driver and cash."""
    body: dict[str, Any] = {}
    if data.beneficiary is not None and data.beneficiary.id != data.driver.id:
        body["driver"] = {"id": data.driver.id, "legal_name": data.driver.legal_name}
    if "cash_collected" in stated:
        body["cash_collected"] = stated["cash_collected"]
    return body


def issue(
    *,
    awaited: Sequence[str],
    drafts: Sequence[issuing.Draft],
    former: Collection[str] = (),
    event: Event,
    now: dt.datetime,
    actor: log.Actor,
) -> effects.Issued:
    """Wake what waits for the statements of an event, and issue them: nothing is left to do once a series is locked.

    `former` are the owners whose order it was, by their platform ids: they may have been paid for it all the same.
    """
    waiting.wake(awaited=awaited, now=now)
    retries.retry_held(payees={*(draft.owner.platform_id for draft in drafts), *former}, now=now)
    return effects.Issued(documents=issuing.issue(drafts=drafts, event=event, now=now, actor=actor))
