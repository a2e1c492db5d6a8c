"""Held payouts that a later fact may close: looked at again by themselves, whatever the order of arrival."""

import datetime as dt
import json
from typing import cast

from django.db import transaction

from audit import log
from audit.actions import Action
from documents import facts, resilience
from documents.facts import schemas
from documents.models import Event, EventStatus


def look_again(*, order: str, now: dt.datetime, actor: log.Actor) -> None:
    """This function will let each payout that names the order and does not close yet be tried again, after the commit.

    A payout that was told before an adjustment of one of its orders cannot close until the adjustment is here.
    """
    waiting = Event.objects.filter(
        status=EventStatus.HELD,
        code="payout_does_not_close",
        type__in=("PAYOUT_SENT", "PAYOUT_PERIOD_CLOSED"),
        settled_by=None,
    ).order_by("pk")
    for event in waiting:
        payout = told(body=event.body)
        if payout is None or order not in (payout.orders or ()):
            continue
        moved = Event.objects.filter(pk=event.pk, status=EventStatus.HELD, settled_by=None).update(
            status=EventStatus.PARKED, next_try_at=now
        )
        if moved:
            log.record(action=Action.EVENT_PARKED, object_type="event", object_id=event.public_id, actor=actor)
            transaction.on_commit(lambda pk=event.pk: resilience.ring(task="documents.resume", args=[pk]))  # type: ignore[misc]  # the default binds the loop variable


def told(*, body: bytes | memoryview | None) -> schemas.PayoutData | None:
    """This function will read a stored payout's data again; None once its raw body has been stripped."""
    return None if body is None else cast("schemas.PayoutData", facts.parse(payload=json.loads(bytes(body))).data)
