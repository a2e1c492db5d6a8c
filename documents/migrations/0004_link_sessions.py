"""A link remembers for ten minutes which sessions were counted, so that one person's second tap costs no download."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column."""

    dependencies = [("documents", "0003_countries")]
    operations = [
        migrations.AddField(
            model_name="link",
            name="counted",
            field=models.JSONField(
                default=dict, help_text="session -> epoch seconds of its last counted download, for ten minutes"
            ),
        ),
    ]
