"""Stored PDFs against the log: the bytes in the vault must have the hash that was sealed when they were locked.

Neither the row of a document nor its content is asked for more than where the bytes lie: whoever owns the database can
rewrite those, and the log says for ever which bytes they were.
"""

import hashlib
from collections.abc import Iterator, Mapping

from audit import log_edges
from audit.actions import Action
from audit.log_findings import LogFinding
from audit.models import Event
from documents import errors
from documents.custody import quarantine
from documents.models import Document, Status
from documents.vault import store

BATCH = 50
_COLUMNS = ("public_id", "vault_url", "vault_key", "vault_version")


def total() -> int:
    """Return how many files are or were locked, by the rows of the documents."""
    return Document.objects.exclude(status=Status.ISSUED).count()


def compare(*, after: int = 0) -> Iterator[int | LogFinding]:
    """Read each file that the log says was locked; yield what is wrong, and the id of each event that is done.

    A file whose retention was over and that was disposed of is not missed.

    :raises errors.WormError: the vault does not answer
    :raises django.db.Error: the database does not answer
    """
    for events in _locked(after=after):
        ids = [object_id for _, object_id, _ in events]
        rows = {row.public_id: row for row in Document.objects.filter(public_id__in=ids).only(*_COLUMNS)}
        disposed = set(
            Event.objects.filter(object_id__in=ids, action=Action.DOCUMENT_DISPOSED).values_list("object_id", flat=True)
        )
        for pk, object_id, facts in events:
            if object_id not in disposed:
                yield from _faults(row=rows.get(object_id), object_id=object_id, facts=facts)
            yield pk


def _locked(*, after: int) -> Iterator[list[tuple[int, str, Mapping[str, str]]]]:
    """Yield id, object and facts of the events by which files were locked, some at once; no statement reads all."""
    while (end := log_edges.end_of_range(start=after)) is not None:
        rows = Event.objects.filter(action=Action.DOCUMENT_LOCKED, object_type="document", pk__gt=after, pk__lte=end)
        events = list(rows.order_by("pk").values_list("pk", "object_id", "facts"))
        for begin in range(0, len(events), BATCH):
            yield events[begin : begin + BATCH]
        after = end


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
