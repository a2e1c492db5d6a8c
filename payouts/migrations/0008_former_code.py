"""What filled in for the code of before, which knew fewer columns, goes when that code is gone."""

from django.db import migrations


class Migration(migrations.Migration):
    runs = "after"
    dependencies = [("payouts", "0007_trip_reports")]

    operations = [
        migrations.RunSQL(
            sql=[
                "DROP TRIGGER IF EXISTS payouts_payout_filled ON payouts_payout",
                "DROP FUNCTION IF EXISTS payouts_payout_filled()",
            ],
            reverse_sql=migrations.RunSQL.noop,
        )
    ]
