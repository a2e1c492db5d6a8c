"""A grave act asks for the password again, so that a screen left open is not enough; wrong ones are on record.

After so many wrong ones within a while the right one is refused, too; a right one sets the count back.
"""

import datetime as dt

from django.contrib.auth import hashers
from django.contrib.auth.models import User

from audit import denials, log
from documents.access import attempts, deciding, rates

WRONG_MAX, WITHIN = 5, dt.timedelta(minutes=15)
ASIDE = denials.ALIAS  # the connection of what a refusal's rollback must not undo
WRONG, LOCKED = "password_wrong", "password_locked"


def require(*, user: User, password: str, object_type: str, object_id: str, actor: log.Actor, now: dt.datetime) -> None:
    """Refuse a wrong password, and after WRONG_MAX of them within WITHIN any.

    :raises errors.Problem: `password_wrong`, `password_locked`, both on record; `throttled`, where it is nobody's turn
    """
    # Counted before it is hashed, in one statement: many at once are no more tries than one after another.
    window_number = int(now.timestamp() // WITHIN.total_seconds())
    tries = rates.counted(caller=f"password:{user.pk}", window_number=window_number, using=ASIDE)
    if tries > WRONG_MAX:
        deciding.refuse(code=LOCKED, object_type=object_type, object_id=object_id, actor=actor)
    # Not the user's own method: it would write a newer hash, which belongs to a login.
    with attempts.turn():
        right = hashers.check_password(password, user.password)
    if not right:
        deciding.refuse(code=WRONG, object_type=object_type, object_id=object_id, actor=actor)
    rates.forget(caller=f"password:{user.pk}", using=ASIDE)
