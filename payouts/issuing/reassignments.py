"""An order's money becomes somebody else's: one owner's statements are taken back whole, the next one gets its own.

Withholdings and cash go with it; the partner's statements stay. Each reassignment waits until the one from whom it
takes is the owner (`handovers`), so a chain of them comes out the same in every order of arrival.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.db.models import Q

from audit import log
from documents import errors, locks
from documents.emission import issuing
from documents.events import effects, envelope, undoing_schemas, waiting
from documents.models import Document, Event, Kind, Party, PayoutStatus
from payouts.issuing import (
    cancellations,
    handovers,
    meant_anew,
    order_cancellations,
    owners,
    parties,
    party_changes,
    retries,
    taking_back,
)
from payouts.issuing import terms as issuing_terms
from payouts.issuing.handovers import HandoverPlace
from payouts.issuing.owners import BENEFICIARY, Tenure
from payouts.issuing.terms import IssuingTerms
from payouts.models import Reassignment

# What a new statement says as the former owner's did.
_TAKEN_OVER = (
    "audience",
    "prices",
    "lines",
    "tax_groups",
    "withholdings",
    "totals",
    "explanation",
    "order",
    "cash_collected",
)


@dataclass(frozen=True, kw_only=True)
class _Reassigned:
    """A reassignment that is issued: its place, the tenure that begins, its owner as the event names it, the day."""

    data: undoing_schemas.ReassignmentData
    stated: dict[str, Any]
    place: HandoverPlace
    owner: Party
    person: parties.NamedParty
    date: dt.date
    terms: IssuingTerms

    @property
    def tenure(self) -> Tenure:
        """Return the tenure that begins."""
        return self.place.begun


@effects.holds_on_problem
def on_order_reassigned(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Take the owner's statements back whole and issue the new owner's over the same lines.

    Waits for the order, and until the one from whom it takes is the owner. Held: the codes of `terms.resolve`,
    `tax_id_invalid`, and `time_implausible` for one made before the order was completed.
    """
    terms, data = issuing_terms.resolve(message=message), cast("undoing_schemas.ReassignmentData", message.data)
    order, subject = data.order.id, envelope.subject(message=message)
    if owners.was_issued(subject=subject):  # a repeat is answered with what came of the first
        return effects.Waiting(missing=[subject])
    first = owners.first_statement(order=order, audience=BENEFICIARY)
    if first is None:
        return cancellations.without_order(order=order)
    terms.require_match(document=first)
    date = _date(made_at=data.reassignment.made_at, first=first, terms=terms)
    people = _people(data=data, terms=terms)
    former = parties.locked(platform_id=data.from_owner.id)
    place = handovers.place(mine=handovers.stated(message=message), order=order, first=first.owner.platform_id)
    if former is None or place is None:
        return effects.Waiting(missing=[owners.awaited(order=order, owner=data.from_owner.id)])
    rows = parties.add_missing(named=people, message=message, actor=actor)
    begun = _Reassigned(
        data=data,
        stated=envelope.business_input(message=message),
        place=place,
        owner=rows[data.to_owner.id],
        person=people[0],
        date=date,
        terms=terms,
    )
    issued = _issue(begun=begun, event=event, now=now, actor=actor)
    _store(begun=begun, former=former, event=event)
    outcome = party_changes.keep_up(
        outcome=issued, named=people, rows=rows, event=event, message=message, now=now, actor=actor
    )
    if isinstance(outcome, effects.Issued):  # alerts come last in the order of locks
        meant_anew.settle(place=place, owner=begun.owner, issued=issued.documents, now=now, actor=actor)
    return outcome


def lock_both(*, message: envelope.EventMessage) -> None:
    """Lock from whom an order is taken, who gets it, and a driver who changes; see `parties.lock_payee`."""
    both = {message.data.from_owner.id, message.data.to_owner.id}
    parties.lock_parties(platform_ids=both | party_changes.changing(message=message))


def _date(*, made_at: dt.datetime, first: Document, terms: IssuingTerms) -> dt.date:
    """Return the legal day of a reassignment, which does not come before its order was completed.

    :raises errors.Problem: `time_implausible`
    """
    date = terms.local_date(moment=made_at, time_zone=json.loads(first.content)["time_zone"])
    completed_at = owners.completed_at(statement=first)
    if date < first.operation_date if completed_at is None else made_at < completed_at:
        values = {"cause": "before_completion", "document": first.number}
        raise errors.problem_at(pointer="/data/reassignment/made_at", code="time_implausible", values=values)
    return date


def _people(*, data: undoing_schemas.ReassignmentData, terms: IssuingTerms) -> list[parties.NamedParty]:
    """Return the new owner, and the driver where one is named, each tax id checked.

    :raises errors.Problem: `tax_id_invalid`
    """
    people = [parties.check(party=data.to_owner, pack=terms.pack, pointer="/data/to")]
    if data.driver is not None and data.driver.id != data.to_owner.id:
        people.append(parties.check(party=data.driver, pack=terms.pack, pointer="/data/driver"))
    return people


def _issue(*, begun: _Reassigned, event: Event, now: dt.datetime, actor: log.Actor) -> effects.Issued:
    """Issue the credit notes and the new statements, and wake what waits for them."""
    data, order, last = begun.data, begun.tenure.order, begun.place.before
    of_last = Q(subject=":".join(last.subject), kind=Kind.ORDER_FINAL_STATEMENT, audience=BENEFICIARY)
    had = meant_anew.had_before(place=begun.place, owner=begun.owner)
    locked = locks.rows(
        queryset=Document.objects.select_related("issuer", "owner")
        .defer("issuer__logo")
        .filter(of_last | Q(pk__in=had))
    )
    former = [document for document in locked if last.has(document=document)]
    drafts = _drafts(begun=begun, former=former)
    awaited = [
        *(f"credit:{draft.subject[1]}" for draft in drafts if draft.kind == Kind.CREDIT_NOTE),
        owners.awaited(order=order, owner=data.to_owner.id),
        *parties.awaited(platform_ids=[data.to_owner.id]),
    ]
    waiting.wake(awaited=awaited, now=now)
    retries.retry_held(payees={data.from_owner.id, data.to_owner.id}, now=now, codes=(retries.CODE, retries.NOT_OWNED))
    return effects.Issued(documents=issuing.issue(drafts=drafts, event=event, now=now, actor=actor))


def _drafts(*, begun: _Reassigned, former: Sequence[Document]) -> list[issuing.Draft]:
    """Draft the new owner's statements, and the notes that take the `former` ones back.

    Of a canceled order, what was taken back already stays so, and the new owner's statement is taken back too.
    """
    reassignment = begun.data.reassignment
    cause = taking_back.Cause(
        subject=begun.tenure.subject,
        printed={"reassignment": {"id": reassignment.id, "reason": reassignment.reason}},
        date=begun.date,
        business_input=begun.stated,
    )
    canceled = order_cancellations.of_order(order=begun.tenure.order)
    lost = order_cancellations.covered(statements=former, canceled_at=canceled.data.canceled_at) if canceled else {}
    statements, standing, notes = list[issuing.Draft](), list[issuing.Draft](), list[issuing.Draft]()
    for document in former:
        adjustment = owners.adjustment_of(document=document)
        notes += taking_back.note(
            of=taking_back.issued(document=document), cause=cause, discriminator=adjustment, terms=begun.terms
        )
        statement = _taken_over(document=document, adjustment=adjustment, begun=begun)
        statements.append(statement)
        if canceled is None or document.pk not in lost:
            standing.append(statement)
            continue
        notes += order_cancellations.note(
            of=taking_back.drafted(draft=statement),
            message=canceled,
            adjustment=adjustment,
            reassignment=reassignment.id,
            business_input=begun.stated,
            terms=begun.terms,
        )
    notes += handovers.given_back(
        statements=standing, place=begun.place, business_input=begun.stated, terms=begun.terms
    )
    return [*statements, *notes]


def _store(*, begun: _Reassigned, former: Party, event: Event) -> None:
    """Store from when on the order is the new owner's."""
    Reassignment.objects.create(
        reassignment_id=begun.tenure.reassignment,
        order_id=begun.tenure.order,
        made_at=begun.data.reassignment.made_at,
        former=former,
        owner=begun.owner,
        event=event,
    )


def _taken_over(*, document: Document, adjustment: str, begun: _Reassigned) -> issuing.Draft:
    """Draft the new owner's statement over the lines of the former one's `document`."""
    content, terms, reassignment = json.loads(document.content), begun.terms, begun.data.reassignment
    body = {key: content[key] for key in _TAKEN_OVER if key in content}
    body["payout_status"] = str(PayoutStatus.PENDING)
    body |= _driver(content=content, begun=begun)
    following = None
    if adjustment:
        following = issuing.Following(key=begun.tenure.key(), named=_supplements(adjustment=content["adjustment"]))
    else:
        body["reassignment"] = {"id": reassignment.id, "reason": reassignment.reason, "replaces": document.number}
    declared = any(item["status"] == "declared" for item in content.get("withholdings", ()))
    return issuing.Draft(
        kind=Kind.ORDER_FINAL_STATEMENT,
        subject=begun.tenure.subject,
        audience=BENEFICIARY,
        discriminator=adjustment,
        pack=terms.pack,
        issuer=terms.issuer,
        owner=begun.owner,
        owner_facts=dict(begun.person.printed),
        currency=terms.currency,
        total_minor=document.total_minor,
        # An adjustment was made when it was made, whoever gets it; so it is the same where it comes later.
        operation_date=document.operation_date if adjustment else begun.date,
        time_zone=content["time_zone"],
        body=body,
        business_input=begun.stated,
        payout_status_at_issue=PayoutStatus.PENDING,
        payout_status=PayoutStatus.PENDING,
        following=following,
        flags=(*begun.person.flags, *(["withholding_declared"] if declared else [])),
    )


def _supplements(*, adjustment: Mapping[str, str]) -> Callable[[Document], dict[str, object]]:
    """Return how a supplementary statement names the one that it supplements, once that one has its number."""
    return lambda main: {"adjustment": {**adjustment, "corrects": main.number}}


def _driver(*, content: Mapping[str, Any], begun: _Reassigned) -> dict[str, object]:
    """Return the driver whom a new statement prints: the stated one, else the former statement's; not its own owner."""
    stated = begun.data.driver
    driver = {"id": stated.id, "legal_name": stated.legal_name} if stated else content.get("driver")
    return {"driver": driver} if driver and driver["id"] != begun.person.party.id else {}
