"""The local store's lock records: small files beside an object that say its lock, and the seal of both."""

import json
import os
import stat
from datetime import UTC, date, datetime, timedelta, timezone

from documents import errors
from documents.vault import immutable, object_files, store

IMMUTABLE, READ_ONLY = "LOCAL_IMMUTABLE", "LOCAL_READ_ONLY"
STAMP = "%Y%m%dT%H%M%SZ"


def name_of(*, name: str, sha256: str) -> str:
    """Return the name of the lock record of an object's bytes."""
    return f".{name}.{sha256[:32]}.lock"


def stored(*, folder: int, key: str, name: str, sha256: str) -> store.Stored:
    """Read the lock record of these bytes.

    :raises errors.WormError: `worm_checksum_mismatch` where the bytes have no record but other bytes had one.
    """
    try:
        record = json.loads(object_files.read(folder=folder, name=name_of(name=name, sha256=sha256)))
        if record["sha256"] != sha256 or record["mode"] not in {IMMUTABLE, READ_ONLY}:
            raise errors.WormError(code="worm_lock_missing", values={"cause": "other_record", "key": key})
        return store.Stored(
            key=key,
            version=sha256,
            sha256=sha256,
            size=int(record["size"]),
            mode=record["mode"],
            retain_until=max(
                [_moment(text=record["retain_until"]), *_extensions(folder=folder, name=name, sha256=sha256)]
            ),
            stored_at=datetime.fromisoformat(record["stored_at"]),
            content_type=record["content_type"],
        )
    except FileNotFoundError as missing:
        others = [file for file in os.listdir(folder) if file.startswith(f".{name}.") and file.endswith(".lock")]
        code = "worm_checksum_mismatch" if others else "worm_lock_missing"
        raise errors.WormError(code=code, values={"cause": "no_record", "key": key}) from missing
    except (ValueError, KeyError, TypeError) as garbage:
        raise errors.WormError(code="worm_lock_missing", values={"cause": "unreadable", "key": key}) from garbage


def extension_of(*, name: str, sha256: str, retain_until: datetime) -> str:
    """Return the name of the record that locks an object's bytes for longer; the name says until when."""
    return f"{name_of(name=name, sha256=sha256).removesuffix('.lock')}.{retain_until.astimezone(UTC):{STAMP}}.lock"


def all_of(*, folder: int, name: str, sha256: str) -> list[str]:
    """Return the names of the records of an object's bytes, the extensions included."""
    own = name_of(name=name, sha256=sha256)
    return [
        own,
        *(file for file in os.listdir(folder) if file.startswith(f"{own.removesuffix('lock')}") and file != own),
    ]


def _extensions(*, folder: int, name: str, sha256: str) -> list[datetime]:
    """Return until when each extension locks an object's bytes."""
    start = name_of(name=name, sha256=sha256).removesuffix("lock")
    return [
        datetime.strptime(file.removeprefix(start), f"{STAMP}.lock").replace(tzinfo=UTC)
        for file in all_of(folder=folder, name=name, sha256=sha256)[1:]
    ]


def _moment(*, text: str) -> datetime:
    """Return the moment that a record states; a date of an earlier version ends where it ends last on earth."""
    if len(text) == len("2026-01-01"):
        return store.lock_end(day=date.fromisoformat(text), zone=timezone(timedelta(hours=-12)))
    return datetime.fromisoformat(text)


def check_sealed(*, folder: int, name: str, mode: str) -> None:
    """Compare a file's protection with the mode that its record states.

    :raises errors.WormError: `worm_lock_missing`.
    """
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o222:
            raise errors.WormError(code="worm_lock_missing", values={"cause": "writable", "file": name})
        if mode == IMMUTABLE and not immutable.has_flag(descriptor=descriptor):
            raise errors.WormError(code="worm_lock_missing", values={"cause": "flag", "file": name})
    finally:
        os.close(descriptor)
