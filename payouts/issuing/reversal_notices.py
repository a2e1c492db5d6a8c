"""The notice of a payout that failed, came back or was canceled; what the payout settled is owed again."""

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, cast

from audit import log
from audit.actions import Action
from documents import errors, locks, money
from documents.emission import issuing
from documents.events import effects, envelope, undoing_schemas, waiting
from documents.models import Document, Event, Issuer, Kind, Party
from payouts.issuing import balances, cancellations, parties, retries, returned_less, settlements
from payouts.issuing import terms as issuing_terms
from payouts.issuing.terms import IssuingTerms
from payouts.models import Payout, PayoutState

HowEnded = Literal["failed", "returned", "canceled"]
# TABLE: how a payout ends -> its state, and its audit action.
_STATES: Mapping[HowEnded, tuple[PayoutState, Action]] = MappingProxyType(
    {
        "failed": (PayoutState.FAILED, Action.PAYOUT_FAILED),
        "returned": (PayoutState.RETURNED, Action.PAYOUT_RETURNED),
        "canceled": (PayoutState.CANCELED, Action.PAYOUT_CANCELED),
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ending:
    """How and when a payout ended: what came back of it and the bank's fee, in minor units, and what is printed."""

    outcome: HowEnded
    payout: str
    amount_minor: int
    fee_minor: int = 0
    ended_at: dt.datetime
    body: Mapping[str, object]

    @property
    def came_back_minor(self) -> int:
        """Return what is accounted for: less than was sent where some is missing and no fee is stated."""
        return self.amount_minor + self.fee_minor


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
    payout, ending = _payout(name=data.payout.id), _stated(outcome="failed", message=message, terms=terms)
    if payout is not None:
        _check_match(payout=payout, payee=payee, ending=ending, terms=terms)
    # The notice is the same whether or not the payout's statement is here, so it does not name it.
    return _issue(
        ending=ending, payout=None, payee=payee, terms=terms, event=event, message=message, now=now, actor=actor
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
    payout, ending = _payout(name=data.payout.id), _stated(outcome="returned", message=message, terms=terms)
    if payout is None or payout.statement is None:
        return effects.Waiting(missing=[f"payout:{data.payout.id}"])
    _check_match(payout=payout, payee=payee, ending=ending, terms=terms)
    if message.occurred_at < payout.sent_at:
        values = {"cause": "before_sending", "payout": payout.payout_id}
        raise errors.problem_at(pointer="/occurred_at", code="time_implausible", values=values)
    return _issue(
        ending=ending,
        payout=payout,
        payee=payout.payee,
        terms=terms,
        event=event,
        message=message,
        now=now,
        actor=actor,
    )


def lock_payee(*, message: envelope.EventMessage) -> None:
    """Lock the payee of a payout that is canceled, if it has been issued; see `parties.lock_payee`."""
    payout = _payout(name=message.data.payout.id)
    parties.lock_party(platform_id=payout.payee.platform_id if payout else "")


@effects.holds_on_problem
def on_payout_canceled(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the notice of a payout that was canceled, once its statement has been issued.

    Waits for the payout, without limit, and asks for nothing where that was ignored: it was canceled before it was
    sent. Held: the codes of `terms.resolve` and `IssuingTerms.require_match`.
    """
    subject, data = envelope.subject(message=message), cast("undoing_schemas.PayoutCanceledData", message.data)
    if cancellations.was_ignored(subject=subject):
        return effects.Issued()
    terms, payout = issuing_terms.resolve(message=message), _payout(name=data.payout.id)
    if payout is None or payout.statement is None:
        return cancellations.awaited(subject=subject)
    # One that has been issued since the payee was locked: it is looked at again at once.
    if not locks.has(rank=locks.Rank.PARTY, keys=[(payout.payee_id,)]):
        return effects.Waiting(missing=[subject])
    terms.require_match(document=payout.statement)
    date = terms.local_date(moment=data.canceled_at).isoformat()
    ending = Ending(
        outcome="canceled",
        payout=data.payout.id,
        amount_minor=payout.amount_minor,
        ended_at=data.canceled_at,
        body={"reason": data.reason.model_dump(), "canceled_date": date},
    )
    return _issue(
        ending=ending,
        payout=payout,
        payee=payout.payee,
        terms=terms,
        event=event,
        message=message,
        now=now,
        actor=actor,
    )


def ignore(*, message: envelope.EventMessage, payee: Party | None, now: dt.datetime) -> effects.Ignored:
    """Ignore a payout that was canceled before it was sent, and wake what waits for it: nothing of it will come."""
    issuer = Issuer.objects.filter(slug=message.issuer).first()
    following = [balances.awaited(payee=payee, issuer=issuer)] if payee and issuer else []
    waiting.wake(awaited=[envelope.subject(message=message), *following], now=now)
    return effects.Ignored(code=cancellations.CODE)


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


def _check_match(*, payout: Payout, payee: Party | None, ending: Ending, terms: IssuingTerms) -> None:
    """Refuse a reversal of a payout that was sent to somebody else, of more than was sent, or whose fee does not fit.

    Less may come back without a fee: the money is where it is, and `returned_less.compare` opens a discrepancy.

    :raises errors.Problem: `payee_mismatch`, `totals_mismatch`, the codes of `IssuingTerms.require_match`
    """
    if payee is None or payout.payee_id != payee.pk:
        raise errors.problem_at(pointer="/data/payee/id", code="payee_mismatch")
    if payout.statement is not None:
        terms.require_match(document=payout.statement)
    stated = ending.came_back_minor
    if stated > payout.amount_minor or (ending.fee_minor and stated != payout.amount_minor):
        sent = money.text(payout.amount_minor, terms.digits)
        raise errors.problem_at(
            pointer="/data/payout/amount",
            code="totals_mismatch",
            values={"total": "amount", "stated": money.text(stated, terms.digits), "expected": sent},
        )


def _stated(*, outcome: HowEnded, message: envelope.EventMessage, terms: IssuingTerms) -> Ending:
    """Return how a payout ended as PAYOUT_FAILED or PAYOUT_RETURNED states it."""
    data = cast("undoing_schemas.ReversalData", message.data)
    return Ending(
        outcome=outcome,
        payout=data.payout.id,
        amount_minor=money.minor(data.payout.amount, terms.digits),
        fee_minor=money.minor(data.payout.fee or "0", terms.digits),
        ended_at=message.occurred_at,
        body={"reason": data.reason.model_dump(), **({"next_step": data.next_step} if data.next_step else {})},
    )


def _payout(*, name: str) -> Payout | None:
    """Return a payout by the platform's id, if it has been processed."""
    return Payout.objects.select_related("statement", "payee").filter(payout_id=name).first()


def _issue(
    *,
    ending: Ending,
    payout: Payout | None,
    payee: Party,
    terms: IssuingTerms,
    event: Event,
    message: envelope.EventMessage,
    now: dt.datetime,
    actor: log.Actor,
) -> effects.Issued:
    """Issue the notice and, where the payout has been processed, end what it settled."""
    draft = _draft(ending=ending, payout=payout, payee=payee, terms=terms, message=message)
    payout = payout or _payout(name=ending.payout)
    ended = payout if payout is not None and payout.payee_id == payee.pk else None
    if ended is not None:  # in the order of locks: what it settled, what is woken, and the number after both
        settlements.lock(document_ids=ended.settlements.values_list("document_id", flat=True))
        waiting.wake(awaited=[balances.awaited(payee=payee, issuer=terms.issuer)], now=now)
        retries.retry_held(payees=[payee.platform_id], now=now)
    elif ending.outcome == "failed":  # what replaces it need not wait for it
        following = balances.awaited(payee=payee, issuer=terms.issuer)
        waiting.wake(awaited=[f"payout:{ending.payout}", following], now=now)
    (issued,) = issuing.issue(drafts=[draft], event=event, now=now, actor=actor)
    if ended is not None and not issued.replayed:
        _end(payout=ended, ending=ending, now=now, actor=actor)
        returned_less.compare(notice=issued.document, sent_minor=ended.amount_minor, event=event, actor=actor)
    return effects.Issued(documents=[issued])


def _draft(
    *, ending: Ending, payout: Payout | None, payee: Party, terms: IssuingTerms, message: envelope.EventMessage
) -> issuing.Draft:
    """Draft the notice of what was transferred; it names the statement of a payout that it is given."""
    transferred = payout.amount_minor if payout else ending.came_back_minor
    statement = payout.statement if payout else None
    body: dict[str, object] = {
        "payout": _printed(ending=ending, transferred=transferred, terms=terms),
        "outcome": ending.outcome,
        "totals": {"amount": money.text(transferred, terms.digits)},
        **ending.body,
    }
    if statement is not None:
        body["statement"] = {"number": statement.number}
    date = terms.local_date(moment=message.occurred_at)
    return issuing.Draft(
        kind=Kind.PAYOUT_REVERSAL_NOTICE,
        subject=("payout", ending.payout),
        audience="payee",
        discriminator=ending.outcome,
        pack=terms.pack,
        issuer=terms.issuer,
        owner=payee,
        owner_facts=parties.printed(party=payee, pack=terms.pack, date=date),
        currency=terms.currency,
        total_minor=transferred,
        operation_date=date,
        time_zone=terms.pack.time_zone,
        body=body,
        business_input=envelope.business_input(message=message),
    )


def _printed(*, ending: Ending, transferred: int, terms: IssuingTerms) -> dict[str, str]:
    """Return what came back of what was transferred: with the fee, or what is missing, where there is any."""
    missing = transferred - ending.came_back_minor
    parts = {"amount": ending.amount_minor, "fee": ending.fee_minor, "missing": missing}
    texts = {word: money.text(part, terms.digits) for word, part in parts.items() if part or word == "amount"}
    return {"id": ending.payout, **texts}


def _end(*, payout: Payout, ending: Ending, now: dt.datetime, actor: log.Actor) -> None:
    """Mark a payout as ended, at the earliest where events of several endings came."""
    state, action = _STATES[ending.outcome]
    if payout.returned_at is None or (ending.ended_at, state) < (payout.returned_at, payout.state):
        Payout.objects.filter(pk=payout.pk).update(state=state, returned_at=ending.ended_at)
    settlements.record(action, payout=payout, actor=actor)
    settlements.withdraw(payout=payout, now=now, actor=actor)
    chain = balances.Chain(payee=payout.payee, issuer=payout.issuer, currency=payout.currency)
    balances.refresh(chain=chain, now=now, actor=actor)
