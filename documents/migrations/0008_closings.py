"""Events closed without being issued, as the database keeps them: each state has its event, and what was said stays."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from audit import guard

STAYS = """
CREATE FUNCTION documents_closing_stays() RETURNS trigger LANGUAGE plpgsql AS $stays$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'a closing is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state <> 'CLOSED' OR (OLD.event_id, OLD.code, OLD.reason, OLD.document_id, OLD.closed_by_id, OLD.closed_at)
        IS DISTINCT FROM (NEW.event_id, NEW.code, NEW.reason, NEW.document_id, NEW.closed_by_id, NEW.closed_at) THEN
        RAISE EXCEPTION 'the closing of % stays as it is', OLD.event_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$stays$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("documents", "0007_list_indexes"),
        ("audit", "0002_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Closing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[("CLOSED", "cerrado sin emitir"), ("REOPENED", "vuelto a la lista")],
                        default="CLOSED",
                        max_length=10,
                        verbose_name="situación",
                    ),
                ),
                ("code", models.CharField(max_length=40, verbose_name="causa")),
                ("reason", models.CharField(max_length=200, verbose_name="motivo")),
                (
                    "closed_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="cerrado el"
                    ),
                ),
                ("reopened_at", models.DateTimeField(null=True, verbose_name="vuelto a la lista el")),
                (
                    "closed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="cerrado por",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="closings",
                        to="documents.document",
                        verbose_name="documento que lo resuelve",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="closings",
                        to="documents.event",
                        to_field="public_id",
                        verbose_name="evento",
                    ),
                ),
            ],
            options={
                "verbose_name": "cierre sin emitir",
                "verbose_name_plural": "cierres sin emitir",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "CLOSED")), fields=("event",), name="closing_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reopened_at", None), ("state", "CLOSED")),
                            models.Q(("reopened_at__isnull", False), ("state", "REOPENED")),
                            _connector="OR",
                        ),
                        name="closing_reopened_at",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True), name="closing_has_reason"
                    ),
                ],
            },
        ),
        *guard.operations(
            table="documents_closing",
            column="state",
            object_id="event_id",
            actions={"CLOSED": "event.closed", "REOPENED": "event.reopened"},
        ),
        migrations.RunSQL(
            sql=[STAYS, *guard.path_sql(function="documents_closing_stays")],
            reverse_sql="DROP FUNCTION documents_closing_stays() CASCADE",
        ),
        migrations.RunSQL(
            sql="CREATE TRIGGER documents_closing_rows_stay BEFORE UPDATE OR DELETE ON documents_closing"
            " FOR EACH ROW EXECUTE FUNCTION documents_closing_stays()",
            reverse_sql="DROP TRIGGER documents_closing_rows_stay ON documents_closing",
        ),
    ]
