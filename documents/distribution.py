"""The only way out for the bytes of a document: check, read, compare, audit, count, and only then hand out.

No byte is returned before the audit event of the access is committed. A document whose bytes do not compare is withheld
from everyone at once, with an alert.
"""

import collections
import datetime as dt
import hashlib
import threading
from dataclasses import dataclass
from typing import Literal

from django.db import transaction
from structlog import contextvars

from audit import log
from audit.actions import Action
from documents import errors, formatting, locks, metrics
from documents.access import actors, guard, scope
from documents.custody import quarantine
from documents.delivery import links
from documents.emission import custody
from documents.models import Document, Link, Status
from documents.rendering import render
from documents.vault import store

Purpose = Literal["download", "view", "preview"]
ACTIONS: dict[Purpose, Action] = {
    "download": Action.DOCUMENT_DOWNLOADED,
    "view": Action.DOCUMENT_VIEWED,
    "preview": Action.DOCUMENT_PREVIEWED,
}
STORED = ("vault_url", "vault_key", "vault_version", "file_sha256", "file_bytes", "pages")
PICTURE_WIDTH = 840  # pixels
PICTURES_BYTES_MAX = 8 * 1024**2  # in each process: some 80 pages of text, fewer of those with more on them


@dataclass(frozen=True, kw_only=True)
class Opened:
    """Bytes to hand out: `sha256` is of the stored PDF, also where `body` is a picture of one of its pages."""

    body: bytes
    filename: str
    media_type: str
    sha256: str


_pictures: collections.OrderedDict[tuple[str, int, int], bytes] = collections.OrderedDict()
_pictures_lock = threading.Lock()


def open(  # noqa: A001 - the contract's word; a module is named before it: distribution.open
    *,
    document: Document,
    actor: log.Actor,
    purpose: Purpose,
    now: dt.datetime,
    link: Link | None = None,
    session: str = "",
    page: int = 1,
    width: int = PICTURE_WIDTH,
) -> Opened:
    """Return the bytes of a LOCKED document, or a picture of one page, and put that on record.

    :param link: by which the document was reached; a download or view counts against it, once for each `session`.
    :raises errors.Problem: `document_not_ready`, `document_quarantined`, `not_owner`, a `link_*` code, `not_found`
    :raises errors.WormError: the vault does not answer; nothing has been counted
    :raises log.AuditUnavailable: nothing is served without its event
    """
    contextvars.bind_contextvars(document=document.public_id)  # for the access log's line, too
    document.refresh_from_db(fields=["status", *STORED])
    _check_reader(document=document, actor=actor, link=link)
    _check_servable(document=document, actor=actor)
    if link is not None:
        _check_link(link=link, document=document, session=session, now=now)
    if purpose == "preview":
        body = _picture(document=document, page=page, width=width, actor=actor, now=now)
    else:
        body = _bytes(document=document, actor=actor, now=now)
    _admit(document=document, purpose=purpose, link=link, session=session, page=page, now=now, actor=actor)
    if purpose == "download":
        metrics.DOCUMENT_DOWNLOADED.labels(channel=actor.channel or "web").inc()
    picture, name = purpose == "preview", formatting.file_name(document=document)
    return Opened(
        body=body,
        filename=f"{name}-{page}.png" if picture else f"{name}.pdf",
        media_type="image/png" if picture else "application/pdf",
        sha256=document.file_sha256,
    )


def _admit(
    *,
    document: Document,
    purpose: Purpose,
    link: Link | None,
    session: str,
    page: int,
    now: dt.datetime,
    actor: log.Actor,
) -> None:
    """Check once more that the document may be served, count a download, and put the access on record.

    :raises errors.Problem: it has been withheld meanwhile, or the link has come to its end
    """
    with transaction.atomic():
        # The row's lock keeps its status until the event of this access is committed.
        [row] = locks.rows(queryset=Document.objects.filter(pk=document.pk).only("status", "public_id"))
        _check_servable(document=row, actor=actor)
        if link is not None and purpose != "preview":
            links.count_download(link=link, document=document, session=session, now=now, actor=actor)
        log.record(
            action=ACTIONS[purpose],
            object_type="document",
            object_id=document.public_id,
            actor=actor,
            facts={"file_sha256": document.file_sha256},
            details={"page": page} if purpose == "preview" else None,
        )


def _check_reader(*, document: Document, actor: log.Actor, link: Link | None) -> None:
    """Refuse a reader whose document this is not, whatever the door has checked: a door that let him through is a P1.

    :raises errors.Problem: `not_owner`
    """
    if link is not None:
        entitled = links.opens(link=link, document=document)
    elif actor.kind == "party":
        entitled = scope.party_sees(public_id=actor.id, document=document)
    else:
        entitled = actor.kind != "user" or scope.sees(user_id=actors.number(actor=actor), document=document)
    if entitled:
        return
    guard.report_foreign(public_id=document.public_id, actor=actor)
    raise errors.Problem(code="not_owner")


def _check_servable(*, document: Document, actor: log.Actor) -> None:
    """Refuse a document that is not LOCKED; one in quarantine is refused on record.

    :raises errors.Problem: `document_not_ready`, `document_quarantined`, `document_disposed`
    """
    if document.status == Status.QUARANTINED:
        log.deny(actor=actor, object_type="document", object_id=document.public_id, code="document_quarantined")
        raise errors.Problem(code="document_quarantined")
    if document.status == Status.DISPOSED:
        raise errors.Problem(code="document_disposed")
    if document.status != Status.LOCKED:
        raise errors.Problem(code="document_not_ready")


def _check_link(*, link: Link, document: Document, session: str, now: dt.datetime) -> None:
    """Refuse a link that cannot be used, before the vault is asked; counting checks again.

    :raises errors.Problem: `link_revoked`, `link_expired`, `link_exhausted`, `link_locked`
    """
    link_state = links.state(link=link, now=now, session=session, document=document)
    if link_state is not links.State.LIVE:
        raise errors.Problem(code=link_state.value)


def _bytes(*, document: Document, actor: log.Actor, now: dt.datetime) -> bytes:
    """Return the stored bytes, compared with the row's hash and size, and their lock with its date.

    :raises errors.Problem: `document_quarantined` where they differ, a `worm_*` code where the vault does not answer
    """
    try:
        body = store.read(
            url=document.vault_url,
            key=document.vault_key,
            version=document.vault_version,
            retain_until=custody.lock_end(document=document),
        )
    except errors.WormError as error:
        if error.code not in quarantine.BROKEN:
            raise
        code = error.code
    else:
        if len(body) == document.file_bytes and hashlib.sha256(body).hexdigest() == document.file_sha256:
            return body
        code = "worm_checksum_mismatch"
    quarantine.withhold(document=document, code=code, actor=actor, now=now)
    raise errors.Problem(code="document_quarantined")


def _picture(*, document: Document, page: int, width: int, actor: log.Actor, now: dt.datetime) -> bytes:
    """Return a page as PNG, cached under the hash of the bytes that it was made from."""
    if not 1 <= page <= (document.pages or 0):
        raise errors.Problem(code="not_found", values={"cause": "page", "page": page, "pages": document.pages or 0})
    key = (document.file_sha256, page, width)
    with _pictures_lock:
        if key in _pictures:
            _pictures.move_to_end(key)
            return _pictures[key]
    made = render.preview(pdf=_bytes(document=document, actor=actor, now=now), page=page, width=width)
    with _pictures_lock:
        _pictures[key] = made
        while sum(len(picture) for picture in _pictures.values()) > PICTURES_BYTES_MAX:
            _pictures.popitem(last=False)
    return made
