"""What filled in for the code of before, which knew fewer columns, goes when that code is gone."""

from django.db import migrations


class Migration(migrations.Migration):
    runs = "after"
    dependencies = [("documents", "0026_indexes")]

    operations = [
        migrations.RunSQL(
            sql=[
                "DROP TRIGGER IF EXISTS documents_document_filled ON documents_document",
                "DROP FUNCTION IF EXISTS documents_document_filled()",
            ],
            reverse_sql=migrations.RunSQL.noop,
        )
    ]
