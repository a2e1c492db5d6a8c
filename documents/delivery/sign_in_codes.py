"""Codes by mail with which drivers and partners sign in: six figures, for ten minutes, once.

Who asks for one learns nothing of whether the address is known. A code is worked out from its row and never stored: a
mail written again after a crash is the same.
"""

import datetime as dt
import functools

from django.contrib.auth.models import User
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import F

from audit import log
from audit.actions import Action
from documents import identifiers, locks
from documents.delivery import keyed, letters, mailbox, outbox, single_mails
from documents.models import Party, SignInCode
from documents.resilience import queue
from documents.task_names import TaskName

FIGURES = 6
LIFE = dt.timedelta(minutes=10)
PAUSE = dt.timedelta(minutes=1)  # who asks twice within it gets one
PERIOD, PERIOD_MAX = dt.timedelta(hours=1), 5  # mails to one address, whoever asks
WRONG_MAX = 5


def figures(*, row: SignInCode) -> str:
    """Return the code that a mail brings."""
    return keyed.figures(secret=keyed.digest(text=f"sign-in:{row.public_id}"), count=FIGURES)


def ask(
    *, address: str, party: Party | None, user: User | None, locale: str, now: dt.datetime, actor: log.Actor
) -> SignInCode | None:
    """Queue a mail with a code; None where the address has had enough of them lately."""
    digest = outbox.address_digest(address=address)
    with transaction.atomic():
        locks.advisory(rank=locks.Rank.SIGN_IN, key=digest)
        lately = SignInCode.objects.filter(address_digest=digest, queued_at__gt=now - PERIOD)
        if lately.filter(queued_at__gt=now - PAUSE).exists() or lately.count() >= PERIOD_MAX:
            return None
        public_id = identifiers.new(prefix="cod")
        made = SignInCode.objects.create(
            public_id=public_id,
            party=party,
            user=user,
            address=address,
            address_digest=digest,
            locale=locale,
            message_id=mailbox.message_id(reference=public_id),
            queued_at=now,
            next_try_at=now,
        )
        _record(Action.DELIVERY_QUEUED, made, actor=actor)
        transaction.on_commit(functools.partial(queue.enqueue, task=TaskName.MAIL_CODE, code_id=made.pk))
    return made


def answered(*, digest: str, given: str, now: dt.datetime, actor: log.Actor) -> SignInCode | None:
    """Return the code of an address that somebody has typed, locked, used or not; None, and a try less, for no such.

    Call it in the transaction that opens the session.
    """
    locks.advisory(rank=locks.Rank.SIGN_IN, key=digest)
    live = SignInCode.objects.filter(
        address_digest=digest, queued_at__gt=now - LIFE, wrong_answers__lt=WRONG_MAX
    ).order_by("-pk")
    right = [row for row in live if keyed.is_code(given=given, text=f"sign-in:{row.public_id}", count=FIGURES)]
    if right:
        return right[0]
    for row in live.filter(used_at=None):
        SignInCode.objects.filter(pk=row.pk).update(wrong_answers=F("wrong_answers") + 1)
        _record(Action.SESSION_FAILED, row, actor=actor, outcome="denied", code="wrong_answer")
    return None


def _letter(row: SignInCode) -> EmailMultiAlternatives:
    return letters.sign_in_code(row=row, figures=figures(row=row), minutes=LIFE // dt.timedelta(minutes=1))


def _record(
    action: Action, row: SignInCode, *, code: str = "", outcome: str = "ok", actor: log.Actor = log.SYSTEM
) -> None:
    """Put one step on record, in the caller's transaction."""
    log.record(
        action=action, object_type="sign_in_code", object_id=row.public_id, actor=actor, code=code, outcome=outcome
    )


def _no_alert(_row: SignInCode, _cause: str) -> None:
    """Alarm nobody: who waits for a code asks for another one, and a mail server that is away has its own alert."""


MAIL = single_mails.MailKind[SignInCode](
    name="sign_in_code",
    rows=SignInCode.objects.all,
    letter=_letter,
    record=_record,
    alert=_no_alert,
    forgets={"address": ""},
    patience=lambda _row: LIFE,
)
due, send_next = MAIL.due, MAIL.send_next


def send(*, code_id: int, now: dt.datetime) -> None:
    """Send one mail that is due. Safe to repeat."""
    MAIL.send(pk=code_id, now=now)
