"""Compares the living database with what it should be: functions, triggers, owners, grants, settings, and their age.

The look is made at the start and again and again by `documents.operations.watch`.
"""

import hashlib
from collections.abc import Iterator

from django.db import connections
from django.db.backends.utils import CursorWrapper

from audit import declared, rollout
from audit.declared import AS_OWNER, PASSING, PATH, WRITTEN_IN
from audit.guard import APPEND
from audit.tables import TABLES

# Settings of a whole database that would change what the service's statements mean. Of the role none is expected.
SETTINGS = (
    "search_path",
    "default_transaction_read_only",
    "default_transaction_isolation",
    "session_replication_role",
    "role",
    "row_security",
    "statement_timeout",
    "lock_timeout",
    "local_preload_libraries",
    "session_preload_libraries",
    "standard_conforming_strings",
    "transform_null_equals",
    "synchronous_commit",
)
ROLE = "the runtime role"
# What may only grow. The audit's tables are found by their prefix, so that a new one is protected from the start.
APPEND_ONLY = "audit\\_%"

FORM = "the form of the marks"  # among them, so that another version's are not taken for changes

# What each object was when the database was last provisioned. Of what can be switched off and on again, or replaced by
# itself, that is the transaction that wrote its catalogue row; of the others, which check every row as they are made
# again, their definition: an index may be rebuilt at any time.
_MARKS = """
WITH guarded AS (
  SELECT oid, relname, relrowsecurity, relhassubclass, relpersistence FROM pg_class
   WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
), marked AS (
  SELECT 'function ' || proname AS name, xmin::text AS mark FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL
  SELECT CASE WHEN tgisinternal THEN 'foreign keys of ' ELSE 'trigger ' || tgname || ' of ' END || relname,
         tgenabled::text || pg_trigger.xmin::text
    FROM pg_trigger JOIN guarded ON guarded.oid = tgrelid
  UNION ALL
  SELECT 'rule ' || rulename || ' of ' || relname, pg_rewrite.xmin::text
    FROM pg_rewrite JOIN guarded ON guarded.oid = ev_class
  UNION ALL
  SELECT 'policy ' || polname || ' of ' || relname, pg_policy.xmin::text
    FROM pg_policy JOIN guarded ON guarded.oid = polrelid
  UNION ALL
  SELECT 'constraint ' || conname || ' of ' || relname, pg_get_constraintdef(pg_constraint.oid)
    FROM pg_constraint JOIN guarded ON guarded.oid = conrelid WHERE contype <> 't'
  UNION ALL
  SELECT 'index ' || indexrelid::regclass::text || ' of ' || relname, pg_get_indexdef(indexrelid)
    FROM pg_index JOIN guarded ON guarded.oid = indrelid WHERE indisunique
  UNION ALL
  SELECT 'columns of ' || relname, concat_ws(' ', attnum, attname, format_type(atttypid, atttypmod), attnotnull,
         attidentity, attgenerated, attinhcount, pg_get_expr(adbin, adrelid), relrowsecurity, relhassubclass,
         relpersistence)
    FROM pg_attribute JOIN guarded ON guarded.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attnum > 0 AND NOT attisdropped
)
SELECT name, encode(sha256(convert_to(string_agg(mark, ',' ORDER BY mark), 'UTF8')), 'hex') AS mark
  FROM marked GROUP BY name
"""


def remember(*, cursor: CursorWrapper) -> None:
    """Note what each object is and which transactions wrote the guards: what `provision` does last, as the owner."""
    cursor.execute("DELETE FROM audit_guardmark")
    cursor.execute(f"INSERT INTO audit_guardmark (name, mark) {_MARKS}")
    cursor.execute("INSERT INTO audit_guardmark (name, mark) VALUES (%s, %s)", [FORM, _form()])
    rollout.note(cursor=cursor, stage=rollout.ENDED, declared=declared.declaration())


def weaknesses(*, using: str = "default") -> dict[str, str]:
    """Return what the connected role could do beside its rights, and what was changed: object -> what is wrong with it.

    Where another version was provisioned after this one, guards and grants are to be as that left them, to the letter.

    :raises django.db.Error: when the database does not answer, or is being provisioned.
    """
    faults: dict[str, list[str]] = {}
    with connections[using].cursor() as cursor:
        before = rollout.basis(cursor=cursor, declared=declared.declaration())
        for look in LOOKS[before[0]]:
            for name, fault in look(cursor=cursor):
                faults.setdefault(name, []).append(fault)
        for name, fault in _marks(cursor=cursor, basis=before[0]):
            faults.setdefault(name, [fault])  # what is plainly wrong with it says more
        if before[0] is rollout.Basis.LATER and rollout.marks(cursor=cursor) != before[1]:
            faults["audit_guardmark"] = ["is not what the last provisioning noted"]
        if rollout.basis(cursor=cursor, declared=declared.declaration()) != before:
            raise rollout.ProvisioningUnderWayError("the database was provisioned meanwhile")
    return {name: "; ".join(wrong) for name, wrong in faults.items()}


def _role(*, cursor: CursorWrapper) -> Iterator[tuple[str, str]]:
    cursor.execute(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,"
        " has_parameter_privilege('session_replication_role', 'SET'), has_schema_privilege('public', 'CREATE'),"
        " has_database_privilege(current_database(), 'CREATE, TEMPORARY'),"
        " NOT has_function_privilege(%s, 'EXECUTE') FROM pg_roles WHERE rolname = current_user",
        [APPEND],
    )
    powers = (
        "is a superuser",
        "may make roles",
        "may make databases",
        "may replicate",
        "steps around policies",
        "may switch triggers off",
        "may make objects beside the tables",
        "may make objects in the database",
        "may not append to the log",
    )
    yield from ((ROLE, power) for power, has in zip(powers, cursor.fetchone(), strict=True) if has)


def _functions(*, cursor: CursorWrapper) -> Iterator[tuple[str, str]]:
    cursor.execute(
        "SELECT proname, encode(sha256(convert_to(prosrc, 'UTF8')), 'hex'), prosecdef,"
        " coalesce(array_to_string(proconfig, ','), ''), pg_has_role(current_user, proowner, 'MEMBER')"
        " FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    )
    living = {name: facts for name, *facts in cursor.fetchall()}
    yield from ((f"function {name}", "is declared nowhere") for name in living.keys() - declared.functions().keys())
    for name, digest in declared.functions().items():
        if name not in living:
            if name not in PASSING:
                yield f"function {name}", "is gone"
            continue
        body, definer, config, owned = living[name]
        if body != digest:
            yield f"function {name}", "has another body"
        if definer != (name in AS_OWNER) or config != ("" if name in WRITTEN_IN else PATH):
            yield f"function {name}", "runs with other rights or another search path"
        if owned:
            yield f"function {name}", "is the runtime role's own"


def _triggers(*, cursor: CursorWrapper) -> Iterator[tuple[str, str]]:
    cursor.execute(
        "SELECT relname, tgname, proname, tgenabled FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
        " JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace"
        " AND relname = ANY(%s)",
        [sorted(TABLES)],
    )
    living: dict[str, dict[str, tuple[str, str]]] = {}
    for table, trigger, function, enabled in cursor.fetchall():
        living.setdefault(table, {})[trigger] = (function, enabled)
    for table in TABLES:
        expected, there = declared.triggers(table=table), living.get(table, {})
        yield from ((f"trigger {name} of {table}", "is gone") for name in expected.keys() - there.keys() - PASSING)
        yield from ((f"trigger {name} of {table}", "is declared nowhere") for name in there.keys() - expected.keys())
        for name in expected.keys() & there.keys():
            function, enabled = there[name]
            if function != expected[name]:
                yield f"trigger {name} of {table}", f"runs {function}"
            if enabled != ("A" if expected[name] == "audit_refuse" else "O"):
                yield f"trigger {name} of {table}", "is off"


def _tables(*, cursor: CursorWrapper) -> Iterator[tuple[str, str]]:
    cursor.execute(
        "SELECT relname, relowner = (SELECT relowner FROM pg_class WHERE oid = 'django_migrations'::regclass),"
        " pg_has_role(current_user, relowner, 'MEMBER'), has_table_privilege(pg_class.oid, 'SELECT'),"
        " has_table_privilege(pg_class.oid, 'INSERT') OR has_any_column_privilege(pg_class.oid, 'INSERT'),"
        " has_table_privilege(pg_class.oid, 'DELETE'),"
        " has_table_privilege(pg_class.oid, 'TRUNCATE, TRIGGER, REFERENCES')"
        " FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')"
    )
    living = {name: facts for name, *facts in cursor.fetchall()}
    yield from ((f"table {table}", "is declared nowhere") for table in living.keys() - TABLES.keys())
    for table, row in TABLES.items():
        if table not in living:
            yield f"table {table}", "is gone"
            continue
        one_owner, owned, selects, inserts, deletes, more = living[table]
        if owned:
            yield f"table {table}", "is the runtime role's own"
        elif not one_owner:
            yield f"table {table}", "has another owner"
        wanted = {"select from": True, "insert into": row.inserts, "delete from": row.deletes, "empty": False}
        for (verb, may), does in zip(wanted.items(), (selects, inserts, deletes, more), strict=True):
            if may != does:
                yield f"table {table}", f"the runtime role {'may' if does else 'may not'} {verb} it"


def _columns(*, cursor: CursorWrapper) -> Iterator[tuple[str, str]]:
    cursor.execute(
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s) AND attnum > 0 AND NOT attisdropped"
        " AND has_column_privilege(attrelid, attnum, 'UPDATE')",
        [sorted(TABLES)],
    )
    living = {(table, column) for table, column in cursor.fetchall()}
    wanted = {(table, column) for table, row in TABLES.items() for column in row.updates}
    for table, column in sorted(living ^ wanted):
        verb = "may" if (table, column) in living else "may not"
        yield f"table {table}", f"the runtime role {verb} change {column}"


def _log_rights(*, cursor: CursorWrapper) -> Iterator[tuple[str, str]]:
    """Yield what no version grants: to empty a table, to change the log."""
    for table in too_open(cursor=cursor):
        yield f"table {table}", "the runtime role may empty or change it"


def too_open(*, cursor: CursorWrapper, role: str | None = None) -> list[str]:
    """Return the tables on which a role (None: the connected one) may do what no version grants, in whatever way."""
    cursor.execute(
        "SELECT tablename FROM pg_tables, coalesce(%s::name, current_user) AS asked,"
        " LATERAL (SELECT format('%%I.%%I', schemaname, tablename) AS path) AS named"
        " WHERE schemaname = 'public' AND (has_table_privilege(asked, path, 'TRUNCATE, TRIGGER, REFERENCES')"
        " OR tablename LIKE %s AND has_table_privilege(asked, path, 'UPDATE, DELETE'))",
        [role, APPEND_ONLY],
    )
    return [table for (table,) in cursor.fetchall()]


def _settings(*, cursor: CursorWrapper) -> Iterator[tuple[str, str]]:
    cursor.execute(
        "SELECT coalesce(rolname, ''), setting FROM pg_db_role_setting LEFT JOIN pg_roles ON pg_roles.oid = setrole,"
        " unnest(setconfig) AS setting WHERE (setrole = 0 OR rolname = current_user)"
        " AND (setdatabase = 0 OR setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )
    for role, setting in cursor.fetchall():
        name = setting.partition("=")[0]
        if role:
            yield ROLE, f"has a setting of its own: {name}"
        elif name in SETTINGS:
            yield "the database", f"has a setting of its own: {name}"


def _marks(*, cursor: CursorWrapper, basis: rollout.Basis) -> Iterator[tuple[str, str]]:
    cursor.execute(_MARKS)
    living: dict[str, str] = dict(cursor.fetchall())
    cursor.execute("SELECT name, mark FROM audit_guardmark")
    noted: dict[str, str] = dict(cursor.fetchall())
    if basis is rollout.Basis.LATER and noted.get(FORM) != _form():
        return  # a version that marks in another way: only its own processes can compare
    noted.pop(FORM, None)
    for name in sorted(living.keys() | noted.keys()):
        if living.get(name) != noted.get(name):
            change = "is gone" if name not in living else "was changed" if name in noted else "was made"
            yield name, f"{change} since the last provisioning"


def _form() -> str:
    return hashlib.sha256(_MARKS.encode()).hexdigest()


LOOKS = {
    rollout.Basis.OWN: (_role, _functions, _triggers, _tables, _columns, _settings),
    rollout.Basis.LATER: (_role, _log_rights, _settings),
}
