"""The sealed tree as it lies in the database: tiles, proofs, and the leaf of an event.

Full tiles are rows; one that is not full is read from the level below. All that is handed out is proven against the
head of its size by `audit.merkle`, on any machine.
"""

import functools
from collections.abc import Callable, Iterable

from django.db import connections

from audit import leaf, merkle, tlog
from audit.models import Event, TreeHead, TreePlace, TreeTile

WIDTH = tlog.TILE_WIDTH
ENTRIES = (
    "SELECT COLUMNS FROM audit_treeplace AS place JOIN audit_event AS event ON event.id = place.event_id"
    " WHERE place.index >= %s AND place.index < %s ORDER BY place.index"
).replace("COLUMNS", ", ".join(f"event.{name}" for name in leaf.FIELDS))


def head(*, size: int | None = None, using: str = "default") -> TreeHead | None:
    """Return the signed head of a size, or the newest."""
    rows = TreeHead.objects.using(using)
    return rows.order_by("-size").first() if size is None else rows.filter(size=size).first()


def nodes(*, size: int, using: str = "default") -> merkle.Node:
    """Return how to read the tree of a size; each tile is read once."""
    return tlog.nodes(tile=tile_reader(size=size, using=using))


def tile_reader(*, size: int, using: str = "default") -> Callable[[int, int], list[bytes]]:
    """Return a function that reads the hashes of a tile of a tree, as wide as it is there."""

    @functools.cache
    def tile(level: int, index: int) -> list[bytes]:
        width = min(WIDTH, (size >> tlog.TILE_LEVELS * level) - index * WIDTH)
        return hashes(level=level, index=index, width=width, using=using)

    return tile


def hashes(*, level: int, index: int, width: int, using: str = "default") -> list[bytes]:
    """Return the first `width` hashes of a tile.

    :raises ValueError: where it has fewer.
    """
    if width == WIDTH and (row := TreeTile.objects.using(using).filter(level=level, index=index).first()):
        body = bytes(row.hashes)
        return [body[place : place + merkle.HASH_BYTES] for place in range(0, len(body), merkle.HASH_BYTES)]
    begin = index * WIDTH
    rows = (
        TreePlace.objects.using(using).values_list("leaf_hash", flat=True)
        if level == 0
        else TreeTile.objects.using(using).filter(level=level - 1).values_list("subtree", flat=True)
    )
    held = [bytes(row) for row in rows.filter(index__gte=begin, index__lt=begin + width).order_by("index")]
    if width < 1 or len(held) != width:
        raise ValueError(f"tile {level}/{index} has {len(held)} hashes, not {width}")
    return held


def proofs(*, indexes: Iterable[int], head: TreeHead, using: str = "default") -> dict[int, tlog.LogProof]:
    """Return for each index the proof that its leaf is in the tree of a head; no tile is read twice.

    :raises ValueError: where the head is older than a leaf.
    """
    node = nodes(size=head.size, using=using)
    return {
        index: tlog.LogProof(
            index=index, hashes=merkle.inclusion(index=index, size=head.size, node=node), note=head.note
        )
        for index in indexes
    }


def consistency(*, size1: int, size2: int, using: str = "default") -> list[bytes]:
    """Return the proof that the tree of one size is the beginning of that of another.

    :raises ValueError: where the first is empty or the larger one, or the log has not so many leaves.
    """
    return merkle.consistency(size1=size1, size2=size2, node=nodes(size=size2, using=using))


def entries(*, index: int, width: int, using: str = "default") -> list[bytes]:
    """Return the leaves of a bundle of entries, in the order of the tree.

    :raises ValueError: where there are fewer.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(
            ENTRIES,
            [index * WIDTH, index * WIDTH + width],
        )
        leaves = [leaf.encode_row(row) for row in cursor.fetchall()]
    if len(leaves) != width:
        raise ValueError(f"bundle {index} has {len(leaves)} entries, not {width}")
    return leaves


def unsealed(*, using: str = "default") -> tuple[int, float]:
    """Return how many events have no place yet, and how old the oldest is, in seconds."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "WITH last AS (SELECT event.xid, event.incarnation FROM audit_treeplace AS place"
            " JOIN audit_event AS event ON event.id = place.event_id ORDER BY place.index DESC LIMIT 1)"
            " SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(event.at)), 0)"
            " FROM audit_event AS event"
            " WHERE event.xid >= coalesce((SELECT xid FROM last WHERE incarnation = audit_incarnation()), 0)"
            " AND NOT EXISTS (SELECT FROM audit_treeplace AS place WHERE place.event_id = event.id)"
        )
        count, age_s = cursor.fetchone()
    return int(count), float(age_s)


def place_of(*, object_id: str, using: str = "default") -> int | None:
    """Return the index of the first event about an object that has a place."""
    events = Event.objects.using(using).filter(object_id=object_id).values("pk")
    rows = TreePlace.objects.using(using).filter(event_id__in=events).order_by("index")
    return rows.values_list("index", flat=True).first()


def sealed_events(*, object_id: str, size: int, using: str = "default") -> list[tuple[int, Event]]:
    """Return the events about an object in the tree of a size, with their index, in the order of the tree."""
    events = {event.pk: event for event in Event.objects.using(using).filter(object_id=object_id)}
    places = TreePlace.objects.using(using).filter(event_id__in=events, index__lt=size).order_by("index")
    return [(place.index, events[place.event_id]) for place in places]
