"""What an issued document, a document key and a dismissal said stays: functions that refuse, and their triggers.

A database that was upgraded to the base line has all of it; so each statement can be repeated.
"""

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
CREATE OR REPLACE FUNCTION documents_document_frozen() RETURNS trigger LANGUAGE plpgsql AS $frozen$
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
CREATE OR REPLACE FUNCTION documents_documentkey_stays() RETURNS trigger LANGUAGE plpgsql AS $stays$
BEGIN
    RAISE EXCEPTION 'a document key is permanent' USING ERRCODE = 'integrity_constraint_violation';
END
$stays$
"""
DISMISSAL_STAYS = """
CREATE OR REPLACE FUNCTION documents_closing_stays() RETURNS trigger LANGUAGE plpgsql AS $stays$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'a dismissal is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state <> 'DISMISSED' OR (OLD.event_id, OLD.code, OLD.reason, OLD.document_id, OLD.dismissed_by_id, OLD.dismissed_at) IS DISTINCT FROM (NEW.event_id, NEW.code, NEW.reason, NEW.document_id, NEW.dismissed_by_id, NEW.dismissed_at) THEN
        RAISE EXCEPTION 'the dismissal of % stays as it is', OLD.event_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$stays$
"""


class Migration(migrations.Migration):
    runs = "before"
    dependencies = [("documents", "0001_baseline")]

    operations = [
        *guard.frozen_operations(
            function="documents_document_frozen",
            body=FREEZE,
            triggers={
                "documents_document_rows_frozen": "BEFORE UPDATE OR DELETE ON documents_document FOR EACH ROW",
                "documents_document_stays": "BEFORE TRUNCATE ON documents_document FOR EACH STATEMENT",
            },
        ),
        *guard.frozen_operations(
            function="documents_documentkey_stays",
            body=KEY_STAYS,
            triggers={
                "documents_documentkey_rows_stay": "BEFORE UPDATE OR DELETE ON documents_documentkey FOR EACH ROW",
                "documents_documentkey_stays": "BEFORE TRUNCATE ON documents_documentkey FOR EACH STATEMENT",
            },
        ),
        *guard.frozen_operations(
            function="documents_closing_stays",
            body=DISMISSAL_STAYS,
            triggers={"documents_closing_rows_stay": "BEFORE UPDATE OR DELETE ON documents_closing FOR EACH ROW"},
        ),
    ]
