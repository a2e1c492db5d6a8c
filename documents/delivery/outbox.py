"""The moves of a delivery's row: leased, put off with its cause, ended with its audit events."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from audit import log
from audit.actions import Action
from documents import locks, metrics
from documents.alerts import incidents
from documents.delivery import keyed
from documents.models import Channel, Delivery, DeliveryStatus, Party, Status
from documents.resilience import dependencies, leases

PATIENCE = {  # since queueing; after that the mail counts as bounced, with an alert
    Channel.EMAIL: dt.timedelta(hours=72),
    Channel.DIGEST: dt.timedelta(days=7, hours=72),  # it may have waited a week for its day
}
WITHHELD = dt.timedelta(hours=1)  # how long a mail about a document in quarantine waits before it looks again
ENDS = {
    DeliveryStatus.SENT: Action.DELIVERY_SENT,
    DeliveryStatus.BOUNCED: Action.DELIVERY_BOUNCED,
    DeliveryStatus.NOT_WANTED: Action.DELIVERY_NOT_WANTED,
}


def bundle(*, lease: leases.Lease) -> list[Delivery]:
    """Return a leased delivery, and after it those that go in the same mail."""
    waiting = Delivery.objects.filter(Q(pk=lease.pk) | Q(bundle=lease.pk), status=DeliveryStatus.QUEUED)
    return list(waiting.select_related("document__issuer", "recipient").defer("document__issuer__logo").order_by("id"))


def sendable(*, batch: list[Delivery], lease: leases.Lease, now: dt.datetime) -> list[Delivery]:
    """Return what may be sent: a bundle goes without documents in quarantine, unless it may be out already."""
    withheld = [delivery for delivery in batch if delivery.document.status != Status.LOCKED]
    if not withheld:
        return batch
    if len(withheld) == len(batch) or batch[0].attempts > 1:
        rest(batch=batch, lease=lease, cause="document_withheld", wait=WITHHELD, now=now)
        return []
    others = [delivery for delivery in batch if delivery not in withheld]
    later: dict[str, Any] = {"bundle": None, "next_try_at": now + WITHHELD, "attempts": 0}  # a later summary's
    with transaction.atomic():
        if batch[0] in others:
            stands = leases.write(lease=lease, bundle=batch[0])
        else:  # what is left is a bundle of its own, and the next in turn
            stands = leases.release(lease=lease, **later)
        if not stands:
            return []
        Delivery.objects.filter(pk__in=[delivery.pk for delivery in withheld if delivery.pk != lease.pk]).update(
            **later
        )
        Delivery.objects.filter(pk__in=[delivery.pk for delivery in others]).update(bundle=others[0])
    return others if batch[0] in others else []


def again(*, batch: Sequence[Delivery], lease: leases.Lease, cause: str, now: dt.datetime) -> None:
    """Put a mail off for a later try, or give it up when its time is over."""
    oldest = min(delivery.queued_at for delivery in batch)
    if now - oldest > PATIENCE[Channel(batch[0].channel)]:
        end(batch=batch, lease=lease, status=DeliveryStatus.BOUNCED, cause=cause, now=now)
        return
    wait_s = dependencies.backoff_s(dependency="mail", attempt=batch[0].attempts)
    rest(batch=batch, lease=lease, cause=cause, wait=dt.timedelta(seconds=wait_s), now=now)


def rest(*, batch: Sequence[Delivery], lease: leases.Lease, cause: str, wait: dt.timedelta, now: dt.datetime) -> None:
    """Put a leased mail off, with its audit events, in one transaction."""
    columns: dict[str, Any] = {"cause": cause, "next_try_at": now + wait}
    with transaction.atomic():
        if leases.release(lease=lease, **columns):
            _bundled(batch).update(attempts=batch[0].attempts, **columns)
            for delivery in batch:
                record(Action.DELIVERY_FAILED, delivery=delivery, actor=log.SYSTEM, code=cause, outcome="failed")


def end(
    *, batch: Sequence[Delivery], lease: leases.Lease, status: DeliveryStatus, cause: str, now: dt.datetime
) -> None:
    """Move a leased mail to where it ends, with its audit events, in one transaction."""
    columns = {
        "status": status,
        "cause": cause,
        "sent_at": now if status == DeliveryStatus.SENT else None,
        "address_digest": address_digest(address=batch[0].recipient.email) if batch[0].recipient.email else "",
    }
    with transaction.atomic():
        if not leases.finish(lease=lease, **columns):
            return
        _bundled(batch).update(attempts=batch[0].attempts, next_try_at=None, **columns)
        outcome = "failed" if status == DeliveryStatus.BOUNCED else "ok"
        for delivery in batch:
            record(
                ENDS[status],
                delivery=delivery,
                actor=log.SYSTEM,
                code=cause,
                outcome=outcome,
                message_id=batch[0].message_id,
            )
        if status == DeliveryStatus.BOUNCED:
            _alert(delivery=batch[0], recipient=batch[0].recipient, cause=cause)
    metrics.DELIVERY.labels(status=status).inc(len(batch))


def _bundled(batch: Sequence[Delivery]) -> QuerySet[Delivery]:
    """Return the rows of what goes in the mail of the first delivery, which alone is leased; to be updated."""
    others = [delivery.pk for delivery in batch[1:]]
    locks.declare(rank=locks.Rank.DELIVERY, keys=[(pk,) for pk in others])
    return Delivery.objects.filter(pk__in=others)


def _alert(*, delivery: Delivery, recipient: Party, cause: str) -> None:
    """Open an alert for a mail that was given up; one incident a recipient, not one a mail."""
    incidents.open_alert(
        code="delivery_failed",
        dedup_key=f"delivery:{recipient.public_id}",
        values={"recipient": recipient.platform_id, "failure": cause},
        object_id=delivery.public_id,
    )


def address_digest(*, address: str) -> str:
    """Return what is stored of an address that was used: a keyed digest."""
    return address_digests(address=address)[0]


def address_digests(*, address: str) -> list[str]:
    """Return what may be stored of an address, by the present key first: LINK_KEY was another one before."""
    return [digest.hex() for digest in keyed.digests(text=f"address:{address.strip().lower()}")]


def record(
    action: Action, *, delivery: Delivery, actor: log.Actor, code: str = "", outcome: str = "ok", **details: str
) -> None:
    """Put one step of a delivery on record, in the caller's transaction."""
    log.record(
        action=action,
        object_type="delivery",
        object_id=delivery.public_id,
        actor=actor,
        code=code,
        outcome=outcome,
        details=details or None,
    )
