"""A later event supersedes a held one; settling is what a payout does to a statement. The column moves with its data."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0008_closings")]

    operations = [
        migrations.RenameField(model_name="event", old_name="settled_by", new_name="superseded_by"),
        migrations.AlterField(
            model_name="event",
            name="superseded_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="supersedes",
                to="documents.event",
                verbose_name="resuelto por",
            ),
        ),
    ]
