"""Notices to a party's former address that its address has changed: one mail a change.

The address is erased by the write that ends the notice.
"""

import datetime as dt
import functools

from django.db import transaction

from audit import log
from audit.actions import Action
from documents import identifiers
from documents.alerts import incidents
from documents.delivery import letters, mailbox, single_mails
from documents.models import Event, Notice, Party
from documents.resilience import queue
from documents.task_names import TaskName


def plan(*, party: Party, event: Event | None, now: dt.datetime, actor: log.Actor) -> Notice:
    """Queue a notice to the address and in the language that `party` had before the change.

    Call it in the transaction of the change, with `party` as it was read before.
    """
    public_id = identifiers.new(prefix="ntc")
    made = Notice.objects.create(
        public_id=public_id,
        event=event,
        party=party,
        address=party.email,
        locale=party.locale,
        message_id=mailbox.message_id(reference=public_id),
        queued_at=now,
        next_try_at=now,
    )
    _record(Action.DELIVERY_QUEUED, made, actor=actor)
    transaction.on_commit(functools.partial(queue.enqueue, task=TaskName.NOTIFY, notice_id=made.pk))
    return made


def _alert(notice: Notice, cause: str) -> None:
    """Open an alert: the former address did not get its notice.

    A mailbox that is gone is often the reason for the change: no alert is due for that.
    """
    if cause == "recipient_refused":
        return
    incidents.open_alert(
        code="delivery_failed",
        dedup_key=f"notice:{notice.party.public_id}",
        values={"cause": "notice", "recipient": notice.party.platform_id, "failure": cause},
        object_id=notice.public_id,
    )


def _record(action: Action, row: Notice, *, code: str = "", outcome: str = "ok", actor: log.Actor = log.SYSTEM) -> None:
    """Put one step of a notice on record, in the caller's transaction."""
    log.record(
        action=action,
        object_type="notice",
        object_id=row.public_id,
        actor=actor,
        code=code,
        outcome=outcome,
        details={"party": row.party.public_id, "message_id": row.message_id},
    )


MAIL = single_mails.MailKind[Notice](
    name="notice",
    rows=lambda: Notice.objects.select_related("party", "event").defer("event__body"),
    letter=lambda row: letters.contact_changed(notice=row),
    record=_record,
    alert=_alert,
    forgets={"address": ""},
)
due, send_next = MAIL.due, MAIL.send_next


def send(*, notice_id: int, now: dt.datetime) -> None:
    """Send one notice that is due. Safe to repeat."""
    MAIL.send(pk=notice_id, now=now)
