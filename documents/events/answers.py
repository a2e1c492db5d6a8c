"""What the door says of an event: the truth of this moment."""

import dataclasses
from collections.abc import Iterable, Sequence

from documents import errors, presentation
from documents.events import outcomes
from documents.models import Document, Event, EventStatus


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What the door says: an HTTP status and a JSON body (a problem document's members where `code` is set)."""

    status: int
    body: dict[str, object]
    problem: errors.Problem | None = None


def answer(*, event: Event, replayed: bool, written: Sequence[Document] = (), status: int | None = None) -> Answer:
    """Say what is true of an event now; a superseded one answers with what superseded it.

    Rows just `written` are not read again when they are all that there is to tell.
    """
    told = event.superseded_by if event.status == EventStatus.HELD and event.superseded_by else event
    documents: Iterable[Document] = sorted(written, key=lambda row: row.pk)
    if [row.pk for row in documents] != sorted(told.document_ids):
        documents = presentation.joined(rows=Document.objects.filter(pk__in=told.document_ids)).order_by("pk")
    body: dict[str, object] = {
        "object": "event",
        "event_id": event.event_id,
        "type": event.type,
        "status": told.status,
        "replayed": replayed,
        "documents": presentation.documents(rows=documents),
    }
    if told.status == EventStatus.HELD and told.code == outcomes.DEFECT and status is None:
        problem = outcomes.defect(
            detail="the event is stored and is run again by itself; sent again, it is run at once"
        )
        return Answer(status=problem.status, body={}, problem=problem)
    if told.status == EventStatus.HELD:
        body |= {"code": told.code, "errors": told.errors}
    if told.status == EventStatus.PARKED:
        body["missing"] = told.missing
    if status is None:
        status = (200 if replayed else 201) if told.status == EventStatus.PROCESSED else 202
    return Answer(status=status, body=body)
