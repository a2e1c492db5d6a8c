"""What a guard is, the functions by which rows stay as they are, and the rights on the log itself.

`frozen_operations` goes into the migration of the app whose rows stay; `grants_sql` is run by provisioning, after every
other grant; `audit.inspection` lists what a running database lacks of it.
"""

import dataclasses
from collections.abc import Mapping

from django.apps.registry import Apps
from django.db import connections, migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from audit.actions import Action

EVENT_TABLE = "audit_event"
DETAIL_TABLE = "audit_eventdetail"
# What an event of the same transaction has: an xid alone may come again after a restore, in another incarnation.
THIS_TRANSACTION = "event.xid = pg_current_xact_id()::text::bigint AND event.incarnation = audit_incarnation()"
APPEND, INCARNATION, BLIND = "audit_append(jsonb, text)", "audit_incarnation()", "audit_blind()"
# The second erases what is past its time, of the log's details and of raw events, and leaves what the first names.
ON_HOLD, ERASE = "documents_on_hold(text)", "documents_erase(text, bigint, integer, boolean)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guard:
    """A change that commits only with one of the actions recorded in the same transaction about the same object.

    Of a column of `states` (the first of `columns`, watched in the INSERT too), each state has its own actions, and one
    that is not named cannot be committed.

    `columns` are watched in an UPDATE (where `while_` holds, in SQL), `born` watches the INSERT, `gone` the DELETE (of
    which `about` names the OLD row). `about` is the SQL of the event's object id, `batch` that of an event about many
    rows at once; `instead` a condition that lets the change commit too, `only` one that must hold besides.
    """

    word: str = ""
    actions: tuple[Action, ...] = ()
    states: Mapping[str, tuple[Action, ...]] = dataclasses.field(default_factory=dict)
    columns: tuple[str, ...] = ()
    born: bool = False
    gone: bool = False
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
    def deletes(self) -> bool:
        """Say whether rows may be deleted at all."""
        return bool(self.delete) or any(guard.gone for guard in self.guards)

    @property
    def updates(self) -> tuple[str, ...]:
        """Return the columns that may be updated, with an event or without."""
        guarded = [column for guard in self.guards for column in guard.columns]
        return tuple(sorted({*self.working, *guarded}))


def state_actions(object_: str, *states: str) -> dict[str, tuple[Action, ...]]:
    """Return the action of each state: a state's word is its action's."""
    return {state: (Action(f"{object_}{state.lower()}"),) for state in states}


def frozen_operations(*, function: str, body: str, triggers: Mapping[str, str]) -> list[migrations.RunSQL]:
    """Return the migration operations of a function that refuses changes, and of its triggers by name.

    They can be repeated: a trigger of the same name is made anew.
    """
    return [
        migrations.RunSQL(sql=[body, *path_sql(function=function)], reverse_sql=f"DROP FUNCTION {function}() CASCADE"),
        *(
            migrations.RunSQL(
                sql=[
                    f"DROP TRIGGER IF EXISTS {name} ON {when.partition(' ON ')[2].partition(' ')[0]}",
                    f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {function}()",
                ],
                reverse_sql=migrations.RunSQL.noop,  # it goes with its function
            )
            for name, when in triggers.items()
        ),
    ]


def refused_operations(*, table: str, rows: str, statements: str) -> list[migrations.RunSQL]:
    """Return the migration operations of the triggers that refuse to change a table.

    The row trigger also sees what arrives through an inheritance parent; the statement trigger sees TRUNCATE, and a
    statement that touches no row. ALWAYS: `session_replication_role` does not switch them off.
    """
    made = (
        (f"{table}_rows_stay", f"BEFORE {rows} ON {table} FOR EACH ROW"),
        (f"{table}_stays", f"BEFORE {statements} ON {table} FOR EACH STATEMENT"),
    )
    return [
        migrations.RunSQL(
            sql=[
                f"DROP TRIGGER IF EXISTS {name} ON {table}",
                f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION audit_refuse()",
                f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
            ],
            reverse_sql=f"DROP TRIGGER {name} ON {table}",
        )
        for name, when in made
    ]


def granted_operation(*, table: str, column: str) -> migrations.RunPython:
    """Return the migration operation that lets the runtime role change a column at once, for a trigger that does so.

    `provision` grants what is declared only once all migrations are through; until then the code of before goes on.
    """

    def grant(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
        role = connections["default"].settings_dict["USER"]
        with editor.connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
            if cursor.fetchone():
                editor.execute(f"GRANT UPDATE ({column}) ON {table} TO {editor.quote_name(role)}")

    return migrations.RunPython(grant, migrations.RunPython.noop)


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
    """Return the statements that leave the runtime role SELECT on the log, and the functions that append and erase.

    It has no INSERT there: no id, no time and no digest of an event is its own. Nor has it DELETE: what is erased, and
    when, is the function's to say. Run them as the owner, last of all
    grants; they can be repeated.
    """
    quoted = '"' + role.replace('"', '""') + '"'
    return [
        f"REVOKE ALL ON {EVENT_TABLE}, {DETAIL_TABLE} FROM PUBLIC, {quoted}",
        f"GRANT SELECT ON {EVENT_TABLE}, {DETAIL_TABLE} TO {quoted}",
        f"REVOKE ALL ON FUNCTION {APPEND}, {INCARNATION}, {BLIND}, {ON_HOLD}, {ERASE} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {APPEND}, {INCARNATION}, {ERASE} TO {quoted}",  # the second is asked by the guards
    ]
