"""Two truths that differ: opened once, with the amounts of both; closed by a later document or by a person."""

import datetime as dt
import json
from collections.abc import Mapping

from django.db import connection

from audit import log
from audit.actions import Action
from documents import alerts, identifiers
from documents.models import Country, Discrepancy, Document, Event


def open_one(
    *,
    code: str,
    dedup_key: str,
    facts: Mapping[str, object],
    actor: log.Actor,
    document: Document | None = None,
    event: Event | None = None,
    country: Country | None = None,
) -> bool:
    """This function will open a discrepancy and its P2, in the caller's transaction, unless the same one is open.

    :returns: whether it is new
    """
    public_id = identifiers.new(prefix="dsc")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO documents_discrepancy"
            " (public_id, code, dedup_key, document_id, event_id, country_id, facts, resolution)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, '')"
            " ON CONFLICT (dedup_key) WHERE resolved_at IS NULL DO NOTHING",
            [
                public_id,
                code,
                dedup_key,
                document.pk if document else None,
                event.pk if event else None,
                country.pk if country else document.country_id if document else None,
                json.dumps(facts, ensure_ascii=False),
            ],
        )
        fresh = bool(cursor.rowcount == 1)
    if fresh:
        log.record(
            action=Action.DISCREPANCY_OPENED, object_type="discrepancy", object_id=public_id, actor=actor, code=code
        )
        alerts.open_alert(
            code=code,
            severity="P2",
            dedup_key=f"discrepancy:{dedup_key}",
            detail=f"Open discrepancy {code}",
            object_id=public_id,
        )
    return fresh


def resolve(*, dedup_key: str, resolution: str, actor: log.Actor, now: dt.datetime) -> None:
    """This function will close the open discrepancy of a key, if there is one, with its alert."""
    for row in Discrepancy.objects.select_for_update().filter(dedup_key=dedup_key, resolved_at=None):
        Discrepancy.objects.filter(pk=row.pk).update(resolved_at=now, resolution=resolution)
        log.record(
            action=Action.DISCREPANCY_RESOLVED,
            object_type="discrepancy",
            object_id=row.public_id,
            actor=actor,
            code=row.code,
            details={"resolution": resolution},
        )
        alerts.resolve_alert(dedup_key=f"discrepancy:{dedup_key}")
