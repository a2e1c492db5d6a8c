"""The decision of two people is a difference approval, in the code and in the audit log; its table stays where it is."""

import django.db.models.deletion
from django.db import migrations, models

from audit import guard

STATES = ("REQUESTED", "APPROVED", "WITHDRAWN")


class Migration(migrations.Migration):
    dependencies = [("payouts", "0002_settlement_request")]

    operations = [
        # The table keeps its name: with it said first, renaming the model changes nothing in the database.
        migrations.AlterModelTable(name="settlementrequest", table="payouts_settlementrequest"),
        migrations.RenameModel(old_name="SettlementRequest", new_name="DifferenceApproval"),
        migrations.AlterField(
            model_name="differenceapproval",
            name="event",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="difference_approvals",
                to="documents.event",
                to_field="public_id",
                verbose_name="evento",
            ),
        ),
        guard.remap_operation(
            table="payouts_settlementrequest",
            column="state",
            object_id="event_id",
            actions={state: f"event.difference_{state.lower()}" for state in STATES},
            before={state: f"event.settlement_{state.lower()}" for state in STATES},
        ),
    ]
