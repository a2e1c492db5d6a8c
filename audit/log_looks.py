"""A short look at a long log: its end, from where somebody has looked before, and a few old tiles drawn by lot.

An old tile is hashed anew from its rows and held against a signed root by the proof that its first leaf is in the log,
whose other steps are what the database says: it cannot say a hash that leads to the root from other rows.
"""

import datetime as dt
from collections.abc import Iterator

from django.db import Error

from audit import log_edges, log_rows, merkle, tlog, tree, verification
from audit.log_findings import LogFinding
from audit.log_progress import GrowingTree, Progress, ReadLeaf

WIDTH = tlog.TILE_WIDTH


def begun(*, size: int, root: bytes, using: str = "default") -> tuple[Progress, list[LogFinding]]:
    """Return the progress of one who has read `size` leaves, by the stored tree, or what is wrong with that.

    :param root: of the tree of this size, signed

    Events that came in behind are looked for from the last of these leaves on.
    """
    if not size:
        return Progress(), []
    begin, subtrees = 0, list[tuple[int, bytes]]()
    node, tiles = tree.nodes(size=size, using=using), dict[int, list[bytes]]()
    try:
        for level in range(size.bit_length() - 1, -1, -1):
            if size & 1 << level:
                subtrees.append((level, node(level, begin >> level)))
                begin += 1 << level
        for level in range((size.bit_length() + tlog.TILE_LEVELS - 1) // tlog.TILE_LEVELS):
            index, width = divmod(size >> tlog.TILE_LEVELS * level, WIDTH)
            tiles[level] = tree.hashes(level=level, index=index, width=width, using=using) if width else []
        last = log_rows.place_of(row=log_rows.read(start=size - 1, stop=size, using=using)[0])
    except (ValueError, IndexError):
        return Progress(), [LogFinding(code="tile_missing", row=f"tree of {size}")]
    progress = Progress(
        tree=GrowingTree(size=size, subtrees=subtrees),
        tiles=tiles,
        order=last.order,
        order_before=last.order,
        incarnations=[last.order[0]],
        unplaced_until=last.event_id,
    )
    if progress.tree.root() == root:
        return progress, []
    return Progress(), [LogFinding(code="tile_changed", row=f"tree of {size}")]


def tile_faults(
    *, index: int, checkpoint: tlog.Checkpoint, details_since: dt.datetime, using: str = "default"
) -> Iterator[LogFinding]:
    """Yield what is wrong with the rows of a full tile of leaves, and with what lies between them.

    :param checkpoint: a signed one, of a tree that has this tile
    """
    begin = index * WIDTH
    rows = log_rows.read(start=begin, stop=begin + WIDTH, using=using)
    leaves = [log_rows.place_of(row=row) for row in rows]
    if [read.index for read in leaves] != [*range(begin, begin + WIDTH)]:
        there = {read.index for read in leaves}
        gone = next((place for place in range(begin, begin + WIDTH) if place not in there), begin)
        yield LogFinding(code="place_missing" if len(there) < WIDTH else "doubled", row=f"index {gone}")
        return
    for row, read in zip(rows, leaves, strict=True):
        if read.row is not None:
            yield from log_rows.details_faults(row=row, since=details_since, using=using)
    stored = tree.nodes(size=checkpoint.size, using=using)

    def fits(hashes: list[bytes]) -> bool:
        return _leads_to(hashes=hashes, index=index, stored=stored, checkpoint=checkpoint)

    sealed, sure = verification.sealed_as(leaves=leaves, fits=fits, using=using)
    progress = Progress()
    for read, hashed in zip(leaves, sealed, strict=True):
        yield from log_rows.verdict(read=read, sealed=hashed, progress=progress, using=using)
    if not sure:
        yield LogFinding(code="among", row=f"events {leaves[0].event_id} to {leaves[-1].event_id}")
    yield from _between(leaves=leaves, progress=progress, using=using)


def _leads_to(*, hashes: list[bytes], index: int, stored: merkle.Node, checkpoint: tlog.Checkpoint) -> bool:
    """Say whether the leaves of a tile are in the tree of a checkpoint."""

    def node(level: int, place: int) -> bytes:
        begin = (place << level) - index * WIDTH
        if level <= tlog.TILE_LEVELS and 0 <= begin < WIDTH:
            return merkle.complete(hashes=hashes[begin : begin + (1 << level)])
        return stored(level, place)

    first = index * WIDTH
    try:
        proof = merkle.inclusion(index=first, size=checkpoint.size, node=node)
    except ValueError:  # a tile above is gone
        return False
    return merkle.verify_inclusion(
        leaf_hash=hashes[0], index=first, size=checkpoint.size, proof=proof, root=checkpoint.root
    )


def _between(*, leaves: list[ReadLeaf], progress: Progress, using: str) -> Iterator[LogFinding]:
    """Yield events with ids between those of a tile that have no place and should."""
    ids = [read.event_id for read in leaves]
    if max(ids) - min(ids) > log_edges.RANGE:  # ids of long transactions lie far apart
        return
    try:
        yield from log_edges.inserted(start=min(ids) - 1, end=max(ids), current=None, progress=progress, using=using)
    except Error:
        return
