"""The local store: a folder whose files are written once. It cannot promise WORM, so it says which level it reached.

An object is two files in the same folder: first the lock record `.{name}.{sha256}.lock` (mode, date, hash, type, time),
then the bytes as `{name}`. The record is named by the hash of the bytes. After a crash between the two, the same or
other bytes may therefore still be put; and bytes that someone changed by force have no record.
"""

import errno
import hashlib
import json
import logging
import os
import pathlib
import secrets
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from documents import errors
from documents.vault import address, immutable, local_records, object_files, store

log = logging.getLogger(__name__)
CANARY = "canary"


def open_store(*, url: str, former: bool = False) -> "LocalVault":
    """Open the folder of a `file:///...` URL and probe it; a `former` one, which is only read, is left as it is.

    The folder is made here and nowhere else, so that one which disappears later (an unmounted disk) is noticed.
    """
    try:
        root = address.folder(url=url)
    except address.WrongAddressError as wrong:
        values = {"cause": "url", "scheme": "file://"}
        raise errors.WormError(code="worm_bucket_misconfigured", values=values) from wrong
    opened = LocalVault(root=root)
    if former:
        return opened
    with object_files.named(doing="open"):
        root.mkdir(parents=True, exist_ok=True)
    opened.probe()
    return opened


class LocalVault:
    """Write-once files under one folder; see `store.Vault` for the contract."""

    def __init__(self, *, root: pathlib.Path) -> None:
        self.root = root
        self.mode = local_records.READ_ONLY
        self.attempts: dict[str, str] = {}

    def probe(self) -> str:
        """Attack a canary object and return the level that the attacks found, whatever the system claims.

        :raises errors.WormError: `worm_bucket_misconfigured` where even a second put on an existing key goes through.
        """
        with (
            object_files.named(doing="probe"),
            object_files.opened(root=self.root, parts=(".probe",), create=True) as folder,
        ):
            before = self._canary(folder=folder)
            reached = (
                local_records.IMMUTABLE
                if immutable.available(folder=folder) and self._attacks_fail(folder=folder)
                else local_records.READ_ONLY
            )
            if self._canary(folder=folder) != before:
                reached = local_records.READ_ONLY
        self.mode = reached
        if reached == local_records.READ_ONLY:
            # Its owner could still remove a file: `chattr +i` needs root on ext4, xfs or btrfs.
            log.warning("vault.local_read_only", extra={"code": "vault_read_only"})
        else:
            log.info("vault.local_immutable")
        return reached

    def put(self, *, key: str, body: bytes, content_type: str, retain_until: datetime) -> store.Stored:
        """Write record and bytes once, and seal them; identical bytes already there are adopted."""
        store.check_key(key=key)
        *parents, name = key.split("/")
        digest = hashlib.sha256(body).hexdigest()
        record = {
            "content_type": content_type,
            "mode": self.mode,
            "retain_until": retain_until.isoformat(),
            "sha256": digest,
            "size": len(body),
            "stored_at": datetime.now(tz=UTC).isoformat(),
        }
        with (
            object_files.named(doing="write"),
            object_files.opened(root=self.root, parts=tuple(parents), create=True) as folder,
        ):
            object_files.link_once(
                folder=folder, name=local_records.name_of(name=name, sha256=digest), body=json.dumps(record).encode()
            )
            if (
                not object_files.link_once(folder=folder, name=name, body=body)
                and object_files.read(folder=folder, name=name) != body
            ):
                raise errors.WormError(code="worm_checksum_mismatch", values={"cause": "other_bytes", "key": key})
            for file in (local_records.name_of(name=name, sha256=digest), name):
                self._seal(folder=folder, name=file)
            os.fsync(folder)
        stored = self.find(key=key)
        if stored is None:
            raise errors.WormError(code="worm_version_missing", values={"cause": "gone", "key": key})
        return stored

    def find(self, *, key: str) -> store.Stored | None:
        """Return what is stored under a key, by the hash of the bytes as they are now."""
        store.check_key(key=key)
        *parents, name = key.split("/")
        self._present()
        with object_files.named(doing="read"):
            try:
                with object_files.opened(root=self.root, parts=tuple(parents)) as folder:
                    body = object_files.read(folder=folder, name=name)
                    digest = hashlib.sha256(body).hexdigest()
                    return local_records.stored(folder=folder, key=key, name=name, sha256=digest)
            except FileNotFoundError:
                return None

    def read(self, *, key: str, version: str, retain_until: datetime | None = None) -> bytes:
        """Return the bytes of the version, and never those of another one."""
        store.check_key(key=key)
        *parents, name = key.split("/")
        self._present()
        with object_files.named(doing="read"):
            try:
                with object_files.opened(root=self.root, parts=tuple(parents)) as folder:
                    body = object_files.read(folder=folder, name=name)
            except FileNotFoundError as gone:
                raise errors.WormError(code="worm_version_missing", values={"cause": "gone", "key": key}) from gone
        if hashlib.sha256(body).hexdigest() != version:
            raise errors.WormError(code="worm_checksum_mismatch", values={"cause": "version", "key": key})
        if retain_until is not None:
            self._locked(key=key, sha256=version, retain_until=retain_until)
        return body

    def verify(
        self, *, key: str, version: str, sha256: str, size: int, retain_until: datetime, content_type: str = ""
    ) -> store.Stored:
        """Read from the medium and compare bytes, hash, length, type, mode, lock and date."""
        body = self.read(key=key, version=version)
        if hashlib.sha256(body).hexdigest() != sha256 or len(body) != size:
            sizes: dict[str, errors.Value] = {"found_bytes": len(body), "promised_bytes": size}
            raise errors.WormError(code="worm_checksum_mismatch", values={"cause": "size", "key": key, **sizes})
        stored = self._locked(key=key, sha256=sha256, retain_until=retain_until)
        if stored.size != size or content_type not in {"", stored.content_type}:
            raise errors.WormError(code="worm_checksum_mismatch", values={"cause": "record", "key": key})
        return stored

    def _locked(self, *, key: str, sha256: str, retain_until: datetime) -> store.Stored:
        """Return what the lock record says, if bytes and record are sealed until then."""
        *parents, name = key.split("/")
        with object_files.named(doing="read"), object_files.opened(root=self.root, parts=tuple(parents)) as folder:
            stored = local_records.stored(folder=folder, key=key, name=name, sha256=sha256)
            for file in (name, local_records.name_of(name=name, sha256=sha256)):
                local_records.check_sealed(folder=folder, name=file, mode=stored.mode)
        if stored.retain_until < retain_until:
            raise store.too_short(key=key, until=stored.retain_until, policy=retain_until)
        return stored

    def facts(self) -> store.StoreFacts:
        """Return what the folder promises: it keeps no versions, and its time is this machine's."""
        locking = self.mode == local_records.IMMUTABLE
        return store.StoreFacts(locking=locking, versioning=False, lifecycle=False, now=datetime.now(tz=UTC))

    def versions(self, *, key: str) -> tuple[store.Version, ...]:
        """Return the one version of a key, if it has one."""
        stored = self.find(key=key)
        return (store.Version(version=stored.version, stored_at=stored.stored_at),) if stored else ()

    def extend(self, *, key: str, version: str, retain_until: datetime) -> store.Stored:
        """Add a record that locks the version for longer; the first one stays."""
        stored = self._existing(key=key, version=version)
        if retain_until <= stored.retain_until:
            return stored
        *parents, name = key.split("/")
        with object_files.named(doing="write"), object_files.opened(root=self.root, parts=tuple(parents)) as folder:
            record = local_records.extension_of(name=name, sha256=version, retain_until=retain_until)
            object_files.link_once(folder=folder, name=record, body=b"")
            self._seal(folder=folder, name=record)
            os.fsync(folder)
        return self._existing(key=key, version=version)

    def hold(self, *, key: str, version: str, on: bool) -> bool:
        """Know of no legal hold: what is held is said by the database alone."""
        self._existing(key=key, version=version)
        log.info("vault.hold_unknown", extra={"vault_key": key, "on": on})
        return False

    def dispose(self, *, key: str, version: str) -> None:
        """Remove a version and its records, once its retention is over."""
        stored = self._existing(key=key, version=version)
        if stored.retain_until >= datetime.now(tz=UTC):
            until = str(stored.retain_until.date())
            raise errors.WormError(code="worm_still_locked", values={"key": key, "until_date": until})
        *parents, name = key.split("/")
        with object_files.named(doing="write"), object_files.opened(root=self.root, parts=tuple(parents)) as folder:
            # The bytes first: a crash between the two leaves records, which lock nothing.
            for file in (name, *local_records.all_of(folder=folder, name=name, sha256=version)):
                immutable.release(folder=folder, name=file)
                os.unlink(file, dir_fd=folder)
            os.fsync(folder)

    def keys(self, *, prefix: str = "", after: str = "") -> Iterator[str]:
        """Walk every key below the prefix, in no order; lock records and the canary are not keys."""
        self._present()
        with object_files.named(doing="read"):
            start = self.root / prefix.rpartition("/")[0]
            if not start.is_dir():
                return
            for folder, below, names in os.walk(start, onerror=_raise):
                below[:] = [name for name in below if not name.startswith(".")]
                for name in names:
                    key = (pathlib.Path(folder) / name).relative_to(self.root).as_posix()
                    if not name.startswith(".") and key.startswith(prefix) and key > after:
                        yield key

    def _existing(self, *, key: str, version: str) -> store.Stored:
        """Return one version.

        :raises errors.WormError: `worm_version_missing`
        """
        stored = self.find(key=key)
        if stored is None or stored.version != version:
            raise errors.WormError(code="worm_version_missing", values={"cause": "gone", "key": key})
        return stored

    def _present(self) -> None:
        """Refuse to answer for a folder that is not there.

        :raises errors.WormError: `worm_unavailable`.
        """
        if not self.root.is_dir():
            raise errors.WormError(code="worm_unavailable", values={"cause": "folder"})

    def _seal(self, *, folder: int, name: str) -> None:
        """Make a file read-only, and immutable where this process may; safe to repeat."""
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            if stat.S_IMODE(os.fstat(descriptor).st_mode) != object_files.SEALED_MODE:
                os.fchmod(descriptor, object_files.SEALED_MODE)
            if self.mode == local_records.IMMUTABLE:
                immutable.put_flag(descriptor=descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _canary(self, *, folder: int) -> int:
        """Make the canary if missing and return its inode; a second put must not replace it."""
        body = b"This object is attacked at every start. It must survive.\n"
        object_files.link_once(folder=folder, name=CANARY, body=body)
        number = os.stat(CANARY, dir_fd=folder, follow_symlinks=False).st_ino
        if (
            object_files.link_once(folder=folder, name=CANARY, body=b"overwritten")
            or object_files.read(folder=folder, name=CANARY) != body
        ):
            raise errors.WormError(code="worm_bucket_misconfigured", values={"cause": "replaced"})
        return number

    def _attacks_fail(self, *, folder: int) -> bool:
        """Seal the canary and try to change or remove it as its owner would: all must fail."""
        descriptor = os.open(CANARY, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            immutable.put_flag(descriptor=descriptor)
            attacks: dict[str, Callable[[], None]] = {
                "write": lambda: os.close(os.open(CANARY, os.O_WRONLY, dir_fd=folder)),
                "truncate": lambda: os.close(os.open(CANARY, os.O_WRONLY | os.O_TRUNC, dir_fd=folder)),
                "change-mode": lambda: os.fchmod(descriptor, 0o600),
                "change-time": lambda: os.utime(descriptor, (0, 0)),
                "link": lambda: os.link(
                    CANARY, f"{CANARY}.{secrets.token_hex(4)}", src_dir_fd=folder, dst_dir_fd=folder
                ),
                "rename": lambda: os.rename(CANARY, f"{CANARY}.moved", src_dir_fd=folder, dst_dir_fd=folder),
                "remove": lambda: os.unlink(CANARY, dir_fd=folder),
            }
            for name, attack in attacks.items():
                self.attempts[name] = store.REFUSED if _refused(attack=attack) else store.ALLOWED
                if self.attempts[name] == store.ALLOWED:
                    return False
            return True
        finally:
            os.close(descriptor)


def _refused(*, attack: Callable[[], None]) -> bool:
    """Return whether the system refused an attack."""
    try:
        attack()
    except OSError as answer:
        return answer.errno in {errno.EPERM, errno.EACCES}
    return False


def _raise(error: OSError) -> None:
    raise error
