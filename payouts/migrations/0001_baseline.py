"""The tables of payouts, as they stood at the base line; every migration before it is squashed into this one."""

import functools

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import documents.identifiers


class Migration(migrations.Migration):
    runs = "before"
    replaces = [
        ("payouts", "0001_initial"),
        ("payouts", "0002_settlement_request"),
        ("payouts", "0003_difference_approval"),
    ]

    initial = True

    dependencies = [
        ("documents", "0001_baseline"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Payout",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("payout_id", models.CharField(max_length=64, unique=True, verbose_name="id del pago")),
                ("currency", models.CharField(max_length=3, verbose_name="moneda")),
                ("amount_minor", models.BigIntegerField(verbose_name="importe")),
                ("opening_minor", models.BigIntegerField(default=0, verbose_name="saldo inicial")),
                ("closing_minor", models.BigIntegerField(default=0, verbose_name="saldo final")),
                ("sent_at", models.DateTimeField(verbose_name="enviado")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("SENT", "enviado"),
                            ("FAILED", "fallido"),
                            ("RETURNED", "devuelto"),
                            ("CLOSED", "periodo cerrado sin pago"),
                        ],
                        max_length=10,
                        verbose_name="estado",
                    ),
                ),
                ("returned_at", models.DateTimeField(null=True, verbose_name="devuelto el")),
                (
                    "country",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="documents.country", verbose_name="país"
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payouts",
                        to="documents.event",
                        verbose_name="evento",
                    ),
                ),
                (
                    "issuer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="documents.issuer", verbose_name="emisor"
                    ),
                ),
                (
                    "payee",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="documents.party", verbose_name="beneficiario"
                    ),
                ),
                (
                    "statement",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payout",
                        to="documents.document",
                        verbose_name="comprobante",
                    ),
                ),
            ],
            options={
                "verbose_name": "pago",
                "verbose_name_plural": "pagos",
            },
        ),
        migrations.CreateModel(
            name="Settlement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount_minor", models.BigIntegerField(verbose_name="importe")),
                (
                    "effective",
                    models.BooleanField(
                        default=True, help_text="false once the payout failed or came back", verbose_name="vigente"
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="settlements",
                        to="documents.document",
                        verbose_name="documento",
                    ),
                ),
                (
                    "payout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="settlements",
                        to="payouts.payout",
                        verbose_name="pago",
                    ),
                ),
            ],
            options={
                "verbose_name": "partida pagada",
                "verbose_name_plural": "partidas pagadas",
            },
        ),
        migrations.CreateModel(
            name="DifferenceApproval",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, *(), prefix="stl"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("REQUESTED", "propuesta"), ("APPROVED", "aprobada"), ("WITHDRAWN", "sustituida")],
                        default="REQUESTED",
                        max_length=10,
                        verbose_name="situación",
                    ),
                ),
                ("difference_minor", models.BigIntegerField(verbose_name="diferencia")),
                ("currency", models.CharField(max_length=3, verbose_name="moneda")),
                ("reason", models.CharField(max_length=200, verbose_name="motivo")),
                (
                    "requested_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="propuesta el"
                    ),
                ),
                ("approval", models.CharField(blank=True, max_length=200, verbose_name="motivo de la aprobación")),
                ("approved_at", models.DateTimeField(null=True, verbose_name="aprobada el")),
                (
                    "approved_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="aprobada por",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="difference_approvals",
                        to="documents.event",
                        to_field="public_id",
                        verbose_name="evento",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="propuesta por",
                    ),
                ),
            ],
            options={
                "verbose_name": "partida por conciliar",
                "verbose_name_plural": "por conciliar",
                "db_table": "payouts_settlementrequest",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "WITHDRAWN"), _negated=True),
                        fields=("event",),
                        name="settlement_request_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approved_by", None),
                            models.Q(("approved_by", models.F("requested_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="settlement_request_two_people",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("approved_at__isnull", False), ("approved_by__isnull", False), ("state", "APPROVED")
                            ),
                            models.Q(
                                models.Q(("state", "APPROVED"), _negated=True),
                                ("approved_at", None),
                                ("approved_by", None),
                            ),
                            _connector="OR",
                        ),
                        name="settlement_request_approved_by_someone",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(fields=["payee", "issuer", "currency", "sent_at"], name="payout_of_payee"),
        ),
        migrations.AddIndex(
            model_name="settlement",
            index=models.Index(
                condition=models.Q(("effective", True)), fields=["document"], name="settlement_effective"
            ),
        ),
        migrations.AddConstraint(
            model_name="settlement",
            constraint=models.UniqueConstraint(fields=("payout", "document"), name="settlement_once"),
        ),
    ]
