"""The personal details of the log are erased once they are old: addresses, agents, names and reasons. The rest stays.

The sealed leaf holds a digest of them, so no proof breaks. What a matter is about keeps its details until its end.
Only the owner's connection may erase: what serves requests cannot.
"""

import datetime as dt
from collections.abc import Iterator

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from audit import log
from audit.models import EventDetail
from documents.custody import legal_holds
from documents.models import Delivery, Document, HoldScope, HoldState, LegalHold, Link

OWNER = "owner"
BATCH = 500  # details of one transaction; each is an event of the log
GROUND = "details_expired"  # sealed with each erasure


def due(*, now: dt.datetime) -> QuerySet[EventDetail]:
    """Return the details that are older than AUDIT_DETAILS_DAYS and that no matter is about."""
    before = now - dt.timedelta(days=settings.AUDIT_DETAILS_DAYS)
    return EventDetail.objects.using(OWNER).filter(~_of_a_matter(), event__at__lt=before)


def erase(*, now: dt.datetime, actor: log.Actor) -> Iterator[int]:
    """Erase what is due, oldest first; yield how many each transaction has erased. Safe to break off and repeat.

    :raises log.AuditUnavailable: this connection may not erase
    """
    last = 0
    while batch := list(
        due(now=now).filter(event_id__gt=last).order_by("event_id").values_list("event_id", flat=True)[:BATCH]
    ):
        last = batch[-1]
        yield log.erase(event_ids=batch, actor=actor, reason=GROUND, using=OWNER)


def _of_a_matter() -> Q:
    """Return the condition of details about a matter, or about what one holds: documents, their parties and mails."""
    about, held = OuterRef("event__object_id"), Document.objects.filter(legal_holds.is_held())
    live = HoldScope.objects.exclude(hold__state=HoldState.RELEASED)
    sent = [model.objects.filter(public_id=about, document__in=held.values("pk")) for model in (Delivery, Link)]
    return (
        Q(Exists(held.filter(public_id=about)))
        | Q(Exists(held.filter(event__public_id=about)))
        | Q(Exists(held.filter(owner__public_id=about)))
        | Q(Exists(live.filter(party__public_id=about)))
        | Q(Exists(LegalHold.objects.exclude(state=HoldState.RELEASED).filter(public_id=about)))
        | Q(Exists(sent[0]))
        | Q(Exists(sent[1]))
    )
