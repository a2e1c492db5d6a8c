"""Secure links: one way to one document, or to those of a week, for one recipient: signed, expiring, revocable.

The token is an HMAC over the link's id, so it can be written into a mail again after a crash without ever being stored:
the database knows its SHA-256 only, and no log line, referrer or audit event ever holds it.
"""

import datetime as dt
import enum
import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from audit import log
from audit.actions import Action
from documents import errors, identifiers, locks, metrics
from documents.delivery import keyed
from documents.models import Channel, Delivery, DeliveryStatus, Document, Link, Party

NOTHING, LAST4, CODE, SHARED = "nothing", "last4", "code", "shared"
BY_MAIL = frozenset({LAST4, CODE})  # what a code from the mailbox on file opens, too
ANSWER_LENGTH = 4
PLACE_MAX = 10_000  # what PostgreSQL is asked for of a week
SESSION = dt.timedelta(minutes=15)
COUNTED = dt.timedelta(minutes=10)  # the same session downloads again without being counted again

# TABLE: (country, kind, audience) -> what the person must know; `*` is any, the most specific row wins.
POLICY: Mapping[tuple[str, str, str], str] = MappingProxyType(
    {
        # A customer has just paid and is rarely known by a tax id; earnings are another matter.
        ("*", "*", "customer"): NOTHING,
        ("*", "*", "*"): LAST4,
    }
)
TOKEN_LENGTH = 43  # 32 bytes in base64url
_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}", re.ASCII)
# A delivery's way; it never goes back: state -> its moment, its action, the states before it.
_FORWARD = {
    DeliveryStatus.OPENED: ("opened_at", Action.DELIVERY_OPENED, (DeliveryStatus.SENT,)),
    DeliveryStatus.DOWNLOADED: (
        "downloaded_at",
        Action.DELIVERY_DOWNLOADED,
        (DeliveryStatus.SENT, DeliveryStatus.OPENED),
    ),
}


@enum.unique
class State(enum.StrEnum):
    """Whether a link can be used at a moment; the values of the states in which it cannot are codes of `errors`."""

    LIVE = "live"
    LOCKED = "link_locked"
    EXPIRED = "link_expired"
    REVOKED = "link_revoked"
    EXHAUSTED = "link_exhausted"


def asks(*, document: Document, recipient: Party) -> str:
    """Return what opening a link to this document needs: NOTHING, LAST4 or CODE.

    A recipient without a tax id on file, or with one too short, cannot be asked for it: a code by mail is.
    """
    places = ((document.country_id, "*"), (document.kind, "*"), (document.audience, "*"))
    wanted = next(POLICY[key] for key in itertools.product(*places) if key in POLICY)
    return CODE if wanted == LAST4 and len(plain(text=recipient.tax_id)) < ANSWER_LENGTH else wanted


def create(
    *,
    document: Document,
    recipient: Party,
    delivery: Delivery | None,
    now: dt.datetime,
    actor: log.Actor = log.SYSTEM,
    life: dt.timedelta | None = None,
    reader: str = "",
    form_sha256: str | None = None,
) -> Link:
    """Make a link, with its audit event. That of a week's mail leads to every document of the mail.

    Each document may be downloaded as often as that of a link of its own. With a reader it is shared: `shared_links`.
    """
    weekly = delivery is not None and delivery.channel == Channel.DIGEST
    number = Delivery.objects.filter(bundle=delivery).count() if weekly else 1
    link = Link(
        public_id=identifiers.new(prefix="lnk"),
        document=document,
        recipient=recipient,
        delivery=delivery,
        knows=SHARED if reader else asks(document=document, recipient=recipient),
        reader=reader,
        form_sha256=form_sha256,
        expires_at=now + (settings.LINK_LIFE if life is None else life),
        downloads_max=settings.LINK_DOWNLOADS_MAX * max(1, number),
        weekly=weekly,
    )
    link.token_sha256 = digest(token=token(link=link))
    with transaction.atomic():
        link.save(force_insert=True)
        record(Action.LINK_CREATED, link=link, actor=actor, details={"document": document.public_id})
    return link


def for_delivery(*, delivery: Delivery, now: dt.datetime) -> Link:
    """Return the delivery's link, made at its first try: a mail sent again carries the same link."""
    with transaction.atomic():
        locks.rows(queryset=Delivery.objects.filter(pk=delivery.pk).only("pk"))
        weekly = delivery.channel == Channel.DIGEST
        usable = Link.objects.filter(delivery=delivery, weekly=weekly, revoked_at=None, expires_at__gt=now)
        made = usable.order_by("id").first()
        return made or create(document=delivery.document, recipient=delivery.recipient, delivery=delivery, now=now)


def token(*, link: Link) -> str:
    """Return the link's secret: 43 characters of base64url, the same at every call, also under another LINK_KEY."""
    return keyed.token(text=f"{link.public_id}:{link.generation}", stored=link.token_sha256)


def digest(*, token: str) -> str:
    """Return what the database stores of a token: its SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def url(*, link: Link) -> str:
    """Return the address that goes into the mail."""
    return f"{settings.PUBLIC_URL}/l/{token(link=link)}/"


def find(*, token: str) -> Link | None:
    """Return the link of a token. A text that cannot be a token costs the same look-up as one that can."""
    shaped = _TOKEN.fullmatch(token) is not None
    link = (
        Link.objects.select_related("document__issuer", "recipient", "delivery")
        .filter(token_sha256=hashlib.sha256(token.encode(errors="replace")).hexdigest())
        .first()
    )
    return link if shaped else None


def documents(*, link: Link) -> QuerySet[Document]:
    """Return what a link leads to, in an order that stays: its document, or those of its week's mail."""
    if not link.weekly:
        return Document.objects.filter(pk=link.document_id)
    of_week = Document.objects.filter(deliveries__bundle=link.delivery_id, owner=link.recipient_id)
    return of_week.select_related("issuer").defer("issuer__logo").order_by("operation_date", "pk")


def document(*, link: Link, place: int) -> Document | None:
    """Return the document at a place of a link, counted from 1; None where it has none."""
    if not link.weekly:
        return link.document if place == 1 else None
    return documents(link=link)[place - 1 : place].first() if 0 < place <= PLACE_MAX else None


def opens(*, link: Link, document: Document) -> bool:
    """Tell whether a link leads to a document."""
    if not link.weekly:
        return link.document_id == document.pk
    return documents(link=link).filter(pk=document.pk).exists()


def state(*, link: Link, now: dt.datetime, session: str = "", document: Document | None = None) -> State:
    """Return whether a link can be used now; a session just counted may repeat its download.

    :param document: that of the download; without it, any that the session has just downloaded.
    """
    if link.revoked_at is not None:
        return State.REVOKED
    if link.expires_at <= now:
        return State.EXPIRED
    if link.downloads >= link.downloads_max and not just_counted(
        link=link, session=session, document=document, now=now
    ):
        return State.EXHAUSTED
    if link.locked_until_at is not None and link.locked_until_at > now:
        return State.LOCKED
    return State.LIVE


def note_seen(*, link: Link, now: dt.datetime, actor: log.Actor) -> None:
    """Note that the address was fetched, once: all that a scanner's GET can ever change."""
    if link.seen_at is not None:
        return
    with transaction.atomic():
        if Link.objects.filter(pk=link.pk, seen_at=None).update(seen_at=now):
            record(Action.LINK_SEEN, link=link, actor=actor)


def revoke(*, link: Link, reason: str, actor: log.Actor, now: dt.datetime) -> bool:
    """End a link for good; False where it had ended already.

    :param reason: a `RevokeReason`, or a person's text; stays on the row, erasable in the log.
    """
    with transaction.atomic():
        locks.declare(rank=locks.Rank.LINK, keys=[(link.pk,)])
        ended = Link.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=now, revoked_reason=reason[:200])
        if ended:
            record(Action.LINK_REVOKED, link=link, actor=actor, details={"reason": reason[:200]})
    return bool(ended)


def revoke_open(
    *,
    recipient: Party,
    reason: str,
    actor: log.Actor,
    now: dt.datetime,
    documents: Sequence[Document] | None = None,
    weekly: bool = False,
) -> int:
    """End every open link of a recipient, or only those to some documents that were not shared; return how many.

    :param weekly: end the links to weeks of those documents, not those to one of them
    """
    links = Link.objects.filter(recipient=recipient, revoked_at=None, expires_at__gt=now)
    if documents is not None:
        links = links.filter(document__in=documents, weekly=weekly, reader="")
    return sum(revoke(link=link, reason=reason, actor=actor, now=now) for link in links.order_by("id"))


def count_download(*, link: Link, document: Document, session: str, now: dt.datetime, actor: log.Actor) -> None:
    """Take one download of a document from the link, inside the caller's transaction.

    The same session within ten minutes takes none: download managers and in-app browsers ask twice.

    :raises errors.Problem: `link_revoked`, `link_expired`, `link_exhausted`, `link_locked`
    """
    [row] = locks.rows(queryset=Link.objects.filter(pk=link.pk))
    now_state = state(link=row, now=now, session=session, document=document)
    if now_state is not State.LIVE:
        raise errors.Problem(code=now_state.value)
    if just_counted(link=row, session=session, document=document, now=now):
        return
    since = now.timestamp() - COUNTED.total_seconds()
    recent = {name: counted_at for name, counted_at in row.counted.items() if counted_at > since}
    if session:
        recent[f"{session}:{document.public_id}"] = int(now.timestamp())
    Link.objects.filter(pk=row.pk).update(downloads=F("downloads") + 1, counted=recent)  # a constraint has the limit
    move_deliveries(link=row, to=DeliveryStatus.DOWNLOADED, now=now, actor=actor, document=document)


def just_counted(*, link: Link, session: str, document: Document | None, now: dt.datetime) -> bool:
    """Tell whether a session has downloaded a document, or any, within the last ten minutes."""
    since = now.timestamp() - COUNTED.total_seconds()
    by = f"{session}:" if document is None else f"{session}:{document.public_id}"
    return bool(session) and any(name.startswith(by) and counted > since for name, counted in link.counted.items())


def move_deliveries(
    *, link: Link, to: DeliveryStatus, now: dt.datetime, actor: log.Actor, document: Document | None = None
) -> None:
    """Move what brought the link forward, each with its audit event: of a week's mail, all or that of one document."""
    if link.delivery_id is None:
        return
    moment, action, before = _FORWARD[to]
    brought = Delivery.objects.filter(Q(bundle=link.delivery_id) if link.weekly else Q(pk=link.delivery_id))
    if document is not None:
        brought = brought.filter(document=document)
    moving = list(brought.filter(status__in=before).order_by("pk").values_list("pk", "public_id"))
    locks.declare(rank=locks.Rank.DELIVERY, keys=[(pk,) for pk, _public_id in moving])
    for pk, public_id in moving:
        if Delivery.objects.filter(pk=pk, status__in=before).update(status=to, **{moment: now}):
            log.record(action=action, object_type="delivery", object_id=public_id, actor=actor)
            metrics.DELIVERY.labels(status=to).inc()


def record(
    action: Action,
    *,
    link: Link,
    actor: log.Actor,
    outcome: str = "ok",
    code: str = "",
    details: dict[str, str | int] | None = None,
) -> None:
    """Put on record, and count, what happened to a link."""
    log.record(
        action=action,
        object_type="link",
        object_id=link.public_id,
        actor=actor,
        outcome=outcome,
        code=code,
        details=details,
    )
    metrics.LINK_EVENTS.labels(event=action.partition(".")[2]).inc()


def plain(*, text: str) -> str:
    """Return the letters and digits of a tax id or an answer, in upper case."""
    return re.sub(r"[^0-9A-Z]", "", text.upper())
