"""The whole log looked at again, from checkpoints that lie outside of PostgreSQL: what was changed, and where first.

Every row is hashed anew and put into a tree of its own, whose root must be that of each outer checkpoint; its places,
tiles and signed heads must be what that tree says. Only reading is needed, so that whoever verifies may be a role that
can do nothing else. `Progress` is all that one batch leaves for the next: it can be kept and gone on from.
"""

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connections

from audit import leaf, merkle, tlog, tree
from audit.log_findings import LogFinding, OuterCheckpoint
from audit.models import TreeHead, TreeTile

BATCH = 5_000
_WALK = (
    "SELECT COLUMNS, place.index, place.leaf_hash, place.event_id, event.xid, event.incarnation, detail.salt,"
    " detail.details::text FROM audit_treeplace AS place LEFT JOIN audit_event AS event ON event.id = place.event_id"
    " LEFT JOIN audit_eventdetail AS detail ON detail.event_id = place.event_id"
    " WHERE place.index >= %s AND place.index < %s ORDER BY place.index"
).replace("COLUMNS", ", ".join(f"event.{name}" for name in leaf.FIELDS))
# Nothing that is committed may come before what is sealed.
_UNPLACED = (
    "SELECT event.id FROM audit_event AS event WHERE NOT EXISTS (SELECT FROM audit_treeplace AS place"
    " WHERE place.event_id = event.id) AND (event.incarnation <> audit_incarnation() AND EXISTS (SELECT FROM"
    " audit_event AS other JOIN audit_treeplace AS place ON place.event_id = other.id"
    " WHERE other.incarnation = audit_incarnation()) OR event.incarnation = audit_incarnation() AND"
    " (event.xid, event.id) < (SELECT other.xid, other.id FROM audit_treeplace AS place JOIN audit_event AS other"
    " ON other.id = place.event_id WHERE other.incarnation = audit_incarnation() ORDER BY place.index DESC LIMIT 1))"
    " ORDER BY event.id LIMIT %s"
)
_FIELDS = len(leaf.FIELDS)
_DIGEST, _AT = leaf.FIELDS.index("details_digest"), leaf.FIELDS.index("at")


@dataclasses.dataclass(kw_only=True)
class Progress:
    """How far the log has been read: how many leaves, the complete subtrees they are, and the last row's order."""

    size: int = 0
    subtrees: list[tuple[int, bytes]] = dataclasses.field(default_factory=list)
    last: tuple[str, int, int] = ("", 0, 0)
    tiles: dict[int, list[bytes]] = dataclasses.field(default_factory=dict)  # of each level, the one that is not full

    def add(self, *, hashed: bytes) -> None:
        """Append a leaf."""
        self.size += 1
        self.subtrees.append((0, hashed))
        while len(self.subtrees) > 1 and self.subtrees[-2][0] == self.subtrees[-1][0]:
            level, right = self.subtrees.pop()
            _, left = self.subtrees.pop()
            self.subtrees.append((level + 1, merkle.node_hash(left=left, right=right)))

    def to_json(self) -> str:
        """Write it down, to go on from another day."""
        subtrees = [[level, hashed.hex()] for level, hashed in self.subtrees]
        tiles = [[level, [hashed.hex() for hashed in hashes]] for level, hashes in self.tiles.items()]
        return json.dumps({"size": self.size, "subtrees": subtrees, "last": list(self.last), "tiles": tiles})

    @classmethod
    def from_json(cls, *, text: str) -> "Progress":
        """Read what `to_json` wrote.

        :raises ValueError: for anything else
        """
        kept = json.loads(text)
        incarnation, xid, event_id = kept["last"]
        return cls(
            size=kept["size"],
            subtrees=[(level, bytes.fromhex(hashed)) for level, hashed in kept["subtrees"]],
            last=(incarnation, xid, event_id),
            tiles={level: [bytes.fromhex(hashed) for hashed in hashes] for level, hashes in kept["tiles"]},
        )

    def root(self) -> bytes:
        """Return the root of what has been read."""
        *others, (_, hashed) = self.subtrees
        for _, left in reversed(others):
            hashed = merkle.node_hash(left=left, right=hashed)
        return hashed


def verify(
    *,
    outer: Sequence[OuterCheckpoint],
    keys: Iterable[tlog.LogKey],
    progress: Progress,
    details_since: dt.datetime,
    using: str = "default",
) -> Iterator[int | LogFinding]:
    """Look at everything from where `progress` is; yield how many rows each batch had, and what is wrong.

    :param details_since: since when no personal details may have been erased
    :raises django.db.Error: when the database does not answer
    """
    known = list(keys)
    heads = TreeHead.objects.using(using)
    yield from _outer_faults(outer=outer, keys=known, using=using)
    look = _Look(keys=known, details_since=details_since, using=using)
    roots = {outside.checkpoint.size: (outside.source, outside.checkpoint.root) for outside in outer}
    while rows := _rows(start=progress.size, using=using):
        signed = {head.size: head for head in heads.filter(size__gt=progress.size, size__lte=progress.size + BATCH)}
        faults = list(_batch(rows=rows, progress=progress, heads=signed, roots=roots, look=look))
        yield from faults
        yield len(rows)
        if any(fault.code == "place_missing" for fault in faults):
            return
    yield from _after(progress=progress, outer=outer, using=using)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Look:
    """With what is looked, and how far back personal details must be there."""

    keys: list[tlog.LogKey]
    details_since: dt.datetime
    using: str


def _rows(*, start: int, using: str) -> list[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(_WALK, [start, start + BATCH])
        return list(cursor.fetchall())


def _outer_faults(*, outer: Sequence[OuterCheckpoint], keys: list[tlog.LogKey], using: str) -> Iterator[LogFinding]:
    """Yield the outer checkpoints that no key has signed, and those that the database does not know."""
    sizes = [outside.checkpoint.size for outside in outer]
    known = {head.size: head for head in TreeHead.objects.using(using).filter(size__in=sizes)}
    for outside in outer:
        size, name = outside.checkpoint.size, outside.name
        if not _signed(note=outside.note, keys=keys):
            yield LogFinding(code="head_forged", row=name)
        if size not in known:
            yield LogFinding(code="head_missing", row=name)
        elif bytes(known[size].root) != outside.checkpoint.root:
            yield LogFinding(code="differs", row=name)


def _signed(*, note: str, keys: list[tlog.LogKey]) -> bool:
    try:
        tlog.read_note(note=note, keys=keys)
    except ValueError:
        return False
    return True


def _batch(
    *,
    rows: list[tuple[Any, ...]],
    progress: Progress,
    heads: dict[int, TreeHead],
    roots: dict[int, tuple[str, bytes]],
    look: _Look,
) -> Iterator[LogFinding]:
    for row in rows:
        index, held, event_id = row[_FIELDS], bytes(row[_FIELDS + 1]), row[_FIELDS + 2]
        if index != progress.size:
            yield LogFinding(code="place_missing", row=f"index {progress.size}")
            return
        hashed = held
        if row[0] is None:
            yield LogFinding(code="missing", row=f"event {event_id}")
        else:
            hashed = merkle.leaf_hash(leaf=leaf.encode_row(row[:_FIELDS]))
            yield from _row_faults(row=row, hashed=hashed, progress=progress, look=look)
        progress.add(hashed=hashed)
        yield from _tile_faults(hashed=hashed, progress=progress, using=look.using)
        if (head := heads.get(progress.size)) is not None:
            yield from _head_faults(head=head, root=progress.root(), keys=look.keys)
        source, root = roots.get(progress.size, ("", b""))
        if root and root != progress.root():
            yield LogFinding(code="differs", row=f"checkpoint {progress.size} ({source})")


def _row_faults(*, row: tuple[Any, ...], hashed: bytes, progress: Progress, look: _Look) -> Iterator[LogFinding]:
    """Yield what is wrong with one row that is there."""
    name, order = f"event {row[0]}", (row[_FIELDS + 4], row[_FIELDS + 3], row[0])
    if hashed != bytes(row[_FIELDS + 1]):
        yield LogFinding(code=_how(hashed=hashed, index=row[_FIELDS], using=look.using), row=name)
    if order[0] == progress.last[0] and order <= progress.last:
        yield LogFinding(code="reordered", row=name)
    progress.last = order
    salt, details = row[_FIELDS + 5], row[_FIELDS + 6]
    if salt is not None:
        digest = leaf.digest(salt=bytes(salt), body=leaf.canonical(json.loads(details)))
        if row[_DIGEST] is None or digest != bytes(row[_DIGEST]):
            yield LogFinding(code=_whose(digest=digest, using=look.using), row=name)
    elif row[_DIGEST] is not None and row[_AT] > look.details_since:
        yield LogFinding(code="details_missing", row=name)


def _how(*, hashed: bytes, index: int, using: str) -> str:
    """Say how a row differs from the hash of its place: the place may be wrong, or the row another place's."""
    tile = TreeTile.objects.using(using).filter(level=0, index=index // tlog.TILE_WIDTH).first()
    begin = index % tlog.TILE_WIDTH * merkle.HASH_BYTES
    if tile is not None and bytes(tile.hashes)[begin : begin + merkle.HASH_BYTES] == hashed:
        return "place_changed"
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM audit_treeplace WHERE leaf_hash = %s)", [hashed])
        return "reordered" if cursor.fetchone()[0] else "changed"


def _whose(*, digest: bytes, using: str) -> str:
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM audit_event WHERE details_digest = %s)", [digest])
        return "details_swapped" if cursor.fetchone()[0] else "details_changed"


def _tile_faults(*, hashed: bytes, progress: Progress, using: str) -> Iterator[LogFinding]:
    """Yield the tiles that a leaf completes and that are not what is stored."""
    level = 0
    while True:
        hashes = progress.tiles.setdefault(level, [])
        hashes.append(hashed)
        if len(hashes) < tlog.TILE_WIDTH:
            return
        index = (progress.size >> tlog.TILE_LEVELS * (level + 1)) - 1
        name, subtree = f"tile {level}/{index}", merkle.complete(hashes=hashes)
        stored = TreeTile.objects.using(using).filter(level=level, index=index).first()
        if stored is None:
            yield LogFinding(code="tile_missing", row=name)
        elif bytes(stored.hashes) != b"".join(hashes) or bytes(stored.subtree) != subtree:
            yield LogFinding(code="tile_changed", row=name)
        progress.tiles[level], level, hashed = [], level + 1, subtree


def _head_faults(*, head: TreeHead, root: bytes, keys: list[tlog.LogKey]) -> Iterator[LogFinding]:
    name = f"head {head.size}"
    if bytes(head.root) != root:
        yield LogFinding(code="head_changed", row=name)
    try:
        checkpoint = tlog.read_checkpoint(note=head.note, keys=keys)
    except ValueError:
        yield LogFinding(code="head_forged", row=name)
        return
    if (checkpoint.size, checkpoint.root) != (head.size, bytes(head.root)):
        yield LogFinding(code="head_changed", row=name)


def _after(*, progress: Progress, outer: Sequence[OuterCheckpoint], using: str) -> Iterator[LogFinding]:
    """Yield what the end of the log says: a tail that was cut, rows that came in behind its back, tiles of nothing."""
    end = tree.head(using=using)
    sizes = [(outside.checkpoint.size, outside.name) for outside in outer]
    if end is not None:
        sizes.append((end.size, f"head {end.size}"))
    for size, name in sizes:
        if size > progress.size:
            yield LogFinding(code="cut_tail", row=name)
    with connections[using].cursor() as cursor:
        cursor.execute(_UNPLACED, [20])
        for (event_id,) in cursor.fetchall():
            yield LogFinding(code="inserted", row=f"event {event_id}")
