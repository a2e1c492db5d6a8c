"""The indexes of tables that are large, made while they are written; a database that was upgraded before has them."""

import django.db.models.functions.text
from django.db import migrations, models

from audit import patience


class Migration(migrations.Migration):
    runs = "before"
    atomic = False
    dependencies = [("documents", "0025_issuer_history")]

    operations = [
        patience.AddMissingIndex(
            model_name="document",
            index=models.Index(
                condition=models.Q(("kind__in", ("PAYMENT_RECEIPT", "ORDER_FINAL_STATEMENT"))),
                fields=["owner", "country", "-operation_date"],
                name="document_naming_owner",
            ),
        ),
        patience.AddMissingIndex(
            model_name="document",
            index=models.Index(
                condition=models.Q(("refund_status", "FAILED")), fields=["-id"], name="document_refund_failed"
            ),
        ),
        patience.AddMissingIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("code", "issuing_paused"), ("status", "held")),
                fields=["issuer_slug", "id"],
                name="event_paused",
            ),
        ),
        patience.AddMissingIndex(
            model_name="document",
            index=models.Index(
                condition=models.Q(("content__contains", '"replaces":'), ("kind", "PAYOUT_STATEMENT")),
                fields=["owner"],
                name="document_replacing",
            ),
        ),
        patience.AddMissingIndex(
            model_name="document",
            index=models.Index(
                condition=models.Q(("hold_told_at__isnull", False)), fields=["hold_told_at"], name="document_hold_told"
            ),
        ),
        patience.AddMissingIndex(
            model_name="document",
            index=models.Index(
                condition=models.Q(("status", "LOCKED")), fields=["verified_at", "id"], name="document_by_verified"
            ),
        ),
        patience.AddMissingIndex(
            model_name="document",
            index=models.Index(fields=["updated_at", "id"], name="document_by_update"),
        ),
        patience.AddMissingIndex(
            model_name="party",
            index=models.Index(django.db.models.functions.text.Upper("email"), name="party_by_email"),
        ),
    ]
