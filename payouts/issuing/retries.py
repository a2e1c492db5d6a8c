"""Held payouts and credits that a later event may make right or explain: each such event lets them be tried again."""

import datetime as dt
import functools
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from documents.events import envelope, schemas, waiting
from documents.models import Event, Wait

CODE = "payout_does_not_close"
NOT_OWNED = "payee_mismatch"
CREDIT_CODES = ("credit_exceeds_remaining", "totals_mismatch")
TRANSFERS_MAX = 4096  # of payouts that wait, kept in a process


def retry_held(*, payees: Collection[str], now: dt.datetime, codes: Sequence[str] = (CODE,)) -> None:
    """Let each held payout of the payees that does not close be tried again, after the commit.

    `codes` are those under which it is held: one that names what was not the payee's waits for a reassignment.

    A payout that comes before an adjustment of one of its orders does not close until the adjustment is here. And an
    order missing from its list explains the difference only once it is here and while no other payout settles it.
    """
    waits = Wait.objects.filter(awaited__in=[awaited(payee=payee) for payee in payees]).values("event_id")
    waiting.retry(held=Event.objects.filter(pk__in=waits, code__in=codes), now=now)


def retry_credits(*, payment: str, now: dt.datetime, but: Event | None = None) -> None:
    """Let each held credit of a payment be tried again, after the commit: what remains of it has changed.

    Call with the customer locked. `but` is the event that changes it.
    """
    waits = Wait.objects.filter(awaited=credit_awaited(payment=payment)).values("event_id")
    held = Event.objects.filter(pk__in=waits, code__in=CREDIT_CODES)
    waiting.retry(held=held.exclude(pk=but.pk) if but else held, now=now)


def credit_awaited(*, payment: str) -> str:
    """Return the name under which a held credit awaits what else is credited of its payment."""
    return f"credits_of:{payment}"


def awaited(*, payee: str) -> str:
    """Return the name under which a held payout that does not close awaits what concerns its payee."""
    return f"payee:{payee}"


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Whom a payout pays, and when it was sent."""

    payee: str
    sent_at: dt.datetime


@functools.lru_cache(maxsize=TRANSFERS_MAX)
def transfer_of(*, event: str) -> Transfer | None:
    """Return the transfer of a stored PAYOUT_SENT, by its public id; None once its raw body has been stripped.

    Each order of a payout that waits asks for it. What is stored never changes, so a process reads it once.
    """
    data = payout_data(body=Event.objects.values_list("body", flat=True).get(public_id=event))
    if data is None or data.payout.sent_at is None:
        return None
    return Transfer(payee=data.payee.id, sent_at=data.payout.sent_at)


def payout_data(*, body: bytes | memoryview | None) -> schemas.PayoutData | None:
    """Return the data of a stored payout event; None once its raw body has been stripped."""
    return None if body is None else cast("schemas.PayoutData", envelope.parse(payload=json.loads(bytes(body))).data)
