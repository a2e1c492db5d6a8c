"""A legal hold may have a last day, after which it ends by itself; and a week's link is about all that it leads to."""

import importlib

from django.db import migrations, models
from django.db.models import Q

from audit import guard

before = importlib.import_module("documents.migrations.0012_erasure")
WEEK = """
  UNION ALL
  SELECT brought.document_id FROM documents_link AS link
    JOIN documents_delivery AS brought ON brought.bundle_id = link.delivery_id
   WHERE link.weekly AND link.public_id = about
)
SELECT EXISTS (SELECT FROM live)"""
ON_HOLD = before.ON_HOLD.replace("matter.state <> 'RELEASED'", "matter.state NOT IN ('RELEASED', 'ENDED')").replace(
    "\n)\nSELECT EXISTS (SELECT FROM live)", WEEK
)


class Migration(migrations.Migration):
    runs = "before"
    beside = {
        "legal_hold_once": "it asks less than before",
        "legal_hold_steps": "it allows one state more",
        "RunSQL": "a function of the same arguments that the former code does not call by itself",
    }
    dependencies = [("documents", "0016_links_and_limits")]

    operations = [
        migrations.AddField(
            model_name="legalhold",
            name="hold_until",
            field=models.DateField(null=True, verbose_name="vigente hasta"),
        ),
        migrations.AddField(
            model_name="legalhold",
            name="ended_at",
            field=models.DateTimeField(null=True, verbose_name="vencido el"),
        ),
        migrations.AlterField(
            model_name="legalhold",
            name="state",
            field=models.CharField(
                choices=[
                    ("SET", "vigente"),
                    ("RELEASE_REQUESTED", "retirada propuesta"),
                    ("RELEASED", "retirado"),
                    ("ENDED", "vencido"),
                ],
                default="SET",
                max_length=20,
                verbose_name="situación",
            ),
        ),
        migrations.RemoveConstraint(model_name="legalhold", name="legal_hold_once"),
        migrations.AddConstraint(
            model_name="legalhold",
            constraint=models.UniqueConstraint(
                condition=Q(state__in=("RELEASED", "ENDED"), _negated=True),
                fields=("country", "reference"),
                name="legal_hold_once",
            ),
        ),
        migrations.RemoveConstraint(model_name="legalhold", name="legal_hold_steps"),
        migrations.AddConstraint(
            model_name="legalhold",
            constraint=models.CheckConstraint(
                condition=Q(
                    Q(released_by=None, requested_by=None, state="SET"),
                    Q(released_by=None, requested_by__isnull=False, state="RELEASE_REQUESTED"),
                    Q(released_by__isnull=False, requested_by__isnull=False, state="RELEASED"),
                    Q(ended_at__isnull=False, hold_until__isnull=False, released_by=None, state="ENDED"),
                    _connector="OR",
                ),
                name="legal_hold_steps",
            ),
        ),
        migrations.RunSQL(
            sql=[ON_HOLD, f"REVOKE ALL ON FUNCTION {guard.ON_HOLD} FROM PUBLIC"],
            reverse_sql=[before.ON_HOLD, f"REVOKE ALL ON FUNCTION {guard.ON_HOLD} FROM PUBLIC"],
        ),
    ]
