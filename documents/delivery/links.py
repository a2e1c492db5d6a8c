"""Secure links: one way to one document for one recipient, signed, expiring, limited, revocable.

The token is an HMAC over the link's id, so it can be written into a mail again after a crash without ever being stored:
the database knows its SHA-256 only, and no log line, referrer or audit event ever holds it.
"""

import base64
import datetime as dt
import enum
import hashlib
import hmac
import itertools
import re
from collections.abc import Mapping
from types import MappingProxyType

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Sum

from audit import log
from audit.actions import Action
from documents import errors, identifiers, locks, metrics
from documents.alerts import incidents
from documents.models import Delivery, DeliveryStatus, Document, Link, Party, RevokeReason

NOTHING, LAST4 = "nothing", "last4"
ANSWER_LENGTH = 4
LOCK_EVERY = 5  # wrong answers
REVOKE_AT = 10
REVOKE_ALL_AT = 20  # over all open links of one recipient: a stolen mailbox has many
LOCK = SESSION = dt.timedelta(minutes=15)
COUNTED = dt.timedelta(minutes=10)  # the same session downloads again without being counted again

# TABLE: (country, kind, audience) -> what the person must know; `*` is any, the most specific row wins.
POLICY: Mapping[tuple[str, str, str], str] = MappingProxyType(
    {
        # A customer has just paid and is rarely known by a tax id; earnings are another matter.
        ("*", "*", "customer"): NOTHING,
        ("*", "*", "*"): LAST4,
    }
)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_FORWARD = {  # a delivery's way; it never goes back
    DeliveryStatus.OPENED: (DeliveryStatus.SENT,),
    DeliveryStatus.DOWNLOADED: (DeliveryStatus.SENT, DeliveryStatus.OPENED),
}


@enum.unique
class State(enum.StrEnum):
    """Whether a link can be used at a moment; the values of the states in which it cannot are codes of `errors`."""

    LIVE = "live"
    LOCKED = "link_locked"
    EXPIRED = "link_expired"
    REVOKED = "link_revoked"
    EXHAUSTED = "link_exhausted"


@enum.unique
class Verdict(enum.StrEnum):
    """What became of an answer. MALFORMED does not count as a try: it says nothing about who is asking."""

    OPENED = "opened"
    WRONG = "wrong"
    MALFORMED = "malformed"
    UNUSABLE = "unusable"  # the link is locked, revoked, expired or used up: see `state`


def asks(*, document: Document, recipient: Party) -> str:
    """Return what opening a link to this document needs: NOTHING or LAST4.

    A recipient without a tax id on file, or with one too short, cannot be asked; the mailbox is then the only proof.
    """
    places = ((document.country_id, "*"), (document.kind, "*"), (document.audience, "*"))
    wanted = next(POLICY[key] for key in itertools.product(*places) if key in POLICY)
    return wanted if len(_plain(recipient.tax_id)) >= ANSWER_LENGTH else NOTHING


def create(
    *,
    document: Document,
    recipient: Party,
    delivery: Delivery | None,
    now: dt.datetime,
    actor: log.Actor = log.SYSTEM,
    life: dt.timedelta | None = None,
) -> Link:
    """Make a link, with its audit event."""
    link = Link(
        public_id=identifiers.new(prefix="lnk"),
        document=document,
        recipient=recipient,
        delivery=delivery,
        knows=asks(document=document, recipient=recipient),
        expires_at=now + (settings.LINK_LIFE if life is None else life),
        downloads_max=settings.LINK_DOWNLOADS_MAX,
    )
    link.token_sha256 = digest(token=token(link=link))
    with transaction.atomic():
        link.save(force_insert=True)
        _record(Action.LINK_CREATED, link=link, actor=actor, details={"document": document.public_id})
    return link


def for_delivery(*, delivery: Delivery, now: dt.datetime) -> Link:
    """Return the delivery's link, made at its first try: a mail sent again carries the same link."""
    with transaction.atomic():
        locks.rows(queryset=Delivery.objects.filter(pk=delivery.pk).only("pk"))
        made = Link.objects.filter(delivery=delivery, revoked_at=None, expires_at__gt=now).order_by("id").first()
        return made or create(document=delivery.document, recipient=delivery.recipient, delivery=delivery, now=now)


def token(*, link: Link) -> str:
    """Return the link's secret: 43 characters of base64url, the same at every call."""
    message = f"{link.public_id}:{link.generation}".encode()
    secret = hmac.digest(settings.LINK_KEY.encode(), message, hashlib.sha256)
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


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


def state(*, link: Link, now: dt.datetime, session: str = "") -> State:
    """Return whether a link can be used now; a session just counted may repeat its download."""
    if link.revoked_at is not None:
        return State.REVOKED
    if link.expires_at <= now:
        return State.EXPIRED
    if link.downloads >= link.downloads_max and not _just_counted(link=link, session=session, now=now):
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
            _record(Action.LINK_SEEN, link=link, actor=actor)


def answer(*, link: Link, answer: str, now: dt.datetime, actor: log.Actor) -> Verdict:
    """Judge the answer that is to open the link; the row's lock counts tries that come at once one by one."""
    given = _plain(answer)
    with transaction.atomic():
        # With the others of the recipient, which a wrong answer may end too: all at once, so in one order.
        ended_together = Q(pk=link.pk) | Q(recipient=link.recipient_id, revoked_at=None, expires_at__gt=now)
        locked = locks.rows(queryset=Link.objects.select_related("recipient").filter(ended_together))
        row = next(each for each in locked if each.pk == link.pk)
        if state(link=row, now=now) is not State.LIVE:
            return Verdict.UNUSABLE
        if row.knows == LAST4:
            if len(given) != ANSWER_LENGTH:
                return Verdict.MALFORMED
            known = _plain(row.recipient.tax_id)[-ANSWER_LENGTH:]
            if not known or not hmac.compare_digest(given, known):
                return _wrong(link=row, now=now, actor=actor)
        if row.opened_at is None:
            Link.objects.filter(pk=row.pk).update(opened_at=now)
        _record(Action.LINK_OPENED, link=row, actor=actor)
        _move_delivery(link=row, to=DeliveryStatus.OPENED, action=Action.DELIVERY_OPENED, now=now, actor=actor)
    return Verdict.OPENED


def _wrong(*, link: Link, now: dt.datetime, actor: log.Actor) -> Verdict:
    """Count a wrong answer: the fifth locks for a while, the tenth revokes and opens an alert."""
    wrong = link.wrong_answers + 1
    until_at = now + LOCK if wrong % LOCK_EVERY == 0 else link.locked_until_at
    Link.objects.filter(pk=link.pk).update(wrong_answers=wrong, locked_until_at=until_at)
    _record(Action.LINK_FAILED, link=link, actor=actor, outcome="denied", code="wrong_answer", details={"tries": wrong})
    tried = Link.objects.filter(recipient=link.recipient_id, revoked_at=None, expires_at__gt=now)
    everywhere = tried.aggregate(total=Sum("wrong_answers"))["total"] or 0
    if wrong >= REVOKE_AT or everywhere >= REVOKE_ALL_AT:
        revoke(link=link, reason=RevokeReason.WRONG_ANSWERS, actor=actor, now=now)
        if everywhere >= REVOKE_ALL_AT:
            revoke_open(recipient=link.recipient, reason=RevokeReason.WRONG_ANSWERS, actor=actor, now=now)
        incidents.open_alert(
            code="link_revoked",
            dedup_key=f"link:{link.public_id}",
            values={"cause": RevokeReason.WRONG_ANSWERS, "tries": max(wrong, everywhere)},
            object_id=link.public_id,
        )
    elif wrong % LOCK_EVERY == 0:
        _record(Action.LINK_LOCKED, link=link, actor=actor, outcome="denied", code=State.LOCKED)
    return Verdict.WRONG


def revoke(*, link: Link, reason: str, actor: log.Actor, now: dt.datetime) -> bool:
    """End a link for good; False where it had ended already.

    :param reason: a `RevokeReason`, or a person's text; stays on the row, erasable in the log.
    """
    with transaction.atomic():
        locks.declare(rank=locks.Rank.LINK, keys=[(link.pk,)])
        ended = Link.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=now, revoked_reason=reason[:200])
        if ended:
            _record(Action.LINK_REVOKED, link=link, actor=actor, details={"reason": reason[:200]})
    return bool(ended)


def revoke_open(
    *, recipient: Party, reason: str, actor: log.Actor, now: dt.datetime, document: Document | None = None
) -> int:
    """End every open link of a recipient, to one document where named; return how many."""
    links = Link.objects.filter(recipient=recipient, revoked_at=None, expires_at__gt=now)
    if document is not None:
        links = links.filter(document=document)
    return sum(revoke(link=link, reason=reason, actor=actor, now=now) for link in links.order_by("id"))


def count_download(*, link: Link, session: str, now: dt.datetime, actor: log.Actor) -> None:
    """Take one download from the link, inside the caller's transaction.

    The same session within ten minutes takes none: download managers and in-app browsers ask twice.

    :raises errors.Problem: `link_revoked`, `link_expired`, `link_exhausted`, `link_locked`
    """
    [row] = locks.rows(queryset=Link.objects.filter(pk=link.pk))
    now_state = state(link=row, now=now, session=session)
    if now_state is not State.LIVE:
        raise errors.Problem(code=now_state.value)
    if _just_counted(link=row, session=session, now=now):
        return
    since = now.timestamp() - COUNTED.total_seconds()
    recent = {name: counted_at for name, counted_at in row.counted.items() if counted_at > since}
    if session:
        recent[session] = int(now.timestamp())
    Link.objects.filter(pk=row.pk).update(downloads=F("downloads") + 1, counted=recent)  # a constraint has the limit
    _move_delivery(link=row, to=DeliveryStatus.DOWNLOADED, action=Action.DELIVERY_DOWNLOADED, now=now, actor=actor)


def _just_counted(*, link: Link, session: str, now: dt.datetime) -> bool:
    counted_at = link.counted.get(session) if session else None
    return counted_at is not None and now.timestamp() - counted_at < COUNTED.total_seconds()


def _move_delivery(*, link: Link, to: DeliveryStatus, action: Action, now: dt.datetime, actor: log.Actor) -> None:
    """Move the delivery that brought the link forward, with its audit event."""
    if link.delivery_id is None:
        return
    moment = {DeliveryStatus.OPENED: "opened_at", DeliveryStatus.DOWNLOADED: "downloaded_at"}[to]
    locks.declare(rank=locks.Rank.DELIVERY, keys=[(link.delivery_id,)])
    moved = Delivery.objects.filter(pk=link.delivery_id, status__in=_FORWARD[to]).update(status=to, **{moment: now})
    if moved:
        public_id = Delivery.objects.values_list("public_id", flat=True).get(pk=link.delivery_id)
        log.record(action=action, object_type="delivery", object_id=public_id, actor=actor)
        metrics.DELIVERY.labels(status=to).inc()


def _record(
    action: Action,
    *,
    link: Link,
    actor: log.Actor,
    outcome: str = "ok",
    code: str = "",
    details: dict[str, str | int] | None = None,
) -> None:
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


def _plain(text: str) -> str:
    """Return the letters and digits of a tax id or an answer, in upper case."""
    return re.sub(r"[^0-9A-Z]", "", text.upper())
