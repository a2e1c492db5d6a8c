"""What the owner of a database can do to a sealed log: guards off and on, rows rewritten, a tree made anew."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import leaf, merkle, tlog

KEYS = {
    "audit_event": "id",
    "audit_eventdetail": "event_id",
    "audit_treeplace": "index",
    "audit_treetile": "level, index",
    "audit_treehead": "size",
}
COLUMNS = ", ".join(leaf.FIELDS)


class SealedLog:
    """The log as its owner sees it, and a copy of it as it was, beside the tables that anybody reads."""

    def __init__(self, *, session: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.session = session
        self.afterwards: list[str] = []  # what an undo begins with

    def do(self, statement: str, *values: object) -> None:
        """Do one thing by force."""
        self.session.execute(statement.encode(), values)

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Read."""
        return self.session.execute(statement.encode(), values).fetchall()

    def number(self, statement: str, *values: object) -> int:
        """Read one number."""
        return int(str(self.ask(statement, *values)[0][0]))

    def keep(self) -> None:
        """Copy the log as it is."""
        self.do("DROP SCHEMA IF EXISTS kept CASCADE")
        self.do("CREATE SCHEMA kept")
        for table, key in KEYS.items():
            self.do(f"CREATE TABLE kept.{table} AS TABLE {table}")
            self.do(f"ALTER TABLE kept.{table} ADD PRIMARY KEY ({key})")
            self.do(f"ANALYZE kept.{table}")

    def undo(self) -> None:
        """Put every row back as it was kept."""
        for statement in self.afterwards:
            self.do(statement)
        self.afterwards.clear()
        with self.by_force():
            for table, key in KEYS.items():
                self._put_back(table=table, key=key)

    def _put_back(self, *, table: str, key: str) -> None:
        same = " AND ".join(f"kept.{name} = now.{name}" for name in key.split(", "))
        columns = self.ask(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            table,
        )
        names = str(columns[0][0]).split(", ")
        as_kept = ", ".join(f"kept.{name}" for name in names)
        as_now = ", ".join(f"now.{name}" for name in names)
        self.do(
            f"DELETE FROM {table} AS now WHERE NOT EXISTS (SELECT FROM kept.{table} AS kept WHERE {same}"
            f" AND ({as_kept}) IS NOT DISTINCT FROM ({as_now}))"
        )
        self.do(
            f"INSERT INTO {table} ({', '.join(names)}) OVERRIDING SYSTEM VALUE SELECT {as_kept}"
            f" FROM kept.{table} AS kept WHERE NOT EXISTS (SELECT FROM {table} AS now WHERE {same})"
        )

    @contextlib.contextmanager
    def by_force(self) -> Iterator[None]:
        """Switch the guards off, and on again, in one transaction."""
        with self.session.transaction():
            for table in KEYS:
                self.do(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            yield
            self.do("SET CONSTRAINTS ALL IMMEDIATE")
            for table in KEYS:
                if self.number("SELECT count(*) FROM pg_class WHERE oid = to_regclass(%s) AND relkind = 'r'", table):
                    for trigger in (f"{table}_rows_stay", f"{table}_stays"):
                        self.do(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")

    # --- what there is ---
    @property
    def size(self) -> int:
        return self.number("SELECT count(*) FROM audit_treeplace")

    @property
    def checkpoint(self) -> int:
        """The size that lies outside: whoever tampers may well know it."""
        return self.number("SELECT size FROM audit_treehead ORDER BY size DESC OFFSET 4 LIMIT 1")

    def event(self, index: int) -> int:
        """Return the id of the event at an index."""
        return self.number("SELECT event_id FROM audit_treeplace WHERE index = %s", index)

    def detailed(self, *, offset: int) -> int:
        """Return the id of a sealed event with personal details, round and round: before its seal nothing is bound."""
        sealed = "FROM audit_eventdetail JOIN audit_treeplace USING (event_id)"
        count = self.number(f"SELECT count(*) {sealed}")
        return self.number(f"SELECT event_id {sealed} ORDER BY event_id OFFSET %s LIMIT 1", offset % count)

    # --- a tree made anew ---
    def hashed(self, *, event_id: int) -> bytes:
        """Return the hash of an event as it is now."""
        row = self.ask(f"SELECT {COLUMNS} FROM audit_event WHERE id = %s", event_id)[0]
        return merkle.leaf_hash(leaf=leaf.encode_row(row))

    def place_again(self, *, event_id: int) -> None:
        """Write the hash of an event as it is now to its place."""
        hashed = self.hashed(event_id=event_id)
        self.do("UPDATE audit_treeplace SET leaf_hash = %s WHERE event_id = %s", hashed, event_id)

    def grow_again(self) -> None:
        """Make all tiles and roots anew from what the places say; the signatures nobody can make who has no key."""
        hashes = [bytes(row[0]) for row in self.ask("SELECT leaf_hash FROM audit_treeplace ORDER BY index")]
        for begin in range(0, len(hashes) - tlog.TILE_WIDTH + 1, tlog.TILE_WIDTH):
            tile = hashes[begin : begin + tlog.TILE_WIDTH]
            self.do(
                "UPDATE audit_treetile SET hashes = %s, subtree = %s WHERE level = 0 AND index = %s",
                b"".join(tile),
                merkle.complete(hashes=tile),
                begin // tlog.TILE_WIDTH,
            )
        node = tlog.nodes(tile=lambda level, index: self._tile(hashes, level, index))
        for (size,) in self.ask("SELECT size FROM audit_treehead"):
            root = merkle.root(size=int(str(size)), node=node)
            self.do("UPDATE audit_treehead SET root = %s WHERE size = %s", root, size)

    def sign_again(self, *, above: int, private: Ed25519PrivateKey) -> None:
        """Sign the heads above a size with a key of one's own."""
        rows = self.ask("SELECT size, root, note FROM audit_treehead WHERE size > %s", above)
        for size, root, note in rows:
            origin = tlog.checkpoint_of(text=str(note)).origin
            text = str(tlog.Checkpoint(origin=origin, size=int(str(size)), root=bytes(root)))
            self.do(
                "UPDATE audit_treehead SET note = %s WHERE size = %s",
                tlog.signed(text=text, name=origin, keys=[private]),
                size,
            )

    @staticmethod
    def _tile(hashes: list[bytes], level: int, index: int) -> list[bytes]:
        below = (
            hashes
            if level == 0
            else [
                merkle.complete(hashes=hashes[begin : begin + tlog.TILE_WIDTH])
                for begin in range(0, len(hashes) - tlog.TILE_WIDTH + 1, tlog.TILE_WIDTH)
            ]
        )
        return below[index * tlog.TILE_WIDTH : (index + 1) * tlog.TILE_WIDTH]
