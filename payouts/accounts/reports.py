"""Trips that people miss: reported once for each form, and visible to them until somebody has answered."""

import datetime as dt
import hashlib
from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from audit import log
from audit.actions import Action
from documents import identifiers
from documents.countries import pack
from documents.models import Document, Party
from payouts.models import TripReport

ANSWERS = "acknowledge"  # the right to answer
OPEN_MAX = 20  # reports of one party that nobody has answered


def of(*, parties: Collection[int]) -> QuerySet[TripReport]:
    """Return the reports of these parties, those without an answer first, then the newest."""
    return TripReport.objects.filter(party__in=parties).order_by("-answered_at", "-pk")


def country_of(*, parties: Collection[int]) -> str:
    """Return the country whose staff answers: that of the last document, "" where there is none."""
    codes = Document.objects.filter(owner__in=parties).order_by("-pk").values_list("country_id", flat=True)
    return next(iter(codes[:1]), "")


def report(
    *, parties: Collection[int], trip: str, note: str, country: str, form: str, now: dt.datetime, actor: log.Actor
) -> bool:
    """Report a trip, once for each form; False where too many wait for an answer, or the country is none."""
    party = Party.objects.filter(pk__in=parties).order_by("pk").first()
    waiting = TripReport.objects.filter(party__in=parties, answered_at=None).count()
    if party is None or not trip or country not in pack.registry() or waiting >= OPEN_MAX:
        return False
    digest = hashlib.sha256(f"{party.pk}:{form}".encode()).hexdigest()
    public_id = identifiers.new(prefix="rep")
    columns = {"public_id": public_id, "party": party, "country_id": country, "trip": trip, "note": note}
    with transaction.atomic():
        _row, fresh = TripReport.objects.get_or_create(form_sha256=digest, defaults=columns | {"reported_at": now})
        if fresh:
            log.record(action=Action.REPORT_OPENED, object_type="tripreport", object_id=public_id, actor=actor)
    return True


def answer(*, report: TripReport, text: str, user: User, now: dt.datetime, actor: log.Actor) -> bool:
    """Answer a report; False where somebody has."""
    with transaction.atomic():
        open_ = TripReport.objects.filter(pk=report.pk, answered_at=None)
        if not open_.update(answer=text, answered_at=now, answered_by=user):
            return False
        log.record(action=Action.REPORT_ANSWERED, object_type="tripreport", object_id=report.public_id, actor=actor)
    return True
