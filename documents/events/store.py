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
    public_id: str,
    message: envelope.EventMessage,
    service: str,
    subject: str,
    raw: bytes,
    payload_sha256: str,
    status: EventStatus,
    now: dt.datetime,
) -> int | None:
    """Store an event with its raw body and return its row's key; None where its id is taken."""
    return _insert(
        public_id,
        message.id,
        service,
        message.type,
        message.country,
        message.issuer,
        subject,
        message.occurred_at,
        now,
        raw,
        hashlib.sha256(raw).hexdigest(),
        payload_sha256,
        status,
        "",
        "[]",
    )


def keep_apart(
    *, raw: bytes, service: str, code: str, faults: Sequence[errors.Fault], now: dt.datetime, actor: log.Actor
) -> None:
    """Store a signed body that is no event of its own: no fact is lost."""
    body_sha256, public_id = hashlib.sha256(raw).hexdigest(), identifiers.new(prefix="evt")
    told = json.dumps([fault.as_json() for fault in faults])
    fresh = _insert(public_id, "", service, "", "", "", "", None, now, raw, body_sha256, "", "refused", code, told)
    if fresh is not None:
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
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
        found = cursor.fetchone()
    return found and int(found[0])
