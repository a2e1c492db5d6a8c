"""The second factor of staff: one-time codes of an authenticator app (TOTP, RFC 6238), and recovery codes.

The rows and the arithmetic are django-allauth's; what is written is written here, with its event.
"""

import datetime as dt
import re
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.utils import decrypt
from django.contrib.auth.models import User
from django.db import transaction

from audit import log
from audit.actions import Action
from documents import locks
from documents.access import grants
from documents.access.actors import USER

TOTP, RECOVERY = Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES
_SHOWN = re.compile(r"[\s-]")


def has(*, user: User) -> bool:
    """Tell whether a person has enrolled a second factor."""
    return bool(Authenticator.objects.filter(user=user, type=TOTP).exists())


def new_secret() -> str:
    """Return a secret for an authenticator app, in base32."""
    return str(totp.generate_totp_secret())


def enrol(*, user: User, secret: str, code: str, now: dt.datetime, actor: log.Actor) -> list[str] | None:
    """Make an app the second factor of a person who has none, if it shows the right code.

    :returns: the recovery codes, which are shown once; None for a wrong code, or where there is a factor already.
    """
    step = _step(secret=secret, code=code, after=0)
    if step is None:
        return None
    with transaction.atomic():
        if has(user=user):
            return None
        made = totp.TOTP.activate(user, secret)
        recovery = RecoveryCodes.activate(user)
        _record(Action.FACTOR_ADDED, user=user, actor=actor)
        _note(row=made.instance, now=now, step=step)
    return [str(code) for code in recovery.generate_codes()]


def check(*, user: User, code: str, now: dt.datetime, actor: log.Actor) -> bool:
    """Tell whether a code is the app's of now or a recovery code; each is good once."""
    plain = _SHOWN.sub("", code)
    with transaction.atomic():
        rows = locks.rows(queryset=Authenticator.objects.filter(user=user), rank=locks.Rank.FACTOR)
        return any(_spend(row=row, code=plain, now=now, actor=actor) for row in rows)


def remove(*, user: User, reason: str, actor: log.Actor) -> bool:
    """Remove a person's factor, so that she has to enrol another one; False where she has none.

    :raises errors.Problem: what `grants.lock` raises
    """
    with transaction.atomic():
        grants.lock(user=user, actor=actor)
        removed = bool(Authenticator.objects.filter(user=user).delete()[0])
        if removed:
            _record(Action.FACTOR_REMOVED, user=user, actor=actor, reason=reason)
    return removed


def _spend(*, row: Authenticator, code: str, now: dt.datetime, actor: log.Actor) -> bool:
    """Use up a code, if it is one of this factor's."""
    if row.type == TOTP:
        step = _step(secret=decrypt(row.data["secret"]), code=code, after=int(row.data.get("step", 0)))
        if step is None:
            return False
        _record(Action.FACTOR_USED, user=row.user, actor=actor, code="totp")
        _note(row=row, now=now, step=step)
        return True
    used = int(row.data["used_mask"])
    for place, known in enumerate(RecoveryCodes(row).generate_codes()):
        if not used & 1 << place and totp.compare_user_code(actual=code, expected=known):
            _record(Action.FACTOR_USED, user=row.user, actor=actor, code="recovery_code")
            _note(row=row, now=now, used_mask=used | 1 << place)
            return True
    return False


def _step(*, secret: str, code: str, after: int) -> int | None:
    """Return the time step whose code this is, if it is one of now and later than the last one that was used."""
    steps = (step for step in totp.yield_hotp_counters_from_time() if step > after)
    known = {step: totp.format_hotp_value(totp.hotp_value(secret, step)) for step in steps}
    return next((step for step, each in known.items() if totp.compare_user_code(actual=code, expected=each)), None)


def _note(*, row: Authenticator, now: dt.datetime, **data: Any) -> None:
    """Note what was used of a factor, so that nobody uses it again."""
    Authenticator.objects.filter(pk=row.pk).update(data={**row.data, **data}, last_used_at=now)


def _record(action: Action, *, user: User, actor: log.Actor, code: str = "", **details: str) -> None:
    """Put a step of a factor on record."""
    log.record(
        action=action, object_type="user", object_id=f"{USER}{user.pk}", actor=actor, code=code, details=details or None
    )
