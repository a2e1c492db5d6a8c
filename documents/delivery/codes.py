"""Codes by mail: six figures that open a link for whoever reads the mailbox on file.

A code is worked out from the notice that brings it and is never stored: a mail written again after a crash is the same.
"""

import datetime as dt

from django.db.models import QuerySet

from documents.delivery import keyed
from documents.models import Link, Notice

FIGURES = 6
LIFE = dt.timedelta(minutes=10)
PAUSE = dt.timedelta(minutes=1)  # who asks twice within it gets one
PERIOD, PERIOD_MAX = dt.timedelta(hours=1), 5  # mails for one link, whoever asks


def code(*, notice: Notice) -> str:
    """Return the code that a notice brings."""
    return keyed.figures(secret=keyed.digest(text=f"code:{notice.public_id}"), count=FIGURES)


def valid(*, link: Link, now: dt.datetime) -> QuerySet[Notice]:
    """Return the notices whose codes open a link now: each code once, for ten minutes."""
    asked = Notice.objects.filter(link=link, queued_at__gt=now - LIFE).order_by("-pk")
    return asked if link.code_used_at is None else asked.filter(queued_at__gt=link.code_used_at)


def answers(*, link: Link, given: str, now: dt.datetime) -> bool:
    """Tell whether an answer is a code that opens the link now."""
    valid_now = [f"code:{notice.public_id}" for notice in valid(link=link, now=now)]
    right = [keyed.is_code(given=given, text=text, count=FIGURES) for text in valid_now]
    return any(right)


def may_ask(*, link: Link, now: dt.datetime) -> bool:
    """Tell whether another code may be mailed: not twice a minute, nor more than five times an hour."""
    lately = Notice.objects.filter(link=link, queued_at__gt=now - PERIOD)
    return not lately.filter(queued_at__gt=now - PAUSE).exists() and lately.count() < PERIOD_MAX
