"""Lists of a span of days, of what is unpaid and of what a digest begins with are walked, not searched."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Five indexes; four that repeat the beginning of another one go."""

    dependencies = [
        ("documents", "0006_notices"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="document",
            name="document_by_sha256",
        ),
        migrations.AlterField(
            model_name="document",
            name="country",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, to="documents.country", verbose_name="país"
            ),
        ),
        migrations.AlterField(
            model_name="document",
            name="owner",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to="documents.party",
                verbose_name="titular",
            ),
        ),
        migrations.AlterField(
            model_name="document",
            name="series",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, to="documents.series", verbose_name="serie"
            ),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["issue_date", "id"], name="document_by_day"),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["issued_at", "id"], name="document_by_moment"),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(
                condition=models.Q(("payout_status", "PENDING")), fields=["-id"], name="document_unpaid"
            ),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["file_sha256"], name="document_by_sha256", opclasses=["varchar_pattern_ops"]),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(
                fields=["content_sha256"], name="document_by_content", opclasses=["varchar_pattern_ops"]
            ),
        ),
    ]
