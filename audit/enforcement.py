"""Makes the living database equal to the declaration in `audit.tables`: guards and grants, by the owner role."""

import functools
import hashlib
from collections.abc import Collection, Iterator, Sequence

from django.db.backends.utils import CursorWrapper

from audit import guard as log_guard
from audit import patience
from audit.guard import EVENT_TABLE, THIS_TRANSACTION, Guard
from audit.tables import TABLES


def name_of(*, table: str, guard: Guard) -> str:
    """Return the name of a guard's function; its triggers' names begin with it."""
    return f"audit_guard_{table}_{guard.word}" if guard.word else f"audit_guard_{table}"


def triggers_sql(*, table: str, guard: Guard) -> dict[str, str]:
    """Return the statement that makes each of a guard's triggers, by the trigger's name."""
    name = name_of(table=table, guard=guard)
    timing = f"ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    run = f"EXECUTE FUNCTION {name}()"
    made = {}
    if guard.born:
        made[f"{name}_born"] = f"CREATE CONSTRAINT TRIGGER {name}_born AFTER INSERT {timing} {run}"
    if guard.gone:
        made[f"{name}_gone"] = f"CREATE CONSTRAINT TRIGGER {name}_gone AFTER DELETE {timing} {run}"
    if guard.columns:
        moved = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in guard.columns)
        when = f"{guard.while_} AND ({moved})" if guard.while_ else moved
        made[f"{name}_moved"] = f"CREATE CONSTRAINT TRIGGER {name}_moved AFTER UPDATE {timing} WHEN ({when}) {run}"
    return made


@functools.cache
def body_of(*, table: str, word: str) -> str:
    """Return the body of a guard's function; it names its triggers' digest, so that a change of them is one too."""
    guard = next(guard for guard in TABLES[table].guards if guard.word == word)
    made = "\n".join(triggers_sql(table=table, guard=guard).values())
    objects = ", ".join(f"({about})::text" for about in (guard.about, guard.batch) if about)
    recorded = (
        f"EXISTS (SELECT FROM {EVENT_TABLE} AS event WHERE event.object_id = ANY (ARRAY[{objects}])"
        f" AND {THIS_TRANSACTION} AND event.action = ANY (allowed))"
    )
    holds = " OR ".join(f"({condition})" for condition in (guard.instead, recorded) if condition)
    condition = f"({guard.only}) AND ({holds})" if guard.only else holds
    if guard.states:
        refusal = f"'audit guard: {table} % cannot become % without its event', {guard.about}, NEW.{guard.columns[0]}"
    else:
        refusal = f"'audit guard: {table} % ({word}) cannot change without its event', {guard.about}"
    return f"""
-- triggers {hashlib.sha256(made.encode()).hexdigest()[:16]}
DECLARE
    allowed text[] := {_allowed(guard=guard)};
BEGIN
    IF NOT coalesce({condition}, false) THEN
        RAISE EXCEPTION {refusal}
            USING ERRCODE = 'integrity_constraint_violation', TABLE = '{table}',
                  CONSTRAINT = '{name_of(table=table, guard=guard)}',
                  HINT = 'Record ' || coalesce(nullif(array_to_string(allowed, ' or '), ''), 'what it is for')
                         || ' in the same transaction.';
    END IF;
    RETURN NULL;
END
"""


def _allowed(*, guard: Guard) -> str:
    """Return the SQL of the actions that let a change commit."""

    def array(actions: Sequence[str]) -> str:
        return f"ARRAY[{', '.join(repr(str(action)) for action in actions)}]::text[]"

    if not guard.states:
        return array(guard.actions)
    branches = " ".join(f"WHEN '{state}' THEN {array(actions)}" for state, actions in guard.states.items())
    return f"CASE NEW.{guard.columns[0]} {branches} END"


def drop_guards(*, cursor: CursorWrapper, tables: Collection[str]) -> None:
    """Drop the triggers of some tables' guards before a migration that they are in the way of.

    PostgreSQL changes the type of no column that a trigger watches.
    """
    for table in sorted(tables):
        names = [name for guard in TABLES[table].guards for name in triggers_sql(table=table, guard=guard)]
        cursor.execute("SELECT to_regclass(%s)", [table])
        if names and cursor.fetchone()[0]:
            drops = [f"DROP TRIGGER IF EXISTS {name} ON {table}" for name in names]
            patience.run_at_once(using=cursor.db.alias, statements=drops)


def make_guards(*, cursor: CursorWrapper) -> None:
    """Make each guard that is missing or differs from its declaration; one that is as declared is not touched.

    Each in a transaction of its own: it is never away, and no two tables are held at a time.
    """
    for table, row in TABLES.items():
        for guard in row.guards:
            name, triggers = name_of(table=table, guard=guard), triggers_sql(table=table, guard=guard)
            body = body_of(table=table, word=guard.word)
            cursor.execute(
                # Not one that PUBLIC may call, as in a copy without rights.
                "SELECT (SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure(%s) AND proacl IS NOT NULL),"
                " ARRAY(SELECT tgname::text FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgname = ANY(%s)"
                " AND tgenabled = 'O')",
                [f"{name}()", table, list(triggers)],
            )
            living_body, living_triggers = cursor.fetchone()
            if living_body == body and set(living_triggers) == set(triggers):
                continue
            statements = [
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard${body}$guard$",
                *log_guard.path_sql(function=name),
            ]
            for trigger, create in triggers.items():
                statements += [f"DROP TRIGGER IF EXISTS {trigger} ON {table}", create]
            patience.run_at_once(using=cursor.db.alias, statements=statements)


def grants_sql(*, role: str) -> Iterator[str]:
    """Yield the statements that give the runtime role what the declaration names, after everything has been revoked."""
    quoted = '"' + role.replace('"', '""') + '"'
    for table, row in TABLES.items():
        columns = ", ".join(f'"{column}"' for column in row.updates)
        rights = [
            "SELECT",
            *(["INSERT"] if row.inserts else []),
            *([f"UPDATE ({columns})"] if columns else []),
            *(["DELETE"] if row.deletes else []),
        ]
        yield f"GRANT {', '.join(rights)} ON {table} TO {quoted}"


def undeclared(*, cursor: CursorWrapper) -> list[str]:
    """Return the tables of the database that have no row in the declaration."""
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    return [table for (table,) in cursor.fetchall() if table not in TABLES]
