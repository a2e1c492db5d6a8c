"""Invitations: a mail with a link by which a person sets her password, once and within INVITATION_LIFE.

The token is an HMAC over the invitation's id, so the mail can be written again after a crash without its being stored:
the database knows its SHA-256 only.
"""

import datetime as dt
import functools
import hashlib

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from audit import log
from audit.actions import Action
from documents import errors, identifiers, locks
from documents.alerts import incidents
from documents.delivery import keyed, letters, links, mailbox, single_mails
from documents.models import Invitation, Person
from documents.resilience import queue
from documents.task_names import TaskName

LIFE = dt.timedelta(hours=72)


def plan(*, person: Person, now: dt.datetime, actor: log.Actor) -> Invitation:
    """Queue an invitation; one that was open before opens nothing any more.

    :raises errors.Problem: `validation_error` for a person without an address
    """
    if not person.user.email:
        raise errors.Problem(code="validation_error")
    public_id = identifiers.new(prefix="inv")
    with transaction.atomic():
        locks.rows(queryset=Person.objects.filter(pk=person.pk).only("pk"))
        log.record(action=Action.PERSON_INVITED, object_type="user", object_id=person.public_id, actor=actor)
        _end(user=person.user, now=now)
        made = Invitation.objects.create(
            public_id=public_id,
            user=person.user,
            token_sha256=links.digest(token=token(public_id=public_id)),
            message_id=mailbox.message_id(reference=public_id),
            queued_at=now,
            next_try_at=now,
            expires_at=now + LIFE,
        )
        _record(Action.DELIVERY_QUEUED, made, actor=actor)
        transaction.on_commit(functools.partial(queue.enqueue, task=TaskName.INVITE, invitation_id=made.pk))
    return made


def token(*, public_id: str, stored: str = "") -> str:
    """Return an invitation's secret: 43 characters of base64url, the same at every call.

    :param stored: what the row has of it, so that it stays the same under another LINK_KEY
    """
    return keyed.token(text=f"invitation:{public_id}", stored=stored)


def url(*, invitation: Invitation) -> str:
    """Return the address that goes into the mail."""
    return f"{settings.PUBLIC_URL}/invitation/{token(public_id=invitation.public_id, stored=invitation.token_sha256)}/"


def find(*, token: str) -> Invitation | None:
    """Return the invitation of a token, of whatever state."""
    digest = hashlib.sha256(token.encode(errors="replace")).hexdigest()
    return Invitation.objects.select_related("user__person").filter(token_sha256=digest).first()


def is_open(*, invitation: Invitation, now: dt.datetime) -> bool:
    """Tell whether an invitation can still be used."""
    person = invitation.user.person
    return invitation.ended_at is None and now < invitation.expires_at and person.suspended_at is None


def accept(*, invitation: Invitation, hashed: str, now: dt.datetime, actor: log.Actor) -> bool:
    """Set the password of who was invited, once; False where the invitation opens nothing any more.

    :param hashed: the password as it is stored: nothing is hashed while a row is locked
    """
    with transaction.atomic():
        [locked] = locks.rows(queryset=Invitation.objects.select_related("user__person").filter(pk=invitation.pk))
        if not is_open(invitation=locked, now=now):
            return False
        user = locked.user
        user.password = hashed
        user.save(update_fields=["password"])
        log.record(action=Action.CREDENTIAL_CHANGED, object_type="user", object_id=user.person.public_id, actor=actor)
        _end(user=user, now=now)
    return True


def _end(*, user: User, now: dt.datetime) -> None:
    """End what a user was invited by."""
    Invitation.objects.filter(user=user, ended_at=None).update(ended_at=now)


def _alert(invitation: Invitation, cause: str) -> None:
    """Open an alert: who was invited did not get the mail."""
    person = invitation.user.person.public_id
    incidents.open_alert(
        code="delivery_failed",
        dedup_key=f"invitation:{person}",
        values={"recipient": person, "failure": cause},
        object_id=invitation.public_id,
    )


def _record(
    action: Action, row: Invitation, *, code: str = "", outcome: str = "ok", actor: log.Actor = log.SYSTEM
) -> None:
    """Put one step of an invitation's mail on record, in the caller's transaction."""
    log.record(
        action=action,
        object_type="invitation",
        object_id=row.public_id,
        actor=actor,
        code=code,
        outcome=outcome,
        details={"user": row.user.person.public_id, "message_id": row.message_id},
    )


MAIL = single_mails.MailKind[Invitation](
    name="invitation",
    rows=lambda: Invitation.objects.select_related("user__person"),
    letter=lambda row: letters.invitation(invitation=row, url=url(invitation=row)),
    record=_record,
    alert=_alert,
)
due, send_next = MAIL.due, MAIL.send_next


def send(*, invitation_id: int, now: dt.datetime) -> None:
    """Send one invitation that is due. Safe to repeat."""
    MAIL.send(pk=invitation_id, now=now)
