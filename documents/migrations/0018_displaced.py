"""A document that was called disposed of or never locked, which the log contradicts, may be withheld."""

import importlib

from django.db import migrations

from audit import guard

before = importlib.import_module("documents.migrations.0011_disposal")
ENDS = "('LOCKED', 'DISPOSED')"
WITHHELD = f"{ENDS}, ('DISPOSED', 'QUARANTINED'), ('ISSUED', 'QUARANTINED')"
FREEZE = before.FREEZE.replace(f"{ENDS})", f"{WITHHELD})")


class Migration(migrations.Migration):
    runs = "before"
    beside = {
        "RunSQL": "the function lets two changes of state more happen",
    }
    dependencies = [("documents", "0017_hold_ends")]

    operations = [
        migrations.RunSQL(
            sql=[FREEZE, *guard.path_sql(function="documents_document_frozen")],
            reverse_sql=[before.FREEZE, *guard.path_sql(function="documents_document_frozen")],
        ),
    ]
