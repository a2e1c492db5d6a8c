"""Discrepancies: two records that differ, opened once with the amounts of both, resolved by a document or a person."""

import datetime as dt
import json
from collections.abc import Mapping

from django.db import connection
from django.db.models import QuerySet

from audit import log
from audit.actions import Action
from documents import errors, identifiers, locks
from documents.alerts import discrepancy_catalog, incidents
from documents.models import Country, Discrepancy, Document, Event

# Without a document the country is the event's, if there is such a row: else nobody with a limited scope would see it.
INSERT = """
    INSERT INTO documents_discrepancy
        (public_id, code, dedup_key, document_id, event_id, country_id, facts, resolution)
    VALUES (%s, %s, %s, %s, %s, coalesce(%s, (SELECT code FROM documents_country WHERE code = %s)), %s::jsonb, '')
    ON CONFLICT (dedup_key) WHERE resolved_at IS NULL DO NOTHING
"""
# TABLE: where an event states its total.
TOTALS = (
    ("payment", "amount"),
    ("payout", "amount"),
    ("totals", "gross"),
    ("totals", "payable"),
    ("refund", "amount"),
    ("dispute", "amount"),
)


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
        _announce(row=Discrepancy.objects.select_related("document").get(public_id=public_id))
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
    row = _open(dedup_key=dedup_key).select_related("document").first()
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
    if _is_by_day(row=row):
        _list_day(row=row)
    else:
        incidents.resolve_alert(dedup_key=alert_key(row=row))
    return True


def alert_key(*, row: Discrepancy) -> str:
    """Return the key of a discrepancy's alert: its own, or that of its issuer and the day on which it was opened."""
    if _is_by_day(row=row) and row.document is not None:
        return f"{row.code}:{row.document.issuer_id}:{_day(row=row).isoformat()}"
    return f"discrepancy:{row.dedup_key}"


def _announce(*, row: Discrepancy) -> None:
    """Open the alert of a new discrepancy, or have it listed in the day's."""
    if _is_by_day(row=row):
        _list_day(row=row)
    else:
        named = [row.document.number] if row.document else [row.event.event_id] if row.event else []
        incidents.open_alert(
            code=row.code, dedup_key=alert_key(row=row), values={"named": named}, object_id=row.public_id
        )


def _list_day(*, row: Discrepancy) -> None:
    """Bring the alert of an issuer and day up to what is open of it; resolve it where nothing is.

    It is locked first: so whoever comes second sees what the first one has opened.
    """
    key, day = alert_key(row=row), _day(row=row)
    locks.advisory(rank=locks.Rank.ALERT, key=key)
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    documents = list(
        Discrepancy.objects.filter(
            code=row.code,
            resolved_at=None,
            document__issuer=row.document.issuer_id if row.document else None,
            opened_at__gte=midnight,
            opened_at__lt=midnight + dt.timedelta(days=1),
        )
        .order_by("pk")
        .values_list("document__number", "document__issuer__slug")
    )
    if not documents:
        incidents.resolve_alert(dedup_key=key)
        return
    values: dict[str, errors.Value] = {
        "count": len(documents),
        "issuer": documents[0][1],
        "day": day.isoformat(),
        "documents": [number for number, _ in documents],
    }
    if not incidents.renew(dedup_key=key, values=values):
        incidents.open_alert(code=row.code, dedup_key=key, values=values, object_id=row.public_id)


def _is_by_day(*, row: Discrepancy) -> bool:
    table = discrepancy_catalog.DISCREPANCIES.get(row.code)
    return table is not None and table.by_day is not None and row.document is not None


def _day(*, row: Discrepancy) -> dt.date:
    """Return the day on which a discrepancy was opened, in UTC."""
    return row.opened_at.astimezone(dt.UTC).date()


def _open(*, dedup_key: str) -> QuerySet[Discrepancy]:
    """Return the open discrepancy of a key."""
    return Discrepancy.objects.filter(dedup_key=dedup_key, resolved_at=None)
