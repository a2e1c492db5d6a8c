"""The live payout status of a statement."""

from collections.abc import Sequence

from audit import log
from audit.actions import Action
from documents import locks
from documents.models import Document, PayoutStatus


def set_payout_status(
    *, documents: Sequence[Document], status: PayoutStatus, settled_by: Document | None, actor: log.Actor
) -> None:
    """Move the live payout status of statements, each with its audit event; no PDF changes.

    A payout of 1,500 orders moves them in a few round trips.
    """
    moving = [
        row for row in documents if (row.payout_status, row.settled_by_id) != (status, settled_by and settled_by.pk)
    ]
    locks.declare(rank=locks.Rank.DOCUMENT, keys=[(row.pk,) for row in moving])
    Document.objects.filter(pk__in=[row.pk for row in moving]).update(payout_status=status, settled_by=settled_by)
    entries = [
        log.Entry(
            action=Action.DOCUMENT_PAYOUT_STATUS_CHANGED,
            object_type="document",
            object_id=row.public_id,
            actor=actor,
            code=status,
            details={"settled_by": settled_by.public_id if settled_by else None},
        )
        for row in moving
    ]
    for start in range(0, len(entries), log.ENTRIES_MAX):
        log.record_many(entries=entries[start : start + log.ENTRIES_MAX])
