"""A party is told of a change at the address that was its own until then, and the address is then forgotten."""

import functools

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import documents.identifiers
from audit import guard

STATUSES = [
    ("QUEUED", "en cola"),
    ("SENT", "enviado"),
    ("BOUNCED", "rebotado"),
    ("OPENED", "abierto"),
    ("DOWNLOADED", "descargado"),
    ("NOT_WANTED", "no procede"),
]


class Migration(migrations.Migration):
    """documents_notice; no state of it without its audit event."""

    dependencies = [("documents", "0005_party_locale_at"), ("audit", "0002_append_only")]

    operations = [
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, prefix="ntc"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "address",
                    models.EmailField(
                        blank=True, help_text="where the mail goes; empty once it has gone", max_length=254
                    ),
                ),
                (
                    "locale",
                    models.CharField(
                        help_text="the party's language before the change", max_length=10, verbose_name="idioma"
                    ),
                ),
                ("status", models.CharField(choices=STATUSES, default="QUEUED", max_length=12, verbose_name="estado")),
                ("message_id", models.CharField(max_length=120, unique=True)),
                ("cause", models.CharField(blank=True, max_length=40, verbose_name="causa")),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="intentos")),
                ("lease", models.UUIDField(null=True)),
                ("lease_until_at", models.DateTimeField(null=True)),
                ("next_try_at", models.DateTimeField(null=True, verbose_name="siguiente intento")),
                (
                    "queued_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="en cola desde"
                    ),
                ),
                ("sent_at", models.DateTimeField(null=True, verbose_name="enviado")),
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notice",
                        to="documents.event",
                        verbose_name="evento",
                    ),
                ),
                (
                    "party",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="documents.party",
                        verbose_name="titular",
                    ),
                ),
            ],
            options={
                "verbose_name": "aviso de cambio",
                "verbose_name_plural": "avisos de cambio",
                "indexes": [
                    models.Index(condition=models.Q(("status", "QUEUED")), fields=["next_try_at"], name="notice_due")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "QUEUED"), models.Q(("address", ""), _negated=True)),
                            models.Q(models.Q(("status", "QUEUED"), _negated=True), ("address", "")),
                            _connector="OR",
                        ),
                        name="notice_forgets_address",
                    )
                ],
            },
        ),
        *guard.operations(
            table="documents_notice",
            column="status",
            object_id="public_id",
            actions={"QUEUED": "delivery.queued", "SENT": "delivery.sent", "BOUNCED": "delivery.bounced"},
        ),
    ]
