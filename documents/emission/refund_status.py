"""The live status of the money that a refund's credit note gives back."""

from audit import log
from audit.actions import Action
from documents.models import Document, RefundStatus


def set_refund_status(*, note: Document, status: RefundStatus | None, refund: str, actor: log.Actor) -> None:
    """Move the live status of a refund's credit note, with its audit event; no PDF changes. Call with the note locked.

    `refund` is the one by which it moves: that failed, or that replaces one that did.
    """
    value = status or ""
    if note.refund_status == value:
        return
    Document.objects.filter(pk=note.pk).update(refund_status=value)
    note.refund_status = value
    log.record(
        action=Action.DOCUMENT_REFUND_STATUS_CHANGED,
        object_type="document",
        object_id=note.public_id,
        actor=actor,
        code=value,
        details={"refund": refund},
    )
