"""Stored PDFs against the log: the bytes in the vault must have the hash that was sealed when they were locked.

Neither the row of a document nor its content is asked for more than where the bytes lie: whoever owns the database can
rewrite those, and the log says for ever which bytes they were.
"""

import hashlib
from collections.abc import Iterator, Mapping

from django.db.models import QuerySet

from audit.actions import Action
from audit.log_findings import LogFinding
from audit.models import Event
from documents import errors
from documents.custody import quarantine
from documents.models import Document
from documents.vault import store

BATCH = 50
_COLUMNS = ("public_id", "vault_url", "vault_key", "vault_version")


def total(*, after: int = 0) -> int:
    """Return how many files the log says were locked, from events beyond an id."""
    return _locked(after=after).count()


def compare(*, after: int = 0) -> Iterator[int | LogFinding]:
    """Read each file that the log says was locked; yield what is wrong, and the id of each event that is done.

    A file whose retention was over and that was disposed of is not missed.

    :raises errors.WormError: the vault does not answer
    :raises django.db.Error: the database does not answer
    """
    while events := list(_locked(after=after).values_list("pk", "object_id", "facts")[:BATCH]):
        ids = [object_id for _, object_id, _ in events]
        rows = {row.public_id: row for row in Document.objects.filter(public_id__in=ids).only(*_COLUMNS)}
        disposed = set(
            Event.objects.filter(object_id__in=ids, action=Action.DOCUMENT_DISPOSED).values_list("object_id", flat=True)
        )
        for pk, object_id, facts in events:
            if object_id not in disposed:
                yield from _faults(row=rows.get(object_id), object_id=object_id, facts=facts)
            yield pk
        after = events[-1][0]


def _locked(*, after: int) -> QuerySet[Event]:
    rows = Event.objects.filter(action=Action.DOCUMENT_LOCKED, object_type="document", pk__gt=after)
    return rows.order_by("pk")


def _faults(*, row: Document | None, object_id: str, facts: Mapping[str, str]) -> Iterator[LogFinding]:
    """Yield what is wrong with one file."""
    name = f"document {facts.get('number') or object_id}"
    if row is None:
        yield LogFinding(code="document_missing", row=name)
        return
    try:
        body = store.read(url=row.vault_url, key=row.vault_key, version=row.vault_version)
    except errors.WormError as error:
        if error.code not in quarantine.BROKEN:
            raise
        gone = error.code in {"worm_version_missing", "worm_delete_marker"}
        yield LogFinding(code="file_missing" if gone else "file_changed", row=name)
        return
    if hashlib.sha256(body).hexdigest() != facts.get("file_sha256"):
        yield LogFinding(code="file_changed", row=name)
