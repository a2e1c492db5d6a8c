"""From when on an order's money is somebody else's."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    runs = "before"
    dependencies = [("documents", "0003_party_names"), ("payouts", "0004_refund_replacements")]

    operations = [
        migrations.CreateModel(
            name="Reassignment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reassignment_id", models.CharField(max_length=64, unique=True, verbose_name="id de la reasignación")),
                ("order_id", models.CharField(db_index=True, max_length=64, verbose_name="id del pedido")),
                ("made_at", models.DateTimeField(verbose_name="reasignado")),
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reassignment",
                        to="documents.event",
                        verbose_name="evento",
                    ),
                ),
                (
                    "former",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="documents.party",
                        verbose_name="titular anterior",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="documents.party",
                        verbose_name="titular",
                    ),
                ),
            ],
            options={"verbose_name": "reasignación", "verbose_name_plural": "reasignaciones"},
        ),
    ]
