"""The second factors of staff: an authenticator app (TOTP, RFC 6238), security keys (WebAuthn), and recovery codes.

The rows and the arithmetic are django-allauth's; what is written is written here, with its event.
"""

import datetime as dt
import re
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.utils import decrypt
from allauth.mfa.webauthn.internal.auth import WebAuthn
from django.contrib.auth.models import User
from django.db import transaction

from audit import log
from audit.actions import Action
from documents import locks
from documents.access import grants, security_keys
from documents.access.actors import USER

TOTP, RECOVERY = str(Authenticator.Type.TOTP), str(Authenticator.Type.RECOVERY_CODES)
KEY = str(Authenticator.Type.WEBAUTHN)
_OWN = (TOTP, KEY)  # each is enough to be let in by; recovery codes come with the first of them
_SHOWN = re.compile(r"[\s-]")


def of(*, user: User) -> list[Authenticator]:
    """Return the factors of a person: her app and her keys, the oldest first."""
    return list(Authenticator.objects.filter(user=user, type__in=_OWN).order_by("pk"))


def has(*, user: User, kind: str = "") -> bool:
    """Tell whether a person has enrolled a second factor, or one of a kind."""
    return bool(Authenticator.objects.filter(user=user, type__in=(kind,) if kind else _OWN).exists())


def new_secret() -> str:
    """Return a secret for an authenticator app, in base32."""
    return str(totp.generate_totp_secret())


def enrol(
    *, user: User, secret: str, code: str, is_first: bool, now: dt.datetime, actor: log.Actor
) -> list[str] | None:
    """Make an app a factor of a person who has none, if it shows the right code.

    :param is_first: she had no factor when she was let through without her password
    :returns: the recovery codes, which are shown once, and none where she has them; None for a wrong code, or where
        there is an app already, or any factor although `is_first`
    """
    step = _step(secret=secret, code=code, after=0)
    if step is None:
        return None
    with transaction.atomic():
        if not _may_add(user=user, is_first=is_first) or has(user=user, kind=TOTP):
            return None
        codes = _first_codes(user=user)
        made = totp.TOTP.activate(user, secret)
        _record(Action.FACTOR_ADDED, user=user, actor=actor, code=TOTP)
        _note(row=made.instance, now=now, step=step)
    return codes


def add_key(*, user: User, name: str, credential: dict[str, Any], is_first: bool, actor: log.Actor) -> list[str] | None:
    """Make a key a factor of a person.

    :param is_first: she had no factor when she was let through without her password
    :returns: the recovery codes, which are shown once, and none where she has them; None where somebody has this key,
        or where she has a factor although `is_first`
    """
    with transaction.atomic():
        if not _may_add(user=user, is_first=is_first):
            return None
        if Authenticator.objects.filter(type=KEY, data__credential__rawId=credential["rawId"]).exists():
            return None
        codes = _first_codes(user=user)
        made = WebAuthn.add(user, name, credential)
        # From here on, so that a copy of the key that signs first has fallen behind.
        counted = {**made.instance.data, "count": made.authenticator_data.counter}
        Authenticator.objects.filter(pk=made.instance.pk).update(data=counted)
        _record(Action.FACTOR_ADDED, user=user, actor=actor, code=KEY, name=name)
    return codes


def rename_key(*, user: User, pk: int, name: str, actor: log.Actor) -> bool:
    """Give a key of a person another name; False where it has it."""
    with transaction.atomic():
        rows = locks.rows(queryset=Authenticator.objects.filter(user=user, type=KEY, pk=pk), rank=locks.Rank.FACTOR)
        if not rows or rows[0].data["name"] == name:
            return False
        Authenticator.objects.filter(pk=pk).update(data={**rows[0].data, "name": name})
        _record(Action.FACTOR_RENAMED, user=user, actor=actor, code=KEY, former=rows[0].data["name"], name=name)
    return True


def remove_one(*, user: User, pk: int, actor: log.Actor) -> bool:
    """Remove one of several factors of a person, as she wishes; False where it is the last one, or gone."""
    with transaction.atomic():
        rows = locks.rows(queryset=Authenticator.objects.filter(user=user, type__in=_OWN), rank=locks.Rank.FACTOR)
        gone = [row for row in rows if row.pk == pk]
        if not gone or len(rows) == 1:
            return False
        Authenticator.objects.filter(pk=pk).delete()
        _record(Action.FACTOR_REMOVED, user=user, actor=actor, code=gone[0].type, name=gone[0].data.get("name", ""))
    return True


def spend(*, user: User, answer: security_keys.KeyAnswer | None, now: dt.datetime, actor: log.Actor) -> bool:
    """Use up what a key has signed; False for a copy of a key, whose count falls behind, and for what was used."""
    if answer is None:
        return False
    with transaction.atomic():
        rows = locks.rows(queryset=Authenticator.objects.filter(user=user, type=KEY), rank=locks.Rank.FACTOR)
        row = next((row for row in rows if row.pk == answer.row), None)
        if row is None or row.data.get("challenge") == answer.challenge:
            return False
        if answer.count <= int(row.data.get("count", 0)) and (answer.count or row.data.get("count")):
            return False
        _record(Action.FACTOR_USED, user=user, actor=actor, code=KEY, name=row.data["name"])
        _note(row=row, now=now, count=answer.count, challenge=answer.challenge)
    return True


def check(*, user: User, code: str, now: dt.datetime, actor: log.Actor) -> bool:
    """Tell whether a code is the app's of now or a recovery code; each is good once."""
    plain = _SHOWN.sub("", code)
    with transaction.atomic():
        mine = Authenticator.objects.filter(user=user, type__in=(TOTP, RECOVERY))
        rows = locks.rows(queryset=mine, rank=locks.Rank.FACTOR)
        return any(_spend(row=row, code=plain, now=now, actor=actor) for row in rows)


def remove(*, user: User, reason: str, actor: log.Actor) -> bool:
    """Remove all factors of a person, so that she has to enrol another one; False where she has none.

    :raises errors.Problem: what `grants.lock` raises
    """
    with transaction.atomic():
        grants.lock(user=user, actor=actor)
        removed = bool(Authenticator.objects.filter(user=user).delete()[0])
        if removed:
            _record(Action.FACTOR_REMOVED, user=user, actor=actor, reason=reason)
    return removed


def _may_add(*, user: User, is_first: bool) -> bool:
    """Let nobody else add a factor until the transaction ends; False where a first one is not the first any more."""
    locks.advisory(rank=locks.Rank.NEW_FACTOR, key="factors")
    return not (is_first and has(user=user))


def _first_codes(*, user: User) -> list[str]:
    """Return the recovery codes of a person who gets her first factor; none where she has them."""
    if Authenticator.objects.filter(user=user, type=RECOVERY).exists():
        return []
    return [str(code) for code in RecoveryCodes.activate(user).generate_codes()]


def _spend(*, row: Authenticator, code: str, now: dt.datetime, actor: log.Actor) -> bool:
    """Use up a code, if it is one of this factor's."""
    if row.type == TOTP:
        step = _step(secret=decrypt(row.data["secret"]), code=code, after=int(row.data.get("step", 0)))
        if step is None:
            return False
        _record(Action.FACTOR_USED, user=row.user, actor=actor, code=TOTP)
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
