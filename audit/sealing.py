"""The sealer: it gives committed events their place in the tree, in batches, and signs what the log has become.

Any number of processes may call `seal`; one of them seals at a time, and a batch commits whole or not at all, so that
one that is cut off is done by whoever comes next. The order is that of (incarnation, xid, id): events of before a
restore first, in the order of their first ids, then those of now. Of these none is taken that an open transaction could
still precede, so that a long one delays what comes after it; `holding_up` names it.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from audit import leaf, merkle, signing, tlog, tree
from audit.models import TreeHead, TreePlace, TreeTile

BATCH = 5_000
LOCK = 0x5EA1  # of one sealer at a time
_BEYOND = (
    "SELECT COLUMNS FROM audit_event AS event WHERE event.incarnation = %(incarnation)s"
    " AND (event.xid, event.id) > (%(xid)s, %(id)s) BOUND ORDER BY event.xid, event.id LIMIT %(limit)s"
).replace("COLUMNS", ", ".join(f"event.{name}" for name in leaf.FIELDS))
_NOW = _BEYOND.replace("BOUND", "AND event.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_BEFORE = _BEYOND.replace("BOUND", "")  # nothing can join an incarnation that is over
_INCARNATIONS = "SELECT incarnation FROM audit_event WHERE incarnation <> %s GROUP BY incarnation ORDER BY min(id)"
_INCARNATIONS_MAX_S = 600  # it reads the whole log, once a process that seals the first event after a restore
_LAST = (
    "SELECT audit_incarnation(), last.index, last.incarnation, last.xid, last.id FROM (SELECT) AS always"
    " LEFT JOIN (SELECT place.index, event.incarnation, event.xid, event.id FROM audit_treeplace AS place"
    " JOIN audit_event AS event ON event.id = place.event_id ORDER BY place.index DESC LIMIT 1) AS last ON true"
)
_HOLDING_UP = (
    "SELECT pid, usename, application_name, extract(epoch FROM clock_timestamp() - xact_start)"
    " FROM pg_locks JOIN pg_stat_activity USING (pid)"  # since when others write is hidden, that they do is not
    " WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted AND pid <> pg_backend_pid()"
    " ORDER BY transactionid::text::bigint LIMIT 1"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HoldUp:
    """The open transaction that has written longest: `pid` of its session, whose it is, its age in seconds.

    The age is None where PostgreSQL does not show it: of a transaction of another role.
    """

    pid: int
    role: str
    application: str
    age_s: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class _End:
    """Where the tree ends: its size, the incarnation, transaction and id of its last event, and which one is now."""

    size: int
    incarnation: str
    xid: int
    event_id: int
    current: str


def seal(*, limit: int = BATCH) -> int:
    """Seal a batch of what has been committed and return how many events it has; 0 where another process seals.

    :raises django.db.Error: when the database does not answer; nothing is sealed then.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
        end = _end(cursor=cursor)
        rows = _next(cursor=cursor, end=end, limit=limit)
        if not rows:
            return 0
        origin = signing.origin()
        if _first_of_keys():
            signing.note_keys(name=origin)  # sealed by the next batch: a key is not in the log that it opens
        _place(first=end.size, rows=rows)
        size = end.size + len(rows)
        _keep_full_tiles(before=end.size, size=size)
        _sign(origin=origin, size=size)
    return len(rows)


def holding_up() -> HoldUp | None:
    """Return the open transaction, of any database of the server, for which all after it waits, if one has written.

    The runtime role sees its own sessions whole, and of others that they are there and have written.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HOLDING_UP)
        row = cursor.fetchone()
    if row is None:
        return None
    return HoldUp(
        pid=row[0], role=row[1] or "", application=row[2] or "", age_s=None if row[3] is None else float(row[3])
    )


_noted: set[str] = set()  # what this process has seen to be on record of its keys


def _first_of_keys() -> bool:
    """Say, once a process and set of keys, that the log must be asked what it knows of them."""
    mark = " ".join(private.public_key().public_bytes_raw().hex() for private in signing.private_keys())
    if mark in _noted:
        return False
    transaction.on_commit(lambda: _noted.add(mark))
    return True


def _end(*, cursor: CursorWrapper) -> _End:
    cursor.execute(_LAST)
    current, index, incarnation, xid, event_id = cursor.fetchone()
    if index is None:
        return _End(size=0, incarnation="", xid=0, event_id=0, current=current)
    return _End(size=index + 1, incarnation=incarnation, xid=xid, event_id=event_id, current=current)


def _next(*, cursor: CursorWrapper, end: _End, limit: int) -> Sequence[tuple[Any, ...]]:
    """Return the rows that come next: the rest of the last one's incarnation, or else the first of one after it."""
    xid, event_id = end.xid, end.event_id
    for incarnation in _from(cursor=cursor, end=end):
        beyond: dict[str, str | int] = {"incarnation": incarnation, "xid": xid, "id": event_id, "limit": limit}
        cursor.execute(_NOW if incarnation == end.current else _BEFORE, beyond)
        if rows := list(cursor.fetchall()):
            return rows
        xid, event_id = 0, 0
    return []


_before: dict[str, list[str]] = {}  # the incarnations that are over, the first one first, of the one that is now


def _from(*, cursor: CursorWrapper, end: _End) -> list[str]:
    """Return the incarnations that may have events to be sealed, in their order."""
    if end.incarnation == end.current:
        return [end.current]
    if end.current not in _before or (end.size and end.incarnation not in _before[end.current]):
        cursor.execute("SHOW statement_timeout")
        (limit,) = cursor.fetchone()
        cursor.execute(f"SET LOCAL statement_timeout = '{_INCARNATIONS_MAX_S}s'")
        patience_s = getattr(cursor.connection, "patience_s", None)
        cursor.connection.patience_s = _INCARNATIONS_MAX_S + 1  # a connection waits for as long as the server may take
        try:
            cursor.execute(_INCARNATIONS, [end.current])
        finally:
            cursor.connection.patience_s = patience_s
        _before[end.current] = [name for (name,) in cursor.fetchall()]
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [limit])
    over = _before[end.current]
    return [*(over[over.index(end.incarnation) :] if end.size else over), end.current]


def _place(*, first: int, rows: Iterable[tuple[Any, ...]]) -> None:
    places = [
        TreePlace(index=first + place, event_id=row[0], leaf_hash=merkle.leaf_hash(leaf=leaf.encode_row(row)))
        for place, row in enumerate(rows)
    ]
    TreePlace.objects.bulk_create(places)


def _keep_full_tiles(*, before: int, size: int) -> None:
    """Keep the tiles that have become full: those of a level are made of the one below."""
    for level, index, width in tlog.tiles(size=size, beyond=before):
        if width == tlog.TILE_WIDTH:
            hashes = tree.hashes(level=level, index=index, width=width)
            TreeTile.objects.create(
                level=level, index=index, hashes=b"".join(hashes), subtree=merkle.complete(hashes=hashes)
            )


def _sign(*, origin: str, size: int) -> None:
    root = merkle.root(size=size, node=tree.nodes(size=size))
    checkpoint = tlog.Checkpoint(origin=origin, size=size, root=root)
    note = tlog.signed(text=str(checkpoint), name=origin, keys=signing.private_keys())
    TreeHead.objects.create(size=size, root=root, note=note)
