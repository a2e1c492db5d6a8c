"""Legal holds: matters, what they cover, and when the vault was last told of a document's."""

import functools

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import documents.identifiers


class Migration(migrations.Migration):
    runs = "before"
    dependencies = [
        ("documents", "0008_vault_probes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="HoldScope",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("first_date", models.DateField(null=True, verbose_name="emitidos desde")),
                ("last_date", models.DateField(null=True, verbose_name="emitidos hasta")),
                (
                    "kinds",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=30), default=list, size=None, verbose_name="tipos"
                    ),
                ),
                (
                    "added_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="añadido el"
                    ),
                ),
            ],
            options={
                "verbose_name": "parte cubierta",
                "verbose_name_plural": "partes cubiertas",
            },
        ),
        migrations.CreateModel(
            name="LegalHold",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, *(), prefix="hld"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("reference", models.CharField(max_length=80, verbose_name="asunto legal")),
                ("reason", models.CharField(max_length=200, verbose_name="motivo")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("SET", "vigente"),
                            ("RELEASE_REQUESTED", "retirada propuesta"),
                            ("RELEASED", "retirado"),
                        ],
                        default="SET",
                        max_length=20,
                        verbose_name="situación",
                    ),
                ),
                (
                    "set_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="aplicado el"
                    ),
                ),
                ("release_reason", models.CharField(blank=True, max_length=200, verbose_name="motivo de la retirada")),
                ("requested_at", models.DateTimeField(null=True, verbose_name="retirada propuesta el")),
                ("approval", models.CharField(blank=True, max_length=200, verbose_name="motivo de la aprobación")),
                ("released_at", models.DateTimeField(null=True, verbose_name="retirado el")),
            ],
            options={
                "verbose_name": "legal hold",
                "verbose_name_plural": "legal holds",
            },
        ),
        migrations.AddField(
            model_name="document",
            name="hold_told_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.SeparateDatabaseAndState(  # 0026_indexes makes it
            state_operations=[
                migrations.AddIndex(
                    model_name="document",
                    index=models.Index(
                        condition=models.Q(("hold_told_at__isnull", False)),
                        fields=["hold_told_at"],
                        name="document_hold_told",
                    ),
                )
            ]
        ),
        migrations.AddField(
            model_name="holdscope",
            name="document",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="documents.document",
                verbose_name="documento",
            ),
        ),
        migrations.AddField(
            model_name="holdscope",
            name="party",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="documents.party",
                verbose_name="titular",
            ),
        ),
        migrations.AddField(
            model_name="legalhold",
            name="country",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, to="documents.country", verbose_name="país"
            ),
        ),
        migrations.AddField(
            model_name="legalhold",
            name="released_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="retirado por",
            ),
        ),
        migrations.AddField(
            model_name="legalhold",
            name="requested_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="retirada propuesta por",
            ),
        ),
        migrations.AddField(
            model_name="legalhold",
            name="set_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="aplicado por",
            ),
        ),
        migrations.AddField(
            model_name="holdscope",
            name="hold",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="scopes",
                to="documents.legalhold",
                verbose_name="legal hold",
            ),
        ),
        migrations.AddConstraint(
            model_name="legalhold",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "RELEASED"), _negated=True),
                fields=("country", "reference"),
                name="legal_hold_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="legalhold",
            constraint=models.CheckConstraint(
                condition=models.Q(("released_by", models.F("requested_by")), _negated=True),
                name="legal_hold_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="legalhold",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("released_by", None), ("requested_by", None), ("state", "SET")),
                    models.Q(("released_by", None), ("requested_by__isnull", False), ("state", "RELEASE_REQUESTED")),
                    models.Q(("released_by__isnull", False), ("requested_by__isnull", False), ("state", "RELEASED")),
                    _connector="OR",
                ),
                name="legal_hold_steps",
            ),
        ),
        migrations.AddConstraint(
            model_name="legalhold",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("reason", ""), _negated=True), models.Q(("reference", ""), _negated=True)),
                name="legal_hold_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="holdscope",
            constraint=models.UniqueConstraint(fields=("hold", "document"), name="hold_scope_once"),
        ),
        migrations.AddConstraint(
            model_name="holdscope",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("document__isnull", False),
                        ("first_date", None),
                        ("kinds", []),
                        ("last_date", None),
                        ("party", None),
                    ),
                    models.Q(("document", None), ("party__isnull", False)),
                    _connector="OR",
                ),
                name="hold_scope_document_or_party",
            ),
        ),
    ]
