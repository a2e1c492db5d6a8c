"""The work list of finance: held events, events parked for too long, and open discrepancies; oldest first.

Each item says what was expected, what came, the difference, and what is wrong; a page writes its sentences.
"""

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from django.conf import settings
from django.db import DatabaseError
from django.db.models import QuerySet

from documents.alerts import discrepancies
from documents.emission import valve
from documents.events import outcomes
from documents.models import Alert, Discrepancy, Document, Event, EventStatus
from payouts.models import ApprovalState, DifferenceApproval
from payouts.review import difference_approval, discrepancy_findings, dismissal, event_findings, retrying
from payouts.review.event_findings import Amounts, minor

logger = logging.getLogger(__name__)
Read = TypeVar("Read")

EACH_MAX = 200  # of each kind, the oldest; nobody works through a longer list
KINDS = ("held", "parked", "divergent", "paid_twice", "other")
_CODES = {"divergent": ("divergent_repeat",), "paid_twice": ("paid_twice",)}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One item of the list: an event, or a discrepancy with its document or event."""

    kind: str
    code: str
    since: dt.datetime
    owner: str = ""
    subject: str = ""
    country: str = ""
    amounts: Amounts = field(default_factory=Amounts)
    findings: Sequence[event_findings.StoredFault] = ()
    event: Event | None = None
    discrepancy: Discrepancy | None = None
    document: Document | None = None
    approvable: bool = False
    approvable_from: dt.datetime | None = None
    dismissible: bool = False
    retriable: bool = False
    request: DifferenceApproval | None = None
    alert: Alert | None = None

    @property
    def incident(self) -> str:
        """Return the key under which the item's alert was opened."""
        if self.discrepancy is not None:
            return discrepancies.alert_key(row=self.discrepancy)
        return f"event:{self.event.public_id}" if self.event else ""


def items(*, countries: Sequence[str] | None, now: dt.datetime, kind: str = "") -> list[Item]:
    """Return the items of these countries (None: of all), of one kind or of all."""
    listed: list[Item] = []
    for each_kind in (kind,) if kind in KINDS else KINDS:
        rows = _rows(kind=each_kind, countries=countries, now=now)[:EACH_MAX]
        listed += [of_event(row, now=now) if isinstance(row, Event) else of_discrepancy(row) for row in rows]
    listed.sort(key=lambda item: (item.since, item.incident))
    return with_people(listed)


def counts(*, countries: Sequence[str] | None, now: dt.datetime) -> dict[str, int]:
    """Count each kind, up to EACH_MAX + 1."""
    return {kind: _rows(kind=kind, countries=countries, now=now).order_by()[: EACH_MAX + 1].count() for kind in KINDS}


def _rows(*, kind: str, countries: Sequence[str] | None, now: dt.datetime) -> QuerySet[Any]:
    """Return one kind's rows, oldest first."""
    if kind in {"held", "parked"}:
        events = Event.objects.order_by("pk")
        if countries is not None:
            events = events.filter(country_code__in=countries)
        if kind == "held":  # those of a paused issuer wait for one decision, on its own page
            return events.filter(outcomes.for_a_person()).exclude(code=valve.PAUSED)
        return events.filter(outcomes.too_long(now=now, limit_s=settings.PARKED_LIMIT_S))
    gaps = Discrepancy.objects.filter(resolved_at=None).select_related("document__owner", "event").order_by("pk")
    if countries is not None:
        gaps = gaps.filter(country__in=countries)
    if kind in _CODES:
        return gaps.filter(code__in=_CODES[kind])
    return gaps.exclude(code__in=[code for codes in _CODES.values() for code in codes])


def with_people(listed: list[Item]) -> list[Item]:
    """Add who requested to issue a payout with its difference, and whose alert it is, in two queries."""
    events = [item.event.public_id for item in listed if item.event and item.discrepancy is None]
    asked = {
        row.event_id: row
        for row in DifferenceApproval.objects.filter(
            event__public_id__in=events, state=ApprovalState.REQUESTED
        ).select_related("requested_by")
    }
    alerts = {
        row.dedup_key: row
        for row in Alert.objects.filter(
            dedup_key__in=[item.incident for item in listed], resolved_at=None
        ).select_related("acknowledged_by")
    }
    return [
        replace(
            item,
            request=asked.get(item.event.public_id) if item.event and item.discrepancy is None else None,
            alert=alerts.get(item.incident),
        )
        for item in listed
    ]


def _read(read: Callable[[], Read], *, nothing: Read, about: str) -> Read:
    """Return what a reader of one item returns, or `nothing`: an item that cannot be read never hides the others."""
    try:
        return read()
    except DatabaseError:
        raise
    except Exception:
        logger.exception("worklist.item_not_read", extra={"item": about})
        return nothing


# -- events --


def of_event(event: Event, *, now: dt.datetime) -> Item:
    """Return the item of a held or parked event."""
    data = event_findings.event_data(event=event)
    parked = event.status == EventStatus.PARKED
    unread: tuple[Amounts, list[event_findings.StoredFault]] = (Amounts(), [])
    amounts, findings = _read(
        lambda: event_findings.explain(event=event, data=data), nothing=unread, about=event.public_id
    )
    return Item(
        kind="parked" if parked else "held",
        code=outcomes.PARKED_TOO_LONG if parked else event.code,
        since=event.received_at,
        owner=event_findings.owner(data),
        subject=event.subject,
        country=event.country_code,
        amounts=amounts,
        findings=findings,
        event=event,
        approvable=difference_approval.can_approve(event=event, now=now),
        approvable_from=difference_approval.approvable_from(event=event),
        dismissible=dismissal.can_dismiss(event=event, now=now) and not getattr(event, "dismissed", False),
        retriable=retrying.can_retry(event=event),
    )


# -- discrepancies --


def of_discrepancy(gap: Discrepancy) -> Item:
    """Return the item of an open discrepancy."""
    document = gap.document
    neither: tuple[object, object] = (None, None)
    first, other = _read(lambda: discrepancy_findings.sides(gap=gap), nothing=neither, about=gap.public_id)
    currency = str(gap.facts.get("currency") or (document.currency if document else ""))
    expected, actual = minor(first, currency), minor(other, currency)
    difference = minor(gap.facts.get("difference"), currency)
    if difference is None and expected is not None and actual is not None:
        difference = actual - expected
    owner = document.owner.platform_id if document else str(gap.facts.get("payee", ""))
    kind = next((kind for kind, codes in _CODES.items() if gap.code in codes), "other")
    return Item(
        kind=kind,
        code=gap.code,
        since=gap.opened_at,
        owner=owner,
        subject=document.number if document else gap.event.subject if gap.event else "",
        country=gap.country_id or "",
        amounts=Amounts(currency=currency, expected_minor=expected, actual_minor=actual, difference_minor=difference),
        findings=_read(lambda: _findings(gap), nothing=[], about=gap.public_id),
        event=gap.event,
        discrepancy=gap,
        document=document,
    )


def _findings(gap: Discrepancy) -> list[event_findings.StoredFault]:
    return [{"code": gap.code, "values": discrepancy_findings.values(gap=gap)}]
