"""Every signed body, stored raw and once: as an event under its id, or apart where it is no event of its own."""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence

from django.db import connection
from django.db.models import F

from audit import log
from audit.actions import Action
from documents import errors, identifiers
from documents.events import envelope
from documents.models import Event, EventStatus

_INSERT = """
INSERT INTO documents_event (public_id, event_id, service, type, country_code, issuer_slug, subject, occurred_at,
  received_at, body, body_sha256, payload_sha256, status, code, errors, missing, attempts, repeats, document_ids)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '[]', 0, 0, '{}')
ON CONFLICT DO NOTHING RETURNING id
"""


def insert(
    *,
    message: envelope.EventMessage,
    service: str,
    subject: str,
    raw: bytes,
    payload_sha256: str,
    status: EventStatus,
    now: dt.datetime,
) -> Event | None:
    """Store an event with its raw body and return it; None where its id is taken."""
    event = Event(
        public_id=identifiers.new(prefix="evt"),
        event_id=message.id,
        service=service,
        type=message.type,
        country_code=message.country,
        issuer_slug=message.issuer,
        subject=subject,
        occurred_at=message.occurred_at,
        received_at=now,
        status=status,
    )
    event.pk = _insert(
        event.public_id,
        event.event_id,
        service,
        event.type,
        event.country_code,
        event.issuer_slug,
        subject,
        event.occurred_at,
        now,
        raw,
        hashlib.sha256(raw).hexdigest(),
        payload_sha256,
        status,
        "",
        "[]",
    )
    event._state.adding = False  # the row exists: it was inserted in plain SQL, for its ON CONFLICT
    return event if event.pk else None


def keep_apart(
    *, raw: bytes, service: str, code: str, faults: Sequence[errors.Fault], now: dt.datetime, actor: log.Actor
) -> None:
    """Store a signed body that is no event of its own, so that nothing that was sent is lost."""
    body_sha256, public_id = hashlib.sha256(raw).hexdigest(), identifiers.new(prefix="evt")
    listed = json.dumps([fault.as_json() for fault in faults])
    inserted = _insert(public_id, "", service, "", "", "", "", None, now, raw, body_sha256, "", "refused", code, listed)
    if inserted is not None:
        log.record(
            action=Action.EVENT_REFUSED,
            object_type="event",
            object_id=public_id,
            actor=actor,
            outcome="denied",
            code=code,
        )
    else:
        Event.objects.filter(body_sha256=body_sha256, status=EventStatus.REFUSED).update(repeats=F("repeats") + 1)


def _insert(*values: str | bytes | dt.datetime | None) -> int | None:
    """Insert a row and return its key; None where its id, or the body of a refused one, is there already."""
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
        row = cursor.fetchone()
    return row and int(row[0])
