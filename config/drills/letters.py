"""A mail to an address that leads nowhere: no worker sends it, and it is withdrawn in the end or by the next run."""

import datetime as dt

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from config.drills import receipts
from documents.delivery import deliveries, links, outbox
from documents.models import Delivery, DeliveryStatus, Document, RevokeReason
from documents.resilience import leases
from payouts.issuing import party_changes

NOBODY = "simulacro@billing-docs.invalid"  # a name that no mail server ever finds
FAR = dt.timedelta(days=30)  # workers send what is due: a run that is killed leaves time for the next one


def queue(*, document: Document) -> QuerySet[Delivery]:
    """Queue a mail to the document's owner, whose address leads nowhere, for a day on which it is gone."""
    with transaction.atomic():
        party_changes.change_contact(
            party=document.owner, email=NOBODY, locale=None, now=timezone.now(), actor=receipts.ACTOR
        )
        made = deliveries.resend(
            document=Document.objects.get(pk=document.pk), actor=receipts.ACTOR, now=timezone.now()
        )
        rows = Delivery.objects.filter(pk=made.pk)
        rows.update(next_try_at=timezone.now() + FAR)
    return rows


def withdraw(*, rows: QuerySet[Delivery]) -> None:
    """End a mail that is still queued, and its link."""
    with leases.lease(rows=rows.filter(status=DeliveryStatus.QUEUED), now=timezone.now()) as lease:
        if lease is None:
            return
        batch = outbox.bundle(lease=lease)
        links.revoke_open(
            recipient=batch[0].recipient, reason=RevokeReason.RESENT, actor=receipts.ACTOR, now=timezone.now()
        )
        outbox.end(batch=batch, lease=lease, status=DeliveryStatus.NOT_WANTED, cause="no_address", now=timezone.now())


def left(*, before: dt.datetime) -> QuerySet[Delivery]:
    """Return the mails to nobody that were queued before a moment and are still there."""
    return Delivery.objects.filter(
        recipient__email=NOBODY, document__issuer__slug=receipts.ISSUER, status=DeliveryStatus.QUEUED
    ).filter(queued_at__lt=before)
