"""Every attack that somebody with all rights could try, on a bucket of the vault's settings that holds no documents.

A lock attack must be refused. A put on a taken key and a lifecycle rule may be accepted, as AWS accepts them, if they
leave the version as it was. A wrong digest and If-None-Match tell what the store can do; what it cannot is replaced by
Content-MD5 and reading back. Never in a bucket in use: a lifecycle rule would outlive the probe that was cut off.
"""

import base64
import datetime as dt
import functools
import hashlib
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError

from documents import errors
from documents.vault import s3_client, s3_probe, store

PREFIX = "_probe/full/"
BODY = b"This object is attacked by somebody who may do everything. It must survive.\n"
OTHER = b"This is what an attacker would put in its place.\n"
LIFE = dt.timedelta(days=1)
KEYS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"})  # says nothing of the store
RULE: Mapping[str, object] = {
    "Rules": [{"ID": "probe", "Status": "Enabled", "Filter": {"Prefix": PREFIX}, "Expiration": {"Days": 1}}]
}


def settings_of(*, client: Any, bucket: str) -> object:
    """Return what a bucket is set to, to be compared: whether it keeps versions, and what it locks."""
    return (
        client.get_bucket_versioning(Bucket=bucket).get("Status"),
        _default_lock(client=client, bucket=bucket),
    )


def require_canary(*, client: Any, bucket: str, wanted: object) -> None:
    """Refuse a bucket that holds anything but probes, or is set otherwise than the vault's.

    :param wanted: the settings of the vault's own bucket
    :raises errors.WormError: `worm_bucket_misconfigured`
    """
    rows = client.list_objects_v2(Bucket=bucket, MaxKeys=1000).get("Contents", [])
    if any(not str(row["Key"]).startswith(s3_probe.PREFIX) for row in rows):
        raise _misconfigured(cause="canary_in_use")
    if settings_of(client=client, bucket=bucket) != wanted:
        raise _misconfigured(cause="canary_differs")


def attack(*, client: Any, bucket: str) -> dict[str, str]:
    """Try everything on a fresh object of the bucket; return what became of each, by `store`'s words.

    :raises errors.WormError: `worm_bucket_misconfigured`, naming the first attack that went through
    """
    key = f"{PREFIX}{dt.datetime.now(tz=dt.UTC).date()}-{secrets.token_hex(4)}"
    version = _put(client=client, bucket=bucket, key=key, body=BODY)["VersionId"]
    name = {"Bucket": bucket, "Key": key, "VersionId": version}
    until = client.head_object(**name)["ObjectLockRetainUntilDate"]
    became = {what: _became(attempt=attempt) for what, attempt in _locks(client=client, name=name, until=until).items()}
    for what in (what for what, answer in became.items() if answer == store.ALLOWED):
        raise _misconfigured(cause="attack", attack=what)
    became |= _capabilities(client=client, bucket=bucket, key=key)
    for what, attempt in _harmless(client=client, bucket=bucket, key=key).items():
        answer = _became(attempt=attempt)
        became[what] = store.KEPT if answer == store.ALLOWED else answer
        _require_kept(client=client, name=name, until=until, attack=what)
    return became


def _locks(*, client: Any, name: dict[str, str], until: dt.datetime) -> dict[str, Callable[[], Any]]:
    """Return the attacks on the lock of a version; each must be refused."""
    bucket, key, version = name["Bucket"], name["Key"], name["VersionId"]
    past = {"BypassGovernanceRetention": True}

    def retain(**lock: object) -> Callable[[], Any]:
        return lambda: client.put_object_retention(**name, Retention=lock, **past)

    return {
        "delete-version": lambda: client.delete_object(**name),
        "delete-bypassing": lambda: client.delete_object(**name, **past),
        "delete-in-bulk": lambda: _deleted_in_bulk(client=client, bucket=bucket, key=key, version=version),
        "remove-lock": retain(),
        "shorten": retain(Mode=store.COMPLIANCE, RetainUntilDate=until - LIFE / 2),
        "weaken": retain(Mode="GOVERNANCE", RetainUntilDate=until),
        "suspend-versioning": lambda: client.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
        ),
    }


def _harmless(*, client: Any, bucket: str, key: str) -> dict[str, Callable[[], Any]]:
    """Return what may be accepted, if the version is kept as it was."""

    def rule() -> None:
        client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=RULE)
        client.delete_bucket_lifecycle(Bucket=bucket)

    return {
        "overwrite": lambda: _put(client=client, bucket=bucket, key=key, body=OTHER),
        "delete-marker": lambda: client.delete_object(Bucket=bucket, Key=key),
        "lifecycle-rule": rule,
    }


def _capabilities(*, client: Any, bucket: str, key: str) -> dict[str, str]:
    """Return which checks the store makes itself."""
    wrong = base64.b64encode(hashlib.md5(OTHER, usedforsecurity=False).digest()).decode()
    wrong_sha256 = base64.b64encode(hashlib.sha256(OTHER).digest()).decode()
    asked: dict[str, dict[str, object]] = {
        "content-md5": {"Key": f"{key}-md5", "ContentMD5": wrong},
        "sha256": {"Key": f"{key}-sha256", "ChecksumSHA256": wrong_sha256},
        s3_probe.CONDITIONAL: {"Key": key, "IfNoneMatch": "*"},
    }
    became: dict[str, str] = {}
    for what, more in asked.items():
        put = functools.partial(client.put_object, Bucket=bucket, Body=BODY, **more)
        became[what] = store.IGNORED if _became(attempt=put) == store.ALLOWED else store.HONOURED
    return became


def _put(*, client: Any, bucket: str, key: str, body: bytes) -> Any:
    """Put an object that is locked for one day."""
    return client.put_object(
        Bucket=bucket,
        Key=key,
        Body=body,
        ContentMD5=base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
        ObjectLockMode=store.COMPLIANCE,
        ObjectLockRetainUntilDate=dt.datetime.now(tz=dt.UTC) + LIFE,
    )


def _deleted_in_bulk(*, client: Any, bucket: str, key: str, version: str) -> None:
    """Delete a version among several; what is refused there is no error of the whole call.

    :raises ClientError: it was refused
    """
    answer = client.delete_objects(
        Bucket=bucket,
        Delete={"Objects": [{"Key": key, "VersionId": version}]},
        BypassGovernanceRetention=True,
    )
    if refused := answer.get("Errors"):
        raise ClientError({"Error": {"Code": refused[0].get("Code", ""), "Message": ""}}, "DeleteObjects")


def _became(*, attempt: Callable[[], Any]) -> str:
    """Return what became of an attack; an outage, and keys that are wrong, are raised."""
    try:
        attempt()
    except ClientError as answer:
        status = answer.response.get("ResponseMetadata", {}).get("HTTPStatusCode", HTTPStatus.BAD_REQUEST)
        code = s3_client.code_of(answer)
        away = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
        if away or code in KEYS:
            raise
        return store.BY_POLICY if code == s3_probe.DENIED else store.REFUSED
    return store.ALLOWED


def _require_kept(*, client: Any, name: dict[str, str], until: dt.datetime, attack: str) -> None:
    """Read the version again: its bytes and its lock must be what they were.

    :raises errors.WormError: `worm_bucket_misconfigured`
    """
    answer = client.get_object(**name)
    kept = (answer["Body"].read(), answer.get("ObjectLockMode"), answer.get("ObjectLockRetainUntilDate"))
    if kept != (BODY, store.COMPLIANCE, until):
        raise _misconfigured(cause="attack", attack=attack)


def _default_lock(*, client: Any, bucket: str) -> object:
    """Return what a bucket locks by itself; nothing here does."""
    answer = client.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    return answer.get("ObjectLockEnabled"), answer.get("Rule")


def _misconfigured(*, cause: str, **values: str) -> errors.WormError:
    """Return the error of a bucket that cannot be relied on."""
    return errors.WormError(code="worm_bucket_misconfigured", values={"cause": cause, **values})
