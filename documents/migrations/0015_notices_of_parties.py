"""A change of contact data that a party makes itself over the API is a notice without an event."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    runs = "before"
    dependencies = [("documents", "0014_people")]

    operations = [
        migrations.AlterField(
            model_name="notice",
            name="event",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="notices",
                to="documents.event",
                verbose_name="evento",
            ),
        ),
    ]
