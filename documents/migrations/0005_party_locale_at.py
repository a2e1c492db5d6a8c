"""E-mail and language of a party move apart, each by its own newest change, whatever order the changes come in."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """documents_party.locale_at."""

    dependencies = [("documents", "0004_link_sessions")]

    operations = [
        migrations.AddField(
            model_name="party",
            name="locale_at",
            field=models.DateTimeField(null=True, verbose_name="idioma desde"),
        ),
    ]
