"""Who acts, what happened, and how one event becomes one row. Use it through `audit.log`."""

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.utils import CursorWrapper

from audit import leaf, models, scrub
from audit.actions import RETIRED, Action

DETAILS_BYTES_MAX = 16 * 1024
ADDRESS_LENGTH_MAX = 100
AGENT_LENGTH_MAX = 500
USER = "usr_"  # how the log names a person: by number
ACTOR_KINDS = frozenset({"user", "party", "service", "link", "system", "anonymous"})
CHANNELS = frozenset({"", "web", "api", "admin", "webhook", "link", "public", "worker", "command"})

# The sealed texts of a row and of its facts, and how much they hold.
TEXTS = tuple(name for name in leaf.STATED if name not in {"count", "facts"})
LENGTH_MAX: dict[str, int] = {
    **{field.name: field.max_length or 0 for field in models.Event._meta.concrete_fields if field.name in TEXTS},
    **dict.fromkeys(leaf.FACTS, leaf.FACT_LENGTH_MAX),
}
_APPEND = "SELECT audit_append(%s, %s)"
_APPEND_MANY = (
    "SELECT audit_append(given.value -> 'event', given.value ->> 'details')"
    " FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS given (value, place) ORDER BY given.place"
)


class AuditUnavailable(Exception):
    """The log could not be written, so what it should have recorded must not happen: the door answers 503."""


@dataclasses.dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and through which channel. `id` is pseudonymous; `address` and `agent` go to the erasable details."""

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
        """Return what is personal about the actor, without what is unknown."""
        return dict(_personal(address=self.address, agent=self.agent))


SYSTEM = Actor(kind="system", id="worker", channel="worker")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event to be recorded.

    `facts` are sealed in clear for ever, by the names of `audit.leaf.FACTS`; `details` can be erased, and are JSON
    without fractions: see `audit.leaf.check`.
    """

    action: Action
    object_type: str
    object_id: str
    actor: Actor
    outcome: str = "ok"
    code: str = ""
    facts: Mapping[str, str] | None = None
    details: Mapping[str, leaf.Json] | None = None
    count: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class EventRow:
    """One event as the two arguments of `audit_append`: its columns as an object, its details as canonical JSON."""

    event: dict[str, str | int | dict[str, str]]
    details: str


def lay_out(*, entry: Entry) -> EventRow:
    """Check one entry and lay it out for the database.

    :raises ValueError: for an action outside the vocabulary or retired from it, a fact outside the closed list, a text
        too long, details that are not plain JSON.
    :raises audit.scrub.LeakRefused: for a secret, or for personal data in a sealed column.
    """
    actor, action = entry.actor, Action(entry.action)
    if action in RETIRED:
        raise ValueError(f"a retired word is recorded by nothing: {action}")
    columns = {
        "action": action.value,
        "object_type": entry.object_type,
        "object_id": entry.object_id,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "role": actor.role,
        "key": actor.key,
        "service": actor.service or (actor.id if actor.kind == "service" else ""),
        "channel": actor.channel,
        "outcome": entry.outcome,
        "code": entry.code,
        "request_id": actor.request_id,
    }
    facts = dict(entry.facts or {})
    if not leaf.FACTS.issuperset(facts):
        raise ValueError(f"facts outside the closed list: {sorted(facts.keys() - leaf.FACTS)}")
    scrub.refuse_unsealable(columns={**columns, **facts}, length_max=LENGTH_MAX)
    return EventRow(event={**columns, "count": entry.count, "facts": facts}, details=_details(entry=entry))


def append(*, rows: Sequence[EventRow], using: str) -> list[int]:
    """Insert events with their details in one round trip, and return their ids in order.

    :raises django.db.Error: when the database does not take them.
    """
    with _prepared(using=using) as cursor:
        if len(rows) == 1:
            cursor.execute(_APPEND, [json.dumps(rows[0].event), rows[0].details])
        else:
            cursor.execute(_APPEND_MANY, [json.dumps([{"event": row.event, "details": row.details} for row in rows])])
        return [identity for (identity,) in cursor.fetchall()]


def _prepared(*, using: str) -> CursorWrapper:
    """Return a cursor whose statements the session keeps prepared: every event is appended by one of the same two.

    Django's own cursors write the values into the statement, which PostgreSQL then reads and plans anew each time; they
    are used where statements are logged, since there a value is to be read in its place.
    """
    connection = connections[using]
    if connection.queries_logged:
        return connection.cursor()
    connection.ensure_connection()
    cursor: Any = psycopg.Cursor(connection.connection)
    return connection.make_cursor(cursor)


@functools.lru_cache(maxsize=512)
def _personal(*, address: str, agent: str) -> Mapping[str, leaf.Json]:
    """Clean an address and an agent; the same few come again and again."""
    personal: dict[str, leaf.Json] = {}
    if address:
        personal["address"] = scrub.printable(value=address, length_max=ADDRESS_LENGTH_MAX)
    if agent:
        personal["agent"] = scrub.printable(value=agent, length_max=AGENT_LENGTH_MAX)
    return personal


@functools.lru_cache(maxsize=512)
def _personal_text(*, address: str, agent: str) -> str:
    """Return the canonical JSON of what is personal about an actor, empty for nothing."""
    personal = _personal(address=address, agent=agent)
    return leaf.canonical(dict(personal)).decode() if personal else ""


def _details(*, entry: Entry) -> str:
    """Return canonical JSON of the entry's details with the actor's, empty where there are none."""
    personal = _personal(address=entry.actor.address, agent=entry.actor.agent)
    given = entry.details
    if not given:
        return _personal_text(address=entry.actor.address, agent=entry.actor.agent)
    if not personal.keys().isdisjoint(given):
        raise ValueError("`address` and `agent` in the details are the actor's")
    merged = {**given, **personal}
    leaf.check(merged)
    body = leaf.canonical(merged)
    if len(body) > DETAILS_BYTES_MAX:
        raise ValueError(f"the details are longer than {DETAILS_BYTES_MAX} bytes")
    text = body.decode()
    scrub.refuse_secrets(text=text)
    return text
