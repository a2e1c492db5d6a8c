"""Who may sign in: added, limited, suspended and let in again here only, each with its event.

A person who is suspended, or whose time is over, has no role of staff any more and acts for nobody; what is her own as
a driver or partner she goes on reading.
"""

import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from audit import log
from audit.actions import Action
from documents.access import grants
from documents.access.actors import USER
from documents.models import Person


def add(
    *,
    login: str,
    email: str,
    actor: log.Actor,
    locale: str = "es",
    password: str | None = None,
    is_superuser: bool = False,
) -> Person:
    """Add a person without any role; without a password she cannot sign in before an invitation has set one.

    :raises django.db.IntegrityError: somebody has that login
    """
    with transaction.atomic():
        user = User.objects.create_user(login, email=email, password=password, is_superuser=is_superuser)
        person = Person.objects.create(user=user, public_id=f"{USER}{user.pk}", locale=locale)
        _record(Action.PERSON_ADDED, person=person, actor=actor)
    return person


def end_of(*, day: dt.date) -> dt.datetime:
    """Return the moment when a last day (UTC) is over."""
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), tzinfo=dt.UTC)


def limit(*, person: Person, until_at: dt.datetime | None, actor: log.Actor, reason: str = "") -> bool:
    """Set until when a person may do anything but read her own, None for ever; False where it is so already.

    :raises errors.Problem: what `grants.lock` raises
    """
    details = {"until": until_at.isoformat() if until_at else "", "reason": reason}
    return _move(Action.PERSON_LIMITED, person=person, actor=actor, details=details, access_until_at=until_at)


def suspend(*, person: Person, reason: str, actor: log.Actor, now: dt.datetime) -> bool:
    """Suspend a person at once; False where she is.

    :raises errors.Problem: what `grants.lock` raises
    """
    if Person.objects.filter(pk=person.pk).exclude(suspended_at=None).exists():
        return False
    return _move(Action.PERSON_SUSPENDED, person=person, actor=actor, details={"reason": reason}, suspended_at=now)


def resume(*, person: Person, reason: str, actor: log.Actor) -> bool:
    """Let a person who was suspended in again; False where she is not.

    :raises errors.Problem: what `grants.lock` raises
    """
    return _move(Action.PERSON_RESUMED, person=person, actor=actor, details={"reason": reason}, suspended_at=None)


def _move(
    action: Action, *, person: Person, actor: log.Actor, details: dict[str, Any], **columns: dt.datetime | None
) -> bool:
    """Write columns of a person with their event; False where they say so already."""
    with transaction.atomic():
        grants.lock(user=person.user, actor=actor)
        if Person.objects.filter(pk=person.pk, **columns).exists():
            return False
        Person.objects.filter(pk=person.pk).update(**columns)
        _record(action, person=person, actor=actor, details=details)
    return True


def _record(action: Action, *, person: Person, actor: log.Actor, details: dict[str, Any] | None = None) -> None:
    """Put a change of a person on record."""
    log.record(action=action, object_type="user", object_id=person.public_id, actor=actor, details=details)
