"""Numbers and keys are compared in the C locale: a search for a beginning reads only what it finds."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns, and the one that refers to a key; their indexes are built anew."""

    dependencies = [
        ("documents", "0010_dismissals"),
    ]

    operations = [
        migrations.AlterField(
            model_name="document",
            name="number",
            field=models.CharField(db_collation="C", max_length=40, unique=True, verbose_name="número"),
        ),
        migrations.AlterField(
            model_name="documentkey",
            name="key",
            field=models.CharField(db_collation="C", max_length=200, primary_key=True, serialize=False),
        ),
    ]
