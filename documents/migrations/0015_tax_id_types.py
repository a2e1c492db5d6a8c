"""Room for the types of tax id that the platform states and no country lists."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0014_alert_values")]

    operations = [
        migrations.AlterField(
            model_name="party",
            name="tax_id_type",
            field=models.CharField(blank=True, max_length=500, verbose_name="tipo de identificación"),
        ),
    ]
