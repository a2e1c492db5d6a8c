"""What was last provisioned, by the transaction that wrote each guard."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_append_by_function")]

    operations = [
        migrations.CreateModel(
            name="GuardMark",
            fields=[
                ("name", models.CharField(max_length=140, primary_key=True, serialize=False)),
                ("mark", models.CharField(max_length=64)),
            ],
            options={"default_permissions": ()},
        ),
    ]
