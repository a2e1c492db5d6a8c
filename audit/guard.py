"""What the database itself enforces: no state commits without its event, and nobody rewrites the log.

`operations` goes into the migration of the app that owns a state column; `grants_sql` is run by provisioning, after
every other grant; `audit.inspection` lists what a running database lacks of it.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence

from django.db import migrations

from audit.actions import Action

EVENT_TABLE = "audit_event"
DETAIL_TABLE = "audit_eventdetail"
APPEND, INCARNATION = "audit_append(jsonb, text)", "audit_incarnation()"
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,40}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guard:
    """A change that commits only with one of the actions recorded in the same transaction about the same object.

    Of a column of `states` (the first of `columns`, watched in the INSERT too), each state has its own actions, and one
    that is not named cannot be committed.

    `columns` are watched in an UPDATE (where `while_` holds, in SQL), `born` watches the INSERT. `about` is the SQL of
    the event's object id, `batch` that of an event about many rows at once; `instead` a condition that lets the change
    commit too, `only` one that must hold besides.
    """

    word: str = ""
    actions: tuple[Action, ...] = ()
    states: Mapping[str, tuple[Action, ...]] = dataclasses.field(default_factory=dict)
    columns: tuple[str, ...] = ()
    born: bool = False
    about: str = "NEW.public_id"
    batch: str = ""
    while_: str = ""
    instead: str = ""
    only: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableRights:
    """The rights of the runtime role on one table, beside SELECT.

    `insert` and `delete` are the reasons why a row may come or go without an event.
    """

    insert: str = ""
    delete: str = ""
    working: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()

    @property
    def inserts(self) -> bool:
        """Say whether rows may be inserted at all."""
        return bool(self.insert) or any(guard.born for guard in self.guards)

    @property
    def updates(self) -> tuple[str, ...]:
        """Return the columns that may be updated, with an event or without."""
        guarded = [column for guard in self.guards for column in guard.columns]
        return tuple(sorted({*self.working, *guarded}))


def operations(
    *, table: str, column: str, object_id: str, actions: Mapping[str, str | Sequence[str]]
) -> list[migrations.RunSQL]:
    """Return the migration operations that guard one state column.

    At commit, each row whose `column` was inserted or changed must have an event of the same transaction: the row's
    `object_id` column as object id and one of the actions mapped for the new state. A state without a mapping cannot
    be committed at all. The check is deferred, so the order of the two writes inside the transaction is free; an event
    of a rolled back savepoint does not count, one of an outer transaction does.

    The trigger runs with the rights of whoever commits (SELECT on the log is enough) under a fixed search path, so
    that a temporary table called like the log cannot stand in for it. Only a superuser or the table's owner can switch
    it off; `audit.inspection` says so. (It is not ENABLE ALWAYS: a logical replica applies rows under other transaction
    ids.)

    :raises ValueError: for a name that is no plain identifier, or an action outside the vocabulary.
    """
    for name in (table, column, object_id):
        if not _IDENTIFIER.fullmatch(name):
            raise ValueError(f"not a plain lower-case identifier of at most 41 characters: {name!r}")
    allowed = {state: [names] if isinstance(names, str) else list(names) for state, names in actions.items() if names}
    if not allowed:
        raise ValueError(f"no state of {table}.{column} has an action")
    name = f"audit_guard_{table}"
    function = _guard_sql(name=name, table=table, column=column, object_id=object_id, allowed=allowed)
    # Two triggers, because only the one for UPDATE may look at OLD before it is queued.
    timing = f"ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    moved = " OR ".join(f"OLD.{field} IS DISTINCT FROM NEW.{field}" for field in (column, object_id))
    run = f"EXECUTE FUNCTION {name}()"
    triggers = {
        "born": f"CREATE CONSTRAINT TRIGGER {name}_born AFTER INSERT {timing} {run}",
        "moved": f"CREATE CONSTRAINT TRIGGER {name}_moved AFTER UPDATE {timing} WHEN ({moved}) {run}",
    }
    return [
        migrations.RunSQL(sql=[function, *path_sql(function=name)], reverse_sql=f"DROP FUNCTION {name}()"),
        *(
            migrations.RunSQL(sql=create, reverse_sql=f"DROP TRIGGER {name}_{verb} ON {table}")
            for verb, create in triggers.items()
        ),
    ]


def remap_operation(
    *,
    table: str,
    column: str,
    object_id: str,
    actions: Mapping[str, str | Sequence[str]],
    before: Mapping[str, str | Sequence[str]],
) -> migrations.RunSQL:
    """Return the migration operation that gives the guard of a column other actions; its triggers stay.

    `before` are the actions it had, for the way back.

    :raises ValueError: what `operations` refuses.
    """
    names = {"table": table, "column": column, "object_id": object_id}
    forwards, backwards = (operations(actions=mapping, **names)[0].sql for mapping in (actions, before))
    return migrations.RunSQL(sql=forwards, reverse_sql=backwards)


def _guard_sql(*, name: str, table: str, column: str, object_id: str, allowed: Mapping[str, Sequence[str]]) -> str:
    """Return the statement that makes the trigger function of a guard; every name has been checked."""
    branches = "\n".join(
        f"        WHEN {_literal(state)} THEN ARRAY[{', '.join(_literal(_known(word)) for word in mapped)}]::text[]"
        for state, mapped in allowed.items()
    )
    return f"""
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER AS $guard$
DECLARE
    allowed text[] := CASE NEW.{column}
{branches}
    END;
BEGIN
    IF allowed IS NULL OR NOT EXISTS (
        SELECT 1 FROM {EVENT_TABLE} AS event
        WHERE event.object_id = NEW.{object_id}::text
          AND event.xid = pg_current_xact_id()::text::bigint
          AND event.action = ANY (allowed)
    ) THEN
        RAISE EXCEPTION 'audit guard: {table} % cannot become % without its event', NEW.{object_id}, NEW.{column}
            USING ERRCODE = 'integrity_constraint_violation',
                  TABLE = '{table}', COLUMN = '{column}', CONSTRAINT = '{name}',
                  HINT = 'Record one of ' || coalesce(array_to_string(allowed, ', '), '(no action is mapped)')
                         || ' with audit.log.record in the same transaction.';
    END IF;
    RETURN NULL;
END
$guard$"""  # noqa: S608 - identifiers checked above, literals quoted


def path_sql(*, function: str) -> list[str]:
    """Return SQL that ties a trigger function to the schema of the migration and to no other.

    The catalogue comes first and the temporary schema last; without this a caller's search path decides what the
    names (even of types) inside the function mean.
    """
    return [
        f"DO $path$ BEGIN EXECUTE format('ALTER FUNCTION {function}() SET search_path = pg_catalog, %I, pg_temp',"
        f" current_schema()); END $path$",
        f"REVOKE ALL ON FUNCTION {function}() FROM PUBLIC",
    ]


def grants_sql(*, role: str) -> list[str]:
    """Return the statements that leave the runtime role SELECT on the log, and the function that appends to it.

    It has no INSERT there: no id, no time and no digest of an event is its own. Run them as the owner, last of all
    grants; they can be repeated.
    """
    quoted = '"' + role.replace('"', '""') + '"'
    return [
        f"REVOKE ALL ON {EVENT_TABLE}, {DETAIL_TABLE} FROM PUBLIC, {quoted}",
        f"GRANT SELECT ON {EVENT_TABLE}, {DETAIL_TABLE} TO {quoted}",
        f"REVOKE ALL ON FUNCTION {APPEND}, {INCARNATION} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {APPEND}, {INCARNATION} TO {quoted}",  # the second is asked by the guards
    ]


def _known(word: str) -> str:
    """Return an action's word, or refuse one outside the vocabulary."""
    return Action(word).value


def _literal(value: str) -> str:
    """Quote a text for SQL."""
    return "'" + value.replace("'", "''") + "'"
