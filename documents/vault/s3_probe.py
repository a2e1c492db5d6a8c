"""What a bucket must be set to, and attacks on an object of our own that it must refuse, whatever it claims to be.

The canary is locked for one day, one a day. A refused access counts as refused: the rights of the product's own
credentials are part of what protects. A store that lets one attack through is not WORM, and nothing is locked there.
"""

import base64
import datetime as dt
import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError
from django.utils import timezone

from documents import errors
from documents.resilience import clock
from documents.vault import rules, s3_client, store

log = logging.getLogger(__name__)
PREFIX = "_probe/"  # no document's key begins so
BODY = b"This object is attacked at every start. It must survive.\n"
LIFE = dt.timedelta(days=1)
NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)  # the end of a lock that is none
CONDITIONAL = "if-none-match"
DENIED = "AccessDenied"  # by the rights of whoever asked, or by the lock: AWS says the same of both
REFUSALS = {
    DENIED,
    "InvalidRequest",
    "InvalidRetentionPeriod",
    "MethodNotAllowed",
    "ObjectLocked",
    "WORMProtected",
}


def check_facts(*, facts: store.StoreFacts) -> None:
    """Refuse a bucket that locks nothing, keeps no versions, or has another time than ours.

    :raises errors.WormError: `worm_bucket_misconfigured`
    """
    if not facts.locking:
        raise errors.WormError(code="worm_bucket_misconfigured", values={"cause": "locking"})
    if not facts.versioning:
        raise errors.WormError(code="worm_bucket_misconfigured", values={"cause": "versioning"})
    check_clock(now=facts.now)


def check_lock(*, stored: store.Stored, retain_until: dt.datetime) -> None:
    """Compare a version's lock with what was promised.

    :raises errors.WormError: `worm_lock_missing`, `worm_mode_weak`, `worm_lock_too_short`
    """
    if not stored.mode or stored.retain_until == NEVER:
        raise errors.WormError(code="worm_lock_missing", values={"cause": "unlocked", "key": stored.key})
    if stored.mode != store.COMPLIANCE:
        raise errors.WormError(code="worm_mode_weak", values={"mode": stored.mode})
    if stored.retain_until < retain_until:
        raise store.too_short(key=stored.key, until=stored.retain_until, policy=retain_until)


def check_clock(*, now: dt.datetime | None) -> None:
    """Refuse a store whose time is neither ours nor PostgreSQL's: its locks would end at another moment than it says.

    This machine's own clock may be off: that is an incident of its own, and nothing is locked meanwhile (`store.lock`).

    :raises errors.WormError: `worm_bucket_misconfigured`
    """
    if now is None:
        raise errors.WormError(code="worm_bucket_misconfigured", values={"cause": "timeless"})
    ours = timezone.now()
    skew_s = (now - ours).total_seconds()
    if abs(skew_s) > rules.SKEW_MAX_S:  # one of the two is off: PostgreSQL says which
        skew_s = (now - clock.of_database(now=ours)).total_seconds()
    if abs(skew_s) > rules.SKEW_MAX_S:
        raise errors.WormError(
            code="worm_bucket_misconfigured", values={"cause": "store_clock", "seconds": round(skew_s)}
        )


def attack(*, client: Any, bucket: str) -> dict[str, str]:
    """Try to remove, shorten, weaken and replace today's canary; return what became of each, by `store`'s words.

    :raises errors.WormError: `worm_bucket_misconfigured`, naming the attack that went through
    """
    key = f"{PREFIX}{dt.datetime.now(tz=dt.UTC).date()}"
    put = _put(client=client, bucket=bucket, key=key)
    version = _first_version(client=client, bucket=bucket, key=key) or _put_first(
        put=put, first=lambda: _first_version(client=client, bucket=bucket, key=key)
    )
    name = {"Bucket": bucket, "Key": key, "VersionId": version}
    until = client.head_object(**name)["ObjectLockRetainUntilDate"]
    sooner = {"Mode": store.COMPLIANCE, "RetainUntilDate": until - LIFE / 2}
    weaker = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    attacks: Mapping[str, Callable[[], Any]] = {
        "delete-version": lambda: client.delete_object(**name),
        "shorten": lambda: client.put_object_retention(**name, Retention=sooner),
        "weaken": lambda: client.put_object_retention(**name, Retention=weaker),
    }
    became = {what: _became(attempt=attempt) for what, attempt in attacks.items()}
    for what in (what for what, answer in became.items() if answer == store.ALLOWED):
        raise errors.WormError(code="worm_bucket_misconfigured", values={"cause": "attack", "attack": what})
    became[CONDITIONAL] = store.HONOURED if _refuses_second(put=put) else store.IGNORED
    answer = client.get_object(**name)
    kept = (answer["Body"].read(), answer.get("ObjectLockMode"), answer.get("ObjectLockRetainUntilDate"))
    if kept != (BODY, store.COMPLIANCE, until):
        raise errors.WormError(code="worm_bucket_misconfigured", values={"cause": "attack", "attack": "overwrite"})
    became["overwrite"] = store.KEPT
    log.info("vault.probed", extra={"attempts": became})
    return became


def _put(*, client: Any, bucket: str, key: str) -> Callable[[], Any]:
    """Return a put of the canary that adds no version where there is one and the store can tell."""

    def put() -> Any:
        return client.put_object(
            Bucket=bucket,
            Key=key,
            Body=BODY,
            IfNoneMatch="*",
            ContentMD5=base64.b64encode(hashlib.md5(BODY, usedforsecurity=False).digest()).decode(),
            ObjectLockMode=store.COMPLIANCE,
            ObjectLockRetainUntilDate=dt.datetime.now(tz=dt.UTC) + LIFE,
        )

    return put


def _first_version(*, client: Any, bucket: str, key: str) -> str:
    """Return the oldest version of the canary, empty where there is none yet."""
    rows = client.list_object_versions(Bucket=bucket, Prefix=key).get("Versions", [])
    return str(rows[-1]["VersionId"]) if rows else ""


def _put_first(*, put: Callable[[], Any], first: Callable[[], str]) -> str:
    """Put the canary and return its version; where another process has put it meanwhile, the `first` one."""
    try:
        return str(put()["VersionId"])
    except ClientError as answer:
        version = first() if s3_client.code_of(answer) == s3_client.TAKEN else ""
        if not version:
            raise
        return version


def _became(*, attempt: Callable[[], Any]) -> str:
    """Return what became of an attack; what is no answer to it is raised."""
    try:
        attempt()
    except ClientError as answer:
        if s3_client.code_of(answer) not in REFUSALS:
            raise
        return store.BY_POLICY if s3_client.code_of(answer) == DENIED else store.REFUSED
    return store.ALLOWED


def _refuses_second(*, put: Callable[[], Any]) -> bool:
    """Return whether a second put of the same key is refused, as If-None-Match asks; it may also add a version."""
    try:
        put()
    except ClientError as answer:
        if s3_client.code_of(answer) == s3_client.TAKEN:
            return True
        raise
    return False
