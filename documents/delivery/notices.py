"""Notices to a party's former address that its address has changed: one mail a change, leased, sent, confirmed.

Like a delivery, a notice is a row: a crash between sending and confirming sends the mail again with the same
Message-ID, and a dead mail server costs time only. The address is erased by the write that ends the notice.
"""

import datetime as dt
import functools
import logging
import smtplib

from django.db import transaction
from django.db.models import QuerySet
from structlog import contextvars

from audit import log
from audit.actions import Action
from documents import identifiers, metrics
from documents.alerts import incidents
from documents.delivery import letters, mailbox, outbox
from documents.models import Channel, DeliveryStatus, Event, Notice, Party
from documents.resilience import calls, dependencies, leases, queue
from documents.task_names import TaskName

logger = logging.getLogger(__name__)
PATIENCE = outbox.PATIENCE[Channel.EMAIL]


def plan(*, party: Party, event: Event, now: dt.datetime, actor: log.Actor) -> Notice:
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
    _record(Action.DELIVERY_QUEUED, notice=made, actor=actor)
    transaction.on_commit(functools.partial(queue.enqueue, task=TaskName.NOTIFY, notice_id=made.pk))
    return made


def due(*, now: dt.datetime) -> QuerySet[Notice]:
    """Return the notices that may be tried now, those that have waited longest first."""
    return leases.due(rows=Notice.objects.filter(status=DeliveryStatus.QUEUED), now=now)


def send(*, notice_id: int, now: dt.datetime) -> None:
    """Send one notice that is due. Safe to repeat."""
    send_next(rows=due(now=now).filter(pk=notice_id), now=now)


def send_next(*, rows: QuerySet[Notice], now: dt.datetime) -> bool:
    """Send the first of `rows` that no other worker has; return whether there was one."""
    with leases.lease(rows=rows, now=now) as lease:
        if lease is None:
            return False
        notice = Notice.objects.select_related("party", "event").defer("event__body").get(pk=lease.pk)
        with contextvars.bound_contextvars(notice=notice.public_id):  # the log
            _send(notice=notice, lease=lease, now=now)
        return True


def _send(*, notice: Notice, lease: leases.Lease, now: dt.datetime) -> None:
    """Send a leased notice and record its end, or put it off."""
    try:
        message = letters.contact_changed(notice=notice)
        calls.call(dependency="mail", work=lambda: mailbox.hand_over(message=message))
    except calls.DependencyDown:
        _again(notice=notice, lease=lease, cause="mail_unavailable", now=now)
    except smtplib.SMTPException as refusal:
        if mailbox.for_good(refusal=refusal):
            # Often the reason for the change: the old mailbox is gone. No alert is due for that.
            _end(notice=notice, lease=lease, status=DeliveryStatus.BOUNCED, cause="recipient_refused", now=now)
        else:
            _again(notice=notice, lease=lease, cause="sender_refused", now=now)
    except Exception:
        # One letter that cannot be written must not be tried every second, nor stop the others.
        logger.exception("notice.failed")
        _again(notice=notice, lease=lease, cause="internal_error", now=now)
    else:
        confirm(notice=notice, lease=lease, now=now)


def confirm(*, notice: Notice, lease: leases.Lease, now: dt.datetime) -> None:
    """Record that the mail is out, if the lease still stands; a worker that lost it changes nothing."""
    _end(notice=notice, lease=lease, status=DeliveryStatus.SENT, cause="", now=now)


def _again(*, notice: Notice, lease: leases.Lease, cause: str, now: dt.datetime) -> None:
    """Put a notice off for a later try, or give it up when its time is over."""
    if now - notice.queued_at > PATIENCE:
        _end(notice=notice, lease=lease, status=DeliveryStatus.BOUNCED, cause=cause, now=now)
        return
    wait = dt.timedelta(seconds=dependencies.backoff_s(dependency="mail", attempt=notice.attempts))
    with transaction.atomic():
        if leases.release(lease=lease, next_try_at=now + wait, cause=cause):
            _record(Action.DELIVERY_FAILED, notice=notice, actor=log.SYSTEM, code=cause, outcome="failed")


def _end(*, notice: Notice, lease: leases.Lease, status: DeliveryStatus, cause: str, now: dt.datetime) -> None:
    """End a leased notice and erase its address, with its audit event, in one transaction."""
    bounced = status == DeliveryStatus.BOUNCED
    with transaction.atomic():
        if not leases.finish(lease=lease, status=status, address="", cause=cause, sent_at=None if bounced else now):
            return
        action = Action.DELIVERY_BOUNCED if bounced else Action.DELIVERY_SENT
        _record(action, notice=notice, actor=log.SYSTEM, code=cause, outcome="failed" if bounced else "ok")
        if bounced and cause != "recipient_refused":
            _alert(notice=notice, cause=cause)
    metrics.DELIVERY.labels(status=status).inc()


def _alert(*, notice: Notice, cause: str) -> None:
    """Open an alert: the former address did not get its notice."""
    incidents.open_alert(
        code="delivery_failed",
        dedup_key=f"notice:{notice.party.public_id}",
        values={"cause": "notice", "recipient": notice.party.platform_id, "failure": cause},
        object_id=notice.public_id,
    )


def _record(action: Action, *, notice: Notice, actor: log.Actor, code: str = "", outcome: str = "ok") -> None:
    """Put one step of a notice on record, in the caller's transaction."""
    log.record(
        action=action,
        object_type="notice",
        object_id=notice.public_id,
        actor=actor,
        code=code,
        outcome=outcome,
        details={"party": notice.party.public_id, "message_id": notice.message_id},
    )
