"""What an adjustment adds to an order's statements, or takes from them: a supplement for who owned the order then.

An adjustment that comes after a reassignment, and was made before it, is issued for the owner of that time, taken back,
and issued for whoever it became: as if it had come in time.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from audit import log
from documents import errors, locks
from documents.emission import issuing
from documents.events import effects, envelope, schemas, waiting
from documents.models import Document, Event, EventStatus, Kind
from payouts.calculation import amounts
from payouts.issuing import (
    cancellations,
    handovers,
    meant_anew,
    order_cancellations,
    order_statements,
    order_totals,
    owners,
    paid_in_vain,
    parties,
    settlements,
    taking_back,
)
from payouts.issuing import terms as issuing_terms
from payouts.issuing.owners import BENEFICIARY, PARTNER, Tenure
from payouts.issuing.terms import IssuingTerms


@dataclass(frozen=True, kw_only=True)
class _Adjusted:
    """An adjustment: `first` are its order's own statements by audience, `chain` whose it was, with each main one."""

    data: schemas.AdjustmentData
    stated: dict[str, Any]
    first: Mapping[str, Document]
    chain: Sequence[Tenure]
    mains: Mapping[Tenure, Document]
    date: dt.date
    terms: IssuingTerms


@effects.holds_on_problem
def on_order_adjusted(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue what an adjustment adds to an order's statements or takes from them.

    Owner, driver and time zone are those of the statement of whoever owned the order when it was made, as it prints
    them. Waits for that statement. Held: the codes of `terms.resolve`, `totals_mismatch`, `party_unknown` (no statement
    of a partner).
    """
    terms, data = issuing_terms.resolve(message=message), cast("schemas.AdjustmentData", message.data)
    order, stated = data.order.id, envelope.business_input(message=message)
    if owners.was_issued(subject=f"adjustment:{data.adjustment.id}"):  # the answer to a repeat: what came of the first
        return effects.Waiting(missing=[f"adjustment:{data.adjustment.id}"])
    first, chain = _first_statements(order=order), owners.tenures(orders=[order])[order]
    mains = owners.main_statements(chain=chain)
    people = [(document.owner_id,) for document in (*first.values(), *mains.values())]
    # Owners not locked: issued since `lock_owners` looked. Locked now, it would be out of order; it runs again at once.
    if BENEFICIARY not in first and cancellations.was_ignored(subject=f"order:{order}"):
        return _of_ignored(data=data, now=now)
    if BENEFICIARY not in first or not locks.has(rank=locks.Rank.PARTY, keys=people):
        return effects.Waiting(missing=[f"order:{order}"])
    audiences = _adjusted_audiences(data=data, first=first)
    terms.require_match(document=first[BENEFICIARY])
    time_zone = json.loads(first[BENEFICIARY].content)["time_zone"]
    date = terms.local_date(moment=data.adjustment.made_at, time_zone=time_zone)
    computed = order_totals.of_adjustment(stated=stated, audiences=audiences, date=date, terms=terms)
    adjusted = _Adjusted(data=data, stated=stated, first=first, chain=chain, mains=mains, date=date, terms=terms)
    drafts = [
        draft for audience, sums in computed.items() for draft in _drafts(of=adjusted, audience=audience, sums=sums)
    ]
    awaited = [f"adjustment:{data.adjustment.id}"]
    beyond = meant_anew.beyond_credits(subjects=[":".join(tenure.subject) for tenure in chain if tenure.reassignment])
    settlements.lock(document_ids={row.document_id for row in beyond})
    former = {tenure.owner for tenure in chain if tenure.owner}
    issued = order_statements.issue(awaited=awaited, drafts=drafts, former=former, event=event, now=now, actor=actor)
    meant_anew.settle_credits(beyond=beyond, issued=issued.documents, now=now, actor=actor)
    paid_in_vain.refresh(documents=[item.document.pk for item in issued.documents], now=now, actor=actor)
    return issued


def lock_owners(*, message: envelope.EventMessage) -> None:
    """Lock all who own, or owned, statements of an order; see `parties.lock_payee`."""
    order = message.data.order.id
    chain = owners.tenures(orders=[order])[order]
    first = _first_statements(order=order)
    known = {statement.owner.platform_id for statement in first.values()}
    parties.lock_parties(platform_ids=known | {tenure.owner for tenure in chain})


def _first_statements(*, order: str) -> dict[str, Document]:
    """Return {audience: first statement} of an order; the beneficiary has one as soon as anybody has."""
    statements = {
        audience: owners.first_statement(order=order, audience=audience) for audience in (BENEFICIARY, PARTNER)
    }
    return {audience: statement for audience, statement in statements.items() if statement is not None}


def _adjusted_audiences(*, data: schemas.AdjustmentData, first: Mapping[str, Document]) -> list[str]:
    """Return the audiences of whom an adjustment has lines.

    :raises errors.Problem: `party_unknown`, a partner without statement
    """
    stated = {line.party or BENEFICIARY for line in data.lines}
    audiences = [audience for audience in (BENEFICIARY, PARTNER) if audience in stated]
    if any(audience not in first for audience in audiences):
        raise errors.problem_at(pointer="/data/lines", code="party_unknown", values={"order": data.order.id})
    return audiences


def _of_ignored(*, data: schemas.AdjustmentData, now: dt.datetime) -> effects.Outcome:
    """Return what becomes of an adjustment of an order that was canceled before it was completed.

    Made before that, it asks for nothing. Made since, it may be a fee, and nobody knows whose: a person must look.

    :raises errors.Problem: `party_unknown`
    """
    message = order_cancellations.of_order(order=data.order.id, statuses=(EventStatus.PROCESSED, EventStatus.PARKED))
    if message is not None and data.adjustment.made_at < message.data.canceled_at:
        waiting.wake(awaited=[f"adjustment:{data.adjustment.id}"], now=now)
        return effects.Ignored(code=cancellations.CODE)
    values = {"cause": "order_canceled", "order": data.order.id}
    raise errors.problem_at(pointer="/data/order/id", code="party_unknown", values=values)


def _drafts(*, of: _Adjusted, audience: str, sums: amounts.Computed) -> list[issuing.Draft]:
    """Draft the statement of an adjustment for one audience, taken back where the order was canceled since."""
    drafts = _statements(of=of, audience=audience, sums=sums)
    canceled, made_at = order_cancellations.of_order(order=of.data.order.id), of.data.adjustment.made_at
    if canceled is None or made_at >= canceled.data.canceled_at:
        return drafts
    last = max(drafts, key=lambda draft: (draft.kind == Kind.ORDER_FINAL_STATEMENT, drafts.index(draft)))
    return drafts + order_cancellations.note(
        of=taking_back.drafted(draft=last),
        message=canceled,
        adjustment=of.data.adjustment.id,
        business_input=of.stated,
        terms=of.terms,
    )


def _statements(*, of: _Adjusted, audience: str, sums: amounts.Computed) -> list[issuing.Draft]:
    """Draft the statement of an adjustment for one audience, and for who the order became later."""
    if audience == PARTNER:
        return [_supplement(of=of, audience=audience, sums=sums, main=of.first[PARTNER])]
    begins = of.chain.index(owners.at(chain=of.chain, moment=of.data.adjustment.made_at))
    tenures, drafts = of.chain[begins:], list[issuing.Draft]()
    for place, tenure in enumerate(tenures):
        draft = _supplement(of=of, audience=audience, sums=sums, main=of.mains[tenure], tenure=tenure)
        drafts.append(draft)
        for following in tenures[place + 1 : place + 2]:
            drafts += taking_back.note(
                of=taking_back.drafted(draft=draft),
                cause=handovers.cause(main=of.mains[following], tenure=following, business_input=of.stated),
                discriminator=of.data.adjustment.id,
                terms=of.terms,
            )
    return drafts


def _supplement(
    *, of: _Adjusted, audience: str, sums: amounts.Computed, main: Document, tenure: Tenure | None = None
) -> issuing.Draft:
    """Draft the statement of an adjustment for one audience; `main` is the one that it supplements."""
    adjustment, content, terms = of.data.adjustment, json.loads(main.content), of.terms
    born, live = settlements.statuses_at_issue(
        awaited=f"adjustment:{adjustment.id}", payee=main.owner.platform_id, earned_at=adjustment.made_at
    )
    body = order_statements.printed(audience=audience, sums=sums, stated=of.stated, date=of.date, terms=terms)
    body |= {"order": content["order"], "payout_status": str(born)}
    body["adjustment"] = {"id": adjustment.id, "reason": adjustment.reason, "corrects": main.number}
    if "driver" in content:
        body["driver"] = content["driver"]
    facts = parties.printed(party=main.owner, pack=terms.pack, date=of.date)
    return issuing.Draft(
        kind=Kind.ORDER_FINAL_STATEMENT,
        subject=tenure.subject if tenure else ("order", of.data.order.id),
        audience=audience,
        discriminator=adjustment.id,
        pack=terms.pack,
        issuer=terms.issuer,
        owner=main.owner,
        owner_facts=content["owner"] if tenure and tenure.reassignment else facts,
        currency=terms.currency,
        total_minor=sums.totals["payable"],
        operation_date=of.date,
        time_zone=content["time_zone"],
        body=body,
        business_input=of.stated,
        payout_status_at_issue=born,
        payout_status=live,
        corrects=main,
    )
