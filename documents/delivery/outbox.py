"""The moves of a delivery's row: leased, put off with its cause, ended with its audit events."""

import datetime as dt
import hashlib
import hmac
import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from audit import log
from audit.actions import Action
from documents import metrics
from documents.alerts import incidents
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


def lease(*, rows: QuerySet[Delivery], fence: uuid.UUID, now: dt.datetime) -> list[Delivery]:
    """Lease the first of `rows` with all of its bundle, at once; empty where there is none.

    A worker that asks at the same moment waits until the bundle is leased, and gets the next one: passing over a locked
    row, it would get the second half of the same bundle.
    """
    with transaction.atomic():
        first = rows.select_for_update(no_key=True).values("pk", "channel", "lease").first()
        if first is None:
            return []
        bundle = Q(lease=first["lease"]) if first["channel"] == Channel.DIGEST else Q(pk=first["pk"])
        Delivery.objects.filter(bundle, status=DeliveryStatus.QUEUED).update(
            lease=fence, lease_until_at=leases.until(now=now), attempts=F("attempts") + 1
        )
    batch = Delivery.objects.select_related("document__issuer", "recipient").defer("document__issuer__logo")
    return list(batch.filter(lease=fence).order_by("id"))


def sendable(*, batch: list[Delivery], fence: uuid.UUID, now: dt.datetime) -> list[Delivery]:
    """Return what may be sent: a bundle goes without documents in quarantine, unless it may be out already."""
    withheld = [delivery.pk for delivery in batch if delivery.document.status != Status.LOCKED]
    if not withheld:
        return batch
    if len(withheld) == len(batch) or batch[0].attempts > 1:
        rest(batch=batch, fence=fence, cause="document_withheld", wait=WITHHELD, now=now)
        return []
    loose = Delivery.objects.filter(pk__in=withheld, lease=fence)
    loose.update(lease=None, lease_until_at=None, next_try_at=now + WITHHELD, attempts=0)  # a later summary's
    return [delivery for delivery in batch if delivery.pk not in withheld]


def again(*, batch: Sequence[Delivery], fence: uuid.UUID, cause: str, now: dt.datetime) -> None:
    """Put a mail off for a later try, or give it up when its time is over."""
    oldest = min(delivery.queued_at for delivery in batch)
    if now - oldest > PATIENCE[Channel(batch[0].channel)]:
        end(batch=batch, fence=fence, status=DeliveryStatus.BOUNCED, cause=cause, now=now)
        return
    wait_s = dependencies.backoff_s(dependency="mail", attempt=batch[0].attempts)
    rest(batch=batch, fence=fence, cause=cause, wait=dt.timedelta(seconds=wait_s), now=now)


def rest(*, batch: Sequence[Delivery], fence: uuid.UUID, cause: str, wait: dt.timedelta, now: dt.datetime) -> None:
    """End the lease's time but leave its id, by which the deliveries of a bundle belong together."""
    with transaction.atomic():
        rested = Delivery.objects.filter(lease=fence, status=DeliveryStatus.QUEUED).update(
            cause=cause, lease_until_at=None, next_try_at=now + wait
        )
        if rested:
            for delivery in batch:
                record(Action.DELIVERY_FAILED, delivery=delivery, actor=log.SYSTEM, code=cause, outcome="failed")


def end(*, batch: Sequence[Delivery], fence: uuid.UUID, status: DeliveryStatus, cause: str, now: dt.datetime) -> None:
    """Move a leased mail to where it ends, with its audit events, in one transaction."""
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
    metrics.DELIVERY.labels(status=status).inc(moved)


def _alert(*, delivery: Delivery, recipient: Party, cause: str) -> None:
    """Open an alert for a mail that was given up; one incident a recipient, not one a mail."""
    incidents.open_alert(
        code="delivery_failed",
        severity="P2",
        dedup_key=f"delivery:{recipient.public_id}",
        detail=f"Mail to {recipient.platform_id} was given up: {cause}",
        object_id=delivery.public_id,
        fallback="El documento está en el panel / The document is in the panel",
    )


def address_digest(*, address: str) -> str:
    """Return what is stored of an address that was used: a keyed digest."""
    return hmac.new(
        settings.LINK_KEY.encode(), f"address:{address.strip().lower()}".encode(), hashlib.sha256
    ).hexdigest()


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
