"""Two people for a payout that does not close, as the database keeps it: who asked stays, and each state has its event."""

import functools

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import documents.identifiers
from audit import guard

FREEZE = """
CREATE FUNCTION payouts_settlementrequest_stays() RETURNS trigger LANGUAGE plpgsql AS $stays$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'a settlement request is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state <> 'REQUESTED' OR (OLD.event_id, OLD.requested_by_id, OLD.reason, OLD.difference_minor, OLD.currency)
        IS DISTINCT FROM (NEW.event_id, NEW.requested_by_id, NEW.reason, NEW.difference_minor, NEW.currency) THEN
        RAISE EXCEPTION 'settlement request % stays as it is', OLD.public_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$stays$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("documents", "0002_guards"),
        ("audit", "0002_append_only"),
        ("payouts", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SettlementRequest",
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
                        related_name="settlement_requests",
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
        *guard.operations(
            table="payouts_settlementrequest",
            column="state",
            object_id="event_id",
            actions={
                "REQUESTED": "event.settlement_requested",
                "APPROVED": "event.settlement_approved",
                "WITHDRAWN": "event.settlement_withdrawn",
            },
        ),
        migrations.RunSQL(
            sql=[FREEZE, *guard.path_sql(function="payouts_settlementrequest_stays")],
            reverse_sql="DROP FUNCTION payouts_settlementrequest_stays() CASCADE",
        ),
        migrations.RunSQL(
            sql="CREATE TRIGGER payouts_settlementrequest_rows_stay BEFORE UPDATE OR DELETE ON payouts_settlementrequest"
            " FOR EACH ROW EXECUTE FUNCTION payouts_settlementrequest_stays()",
            reverse_sql="DROP TRIGGER payouts_settlementrequest_rows_stay ON payouts_settlementrequest",
        ),
    ]
