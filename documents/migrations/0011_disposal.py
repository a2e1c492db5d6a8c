"""A document whose retention is over may be disposed of: its bytes go, and the row says so for ever."""

import importlib

from django.db import migrations, models

from audit import guard

before = importlib.import_module("documents.migrations.0007_vault_url")
ENDS = "('QUARANTINED', 'LOCKED')"
FREEZE = before.FREEZE.replace(f"{ENDS})", f"{ENDS}, ('LOCKED', 'DISPOSED'))")


class Migration(migrations.Migration):
    runs = "before"
    beside = {
        "RunSQL": "the function lets one change of state more happen",
    }
    dependencies = [("documents", "0010_custody")]

    operations = [
        migrations.AddField(
            model_name="document",
            name="disposed_at",
            field=models.DateTimeField(null=True, verbose_name="eliminado"),
        ),
        migrations.AlterField(
            model_name="document",
            name="status",
            field=models.CharField(
                choices=[
                    ("ISSUED", "Emitido, resguardando"),
                    ("LOCKED", "Resguardado"),
                    ("QUARANTINED", "En cuarentena"),
                    ("DISPOSED", "Eliminado tras su plazo"),
                ],
                default="ISSUED",
                max_length=12,
                verbose_name="estado",
            ),
        ),
        migrations.RunSQL(
            sql=[FREEZE, *guard.path_sql(function="documents_document_frozen")],
            reverse_sql=[before.FREEZE, *guard.path_sql(function="documents_document_frozen")],
        ),
    ]
