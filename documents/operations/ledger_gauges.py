"""The gauges of what a deployment owes its auditors: series, backups, differences of money, and who is at work."""

import datetime as dt
import decimal

from django.db.models import Exists, F, FloatField, Max, Min, OuterRef
from django.db.models.functions import Cast
from django.utils import timezone
from prometheus_client import Metric

from audit.actions import Action
from audit.models import Event as LogEvent
from documents.alerts import discrepancy_catalog
from documents.countries import pack
from documents.events import outcomes
from documents.models import Discrepancy, Event, Issuer, Series
from documents.operations import heartbeats
from documents.operations.families import gauge

BACKUPS = "backups"  # the object of the log's events about them
KINDS = {"taken": Action.BACKUP_TAKEN, "restored": Action.BACKUP_RESTORED}
AGES_MAX_S = {"taken": 26 * 3600.0, "restored": 100 * 86_400.0}  # as in ops/alerts.yml
HELD_GAP = "payout_does_not_close"


def read() -> list[Metric]:
    """Read them."""
    lives = heartbeats.lives()
    return [
        gauge(
            name="docs_processes_hosts",
            text="Hosts with a living process of a role",
            rows={role.value: len(lives.living.get(role, ())) for role in heartbeats.ProcessRole},
            label="role",
        ),
        gauge(
            name="docs_silent_hosts",
            text="Hosts whose processes of a role died without a word",
            rows={role.value: len(lives.silent.get(role, ())) for role in heartbeats.ProcessRole},
            label="role",
        ),
        gauge(
            name="docs_series_used_ratio",
            text="Share of its authorised range that the fullest series has given; 0 where none has a range",
            rows={"": _fullest(now=timezone.now())},
        ),
        gauge(
            name="docs_backup_age_s",
            text="Age of the last backup, and of the last drill of a restore, s; without one, of the deployment",
            rows=_backups(),
            label="what",
        ),
        gauge(
            name="docs_unexplained_money",
            text="Differences that nobody has explained yet, in units of the country's currency",
            rows=_unexplained(),
            label="country",
        ),
    ]


def _fullest(*, now: dt.datetime) -> float:
    """Return the largest share of a range that a series of this year has given, of those that no other follows."""
    given = Cast(F("next") - F("first"), FloatField()) / Cast(F("last") - F("first") + 1, FloatField())
    later = Series.objects.filter(
        issuer=OuterRef("issuer"), kind=OuterRef("kind"), year=OuterRef("year"), part__gt=OuterRef("part")
    )
    ranged = Series.objects.filter(~Exists(later), last__isnull=False, year__gte=now.year)
    return float(ranged.annotate(given=given).aggregate(most=Max("given"))["most"] or 0.0)


def last_backup(*, what: str) -> LogEvent | None:
    """Return the event of the last backup that was `taken`, or that was `restored` in a drill."""
    return LogEvent.objects.filter(object_id=BACKUPS, action=KINDS[what]).order_by("-at").first()


def _backups() -> dict[str, float]:
    lasts = {what: last_backup(what=what) for what in KINDS}
    began = Issuer.objects.aggregate(first=Min("added_at"))["first"]
    now = timezone.now()
    return {what: (now - (last.at if last else began or now)).total_seconds() for what, last in lasts.items()}


def _unexplained() -> dict[str, float]:
    """Add up what the sides of open discrepancies differ by, and what held payouts do not close by, by country."""
    sums = dict.fromkeys(pack.registry(), decimal.Decimal())
    rows = Discrepancy.objects.filter(resolved_at=None).values_list("country_id", "code", "facts")
    for country, code, facts in rows.iterator():
        row = discrepancy_catalog.DISCREPANCIES.get(code)
        if country in sums and row is not None and all(side in facts for side in row.sides):
            sums[country] += abs(_amount(facts[row.sides[0]]) - _amount(facts[row.sides[1]]))
    held = Event.objects.filter(outcomes.for_a_person(), code=HELD_GAP).values_list("country_code", "errors")
    for country, faults in held.iterator():
        if country in sums and faults:
            sums[country] += abs(_amount(faults[0].get("values", {}).get("difference", "0")))
    return {country: float(amount) for country, amount in sums.items()}


def _amount(text: object) -> decimal.Decimal:
    """Return an amount as it was stated; what is none counts nothing."""
    try:
        return decimal.Decimal(str(text))
    except decimal.InvalidOperation:
        return decimal.Decimal()
