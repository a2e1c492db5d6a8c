"""The living database is compared with what it should be: what an owner weakens is named, also once it is undone."""

import psycopg
import pytest
from django.db import connection, transaction

from audit import inspection, log
from audit.actions import Action
from audit.models import Event
from config.embedded import services

pytestmark = pytest.mark.usefixtures("committed_db")


def test_a_database_as_provisioned_has_no_weakness() -> None:
    assert inspection.weaknesses() == {}


EVENTS = "trigger audit_event_stays of audit_event"
EMPTY = (
    "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql"
    " SET search_path = pg_catalog, public, pg_temp AS 'BEGIN RETURN NULL; END'"
)
UNHEARD = "CREATE TRIGGER mine BEFORE INSERT ON audit_event EXECUTE FUNCTION suppress_redundant_updates_trigger()"
# TABLE: each way in which an owner or a superuser may weaken what guards -> the object and the fault that are named.
WEAKENED = {
    "ALTER TABLE audit_event DISABLE TRIGGER audit_event_stays": (EVENTS, "is off"),
    "DROP TRIGGER audit_guard_documents_document_moved ON documents_document": (
        "trigger audit_guard_documents_document_moved of documents_document",
        "is gone",
    ),
    "DROP TRIGGER audit_guard_documents_series_moved_moved ON documents_series": (
        "trigger audit_guard_documents_series_moved_moved of documents_series",
        "is gone",
    ),
    EMPTY: ("function audit_refuse", "has another body"),
    "ALTER FUNCTION audit_append(jsonb, text) SECURITY INVOKER": ("function audit_append", "runs with other rights"),
    "ALTER FUNCTION audit_refuse() RESET ALL": ("function audit_refuse", "runs with other rights"),
    "DROP FUNCTION documents_document_frozen() CASCADE": ("function documents_document_frozen", "is gone"),
    UNHEARD: ("trigger mine of audit_event", "is declared nowhere"),
    "CREATE RULE quiet AS ON INSERT TO audit_event DO INSTEAD NOTHING": ("rule quiet of audit_event", "was made"),
    "ALTER TABLE documents_document DROP CONSTRAINT number_once": (
        "constraint number_once of documents_document",
        "is gone",
    ),
    "DROP INDEX alert_once": ("index alert_once of documents_alert", "is gone"),
    "ALTER TABLE audit_event ALTER at SET DEFAULT '2020-01-01'": ("columns of audit_event", "was changed"),
    "ALTER TABLE documents_event ENABLE ROW LEVEL SECURITY": ("columns of documents_event", "was changed"),
    "ALTER TABLE documents_link DISABLE TRIGGER ALL": ("foreign keys of documents_link", "was changed"),
    "CREATE FUNCTION aside() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'": (
        "function aside",
        "is declared nowhere",
    ),
    "CREATE VIEW beside AS SELECT 1": ("table beside", "is declared nowhere"),
    "CREATE TABLE stranger ()": ("table stranger", "is declared nowhere"),
    "GRANT TRUNCATE ON audit_eventdetail TO {role}": ("table audit_eventdetail", "may empty it"),
    "GRANT INSERT (id) ON audit_event TO PUBLIC": ("table audit_event", "may insert into it"),
    "GRANT UPDATE (code) ON documents_series TO {role}": ("table documents_series", "may change code"),
    "GRANT DELETE ON documents_link TO {role}": ("table documents_link", "may delete from it"),
    "REVOKE SELECT ON documents_country FROM {role}": ("table documents_country", "may not select from it"),
    "REVOKE EXECUTE ON FUNCTION audit_append FROM {role}": ("the runtime role", "may not append to the log"),
    "GRANT CREATE ON SCHEMA public TO {role}": ("the runtime role", "may make objects beside the tables"),
    "ALTER TABLE documents_party OWNER TO postgres": ("table documents_party", "has another owner"),
    "GRANT postgres TO {role}": ("table documents_party", "is the runtime role's own"),
    "ALTER ROLE {role} SET search_path = pg_temp": ("the runtime role", "has a setting of its own: search_path"),
    "ALTER ROLE {role} SET default_transaction_read_only = on": ("the runtime role", "default_transaction_read_only"),
    "ALTER DATABASE {name} SET session_replication_role = replica": ("the database", "has a setting of its own"),
    "ALTER ROLE {role} BYPASSRLS": ("the runtime role", "steps around policies"),
    "ALTER ROLE {role} SUPERUSER": ("the runtime role", "is a superuser"),
}


def test_each_weakness_of_a_database_is_named(superuser: psycopg.Connection) -> None:
    names = {"name": connection.settings_dict["NAME"], "role": services.RUNTIME_ROLE}
    for statement, (name, fault) in WEAKENED.items():
        superuser.execute(statement.format(**names).encode())
        assert fault in inspection.weaknesses().get(name, "nothing"), statement
        for restored in (
            "ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS",
            "REVOKE postgres FROM {role}",
            "ALTER ROLE {role} RESET ALL",
            "ALTER DATABASE {name} RESET ALL",
        ):
            if statement.startswith(("ALTER ROLE", "ALTER DATABASE", "GRANT postgres")):
                superuser.execute(restored.format(**names).encode())


@pytest.mark.parametrize(
    ("off", "on", "name"),
    [
        (
            "ALTER TABLE audit_event DISABLE TRIGGER audit_event_rows_stay",
            "ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_rows_stay",
            "trigger audit_event_rows_stay of audit_event",
        ),
        (
            "ALTER TABLE documents_document DISABLE TRIGGER USER",
            "ALTER TABLE documents_document ENABLE TRIGGER USER",
            "trigger documents_document_rows_frozen of documents_document",
        ),
    ],
)
def test_a_guard_that_is_off_and_on_again_is_named_all_the_same(
    owner: psycopg.Connection, off: str, on: str, name: str
) -> None:
    owner.execute(off.encode())
    owner.execute(on.encode())
    assert inspection.weaknesses()[name] == "was changed since the last provisioning"


def test_a_setting_of_the_role_changes_nothing_for_the_service(superuser: psycopg.Connection) -> None:
    harm = {
        "search_path": "pg_temp",
        "default_transaction_read_only": "on",
        "statement_timeout": "1",
        "lock_timeout": "1",
        "idle_in_transaction_session_timeout": "1",
        "default_transaction_isolation": "serializable",
        "datestyle": "'SQL, DMY'",
        "local_preload_libraries": "'nowhere'",
        "synchronous_commit": "off",
    }
    for name, value in harm.items():
        superuser.execute(f"ALTER ROLE {services.RUNTIME_ROLE} SET {name} = {value}".encode())
    try:
        connection.close()
        with transaction.atomic():
            log.record(action=Action.DOCUMENT_VIEWED, object_type="document", object_id="doc_1", actor=log.SYSTEM)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.01), current_setting('search_path'), now()")
            assert cursor.fetchone()[1] == "public"
        assert Event.objects.exclude(action="vault.probed").count() == 1
    finally:
        superuser.execute(f"ALTER ROLE {services.RUNTIME_ROLE} RESET ALL".encode())
        connection.close()
