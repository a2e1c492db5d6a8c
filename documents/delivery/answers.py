"""What a person at a link's door answers: the last figures of the tax id, all of it, or a code from the mailbox."""

import datetime as dt
import enum
import hmac

from django.db import transaction

from audit import log
from audit.actions import Action
from documents import locks
from documents.alerts import incidents
from documents.delivery import codes, links, shared_links, tries
from documents.models import DeliveryStatus, Link, RevokeReason

LOCK_EVERY = 5  # wrong answers in a row
REVOKE_AT = 10
LOCK = dt.timedelta(minutes=15)
WHOLE_MIN, WHOLE_MAX = 6, 20  # figures and letters of a whole tax id, or of a code


@enum.unique
class Verdict(enum.StrEnum):
    """What became of an answer. MALFORMED does not count as a try: it says nothing about who is asking."""

    OPENED = "opened"
    WRONG = "wrong"
    MALFORMED = "malformed"
    LIMITED = "limited"  # the party, the address or the network has given too many wrong ones: see `tries`
    UNUSABLE = "unusable"  # the link is locked, revoked, expired or used up: see `links.state`


def judge(*, link: Link, answer: str, now: dt.datetime, actor: log.Actor) -> Verdict:
    """Judge the answer that is to open the link; what comes at once is judged one by one."""
    given, keys = links.plain(text=answer), tries.keys(link=link, address=actor.address)
    with transaction.atomic():
        if link.knows != links.NOTHING:
            tries.lock(keys=keys)
        [row] = locks.rows(queryset=Link.objects.select_related("recipient").filter(pk=link.pk))
        if links.state(link=row, now=now) is not links.State.LIVE:
            return Verdict.UNUSABLE
        if row.knows != links.NOTHING:
            if not _can_be_one(link=row, given=given):
                return Verdict.MALFORMED
            spent = tries.spent(keys=keys, now=now)
            for name in sorted(spent, key=lambda name: keys[name]):
                tries.alert(link=row, address=actor.address, name=name)
            if spent:
                return Verdict.LIMITED
        by_code = row.knows in links.BY_MAIL and codes.answers(link=row, given=given, now=now)
        by_owners = shared_links.answers(link=row, given=given)
        if row.knows == links.NOTHING or by_code or by_owners or _is_tax_id(link=row, given=given):
            _open(link=row, by_code=by_code, now=now, actor=actor)
            return Verdict.OPENED
        tries.count(keys=keys, now=now)
        return _wrong(link=row, now=now, actor=actor)


def limited_until(*, link: Link, now: dt.datetime, actor: log.Actor) -> dt.datetime | None:
    """Return until when no answer is judged from there or for that party; None where one would be."""
    if link.knows == links.NOTHING:
        return None
    return max(tries.spent(keys=tries.keys(link=link, address=actor.address), now=now).values(), default=None)


def left(*, link: Link) -> int:
    """Return how many wrong answers a link takes before it locks."""
    return LOCK_EVERY - link.wrong_answers % LOCK_EVERY


def _can_be_one(*, link: Link, given: str) -> bool:
    """Tell whether a text has the length of what a link asks for."""
    if link.knows == links.SHARED:
        return len(given) == codes.FIGURES
    return len(given) == links.ANSWER_LENGTH or WHOLE_MIN <= len(given) <= WHOLE_MAX


def _is_tax_id(*, link: Link, given: str) -> bool:
    """Tell whether an answer is the recipient's tax id, or its last figures; in the same time for every wrong one."""
    whole = links.plain(text=link.recipient.tax_id)
    if link.knows != links.LAST4 or len(whole) < links.ANSWER_LENGTH:
        return False
    right = [hmac.compare_digest(given, known) for known in (whole, whole[-links.ANSWER_LENGTH :])]
    return any(right)


def _open(*, link: Link, by_code: bool, now: dt.datetime, actor: log.Actor) -> None:
    """Note a right answer: the wrong ones before it are forgotten, and a code opens once."""
    columns = {"opened_at": link.opened_at or now, "wrong_answers": 0, "locked_until_at": None}
    if by_code:
        columns["code_used_at"] = now
    Link.objects.filter(pk=link.pk).update(**columns)
    links.record(Action.LINK_OPENED, link=link, actor=actor)
    links.move_deliveries(link=link, to=DeliveryStatus.OPENED, now=now, actor=actor)


def _wrong(*, link: Link, now: dt.datetime, actor: log.Actor) -> Verdict:
    """Count a wrong answer: the fifth in a row locks for a while, the tenth revokes and opens an alert."""
    wrong = link.wrong_answers + 1
    until_at = now + LOCK if wrong % LOCK_EVERY == 0 else link.locked_until_at
    Link.objects.filter(pk=link.pk).update(wrong_answers=wrong, locked_until_at=until_at)
    links.record(
        Action.LINK_FAILED, link=link, actor=actor, outcome="denied", code="wrong_answer", details={"tries": wrong}
    )
    if wrong >= REVOKE_AT:
        links.revoke(link=link, reason=RevokeReason.WRONG_ANSWERS, actor=actor, now=now)
        incidents.open_alert(
            code="link_revoked",
            dedup_key=f"link:{link.public_id}",
            values={"cause": RevokeReason.WRONG_ANSWERS, "tries": wrong},
            object_id=link.public_id,
        )
    elif wrong % LOCK_EVERY == 0:
        links.record(Action.LINK_LOCKED, link=link, actor=actor, outcome="denied", code=links.State.LOCKED)
    return Verdict.WRONG
