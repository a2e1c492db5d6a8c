"""Issue a document: claim its key, freeze its content, and take its number last."""

import datetime as dt
import functools
import itertools
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from audit import log
from audit.actions import Action
from documents import canonical, catalog, identifiers, locks, metrics
from documents.countries.pack import Pack
from documents.emission import custody, document_keys, numbering, valve
from documents.models import Document, Event, Issuer, Kind, LogCommitment, Party, PayoutStatus
from documents.resilience import queue


@dataclass(frozen=True, kw_only=True)
class Following:
    """What a draft names of a document of the same call, which is written before it: that one's key, and what of it."""

    key: str
    named: Callable[[Document], dict[str, object]]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A document that is about to be issued.

    `body` is the kind's own part of the content, `business_input` what the fingerprint covers, `owner_facts` the owner
    as the event named it. One that is `following` another of the same call corrects that one.
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
    following: Following | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IssuedDocument:
    """The document of a draft; `replayed`: it was there before."""

    document: Document
    replayed: bool


def key(*, kind: Kind, subject: tuple[str, str], audience: str, discriminator: str = "") -> str:
    """Return the permanent document key of a subject; see `document_keys.key`."""
    return document_keys.key(kind=kind, subject=subject, audience=audience, discriminator=discriminator)


def issue(*, drafts: Sequence[Draft], event: Event, now: dt.datetime, actor: log.Actor) -> list[IssuedDocument]:
    """Issue each draft, or find the document that its key already has; in the drafts' order.

    Keys are claimed in sorted order and numbers are taken in the order of the series (credit notes last), so two
    transactions never wait for each other, and nothing that can fail comes after the first number. What is there
    already is found whether or not its issuer is paused.

    :raises errors.Problem: `series_exhausted`, `issuing_paused`
    """
    keyed = sorted(((_key(draft), draft) for draft in drafts), key=lambda pair: pair[0])
    issued: dict[str, IssuedDocument] = {}
    fresh: list[tuple[str, Draft]] = []
    repeated: list[tuple[str, Draft, str]] = []
    for text, draft in keyed:
        claim = document_keys.claim(key=text, fingerprint=_fingerprint(draft))
        if claim.fresh:
            fresh.append((text, draft))
        else:
            repeated.append((text, draft, claim.fingerprint))
    fresh.sort(key=lambda pair: (pair[1].issuer.pk, numbering.place(kind=pair[1].kind), pair[0]))
    _count(drafts=[draft for _, draft in fresh], event=event, now=now)
    commitment = _commitment() if fresh else ""
    for text, draft in fresh:
        whole = _named(draft=draft, issued=issued)
        document = _write(key=text, draft=whole, event=event, now=now, actor=actor, commitment=commitment)
        issued[text] = IssuedDocument(document=document, replayed=False)
    for text, draft, first in repeated:
        issued[text] = _repeat(key=text, draft=draft, first=first, event=event, actor=actor)
    return [issued[_key(draft)] for draft in drafts]


def _named(*, draft: Draft, issued: Mapping[str, IssuedDocument]) -> Draft:
    """Return a draft with what it names of the document that it follows."""
    if draft.following is None:
        return draft
    first = issued[draft.following.key].document
    return replace(draft, corrects=first, body=draft.body | draft.following.named(first), following=None)


def _count(*, drafts: Sequence[Draft], event: Event, now: dt.datetime) -> None:
    """Count what each issuer is about to issue; the drafts are in the order of their issuers.

    :raises errors.Problem: `issuing_paused`
    """
    for _, drafts_of_issuer in itertools.groupby(drafts, key=lambda draft: draft.issuer.pk):
        first, *others = drafts_of_issuer
        date = _issue_date(draft=first, now=now)
        valve.take(issuer=first.issuer, documents=1 + len(others), event_id=event.pk, now=now, date=date)


def _key(draft: Draft) -> str:
    return key(kind=draft.kind, subject=draft.subject, audience=draft.audience, discriminator=draft.discriminator)


def _fingerprint(draft: Draft) -> str:
    return document_keys.fingerprint(
        kind=draft.kind, country=draft.pack.country, issuer=draft.issuer.slug, data=draft.business_input
    )


def _repeat(*, key: str, draft: Draft, first: str, event: Event, actor: log.Actor) -> IssuedDocument:
    """Return the existing document, and put on record that its event was sent again."""
    read = Document.objects.select_related("issuer", "owner", "settled_by", "corrects")
    document = read.defer("issuer__logo", "settled_by__content", "corrects__content").get(document_key_id=key)
    others = document_keys.known_as(
        kind=draft.kind, country=draft.pack.country, issuer=draft.issuer.slug, data=draft.business_input
    )
    document_keys.repeated(document=document, first=first, others=others, event=event, actor=actor)
    return IssuedDocument(document=document, replayed=True)


def _commitment() -> str:
    """Return the newest commitment to the sealed log, "" before there is one."""
    return LogCommitment.objects.order_by("-pk").values_list("digest", flat=True).first() or ""


def _write(*, key: str, draft: Draft, event: Event, now: dt.datetime, actor: log.Actor, commitment: str) -> Document:
    """Take the number, freeze the content and insert the row with its audit event."""
    rules = catalog.TABLE[draft.kind]
    issue_date = _issue_date(draft=draft, now=now)
    dates = {"issue_date": issue_date, "retain_until": draft.pack.retention.until(issue_date=issue_date)}
    code = identifiers.verification_code()
    content = _content(key=key, draft=draft, code=code, **dates) | {"log_commitment": commitment}
    canonical.encode(value=content)  # what cannot be frozen fails here, before a number is taken
    legal = numbering.take(issuer=draft.issuer, kind=draft.kind, issue_date=issue_date, actor=actor)
    frozen = canonical.encode(value=content | {"number": legal.number})
    document = Document.objects.create(
        **_columns(draft=draft),
        **dates,
        document_key_id=key,
        event=event,
        series_id=legal.series_id,
        sequence=legal.sequence,
        number=legal.number,
        issued_at=now,
        verification_code=code,
        content=frozen.decode(),
        content_sha256=custody.sha256(frozen),
        next_try_at=now,
    )
    locks.inserted(rank=locks.Rank.DOCUMENT, keys=[(document.pk,)])
    log.record(
        action=Action.DOCUMENT_ISSUED,
        object_type="document",
        object_id=document.public_id,
        actor=actor,
        facts=custody.facts(document=document),
    )
    metrics.DOCUMENT_ISSUED.labels(kind=draft.kind, country=draft.pack.country).inc()
    transaction.on_commit(functools.partial(queue.enqueue, task=rules.task, document_id=document.pk))
    return document


def _issue_date(*, draft: Draft, now: dt.datetime) -> dt.date:
    """Return the issuer's local day."""
    return now.astimezone(zoneinfo.ZoneInfo(draft.pack.time_zone)).date()


def _content(*, key: str, draft: Draft, code: str, issue_date: dt.date, retain_until: dt.date) -> dict[str, object]:
    """Return what a document prints, still without its number."""
    return {
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


def _columns(*, draft: Draft) -> dict[str, Any]:
    """Return the columns of a document's row that the draft gives."""
    return {
        "kind": draft.kind,
        "audience": draft.audience,
        "country_id": draft.pack.country,
        "issuer": draft.issuer,
        "owner": draft.owner,
        "subject": ":".join(draft.subject),
        "corrects": draft.corrects,
        "currency": draft.currency,
        "total_minor": draft.total_minor,
        "operation_date": draft.operation_date,
        "payout_status_at_issue": draft.payout_status_at_issue,
        "payout_status": draft.payout_status,
        "flags": sorted(draft.flags),
    }
