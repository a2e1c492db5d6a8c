"""The notice of a payout that failed or came back; what the payout settled is owed again."""

import datetime as dt
import json
from typing import Literal, cast

from audit import log
from audit.actions import Action
from documents import errors, money
from documents.alerts import discrepancies
from documents.emission import issuing
from documents.events import effects, envelope, undoing_schemas, waiting
from documents.models import Document, Event, Kind, Party
from payouts.issuing import balances, parties, retries, settlements
from payouts.issuing import terms as issuing_terms
from payouts.issuing.terms import IssuingTerms
from payouts.models import Payout, PayoutState

Ending = Literal["failed", "returned"]
_STATES = {"failed": PayoutState.FAILED, "returned": PayoutState.RETURNED}
_ACTIONS = {"failed": Action.PAYOUT_FAILED, "returned": Action.PAYOUT_RETURNED}


@effects.holds_on_problem
def on_payout_failed(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the notice of a payout that failed, at once: its PAYOUT_SENT may never come.

    Waits for the event that first names the payee: nothing but the id is known. Held: the codes of `terms.resolve`;
    where the payout is known, those of `on_payout_returned`.
    """
    terms, data = issuing_terms.resolve(message=message), cast("undoing_schemas.ReversalData", message.data)
    payee = parties.locked(platform_id=data.payee.id)
    if payee is None:
        return effects.Waiting(missing=[f"party:{data.payee.id}"])
    payout = _payout(data=data)
    if payout is not None:
        _check_match(payout=payout, payee=payee, data=data, terms=terms)
    # The notice is the same whether or not the payout's statement is here, so it does not name it.
    return _issue(
        outcome="failed", payout=None, payee=payee, terms=terms, event=event, message=message, now=now, actor=actor
    )


@effects.holds_on_problem
def on_payout_returned(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the notice of a payout that came back, once its statement has been issued.

    Waits for its PAYOUT_SENT. Held: the codes of `terms.resolve`, `payee_mismatch`, `totals_mismatch` against what was
    sent, and `time_implausible` for one that came back before it was sent.
    """
    data = cast("undoing_schemas.ReversalData", message.data)
    terms = issuing_terms.resolve(message=message)
    payee = parties.locked(platform_id=data.payee.id)
    payout = _payout(data=data)
    if payout is None or payout.statement is None:
        return effects.Waiting(missing=[f"payout:{data.payout.id}"])
    _check_match(payout=payout, payee=payee, data=data, terms=terms)
    if message.occurred_at < payout.sent_at:
        values = {"cause": "before_sending", "payout": payout.payout_id}
        raise errors.problem_at(pointer="/occurred_at", code="time_implausible", values=values)
    return _issue(
        outcome="returned",
        payout=payout,
        payee=payout.payee,
        terms=terms,
        event=event,
        message=message,
        now=now,
        actor=actor,
    )


def on_return_waiting(*, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor) -> None:
    """Wake a payout that waits because the next one opened without it: it had come back by then."""
    del actor  # nothing changes here but when an event is run again
    data = cast("undoing_schemas.ReversalData", message.data)
    waiting.wake(awaited=[f"balance:{data.payee.id}:{message.issuer}"], now=now)


def failure_of(*, payout: str, payee: Party, amount_minor: int) -> Document | None:
    """Return the notice of a payout that failed, if it came before its statement; None otherwise.

    A notice of more, or of less with a fee, is not about this transfer: had it come after the statement, it would have
    been held.
    """
    key = issuing.key(
        kind=Kind.PAYOUT_REVERSAL_NOTICE, subject=("payout", payout), audience="payee", discriminator="failed"
    )
    notice = Document.objects.select_related("event").filter(document_key_id=key, owner=payee).first()
    if notice is None or notice.total_minor == amount_minor:
        return notice
    is_less = notice.total_minor < amount_minor and "fee" not in json.loads(notice.content)["payout"]
    return notice if is_less else None


def compare(*, notice: Document, sent_minor: int, event: Event, actor: log.Actor) -> None:
    """Open `returned_less` where less than was sent came back, and no fee is stated."""
    payout, digits = json.loads(notice.content)["payout"], money.digits(notice.currency)
    missing = sent_minor - money.minor(payout["amount"], digits)
    if missing <= 0 or "fee" in payout:
        return
    discrepancies.open_one(
        code="returned_less",
        dedup_key=f"returned_less:{notice.document_key_id}",
        facts={
            "document_key": notice.document_key_id,
            "currency": notice.currency,
            "payout": payout["id"],
            "sent": money.text(sent_minor, digits),
            "returned": payout["amount"],
            "difference": money.text(missing, digits),
        },
        document=notice,
        event=event,
        actor=actor,
    )


def _check_match(
    *, payout: Payout, payee: Party | None, data: undoing_schemas.ReversalData, terms: IssuingTerms
) -> None:
    """Refuse a reversal of a payout that was sent to somebody else, of more than was sent, or whose fee does not fit.

    Less may come back without a fee: the money is where it is, and `compare` opens a discrepancy.

    :raises errors.Problem: `payee_mismatch`, `totals_mismatch`, the codes of `IssuingTerms.require_match`
    """
    if payee is None or payout.payee_id != payee.pk:
        raise errors.problem_at(pointer="/data/payee/id", code="payee_mismatch")
    if payout.statement is not None:
        terms.require_match(document=payout.statement)
    stated, fee = _came_back(data=data, terms=terms)
    if stated + fee > payout.amount_minor or (fee and stated + fee != payout.amount_minor):
        sent = money.text(payout.amount_minor, terms.digits)
        raise errors.problem_at(
            pointer="/data/payout/amount",
            code="totals_mismatch",
            values={"total": "amount", "stated": money.text(stated + fee, terms.digits), "expected": sent},
        )


def _came_back(*, data: undoing_schemas.ReversalData, terms: IssuingTerms) -> tuple[int, int]:
    """Return what came back and the fee that the bank kept of it, in minor units."""
    return money.minor(data.payout.amount, terms.digits), money.minor(data.payout.fee or "0", terms.digits)


def _payout(*, data: undoing_schemas.ReversalData) -> Payout | None:
    """Return the payout that a reversal is about, if it has been processed."""
    return Payout.objects.select_related("statement", "payee").filter(payout_id=data.payout.id).first()


def _issue(
    *,
    outcome: Ending,
    payout: Payout | None,
    payee: Party,
    terms: IssuingTerms,
    event: Event,
    message: envelope.EventMessage,
    now: dt.datetime,
    actor: log.Actor,
) -> effects.Issued:
    """Issue the notice and, where the payout has been processed, end what it settled."""
    data = cast("undoing_schemas.ReversalData", message.data)
    statement = payout.statement if payout else None
    came_back = sum(_came_back(data=data, terms=terms))
    transferred = payout.amount_minor if payout else came_back
    draft = _draft(
        outcome=outcome, statement=statement, transferred=transferred, payee=payee, terms=terms, message=message
    )
    payout = payout or _payout(data=data)
    ended = payout if payout is not None and payout.payee_id == payee.pk else None
    if ended is not None:  # in the order of locks: what it settled, what is woken, and the number after both
        settlements.lock(document_ids=ended.settlements.values_list("document_id", flat=True))
        waiting.wake(awaited=[balances.awaited(payee=payee, issuer=terms.issuer)], now=now)
        retries.retry_held(payees=[payee.platform_id], now=now)
    elif outcome == "failed":  # what replaces it need not wait for it
        following = balances.awaited(payee=payee, issuer=terms.issuer)
        waiting.wake(awaited=[f"payout:{data.payout.id}", following], now=now)
    (issued,) = issuing.issue(drafts=[draft], event=event, now=now, actor=actor)
    if ended is not None and not issued.replayed:
        _end(payout=ended, outcome=outcome, ended_at=message.occurred_at, now=now, actor=actor)
        compare(notice=issued.document, sent_minor=ended.amount_minor, event=event, actor=actor)
    return effects.Issued(documents=[issued])


def _draft(
    *,
    outcome: Ending,
    statement: Document | None,
    transferred: int,
    payee: Party,
    terms: IssuingTerms,
    message: envelope.EventMessage,
) -> issuing.Draft:
    """Draft the notice of what was transferred; `statement` is the payout's, where the notice names it."""
    data, stated = cast("undoing_schemas.ReversalData", message.data), envelope.business_input(message=message)
    body: dict[str, object] = {
        "payout": _printed(data=data, transferred=transferred, terms=terms),
        "outcome": outcome,
        "reason": stated["reason"],
        "totals": {"amount": money.text(transferred, terms.digits)},
    }
    if statement is not None:
        body["statement"] = {"number": statement.number}
    if data.next_step is not None:
        body["next_step"] = data.next_step
    date = terms.local_date(moment=message.occurred_at)
    return issuing.Draft(
        kind=Kind.PAYOUT_REVERSAL_NOTICE,
        subject=("payout", data.payout.id),
        audience="payee",
        discriminator=outcome,
        pack=terms.pack,
        issuer=terms.issuer,
        owner=payee,
        owner_facts=parties.printed(party=payee, pack=terms.pack, date=date),
        currency=terms.currency,
        total_minor=transferred,
        operation_date=date,
        time_zone=terms.pack.time_zone,
        body=body,
        business_input=stated,
    )


def _printed(*, data: undoing_schemas.ReversalData, transferred: int, terms: IssuingTerms) -> dict[str, str]:
    """Return what came back of what was transferred: with the fee, or what is missing, where there is any."""
    amount, fee = _came_back(data=data, terms=terms)
    parts = {"amount": amount, "fee": fee, "missing": transferred - amount - fee}
    texts = {word: money.text(part, terms.digits) for word, part in parts.items() if part or word == "amount"}
    return {"id": data.payout.id, **texts}


def _end(*, payout: Payout, outcome: Ending, ended_at: dt.datetime, now: dt.datetime, actor: log.Actor) -> None:
    """Mark a payout as failed or returned, at the earlier of the two where events of both came."""
    if payout.returned_at is None or ended_at < payout.returned_at:
        Payout.objects.filter(pk=payout.pk).update(state=_STATES[outcome], returned_at=ended_at)
    settlements.record(_ACTIONS[outcome], payout=payout, actor=actor)
    settlements.withdraw(payout=payout, now=now, actor=actor)
    chain = balances.Chain(payee=payout.payee, issuer=payout.issuer, currency=payout.currency)
    balances.refresh(chain=chain, now=now, actor=actor)
