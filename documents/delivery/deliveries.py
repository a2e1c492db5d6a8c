"""Deliveries: one record for each recipient and channel, leased, sent with a fixed Message-ID, and confirmed.

A crash between sending and confirming sends the mail again, with the same Message-ID and the same link: a mailbox shows
it once. Delays are stored in PostgreSQL (`next_try_at`); nothing here waits, and nothing here delays a document.
"""

import datetime as dt
import functools
import logging
import smtplib
from collections.abc import Sequence

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from structlog import contextvars

from audit import log
from audit.actions import Action
from documents import catalog, errors, formatting, identifiers, locks
from documents.delivery import letters, links, mailbox, outbox
from documents.models import Channel, Delivery, DeliveryStatus, Document, Kind, Link, Party, RevokeReason, Status
from documents.resilience import calls, leases, queue
from documents.task_names import TaskName

logger = logging.getLogger(__name__)
EmlFolder = mailbox.EmlFolder  # the name by which MAIL_URL=file:///... asks for it

DIGEST_MAX = 1000  # documents behind the link of one mail
WEEKDAY, HOUR = 0, 9  # the summary goes out on Monday mornings, by the clock of the document's own place
REPEAT = dt.timedelta(minutes=10)  # a person who asks for a new link twice within this gets one


def plan(*, document: Document, now: dt.datetime, actor: log.Actor) -> list[Delivery]:
    """Queue the delivery that the document's kind asks for, once, in the transaction that locks the document."""
    if Delivery.objects.filter(document=document).exists():
        return []  # it was released from quarantine: its owner got it before
    channel = catalog.TABLE[Kind(document.kind)].channel
    if channel == Channel.EMAIL and not document.owner.email:
        return [_queue(document=document, channel=channel, sequence=1, cause="no_address", now=now, actor=actor)]
    return [_queue(document=document, channel=channel, sequence=1, now=now, actor=actor)]


def resend(
    *,
    document: Document,
    actor: log.Actor,
    now: dt.datetime,
    revoke_older: bool = False,
    reason: str = RevokeReason.RESENT,
    link: Link | None = None,
) -> Delivery:
    """Queue one more mail, with a link of its own, to the address on file now.

    :param revoke_older: ends the owner's other open links to this document; those to a week of his stay.
    :param link: the one that was asked to be sent again, for the record
    :raises errors.Problem: `document_not_ready`, `document_quarantined`, `document_disposed`;
        `validation_error` where no address is on file
    """
    check_locked(document=document)
    _check_address(party=document.owner)
    with transaction.atomic():
        locks.rows(queryset=Document.objects.filter(pk=document.pk).only("pk"))
        same = Delivery.objects.filter(document=document, recipient=document.owner, channel=Channel.EMAIL)
        last = same.aggregate(last=Max("sequence"))["last"] or 0
        if revoke_older:
            links.revoke_open(recipient=document.owner, documents=[document], reason=reason, actor=actor, now=now)
        made = _queue(document=document, channel=Channel.EMAIL, sequence=last + 1, now=now, actor=actor, link=link)
        transaction.on_commit(functools.partial(queue.enqueue, task=TaskName.DELIVER, delivery_id=made.pk))
    return made


def resend_link(*, link: Link, actor: log.Actor, now: dt.datetime) -> Delivery:
    """Queue one more mail of all that a link leads to, with a new link; the open ones to just that end.

    Of a week, what nobody gets now is left out.

    :raises errors.Problem: what `resend` raises; `validation_error` for a shared link, which no mail brought
    """
    if link.reader:
        raise errors.Problem(code="validation_error", values={"cause": "shared_link"})
    if not link.weekly:
        return resend(document=link.document, actor=actor, now=now, revoke_older=True, link=link)
    owner = link.recipient
    _check_address(party=owner)
    with transaction.atomic():
        documents = _of_week(link=link)
        if not documents:
            check_locked(document=link.document)
            raise errors.Problem(code="document_not_ready")
        led = [link.document, *documents]
        links.revoke_open(recipient=owner, documents=led, weekly=True, reason=RevokeReason.RESENT, actor=actor, now=now)
        return _queue_week(documents=documents, link=link, actor=actor, now=now)


def _check_address(*, party: Party) -> None:
    """Refuse a party that no mail reaches.

    :raises errors.Problem: `validation_error`
    """
    if not party.email:
        raise errors.Problem(code="validation_error", values={"cause": "no_address"})


def check_locked(*, document: Document) -> None:
    """Refuse a document whose bytes nobody gets now.

    :raises errors.Problem: `document_not_ready`, `document_quarantined`, `document_disposed`
    """
    if document.status != Status.LOCKED:
        codes = {Status.QUARANTINED: "document_quarantined", Status.DISPOSED: "document_disposed"}
        raise errors.Problem(code=codes.get(Status(document.status), "document_not_ready"))


def renew(*, document: Document, actor: log.Actor, now: dt.datetime) -> Delivery | None:
    """Send a new link to the owner of a dead one by e-mail; None where none may be sent.

    The door answers the same in every case, so that who asks learns nothing.
    """
    owner = document.owner
    if document.status != Status.LOCKED or not owner.email:
        return None
    if document.links.filter(recipient=owner, reader="", revoked_reason=RevokeReason.WRONG_PERSON).exists():
        return None  # the address on file is somebody else's
    with transaction.atomic():
        locks.rows(queryset=Document.objects.filter(pk=document.pk).only("pk"))
        if Delivery.objects.filter(
            document=document, recipient=owner, channel=Channel.EMAIL, queued_at__gt=now - REPEAT
        ).exists():
            return None
        return resend(document=document, actor=actor, now=now)


def renew_week(*, link: Link, actor: log.Actor, now: dt.datetime) -> Delivery | None:
    """Send a new link to the documents of a week's link that is dead; None where none may be sent, as in `renew`."""
    owner = link.recipient
    with transaction.atomic():
        documents = _of_week(link=link)
        sent = Delivery.objects.filter(document__in=documents, recipient=owner, channel=Channel.DIGEST)
        wrong = Link.objects.filter(
            Q(document__in=documents) | Q(pk=link.pk),
            recipient=owner,
            reader="",
            revoked_reason=RevokeReason.WRONG_PERSON,
        )
        lately = sent.filter(sequence__gt=1, queued_at__gt=now - REPEAT)
        if not documents or not owner.email or wrong.exists() or lately.exists():
            return None
        return _queue_week(documents=documents, link=link, actor=actor, now=now)


def _of_week(*, link: Link) -> list[Document]:
    """Return the documents of a week's link that are LOCKED, each held still until the end of the transaction."""
    return locks.rows(queryset=links.documents(link=link).filter(status=Status.LOCKED))


def _queue_week(*, documents: Sequence[Document], link: Link, actor: log.Actor, now: dt.datetime) -> Delivery:
    """Queue one mail of a week's documents, due at once, and return its first delivery."""
    sent = Delivery.objects.filter(document__in=documents, recipient=link.recipient, channel=Channel.DIGEST)
    last = dict(sent.order_by().values_list("document").annotate(last=Max("sequence")))
    made = [
        _queue(document=row, channel=Channel.DIGEST, sequence=last[row.pk] + 1, link=link, now=now, actor=actor)
        for row in documents
    ]
    locks.inserted(rank=locks.Rank.DELIVERY, keys=[(delivery.pk,) for delivery in made])
    Delivery.objects.filter(pk__in=[delivery.pk for delivery in made]).update(bundle=made[0], next_try_at=now)
    transaction.on_commit(functools.partial(queue.enqueue, task=TaskName.DELIVER, delivery_id=made[0].pk))
    return made[0]


def due(*, now: dt.datetime) -> QuerySet[Delivery]:
    """Return the mails that may be tried now, by the delivery that is leased for each, the longest waiting first."""
    mails = Q(channel=Channel.EMAIL) | Q(bundle=F("pk"))  # the week's summary once `digest` has bundled it
    return leases.due(rows=Delivery.objects.filter(mails, status=DeliveryStatus.QUEUED), now=now)


def digest(*, now: dt.datetime) -> list[int]:
    """Bundle what is due for the week's summary, one mail a party, and return the first delivery of each.

    Safe to repeat, and by several at once. A bundle stays together: tried again after a crash, it is the same one with
    the same Message-ID.
    """
    waiting = Delivery.objects.filter(
        channel=Channel.DIGEST, status=DeliveryStatus.QUEUED, bundle=None, next_try_at__lte=now
    )
    parties = (
        waiting.exclude(recipient__email="").order_by("recipient_id").values_list("recipient_id", flat=True).distinct()
    )
    bundled = [first for party in list(parties) for first in _bundle(rows=waiting.filter(recipient_id=party), now=now)]
    for pk in bundled:
        queue.enqueue(task=TaskName.DELIVER, delivery_id=pk)
    return bundled


def _bundle(*, rows: QuerySet[Delivery], now: dt.datetime) -> list[int]:
    """Bundle the deliveries of a party and return the first of each bundle; what another run bundles is left to it."""
    with transaction.atomic():
        mine = [delivery.pk for delivery in locks.rows(queryset=rows.only("pk"), skip_locked=True)]
        firsts = mine[::DIGEST_MAX]
        for place, first in enumerate(firsts):
            part = mine[place * DIGEST_MAX :][:DIGEST_MAX]
            Delivery.objects.filter(pk__in=part).update(bundle=first, next_try_at=now)
    return firsts


def send(*, delivery_id: int, now: dt.datetime) -> None:
    """Send one mail that is due: lease, compose, hand over, confirm. Safe to repeat."""
    send_next(rows=due(now=now).filter(pk=delivery_id), now=now)


def send_next(*, rows: QuerySet[Delivery], now: dt.datetime) -> bool:
    """Send the first of `rows` that no other worker has, with all of its bundle; return whether there was one."""
    with leases.lease(rows=rows, now=now) as lease:
        if lease is None:
            return False
        batch = outbox.bundle(lease=lease)
        with contextvars.bound_contextvars(delivery=batch[0].public_id):  # the log
            _send(batch=batch, lease=lease, now=now)
        return True


def _send(*, batch: list[Delivery], lease: leases.Lease, now: dt.datetime) -> None:
    """Send a leased mail and record its end, or put it off."""
    batch = outbox.sendable(batch=batch, lease=lease, now=now)
    if not batch:
        return
    recipient = batch[0].recipient
    if not recipient.email:
        outbox.end(batch=batch, lease=lease, status=DeliveryStatus.NOT_WANTED, cause="no_address", now=now)
        return
    try:
        message = letters.compose(batch=batch, now=now)
        calls.call(dependency="mail", work=lambda: mailbox.hand_over(message=message))
    except calls.DependencyDown:
        outbox.again(batch=batch, lease=lease, cause="mail_unavailable", now=now)
    except smtplib.SMTPException as refusal:
        if mailbox.for_good(refusal=refusal):
            outbox.end(batch=batch, lease=lease, status=DeliveryStatus.BOUNCED, cause="recipient_refused", now=now)
        else:
            outbox.again(batch=batch, lease=lease, cause="sender_refused", now=now)
    except Exception:
        # One letter that cannot be written must not be tried every second, nor stop the others.
        logger.exception("delivery.failed")
        outbox.again(batch=batch, lease=lease, cause="internal_error", now=now)
    else:
        confirm(batch=batch, lease=lease, now=now)


def confirm(*, batch: Sequence[Delivery], lease: leases.Lease, now: dt.datetime) -> None:
    """Record that the mail is out, if the lease still stands; a worker that lost it changes nothing."""
    outbox.end(batch=batch, lease=lease, status=DeliveryStatus.SENT, cause="", now=now)


def summary_at(*, document: Document, now: dt.datetime) -> dt.datetime:
    """Return the next moment of the weekly summary at the document's place, later than `now`."""
    local = now.astimezone(formatting.time_zone(document=document))
    day = local.date() + dt.timedelta(days=(WEEKDAY - local.weekday()) % 7)
    moment = dt.datetime.combine(day, dt.time(hour=HOUR), tzinfo=local.tzinfo)
    return moment if moment > local else moment + dt.timedelta(days=7)


def _queue(
    *,
    document: Document,
    channel: Channel,
    sequence: int,
    now: dt.datetime,
    actor: log.Actor,
    cause: str = "",
    link: Link | None = None,
) -> Delivery:
    """Write a delivery with its Message-ID and its audit event, which names the link that it follows."""
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
        message_id=mailbox.message_id(reference=public_id),
        queued_at=now,
        next_try_at=None if cause else now if channel == Channel.EMAIL else summary_at(document=document, now=now),
    )
    action = Action.DELIVERY_NOT_WANTED if cause else Action.DELIVERY_RESENT if sequence > 1 else Action.DELIVERY_QUEUED
    follows = {"link": link.public_id} if link is not None else {}
    outbox.record(action, delivery=made, actor=actor, code=cause, document=document.public_id, **follows)
    return made
