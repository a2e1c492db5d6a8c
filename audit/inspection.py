"""Compares the living database with what it should be: functions, triggers, owners, grants, settings, and their age.

The look is made at the start and again and again by `documents.operations.watch`.
"""

import hashlib
from collections.abc import Iterator

from django.db import connections
from django.db.backends.utils import CursorWrapper

from audit import enforcement
from audit.guard import APPEND, ERASE
from audit.tables import TABLES

# The functions that migrations made -> SHA-256 of their bodies. Those of `audit.tables` are computed.
FUNCTIONS: dict[str, str] = {
    "audit_append": "01056ef5de4d974d95496e13b7f8f6df72b490dd531f8a23a6efdf9ca319df7d",
    "audit_blind": "8753773a36751e29e0fe8c04e380449b1f816b4fab5b2dc023b658c793938796",
    "audit_incarnation": "fea9597165f22bd911c6a760d21bcc858f3722d8e33127ec2ef64031fc6f655b",
    "audit_refuse": "acf64e79b35f59b78047b5b769d42813803c4872178c473b26d93374f235fbe2",
    "documents_closing_stays": "49c2b3e939ed46d61cb300d9d0b512736ef2ba8c2b4a40fd420944292b8e5fa6",
    "documents_document_frozen": "36e858c8c65f2ea98001cd37f3198d01eabb1a2bf9ae7b90f9331e0a26f0b2e9",
    "documents_document_updated": "a2ac7f3431fd74858ed0e0eb0216fcfe75b19e2b832557adee50cdcde53cd102",
    "documents_documentkey_stays": "e8531d3a6e88c228c6d9da9634f2f2d8af58f4a206515889cd9ce148232da3cd",
    "documents_erase": "6fcad159866b0860ec441bb1cf911aa723d074e797a7d79d6f2299d161e01a9b",
    "documents_on_hold": "1271738a2189e9d0ea117e64be2fc152b9924ed4f080e9ab1af312ae7edac09c",
    "payouts_settlementrequest_stays": "c8624c829eb14f1ba81e436dc1db421990de81439ad3f9dd58020fc12ee5169d",
}
AS_OWNER = frozenset({APPEND.partition("(")[0], ERASE.partition("(")[0]})  # with the rights of who made them
WRITTEN_IN = frozenset({"audit_blind", "audit_incarnation"})  # into a statement, so that they have no path of their own
PATH = "search_path=pg_catalog, public, pg_temp"
# The triggers that migrations made: table -> trigger -> function.
TRIGGERS: dict[str, dict[str, str]] = {
    "audit_event": {"audit_event_rows_stay": "audit_refuse", "audit_event_stays": "audit_refuse"},
    "audit_eventdetail": {"audit_eventdetail_rows_stay": "audit_refuse", "audit_eventdetail_stays": "audit_refuse"},
    **{
        table: {f"{table}_rows_stay": "audit_refuse", f"{table}_stays": "audit_refuse"}
        for table in ("audit_treeplace", "audit_treetile", "audit_treehead")
    },
    "documents_document": {
        "documents_document_rows_frozen": "documents_document_frozen",
        "documents_document_stays": "documents_document_frozen",
        "documents_document_updated": "documents_document_updated",
        "documents_document_corrected": "documents_document_updated",
    },
    "documents_documentkey": {
        "documents_documentkey_rows_stay": "documents_documentkey_stays",
        "documents_documentkey_stays": "documents_documentkey_stays",
    },
    "documents_closing": {
        "documents_closing_rows_stay": "documents_closing_stays",
    },
    "payouts_settlementrequest": {
        "payouts_settlementrequest_rows_stay": "payouts_settlementrequest_stays",
    },
}
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

# What each object was when the database was last provisioned. Of what can be switched off and on again, or replaced by
# itself, that is the transaction that wrote its catalogue row; of the others, which check every row as they are made
# again, their definition: an index may be rebuilt at any time.
_MARKS = """
WITH guarded AS (
  SELECT oid, relname, relrowsecurity, relhassubclass, relpersistence FROM pg_class
   WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%(tables)s)
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


def functions() -> dict[str, str]:
    """Return SHA-256 of the body of each function that guards, by its name."""
    declared = {
        enforcement.name_of(table=table, guard=guard): hashlib.sha256(
            enforcement.body_of(table=table, word=guard.word).encode()
        ).hexdigest()
        for table, row in TABLES.items()
        for guard in row.guards
    }
    return {**FUNCTIONS, **declared}


def triggers(*, table: str) -> dict[str, str]:
    """Return the function of each trigger that a table should have, by the trigger's name."""
    declared = {
        trigger: enforcement.name_of(table=table, guard=guard)
        for guard in TABLES[table].guards
        for trigger in enforcement.triggers_sql(table=table, guard=guard)
    }
    return {**TRIGGERS.get(table, {}), **declared}


def remember(*, cursor: CursorWrapper) -> None:
    """Note what each object is and which transactions wrote the guards: what `provision` does last, as the owner."""
    cursor.execute("DELETE FROM audit_guardmark")
    cursor.execute(f"INSERT INTO audit_guardmark (name, mark) {_MARKS}", _names())


def weaknesses(*, using: str = "default") -> dict[str, str]:
    """Return what the connected role could do beside its rights, and what was changed: object -> what is wrong with it.

    :raises django.db.Error: when the database does not answer.
    """
    faults: dict[str, list[str]] = {}
    with connections[using].cursor() as cursor:
        for look in (_role, _functions, _triggers, _tables, _columns, _settings):
            for name, fault in look(cursor=cursor):
                faults.setdefault(name, []).append(fault)
        for name, fault in _marks(cursor=cursor):
            faults.setdefault(name, [fault])  # what is plainly wrong with it says more
    return {name: "; ".join(wrong) for name, wrong in faults.items()}


def _names() -> dict[str, list[str]]:
    return {"tables": sorted(TABLES)}


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
    yield from ((f"function {name}", "is declared nowhere") for name in living.keys() - functions().keys())
    for name, digest in functions().items():
        if name not in living:
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
        [_names()["tables"]],
    )
    living: dict[str, dict[str, tuple[str, str]]] = {}
    for table, trigger, function, enabled in cursor.fetchall():
        living.setdefault(table, {})[trigger] = (function, enabled)
    for table in TABLES:
        expected, there = triggers(table=table), living.get(table, {})
        yield from ((f"trigger {name} of {table}", "is gone") for name in expected.keys() - there.keys())
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
        [_names()["tables"]],
    )
    living = {(table, column) for table, column in cursor.fetchall()}
    declared = {(table, column) for table, row in TABLES.items() for column in row.updates}
    for table, column in sorted(living ^ declared):
        verb = "may" if (table, column) in living else "may not"
        yield f"table {table}", f"the runtime role {verb} change {column}"


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


def _marks(*, cursor: CursorWrapper) -> Iterator[tuple[str, str]]:
    cursor.execute(_MARKS, _names())
    living: dict[str, str] = dict(cursor.fetchall())
    cursor.execute("SELECT name, mark FROM audit_guardmark")
    noted: dict[str, str] = dict(cursor.fetchall())
    for name in sorted(living.keys() | noted.keys()):
        if living.get(name) != noted.get(name):
            change = "is gone" if name not in living else "was changed" if name in noted else "was made"
            yield name, f"{change} since the last provisioning"
