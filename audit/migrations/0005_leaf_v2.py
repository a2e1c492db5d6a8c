"""The leaf of version 2: facts in clear, 16 random bytes in every leaf, and the cluster that wrote a row beside its xid."""

from django.db import migrations, models

from audit import guard, leaf

# A logical restore begins to count transactions anew, and so may a promoted standby: an xid means something only
# together with the cluster and its timeline. Both functions name the schema of everything, so that they need no search
# path of their own and PostgreSQL writes them into the statement: called, each would cost as much as a row.
INCARNATION = """
CREATE FUNCTION audit_incarnation() RETURNS text LANGUAGE sql AS $incarnation$
SELECT pg_catalog.concat((pg_catalog.pg_control_system()).system_identifier, '-',
       pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))
$incarnation$
"""
# A random UUID has 122 random bits; two of them, hashed and cut, are 16 bytes that nobody can guess.
BLIND = """
CREATE FUNCTION audit_blind() RETURNS bytea LANGUAGE sql AS $blind$
SELECT pg_catalog.substr(pg_catalog.sha256(pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
       OPERATOR(pg_catalog.||) pg_catalog.uuid_send(pg_catalog.gen_random_uuid())), 1, 16)
$blind$
"""
TEXTS = [name for name in leaf.STATED if name not in {"count", "facts"}]
# One round trip for an event and its details, with plans that PostgreSQL keeps for the session. The database draws the
# salt and computes the digest: what stands sealed beside the details is never another text's.
APPEND = """
DO $do$ BEGIN EXECUTE format($format$
CREATE OR REPLACE FUNCTION %1$I.audit_append(event jsonb, details text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, %1$I, pg_temp AS $append$
DECLARE
    identity bigint;
    grain bytea;
    digest bytea;
BEGIN
    IF details <> '' THEN
        grain := uuid_send(gen_random_uuid());
        digest := sha256(grain || convert_to(details, 'UTF8'));
    END IF;
    INSERT INTO %1$I.audit_event (:columns, count, facts, details_digest)
    VALUES (:values,
            (event ->> 'count')::integer, coalesce(event -> 'facts', '{}'), digest)
    RETURNING id INTO identity;
    IF digest IS NOT NULL THEN
        INSERT INTO %1$I.audit_eventdetail (event_id, salt, details) VALUES (identity, grain, details::jsonb);
    END IF;
    RETURN identity;
END
$append$
$format$, current_schema()); END $do$"""


class Migration(migrations.Migration):
    """facts, blind and incarnation; nothing has been sealed yet, so that rows of before get theirs now."""

    dependencies = [("audit", "0004_guard_marks")]

    operations = [
        migrations.RunSQL(
            sql=[
                INCARNATION,
                BLIND,
                f"REVOKE ALL ON FUNCTION {guard.INCARNATION}, audit_blind() FROM PUBLIC",
            ],
            reverse_sql=["DROP FUNCTION audit_incarnation()", "DROP FUNCTION audit_blind()"],
        ),
        migrations.AddField(
            model_name="event", name="facts", field=models.JSONField(db_default=models.Value({}, models.JSONField()))
        ),
        migrations.AddField(
            model_name="event",
            name="blind",
            field=models.BinaryField(db_default=models.Func(function="audit_blind"), editable=False, max_length=16),
        ),
        migrations.AddField(
            model_name="event",
            name="incarnation",
            field=models.CharField(db_default=models.Func(function="audit_incarnation"), editable=False, max_length=40),
        ),
        migrations.RunSQL(
            sql=APPEND.replace(":columns", ", ".join(TEXTS)).replace(
                ":values", ", ".join(f"event ->> '{name}'" for name in TEXTS)
            ),
            reverse_sql=migrations.RunSQL.noop,
        ),
    ]
