"""A mail that is a row of its own: leased, sent, confirmed, or put off until its time is over.

A crash between sending and confirming sends the mail again with the same Message-ID, and a dead mail server costs time
only. `notices`, `invitations` and `sign_in_codes` say what the mail is and what is recorded of it.
"""

import datetime as dt
import functools
import logging
import smtplib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import QuerySet
from structlog import contextvars

from audit.actions import Action
from documents import metrics
from documents.delivery import mailbox, outbox
from documents.models import Channel, DeliveryStatus, Invitation, Notice, SignInCode
from documents.resilience import calls, dependencies, leases

logger = logging.getLogger(__name__)
PATIENCE = outbox.PATIENCE[Channel.EMAIL]
Single = TypeVar("Single", Notice, Invitation, SignInCode)
Recorded_contra = TypeVar("Recorded_contra", contravariant=True)


class Records(Protocol[Recorded_contra]):
    """How a step of a mail is put on record, in the caller's transaction."""

    def __call__(self, action: Action, row: Recorded_contra, *, code: str = "", outcome: str = "ok") -> None:
        """Record it."""


@dataclass(frozen=True, kw_only=True)
class MailKind(Generic[Single]):
    """One kind of mail: its rows with what its letter needs, its letter, its record, and the alert of its failure.

    `patience` is how long it is tried; `forgets` are the columns that the end of a mail empties.
    """

    name: str
    rows: Callable[[], QuerySet[Single]]
    letter: Callable[[Single], EmailMessage]
    record: Records[Single]
    alert: Callable[[Single, str], None]
    patience: Callable[[Single], dt.timedelta] = lambda _row: PATIENCE
    forgets: Mapping[str, str] = field(default_factory=dict)

    def due(self, *, now: dt.datetime) -> QuerySet[Single]:
        """Return the mails that may be tried now, those that have waited longest first."""
        return leases.due(rows=self.rows().model._default_manager.filter(status=DeliveryStatus.QUEUED), now=now)

    def send(self, *, pk: int, now: dt.datetime) -> None:
        """Send one mail that is due. Safe to repeat."""
        self.send_next(rows=self.due(now=now).filter(pk=pk), now=now)

    def send_next(self, *, rows: QuerySet[Single], now: dt.datetime) -> bool:
        """Send the first of `rows` that no other worker has; return whether there was one."""
        with leases.lease(rows=rows, now=now) as lease:
            if lease is None:
                return False
            row = self.rows().get(pk=lease.pk)
            with contextvars.bound_contextvars(**{self.name: row.public_id}):  # the log
                self._send(row=row, lease=lease, now=now)
            return True

    def _send(self, *, row: Single, lease: leases.Lease, now: dt.datetime) -> None:
        """Send a leased mail and record its end, or put it off."""
        end = functools.partial(self.end, row=row, lease=lease, now=now)
        again = functools.partial(self._again, row=row, lease=lease, now=now)
        try:
            message = self.letter(row)
            calls.call(dependency="mail", work=lambda: mailbox.hand_over(message=message))
        except calls.DependencyDown:
            again(cause="mail_unavailable")
        except smtplib.SMTPException as refusal:
            if mailbox.for_good(refusal=refusal):
                end(status=DeliveryStatus.BOUNCED, cause="recipient_refused")
            else:
                again(cause="sender_refused")
        except Exception:
            # One letter that cannot be written must not be tried every second, nor stop the others.
            logger.exception("%s.failed", self.name)
            again(cause="internal_error")
        else:
            end(status=DeliveryStatus.SENT, cause="")

    def _again(self, *, row: Single, lease: leases.Lease, cause: str, now: dt.datetime) -> None:
        """Put a mail off for a later try, or give it up when its time is over."""
        if now - row.queued_at > self.patience(row):
            self.end(row=row, lease=lease, status=DeliveryStatus.BOUNCED, cause=cause, now=now)
            return
        wait = dt.timedelta(seconds=dependencies.backoff_s(dependency="mail", attempt=row.attempts))
        with transaction.atomic():
            if leases.release(lease=lease, next_try_at=now + wait, cause=cause):
                self.record(Action.DELIVERY_FAILED, row, code=cause, outcome="failed")

    def end(self, *, row: Single, lease: leases.Lease, status: DeliveryStatus, cause: str, now: dt.datetime) -> None:
        """End a leased mail with its event, if the lease still stands; a worker that lost it changes nothing."""
        bounced = status == DeliveryStatus.BOUNCED
        with transaction.atomic():
            sent_at = None if bounced else now
            if not leases.finish(lease=lease, status=status, cause=cause, sent_at=sent_at, **self.forgets):
                return
            action = Action.DELIVERY_BOUNCED if bounced else Action.DELIVERY_SENT
            self.record(action, row, code=cause, outcome="failed" if bounced else "ok")
            if bounced:
                self.alert(row, cause)
        metrics.DELIVERY.labels(status=status).inc()
