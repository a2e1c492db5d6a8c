"""What the doorbell rings: each task moves one row as far as it goes. Running one twice changes nothing."""

from celery import shared_task
from django.utils import timezone

from documents.delivery import deliveries, notices
from documents.emission import locking
from documents.events import intake
from documents.operations import sweeper


@shared_task(name="documents.advance")  # type: ignore[untyped-decorator]  # Celery has no types
def advance(document_id: int) -> None:
    """Lock an issued document."""
    locking.advance(document_id=document_id, now=timezone.now())


@shared_task(name="documents.deliver")  # type: ignore[untyped-decorator]  # Celery has no types
def deliver(delivery_id: int) -> None:
    """Tell one recipient."""
    deliveries.send(delivery_id=delivery_id, now=timezone.now())


@shared_task(name="documents.notify")  # type: ignore[untyped-decorator]  # Celery has no types
def notify(notice_id: int) -> None:
    """Tell one party of a change."""
    notices.send(notice_id=notice_id, now=timezone.now())


@shared_task(name="documents.resume")  # type: ignore[untyped-decorator]  # Celery has no types
def resume(event_id: int) -> None:
    """Look at a parked event again."""
    intake.resume(event_id=event_id, now=timezone.now())


@shared_task(name="documents.sweep")  # type: ignore[untyped-decorator]  # Celery has no types
def sweep() -> None:
    """Do one round of the sweeper."""
    sweeper.sweep(now=timezone.now())
