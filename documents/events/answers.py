"""The answer about an event: what is true of it at this moment."""

import dataclasses
import http
from collections.abc import Iterable, Sequence

from documents import errors, presentation
from documents.events import outcomes
from documents.models import Document, Event, EventStatus


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What the door answers: an HTTP status and a JSON body, or the problem that it is."""

    status: int
    body: dict[str, object]
    problem: errors.Problem | None = None


def answer(*, event: Event, replayed: bool, written: Sequence[Document] = (), status: int | None = None) -> Answer:
    """Return what is true of an event now; a superseded one answers with what superseded it.

    Documents just `written` are not read again where the answer names no others.
    """
    current = event.superseded_by if event.status == EventStatus.HELD and event.superseded_by else event
    documents: Iterable[Document] = sorted(written, key=lambda document: document.pk)
    if [document.pk for document in documents] != sorted(current.document_ids):
        documents = presentation.joined(rows=Document.objects.filter(pk__in=current.document_ids)).order_by("pk")
    body: dict[str, object] = {
        "object": "event",
        "event_id": event.event_id,
        "type": event.type,
        "status": current.status,
        "replayed": replayed,
        "documents": presentation.documents(rows=documents),
    }
    if current.status == EventStatus.HELD and current.code == outcomes.DEFECT and status is None:
        problem = outcomes.defect(cause="event_waits")
        return Answer(status=problem.status, body={}, problem=problem)
    if current.status == EventStatus.HELD:
        body |= {"code": current.code, "errors": current.errors}
    if current.status == EventStatus.IGNORED and current.code:
        body["code"] = current.code
    if current.status == EventStatus.PARKED:
        body["missing"] = current.missing
    if status is None:
        status = (
            (http.HTTPStatus.OK if replayed else http.HTTPStatus.CREATED)
            if current.status == EventStatus.PROCESSED
            else http.HTTPStatus.ACCEPTED
        )
    return Answer(status=status, body=body)
