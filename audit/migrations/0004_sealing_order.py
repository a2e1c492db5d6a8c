"""The order in which the sealer takes events: an index that is made while the log goes on being written."""

from django.db import migrations, models

from audit import patience


class Migration(migrations.Migration):
    runs = "before"
    atomic = False
    dependencies = [("audit", "0003_sealed")]

    operations = [
        patience.AddIndexOnce(model_name="event", index=models.Index(fields=["xid", "id"], name="audit_event_sealing")),
    ]
