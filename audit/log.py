"""The only way to write to the audit log.

`record` belongs to the caller's transaction: the change and its event commit together or not at all. `deny` has a
connection of its own and commits at once, because the transaction of a refused request is rolled back.
"""

from collections.abc import Mapping, Sequence

from django.db import Error, connections, transaction

from audit import denials, leaf, recorder
from audit.actions import Action
from audit.entries import SYSTEM, USER, Actor, AuditUnavailable, Entry, append, lay_out
from audit.scrub import LeakRefused

__all__ = [
    "SYSTEM",
    "USER",
    "Actor",
    "AuditUnavailable",
    "Entry",
    "LeakRefused",
    "deny",
    "flush_denials",
    "note_counted",
    "record",
    "record_many",
]

ENTRIES_MAX = 1000


def record(
    *,
    action: Action,
    object_type: str,
    object_id: str,
    actor: Actor,
    outcome: str = "ok",
    code: str = "",
    facts: Mapping[str, str] | None = None,
    details: Mapping[str, leaf.Json] | None = None,
    using: str = "default",
) -> int:
    """Append one event to the caller's transaction, in one round trip, and return its id.

    :raises AuditUnavailable: when the database does not take it; the transaction can then only be rolled back.
    :raises ValueError: for an action outside the vocabulary, or a text that its column cannot hold.
    :raises LeakRefused: for a secret, or for personal data outside `details` (a ValueError too).
    :raises django.db.transaction.TransactionManagementError: outside `transaction.atomic`.
    """
    entry = Entry(
        action=action,
        object_type=object_type,
        object_id=object_id,
        actor=actor,
        outcome=outcome,
        code=code,
        facts=facts,
        details=details,
    )
    return record_many(entries=[entry], using=using)[0]


def record_many(*, entries: Sequence[Entry], using: str = "default") -> list[int]:
    """Append several events to the caller's transaction in one round trip; ids in their order.

    :raises: what `record` raises; nothing is appended then.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "an audit event belongs to the transaction of what it records: call audit.log.record inside atomic()"
        )
    if not entries:
        return []
    if len(entries) > ENTRIES_MAX:
        raise ValueError(f"more than {ENTRIES_MAX} audit events at once")
    rows = [lay_out(entry=entry) for entry in entries]
    try:
        ids = append(rows=rows, using=using)
    except Error as error:
        # A caller that swallows the exception must not commit: PostgreSQL would roll back silently.
        connection.needs_rollback = True
        raise AuditUnavailable("the audit log did not take the event") from error
    recorder.note_appended(entries=entries, using=using)
    return ids


def note_counted(*, entry: Entry) -> None:
    """Note, for the guard of the route, an event that its caller counts and records with others when a window ends."""
    recorder.note_written(entry=entry, using="default")


def deny(
    *,
    actor: Actor,
    object_type: str,
    object_id: str,
    code: str,
    action: Action = Action.ACCESS_DENIED,
    details: Mapping[str, leaf.Json] | None = None,
) -> None:
    """Record a refusal, even if the caller's transaction is rolled back.

    What the caller chose (`object_id`, the actor's ids, texts in `details`) is redacted where it cannot be kept, never
    an error. Of the same refusals (actor, address, code, kind of object) in one minute the first ten are written one by
    one, the rest as one event with a count when the minute ends.

    :raises AuditUnavailable: when it cannot be written; the caller answers 503 instead of the refusal.
    """
    entry = Entry(
        action=Action(action),
        object_type=object_type,
        object_id=object_id,
        actor=actor,
        outcome="denied",
        code=code,
        details=details,
    )
    denials.write(entry=entry)
    recorder.note_written(entry=entry, using=denials.ALIAS)


def flush_denials(*, everything: bool = True) -> int:
    """Write the counts of refusals that `deny` only counted (or those of ended windows only).

    :returns: how many events were written.
    :raises AuditUnavailable: when they cannot be written; they are kept for the next call.
    """
    return denials.flush(everything=everything)
