"""What a run that was killed has left open is closed by the next one: its alerts, discrepancies and mail."""

import datetime as dt

from django.db import transaction
from django.utils import timezone

from config.drills import letters, receipts
from documents.alerts import discrepancies, incidents
from documents.models import Alert, Delivery, Discrepancy

ALERT = "operations_drill"
OLD = dt.timedelta(minutes=5)  # longer than any drill that goes on leaves one open


def close() -> None:
    """Resolve what drills have opened and no run that goes on can still be looking at."""
    before = timezone.now() - OLD
    for alert in Alert.objects.filter(code=ALERT, resolved_at=None, opened_at__lt=before):
        incidents.resolve_alert(dedup_key=alert.dedup_key, actor=receipts.ACTOR, reason="a drill that was broken off")
    for delivery in letters.left(before=before):
        letters.withdraw(rows=Delivery.objects.filter(pk=delivery.pk))
    rows = Discrepancy.objects.filter(
        code="divergent_repeat", resolved_at=None, opened_at__lt=before, document__issuer__slug=receipts.ISSUER
    )
    for row in rows:
        with transaction.atomic():
            discrepancies.resolve(
                dedup_key=row.dedup_key, resolution="simulacro", actor=receipts.ACTOR, now=timezone.now()
            )
