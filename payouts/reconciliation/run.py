"""Statements, payouts and events against each other: earned, settled and pending must tell one story, to the cent.

Nothing is mended here: what differs becomes a discrepancy with both sides and its amounts, and one that no longer
differs is resolved. The walk goes by ranges of keys (documents, payees, events), so memory and every query stay
bounded; it may be broken off at any moment, and run as often as one likes.
"""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from audit import log
from documents import errors, money
from documents.alerts import discrepancies
from documents.models import Country, Discrepancy, Document, Event, Party
from payouts.calculation import footing
from payouts.issuing import settlements
from payouts.reconciliation.checks import BOOKS, COMPARISONS, RANGES, FindingCode

PREFIX = "reconciliation:"
RESOLUTION = "reconciliation finds no difference any more"
AT_ONCE = 50  # a payout of 1,500 orders has a content of half a megabyte
FINDINGS_MAX = 1000  # past it the books are a ruin, and a flood of alerts would hide why
FIGURES = (
    "earned",
    "settled",
    "pending",
    "announced",
    "overpaid",
    "paid",
    "adjustments",
    "withheld",
    "cash_collected",
    "printed",
    "carried",
    "difference",
)

Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class KeyRange:
    """One range of keys of one table, both ends in it."""

    over: str
    low: int
    high: int


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Two truths that differ. `key` names the same difference, with the same amounts, at every run."""

    code: FindingCode
    key: str
    country: str | None
    document_id: int | None
    event_id: int | None
    facts: Mapping[str, object]


@dataclass(kw_only=True)
class Summary:
    """What a whole walk came to. `books`: {(country, currency): {figure: minor units}}."""

    country: str | None = None
    documents: int = 0
    payees: int = 0
    events: int = 0
    findings: dict[str, int] = dataclasses.field(default_factory=dict)
    accepted: int = 0
    opened: int = 0
    resolved: int = 0
    truncated: bool = False
    books: dict[tuple[str, str], dict[str, int]] = dataclasses.field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Tell whether nothing differs, but for what a person has accepted."""
        return not self.findings

    def as_json(self) -> dict[str, object]:
        """Return the summary with amounts as text."""
        told: dict[str, object] = {"object": "reconciliation", "clean": self.clean}
        told |= {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        told["books"] = [
            {"country": country, "currency": currency}
            | {word: money.text(minor, money.digits(currency)) for word, minor in figures.items()}
            for (country, currency), figures in sorted(self.books.items())
        ]
        return told


def key_ranges() -> list[KeyRange]:
    """Return the walk: every key that there is now, range by range."""
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
    step: Callable[[str], None] = lambda over: None,  # noqa: ARG005 - nobody watches
) -> Summary:
    """Compare everything in the walk and bring the open discrepancies up to what it finds.

    What it finds is opened range by range; what no longer holds is resolved at the end, only by a walk that saw all.
    """
    summary, seen = Summary(country=country), set[str]()
    began_at = _clock()
    for key_range in walk:
        found = list(_SIGHTS[key_range.over](key_range=key_range, country=country, summary=summary))
        _open(found=found, seen=seen, summary=summary, actor=actor)
        step(key_range.over)
        if len(seen) >= FINDINGS_MAX:
            summary.truncated = True
            return summary
    summary.resolved = _resolve(seen=seen, began_at=began_at, country=country, now=now, actor=actor)
    return summary


# -- looking --


def _documents(*, key_range: KeyRange, country: str | None, summary: Summary) -> Iterator[Finding]:
    """Foot every document of a range."""
    rows = Document.objects.filter(pk__range=(key_range.low, key_range.high))
    if country is not None:
        rows = rows.filter(country_id=country)
    columns = ("pk", "kind", "number", "country_id", "currency", "total_minor", "content")
    for row in rows.order_by("pk").values(*columns).iterator(chunk_size=AT_ONCE):
        summary.documents += 1
        digits = money.digits(row["currency"])
        try:
            gaps = footing.gaps(
                kind=row["kind"], content=json.loads(row["content"]), total_minor=row["total_minor"], digits=digits
            )
        except (KeyError, errors.Problem) as error:
            yield _footed(row=row, facts={"law": f"unreadable: {type(error).__name__}"})
            continue
        for gap in gaps:
            yield _footed(
                row=row,
                facts={
                    "law": gap.law,
                    "currency": row["currency"],
                    "number": row["number"],
                    "stated_minor": gap.stated_minor,
                    "found_minor": gap.found_minor,
                    "difference_minor": gap.stated_minor - gap.found_minor,
                },
            )


def _footed(*, row: Record, facts: dict[str, object]) -> Finding:
    return _finding(
        code=FindingCode.DOCUMENT,
        row={
            "key": f"{row['number']}:{facts['law']}"[:150],
            "country_id": row["country_id"],
            "document_id": row["pk"],
            "event_id": None,
            "facts": facts,
        },
    )


def _payees(*, key_range: KeyRange, country: str | None, summary: Summary) -> Iterator[Finding]:
    """Balance the books of a range of payees, and compare what says who was paid for what."""
    for row in _ask(sql=BOOKS, key_range=key_range, country=country):
        summary.payees += 1
        settled = row["settled_minor"] - row.pop("included_minor")
        owed = row["settled_minor"] + row["adjustments_minor"] - row["withheld_minor"] - row["cash_collected_minor"]
        row["difference_minor"] = owed + row["printed_minor"] - row["carried_minor"] - row["paid_minor"]
        totals = summary.books.setdefault((row["country_id"], row["currency"]), dict.fromkeys(FIGURES, 0))
        for word in FIGURES:
            totals[word] += row[f"{word}_minor"]
        if row["difference_minor"] or settled:
            facts = {**row, "settled_apart_minor": settled}
            yield _finding(
                code=FindingCode.BOOKS,
                row={
                    "key": f"{row['payee']}:{row['issuer']}:{row['currency']}",
                    "country_id": facts.pop("country_id"),
                    "document_id": None,
                    "event_id": None,
                    "facts": facts,
                },
            )
    yield from _compared(key_range=key_range, country=country)


def _events(*, key_range: KeyRange, country: str | None, summary: Summary) -> Iterator[Finding]:
    """Compare what events told with the documents that they caused."""
    rows = Event.objects.filter(pk__range=(key_range.low, key_range.high))
    summary.events += (rows if country is None else rows.filter(country_code=country)).count()
    yield from _compared(key_range=key_range, country=country)


_SIGHTS: Mapping[str, Callable[..., Iterator[Finding]]] = {
    "documents": _documents,
    "payees": _payees,
    "events": _events,
}


def _compared(*, key_range: KeyRange, country: str | None) -> Iterator[Finding]:
    for comparison in COMPARISONS:
        if comparison.over == key_range.over:
            for row in _ask(sql=comparison.sql, key_range=key_range, country=country):
                yield _finding(code=comparison.code, row=row)


def _ask(*, sql: str, key_range: KeyRange, country: str | None) -> list[Record]:
    """Ask one comparison about one range."""
    with connection.cursor() as cursor:
        cursor.execute(sql, {"low": key_range.low, "high": key_range.high, "country": country})
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        if isinstance(row.get("facts"), str):  # Django reads jsonb as text for its own fields
            row["facts"] = json.loads(row["facts"])
    return rows


def _finding(*, code: FindingCode, row: Record) -> Finding:
    """Word a finding: amounts as text, and a key that changes when an amount does."""
    currency = row["facts"].get("currency")
    facts = {
        name.removesuffix("_minor"): money.text(value, money.digits(currency))
        if name.endswith("_minor") and value is not None
        else value
        for name, value in row["facts"].items()
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    key = f"{code}:{row['key']}" if code == FindingCode.PAID_TWICE else f"{PREFIX}{code}:{row['key']}:{digest}"
    return Finding(
        code=code,
        key=key,
        country=row["country_id"],
        document_id=row["document_id"],
        event_id=row["event_id"],
        facts=facts,
    )


# -- telling --


def _open(*, found: Sequence[Finding], seen: set[str], summary: Summary, actor: log.Actor) -> None:
    """Open what is new; what a person has resolved with these very amounts stays resolved."""
    with transaction.atomic():
        for finding in found:
            if finding.key in seen:
                continue
            seen.add(finding.key)
            if _accepted(finding):
                summary.accepted += 1
                continue
            summary.findings[finding.code] = summary.findings.get(finding.code, 0) + 1
            summary.opened += discrepancies.open_one(
                code=finding.code,
                dedup_key=finding.key,
                facts=finding.facts,
                document=Document.objects.defer("content").filter(pk=finding.document_id or 0).first(),
                event=Event.objects.defer("body").filter(pk=finding.event_id or 0).first(),
                country=Country.objects.filter(pk=finding.country).first(),
                actor=actor,
            )


def _accepted(finding: Finding) -> bool:
    """Tell whether a person has looked at these very figures and let them be."""
    last = Discrepancy.objects.filter(dedup_key=finding.key).order_by("-pk").first()
    if last is None or last.resolved_at is None or last.resolution in {RESOLUTION, settlements.RESOLUTION}:
        return False
    return finding.key.startswith(PREFIX) or last.facts == finding.facts  # the other keys do not hold the amounts


def _resolve(*, seen: set[str], began_at: dt.datetime, country: str | None, now: dt.datetime, actor: log.Actor) -> int:
    """Resolve what an earlier run opened and this one did not find; returns how many."""
    rows = Discrepancy.objects.filter(dedup_key__startswith=PREFIX, resolved_at=None, opened_at__lt=began_at)
    if country is not None:
        rows = rows.filter(country_id=country)
    gone = [key for key in rows.order_by("pk").values_list("dedup_key", flat=True) if key not in seen]
    for key in gone:
        with transaction.atomic():
            discrepancies.resolve(dedup_key=key, resolution=RESOLUTION, actor=actor, now=now)
    return len(gone)


def _clock() -> dt.datetime:
    """Return the database's own time, by which discrepancies are opened."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    return row[0]  # type: ignore[no-any-return]  # a SELECT without FROM has one row
