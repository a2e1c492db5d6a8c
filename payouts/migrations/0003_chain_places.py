"""A payout's place in the chain of balances: its own moment and id, or those of the payout that it replaces."""

from django.db import migrations, models

from audit import guard

# The code of before writes payouts without a place: their own, until 0008_former_code has run.
FILLED = """
CREATE OR REPLACE FUNCTION payouts_payout_filled() RETURNS trigger LANGUAGE plpgsql AS $filled$
BEGIN
    NEW.chained_at := coalesce(NEW.chained_at, NEW.sent_at);
    NEW.chained_as := coalesce(NEW.chained_as, NEW.payout_id);
    RETURN NEW;
END
$filled$
"""
# Of those before, none had another's place.
OWN_PLACE = "UPDATE payouts_payout SET chained_at = sent_at, chained_as = payout_id"


class Migration(migrations.Migration):
    runs = "before"
    beside = {
        "RunSQL": "a trigger fills in the former code's own place, as the statement does for what is there",
        "payout.chained_at": "filled in by the trigger",
        "payout.chained_as": "filled in by the trigger",
        "payout_of_payee": "a payee has a payout a week: it is made in a moment",
    }
    dependencies = [("payouts", "0002_frozen_rows")]

    operations = [
        migrations.AddField(model_name="payout", name="chained_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="payout", name="chained_as", field=models.CharField(max_length=64, null=True)),
        *guard.frozen_operations(
            function="payouts_payout_filled",
            body=FILLED,
            triggers={"payouts_payout_filled": "BEFORE INSERT ON payouts_payout FOR EACH ROW"},
        ),
        migrations.RunSQL(sql=OWN_PLACE, reverse_sql=migrations.RunSQL.noop),
        migrations.AlterField(model_name="payout", name="chained_at", field=models.DateTimeField()),
        migrations.AlterField(model_name="payout", name="chained_as", field=models.CharField(max_length=64)),
        migrations.RemoveIndex(model_name="payout", name="payout_of_payee"),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(fields=["payee", "issuer", "currency", "chained_at"], name="payout_of_payee"),
        ),
    ]
