"""Keys of the API: made, rotated and revoked on record, and how a request that bears one is let in.

A key is `bdk_<id>_<secret>`, shown once; the database has an HMAC of it under `API_KEY_PEPPER`. Whoever bears it acts
as the key's user, within the key's scopes and, for a key of a party, for that party alone.
"""

import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from audit import log
from audit.actions import Action
from documents import errors, locks
from documents.access import actors
from documents.access.admission import KeyScope
from documents.models import ApiKey, Party

SCHEME = "bearer"
HEADER_LENGTH_MAX = 8 * 1024
NAME_LENGTH_MAX = 100
LIFE = dt.timedelta(days=365)
OVERLAP = dt.timedelta(days=7)  # how long a rotated key still opens: deployments change at different times
USED_EVERY = dt.timedelta(minutes=1)  # no more often is it noted that a key was used
_TOKEN = re.compile(r"bdk_([0-9a-v]{26})_([A-Za-z0-9_-]{43})", re.ASCII)


def create(
    *,
    user: User,
    party: Party | None,
    name: str,
    scopes: Sequence[KeyScope],
    actor: log.Actor,
    expires_at: dt.datetime,
    rotates: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its text, which nobody can read again.

    :raises errors.Problem: `validation_error`: a name or scopes that no key may have
    """
    faults = []
    if not 0 < len(name.strip()) <= NAME_LENGTH_MAX:
        faults.append(errors.Fault(pointer="/name", code="length", values={"min": 1, "max": NAME_LENGTH_MAX}))
    if not scopes:
        faults.append(errors.Fault(pointer="/scopes", code="missing"))
    if faults:
        raise errors.Problem(code="validation_error", errors=faults)
    secret = secrets.token_urlsafe(32)
    key = ApiKey(
        user=user,
        party=party,
        name=name.strip(),
        scopes=sorted({str(scope) for scope in scopes}),
        expires_at=expires_at,
        rotates=rotates,
    )
    key.digest = _digest(public_id=key.public_id, secret=secret)
    with transaction.atomic():
        key.save(force_insert=True)
        _record(Action.KEY_CREATED, key=key, actor=actor, code=",".join(key.scopes))
    return key, f"bdk_{key.public_id.removeprefix('key_')}_{secret}"


def rotate(*, key: ApiKey, actor: log.Actor, now: dt.datetime) -> tuple[ApiKey, str]:
    """Make the key that follows another: same user, party and scopes; the old one opens for OVERLAP more.

    :raises errors.Problem: `key_revoked`, `key_expired`; `decision_not_possible`: it has been rotated already
    """
    with transaction.atomic():
        [key] = locks.rows(queryset=ApiKey.objects.filter(pk=key.pk).select_related("user", "party"))
        check(key=key, now=now)
        if ApiKey.objects.filter(rotates=key).exists():
            raise errors.Problem(code="decision_not_possible", values={"cause": "rotated"})
        made = create(
            user=key.user,
            party=key.party,
            name=key.name,
            scopes=[KeyScope(scope) for scope in key.scopes],
            actor=actor,
            expires_at=now + LIFE,
            rotates=key,
        )
        ApiKey.objects.filter(pk=key.pk).update(expires_at=min(key.expires_at, now + OVERLAP))
        _record(Action.KEY_ROTATED, key=key, actor=actor)
    return made


def revoke(*, key: ApiKey, actor: log.Actor, now: dt.datetime) -> bool:
    """End a key at once; False where it had ended so before."""
    with transaction.atomic():
        changed = bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now))
        if changed:
            _record(Action.KEY_REVOKED, key=key, actor=actor)
    return changed


def check(*, key: ApiKey, now: dt.datetime) -> None:
    """Refuse a key that has ended.

    :raises errors.Problem: `key_revoked`, `key_expired`
    """
    if key.revoked_at is not None:
        raise errors.Problem(code="key_revoked")
    if key.expires_at <= now:
        raise errors.Problem(code="key_expired")


def bears_key(*, request: HttpRequest) -> bool:
    """Tell whether a request names itself by an `Authorization` header, of whatever worth."""
    return bool(request.META.get("HTTP_AUTHORIZATION"))


def authenticate(*, request: HttpRequest, now: dt.datetime) -> ApiKey:
    """Return the key that a request bears.

    What nobody's key can be is refused before the database is asked. A key of ours that does not open is on record.

    :raises errors.Problem: `authentication_failed`, `key_revoked`, `key_expired`
    """
    public_id, secret = _parts(header=str(request.META.get("HTTP_AUTHORIZATION", "")))
    key = ApiKey.objects.select_related("user", "party").filter(public_id=public_id).first()
    if not _is_of(digest=key.digest if key else "", public_id=public_id, secret=secret) or key is None:
        raise _denied(request=request, object_id=public_id, code="authentication_failed")
    try:
        check(key=key, now=now)
    except errors.Problem as problem:
        raise _denied(request=request, object_id=public_id, code=problem.code) from problem
    if not key.user.is_active:
        raise _denied(request=request, object_id=public_id, code="authentication_failed")
    _note_use(key=key, now=now)
    return key


class KeyAuthentication(BaseAuthentication):
    """DRF's authentication by `Authorization: Bearer bdk_...`: the route's guard has asked already."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        """Return user and key of a request that bears one."""
        key = actors.key_of(request=request)
        return None if key is None else (key.user, key)

    def authenticate_header(self, _request: Request) -> str:
        """Return what a 401 says of how to come back."""
        return "Bearer"


def _parts(*, header: str) -> tuple[str, str]:
    """Return public id and secret of an `Authorization` header.

    :raises errors.Problem: `authentication_failed`
    """
    scheme, _, token = header.partition(" ")
    shaped = _TOKEN.fullmatch(token.strip()) if len(header) <= HEADER_LENGTH_MAX else None
    if shaped is None or scheme.lower() != SCHEME:
        raise errors.Problem(code="authentication_failed")
    return f"key_{shaped[1]}", shaped[2]


def _digest(*, public_id: str, secret: str, pepper: str = "") -> str:
    """Return what the database has of a key, in hex: under the present pepper, or under one of before."""
    secretly = (pepper or settings.API_KEY_PEPPER).encode()
    return hmac.new(secretly, f"{public_id}:{secret}".encode(), hashlib.sha256).hexdigest()


def _is_of(*, digest: str, public_id: str, secret: str) -> bool:
    """Tell whether a digest is that of a key under the pepper, or under one that API_KEY_PEPPER_FORMER still names."""
    peppers = (settings.API_KEY_PEPPER, *settings.API_KEY_PEPPER_FORMER)
    made = (_digest(public_id=public_id, secret=secret, pepper=pepper) for pepper in peppers)
    same = [hmac.compare_digest(digest, each) for each in made]  # all, so that time says nothing
    return any(same)


def _denied(*, request: HttpRequest, object_id: str, code: str) -> errors.Problem:
    """Put a key that does not open on record, and return the refusal."""
    log.deny(actor=actors.visitor(request=request), object_type="key", object_id=object_id, code=code)
    return errors.Problem(code=code)


def _note_use(*, key: ApiKey, now: dt.datetime) -> None:
    """Note that a key was used, at most once in USED_EVERY."""
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
    if key.last_used_at is None or key.last_used_at <= now - USED_EVERY:
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


def _record(action: Action, *, key: ApiKey, actor: log.Actor, code: str = "") -> None:
    """Record a change of a key; its scopes stand in the sealed code, which no erasure touches."""
    log.record(action=action, object_type="key", object_id=key.public_id, actor=actor, code=code)
