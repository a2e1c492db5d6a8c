"""Documents whose row says of itself what the log does not; rounds read what is LOCKED, in a store that is known.

Who owns the database could take a document out of their sight: call it disposed of, withheld or never locked, or let
its row name another store. The log says what became of it.
"""

import datetime as dt

from django.db import connection

from audit import log
from documents.custody import quarantine
from documents.models import Document
from documents.vault import places

EACH_MAX = 500  # of one round
READ = ("public_id", "number", "status", "file_sha256", "vault_version")
# One statement: a document's state, its event and its incident are committed together.
_DISPLACED = """
SELECT document.id,
       CASE WHEN document.status = 'LOCKED' THEN 'vault_url'
            WHEN document.status = 'DISPOSED' AND EXISTS (
                 SELECT FROM audit_event AS event
                  WHERE event.object_id = document.public_id AND event.action = 'document.disposed') THEN 'log'
            ELSE 'status' END
  FROM documents_document AS document JOIN documents_party AS owner ON owner.id = document.owner_id
 WHERE CASE document.status
       WHEN 'ISSUED' THEN EXISTS (
            SELECT FROM audit_event AS event
             WHERE event.object_id = document.public_id AND event.action = 'document.locked')
       WHEN 'QUARANTINED' THEN NOT EXISTS (
            SELECT FROM documents_alert AS alert
             WHERE alert.dedup_key = 'quarantine:' || document.public_id AND alert.resolved_at IS NULL)
       WHEN 'DISPOSED' THEN NOT EXISTS (
            SELECT FROM audit_event AS event
             WHERE event.object_id = document.public_id AND event.action = 'document.disposed'
               AND event.facts @> jsonb_build_object(
                   'number', document.number, 'owner', owner.public_id, 'file_sha256', document.file_sha256,
                   'content_sha256', document.content_sha256))
       ELSE document.vault_url <> ALL(%s) AND document.vault_url <> (
            SELECT detail.details->>'vault_url'
              FROM audit_event AS event JOIN audit_eventdetail AS detail ON detail.event_id = event.id
             WHERE event.object_id = document.public_id AND event.action IN ('document.locked', 'document.migrated')
             ORDER BY event.id DESC LIMIT 1) END
 ORDER BY document.id LIMIT %s
"""


def look(*, now: dt.datetime) -> int:
    """Withhold each document whose row says what the log does not, with a P1 that names it; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(_DISPLACED, [places.known(), EACH_MAX])
        columns: dict[int, str] = dict(cursor.fetchall())
    withheld = 0
    for row in Document.objects.filter(pk__in=columns).only(*READ).order_by("pk"):
        withheld += quarantine.withhold(
            document=row,
            code="record_differs",
            actor=log.SYSTEM,
            now=now,
            values={"columns": [columns[row.pk]]},
            out_of=row.status,
        )
    return withheld
