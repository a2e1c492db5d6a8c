"""Who acts, what happened, and how one event becomes one row: the middle of `audit.log`, which is the way in."""

import dataclasses
import os
from collections.abc import Mapping, Sequence

from django.db import connections

from audit import guard, leaf, scrub
from audit.actions import Action

DETAILS_BYTES_MAX = 16 * 1024
ADDRESS_LENGTH_MAX = 100
AGENT_LENGTH_MAX = 500
ACTOR_KINDS = frozenset({"user", "service", "link", "system", "anonymous"})
CHANNELS = frozenset({"", "web", "api", "webhook", "link", "worker", "command"})

_EVENT_COLUMNS = ", ".join(f'"{column}"' for column in guard.EVENT_COLUMNS)
_EVENT_VALUES = "(" + ", ".join(["%s"] * len(guard.EVENT_COLUMNS)) + ")"
_ONE = (
    f'WITH event AS (INSERT INTO "{guard.EVENT_TABLE}" ({_EVENT_COLUMNS}) VALUES {_EVENT_VALUES} RETURNING id),'  # noqa: S608 - only constants of this app
    f' detail AS (INSERT INTO "{guard.DETAIL_TABLE}" (event_id, salt, details)'
    " SELECT id, %s, %s::jsonb FROM event) SELECT id FROM event"
)
_BARE = f'INSERT INTO "{guard.EVENT_TABLE}" ({_EVENT_COLUMNS}) VALUES {_EVENT_VALUES} RETURNING id'  # noqa: S608 - constants


class AuditUnavailable(Exception):  # noqa: N818 - the word of the answer it becomes: 503 `audit_unavailable`
    """The log could not be written, so what it should have recorded must not happen: the door answers 503."""


@dataclasses.dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and how he came. `id` is pseudonymous; `address` and `agent` go to the erasable details."""

    kind: str
    id: str
    role: str = ""
    key: str = ""
    channel: str = ""
    request_id: str = ""
    address: str = ""
    agent: str = ""
    service: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ACTOR_KINDS:
            raise ValueError(f"no such kind of actor: {self.kind!r}")
        if self.channel not in CHANNELS:
            raise ValueError(f"no such channel: {self.channel!r}")

    def details(self) -> dict[str, leaf.Json]:
        """This function will return what is personal about the actor, without what is unknown."""
        personal: dict[str, leaf.Json] = {}
        if self.address:
            personal["address"] = scrub.printable(value=self.address, length_max=ADDRESS_LENGTH_MAX)
        if self.agent:
            personal["agent"] = scrub.printable(value=self.agent, length_max=AGENT_LENGTH_MAX)
        return personal


SYSTEM = Actor(kind="system", id="worker", channel="worker")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event to be recorded. `details` are JSON without fractions; see `audit.leaf.check`."""

    action: Action
    object_type: str
    object_id: str
    actor: Actor
    outcome: str = "ok"
    code: str = ""
    details: Mapping[str, leaf.Json] | None = None
    count: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One event as parameters: the columns of `guard.EVENT_COLUMNS`, and its details with their salt."""

    columns: tuple[str | int | bytes | None, ...]
    salt: bytes
    details: str


def lay_out(*, entry: Entry) -> Row:
    """This function will check one entry and lay it out for the database."""
    actor = entry.actor
    personal = actor.details()
    if entry.details and not personal.keys().isdisjoint(entry.details):
        raise ValueError("`address` and `agent` in the details are the actor's")
    merged = {**(entry.details or {}), **personal}
    salt, text, digest = b"", "", None
    if merged:
        leaf.check(merged)
        body = leaf.canonical(merged)
        if len(body) > DETAILS_BYTES_MAX:
            raise ValueError(f"the details are longer than {DETAILS_BYTES_MAX} bytes")
        text = body.decode()
        scrub.refuse_secrets(text=text)
        salt = os.urandom(leaf.SALT_BYTES)
        digest = leaf.digest(salt=salt, body=body)
    columns = (
        Action(entry.action).value,
        *(
            scrub.sealed(name=name, value=value, length_max=length_max)
            for name, value, length_max in (
                ("object_type", entry.object_type, 60),
                ("object_id", entry.object_id, 200),
                ("actor.kind", actor.kind, 20),
                ("actor.id", actor.id, 100),
                ("actor.role", actor.role, 60),
                ("actor.key", actor.key, 100),
                ("actor.service", actor.service or (actor.id if actor.kind == "service" else ""), 60),
                ("actor.channel", actor.channel, 20),
                ("outcome", entry.outcome, 20),
                ("code", entry.code, 80),
                ("actor.request_id", actor.request_id, 100),
            )
        ),
        entry.count,
        digest,
    )
    return Row(columns=columns, salt=salt, details=text)


def append(*, rows: Sequence[Row], using: str) -> list[int]:
    """This function will insert events and their details with one statement."""
    with connections[using].cursor() as cursor:
        if len(rows) == 1:
            row = rows[0]
            if row.details:
                cursor.execute(_ONE, [*row.columns, row.salt, row.details])
            else:
                cursor.execute(_BARE, row.columns)
        else:
            cursor.execute(*_many(rows=rows))
        return [identity for (identity,) in cursor.fetchall()]


def _many(*, rows: Sequence[Row]) -> tuple[str, list[object]]:
    """This function will return one statement for several events; each salted digest finds its own details."""
    detailed = [row for row in rows if row.details]
    parameters: list[object] = [value for row in rows for value in row.columns]
    # `numbered` keeps the order: identities are drawn in the order of VALUES.
    sql = (
        f'WITH event AS (INSERT INTO "{guard.EVENT_TABLE}" ({_EVENT_COLUMNS})'  # noqa: S608 - only constants of this app
        f" VALUES {', '.join([_EVENT_VALUES] * len(rows))} RETURNING id, details_digest)"
    )
    if detailed:
        sql += (
            f', detail AS (INSERT INTO "{guard.DETAIL_TABLE}" (event_id, salt, details)'
            " SELECT event.id, given.salt, given.details FROM event JOIN"
            f" (VALUES {', '.join(['(%s::bytea, %s::bytea, %s::jsonb)'] * len(detailed))})"
            " AS given (digest, salt, details) ON given.digest = event.details_digest)"
        )
        parameters.extend(value for row in detailed for value in (row.columns[-1], row.salt, row.details))
    return sql + " SELECT id FROM event ORDER BY id", parameters
