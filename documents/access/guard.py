"""The guard of every route: it loads what the route is about, and lets no answer out that its rule does not allow.

A rule that is declared and not kept is a defect of ours, found on the first request: the answer is withheld, the caller
gets a 500, and a P1 names the route. Nobody has to read the view to know that the access table is true.
"""

import functools
import logging
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from audit import log, recorder
from audit.actions import Action
from audit.entries import Entry
from documents import errors
from documents.access import actors, problems
from documents.access.admission import AccessRule, Admitted, AdmittedRequest, Recorded, Unrecorded, View, Visit
from documents.access.ownership import RESOLVERS
from documents.alerts import incidents, outages
from documents.models import Document
from documents.models.reads import DocumentRead, noting

logger = logging.getLogger(__name__)
REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
NOTHING = Admitted()  # nobody has been let in yet


def loading(*, view: View, rule: AccessRule) -> View:
    """Wrap a view: it gets what its rule's ownership loads in the place of the parts of the address.

    A method that the rule leaves out is refused before anything is loaded (`method_not_allowed`).
    """

    @functools.wraps(view)
    def loaded(request: HttpRequest, **parts: Any) -> HttpResponseBase:
        if rule.methods and request.method not in rule.methods:
            raise errors.Problem(code="method_not_allowed")
        admitted = RESOLVERS[rule.ownership](Visit(request=request, parts=parts, source=rule.source))
        cast("AdmittedRequest", request).admitted = admitted
        return view(request, **admitted.handed)

    return loaded


def checked(*, view: View, rule: AccessRule) -> View:
    """Wrap what a route leads to: its answer leaves if the rule has been kept, whatever the view has done."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, **parts: Any) -> HttpResponseBase:
        request = cast("AdmittedRequest", request)
        request.rule, request.admitted, request.countries = rule, NOTHING, frozenset()
        with recorder.recording() as record, noting() as read:
            try:
                response = _rendered(response=view(request, **parts))
            except Exception as error:
                status = _status(error=error)
                breach = _breach(rule=rule, request=request, status=status, entries=record.entries())
                if breach:
                    return _withheld(request=request, breach=breach)
                raise
            breach = _breach(rule=rule, request=request, status=response.status_code, entries=record.entries())
            request.countries = frozenset(row.country_id for row in read if row.country_id)
            foreign = None if breach or response.status_code >= HTTPStatus.BAD_REQUEST else _foreign(request, read)
        if breach or foreign:
            return _refused(request=request, foreign=foreign) if foreign else _withheld(request=request, breach=breach)
        if isinstance(response, StreamingHttpResponse):
            stream = cast("Iterable[bytes]", response.streaming_content)
            response.streaming_content = _watched(parts=stream, request=request)
        return response

    return guarded


def report_foreign(*, public_id: str, actor: log.Actor) -> None:
    """Put on record that a door was about to hand out a document to somebody who may not see it, and open a P1."""
    log.deny(actor=actor, object_type="document", object_id=public_id, code="not_owner")
    incidents.open_alert(
        code="cross_owner_read",
        dedup_key=f"cross_owner_read:{public_id}:{actor.id}",
        values={"document": public_id, "actor": actor.id or actor.kind},
        object_id=public_id,
    )


def _rendered(*, response: HttpResponseBase) -> HttpResponseBase:
    """Render an answer that is a template now: what is read or recorded by its template is seen, too."""
    render = getattr(response, "render", None)
    return cast("HttpResponseBase", render()) if callable(render) else response


def _status(*, error: Exception) -> int:
    """Return the status with which an exception of a view is answered."""
    if isinstance(error, errors.Problem):
        return error.status
    if isinstance(error, Http404):
        return HTTPStatus.NOT_FOUND
    return HTTPStatus.FORBIDDEN if isinstance(error, PermissionDenied) else HTTPStatus.INTERNAL_SERVER_ERROR


def _breach(
    *, rule: AccessRule, request: AdmittedRequest, status: int, entries: list[Entry]
) -> dict[str, errors.Value]:
    """Return how an answer breaks the rule of its route, as values of its alert; none where it keeps it."""
    done = _said(rule=rule, request=request, entries=entries)
    if status == HTTPStatus.FORBIDDEN and not any(entry.outcome == "denied" for entry in entries):
        return {"cause": "refusal_unrecorded", "status": status}
    if status in REFUSALS and done:
        return {"cause": "done_and_refused", "status": status}
    audit = rule.audit
    if isinstance(audit, Unrecorded):
        return {}
    # A redirect says that it is done only to one who was let in; another one is sent to sign in.
    acts = audit.acts and request.admitted is not NOTHING
    shows = status < (HTTPStatus.BAD_REQUEST if acts else HTTPStatus.MULTIPLE_CHOICES)
    asked_only = bool(audit.methods) and request.method not in audit.methods
    instead = any(entry.action in (*audit.instead, Action.REQUEST_REPEATED) for entry in entries)
    if not shows or asked_only or done or instead or _said_before(audit=audit, admitted=request.admitted):
        return {}
    return {"cause": "action_unrecorded", "status": status, "action": str(audit.action)}


def _said(*, rule: AccessRule, request: AdmittedRequest, entries: list[Entry]) -> bool:
    """Tell whether the rule's action is on record as done, about what the guard loaded."""
    wanted = rule.audit.action if isinstance(rule.audit, Recorded) else None
    about = request.admitted.about
    return any(
        entry.action == wanted and entry.outcome == "ok" and (about is None or _concerns(entry=entry) & about)
        for entry in entries
    )


def _concerns(*, entry: Entry) -> set[tuple[str, str]]:
    """Return the objects of an event: its own, and those of other kinds that its details name."""
    named = {(name, str(value)) for name, value in (entry.details or {}).items() if name != entry.object_type}
    return {(entry.object_type, entry.object_id), *named}


def _said_before(*, audit: Recorded, admitted: Admitted) -> bool:
    """Tell whether the action was recorded by an earlier request, or by one at the same time, as the row says."""
    row = admitted.loaded
    if not audit.once or row is None:
        return False
    if getattr(row, audit.once) is not None:
        return True
    return type(row)._default_manager.filter(pk=row.pk).exclude(**{audit.once: None}).exists()


def _foreign(request: AdmittedRequest, read: set[DocumentRead]) -> DocumentRead | None:
    """Return a document that was read for the answer though the caller may not see it."""
    admitted = request.admitted
    loaded = admitted.loaded.pk if isinstance(admitted.loaded, Document) else None
    # A row that was read twice is judged by the reading that says more: the database is asked as little as can be.
    rows = {row.pk: row for row in sorted(read, key=lambda row: (row.country_id is not None, row.owner_id is not None))}
    return next((row for row in rows.values() if row.pk != loaded and not admitted.covers(row)), None)


def _watched(*, parts: Iterable[bytes], request: AdmittedRequest) -> Iterator[bytes]:
    """Hand on the parts of a stream; one for which a foreign document was read breaks it off.

    :raises errors.Problem: `not_owner`, on record
    """
    unsent = iter(parts)
    while True:
        with noting() as read:
            part = next(unsent, None)
        foreign = _foreign(request, read)
        if foreign:
            _report(request=request, foreign=foreign)
            raise errors.Problem(code="not_owner")
        if part is None:
            return
        yield part


def _refused(*, request: AdmittedRequest, foreign: DocumentRead) -> HttpResponse:
    """Refuse the answer that was to show a foreign document."""
    _report(request=request, foreign=foreign)
    return problems.respond(request=request, problem=errors.Problem(code="not_owner"))


def _report(*, request: AdmittedRequest, foreign: DocumentRead) -> None:
    """Report a foreign document by its public id, whatever of its row was read."""
    public_id = foreign.public_id or Document.objects.values_list("public_id", flat=True).get(pk=foreign.pk)
    report_foreign(public_id=public_id, actor=actors.actor(request=request))


def _withheld(*, request: AdmittedRequest, breach: dict[str, errors.Value]) -> HttpResponse:
    """Answer 500 in the place of an answer that breaks the rule of its route, and open a P1 that names the route."""
    match = request.resolver_match
    name = match.view_name if match else ""
    logger.error("access.rule_broken", extra={"cause": breach["cause"]})
    outages.open_alert_or_send(
        code="access_rule_broken",
        dedup_key=f"access_rule_broken:{name}",
        values={**breach, "route": name},
        object_id=name,
    )
    return problems.respond(request=request, problem=errors.Problem(code="internal_error"))
