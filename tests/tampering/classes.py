"""TABLE: what an owner of the database does to a sealed log by force -> what must be said of it, and of which row."""

import random
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import tlog
from tests.tampering.forging import SealedLog

MustBeSaid = tuple[
    str, str
]  # a code of `audit.log_findings.FAULTS`, and the row; `~id` is a range with that event in it
Tampering = Callable[[SealedLog, random.Random], list[MustBeSaid]]
BORN = (
    "INSERT INTO audit_event (id, at, xid, incarnation, action, object_type, object_id, actor_kind, actor_id, role, key,"
    " service, channel, outcome, code, request_id) OVERRIDING SYSTEM VALUE SELECT %s, at, {xid}, {incarnation}, action,"
    " object_type, 'forged', actor_kind, actor_id, role, key, service, channel, outcome, code, request_id"
    " FROM audit_event WHERE id = %s"
)
NEW_ID = "SELECT max(id) + 1000 FROM audit_event"


def rewritten(change: str) -> Tampering:
    """Return the class of tamperings that change a column of one event."""

    def tamper(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
        event = log.event(drawn.randrange(log.size))
        log.do(f"UPDATE audit_event SET {change} WHERE id = {event}")
        return [("changed", f"event {event}")]

    return tamper


def deleted(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.event(drawn.randrange(log.size))
    log.do("DELETE FROM audit_eventdetail WHERE event_id = %s", event)
    log.do("DELETE FROM audit_event WHERE id = %s", event)
    return [("missing", f"event {event}")]


def deleted_with_its_place(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    index = drawn.randrange(log.size - 1)
    deleted_at(log, index)
    log.do("DELETE FROM audit_treeplace WHERE index = %s", index)
    return [("place_missing", f"index {index}")]


def deleted_at(log: SealedLog, index: int) -> None:
    event = log.event(index)
    log.do("DELETE FROM audit_eventdetail WHERE event_id = %s", event)
    log.do("DELETE FROM audit_event WHERE id = %s", event)


def rewritten_behind_an_emptied_function(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    definition = str(log.ask("SELECT pg_get_functiondef('audit_refuse'::regproc)")[0][0])
    log.do(
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public,"
        " pg_temp AS 'BEGIN RETURN NEW; END'"
    )
    log.afterwards.append(definition.replace("%", "%%"))
    hours = drawn.randrange(1, 90)
    rows = log.ask(
        "WITH done AS (UPDATE audit_event SET actor_id = 'usr_forged', at = at + %s * interval '1 hour'"
        " WHERE action = 'document.issued' RETURNING id) SELECT place.event_id FROM audit_treeplace AS place"
        " JOIN done ON done.id = place.event_id ORDER BY place.index LIMIT 10",
        hours,
    )
    return [("changed", f"event {event}") for (event,) in rows]


def id_forged(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event, forged = _under_another_id(log, drawn)
    return [("missing", f"event {event}"), ("inserted", f"event {forged}")]


def id_forged_with_its_place(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event, forged = _under_another_id(log, drawn)
    log.do("UPDATE audit_treeplace SET event_id = %s WHERE event_id = %s", forged, event)
    return [("changed", f"event {forged}")]


def _under_another_id(log: SealedLog, drawn: random.Random) -> tuple[int, int]:
    event = log.event(drawn.randrange(log.size - 1))
    forged = log.number(NEW_ID)
    columns = str(
        log.ask(
            "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute WHERE attrelid = 'audit_event'::regclass"
            " AND attnum > 0 AND attname <> 'id'"
        )[0][0]
    )
    log.do("DELETE FROM audit_eventdetail WHERE event_id = %s", event)
    log.do(
        f"INSERT INTO audit_event (id, {columns}) OVERRIDING SYSTEM VALUE SELECT %s, {columns} FROM audit_event"
        " WHERE id = %s",
        forged,
        event,
    )
    log.do("DELETE FROM audit_event WHERE id = %s", event)
    return event, forged


def transaction_forged(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.event(drawn.randrange(300, log.size - 1))
    log.do("UPDATE audit_event SET xid = xid - 100000 WHERE id = %s", event)
    return [("reordered", f"event {event}")]


def transaction_to_come(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.event(drawn.randrange(300, log.size))
    log.do("UPDATE audit_event SET xid = xid + 100000000 WHERE id = %s", event)
    return [("future", f"event {event}")]


def incarnation_forged(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.event(drawn.randrange(300, log.size))
    log.do("UPDATE audit_event SET incarnation = 'another' WHERE id = %s", event)
    return [("reordered", f"event {event}")]


def places_exchanged(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    one, other = drawn.sample(range(log.size), 2)
    first, second = log.event(one), log.event(other)
    log.do("UPDATE audit_treeplace SET event_id = -event_id WHERE index IN (%s, %s)", one, other)
    log.do("UPDATE audit_treeplace SET event_id = %s WHERE index = %s", second, one)
    log.do("UPDATE audit_treeplace SET event_id = %s WHERE index = %s", first, other)
    return [("reordered", f"event {first}"), ("reordered", f"event {second}")]


def hashes_exchanged(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    one, other = drawn.sample(range(log.size), 2)
    log.do(
        "UPDATE audit_treeplace AS now SET leaf_hash = (SELECT leaf_hash FROM audit_treeplace WHERE index = %s - now.index)"
        " WHERE index IN (%s, %s)",
        one + other,
        one,
        other,
    )
    return [("place_changed", f"event {log.event(one)}"), ("place_changed", f"event {log.event(other)}")]


def contents_exchanged(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    first, second = (log.event(index) for index in drawn.sample(range(log.size), 2))
    log.do(
        "UPDATE audit_event AS now SET object_id = other.object_id, blind = other.blind, at = other.at"
        " FROM audit_event AS other WHERE now.id + other.id = %s AND now.id IN (%s, %s)",
        first + second,
        first,
        second,
    )
    return [("changed", f"event {first}"), ("changed", f"event {second}")]


def details_rewritten(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.detailed(offset=drawn.randrange(10_000))
    log.do("""UPDATE audit_eventdetail SET details = '{"address": "203.0.113.9"}' WHERE event_id = %s""", event)
    return [("details_changed", f"event {event}")]


def salt_rewritten(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.detailed(offset=drawn.randrange(10_000))
    log.do("UPDATE audit_eventdetail SET salt = decode(repeat('00', 16), 'hex') WHERE event_id = %s", event)
    return [("details_changed", f"event {event}")]


def details_that_nothing_can_read(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.detailed(offset=drawn.randrange(10_000))
    log.do("""UPDATE audit_eventdetail SET details = '{"address": 1e400}' WHERE event_id = %s""", event)
    return [("details_changed", f"event {event}")]


def details_exchanged(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    offset = drawn.randrange(10_000)
    one, other = log.detailed(offset=offset), log.detailed(offset=offset + 1)
    log.do(
        "UPDATE audit_eventdetail AS now SET salt = other.salt, details = other.details FROM audit_eventdetail AS other"
        " WHERE now.event_id + other.event_id = %s AND now.event_id IN (%s, %s)",
        one + other,
        one,
        other,
    )
    return [("details_swapped", f"event {one}"), ("details_swapped", f"event {other}")]


def details_erased_too_early(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.detailed(offset=drawn.randrange(10_000))
    log.do("DELETE FROM audit_eventdetail WHERE event_id = %s", event)
    return [("details_missing", f"event {event}")]


def details_invented(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.number(
        "SELECT id FROM audit_event JOIN audit_treeplace ON event_id = id WHERE details_digest IS NULL"
        " ORDER BY id OFFSET %s LIMIT 1",
        drawn.randrange(500),
    )
    log.do(
        "INSERT INTO audit_eventdetail (event_id, salt, details) VALUES (%s, decode(repeat('07', 16), 'hex'),"
        """ '{"address": "203.0.113.9"}')""",
        event,
    )
    return [("details_changed", f"event {event}")]


def hash_rewritten(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    index = drawn.randrange(log.size)
    log.do("UPDATE audit_treeplace SET leaf_hash = sha256(%s::text::bytea) WHERE index = %s", str(index), index)
    return [("place_changed", f"event {log.event(index)}")]


def rewritten_with_its_hash(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    index = drawn.randrange(log.size // 256 * 256)  # where a tile remembers
    event = log.event(index)
    log.do("UPDATE audit_event SET actor_id = 'usr_forged' WHERE id = %s", event)
    log.place_again(event_id=event)
    return [("changed", f"event {event}")]


def rewritten_with_its_hash_at_the_end(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.event(drawn.randrange(log.size // 256 * 256, log.size))
    log.do("UPDATE audit_event SET actor_id = 'usr_forged' WHERE id = %s", event)
    log.place_again(event_id=event)
    return [("among", f"~{event}")]


def rewritten_with_the_whole_tree(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.event(drawn.randrange(log.checkpoint))
    checkpoint = log.checkpoint
    log.do("UPDATE audit_event SET actor_id = 'usr_forged' WHERE id = %s", event)
    log.place_again(event_id=event)
    log.grow_again()
    return [("among", f"~{event}"), ("differs", f"checkpoint {checkpoint}")]


def the_end_signed_with_a_key_of_ones_own(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    """Put a key of one's own on record as one of the log's, rewrite what no checkpoint outside covers, and sign it."""
    checkpoint, private = log.checkpoint, Ed25519PrivateKey.generate()
    event, key = (log.event(index) for index in drawn.sample(range(checkpoint, log.size), 2))
    note = str(log.ask("SELECT note FROM audit_treehead LIMIT 1")[0][0])
    public = tlog.public_key(name=tlog.checkpoint_of(text=note).origin, private=private)
    log.do("UPDATE audit_event SET actor_id = 'usr_forged' WHERE id = %s", event)
    log.do(
        "UPDATE audit_event SET action = 'log_key.added', object_type = 'log_key', object_id = 'audit_log',"
        " facts = jsonb_build_object('public_key', %s::text) WHERE id = %s",
        str(public),
        key,
    )
    for changed in (event, key):
        log.place_again(event_id=changed)
    log.grow_again()
    log.sign_again(above=checkpoint, private=private)
    size = log.number("SELECT min(size) FROM audit_treehead WHERE size > %s", checkpoint)
    return [("head_forged", f"head {size}")]


def the_key_rewritten(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.number("SELECT id FROM audit_event WHERE action = 'log_key.added' ORDER BY id LIMIT 1")
    log.do(
        """UPDATE audit_event SET facts = jsonb_build_object('public_key', %s::text) WHERE id = %s""",
        str(drawn.random()),
        event,
    )
    return [("changed", f"event {event}")]


def index_made_anew(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    """Seal the whole log again in the order of the ids, as if nothing had been sealed."""
    at_index = drawn.randrange(log.checkpoint)
    deleted_at(log, at_index)
    log.do("DELETE FROM audit_treeplace")
    log.do(
        "INSERT INTO audit_treeplace (index, event_id, leaf_hash) SELECT row_number() OVER (ORDER BY event.id) - 1,"
        " event.id, kept.leaf_hash FROM audit_event AS event JOIN kept.audit_treeplace AS kept ON kept.event_id = event.id"
    )
    checkpoint = log.checkpoint
    log.do("DELETE FROM audit_treehead WHERE size > (SELECT count(*) FROM audit_treeplace)")
    log.grow_again()
    return [("differs", f"checkpoint {checkpoint}")]


def tile_rewritten(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    tile = drawn.randrange(log.size // 256)
    place = drawn.randrange(256) * 32
    log.do(
        "UPDATE audit_treetile SET hashes = overlay(hashes PLACING sha256('x') FROM %s FOR 32) WHERE level = 0 AND index = %s",
        place + 1,
        tile,
    )
    return [("tile_changed", f"tile 0/{tile}")]


def subtree_rewritten(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    tile = drawn.randrange(log.size // 256)
    log.do("UPDATE audit_treetile SET subtree = sha256('x') WHERE level = 0 AND index = %s", tile)
    return [("tile_changed", f"tile 0/{tile}")]


def tile_deleted(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    tile = drawn.randrange(log.size // 256)
    log.do("DELETE FROM audit_treetile WHERE level = 0 AND index = %s", tile)
    return [("tile_missing", f"tile 0/{tile}")]


def tile_invented(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    level, index = drawn.randrange(4), log.size // 256 + drawn.randrange(10**6)
    log.do(
        "INSERT INTO audit_treetile (level, index, hashes, subtree)"
        " SELECT %s, %s, hashes, subtree FROM audit_treetile LIMIT 1",
        level,
        index,
    )
    return [("tile_invented", f"tile {level}/{index}")]


def _a_head(log: SealedLog, drawn: random.Random) -> int:
    heads = [int(str(size)) for (size,) in log.ask("SELECT size FROM audit_treehead ORDER BY size")]
    return drawn.choice([size for size in heads if size != log.checkpoint])


def root_rewritten(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    size = _a_head(log, drawn)
    log.do("UPDATE audit_treehead SET root = sha256('x') WHERE size = %s", size)
    return [("head_changed", f"head {size}")]


def root_rewritten_with_its_note(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    size = _a_head(log, drawn)
    log.do(
        "UPDATE audit_treehead SET root = sha256('x'), note = replace(note, encode(root, 'base64'),"
        " encode(sha256('x'), 'base64')) WHERE size = %s",
        size,
    )
    return [("head_forged", f"head {size}")]


def note_that_nothing_can_read(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    size = log.number("SELECT min(size) FROM audit_treehead") if drawn.random() < 0.5 else _a_head(log, drawn)
    log.do("UPDATE audit_treehead SET note = 'nothing' WHERE size = %s", size)
    return [("head_forged", f"head {size}")]


def note_of_another_size(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    size = _a_head(log, drawn)
    log.do(
        "UPDATE audit_treehead SET note = (SELECT note FROM audit_treehead WHERE size <> %s LIMIT 1) WHERE size = %s",
        size,
        size,
    )
    return [("head_changed", f"head {size}")]


def head_of_the_checkpoint_deleted(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    size = log.checkpoint
    several = drawn.randrange(1, 4)
    log.do(
        "DELETE FROM audit_treehead WHERE size IN (SELECT size FROM audit_treehead WHERE size >= %s ORDER BY size LIMIT %s)",
        size,
        several,
    )
    return [("head_missing", f"checkpoint {size}")]


def head_invented(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    sizes = {int(str(size)) for (size,) in log.ask("SELECT size FROM audit_treehead")}
    size = drawn.choice([size for size in range(1, log.size) if size not in sizes])
    log.do(
        "INSERT INTO audit_treehead (size, root, note) SELECT %s, root, note FROM audit_treehead ORDER BY size LIMIT 1",
        size,
    )
    return [("head_changed", f"head {size}")]


def tail_cut_off(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    checkpoint = log.checkpoint
    size = drawn.randrange(1, checkpoint)
    log.do(
        "DELETE FROM audit_eventdetail WHERE event_id IN (SELECT event_id FROM audit_treeplace WHERE index >= %s)", size
    )
    log.do("DELETE FROM audit_event WHERE id IN (SELECT event_id FROM audit_treeplace WHERE index >= %s)", size)
    log.do("DELETE FROM audit_treeplace WHERE index >= %s", size)
    log.do("DELETE FROM audit_treetile WHERE (index + 1) * 256 > %s", size)
    log.do("DELETE FROM audit_treehead WHERE size > %s", size)
    return [("cut_tail", f"checkpoint {checkpoint}"), ("head_missing", f"checkpoint {checkpoint}")]


def inserted(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event, forged = log.event(drawn.randrange(300, log.size - 1)), log.number(NEW_ID)
    log.do(BORN.format(xid="xid - 1", incarnation="incarnation"), forged, event)
    return [("inserted", f"event {forged}")]


def inserted_before_the_restore(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event, forged = log.event(drawn.randrange(log.size)), log.number(NEW_ID)
    word = drawn.choice(["'before-the-restore'", "'never-heard-of'"])
    log.do(BORN.format(xid="xid", incarnation=word), forged, event)
    return [("inserted", f"event {forged}")]


def inserted_for_the_future(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event, forged = log.event(drawn.randrange(300, log.size)), log.number(NEW_ID)
    log.do(BORN.format(xid="xid + 100000000", incarnation="incarnation"), forged, event)
    return [("future", f"event {forged}")]


def sealed_by_nobody(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    """Append an event with a place of its own, behind all that is signed."""
    index, forged = log.size, log.number(NEW_ID)
    log.do(BORN.format(xid="xid", incarnation="incarnation"), forged, log.event(index - 1))
    log.do("INSERT INTO audit_treeplace (index, event_id, leaf_hash) VALUES (%s, %s, sha256('x'))", index, forged)
    log.place_again(event_id=forged)
    return [("unsigned", f"index {index}")]


def a_view_instead_of_the_table(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    """Show everybody the log without one event, which the table still has."""
    event = log.event(drawn.randrange(log.size))
    log.do("ALTER TABLE audit_event RENAME TO audit_event_of_before")
    log.do(f"CREATE VIEW audit_event AS SELECT * FROM audit_event_of_before WHERE id <> {event}")
    log.do("GRANT SELECT ON audit_event TO PUBLIC")
    log.afterwards += ["DROP VIEW audit_event", "ALTER TABLE audit_event_of_before RENAME TO audit_event"]
    return [("table_replaced", "table audit_event"), ("missing", f"event {event}")]


def a_policy_that_hides_a_row(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    event = log.event(drawn.randrange(log.size))
    log.do(f"CREATE POLICY hidden ON audit_event USING (id <> {event})")
    log.do("ALTER TABLE audit_event ENABLE ROW LEVEL SECURITY")
    log.afterwards += [
        "ALTER TABLE audit_event DISABLE ROW LEVEL SECURITY",
        "DROP POLICY hidden ON audit_event",
    ]
    return [("table_replaced", "table audit_event"), ("missing", f"event {event}")]


def an_heir_of_the_table(log: SealedLog, drawn: random.Random) -> list[MustBeSaid]:
    """Add a second row of an event, in a table that the log's own takes its rows from as well."""
    event = log.event(drawn.randrange(log.size))
    log.do("CREATE TABLE heir () INHERITS (audit_event)")
    log.do("INSERT INTO heir SELECT * FROM audit_event WHERE id = %s", event)
    log.do("UPDATE heir SET actor_id = 'usr_forged'")
    log.do("GRANT SELECT ON heir TO PUBLIC")
    log.afterwards.append("DROP TABLE heir")
    return [("table_replaced", "table audit_event"), ("doubled", f"event {event}")]


CLASSES: Mapping[str, Tampering] = {
    "who": rewritten("actor_id = 'usr_forged'"),
    "as what": rewritten("role = 'admin' || role"),
    "what": rewritten("action = 'issuer.viewed'"),
    "to what": rewritten("object_id = 'doc_forged'"),
    "with what outcome": rewritten("outcome = 'denied'"),
    "from where": rewritten("channel = 'link'"),
    "in which request": rewritten("request_id = 'req_forged'"),
    "how often": rewritten("count = count + 1"),
    "a day earlier": rewritten("at = at - interval '1 day'"),
    "a microsecond later": rewritten("at = at + interval '1 us'"),
    "at no moment": rewritten("at = 'infinity'"),
    "facts": rewritten("""facts = '{"number": "AES-OFS-2026-9999999"}'"""),
    "facts that nothing can read": rewritten("""facts = '{"number": 1e400}'"""),
    "random bytes of the leaf": rewritten("blind = decode(repeat('00', 16), 'hex')"),
    "digest of the details": rewritten("details_digest = sha256('x')"),
    **{
        tampering.__name__.replace("_", " "): tampering
        for tampering in (
            deleted,
            deleted_with_its_place,
            rewritten_behind_an_emptied_function,
            id_forged,
            id_forged_with_its_place,
            transaction_forged,
            transaction_to_come,
            incarnation_forged,
            places_exchanged,
            hashes_exchanged,
            contents_exchanged,
            details_rewritten,
            salt_rewritten,
            details_that_nothing_can_read,
            details_exchanged,
            details_erased_too_early,
            details_invented,
            hash_rewritten,
            rewritten_with_its_hash,
            rewritten_with_its_hash_at_the_end,
            rewritten_with_the_whole_tree,
            the_end_signed_with_a_key_of_ones_own,
            the_key_rewritten,
            index_made_anew,
            tile_rewritten,
            subtree_rewritten,
            tile_deleted,
            tile_invented,
            root_rewritten,
            root_rewritten_with_its_note,
            note_that_nothing_can_read,
            note_of_another_size,
            head_of_the_checkpoint_deleted,
            head_invented,
            tail_cut_off,
            inserted,
            inserted_before_the_restore,
            inserted_for_the_future,
            sealed_by_nobody,
            a_view_instead_of_the_table,
            a_policy_that_hides_a_row,
            an_heir_of_the_table,
        )
    },
}
