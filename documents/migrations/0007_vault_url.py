"""Each locked document names the store that it lies in: what was locked before lies in the one that is open now.

Left empty, a later change of VAULT_URL would look for it in a store that never had it, and withhold it.
"""

import importlib

from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Q

from audit import guard
from documents.vault import address

before = importlib.import_module("documents.migrations.0002_frozen_rows")
# Where locked bytes lie may change, to a copy in another store: the same bytes, under the same key.
STAYS = " OR ".join(
    f"NEW.{column} IS DISTINCT FROM OLD.{column}"
    for column in ("vault_key", "file_sha256", "file_bytes", "locked_at", "template", "engine")
)
MOVED = "OLD.status = 'LOCKED' AND NEW.status = 'LOCKED' AND NEW.vault_url <> OLD.vault_url"
PLACE = "(NEW.vault_url, NEW.vault_version, NEW.vault_mode) IS DISTINCT FROM (OLD.vault_url, OLD.vault_version, OLD.vault_mode)"
FREEZE = before.FREEZE.replace(f"({before.LOCKED})", f"({STAYS} OR ({PLACE} AND NOT ({MOVED})))")

FILLED = """
CREATE OR REPLACE FUNCTION documents_document_filled() RETURNS trigger LANGUAGE plpgsql AS $filled$
BEGIN
    NEW.vault_url := TG_ARGV[0];
    RETURN NEW;
END
$filled$
"""
FILLS = """
CREATE TRIGGER documents_document_filled BEFORE UPDATE ON documents_document FOR EACH ROW
WHEN (NEW.status = 'LOCKED' AND NEW.vault_url = '') EXECUTE FUNCTION documents_document_filled({present})
"""


def name_present_store(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Add the column with the present store for every row, which rewrites none, and let new rows name none."""
    present = editor.quote_value(address.canonical(url=settings.VAULT_URL))
    editor.execute(f"ALTER TABLE documents_document ADD COLUMN vault_url varchar(400) DEFAULT {present} NOT NULL")
    editor.execute("ALTER TABLE documents_document ALTER COLUMN vault_url SET DEFAULT ''")
    editor.execute("UPDATE documents_document SET vault_url = '' WHERE status = 'ISSUED'")
    # The code of before locks without naming a store: the present one, until 0027_former_code has run.
    for statement in (FILLED, *guard.path_sql(function="documents_document_filled"), FILLS.format(present=present)):
        editor.execute(statement, params=None)


def drop_names(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the column."""
    editor.execute("DROP FUNCTION IF EXISTS documents_document_filled() CASCADE")
    editor.execute("ALTER TABLE documents_document DROP COLUMN vault_url")


class Migration(migrations.Migration):
    runs = "before"
    beside = {
        "RunPython": "a default that rewrites no row, and a trigger that names the store for the former code",
        "RunSQL": "the function refuses no change that the former code makes",
        "locked_has_bytes": "the trigger fills in what it asks for besides",
    }
    dependencies = [("documents", "0006_replacing_statements")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(name_present_store, drop_names)],
            state_operations=[
                migrations.AddField(
                    model_name="document",
                    name="vault_url",
                    field=models.CharField(
                        blank=True, db_default="", help_text="its address", max_length=400, verbose_name="bóveda"
                    ),
                )
            ],
        ),
        migrations.RunSQL(
            sql=[FREEZE, *guard.path_sql(function="documents_document_frozen")],
            reverse_sql=[before.FREEZE, *guard.path_sql(function="documents_document_frozen")],
        ),
        migrations.RemoveConstraint(model_name="document", name="locked_has_bytes"),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.CheckConstraint(
                condition=~Q(status="LOCKED")
                | (
                    Q(locked_at__isnull=False)
                    & ~Q(file_sha256="")
                    & ~Q(vault_url="")
                    & ~Q(vault_version="")
                    & Q(file_bytes__gt=0)
                ),
                name="locked_has_bytes",
            ),
        ),
    ]
