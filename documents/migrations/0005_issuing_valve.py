"""The safety valve of each issuer, and the order in which what it has stopped is issued."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    runs = "before"
    dependencies = [
        ("documents", "0004_refund_status"),
    ]

    operations = [
        migrations.CreateModel(
            name="IssuingValve",
            fields=[
                (
                    "issuer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="valve",
                        serialize=False,
                        to="documents.issuer",
                        verbose_name="emisor",
                    ),
                ),
                ("minute_max", models.PositiveIntegerField(default=600)),
                ("day_max", models.PositiveIntegerField(default=10000)),
                ("limits_at", models.DateTimeField(null=True)),
                ("minute_max_set", models.PositiveIntegerField(null=True)),
                ("day_max_set", models.PositiveIntegerField(null=True)),
                ("window_ends_at", models.DateTimeField(null=True)),
                ("window_count", models.PositiveBigIntegerField(default=0)),
                ("counted_date", models.DateField(null=True)),
                ("day_count", models.PositiveBigIntegerField(default=0)),
                ("paused_at", models.DateTimeField(null=True)),
                ("paused_by", models.CharField(blank=True, help_text="the limit: minute, day", max_length=6)),
                ("resumed_at", models.DateTimeField(null=True)),
                ("turn", models.BigIntegerField(null=True)),
                ("turned_at", models.DateTimeField(null=True)),
                ("uncounted_until_event", models.BigIntegerField(default=0)),
            ],
            options={
                "verbose_name": "válvula de emisión",
                "verbose_name_plural": "válvulas de emisión",
            },
        ),
        migrations.SeparateDatabaseAndState(  # 0026_indexes makes it
            state_operations=[
                migrations.AddIndex(
                    model_name="event",
                    index=models.Index(
                        condition=models.Q(("code", "issuing_paused"), ("status", "held")),
                        fields=["issuer_slug", "id"],
                        name="event_paused",
                    ),
                )
            ]
        ),
        migrations.AddConstraint(
            model_name="issuingvalve",
            constraint=models.CheckConstraint(
                condition=models.Q(("paused_at", None), ("turn", 0), _connector="OR"),
                name="paused_valve_lets_nothing_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="issuingvalve",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("minute_max_set", None), ("minute_max_set__gt", 0), _connector="OR"),
                    models.Q(("day_max_set", None), ("day_max_set__gt", 0), _connector="OR"),
                ),
                name="valve_limits_above_zero",
            ),
        ),
    ]
