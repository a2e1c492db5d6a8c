"""An alert's values in the place of the sentences that were written when it was opened; what to do meanwhile is a table's.

Old sentences are kept as the value `text`. The columns change their type in place: no row is updated, so no event is
due for one. So do resolutions that were sentences of ours: they are codes from now on.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("documents", "0013_queues")]

    operations = [
        migrations.RunSQL(
            sql=[
                "ALTER TABLE documents_alert ALTER COLUMN detail TYPE jsonb USING jsonb_build_object('text', detail)",
                "ALTER TABLE documents_alert RENAME COLUMN detail TO values",
            ],
            reverse_sql=[
                "ALTER TABLE documents_alert RENAME COLUMN values TO detail",
                "ALTER TABLE documents_alert ALTER COLUMN detail TYPE varchar(500)"
                " USING left(coalesce(detail ->> 'text', detail::text), 500)",
            ],
            state_operations=[
                migrations.RemoveField(model_name="alert", name="detail"),
                migrations.AddField(
                    model_name="alert", name="values", field=models.JSONField(default=dict, verbose_name="valores")
                ),
            ],
        ),
        migrations.RemoveField(model_name="alert", name="fallback"),
        migrations.RunSQL(
            sql="ALTER TABLE documents_discrepancy ALTER COLUMN resolution TYPE varchar(500) USING CASE resolution"
            " WHEN 'reconciliation finds no difference any more' THEN 'no_difference'"
            " WHEN 'what is settled is no more than was earned' THEN 'not_overpaid' ELSE resolution END",
            reverse_sql=migrations.RunSQL.noop,
        ),
    ]
