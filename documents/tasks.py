"""The Celery tasks: each moves one row as far as it goes. Running a task twice changes nothing."""

from celery import shared_task
from django.utils import timezone

from documents.delivery import deliveries, notices
from documents.emission import locking
from documents.events import intake
from documents.operations import sweeper


@shared_task(name="documents.advance")
def advance(document_id: int) -> None:
    """Lock an issued document."""
    locking.advance(document_id=document_id, now=timezone.now())


@shared_task(name="documents.deliver")
def deliver(delivery_id: int) -> None:
    """Send one delivery."""
    deliveries.send(delivery_id=delivery_id, now=timezone.now())


@shared_task(name="documents.notify")
def notify(notice_id: int) -> None:
    """Send one notice of a change."""
    notices.send(notice_id=notice_id, now=timezone.now())


@shared_task(name="documents.resume")
def resume(event_id: int) -> None:
    """Run a waiting event again."""
    intake.resume(event_id=event_id, now=timezone.now())


@shared_task(name="documents.sweep")
def sweep() -> None:
    """Do one round of the sweeper."""
    sweeper.sweep(now=timezone.now())
