"""The whole log looked at again, from checkpoints that lie outside of PostgreSQL: what was changed, and where first.

Every row is hashed anew and put into a tree of its own, whose root must be that of each outer checkpoint and of each
signed head; its places and tiles must be what that tree says. Where a row and the hash at its place differ, the next
signed head says which of the two was sealed. Only reading is needed, so that whoever verifies may be a role that can do
nothing else. `Progress` is all that one batch leaves for the next: it can be kept and gone on from.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from audit import log_edges, log_rows, merkle, tlog
from audit.log_findings import LogFinding, OuterCheckpoint
from audit.log_progress import GrowingTree, Progress, ReadLeaf
from audit.models import TreeHead, TreeTile

BATCH = 5_000
UNSETTLED_MAX = 4 * BATCH  # leaves that are held back until a head says what they were


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Signed:
    """A size whose root something states: `root` is the one to be trusted, empty where nothing is."""

    size: int
    root: bytes
    inner: bytes  # what the head of this size states with a signature
    faults: list[LogFinding]
    names: list[str]  # of the outer checkpoints of this size


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Look:
    """With what is looked, and how far back personal details must be there."""

    keys: list[tlog.LogKey]
    outer: Sequence[OuterCheckpoint]
    details_since: dt.datetime
    using: str


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
    look = _Look(keys=list(keys), outer=outer, details_since=details_since, using=using)
    yield from log_edges.before(outer=outer, keys=look.keys, using=using)
    unsettled: list[ReadLeaf] = []
    while rows := _next(start=progress.size + len(unsettled), using=using):
        faults = list(_batch(rows=rows, unsettled=unsettled, progress=progress, look=look))
        yield from faults
        yield len(rows)
        if any(fault.code == "place_missing" for fault in faults):
            return
    yield from _settle(leaves=unsettled, signed=None, progress=progress, look=look)
    yield from log_edges.after(progress=progress, outer=outer, using=using)


def _next(*, start: int, using: str) -> list[tuple[Any, ...]]:
    return log_rows.read(start=start, stop=start + BATCH, using=using)


def _batch(
    *, rows: list[tuple[Any, ...]], unsettled: list[ReadLeaf], progress: Progress, look: _Look
) -> Iterator[LogFinding]:
    """Read rows; whenever the tree has a size that something states, say what it was and settle what was read."""
    awaited = progress.size + len(unsettled)
    stated = {row.size: row for row in _stated(above=awaited, until=awaited + BATCH, look=look)}
    for row in rows:
        place = log_rows.place_of(row=row)
        if place.index != awaited:
            known = place.index < awaited
            yield LogFinding(
                code="doubled" if known else "place_missing",
                row=f"event {place.event_id}" if known else f"index {awaited}",
            )
            if known:
                continue
            yield from _settle(leaves=unsettled, signed=None, progress=progress, look=look)
            unsettled.clear()
            return
        awaited += 1
        unsettled.append(place)
        if place.row is not None:
            yield from log_rows.details_faults(row=row, since=look.details_since, using=look.using)
        signed = stated.get(awaited)
        if (signed is not None and signed.root) or len(unsettled) >= UNSETTLED_MAX:
            yield from _settle(leaves=unsettled, signed=signed, progress=progress, look=look)
            unsettled.clear()
        if signed is not None:
            yield from _head_faults(signed=signed, progress=progress)


def _stated(*, above: int, until: int, look: _Look) -> Iterator[_Signed]:
    """Yield each size for which a head or an outer checkpoint states the root: the outer one is trusted most."""
    outer: dict[int, list[OuterCheckpoint]] = {}
    for outside in look.outer:
        if above < outside.checkpoint.size <= until:
            outer.setdefault(outside.checkpoint.size, []).append(outside)
    heads = TreeHead.objects.using(look.using).filter(size__gt=above, size__lte=until)
    inner = {head.size: head for head in heads}
    for size in outer.keys() | inner.keys():
        head, root, faults = inner.get(size), b"", list[LogFinding]()
        if head is not None:
            root, faults = log_rows.head_says(head=head, keys=look.keys)
        here = outer.get(size, [])
        trusted = here[0].checkpoint.root if here else root
        yield _Signed(size=size, root=trusted, inner=root, faults=faults, names=[outside.name for outside in here])


def _settle(*, leaves: list[ReadLeaf], signed: _Signed | None, progress: Progress, look: _Look) -> Iterator[LogFinding]:
    """Append leaves to the tree, as what they were when they were sealed, and say which are something else now."""
    if leaves:
        chosen, fits = _grow(leaves=leaves, signed=signed, progress=progress, using=look.using)
        for size, (read, hashed) in enumerate(zip(leaves, chosen, strict=True), progress.size - len(leaves) + 1):
            yield from log_rows.verdict(read=read, sealed=hashed, progress=progress, using=look.using)
            yield from _tile_faults(hashed=hashed, size=size, progress=progress, using=look.using)
        if not fits and signed is not None:
            progress.lost = True
            first, last = leaves[0], leaves[-1]
            yield LogFinding(code="among", row=f"events {first.event_id} to {last.event_id}")
            if signed.inner and signed.inner != progress.tree.root():
                yield LogFinding(code="head_changed", row=f"head {progress.size}")
    if signed is not None and progress.lost:
        yield from (LogFinding(code="differs", row=name) for name in signed.names)


def _grow(
    *, leaves: list[ReadLeaf], signed: _Signed | None, progress: Progress, using: str
) -> tuple[list[bytes], bool]:
    """Append leaves to the tree as what they were, and return their hashes and whether that makes the signed root."""
    root = signed.root if signed is not None and not progress.lost else b""
    grown: list[tuple[list[bytes], GrowingTree]] = []

    def fits(hashes: list[bytes]) -> bool:
        grown[:] = [(hashes, progress.tree.with_leaves(hashes=hashes))]
        return grown[0][1].root() == root

    chosen, sure = sealed_as(leaves=leaves, fits=fits if root else None, using=using)
    if not grown or grown[0][0] is not chosen:
        grown[:] = [(chosen, progress.tree.with_leaves(hashes=chosen))]
    progress.tree = grown[0][1]
    return chosen, sure


def _head_faults(*, signed: _Signed, progress: Progress) -> Iterator[LogFinding]:
    forged = any(fault.code == "head_forged" for fault in signed.faults)
    yield from (fault for fault in signed.faults if not (forged and progress.forged))
    progress.forged = forged


def sealed_as(
    *, leaves: list[ReadLeaf], fits: Callable[[list[bytes]], bool] | None, using: str
) -> tuple[list[bytes], bool]:
    """Return what leaves were when they were sealed, and whether that is sure: by their places, rows or tiles.

    :param fits: says whether hashes make a root that is signed; None where there is none to be held against
    """
    places = [read.place for read in leaves]
    rows = [read.row or read.place for read in leaves]
    candidates = [places] if rows == places else [places, rows]
    if fits is None:
        return (_by_tiles(leaves=leaves, using=using) if len(candidates) > 1 else places), True
    for hashes in candidates:
        if fits(hashes):
            return hashes, True
    tiled = _by_tiles(leaves=leaves, using=using)
    return (tiled, True) if fits(tiled) else (places, False)


def _by_tiles(*, leaves: list[ReadLeaf], using: str) -> list[bytes]:
    """Return what the full tiles say of leaves; of one that lies in none, what its place says."""
    first, last = leaves[0].index // tlog.TILE_WIDTH, leaves[-1].index // tlog.TILE_WIDTH
    stored = TreeTile.objects.using(using).filter(level=0, index__gte=first, index__lte=last)
    tiles = {tile.index: bytes(tile.hashes) for tile in stored}
    hashes = []
    for read in leaves:
        tile, begin = divmod(read.index, tlog.TILE_WIDTH)
        begin *= merkle.HASH_BYTES
        hashes.append(tiles[tile][begin : begin + merkle.HASH_BYTES] if tile in tiles else read.place)
    return hashes


def _tile_faults(*, hashed: bytes, size: int, progress: Progress, using: str) -> Iterator[LogFinding]:
    """Yield the tiles that a leaf completes and that are not what is stored."""
    for level, index, hashes, subtree in progress.complete_tiles(hashed=hashed, size=size):
        stored = TreeTile.objects.using(using).filter(level=level, index=index).first()
        if stored is None:
            yield LogFinding(code="tile_missing", row=f"tile {level}/{index}")
        elif bytes(stored.hashes) != hashes or bytes(stored.subtree) != subtree:
            yield LogFinding(code="tile_changed", row=f"tile {level}/{index}")
