"""What a session of staff needs before it opens anything: a second factor, and the password again after a pause.

A form that was sent after the pause is kept in the session and handed back once the person has shown who she is.
"""

import datetime as dt
import enum
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from documents.access import factors, roles

IDLE = dt.timedelta(minutes=30)
SEEN_EVERY = dt.timedelta(minutes=1)
FORM_BYTES_MAX = 64 * 1024
SEEN, LOCKED, FORM, FACTOR = "seen_at", "locked", "kept_form", "has_factor"
SECRET_FIELDS = (
    "csrfmiddlewaretoken",
    "password",
    "code",
    "key_answer",
)  # parts of names of fields that are never kept


@enum.unique
class Need(enum.StrEnum):
    """What is lacking; the value is the name of the page that mends it."""

    ENROL = "factor"
    UNLOCK = "unlock"


def need(*, request: HttpRequest, now: dt.datetime) -> Need | None:
    """Return what the session of a member of staff lacks; it is noted that she was there."""
    user = request.user
    if not isinstance(user, User) or not roles.roles_of(user=user) & roles.STAFF:
        return None
    if _idle(session=request.session, now=now):
        return Need.UNLOCK
    return Need.ENROL if settings.SECOND_FACTOR and not _has_factor(user=user, session=request.session) else None


def begin(*, request: HttpRequest, now: dt.datetime) -> None:
    """Note that somebody has just shown who she is."""
    if SEEN not in request.session:
        request.session.set_expiry(now + dt.timedelta(seconds=settings.SESSION_COOKIE_AGE))
    request.session[SEEN] = now.timestamp()
    request.session.pop(LOCKED, None)


def keep_form(*, request: HttpRequest) -> None:
    """Keep what was typed, without secrets and files, until the session is open again."""
    fields = [
        [name, value]
        for name, values in request.POST.lists()
        for value in values
        if not any(part in name for part in SECRET_FIELDS)
    ]
    if fields and sum(len(name) + len(value) for name, value in fields) <= FORM_BYTES_MAX:
        request.session[FORM] = {"path": request.get_full_path(), "fields": fields}


def kept_form(*, request: HttpRequest) -> dict[str, Any] | None:
    """Return the form that was kept, once."""
    form: dict[str, Any] | None = request.session.pop(FORM, None)
    return form


def _has_factor(*, user: User, session: SessionBase) -> bool:
    """Tell whether a person has a second factor; asked of the database until she has."""
    if not session.get(FACTOR) and factors.has(user=user):
        session[FACTOR] = True
    return bool(session.get(FACTOR))


def _idle(*, session: SessionBase, now: dt.datetime) -> bool:
    """Tell whether nothing came of the person for IDLE; from then on until she shows again who she is."""
    if session.get(LOCKED):
        return True
    seen_at = session.get(SEEN)
    if seen_at is not None and now.timestamp() - seen_at > IDLE.total_seconds():
        session[LOCKED] = True
        return True
    if seen_at is None or now.timestamp() - seen_at > SEEN_EVERY.total_seconds():
        session[SEEN] = now.timestamp()
    return False
