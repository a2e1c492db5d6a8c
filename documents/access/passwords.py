"""A grave act asks for the password again, so that a screen left open is not enough; wrong ones are on record.

Of so many wrong ones within a while the right one is refused, too.
"""

import datetime as dt

from django.contrib.auth import hashers
from django.contrib.auth.models import User
from django.db.models import Sum

from audit import log
from audit.actions import Action
from audit.models import Event as LogEvent
from documents.access import attempts, deciding

WRONG_MAX, WITHIN = 5, dt.timedelta(minutes=15)
WRONG, LOCKED = "password_wrong", "password_locked"


def require(*, user: User, password: str, object_type: str, object_id: str, actor: log.Actor, now: dt.datetime) -> None:
    """Refuse a wrong password, and after WRONG_MAX of them within WITHIN any.

    :raises errors.Problem: `password_wrong`, `password_locked`, both on record; `throttled`, where it is nobody's turn
    """
    refusals = LogEvent.objects.filter(actor_id=actor.id, action=Action.ACCESS_DENIED, code=WRONG, at__gt=now - WITHIN)
    wrong = refusals.aggregate(wrong=Sum("count"))["wrong"] or 0
    if wrong >= WRONG_MAX:
        deciding.refuse(code=LOCKED, object_type=object_type, object_id=object_id, actor=actor)
    # Not the user's own method: it would write a newer hash, which belongs to a login.
    with attempts.turn():
        right = hashers.check_password(password, user.password)
    if not right:
        deciding.refuse(code=WRONG, object_type=object_type, object_id=object_id, actor=actor)
