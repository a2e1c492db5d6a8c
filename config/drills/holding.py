"""What a drill looks at is kept from the workers by a lease, and given back to them in the end: all of it arrives."""

import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from config.drills import receipts
from config.drills.registry import DrillContext
from documents.emission import locking
from documents.events import intake
from documents.models import Document
from documents.resilience import leases

HELD = dt.timedelta(seconds=60)  # how long the workers leave it alone


def later() -> dt.datetime:
    """Return a moment at which what is held may be tried: by this process, which says so, and no other."""
    return timezone.now() + HELD + dt.timedelta(seconds=settings.LEASE_S + 1)


def hold(*, rows: QuerySet[Any]) -> None:
    """Lease a row that is being written, before any worker sees it; it is free again after HELD by itself."""
    with leases.lease(rows=rows, now=timezone.now() + HELD):
        pass


@contextlib.contextmanager
def held(*, context: DrillContext, name: str) -> Iterator[Document]:
    """Issue a receipt that the workers leave alone until the block ends; then have them lock it.

    :raises DrillFailed: it is not locked then
    """
    event = receipts.receipt(
        context=own(context=context, name=name), amount="11.00", net="10.00", tax="1.00", event="held"
    )
    with transaction.atomic():
        intake.receive(raw=json.dumps(event).encode(), services=["payments"], now=timezone.now(), actor=receipts.ACTOR)
        rows = Document.objects.filter(subject=f"payment:{event['data']['payment']['id']}")
        document = rows.get()
        hold(rows=rows)
    try:
        yield document
    finally:
        locking.retry(document=document, actor=receipts.ACTOR, now=timezone.now())
    receipts.await_locked(document=document)


def own(*, context: DrillContext, name: str) -> DrillContext:
    """Return a context whose events are those of one drill."""
    return dataclasses.replace(context, run_id=f"{context.run_id}_{name}")
