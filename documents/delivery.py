"""Telling people: one record per recipient and channel, claimed once, sent with a fixed Message-ID, confirmed.

A crash between sending and confirming sends the mail again, with the same Message-ID and the same link: a mailbox shows
it once. Delays live in PostgreSQL (`next_try_at`); nothing here waits, and nothing here can hold a document back.
"""

import datetime as dt
import functools
import hashlib
import hmac
import logging
import smtplib
import uuid
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, Q

from audit import log
from audit.actions import Action
from documents import alerts, catalog, errors, identifiers, leases, letters, links, mailbox, metrics, resilience, wording
from documents.models import Channel, Delivery, DeliveryStatus, Document, Party, Status

logger = logging.getLogger(__name__)
EmlFolder = mailbox.EmlFolder  # the name by which MAIL_URL=file:///... asks for it

DIGEST_MAX = 100  # documents in one mail: about 60 kB, under the size at which mail programs cut
PATIENCE = {  # since queueing; then the mail has bounced and a person is told
    Channel.EMAIL: dt.timedelta(hours=72),
    Channel.DIGEST: dt.timedelta(days=7, hours=72),  # it may have waited a week for its day
}
WEEKDAY, HOUR = 0, 9  # the summary goes out on Monday mornings, by the clock of the document's own place
WITHHELD = dt.timedelta(hours=1)  # how long a mail about a document in quarantine waits before it looks again
REPEAT = dt.timedelta(minutes=10)  # who asks for a new link twice within this gets one
REFUSED_SMTP = 500


def plan(*, document: Document, now: dt.datetime, actor: log.Actor) -> list[Delivery]:
    """This function will queue what the policy of the document's kind says, once, in the transaction that locks it."""
    if Delivery.objects.filter(document=document).exists():
        return []  # it was released from quarantine: its owner has been told before
    channel = catalog.TABLE[document.kind].channel
    if channel == Channel.EMAIL and not document.owner.email:
        return [_queue(document=document, channel=channel, sequence=1, cause="no_address", now=now, actor=actor)]
    return [_queue(document=document, channel=channel, sequence=1, now=now, actor=actor)]


def resend(
    *, document: Document, actor: log.Actor, now: dt.datetime, revoke_older: bool = False, reason: str = "resent"
) -> Delivery:
    """This function will queue one more mail, with a link of its own, to the address on file now.

    :param revoke_older: ends the owner's other open links to this document.
    :raises errors.Problem: `document_not_ready`, `document_quarantined`; `validation_error` where no address is on file
    """
    if document.status != Status.LOCKED:
        quarantined = document.status == Status.QUARANTINED
        raise errors.Problem(code="document_quarantined" if quarantined else "document_not_ready", detail=document.number)
    if not document.owner.email:
        raise errors.Problem(code="validation_error", detail="the owner has no e-mail address on file")
    with transaction.atomic():
        Document.objects.select_for_update(no_key=True).get(pk=document.pk)
        same = Delivery.objects.filter(document=document, recipient=document.owner, channel=Channel.EMAIL)
        last = same.aggregate(last=Max("sequence"))["last"] or 0
        if revoke_older:
            links.revoke_open(recipient=document.owner, document=document, reason=reason, actor=actor, now=now)
        made = _queue(document=document, channel=Channel.EMAIL, sequence=last + 1, now=now, actor=actor)
        transaction.on_commit(functools.partial(resilience.ring, "documents.deliver", [made.pk]))
    return made


def renew(*, document: Document, actor: log.Actor, now: dt.datetime) -> Delivery | None:
    """This function will answer a person who holds a dead link: a new one by e-mail, or None where none may be sent.

    Whoever asks learns nothing from it, so the door answers the same in every case.
    """
    owner = document.owner
    if document.status != Status.LOCKED or not owner.email:
        return None
    if document.links.filter(recipient=owner, revoked_reason=links.WRONG_PERSON).exists():
        return None  # the address on file is somebody else's
    with transaction.atomic():
        Document.objects.select_for_update(no_key=True).get(pk=document.pk)
        if Delivery.objects.filter(
            document=document, recipient=owner, channel=Channel.EMAIL, queued_at__gt=now - REPEAT
        ).exists():
            return None
        return resend(document=document, actor=actor, now=now)


def due(*, now: dt.datetime, limit: int) -> list[int]:
    """This function will return deliveries that may be tried now, the longest waiting first."""
    waiting = Delivery.objects.filter(status=DeliveryStatus.QUEUED, next_try_at__lte=now)
    alone = Q(channel=Channel.DIGEST, lease=None)  # not bundled yet: `digest` comes first
    return list(waiting.exclude(alone).order_by("next_try_at").values_list("pk", flat=True)[:limit])


def digest(*, now: dt.datetime) -> list[int]:
    """This function will bundle what is due for the week's summary, one mail a party, and return one delivery of each.

    Call it as often as you like. What is bundled shares a lease from then on: tried again after a crash, it is the same
    bundle with the same Message-ID.
    """
    waiting = Delivery.objects.filter(channel=Channel.DIGEST, status=DeliveryStatus.QUEUED, lease=None, next_try_at__lte=now)
    parties = waiting.exclude(recipient__email="").order_by("recipient_id").values_list("recipient_id", flat=True).distinct()
    bundled: list[int] = []
    for party in list(parties):
        mine = list(waiting.filter(recipient_id=party).order_by("id").values_list("pk", flat=True))
        for start in range(0, len(mine), DIGEST_MAX):
            part = mine[start : start + DIGEST_MAX]
            # Only rows that no other run has bundled meanwhile; a run that comes late bundles nothing.
            if waiting.filter(pk__in=part).update(lease=uuid.uuid4(), next_try_at=now):
                bundled.append(part[0])
    for pk in bundled:
        resilience.ring("documents.deliver", [pk])
    return bundled


def send(*, delivery_id: int, now: dt.datetime) -> None:
    """This function will send one mail that is due: claim, compose, hand over, confirm. Safe to repeat after any crash."""
    fence = uuid.uuid4()
    batch = _claim(delivery_id=delivery_id, fence=fence, now=now)
    if not batch:
        return
    with leases.held(model=Delivery, fence=fence):
        _send(batch=batch, fence=fence, now=now)


def _send(*, batch: list[Delivery], fence: uuid.UUID, now: dt.datetime) -> None:
    """This function will bring a claimed mail to one of its ends, or put it down for later."""
    batch = _sendable(batch=batch, fence=fence, now=now)
    if not batch:
        return
    recipient = batch[0].recipient
    if not recipient.email:
        _end(batch=batch, fence=fence, status=DeliveryStatus.NOT_WANTED, cause="no_address", now=now)
        return
    try:
        message = letters.compose(batch=batch, now=now)
        resilience.call(dependency="mail", work=lambda: mailbox.hand_over(message=message))
    except resilience.Degraded:
        _again(batch=batch, fence=fence, cause="mail_unavailable", now=now)
    except smtplib.SMTPException as refusal:
        if _for_good(refusal=refusal):
            _end(batch=batch, fence=fence, status=DeliveryStatus.BOUNCED, cause="recipient_refused", now=now)
        else:
            _again(batch=batch, fence=fence, cause="sender_refused", now=now)
    except Exception:
        # One letter that cannot be written must not be tried every second, nor stop the others.
        logger.exception("delivery.failed", extra={"delivery": batch[0].public_id})
        _again(batch=batch, fence=fence, cause="internal_error", now=now)
    else:
        confirm(batch=batch, fence=fence, now=now)


def confirm(*, batch: Sequence[Delivery], fence: uuid.UUID, now: dt.datetime) -> None:
    """This function will record that the mail is out, if the claim still stands; a zombie changes nothing."""
    _end(batch=batch, fence=fence, status=DeliveryStatus.SENT, cause="", now=now)


def summary_at(*, document: Document, now: dt.datetime) -> dt.datetime:
    """This function will return the next moment of the weekly summary at the document's place, later than `now`."""
    local = now.astimezone(wording.place(document=document))
    day = local.date() + dt.timedelta(days=(WEEKDAY - local.weekday()) % 7)
    moment = dt.datetime.combine(day, dt.time(hour=HOUR), tzinfo=local.tzinfo)
    return moment if moment > local else moment + dt.timedelta(days=7)


def address_digest(*, address: str) -> str:
    """This function will return what is kept of an address that was used: a digest that only this service can repeat."""
    return hmac.new(settings.LINK_KEY.encode(), f"address:{address.strip().lower()}".encode(), hashlib.sha256).hexdigest()


def _queue(
    *, document: Document, channel: Channel, sequence: int, now: dt.datetime, actor: log.Actor, cause: str = ""
) -> Delivery:
    """This function will write a delivery with its Message-ID and its audit event."""
    public_id = identifiers.new(prefix="dlv")
    status = DeliveryStatus.NOT_WANTED if cause else DeliveryStatus.QUEUED
    made = Delivery.objects.create(
        public_id=public_id,
        document=document,
        recipient=document.owner,
        channel=channel,
        status=status,
        sequence=sequence,
        cause=cause,
        message_id=f"<{public_id}@{urlsplit(settings.PUBLIC_URL).hostname or 'localhost'}>",
        queued_at=now,
        next_try_at=None if cause else now if channel == Channel.EMAIL else summary_at(document=document, now=now),
    )
    action = Action.DELIVERY_NOT_WANTED if cause else Action.DELIVERY_RESENT if sequence > 1 else Action.DELIVERY_QUEUED
    _record(action, delivery=made, actor=actor, code=cause, document=document.public_id)
    return made


def _claim(*, delivery_id: int, fence: uuid.UUID, now: dt.datetime) -> list[Delivery]:
    """This function will lease a due delivery, with all of its bundle, in one statement; empty where somebody else has it."""
    free = Q(status=DeliveryStatus.QUEUED, next_try_at__lte=now) & (Q(lease_until_at=None) | Q(lease_until_at__lt=now))
    one = Delivery.objects.filter(free, pk=delivery_id).values("channel", "lease").first()
    if one is None or (one["channel"] == Channel.DIGEST and one["lease"] is None):
        return []  # the second waits for its bundle
    bundle = Q(lease=one["lease"]) if one["channel"] == Channel.DIGEST else Q(pk=delivery_id)
    until_at = now + dt.timedelta(seconds=settings.LEASE_S)
    claimed = Delivery.objects.filter(free, bundle).update(
        lease=fence, lease_until_at=until_at, next_try_at=until_at, attempts=F("attempts") + 1
    )
    if not claimed:
        return []
    held = Delivery.objects.select_related("document__issuer", "recipient").filter(lease=fence)
    return list(held.order_by("id"))


def _sendable(*, batch: list[Delivery], fence: uuid.UUID, now: dt.datetime) -> list[Delivery]:
    """This function will keep back what is in quarantine: a bundle goes without it, unless it may be out already."""
    withheld = [one.pk for one in batch if one.document.status != Status.LOCKED]
    if not withheld:
        return batch
    if len(withheld) == len(batch) or batch[0].attempts > 1:
        _rest(batch=batch, fence=fence, cause="document_withheld", wait=WITHHELD, now=now)
        return []
    loose = Delivery.objects.filter(pk__in=withheld, lease=fence)
    loose.update(lease=None, lease_until_at=None, next_try_at=now + WITHHELD, attempts=0)  # a later summary's
    return [one for one in batch if one.pk not in withheld]


def _for_good(*, refusal: smtplib.SMTPException) -> bool:
    """This function will say whether the recipient's side refused for ever; a refused sender or login is our own fault."""
    if isinstance(refusal, smtplib.SMTPRecipientsRefused):
        return all(code >= REFUSED_SMTP for code, _text in refusal.recipients.values())
    return isinstance(refusal, smtplib.SMTPDataError) and refusal.smtp_code >= REFUSED_SMTP


def _again(*, batch: Sequence[Delivery], fence: uuid.UUID, cause: str, now: dt.datetime) -> None:
    """This function will put a mail down for a later try, or give it up when its time is over."""
    oldest = min(one.queued_at for one in batch)
    if now - oldest > PATIENCE[Channel(batch[0].channel)]:
        _end(batch=batch, fence=fence, status=DeliveryStatus.BOUNCED, cause=cause, now=now)
        return
    wait_s = resilience.backoff_s(dependency="mail", attempt=batch[0].attempts)
    _rest(batch=batch, fence=fence, cause=cause, wait=dt.timedelta(seconds=wait_s), now=now)


def _rest(*, batch: Sequence[Delivery], fence: uuid.UUID, cause: str, wait: dt.timedelta, now: dt.datetime) -> None:
    """This function will give the lease's time back and keep its id: it is what holds a bundle together."""
    with transaction.atomic():
        rested = Delivery.objects.filter(lease=fence, status=DeliveryStatus.QUEUED).update(
            cause=cause, lease_until_at=None, next_try_at=now + wait
        )
        if rested:
            for one in batch:
                _record(Action.DELIVERY_FAILED, delivery=one, actor=log.SYSTEM, code=cause, outcome="failed")


_ENDS = {
    DeliveryStatus.SENT: Action.DELIVERY_SENT,
    DeliveryStatus.BOUNCED: Action.DELIVERY_BOUNCED,
    DeliveryStatus.NOT_WANTED: Action.DELIVERY_NOT_WANTED,
}


def _end(*, batch: Sequence[Delivery], fence: uuid.UUID, status: DeliveryStatus, cause: str, now: dt.datetime) -> None:
    """This function will move a claimed mail to where it ends, with its audit events, in one transaction."""
    sent = status == DeliveryStatus.SENT
    with transaction.atomic():
        moved = Delivery.objects.filter(lease=fence, status=DeliveryStatus.QUEUED).update(
            status=status,
            cause=cause,
            sent_at=now if sent else None,
            address_digest=address_digest(address=batch[0].recipient.email) if batch[0].recipient.email else "",
            lease=None,
            lease_until_at=None,
            next_try_at=None,
        )
        if not moved:
            return
        outcome = "failed" if status == DeliveryStatus.BOUNCED else "ok"
        for one in batch:
            _record(_ENDS[status], delivery=one, actor=log.SYSTEM, code=cause, outcome=outcome, message_id=batch[0].message_id)
        if status == DeliveryStatus.BOUNCED:
            _alert(delivery=batch[0], recipient=batch[0].recipient, cause=cause)
    metrics.DELIVERY.labels(status=status).inc(moved)


def _alert(*, delivery: Delivery, recipient: Party, cause: str) -> None:
    """This function will tell a person that a mail came to nothing; one incident a recipient, not one a mail."""
    alerts.open_alert(
        code="delivery_failed",
        severity="P2",
        dedup_key=f"delivery:{recipient.public_id}",
        detail=f"Mail to {recipient.platform_id} was given up: {cause}",
        object_id=delivery.public_id,
        fallback="El documento está en el panel / The document is in the panel",
    )


def _record(
    action: Action, *, delivery: Delivery, actor: log.Actor, code: str = "", outcome: str = "ok", **details: str
) -> None:
    log.record(
        action=action,
        object_type="delivery",
        object_id=delivery.public_id,
        actor=actor,
        code=code,
        outcome=outcome,
        details=details or None,
    )
