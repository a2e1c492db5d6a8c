"""Whether a document is what was locked: its row, the log, its content and its bytes, each against the others.

Who owns the database can change a row, and who writes to the vault can exchange a file, its lock and its hash together.
What both would have to change besides is the log, whose events say hashes, number, owner and version for ever, and the
content that lies inside the PDF.
"""

import hashlib
import json
import zoneinfo
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from audit.actions import Action
from audit.models import Event as LogEvent
from documents import catalog, errors, money
from documents.emission import attachments, custody, numbering
from documents.models import Document, Kind
from documents.vault import store

JOINED = ("country", "issuer", "owner", "series")  # what of other tables an inspection reads
DEFERRED = ("issuer__logo",)
SEALED: Mapping[str, str] = {  # action -> the fact that its event must state
    Action.DOCUMENT_ISSUED: "content_sha256",
    Action.DOCUMENT_LOCKED: "file_sha256",
}
SealedFacts = Mapping[str, Sequence[tuple[str, Mapping[str, str]]]]


def recorded(*, documents: Collection[Document]) -> SealedFacts:
    """Return what the log says for ever of each document, by its public id: action and facts of each event."""
    said: dict[str, list[tuple[str, Mapping[str, str]]]] = defaultdict(list)
    ids = [document.public_id for document in documents]
    actions = [*SEALED, Action.DOCUMENT_MIGRATED]
    events = LogEvent.objects.filter(object_id__in=ids, action__in=actions, object_type="document").order_by("pk")
    for object_id, action, facts in events.values_list("object_id", "action", "facts"):
        said[object_id].append((action, facts))
    return said


def check(*, document: Document, said: SealedFacts) -> store.Stored:
    """Compare a locked document's row with the log and its content, then its bytes and their lock with its row.

    :param said: what the log says of it, from `recorded`
    :raises errors.Problem: `record_differs`, with the names of what differs
    :raises errors.WormError: what differs in the vault, or that it does not answer
    """
    differing = differences(document=document, said=said)
    if differing:
        raise errors.Problem(code="record_differs", values={"what": document.number, "columns": differing})
    return _check_bytes(document=document)


def differences(*, document: Document, said: SealedFacts) -> list[str]:
    """Return the name of each column, or of the log, that contradicts another."""
    return sorted(set(_differences(document=document, events=said.get(document.public_id, ()))))


def _check_bytes(*, document: Document) -> store.Stored:
    """Read a document's bytes back and compare them, their lock and the content that they carry with its row.

    :raises errors.WormError: what differs, or that the vault does not answer
    """
    where: dict[str, Any] = {"url": document.vault_url, "key": document.vault_key, "version": document.vault_version}
    stored = store.verify(
        **where,
        sha256=document.file_sha256,
        size=document.file_bytes or 0,
        retain_until=custody.lock_end(document=document),
    )
    if stored.mode != document.vault_mode:
        raise errors.WormError(code="worm_mode_weak", values={"mode": stored.mode})
    if attachments.content_sha256(pdf=store.read(**where)) != document.content_sha256:
        raise errors.WormError(code="worm_checksum_mismatch", values={"cause": "content", "key": document.vault_key})
    return stored


def _differences(*, document: Document, events: Sequence[tuple[str, Mapping[str, str]]]) -> Iterator[str]:
    """Yield the name of each column, or of the log, that contradicts another."""
    yield from _against_log(document=document, events=events)
    if hashlib.sha256(document.content.encode()).hexdigest() != document.content_sha256:
        yield "content"
    try:
        content = json.loads(document.content)
        yield from _against_content(document=document, content=content)
    except (ValueError, LookupError, TypeError, AttributeError, errors.Problem):
        yield "content"  # what was frozen can be read
        return
    yield from _against_itself(document=document)


def _against_log(*, document: Document, events: Sequence[tuple[str, Mapping[str, str]]]) -> Iterator[str]:
    """Yield what differs from the facts that were recorded when the document was issued and when it was locked."""
    own = custody.facts(document=document)
    for action, fact in SEALED.items():
        if not any(kind == action and fact in facts for kind, facts in events):
            yield "log"
    # A copy in another store has a version of its own: the last one counts.
    *_, version = ("", *(facts["vault_version"] for _, facts in events if "vault_version" in facts))
    for _action, facts in events:
        stated = {**facts, "vault_version": version} if "vault_version" in facts else facts
        yield from (name for name, text in stated.items() if own.get(name, "") != text)


def _against_content(*, document: Document, content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the columns that differ from the frozen content."""
    total = content["totals"][catalog.TABLE[Kind(document.kind)].total]
    printed = {
        "kind": content["kind"],
        "number": content["number"],
        "document_key": content["document_key"],
        "country": content["country"],
        "currency": content["currency"],
        "operation_date": content["operation_date"],
        "issue_date": content["issue_date"],
        "retain_until": content["retain_until"],
        "verification_code": content["verification"]["code"],
        "total_minor": str(money.minor(total, money.digits(content["currency"]))),
        "owner": content["owner"]["id"],
    }
    columns = {
        "kind": document.kind,
        "number": document.number,
        "document_key": document.document_key_id,
        "country": document.country_id,
        "currency": document.currency,
        "operation_date": document.operation_date.isoformat(),
        "issue_date": document.issue_date.isoformat(),
        "retain_until": document.retain_until.isoformat(),
        "verification_code": document.verification_code,
        "total_minor": str(document.total_minor),
        "owner": document.owner.platform_id,
    }
    yield from (name for name, text in columns.items() if printed[name] != text)
    if document.issued_at.astimezone(zoneinfo.ZoneInfo(content["time_zone"])).date() != document.issue_date:
        yield "issued_at"


def _against_itself(*, document: Document) -> Iterator[str]:
    """Yield the columns that follow from others and do not."""
    series = document.series
    if document.number != numbering.written(code=series.code, sequence=document.sequence):
        yield "series"
    if (series.issuer_id, series.kind) != (document.issuer_id, document.kind):
        yield "issuer"
    if not f"{document.document_key_id}:".startswith(f"{document.kind}:{document.subject}:{document.audience}:"):
        yield "subject"
    if document.vault_key != custody.vault_key(document=document):
        yield "vault_key"
