"""What the database enforces on documents: no state without its event, nothing frozen changes, nothing issued leaves."""

from django.db import migrations

from audit import guard

FROZEN = [
    "public_id",
    "document_key",
    "kind",
    "audience",
    "country_id",
    "issuer_id",
    "owner_id",
    "event_id",
    "subject",
    "corrects_id",
    "series_id",
    "sequence",
    "number",
    "currency",
    "total_minor",
    "operation_date",
    "issue_date",
    "issued_at",
    "retain_until",
    "payout_status_at_issue",
    "verification_code",
    "content",
    "content_sha256",
]
CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in FROZEN)
# Once locked, what says where the bytes are and what they hash to is as frozen as the content.
LOCKED = " OR ".join(
    f"NEW.{column} IS DISTINCT FROM OLD.{column}"
    for column in (
        "vault_key",
        "vault_version",
        "vault_mode",
        "file_sha256",
        "file_bytes",
        "locked_at",
        "template",
        "engine",
    )
)

FREEZE = f"""
CREATE FUNCTION documents_document_frozen() RETURNS trigger LANGUAGE plpgsql AS $frozen$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'an issued document is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF {CHANGED} THEN
        RAISE EXCEPTION 'document % is frozen: issue a correction', OLD.number USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.locked_at IS NOT NULL AND ({LOCKED}) THEN
        RAISE EXCEPTION 'the bytes of % are locked', OLD.number USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN
        (('ISSUED', 'LOCKED'), ('LOCKED', 'QUARANTINED'), ('QUARANTINED', 'LOCKED')) THEN
        RAISE EXCEPTION 'document % cannot go from % to %', OLD.number, OLD.status, NEW.status
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$frozen$
"""
KEY_STAYS = """
CREATE FUNCTION documents_documentkey_stays() RETURNS trigger LANGUAGE plpgsql AS $stays$
BEGIN
    RAISE EXCEPTION 'a document key is permanent' USING ERRCODE = 'integrity_constraint_violation';
END
$stays$
"""


class Migration(migrations.Migration):
    """Triggers on documents_document and documents_documentkey."""

    dependencies = [("documents", "0001_initial"), ("audit", "0002_append_only")]

    operations = [
        *guard.operations(
            table="documents_document",
            column="status",
            object_id="public_id",
            actions={
                "ISSUED": ["document.issued"],
                "LOCKED": ["document.locked", "document.released"],
                "QUARANTINED": ["document.quarantined"],
            },
        ),
        migrations.RunSQL(
            sql=[FREEZE, *guard.path_sql(function="documents_document_frozen")],
            reverse_sql="DROP FUNCTION documents_document_frozen() CASCADE",
        ),
        migrations.RunSQL(
            sql="CREATE TRIGGER documents_document_rows_frozen BEFORE UPDATE OR DELETE ON documents_document"
            " FOR EACH ROW EXECUTE FUNCTION documents_document_frozen()",
            reverse_sql="DROP TRIGGER documents_document_rows_frozen ON documents_document",
        ),
        migrations.RunSQL(
            sql="CREATE TRIGGER documents_document_stays BEFORE TRUNCATE ON documents_document"
            " FOR EACH STATEMENT EXECUTE FUNCTION documents_document_frozen()",
            reverse_sql="DROP TRIGGER documents_document_stays ON documents_document",
        ),
        migrations.RunSQL(
            sql=[KEY_STAYS, *guard.path_sql(function="documents_documentkey_stays")],
            reverse_sql="DROP FUNCTION documents_documentkey_stays() CASCADE",
        ),
        migrations.RunSQL(
            sql="CREATE TRIGGER documents_documentkey_rows_stay BEFORE UPDATE OR DELETE ON documents_documentkey"
            " FOR EACH ROW EXECUTE FUNCTION documents_documentkey_stays()",
            reverse_sql="DROP TRIGGER documents_documentkey_rows_stay ON documents_documentkey",
        ),
        migrations.RunSQL(
            sql="CREATE TRIGGER documents_documentkey_stays BEFORE TRUNCATE ON documents_documentkey"
            " FOR EACH STATEMENT EXECUTE FUNCTION documents_documentkey_stays()",
            reverse_sql="DROP TRIGGER documents_documentkey_stays ON documents_documentkey",
        ),
    ]
