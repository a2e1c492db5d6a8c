"""The statement of a payout, which lists what it settles, and of a period closed without a payout.

A payout statement closes to the cent or is not issued: a payout that does not close is held, with the difference
explained. The earlier documents do not change; only their live payout status does.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, cast

from audit import log
from audit.actions import Action
from documents import money
from documents.emission import issuing
from documents.events import effects, envelope, schemas, waiting
from documents.models import Document, Event, Issuer, Kind, Party, PayoutStatus
from payouts.calculation import amounts, breakdown
from payouts.issuing import (
    balances,
    cancellations,
    cash,
    parties,
    payout_gap,
    payout_lines,
    payout_totals,
    retries,
    returned_less,
    reversal_notices,
    settlements,
    withheld_twice,
)
from payouts.issuing import terms as issuing_terms
from payouts.issuing.payout_totals import PayoutCandidate, PayoutDraft
from payouts.issuing.terms import IssuingTerms
from payouts.models import Payout, PayoutState, Settlement

PRINTED = ("id", "method", "destination_masked", "reference")  # of what is stated of the payout


@effects.holds_on_problem
def on_payout_sent(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the payout statement of a transfer that closes, and settle what it lists.

    Waits for each order, adjustment and credit that it names, and for the payout with whose balance it opens. Held: the
    codes of `terms.resolve`, `period_invalid`, `payee_mismatch`, `payout_does_not_close`.
    """
    data = cast("schemas.PayoutData", message.data)
    payee = parties.locked(platform_id=data.payee.id)
    before = statement_of(payout=data.payout.id)
    if before is not None:
        terms, stated = issuing_terms.resolve(message=message), envelope.business_input(message=message)
        payout_totals.check_period(data=data)
        settlements.lock(document_ids=_believed(data=data))  # what `on_payout_waiting` takes back, before any key
        again = _again(document=before, stated=stated, terms=terms, event=event, now=now, actor=actor)
        return effects.Issued(documents=[again])
    if cancellations.precedes(message=message, happened_at=data.payout.sent_at or message.occurred_at):
        return reversal_notices.ignore(message=message, payee=payee, now=now)
    draft = payout_gap.closing(message=message, data=data, payee=payee)
    if not isinstance(draft, PayoutDraft):
        return draft
    if not draft.known.fits or balances.contradicted(data=data, place=draft.known.place, chain=draft.chain):
        return effects.Waiting(missing=[draft.known.awaited or draft.chain.awaited])
    return effects.Issued(documents=[issue(draft=draft, event=event, now=now, actor=actor)])


def on_period_closed(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the payout statement of a period that ends at zero or below; see `on_payout_sent`."""
    return on_payout_sent(event=event, message=message, now=now, actor=actor)


def on_payout_waiting(*, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> None:
    """Take back the live status SENT of statements that were issued in the belief that this payout would be.

    And say whether its balances contradict those of its neighbours. Runs when the payout waits, is held, or repeats
    one that paid other orders; see `settlements.statuses_at_issue`.
    """
    data = cast("schemas.PayoutData", message.data)
    settlements.refresh(document_ids=_believed(data=data), now=now, actor=actor)
    payee, issuer = Party.objects.filter(platform_id=data.payee.id), Issuer.objects.filter(slug=message.issuer)
    if (owner := payee.first()) and (payer := issuer.first()):
        chain = balances.Chain(payee=owner, issuer=payer, currency=data.currency)
        balances.refresh(chain=chain, now=now, actor=actor)
        if not Payout.objects.filter(payout_id=data.payout.id).exists():  # a repeat adds nothing to the chain
            balances.wake_whole(chain=chain, now=now)


def _believed(*, data: schemas.PayoutData) -> list[int]:
    """Return the statements that a payout names and that are shown as SENT though no payout has settled them."""
    named = {*(data.orders or ()), *(item.order or item.adjustment for item in data.settles or ())}
    believed = Document.objects.filter(
        owner__platform_id=data.payee.id, payout_status=PayoutStatus.SENT, settled_by=None
    ).values_list("pk", "document_key_id")
    return [pk for pk, key in believed if named & {*key.split(":")[2::2]}]  # its order, and its adjustment


def with_difference(*, message: envelope.EventMessage) -> PayoutDraft | effects.Waiting:
    """Return the draft of a payout that is issued whether it closes or not, or what it waits for; nothing is written.

    It opens with the known balance, so that the payee's next payout can follow it. To issue it takes two people. Call
    after `effects.lock_rows`.

    :raises errors.Problem: the codes of `on_payout_sent`, but for one that does not close
    """
    data = cast("schemas.PayoutData", message.data)
    payee = parties.locked(platform_id=data.payee.id)
    return payout_totals.resolve(message=message, payee=payee, accept=True)


def issue(*, draft: PayoutDraft, event: Event, now: dt.datetime, actor: log.Actor) -> issuing.IssuedDocument:
    """Issue the statement of a payout, settle what it lists, and wake what waits for it.

    What was withheld of its orders already, and is withheld again, is flagged and a discrepancy. The difference of one
    that does not close is printed and flagged; the caller opens the discrepancy.

    :raises errors.Problem: `series_exhausted`
    """
    # In the order of locks: what it settles, what it wakes, and the number after both.
    settlements.lock(document_ids=[line.document.pk for line in draft.candidate.lines])
    waiting.wake(awaited=[draft.chain.awaited], now=now, after=draft.sent_at)
    waiting.wake(awaited=[f"payout:{draft.data.payout.id}"], now=now)
    retries.retry_held(payees=[draft.payee.platform_id], now=now)
    read = payout_lines.contents(lines=draft.candidate.lines)
    twice = withheld_twice.find(candidate=draft.candidate, read=read, digits=draft.terms.digits)
    statement = _statement(draft=draft, read=read, twice=twice)
    (issued,) = issuing.issue(drafts=[statement], event=event, now=now, actor=actor)
    if not issued.replayed:
        _settle(draft=draft, statement=issued.document, event=event, now=now, actor=actor)
        if twice:
            withheld_twice.open_discrepancy(twice=twice, statement=issued.document, event=event, actor=actor)
    return issued


def statement_of(*, payout: str) -> Document | None:
    """Return the statement of a payout, if it has been issued."""
    key = issuing.key(kind=Kind.PAYOUT_STATEMENT, subject=("payout", payout), audience="payee")
    return Document.objects.select_related("issuer", "owner").filter(document_key_id=key).first()


def _again(
    *, document: Document, stated: dict[str, Any], terms: IssuingTerms, event: Event, now: dt.datetime, actor: log.Actor
) -> issuing.IssuedDocument:
    """Answer a repeat with the document that was issued: nothing is computed, only the fingerprints are compared."""
    content = json.loads(document.content)
    draft = issuing.Draft(
        kind=Kind.PAYOUT_STATEMENT,
        subject=("payout", document.subject.removeprefix("payout:")),
        audience="payee",
        pack=terms.pack,
        issuer=terms.issuer,
        owner=document.owner,
        owner_facts=content["owner"],
        currency=terms.currency,
        total_minor=document.total_minor,
        operation_date=document.operation_date,
        time_zone=content["time_zone"],
        body={},
        business_input=stated,
    )
    return issuing.issue(drafts=[draft], event=event, now=now, actor=actor)[0]


def _statement(
    *, draft: PayoutDraft, read: Mapping[int, Mapping[str, Any]], twice: list[withheld_twice.WithheldTwice]
) -> issuing.Draft:
    """Draft the payout statement; `read`: the contents of what it pays."""
    candidate, data, terms = draft.candidate, draft.data, draft.terms
    withholdings = _checked(draft=draft, read=read)
    of_cash = cash.flag(
        paid=payout_lines.settled(lines=candidate.lines),
        collected_minor=candidate.sums.totals["cash_collected"],
    )
    raised = {
        of_cash: bool(of_cash),
        "withholding_declared": any(item.status == "declared" for item in withholdings),
        "withheld_twice": bool(twice),
        "reconciliation_difference": not candidate.sums.closes,
    }
    return issuing.Draft(
        kind=Kind.PAYOUT_STATEMENT,
        subject=("payout", data.payout.id),
        audience="payee",
        pack=terms.pack,
        issuer=terms.issuer,
        owner=draft.payee,
        owner_facts=parties.printed(party=draft.payee, pack=terms.pack, date=draft.date),
        currency=terms.currency,
        total_minor=candidate.sums.totals["amount"],
        operation_date=draft.date,
        time_zone=terms.pack.time_zone,
        body=_body(draft=draft, read=read, withholdings=withholdings),
        business_input=draft.stated,
        flags=tuple(flag for flag, is_raised in raised.items() if is_raised),
    )


def _checked(*, draft: PayoutDraft, read: Mapping[int, Mapping[str, Any]]) -> list[amounts.WithheldTax]:
    """Return a payout's withholdings; `declared` where the base is above what its orders and its own lines earned."""
    candidate, digits = draft.candidate, draft.terms.digits
    without = payout_lines.none_left(lines=candidate.lines)
    earnings = [content["totals"].get("earnings", "0") for pk, content in read.items() if pk not in without]
    of_orders = sum(money.minor(text, digits) for text in earnings)
    of_its_own = sum(max(line.amount_minor, 0) for line in candidate.adjustments)
    return amounts.within(withholdings=candidate.withholdings, earned_minor=of_orders + of_its_own)


def _body(
    *, draft: PayoutDraft, read: Mapping[int, Mapping[str, Any]], withholdings: list[amounts.WithheldTax]
) -> dict[str, object]:
    """Return the content of a payout statement."""
    candidate, stated, digits = draft.candidate, draft.stated, draft.terms.digits
    sums, payout = candidate.sums, stated["payout"]
    body: dict[str, object] = {
        "payout": {key: payout[key] for key in PRINTED if key in payout},
        "period": stated["period"],
        "settles": [line.content(digits=digits) for line in candidate.lines],
        "adjustments": stated["adjustments"],
        "tax_groups": draft.terms.printed_groups(groups=sums.groups, date=draft.date),
        "withholdings": [item.content(digits=digits) for item in withholdings],
        "totals": amounts.texts(amounts=sums.totals, digits=digits),
        **_explained(candidate=candidate, read=read, digits=digits),
    }
    if not sums.closes:
        body["difference"] = money.text(-sums.difference_minor, digits)
    if draft.data.replaces is not None:
        body["replaces"] = draft.data.replaces
    return body


def _explained(*, candidate: PayoutCandidate, read: Mapping[int, Mapping[str, Any]], digits: int) -> dict[str, object]:
    """Return where each cent of a payout comes from, and what its documents consist of."""
    rows = breakdown.payout(
        parts=payout_lines.parts(lines=candidate.lines, read=read, digits=digits),
        adjustments=candidate.adjustments,
        sums=candidate.sums,
        withholdings=candidate.withholdings,
    )
    concepts = breakdown.concepts(rows=rows)
    return {
        "explanation": [row.content(digits=digits) for row in breakdown.bounded(rows=rows)],
        "concepts": [
            {"concept": concept, "amount": money.text(amount, digits)} for concept, amount in concepts.items()
        ],
    }


def _settle(*, draft: PayoutDraft, statement: Document, event: Event, now: dt.datetime, actor: log.Actor) -> None:
    """Store the payout and its settlements; where the payout has failed already, they are without effect."""
    lines, sums, payout_id = draft.candidate.lines, draft.candidate.sums, draft.data.payout.id
    notice = reversal_notices.failure_of(payout=payout_id, payee=statement.owner, amount_minor=statement.total_minor)
    failed_at = notice.event.occurred_at if notice else None
    closed = event.type == "PAYOUT_PERIOD_CLOSED"
    payout = Payout.objects.create(
        payout_id=payout_id,
        payee=statement.owner,
        issuer=statement.issuer,
        country_id=statement.country_id,
        currency=statement.currency,
        amount_minor=statement.total_minor,
        opening_minor=sums.totals["opening_carry_over"],
        closing_minor=sums.totals["closing_carry_over"],
        sent_at=draft.sent_at,
        chained_at=draft.known.place[0],
        chained_as=draft.known.place[1],
        state=PayoutState.FAILED if failed_at else PayoutState.CLOSED if closed else PayoutState.SENT,
        statement=statement,
        event=event,
        returned_at=failed_at,
    )
    Settlement.objects.bulk_create(
        Settlement(payout=payout, document=document, amount_minor=amount, effective=failed_at is None)
        for document, amount in payout_lines.settled(lines=lines)
    )
    settlements.record(Action.PAYOUT_SETTLED, payout=payout, actor=actor)
    settlements.refresh(document_ids=[line.document.pk for line in lines], now=now, actor=actor)
    balances.refresh(chain=draft.chain, now=now, actor=actor)
    if notice:
        returned_less.compare(notice=notice, sent_minor=statement.total_minor, event=event, actor=actor)
