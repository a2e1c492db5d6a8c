"""Notices: to a party's former address that its address has changed, and the codes that open links; one mail each.

The address is erased by the write that ends the notice.
"""

import datetime as dt
import functools

from django.db import transaction

from audit import log
from audit.actions import Action
from documents import identifiers, locks
from documents.alerts import incidents
from documents.delivery import codes, letters, links, mailbox, single_mails
from documents.models import Event, Link, Notice, Party
from documents.resilience import queue
from documents.task_names import TaskName

LONG = ("event__body", "link__document__content", "link__document__issuer__logo")  # what no letter needs


def plan(*, party: Party, event: Event | None, now: dt.datetime, actor: log.Actor) -> Notice:
    """Queue a notice to the address and in the language that `party` had before the change.

    Call it in the transaction of the change, with `party` as it was read before.
    """
    return _queue(party=party, event=event, link=None, now=now, actor=actor)


def mail_code(*, link: Link, now: dt.datetime, actor: log.Actor) -> Notice | None:
    """Queue a mail with a code that opens the link, to the address on file; None where none may be sent now."""
    with transaction.atomic():
        [row] = locks.rows(queryset=Link.objects.select_related("recipient").filter(pk=link.pk))
        usable = links.state(link=row, now=now) is links.State.LIVE and row.knows in links.BY_MAIL
        if not usable or not row.recipient.email or not codes.may_ask(link=row, now=now):
            return None
        return _queue(party=row.recipient, event=None, link=row, now=now, actor=actor)


def _queue(*, party: Party, event: Event | None, link: Link | None, now: dt.datetime, actor: log.Actor) -> Notice:
    """Write a notice with its Message-ID and its audit event."""
    public_id = identifiers.new(prefix="ntc")
    made = Notice.objects.create(
        public_id=public_id,
        event=event,
        link=link,
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

    A mailbox that is gone is often the reason for the change, and who asked for a code can ask again: no alert is due
    for that.
    """
    if cause == "recipient_refused" or notice.link:
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
    rows=lambda: Notice.objects.select_related("party", "event", "link__document__issuer").defer(*LONG),
    letter=lambda row: letters.link_code(notice=row) if row.link else letters.contact_changed(notice=row),
    record=_record,
    alert=_alert,
    patience=lambda row: codes.LIFE if row.link else single_mails.PATIENCE,  # a late code opens nothing
    forgets={"address": ""},
)
due, send_next = MAIL.due, MAIL.send_next


def send(*, notice_id: int, now: dt.datetime) -> None:
    """Send one notice that is due. Safe to repeat."""
    MAIL.send(pk=notice_id, now=now)
