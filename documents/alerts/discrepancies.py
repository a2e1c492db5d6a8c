"""Discrepancies: two records that differ, opened once with the amounts of both, resolved by a document or a person."""

import datetime as dt
import json
from collections.abc import Mapping

from django.db import connection
from django.db.models import QuerySet

from audit import log
from audit.actions import Action
from documents import identifiers
from documents.alerts import incidents
from documents.models import Country, Discrepancy, Document, Event

# Without a document the country is the event's, if there is such a row: else nobody with a limited scope would see it.
INSERT = """
    INSERT INTO documents_discrepancy
        (public_id, code, dedup_key, document_id, event_id, country_id, facts, resolution)
    VALUES (%s, %s, %s, %s, %s, coalesce(%s, (SELECT code FROM documents_country WHERE code = %s)), %s::jsonb, '')
    ON CONFLICT (dedup_key) WHERE resolved_at IS NULL DO NOTHING
"""
# TABLE: where an event states its total.
TOTALS = (("payment", "amount"), ("payout", "amount"), ("totals", "gross"), ("totals", "payable"))


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
    """Open a discrepancy and its P2, in the caller's transaction, unless the same one is open.

    :returns: whether it is new
    """
    public_id = identifiers.new(prefix="dsc")
    values = [
        public_id,
        code,
        dedup_key,
        document.pk if document else None,
        event.pk if event else None,
        country.pk if country else document.country_id if document else None,
        event.country_code if event else None,
        json.dumps(facts, ensure_ascii=False),
    ]
    with connection.cursor() as cursor:
        cursor.execute(INSERT, values)
        fresh = bool(cursor.rowcount == 1)
    if fresh:
        log.record(
            action=Action.DISCREPANCY_OPENED, object_type="discrepancy", object_id=public_id, actor=actor, code=code
        )
        incidents.open_alert(code=code, dedup_key=f"discrepancy:{dedup_key}", object_id=public_id)
    return fresh


def keep_current(*, dedup_key: str, facts: Mapping[str, object], actor: log.Actor) -> bool:
    """Update the facts of an open discrepancy to what is true now; False where none is open."""
    row = _open(dedup_key=dedup_key).first()
    if row is None or not _open(dedup_key=dedup_key).filter(pk=row.pk).update(facts=facts):
        return False
    if row.facts != facts:
        log.record(
            action=Action.DISCREPANCY_CHANGED,
            object_type="discrepancy",
            object_id=row.public_id,
            actor=actor,
            code=row.code,
        )
    return True


def stated_total(*, payload: object) -> tuple[str, str] | None:
    """Return the total that an event's body states and its currency, where its type states one."""
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(data, dict):
        return None
    for block, name in TOTALS:
        if isinstance(data.get(block), dict) and name in data[block]:
            return str(data[block][name]), str(data.get("currency", ""))
    return None


def both_totals(*, first: object, other: object) -> dict[str, str]:
    """Return the totals that two bodies state, as facts of a discrepancy; none where they do not compare."""
    first_total, other_total = stated_total(payload=first), stated_total(payload=other)
    if first_total is None or other_total is None or first_total[1] != other_total[1]:
        return {}
    return {"currency": first_total[1], "first_total": first_total[0], "other_total": other_total[0]}


def resolve(*, dedup_key: str, resolution: str, actor: log.Actor, now: dt.datetime) -> bool:
    """Resolve the open discrepancy of a key with its alert, in the caller's transaction; False where there is none.

    :param resolution: a `Resolution`, or a person's text
    """
    row = _open(dedup_key=dedup_key).first()
    resolved = {"resolved_at": now, "resolution": resolution}
    if row is None or not _open(dedup_key=dedup_key).filter(pk=row.pk).update(**resolved):
        return False
    log.record(
        action=Action.DISCREPANCY_RESOLVED,
        object_type="discrepancy",
        object_id=row.public_id,
        actor=actor,
        code=row.code,
        details={"resolution": resolution},
    )
    incidents.resolve_alert(dedup_key=f"discrepancy:{dedup_key}")
    return True


def _open(*, dedup_key: str) -> QuerySet[Discrepancy]:
    """Return the open discrepancy of a key."""
    return Discrepancy.objects.filter(dedup_key=dedup_key, resolved_at=None)
