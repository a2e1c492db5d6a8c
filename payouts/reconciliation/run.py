"""Reconciliation of statements, payouts and events: what was earned, settled and transferred agrees to the cent.

Nothing is corrected here. What differs becomes a discrepancy with both sides and its amounts, and a discrepancy whose
difference is gone is resolved. A run goes by ranges of keys (documents, payees, events), so memory and every query stay
bounded; it may be broken off at any moment and repeated at will.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import cast

from django.db import connection, transaction
from django.db.models import Max, Q

from audit import log
from documents.alerts import discrepancies
from documents.models import Country, Discrepancy, Document, Event, Party, Resolution
from payouts.reconciliation import findings
from payouts.reconciliation.checks import IN_VAIN, RANGES, FindingCode
from payouts.reconciliation.findings import PREFIX, Finding, KeyRange, Summary

FINDINGS_MAX = 1000  # so many have one cause, which a flood of alerts would hide


def key_ranges() -> list[KeyRange]:
    """Return the walk of a run: ranges of all keys that exist now."""
    ends = {
        "documents": Document.objects.aggregate(end=Max("pk"))["end"],
        "payees": Party.objects.aggregate(end=Max("pk"))["end"],
        "events": Event.objects.aggregate(end=Max("pk"))["end"],
    }
    return [
        KeyRange(over=over, low=low, high=low + width - 1)
        for over, width in RANGES.items()
        for low in range(1, (ends[over] or 0) + 1, width)
    ]


def run(
    *,
    walk: Sequence[KeyRange],
    now: dt.datetime,
    actor: log.Actor,
    country: str | None = None,
    step: Callable[[str], None] | None = None,
) -> Summary:
    """Compare everything in the walk, open what differs and resolve what no longer does.

    Discrepancies are opened range by range. They are resolved at the end, and only after a walk that saw everything.
    `step` is called after each range, with what was compared.
    """
    summary, seen = Summary(country=country), set[str]()
    began_at = _clock()
    for key_range in walk:
        differing = list(findings.find(key_range=key_range, country=country, summary=summary))
        _open(differing=differing, seen=seen, summary=summary, actor=actor)
        if step is not None:
            step(key_range.over)
        if len(seen) >= FINDINGS_MAX:
            summary.truncated = True
            return summary
    summary.resolved = _resolve(seen=seen, began_at=began_at, country=country, now=now, actor=actor)
    return summary


def _open(*, differing: Sequence[Finding], seen: set[str], summary: Summary, actor: log.Actor) -> None:
    """Open what is new; what a person has resolved with these very amounts stays resolved."""
    for finding in differing:
        if finding.key in seen:
            continue
        seen.add(finding.key)
        if _accepted(finding):
            summary.accepted += 1
            continue
        summary.findings[finding.code] = summary.findings.get(finding.code, 0) + 1
        document = Document.objects.defer("content").filter(pk=finding.document_id or 0).first()
        event = Event.objects.defer("body").filter(pk=finding.event_id or 0).first()
        country = Country.objects.filter(pk=finding.country).first()
        with transaction.atomic():  # one at a time: a walk locks nothing that an event may wait for
            summary.opened += discrepancies.open_one(
                code=finding.code,
                dedup_key=finding.key,
                facts=finding.facts,
                document=document,
                event=event,
                country=country,
                actor=actor,
            )


def _accepted(finding: Finding) -> bool:
    """Tell whether a person has resolved a discrepancy with these very amounts."""
    last = Discrepancy.objects.filter(dedup_key=finding.key).order_by("-pk").first()
    if last is None or last.resolved_at is None or last.resolution in Resolution.values:
        return False
    return finding.key.startswith(PREFIX) or last.facts == finding.facts  # the other keys do not hold the amounts


def _resolve(*, seen: set[str], began_at: dt.datetime, country: str | None, now: dt.datetime, actor: log.Actor) -> int:
    """Resolve what an earlier run opened and this one did not find; returns how many.

    And what a payout opened: a run that looked before money came back may have opened it again afterwards.
    """
    opened = Q(dedup_key__startswith=PREFIX) | Q(
        code__in=[FindingCode.PAID_TWICE, FindingCode.CASH, FindingCode.BALANCE, FindingCode.RETURNED_LESS, *IN_VAIN]
    )
    rows = Discrepancy.objects.filter(opened, resolved_at=None, opened_at__lt=began_at)
    if country is not None:
        rows = rows.filter(country_id=country)
    gone = [key for key in rows.order_by("pk").values_list("dedup_key", flat=True) if key not in seen]
    for key in gone:
        with transaction.atomic():
            discrepancies.resolve(dedup_key=key, resolution=Resolution.NO_DIFFERENCE, actor=actor, now=now)
    return len(gone)


def _clock() -> dt.datetime:
    """Return the database's own time, by which discrepancies are opened."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    return cast("dt.datetime", row[0])  # a SELECT without FROM has one row
