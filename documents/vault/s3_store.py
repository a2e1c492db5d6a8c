"""The S3 store: a bucket with Object Lock, where each version of an object is locked in COMPLIANCE mode for itself.

A plain delete leaves only a marker and a put adds a version: whatever is written, read or compared names its version.
What a store may lack is asked of it once (`s3_probe`): `If-None-Match`. Bytes are sent with their SHA-256 and their
MD5, as some stores check only the one or the other, and they are read back in any case.
"""

import base64
import dataclasses
import datetime as dt
import hashlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from documents import errors
from documents.vault import address, s3_client, s3_probe, store

log = logging.getLogger(__name__)
OFF = "OFF"


def open_store(*, url: str, former: bool = False) -> "S3Vault":
    """Open the bucket of an `s3:` address and probe it; a `former` one, which is only read, is not attacked.

    :raises errors.WormError: `worm_bucket_misconfigured`, `worm_unavailable`, `worm_write_denied`
    """
    try:
        place = address.bucket(url=url)
    except address.WrongAddressError as wrong:
        values = {"cause": "url", "scheme": "s3://"}
        raise errors.WormError(code="worm_bucket_misconfigured", values=values) from wrong
    opened = S3Vault(place=place, former=former)
    if not former:
        opened.probe()
    return opened


class S3Vault:
    """Locked versions in one bucket; see `store.Vault` for the contract."""

    mode = store.COMPLIANCE

    def __init__(self, *, place: address.Bucket, former: bool = False) -> None:
        self.bucket = place.name
        self.client = s3_client.connect(place=place, former=former)
        self.conditional = False  # whether the store honours If-None-Match, as the probe saw
        self.attempts: Mapping[str, str] = {}

    def probe(self) -> str:
        """Compare the bucket's facts with what is needed, and attack a canary that is locked for one day."""
        with s3_client.named(doing="probe"):
            facts = self.facts()
            s3_probe.check_facts(facts=facts)
            if facts.lifecycle:  # it removes no locked version; but after its retention it would go unrecorded
                log.warning("vault.lifecycle", extra={"bucket": self.bucket})
            self.attempts = s3_probe.attack(client=self.client, bucket=self.bucket)
            self.conditional = self.attempts[s3_probe.CONDITIONAL] == store.HONOURED
        return self.mode

    def facts(self) -> store.StoreFacts:
        """Return what the bucket is set to, and the store's own time."""
        with s3_client.named(doing="look"):
            answer = self.client.get_bucket_versioning(Bucket=self.bucket)
            return store.StoreFacts(
                locking=self._has(operation="get_object_lock_configuration", part="ObjectLockConfiguration"),
                versioning=answer.get("Status") == "Enabled",
                lifecycle=self._has(operation="get_bucket_lifecycle_configuration", part="Rules"),
                now=s3_client.header_date(answer=answer),
            )

    def put(self, *, key: str, body: bytes, content_type: str, retain_until: dt.datetime) -> store.Stored:
        """Write one locked version, or adopt identical bytes that are there."""
        store.check_key(key=key)
        digest = hashlib.sha256(body).digest()
        if not self.conditional and (there := self.find(key=key)):
            return _adopted(there=there, sha256=digest.hex())
        with s3_client.named(doing="write", key=key):
            try:
                answer = self.client.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=body,
                    ContentType=content_type,
                    ContentMD5=base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
                    ChecksumSHA256=base64.b64encode(digest).decode(),
                    ObjectLockMode=store.COMPLIANCE,
                    ObjectLockRetainUntilDate=retain_until,
                    **({"IfNoneMatch": "*"} if self.conditional else {}),
                )
            except ClientError as refused:
                if s3_client.code_of(refused) != s3_client.TAKEN:
                    raise
                return self._taken(key=key, sha256=digest.hex())
        version = answer.get("VersionId", "null")
        if version == "null":
            raise errors.WormError(code="worm_bucket_misconfigured", values={"cause": "versioning"})
        if not self.conditional and (first := self.find(key=key)):
            return _adopted(there=first, sha256=digest.hex())  # of two writers at once the first one counts
        return store.Stored(
            key=key,
            version=version,
            sha256=digest.hex(),
            size=len(body),
            mode=store.COMPLIANCE,
            retain_until=retain_until,
            stored_at=s3_client.header_date(answer=answer) or dt.datetime.now(tz=dt.UTC),
            content_type=content_type,
        )

    def find(self, *, key: str) -> store.Stored | None:
        """Return the first version of a key; it is read where the store keeps no SHA-256 of it."""
        for version in self.versions(key=key):
            if not version.marker:
                with s3_client.named(doing="read", key=key):
                    return self._found(key=key, version=version.version)
        return None

    def read(self, *, key: str, version: str, retain_until: dt.datetime | None = None) -> bytes:
        """Return the bytes of the version, and never those of another one; the same answer tells of its lock."""
        store.check_key(key=key)
        body, answer = self._read(key=key, version=version)
        if retain_until is not None:
            stored = _described(key=key, version=version, sha256="", answer=answer)
            s3_probe.check_lock(stored=stored, retain_until=retain_until)
        return body

    def verify(
        self,
        *,
        key: str,
        version: str,
        sha256: str,
        size: int,
        retain_until: dt.datetime,
        content_type: str = "",
    ) -> store.Stored:
        """Read one version from the store and compare it, its lock, its siblings and its bucket with the promise."""
        store.check_key(key=key)
        body, answer = self._read(key=key, version=version)
        s3_probe.check_clock(now=s3_client.header_date(answer=answer))
        stored = _described(key=key, version=version, sha256=hashlib.sha256(body).hexdigest(), answer=answer)
        if len(body) != size:
            sizes: dict[str, errors.Value] = {"found_bytes": len(body), "promised_bytes": size}
            raise errors.WormError(code="worm_checksum_mismatch", values={"cause": "size", "key": key, **sizes})
        if stored.sha256 != sha256:
            raise errors.WormError(code="worm_checksum_mismatch", values={"cause": "bytes", "key": key})
        if stored.size != size or content_type not in {"", stored.content_type}:
            raise errors.WormError(code="worm_checksum_mismatch", values={"cause": "record", "key": key})
        s3_probe.check_lock(stored=stored, retain_until=retain_until)
        s3_probe.check_facts(facts=self.facts())
        return self._alone(stored=stored)

    def versions(self, *, key: str) -> tuple[store.Version, ...]:
        """Return every version and delete marker of a key, the oldest first."""
        store.check_key(key=key)
        with s3_client.named(doing="read", key=key):
            pages = list(self.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=key))
        rows = [
            store.Version(version=row["VersionId"], stored_at=row["LastModified"], marker=marker)
            for part, marker in (("Versions", False), ("DeleteMarkers", True))
            for page in pages
            for row in page.get(part, [])
            if row["Key"] == key  # what begins with it is another object
        ]
        rows.reverse()  # S3 lists the newest first, and tells time in whole seconds
        return tuple(sorted(rows, key=lambda row: row.stored_at))

    def extend(self, *, key: str, version: str, retain_until: dt.datetime) -> store.Stored:
        """Lock a version for longer; the store refuses to lock it for less."""
        store.check_key(key=key)
        with s3_client.named(doing="write", key=key):
            self.client.put_object_retention(
                Bucket=self.bucket,
                Key=key,
                VersionId=version,
                Retention={"Mode": store.COMPLIANCE, "RetainUntilDate": retain_until},
            )
            return self._found(key=key, version=version)

    def hold(self, *, key: str, version: str, on: bool) -> bool:
        """Put a version under legal hold, or end it; True: the store itself keeps it."""
        store.check_key(key=key)
        with s3_client.named(doing="write", key=key):
            self.client.put_object_legal_hold(
                Bucket=self.bucket, Key=key, VersionId=version, LegalHold={"Status": "ON" if on else OFF}
            )
        return True

    def dispose(self, *, key: str, version: str) -> None:
        """Remove a version whose retention is over and that nobody holds."""
        store.check_key(key=key)
        with s3_client.named(doing="write", key=key):
            stored = self.client.head_object(Bucket=self.bucket, Key=key, VersionId=version)
            until = _until(answer=stored)
            if until >= dt.datetime.now(tz=dt.UTC) or stored.get("ObjectLockLegalHoldStatus", OFF) != OFF:
                raise errors.WormError(code="worm_still_locked", values={"key": key, "until_date": str(until.date())})
            self.client.delete_object(Bucket=self.bucket, Key=key, VersionId=version)

    def keys(self, *, prefix: str = "", after: str = "") -> Iterator[str]:
        """Walk every key that has a version, also behind a delete marker, in order; canaries are not keys."""
        last = after
        for page in s3_client.pages(client=self.client, bucket=self.bucket, prefix=prefix, after=after):
            for key in (row["Key"] for row in page.get("Versions", [])):
                if key > last and not key.startswith(s3_probe.PREFIX):
                    last = key
                    yield key

    def _taken(self, *, key: str, sha256: str) -> store.Stored:
        """Return what lies under a key that the store calls taken, if its bytes are those that were to be put.

        :raises errors.WormError: `worm_checksum_mismatch`; `worm_version_missing` where it lists nothing there
        """
        there = self.find(key=key)
        if there is None:
            raise errors.WormError(code="worm_version_missing", values={"cause": "unlisted", "key": key})
        return _adopted(there=there, sha256=sha256)

    def _read(self, *, key: str, version: str) -> tuple[bytes, Mapping[str, Any]]:
        """Return one version's bytes and what the store says of it."""
        with s3_client.named(doing="read", key=key):
            answer = self.client.get_object(Bucket=self.bucket, Key=key, VersionId=version)
            body: bytes = answer["Body"].read()
        if answer.get("VersionId") != version:
            raise errors.WormError(code="worm_checksum_mismatch", values={"cause": "version", "key": key})
        return body, answer

    def _found(self, *, key: str, version: str) -> store.Stored:
        """Return a version as the store describes it."""
        answer = self.client.head_object(Bucket=self.bucket, Key=key, VersionId=version, ChecksumMode="ENABLED")
        kept = answer.get("ChecksumSHA256", "")
        whole = kept and answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
        if whole:
            sha256 = base64.b64decode(kept).hex()
        else:
            sha256 = hashlib.sha256(self.read(key=key, version=version)).hexdigest()
        return _described(key=key, version=version, sha256=sha256, answer=answer)

    def _alone(self, *, stored: store.Stored) -> store.Stored:
        """Return a version with its identical siblings, which two writers left that were at work at once.

        :raises errors.WormError: `worm_extra_version`, `worm_delete_marker`, `worm_version_missing`
        """
        versions = self.versions(key=stored.key)
        if any(row.marker for row in versions):
            raise errors.WormError(code="worm_delete_marker", values={"key": stored.key})
        if stored.version not in {row.version for row in versions}:
            raise errors.WormError(code="worm_version_missing", values={"cause": "unlisted", "key": stored.key})
        others = tuple(row.version for row in versions if row.version != stored.version)
        for other in others:
            body, _answer = self._read(key=stored.key, version=other)
            if hashlib.sha256(body).hexdigest() != stored.sha256:
                values = {"key": stored.key, "version": other}
                raise errors.WormError(code="worm_extra_version", values=values)
        return dataclasses.replace(stored, siblings=others)

    def _has(self, *, operation: str, part: str) -> bool:
        """Return whether a bucket has a configuration; S3 answers 404 where it has none."""
        try:
            answer = getattr(self.client, operation)(Bucket=self.bucket)
        except ClientError as error:
            if "Configuration" in s3_client.code_of(error):
                return False
            raise
        content = answer.get(part)
        return content.get("ObjectLockEnabled") == "Enabled" if isinstance(content, dict) else bool(content)


def _described(*, key: str, version: str, sha256: str, answer: Mapping[str, Any]) -> store.Stored:
    """Return what the store says of a version whose bytes have this hash."""
    return store.Stored(
        key=key,
        version=version,
        sha256=sha256,
        size=int(answer["ContentLength"]),
        mode=answer.get("ObjectLockMode", ""),
        retain_until=_until(answer=answer),
        stored_at=answer["LastModified"],
        content_type=answer.get("ContentType", ""),
    )


def _until(*, answer: Mapping[str, Any]) -> dt.datetime:
    """Return when a version's lock ends."""
    until: dt.datetime = answer.get("ObjectLockRetainUntilDate", s3_probe.NEVER)
    return until


def _adopted(*, there: store.Stored, sha256: str) -> store.Stored:
    """Return what is there already, if its bytes are those that were to be put.

    :raises errors.WormError: `worm_checksum_mismatch`
    """
    if there.sha256 != sha256:
        raise errors.WormError(code="worm_checksum_mismatch", values={"cause": "other_bytes", "key": there.key})
    return there
