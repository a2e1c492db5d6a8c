"""Alerts and summaries are leased as every other queue is."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models

# A bundle was named by the lease of all its rows; now only its first row is leased, and the others point to it.
BUNDLES = """
UPDATE documents_delivery d
   SET bundle_id = (SELECT min(o.id) FROM documents_delivery o WHERE o.lease = d.lease AND o.status = 'QUEUED'),
       lease = NULL, lease_until_at = NULL
 WHERE d.channel = 'DIGEST' AND d.status = 'QUEUED' AND d.lease IS NOT NULL
"""
# What is unsent was due without a moment of its own.
ALERTS = """
UPDATE documents_alert SET next_try_at = statement_timestamp()
 WHERE next_try_at IS NULL
   AND ((resolved_at IS NULL AND sent_at IS NULL) OR (resolved_at IS NOT NULL AND resolution_sent_at IS NULL))
"""


class Migration(migrations.Migration):
    """Give alerts a fence, and bundles a name of their own."""

    dependencies: ClassVar = [("documents", "0012_documents_due_by_kind")]
    operations: ClassVar = [
        migrations.AddField(model_name="alert", name="lease", field=models.UUIDField(null=True)),
        migrations.AlterField(
            model_name="alert",
            name="next_try_at",
            field=models.DateTimeField(null=True, verbose_name="siguiente intento"),
        ),
        migrations.AddField(
            model_name="delivery",
            name="bundle",
            field=models.ForeignKey(
                help_text="the first delivery of the same mail",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="bundled",
                to="documents.delivery",
            ),
        ),
        migrations.RunSQL(sql=BUNDLES, reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql=ALERTS, reverse_sql=migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(fields=["next_try_at"], condition=models.Q(next_try_at__isnull=False), name="alert_due"),
        ),
    ]
