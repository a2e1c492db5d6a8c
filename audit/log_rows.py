"""One row of the log and one head of its tree looked at again: what is wrong with either, as findings."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import DatabaseError, connections

from audit import leaf, merkle, tlog
from audit.log_findings import LogFinding
from audit.log_progress import Progress, ReadLeaf
from audit.models import TreeHead

_FIELDS = len(leaf.FIELDS)
_INDEX, _HASH, _EVENT_ID, _XID, _INCARNATION, _SALT, _DETAILS, _THERE = range(_FIELDS, _FIELDS + 8)
_DIGEST, _AT = leaf.FIELDS.index("details_digest"), leaf.FIELDS.index("at")
# One row for each place, also where its event is gone.
_WALK = (
    "SELECT COLUMNS, place.index, place.leaf_hash, place.event_id, event.xid, event.incarnation, detail.salt,"
    " detail.details::text, event.id FROM audit_treeplace AS place LEFT JOIN audit_event AS event"
    " ON event.id = place.event_id LEFT JOIN audit_eventdetail AS detail ON detail.event_id = place.event_id"
    " WHERE place.index >= %s AND place.index < %s ORDER BY place.index"
).replace(
    # A moment that Python cannot hold is none that was sealed.
    "COLUMNS",
    ", ".join(f"event.{name}" for name in leaf.FIELDS).replace(
        "event.at", "CASE WHEN event.at >= '0001-01-02' AND event.at < '9999-12-31' THEN event.at END"
    ),
)

_SEALED = "SELECT EXISTS (SELECT FROM audit_treeplace WHERE leaf_hash = %s)"
_DETAILED = "SELECT EXISTS (SELECT FROM audit_event WHERE details_digest = %s)"
_NOT_A_ROW = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)  # no sealed one raises


def read(*, start: int, stop: int, using: str) -> list[tuple[Any, ...]]:
    """Return the rows of the places from `start` to before `stop`, in their order.

    :raises django.db.Error: when the database does not answer
    """
    with connections[using].cursor() as cursor:
        cursor.execute(_WALK, [start, stop])
        return list(cursor.fetchall())


def is_there(*, row: Sequence[Any]) -> bool:
    """Say whether the event of a place has a row."""
    return row[_THERE] is not None


def place_of(*, row: Sequence[Any]) -> ReadLeaf:
    """Return a row as a leaf: one that can be no event at all hashes to nothing that was ever sealed."""
    hashed, order = None, (row[_INCARNATION], row[_XID], row[_EVENT_ID])
    if is_there(row=row):
        try:
            hashed = merkle.leaf_hash(leaf=leaf.encode_row(row[:_FIELDS]))
        except _NOT_A_ROW:
            hashed = bytes(merkle.HASH_BYTES)
    return ReadLeaf(index=row[_INDEX], event_id=row[_EVENT_ID], row=hashed, place=bytes(row[_HASH] or b""), order=order)


def verdict(*, read: ReadLeaf, sealed: bytes, progress: Progress, using: str) -> Iterator[LogFinding]:
    """Yield what is wrong with a leaf of which it is known what was sealed."""
    if read.row == sealed and not _follows(order=read.order, progress=progress):
        yield from _order_faults(order=read.order, progress=progress)
    if read.row == sealed == read.place:
        return
    name = f"event {read.event_id}"
    if read.row is None:
        yield LogFinding(code="missing", row=name)
    elif read.row != sealed:
        elsewhere = read.row != read.place and _exists(_SEALED, hashed=read.row, using=using)
        yield LogFinding(code="reordered" if elsewhere else "changed", row=name)
    if read.place not in (sealed, read.row):
        yield LogFinding(code="place_changed", row=name)


def details_faults(*, row: Sequence[Any], since: dt.datetime, using: str) -> Iterator[LogFinding]:
    """Yield what is wrong with the personal details of a row that is there."""
    name, salt = f"event {row[_EVENT_ID]}", row[_SALT]
    if salt is not None:
        digest = _digest_of(salt=bytes(salt), details=row[_DETAILS])
        if row[_DIGEST] is None or digest != bytes(row[_DIGEST]):
            swapped = _exists(_DETAILED, hashed=digest, using=using)
            yield LogFinding(code="details_swapped" if swapped else "details_changed", row=name)
    elif row[_DIGEST] is not None and row[_AT] is not None and row[_AT] > since:
        yield LogFinding(code="details_missing", row=name)


def head_says(*, head: TreeHead, keys: list[tlog.LogKey]) -> tuple[bytes, list[LogFinding]]:
    """Return the root that is signed for the size of a head, empty without one, and what is wrong with the head."""
    name = f"head {head.size}"
    try:
        checkpoint = tlog.read_checkpoint(note=head.note, keys=keys)
    except ValueError:
        return b"", [LogFinding(code="head_forged", row=name)]
    root = checkpoint.root if checkpoint.size == head.size else b""
    return root, [] if root == bytes(head.root) else [LogFinding(code="head_changed", row=name)]


def _follows(*, order: tuple[str, int, int], progress: Progress) -> bool:
    """Take a row that comes next in its own incarnation, as nearly all do."""
    last = progress.order
    if order[0] != last[0] or order <= last:
        return False
    progress.order, progress.order_before = order, last
    return True


def _order_faults(*, order: tuple[str, int, int], progress: Progress) -> Iterator[LogFinding]:
    """Yield the row that breaks the order: this one, or the one before where this one fits behind that one's own."""
    last = progress.order
    returns = order[0] != last[0] and order[0] in progress.incarnations
    if returns or (order[0] == last[0] and order <= last):
        before = progress.order_before
        fits = order[0] == before[0] and order > before
        yield LogFinding(code="reordered", row=f"event {last[2] if fits else order[2]}")
        if not fits:
            return  # the next one is held against the last that fitted
        progress.order = order
        return
    if order[0] not in progress.incarnations:
        progress.incarnations.append(order[0])
    progress.order, progress.order_before = order, last


def _digest_of(*, salt: bytes, details: str) -> bytes:
    try:
        return leaf.digest(salt=salt, body=leaf.canonical(json.loads(details)))
    except _NOT_A_ROW:
        return b""


def _exists(statement: str, *, hashed: bytes, using: str) -> bool:
    """Say whether a hash stands elsewhere; in a log too long to be searched for it, that is not said."""
    try:
        with connections[using].cursor() as cursor:
            cursor.execute(statement, [hashed])
            return bool(cursor.fetchone()[0])
    except DatabaseError:
        return False
