"""The Celery tasks: each moves one row as far as it goes. Running a task twice changes nothing."""

from celery import shared_task
from django.utils import timezone

from documents.custody import erasure, log_looks
from documents.delivery import deliveries, invitations, notices, sign_in_codes
from documents.emission import locking
from documents.events import backlog, intake
from documents.models import Erased
from documents.operations import sweeper
from documents.task_names import TaskName

NIGHT_S, LOG_LOOK_S = 3600, 240


@shared_task(name=TaskName.ADVANCE)
def advance(*, document_id: int) -> None:
    """Lock an issued document."""
    locking.advance(document_id=document_id, now=timezone.now())


@shared_task(name=TaskName.ADVANCE_PAYOUT)
def advance_payout(*, document_id: int) -> None:
    """Lock an issued document of a payout: the same, from a queue of its own."""
    locking.advance(document_id=document_id, now=timezone.now())


@shared_task(name=TaskName.DELIVER)
def deliver(*, delivery_id: int) -> None:
    """Send one delivery."""
    deliveries.send(delivery_id=delivery_id, now=timezone.now())


@shared_task(name=TaskName.NOTIFY)
def notify(*, notice_id: int) -> None:
    """Send one notice of a change."""
    notices.send(notice_id=notice_id, now=timezone.now())


@shared_task(name=TaskName.INVITE)
def invite(*, invitation_id: int) -> None:
    """Send one invitation."""
    invitations.send(invitation_id=invitation_id, now=timezone.now())


@shared_task(name=TaskName.MAIL_CODE)
def mail_code(*, code_id: int) -> None:
    """Send one code to sign in with."""
    sign_in_codes.send(code_id=code_id, now=timezone.now())


@shared_task(name=TaskName.RESUME)
def resume(*, event_id: int) -> None:
    """Run a waiting event again."""
    intake.resume(event_id=event_id, now=timezone.now())


@shared_task(name=TaskName.ISSUE_HELD)
def issue_held(*, issuer_id: int) -> None:
    """Issue what was held while an issuer was paused, for a while: what is left after that is the next task's."""
    backlog.issue_on(issuer_id=issuer_id, now=timezone.now())


@shared_task(name=TaskName.ERASE, soft_time_limit=NIGHT_S, time_limit=NIGHT_S + 60)
def erase() -> None:
    """Erase what is personal and past its time."""
    for what in Erased:
        for _erased in erasure.erase(what=what):
            pass


@shared_task(name=TaskName.VERIFY_LOG, soft_time_limit=LOG_LOOK_S, time_limit=LOG_LOOK_S + 30)
def verify_log() -> None:
    """Look at the end of the sealed log and at old parts of it drawn by lot."""
    log_looks.look(now=timezone.now())


@shared_task(name=TaskName.SWEEP)
def sweep() -> None:
    """Do one round of the sweeper."""
    sweeper.sweep(now=timezone.now())
