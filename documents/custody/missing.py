"""Documents without a row: the log says that they were issued, or the vault holds their bytes.

Who deletes a document with its links and deliveries, or puts an old database back, leaves both behind.
"""

import re
from collections.abc import Iterator, Sequence

from django.db import connection

from documents import errors
from documents.alerts import incidents
from documents.models import Alert, Document
from documents.vault import places, store

CODE = "document_missing"
EACH_MAX = 20  # alerts with a document each; the rest share one
REST = f"{CODE}:rest"
EVENTS_AT_ONCE, KEYS_AT_ONCE = 50_000, 500
KEY = re.compile(
    r"(?:.*/)?(?P<number>(?P<series>[^/]+-\d{4})-(?P<sequence>\d{7,}))-(?P<id>doc_[^-/]+)-[0-9a-f]{16}\.pdf"
)
_BOUNDS = "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM audit_event"
# One statement: an event and its document are committed together.
_UNMATCHED = """
SELECT coalesce(event.facts->>'number', event.object_id)
  FROM audit_event AS event
 WHERE event.id BETWEEN %s AND %s AND event.action = 'document.issued'
   AND NOT EXISTS (SELECT FROM documents_document AS document WHERE document.public_id = event.object_id)
 ORDER BY event.id
"""


def look() -> list[str]:
    """Name each document that has no row, by its number, and resolve what is over; return the numbers."""
    in_vaults = (place["number"] for url in places.known() for place in of_vault(url=url))
    numbers = sorted({*of_log(), *in_vaults})
    tell(numbers=numbers)
    over = Alert.objects.filter(code=CODE, resolved_at=None).exclude(dedup_key=REST)
    for key, known in over.values_list("dedup_key", "values"):
        if not set(known["documents"]) & set(numbers):
            incidents.resolve_alert(dedup_key=key)
    if len(numbers) <= over.count():
        incidents.resolve_alert(dedup_key=REST)
    return numbers


def of_log() -> Iterator[str]:
    """Yield the numbers of documents that the log says were issued and that have no row."""
    with connection.cursor() as cursor:
        cursor.execute(_BOUNDS)
        start, end = cursor.fetchone()
        for first in range(start, end + 1, EVENTS_AT_ONCE):
            cursor.execute(_UNMATCHED, [first, first + EVENTS_AT_ONCE - 1])
            yield from (number for (number,) in cursor.fetchall())


def of_vault(*, prefix: str = "", after: str = "", url: str = "") -> Iterator[dict[str, str]]:
    """Yield the parts of the key of each document whose bytes are in a store and that has no row."""
    for keys in store.walk(at_once=KEYS_AT_ONCE, prefix=prefix, after=after, url=url):
        yield from without_row(keys=keys)


def without_row(*, keys: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the parts of those keys whose document has no row; a row is committed before its bytes are put."""
    parts = [{"key": match[0], **match.groupdict()} for match in map(KEY.fullmatch, keys) if match]
    known = set(
        Document.objects.filter(public_id__in=[part["id"] for part in parts]).values_list("public_id", flat=True)
    )
    yield from (part for part in parts if part["id"] not in known)


def tell(*, numbers: Sequence[str]) -> None:
    """Open one P1 for each of the first missing documents, and one for all others."""
    is_open = set(Alert.objects.filter(code=CODE, resolved_at=None).values_list("dedup_key", flat=True)) - {REST}
    fresh = [number for number in numbers if f"{CODE}:{number}" not in is_open]
    free = max(0, EACH_MAX - len(is_open))
    for number in fresh[:free]:
        key = f"{CODE}:{number}"
        incidents.open_alert(code=CODE, dedup_key=key, values={"documents": [number]}, object_id=number)
    rest = fresh[free:]
    if rest:
        values: dict[str, errors.Value] = {"documents": rest, "more": max(0, len(rest) - errors.VALUES_MAX)}
        if not incidents.renew(dedup_key=REST, values=values):
            incidents.open_alert(code=CODE, dedup_key=REST, values=values, object_id="vault")
