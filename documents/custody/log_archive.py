"""The sealed log in the vault: tiles, bundles of its events and signed checkpoints, written once, under `audit/log/`.

What lies there is a log by c2sp.org/tlog-tiles: whoever reads the vault needs nothing else to check it, and nobody who
holds the database can change it. Full tiles follow as they fill; once an hour, and whenever somebody asks, the tiles
that are not full yet and the checkpoint of that size. The hourly one is committed to: documents that are issued from
then on name SHA-256(blind || checkpoint), and the blind lies here beside the checkpoint. While the vault does not
answer, this waits; nothing else does.
"""

import datetime as dt
import hashlib
import secrets
import time
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

from audit import tlog, tree
from audit.models import TreeHead
from documents import errors
from documents.alerts import incidents
from documents.countries import pack
from documents.models import Alert, LogCommitment, LogFile
from documents.vault import places, rules, store

PREFIX = "audit/log/"
CHECKPOINTS, COMMITMENTS = f"{PREFIX}checkpoint/", f"{PREFIX}commitment/"
BLIND_BYTES = 32
ALERT = "log_archive"  # the dedup key of a vault that holds something else
EVERY = dt.timedelta(hours=1)
OCTETS, TEXT = "application/octet-stream", "text/plain; charset=utf-8"
WIDTH = tlog.TILE_WIDTH
_last: dict[str, float] = {}  # when this process looked last


@dataclass(frozen=True, kw_only=True)
class ArchivedFile:
    """A file of the log that is to lie in the vault."""

    key: str
    body: bytes
    content_type: str = OCTETS


def go_on(*, now: dt.datetime) -> int:
    """Archive the tiles that have filled, and what is due once an hour; return how many files were stored.

    :raises errors.WormError: the vault does not take them; what was stored stays noted
    """
    head = tree.head()
    if head is None:
        return 0
    if _newest_at() > now - EVERY:
        return _store(files=_full(head=head), now=now)
    return archive(head=head, now=now, commits=True)


def tend(*, now: dt.datetime, every_s: float = 0.0) -> None:
    """Archive what is due; what lies in the vault instead of it is a P1. Outages and clocks are incidents of their own.

    It does nothing when called again before `every_s` have passed in this process.
    """
    if time.monotonic() - _last.get("archive", -every_s) < every_s:
        return
    _last["archive"] = time.monotonic()
    try:
        go_on(now=now)
    except errors.WormError as error:
        waits = error.code == "worm_unavailable" or rules.is_our_clock(problem=error)
        if not (waits or Alert.objects.filter(dedup_key=ALERT, resolved_at=None).exists()):
            values = {**error.values, "what": PREFIX}
            incidents.open_alert(code=error.code, severity="P1", dedup_key=ALERT, values=values, object_id="audit_log")
    else:
        incidents.resolve_alert(dedup_key=ALERT)


def archive(*, head: TreeHead, now: dt.datetime, commits: bool = False) -> int:
    """Archive the whole tree of a head, last of all its checkpoint, so that one that is there can be checked.

    :param commits: have the documents from now on name a commitment to it
    :raises errors.WormError: the vault does not take it
    """
    stored = _store(files=_full(head=head), now=now)
    stored += _store(files=_partial(head=head), now=now)
    if commits:
        stored += _commit(note=head.note, now=now)
    checkpoint = ArchivedFile(key=checkpoint_key(size=head.size), body=head.note.encode(), content_type=TEXT)
    return stored + _store(files=iter([checkpoint]), now=now)


def _commit(*, note: str, now: dt.datetime) -> int:
    """Commit to a checkpoint: the documents name it once what opens it lies in the vault."""
    blind = secrets.token_bytes(BLIND_BYTES)
    digest = hashlib.sha256(blind + note.encode()).hexdigest()
    file = ArchivedFile(key=COMMITMENTS + digest, body=f"{blind.hex()}\n{note}".encode(), content_type=TEXT)
    stored = _store(files=iter([file]), now=now)
    LogCommitment.objects.create(digest=digest, made_at=now)
    return stored


def checkpoint_key(*, size: int) -> str:
    """Return where the checkpoint of a size lies: the keys sort as the sizes do."""
    return f"{CHECKPOINTS}{size:016}"


def checkpoints() -> Iterator[tuple[int, str]]:
    """Yield size and note of each checkpoint that lies in the vault, the smallest first.

    :raises errors.WormError: the vault does not answer
    """
    keys = [key for several in store.walk(at_once=500, prefix=CHECKPOINTS) for key in several]
    for key in sorted(keys):
        yield int(key.removeprefix(CHECKPOINTS)), read(key=key).decode()


def newest_checkpoints(*, count: int) -> list[tuple[int, str]]:
    """Return size and note of the last checkpoints in the vault, the smallest first.

    :raises errors.WormError: the vault does not answer
    """
    keys = sorted(key for several in store.walk(at_once=500, prefix=CHECKPOINTS) for key in several)
    return [(int(key.removeprefix(CHECKPOINTS)), read(key=key).decode()) for key in keys[-count:]]


def opening(*, digest: str) -> bytes:
    """Return what opens a commitment: the blind in hexadecimal, a line break, the checkpoint.

    :raises errors.WormError: the vault does not answer
    :raises FileNotFoundError: there is no such commitment
    """
    return read(key=COMMITMENTS + digest)


def read(*, key: str) -> bytes:
    """Return the first version of a file of the log in the vault: what comes later is none of ours.

    :raises errors.WormError: the vault does not answer
    :raises FileNotFoundError: there is none
    """

    def work() -> bytes | None:
        vault = store.open_vault()
        stored = vault.find(key=key)
        return vault.read(key=key, version=stored.version) if stored else None

    body = store.guarded(work=work)
    if body is None:
        raise FileNotFoundError(key)
    return body


def stored_at(*, key: str) -> dt.datetime:
    """Return when the vault itself says that a file was stored.

    :raises errors.WormError: the vault does not answer
    :raises FileNotFoundError: there is none
    """
    stored = store.guarded(work=lambda: store.open_vault().find(key=key))
    if stored is None:
        raise FileNotFoundError(key)
    return stored.stored_at


def keep_until(*, now: dt.datetime) -> dt.datetime:
    """Return when the lock of what is archived now ends: with that of the document that is kept longest."""
    return max(
        store.lock_end(day=row.retain_until(issue_date=now.date()), zone=zoneinfo.ZoneInfo(row.time_zone))
        for row in pack.registry().values()
    )


def _full(*, head: TreeHead) -> Iterator[ArchivedFile]:
    """Yield the full tiles that are not archived yet.

    Those of leaves come last, for they are what `_archived_size` counts: whoever is cut off leaves nothing out.
    """
    full = [tile for tile in tlog.tiles(size=head.size, beyond=_archived_size()) if tile[2] == WIDTH]
    for level, index, width in sorted(full, reverse=True, key=lambda tile: tile[0]):
        yield from _files(level=level, index=index, width=width)


def _partial(*, head: TreeHead) -> Iterator[ArchivedFile]:
    """Yield the tiles of a tree that are not full."""
    for level, index, width in tlog.tiles(size=head.size, beyond=head.size // WIDTH * WIDTH):
        if width < WIDTH:
            yield from _files(level=level, index=index, width=width)


def _files(*, level: int, index: int, width: int) -> Iterator[ArchivedFile]:
    """Yield a tile, and first the bundle of the events whose hashes it has."""
    if level == 0:
        entries = tlog.bundle(entries=tree.entries(index=index, width=width))
        yield ArchivedFile(key=PREFIX + tlog.tile_path(level="entries", index=index, width=width), body=entries)
    hashes = tree.hashes(level=level, index=index, width=width)
    yield ArchivedFile(key=PREFIX + tlog.tile_path(level=level, index=index, width=width), body=b"".join(hashes))


def _store(*, files: Iterator[ArchivedFile], now: dt.datetime) -> int:
    number = 0
    for file in files:
        sha256 = hashlib.sha256(file.body).hexdigest()
        if LogFile.objects.filter(key=file.key, vault_url=places.here()).exists():
            continue
        stored = store.lock(
            key=file.key,
            body=file.body,
            retain_until=keep_until(now=now),
            sha256=sha256,
            content_type=file.content_type,
        )
        LogFile.objects.bulk_create(
            [
                LogFile(
                    key=file.key,
                    vault_url=places.here(),
                    sha256=sha256,
                    vault_version=stored.version,
                    width=_width(key=file.key),
                    stored_at=now,
                )
            ],
            ignore_conflicts=True,  # another worker has stored the very same
        )
        number += 1
    return number


def _width(*, key: str) -> int:
    """Return how many hashes the file of a tile of leaves has; 0 for any other file."""
    if not key.startswith(f"{PREFIX}tile/0/"):
        return 0
    return int(key.partition(".p/")[2] or WIDTH)


def _archived_size() -> int:
    """Return how many leaves the full tiles in this vault have."""
    return WIDTH * LogFile.objects.filter(vault_url=places.here(), width=WIDTH).count()


def _newest_at() -> dt.datetime:
    """Return when a checkpoint was archived and committed to last."""
    newest_at = LogCommitment.objects.order_by("-pk").values_list("made_at", flat=True).first()
    return newest_at or dt.datetime.min.replace(tzinfo=dt.UTC)
