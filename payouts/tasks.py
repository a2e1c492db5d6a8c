"""The scheduled tasks of this floor. Running one twice changes nothing."""

from celery import shared_task
from django.utils import timezone

from documents.access import actors
from documents.task_names import TaskName
from payouts.reconciliation import run

ACTOR = actors.program(name="reconciliation", channel="worker")
LIMIT_S = 3600


@shared_task(name=TaskName.RECONCILE, soft_time_limit=LIMIT_S, time_limit=LIMIT_S + 60)
def reconcile() -> None:
    """Compare statements, payouts and events once; what differs becomes a discrepancy."""
    run.run(walk=run.key_ranges(), now=timezone.now(), actor=ACTOR)
