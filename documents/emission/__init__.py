"""Issue and lock: the legal fact in one short transaction, then bytes that nobody can change.

`issue` runs inside the caller's transaction: it holds the keys, freezes the content, and takes the numbers last.
`advance` runs outside of any: it moves a document one state at a time, and each state commits with its audit event.
"""

import datetime as dt
import uuid
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from audit import log
from audit.actions import Action
from documents import canonical, catalog, errors, identifiers, metrics
from documents.alerts import incidents
from documents.countries.pack import Pack
from documents.delivery import deliveries
from documents.emission import custody, idempotency, numbering
from documents.models import Document, Event, Issuer, Kind, Party, PayoutStatus, Status
from documents.resilience import dependencies, leases, queue

RENDER_TRIES_MAX = 3  # then the plain built-in template prints the same content
TRIES_MAX = 8  # then the document rests with its cause until a person retries it


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A document about to be issued.

    `body` is the kind's own part of the content, `business_input` what the fingerprint covers, `owner_facts` the owner
    as the event named it.
    """

    kind: Kind
    subject: tuple[str, str]
    audience: str
    pack: Pack
    issuer: Issuer
    owner: Party
    owner_facts: dict[str, object]
    currency: str
    total_minor: int
    operation_date: dt.date
    time_zone: str
    body: dict[str, object]
    business_input: dict[str, object]
    discriminator: str = ""
    payout_status_at_issue: PayoutStatus | None = None
    payout_status: PayoutStatus | None = None  # the live one
    corrects: Document | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A document that answers a draft; `replayed`: it was there before."""

    document: Document
    replayed: bool


def key(*, kind: Kind, subject: tuple[str, str], audience: str, discriminator: str = "") -> str:
    """This function will return the permanent document key of a business fact; see `idempotency.key`."""
    return idempotency.key(kind=kind, subject=subject, audience=audience, discriminator=discriminator)


def issue(*, drafts: Sequence[Draft], event: Event, now: dt.datetime, actor: log.Actor) -> list[Issued]:
    """This function will issue each draft, or find the document that its key already has; in the drafts' order.

    Keys are held in sorted order, then numbers are taken in series order: two transactions never wait for each other
    in a circle, and nothing that can fail comes after the first number.

    :raises errors.Problem: `series_exhausted`
    """
    keyed = sorted(((_key(draft), draft) for draft in drafts), key=lambda pair: pair[0])
    issued: dict[str, Issued] = {}
    fresh: list[tuple[str, Draft]] = []
    for text, draft in keyed:
        fingerprint = _fingerprint(draft)
        held = idempotency.hold(key=text, fingerprint=fingerprint)
        if held.fresh:
            fresh.append((text, draft))
        else:
            issued[text] = _repeat(key=text, draft=draft, first=held.fingerprint, event=event, actor=actor)
    for text, draft in sorted(fresh, key=lambda pair: (pair[1].issuer.pk, pair[1].kind, pair[0])):
        issued[text] = Issued(document=_write(key=text, draft=draft, event=event, now=now, actor=actor), replayed=False)
    return [issued[_key(draft)] for draft in drafts]


def advance(*, document_id: int, now: dt.datetime) -> None:
    """This function will move a document as far as it goes: the only loop of the line, bounded by the states."""
    for _ in STEPS:
        status = Document.objects.values_list("status", flat=True).get(pk=document_id)
        step = STEPS.get(Status(status))
        if step is None or not step(document_id, now):
            return


def due(*, now: dt.datetime, limit: int) -> list[int]:
    """This function will return documents that stand still and may be tried now, the longest waiting first."""
    return list(
        Document.objects.filter(status=Status.ISSUED, next_try_at__lte=now)
        .order_by("next_try_at")
        .values_list("pk", flat=True)[:limit]
    )


def retry(*, document: Document, actor: log.Actor, now: dt.datetime) -> bool:
    """This function will let a resting document be tried again, counted from zero; returns whether it was waiting."""
    with transaction.atomic():
        moved = Document.objects.filter(pk=document.pk, status=Status.ISSUED).update(attempts=0, next_try_at=now)
        if moved:
            log.record(
                action=Action.DOCUMENT_RETRIED, object_type="document", object_id=document.public_id, actor=actor
            )
            transaction.on_commit(lambda: queue.ring(task="documents.advance", args=[document.pk]))
    return bool(moved)


def set_payout_status(
    *, documents: Sequence[Document], status: PayoutStatus, settled_by: Document | None, actor: log.Actor
) -> None:
    """This function will move the live payout status of statements, each with its audit event; no PDF changes.

    A payout of 1,500 orders moves them in a few round trips.
    """
    moving = [
        row for row in documents if (row.payout_status, row.settled_by_id) != (status, settled_by and settled_by.pk)
    ]
    Document.objects.filter(pk__in=[row.pk for row in moving]).update(payout_status=status, settled_by=settled_by)
    entries = [
        log.Entry(
            action=Action.DOCUMENT_PAYOUT_STATUS_CHANGED,
            object_type="document",
            object_id=row.public_id,
            actor=actor,
            code=status,
            details={"settled_by": settled_by.public_id if settled_by else None},
        )
        for row in moving
    ]
    for start in range(0, len(entries), log.ENTRIES_MAX):
        log.record_many(entries=entries[start : start + log.ENTRIES_MAX])


def _key(draft: Draft) -> str:
    return key(kind=draft.kind, subject=draft.subject, audience=draft.audience, discriminator=draft.discriminator)


def _fingerprint(draft: Draft) -> str:
    return idempotency.fingerprint(
        kind=draft.kind, country=draft.pack.country, issuer=draft.issuer.slug, data=draft.business_input
    )


def _repeat(*, key: str, draft: Draft, first: str, event: Event, actor: log.Actor) -> Issued:
    """This function will return the existing document, and keep on record that its fact was told again."""
    document = Document.objects.select_related("issuer", "owner", "settled_by", "corrects").get(document_key_id=key)
    idempotency.repeated(document=document, first=first, told=_fingerprint(draft), event=event, actor=actor)
    return Issued(document=document, replayed=True)


def _write(*, key: str, draft: Draft, event: Event, now: dt.datetime, actor: log.Actor) -> Document:
    """This function will take the number, freeze the content and insert the row with its audit event."""
    issue_date = now.astimezone(zoneinfo.ZoneInfo(draft.pack.time_zone)).date()
    retain_until = draft.pack.retention.until(issue_date=issue_date)
    code = identifiers.verification_code()
    content: dict[str, object] = {
        "kind": str(draft.kind),
        "number": "",
        "document_key": key,
        "country": draft.pack.country,
        "currency": draft.currency,
        "language": "es",
        "template_version": catalog.TABLE[draft.kind].template_version,
        "issuer": custody.issuer_facts(issuer=draft.issuer, pack=draft.pack),
        "owner": draft.owner_facts,
        "operation_date": draft.operation_date.isoformat(),
        "issue_date": issue_date.isoformat(),
        "time_zone": draft.time_zone,
        "retain_until": retain_until.isoformat(),
        "verification": {"code": code, "url": custody.verification_url(code=code)},
        **draft.body,
    }
    canonical.encode(value=content)  # what cannot be frozen fails here, before a number is taken
    taken = numbering.take(issuer=draft.issuer, kind=draft.kind, issue_date=issue_date, actor=actor)
    frozen = canonical.encode(value=content | {"number": taken.number})
    document = Document.objects.create(
        document_key_id=key,
        kind=draft.kind,
        audience=draft.audience,
        country_id=draft.pack.country,
        issuer=draft.issuer,
        owner=draft.owner,
        event=event,
        subject=":".join(draft.subject),
        corrects=draft.corrects,
        series_id=taken.series_id,
        sequence=taken.sequence,
        number=taken.number,
        currency=draft.currency,
        total_minor=draft.total_minor,
        operation_date=draft.operation_date,
        issue_date=issue_date,
        issued_at=now,
        retain_until=retain_until,
        payout_status_at_issue=draft.payout_status_at_issue,
        payout_status=draft.payout_status,
        verification_code=code,
        content=frozen.decode(),
        content_sha256=custody.sha256(frozen),
        flags=sorted(draft.flags),
        next_try_at=now,
    )
    log.record(
        action=Action.DOCUMENT_ISSUED,
        object_type="document",
        object_id=document.public_id,
        actor=actor,
        details={"number": taken.number, "document_key": key, "content_sha256": document.content_sha256},
    )
    metrics.DOCUMENT_ISSUED.labels(kind=draft.kind, country=draft.pack.country).inc()
    transaction.on_commit(lambda: queue.ring(task="documents.advance", args=[document.pk]))
    return document


def _lock(document_id: int, now: dt.datetime) -> bool:
    """This function will render, store and verify one document, and only then call it LOCKED."""
    with leases.claim(model=Document, pk=document_id, free=Q(status=Status.ISSUED), now=now) as fence:
        if fence is None:
            return False
        document = Document.objects.select_related("issuer", "country", "owner").get(pk=document_id)
        try:
            _refuse_endless(document=document)
            kept = custody.keep(document=document, fence=fence, plain=document.attempts > RENDER_TRIES_MAX)
        except errors.Problem as problem:
            _rest(document=document, fence=fence, problem=problem, now=now)
            return False
        return _confirm(document=document, fence=fence, kept=kept)


def _refuse_endless(*, document: Document) -> None:
    """This function will give up on a document none of whose tries came to its end: each of them ended its worker.

    :raises errors.Problem: `internal_error`
    """
    if document.attempts > TRIES_MAX:
        raise errors.Problem(code="internal_error", detail="no try came to its end")


def _confirm(*, document: Document, fence: uuid.UUID, kept: custody.Kept) -> bool:
    """This function will move a document to LOCKED with its audit event and deliveries, if the lease still holds."""
    locked_at = kept.stored.stored_at
    with transaction.atomic():
        moved = Document.objects.filter(pk=document.pk, status=Status.ISSUED, lease=fence).update(
            status=Status.LOCKED,
            locked_at=locked_at,
            verified_at=locked_at,
            vault_version=kept.stored.version,
            vault_mode=kept.stored.mode,
            file_sha256=kept.stored.sha256,
            file_bytes=kept.stored.size,
            pages=kept.pages,
            flags=sorted({*document.flags, *kept.flags}),
            cause="",
            lease=None,
            lease_until_at=None,
            next_try_at=None,
        )
        if not moved:
            return False
        document.refresh_from_db()
        log.record(
            action=Action.DOCUMENT_LOCKED,
            object_type="document",
            object_id=document.public_id,
            actor=log.SYSTEM,
            details={
                "file_sha256": kept.stored.sha256,
                "vault_key": kept.stored.key,
                "vault_version": kept.stored.version,
                "vault_mode": kept.stored.mode,
            },
        )
        for planned in deliveries.plan(document=document, now=locked_at, actor=log.SYSTEM):
            transaction.on_commit(lambda pk=planned.pk: queue.ring(task="documents.deliver", args=[pk]))  # type: ignore[misc]  # the default binds the loop variable
        if document.attempts > 1:
            incidents.resolve_alert(dedup_key=f"document:{document.public_id}")
    metrics.DOCUMENT_LOCKED.inc()
    metrics.EMISSION_SECONDS.labels(step="locked").observe((locked_at - document.issued_at).total_seconds())
    return True


def _rest(*, document: Document, fence: uuid.UUID, problem: errors.Problem, now: dt.datetime) -> None:
    """This function will put a document down with its cause: tried again later, or, out of tries, by a person.

    An outage is not the document's fault and costs it no tries.
    """
    code, worm = problem.code, problem.code.startswith("worm_")
    outage = worm and problem.row.retryable
    final = not outage and document.attempts >= TRIES_MAX
    pause_s = dependencies.backoff_s(dependency="vault" if outage else "renderer", attempt=document.attempts)
    with transaction.atomic():
        rested = Document.objects.filter(pk=document.pk, status=Status.ISSUED, lease=fence).update(
            cause=code,
            attempts=document.attempts - 1 if outage else document.attempts,
            lease=None,
            lease_until_at=None,
            next_try_at=None if final else now + dt.timedelta(seconds=pause_s),
        )
        if not rested:
            return
        log.record(
            action=Action.DOCUMENT_WORM_FAILED if worm else Action.DOCUMENT_RENDER_FAILED,
            object_type="document",
            object_id=document.public_id,
            actor=log.SYSTEM,
            outcome="failed",
            code=code,
        )
        # The vault's outages are the dependency's one incident, not one for each document that waits.
        if final or not outage:
            incidents.open_alert(
                code=code,
                severity=problem.row.severity or "P2",
                dedup_key=f"document:{document.public_id}",
                detail=f"Document {document.number} waits as ISSUED: {code}",
                object_id=document.public_id,
            )


# TABLE: the line. State -> the step that leaves it; a state without a step is where a document rests.
STEPS: dict[Status, Callable[[int, dt.datetime], bool]] = {Status.ISSUED: _lock}
