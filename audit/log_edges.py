"""What the walk over the rows does not see: whether the tables are the log's own, and what lies beyond its end."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import connections

from audit import tlog
from audit.log_findings import LogFinding, OuterCheckpoint
from audit.log_progress import Progress
from audit.models import TreeHead

RANGE = 50_000  # events that one statement compares with their places
INSERTED_MAX = 20
TABLES = ["audit_event", "audit_eventdetail", "audit_treeplace", "audit_treetile", "audit_treehead"]
# What is read must be the table itself: a view or a policy could show each reader another log.
_TABLES = (
    "SELECT name FROM unnest(%s::text[]) AS name LEFT JOIN pg_catalog.pg_class AS class"
    " ON class.oid = pg_catalog.to_regclass('public.' || name)"
    " WHERE class.relkind IS DISTINCT FROM 'r' OR class.relrowsecurity OR class.relpersistence <> 'p'"
    " OR pg_catalog.to_regclass(name) IS DISTINCT FROM pg_catalog.to_regclass('public.' || name)"
    " OR EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = class.oid)"
    " OR EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = class.oid)"
)
_LAST_OF_RANGE = "SELECT max(id) FROM (SELECT id FROM audit_event WHERE id > %s ORDER BY id LIMIT %s) AS some_events"
# Of a range: what has no place, and what names a transaction that has not begun (in one statement, for one snapshot).
_UNPLACED = (
    "SELECT incarnation, xid, id, ahead FROM (SELECT event.incarnation, event.xid, event.id,"
    " event.incarnation = %(now)s AND event.xid >="
    " pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint AS ahead,"
    " place.event_id IS NULL AS bare FROM audit_event AS event LEFT JOIN (SELECT event_id FROM audit_treeplace"
    " WHERE event_id > %(start)s AND event_id <= %(end)s) AS place ON place.event_id = event.id"
    " WHERE event.id > %(start)s AND event.id <= %(end)s) AS some_events WHERE bare OR ahead ORDER BY id"
)
# The incarnation that is now, by the server itself: whoever owns the database could exchange `audit_incarnation`.
_NOW = (
    "SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.concat("
    "(pg_catalog.pg_control_system()).system_identifier, '-',"
    " pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)) END"
)
_TILES = (
    "SELECT level, index FROM audit_treetile AS tile WHERE level < 0 OR index < 0"
    " OR (index::numeric + 1) * 2::numeric ^ (8 * (level + 1)) > (SELECT coalesce(max(size), 0) FROM audit_treehead)"
    " ORDER BY level, index LIMIT %s"
)


def before(*, outer: Sequence[OuterCheckpoint], keys: list[tlog.LogKey], using: str) -> Iterator[LogFinding]:
    """Yield tables that are not the log's, outer checkpoints that no key has signed, and those that no head is like."""
    for (name,) in _asked(_TABLES, [TABLES], using=using):
        yield LogFinding(code="table_replaced", row=f"table {name}")
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


def after(*, progress: Progress, outer: Sequence[OuterCheckpoint], using: str) -> Iterator[int | LogFinding]:
    """Yield what the end of the log says: what was cut off, what no head signs, what came in behind its back.

    The walk over events without a place is told by a 0 for each range, so that it can be broken off as well.
    """
    newest = TreeHead.objects.using(using).order_by("-size").first()
    sizes = [(outside.checkpoint.size, outside.name) for outside in outer]
    if newest is not None:
        sizes.append((newest.size, f"head {newest.size}"))
    yield from (LogFinding(code="cut_tail", row=name) for size, name in sizes if size > progress.size)
    if progress.size > (newest.size if newest is not None else 0):
        yield LogFinding(code="unsigned", row=f"index {progress.size - 1}")
    for level, index in _asked(_TILES, [INSERTED_MAX], using=using):
        yield LogFinding(code="tile_invented", row=f"tile {level}/{index}")
    yield from _behind(progress=progress, using=using)


def _behind(*, progress: Progress, using: str) -> Iterator[int | LogFinding]:
    """Yield events that nothing sealed and that belong before what is, or to a transaction that has not been."""
    ((current,),) = _asked(_NOW, using=using)
    if current in progress.incarnations and progress.order[0] != current:
        yield LogFinding(code="reordered", row=f"event {progress.order[2]}")
    named = 0
    while named < INSERTED_MAX:
        start = progress.unplaced_until
        end = end_of_range(start=start, using=using)
        if end is None:
            return
        for finding in inserted(start=start, end=end, current=current, progress=progress, using=using):
            named += 1
            yield finding
        progress.unplaced_until = end
        yield 0


def end_of_range(*, start: int, using: str = "default") -> int | None:
    """Return the last id of the next RANGE events beyond an id, None at the end: no statement reads a whole log."""
    ((end,),) = _asked(_LAST_OF_RANGE, [start, RANGE], using=using)
    return None if end is None else int(end)


def inserted(*, start: int, end: int, current: str | None, progress: Progress, using: str) -> Iterator[LogFinding]:
    """Yield the events of a range of ids, beyond `start` and up to `end`, that came in behind what is sealed."""
    for *order, ahead in _asked(_UNPLACED, {"now": current, "start": start, "end": end}, using=using):
        incarnation, xid, event_id = order
        if ahead or _is_behind(order=(incarnation, xid, event_id), current=current, progress=progress):
            yield LogFinding(code="future" if ahead else "inserted", row=f"event {event_id}")


def _is_behind(*, order: tuple[str, int, int], current: str | None, progress: Progress) -> bool:
    """Say whether an event without a place belongs before the last that has one: it was not there to be sealed."""
    if order[0] == progress.order[0]:
        return order < progress.order
    # Of another incarnation: one that was over when the last one began, or one that cannot follow the one that is now.
    return order[0] in progress.incarnations or (current is not None and current in progress.incarnations)


def _asked(
    statement: str, values: Sequence[Any] | Mapping[str, Any] | None = None, *, using: str
) -> list[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _signed(*, note: str, keys: list[tlog.LogKey]) -> bool:
    try:
        tlog.read_note(note=note, keys=keys)
    except ValueError:
        return False
    return True
