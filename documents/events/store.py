"""Every signed body, stored raw and once: as an event under its id, or apart where it is no event of its own."""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence

from django.db import connection
from django.db.models import F

from audit import log
from audit.actions import Action
from documents import errors, identifiers, locks
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
    now: dt.datetime,
) -> Event | None:
    """Store an event with its raw body and return it; None where its id is taken.

    It is moved to what becomes of it before its transaction ends.
    """
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
        payload_sha256=payload_sha256,
        status=EventStatus.PROCESSED,
    )
    return event if _insert(event=event, raw=raw) else None


def keep_apart(
    *, raw: bytes, service: str, code: str, faults: Sequence[errors.Fault], now: dt.datetime, actor: log.Actor
) -> None:
    """Store a signed body that is no event of its own, so that nothing that was sent is lost."""
    event = Event(
        public_id=identifiers.new(prefix="evt"),
        service=service,
        received_at=now,
        status=EventStatus.REFUSED,
        code=code,
        errors=[fault.as_json() for fault in faults],
    )
    if _insert(event=event, raw=raw):
        log.record(
            action=Action.EVENT_REFUSED,
            object_type="event",
            object_id=event.public_id,
            actor=actor,
            outcome="denied",
            code=code,
        )
    else:
        same = Event.objects.filter(body_sha256=event.body_sha256, status=EventStatus.REFUSED)
        same.update(repeats=F("repeats") + 1)


def _insert(*, event: Event, raw: bytes) -> bool:
    """Insert an event's row with its body; False where its id, or the body of a refused one, is there already.

    In plain SQL, for its ON CONFLICT.
    """
    event.body_sha256 = hashlib.sha256(raw).hexdigest()
    columns = (
        event.public_id,
        event.event_id,
        event.service,
        event.type,
        event.country_code,
        event.issuer_slug,
        event.subject,
        event.occurred_at,
        event.received_at,
        raw,
        event.body_sha256,
        event.payload_sha256,
        event.status,
        event.code,
        json.dumps(event.errors),
    )
    refused = event.status == EventStatus.REFUSED
    rank = locks.Rank.REFUSED_BODY if refused else locks.Rank.EVENT_ID
    locks.declare(rank=rank, keys=[(event.body_sha256 if refused else event.event_id,)])
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, columns)
        row = cursor.fetchone()
    if row is None:
        return False
    event.pk = int(row[0])
    event._state.adding = False
    return True
