"""Held payouts that a later fact may close or explain: looked at again by themselves, whatever the order of arrival."""

import datetime as dt
import json
from typing import cast

from django.db import transaction

from documents.events import envelope, schemas
from documents.models import Event, EventStatus, Wait
from documents.resilience import queue

CODE = "payout_does_not_close"


def watch(*, event: Event, payee: str) -> None:
    """Let a payout that does not close be found by whatever changes what its payee is owed."""
    if event.status == EventStatus.HELD and event.code == CODE:
        Wait.objects.get_or_create(event=event, awaited=_awaited(payee))


def retry_held(*, payee: str, now: dt.datetime) -> None:
    """Let each payout of the payee that does not close be tried again, after the commit.

    A payout that was told before an adjustment of one of its orders cannot close until the adjustment is here; and an
    order that it forgot to list explains it only once that is here, and no longer once another payout has settled it.
    """
    waiting = Event.objects.filter(
        waits__awaited=_awaited(payee), status=EventStatus.HELD, code=CODE, superseded_by=None
    ).values_list("pk", flat=True)
    for pk in sorted(waiting):
        Event.objects.filter(pk=pk, status=EventStatus.HELD).update(next_try_at=now)
        transaction.on_commit(lambda pk=pk: queue.enqueue(task="documents.resume", args=[pk]))  # type: ignore[misc]  # the default binds the loop variable


def _awaited(payee: str) -> str:
    return f"payee:{payee}"


def payout_data(*, body: bytes | memoryview | None) -> schemas.PayoutData | None:
    """Read a stored payout's data again; None once its raw body has been stripped."""
    return None if body is None else cast("schemas.PayoutData", envelope.parse(payload=json.loads(bytes(body))).data)
