"""What the database itself enforces: no state commits without its event, and nobody rewrites the log.

`operations` goes into the migration of the app that owns a state column; `grants_sql` is run by provisioning, after
every grant that names all tables; `weaknesses` lists what a running database lacks of it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from django.db import connections, migrations
from django.db.backends.utils import CursorWrapper

from audit import actions

EVENT_TABLE = "audit_event"
DETAIL_TABLE = "audit_eventdetail"
# What the runtime role may insert: not the id, not the time, not the transaction. Those are the database's.
EVENT_COLUMNS = (
    "action",
    "object_type",
    "object_id",
    "actor_kind",
    "actor_id",
    "role",
    "key",
    "service",
    "channel",
    "outcome",
    "code",
    "request_id",
    "count",
    "details_digest",
)
DETAIL_COLUMNS = ("event_id", "salt", "details")
TRIGGERS = {
    EVENT_TABLE: ("audit_event_rows_stay", "audit_event_stays"),
    DETAIL_TABLE: ("audit_eventdetail_rows_stay", "audit_eventdetail_stays"),
}
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,40}")


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
    it off; `weaknesses` says so. (It is not ENABLE ALWAYS: a logical replica applies rows under other transaction ids.)

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
    """Return the statements that leave the runtime role SELECT and INSERT on the log, nothing else.

    INSERT is granted by column: `id`, `at` and `xid` are not among them, so that not even OVERRIDING SYSTEM VALUE
    chooses an id, and no row brings its own time. Run them as the owner, last of all grants; they can be repeated.
    """
    quoted = '"' + role.replace('"', '""') + '"'
    statements = [f"REVOKE ALL ON {EVENT_TABLE}, {DETAIL_TABLE} FROM PUBLIC, {quoted}"]
    for table, columns in ((EVENT_TABLE, EVENT_COLUMNS), (DETAIL_TABLE, DETAIL_COLUMNS)):
        listed = ", ".join(f'"{column}"' for column in columns)
        statements.append(f"GRANT SELECT, INSERT ({listed}) ON {table} TO {quoted}")
    return statements


def weaknesses(*, using: str = "default") -> list[str]:
    """Return what the connected role could do to the log, as English sentences; an empty list when all is well.

    :raises django.db.Error: when the database does not answer.
    """
    weak: list[str] = []
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone() == (True,):
            weak.append("the runtime role is a superuser")
        for table in TRIGGERS:
            weak.extend(_weaknesses_of(cursor=cursor, table=table))
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname IN ('id', 'at', 'xid')"
            " AND has_column_privilege(attrelid, attnum, 'INSERT') ORDER BY attnum",
            [EVENT_TABLE],
        )
        weak.extend(f"the runtime role may choose the {column} of an event" for (column,) in cursor.fetchall())
        cursor.execute(
            "SELECT c.relname || '.' || t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE t.tgname LIKE 'audit\\_guard\\_%' AND t.tgenabled NOT IN ('O', 'A')"
        )
        weak.extend(f"trigger {name} is off" for (name,) in cursor.fetchall())
    return weak


def _weaknesses_of(*, cursor: CursorWrapper, table: str) -> Iterator[str]:
    """Yield what is wrong with one table of the log."""
    cursor.execute(
        "SELECT pg_has_role(current_user, relowner, 'MEMBER'),"
        " has_table_privilege(oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES')"
        " OR has_any_column_privilege(oid, 'UPDATE')"
        " FROM pg_class WHERE oid = to_regclass(%s)",
        [table],
    )
    row = cursor.fetchone()
    if row is None:
        yield f"{table} does not exist"
        return
    if row[0]:
        yield f"the runtime role owns {table}"
    if row[1]:
        yield f"the runtime role may change {table}"
    cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgenabled = 'A'", [table])
    enabled = {name for (name,) in cursor.fetchall()}
    yield from (f"trigger {name} of {table} is off" for name in TRIGGERS[table] if name not in enabled)


def _known(word: str) -> str:
    """Return an action's word, or refuse one outside the vocabulary."""
    return actions.Action(word).value


def _literal(value: str) -> str:
    """Quote a text for SQL."""
    return "'" + value.replace("'", "''") + "'"
