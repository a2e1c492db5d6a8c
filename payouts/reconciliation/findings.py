"""What differs: the documents, payees and events of one range of keys, each compared with what it has to agree with."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from documents import errors, money
from documents.models import Document, Event
from payouts.calculation import footing
from payouts.issuing import balances, cash, paid_in_vain, returned_less
from payouts.models import Payout
from payouts.reconciliation.checks import BOOKS, COMPARISONS, FindingCode

PREFIX = "reconciliation:"
AT_ONCE = 50  # a payout of 1,500 orders has a content of half a megabyte
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
    """A difference. `key` names the same difference, with the same amounts, at every run."""

    code: FindingCode
    key: str
    country: str | None
    document_id: int | None
    event_id: int | None
    facts: Mapping[str, object]


@dataclass(kw_only=True)
class Summary:
    """The result of a whole run. `books`: {(country, currency): {figure: minor units}}."""

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
        summary: dict[str, object] = {"object": "reconciliation", "clean": self.clean}
        summary |= {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        summary["books"] = [
            {"country": country, "currency": currency}
            | {word: money.text(minor, money.digits(currency)) for word, minor in figures.items()}
            for (country, currency), figures in sorted(self.books.items())
        ]
        return summary


def find(*, key_range: KeyRange, country: str | None, summary: Summary) -> Iterator[Finding]:
    """Compare everything in a range and yield what differs; counts and books are added to the summary."""
    return _COMPARED[key_range.over](key_range=key_range, country=country, summary=summary)


def _documents(*, key_range: KeyRange, country: str | None, summary: Summary) -> Iterator[Finding]:
    """Add up every document of a range again."""
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
            yield _footed(row=row, facts={"law": "unreadable", "error": type(error).__name__})
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
    """Balance the books of a range of payees, and compare the settlements, payouts and statements behind them."""
    payouts = Payout.objects.filter(payee__gte=key_range.low, payee__lte=key_range.high)
    if country is not None:
        payouts = payouts.filter(country=country)
    carried: dict[tuple[str, str, str], int] = {}
    broken: list[Finding] = []
    for chain, left_minor, breaks in balances.chains_of(payouts=payouts):
        carried[(chain.payee.platform_id, chain.issuer.slug, chain.currency)] = left_minor
        broken += [_broken(item=item, chain=chain) for item in breaks]
    for row in _query(sql=BOOKS, key_range=key_range, country=country):
        row["carried_minor"] = carried.get((row["payee"], row["issuer"], row["currency"]), 0)
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
    yield from _differing(key_range=key_range, country=country)
    yield from _cash(key_range=key_range, country=country)
    yield from _in_vain(key_range=key_range, country=country)
    yield from _returned_less(key_range=key_range, country=country)
    yield from broken


def _broken(*, item: balances.BalanceBreak, chain: balances.Chain) -> Finding:
    """Return where a chain of balances breaks, by the rule of intake itself."""
    return Finding(
        code=FindingCode.BALANCE,
        key=item.dedup_key,
        country=item.statement.country_id if item.statement else chain.issuer.country_id,
        document_id=item.statement.pk if item.statement else None,
        event_id=None,
        facts=item.facts,
    )


def _cash(*, key_range: KeyRange, country: str | None) -> Iterator[Finding]:
    """Compare the cash of a range of payees' payouts in effect with their orders', by the rule of intake itself."""
    payouts = Payout.objects.filter(payee__gte=key_range.low, payee__lte=key_range.high, returned_at=None)
    if country is not None:
        payouts = payouts.filter(country=country)
    for gap in cash.gaps(payouts=list(payouts.values_list("pk", flat=True))):
        yield Finding(
            code=FindingCode.CASH,
            key=gap.dedup_key,
            country=gap.payout.country_id,
            document_id=gap.payout.statement_id,
            event_id=None,
            facts=gap.facts,
        )


def _in_vain(*, key_range: KeyRange, country: str | None) -> Iterator[Finding]:
    """Return what a range of payees was paid for orders that were taken back, by the rule of intake itself."""
    for paid in paid_in_vain.of_owners(low=key_range.low, high=key_range.high, country=country):
        if paid.over:
            yield Finding(
                code=FindingCode(paid.code),
                key=paid.dedup_key(code=paid.code),
                country=paid.document.country_id,
                document_id=paid.document.pk,
                event_id=None,
                facts=paid.facts,
            )


def _returned_less(*, key_range: KeyRange, country: str | None) -> Iterator[Finding]:
    """Return what did not come back of the payouts of a range of payees, by the rule of intake itself."""
    for missing in returned_less.of_owners(low=key_range.low, high=key_range.high, country=country):
        yield Finding(
            code=FindingCode.RETURNED_LESS,
            key=missing.dedup_key,
            country=missing.notice.country_id,
            document_id=missing.notice.pk,
            event_id=None,
            facts=missing.facts,
        )


def _events(*, key_range: KeyRange, country: str | None, summary: Summary) -> Iterator[Finding]:
    """Compare what events state with the documents that they caused."""
    rows = Event.objects.filter(pk__range=(key_range.low, key_range.high))
    summary.events += (rows if country is None else rows.filter(country_code=country)).count()
    yield from _differing(key_range=key_range, country=country)


_COMPARED: Mapping[str, Callable[..., Iterator[Finding]]] = {
    "documents": _documents,
    "payees": _payees,
    "events": _events,
}


def _differing(*, key_range: KeyRange, country: str | None) -> Iterator[Finding]:
    for comparison in COMPARISONS:
        if comparison.over == key_range.over:
            for row in _query(sql=comparison.sql, key_range=key_range, country=country):
                yield _finding(code=comparison.code, row=row)


def _query(*, sql: str, key_range: KeyRange, country: str | None) -> list[Record]:
    """Return the rows of one comparison for one range."""
    with connection.cursor() as cursor:
        cursor.execute(sql, {"low": key_range.low, "high": key_range.high, "country": country})
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        if isinstance(row.get("facts"), str):  # Django reads jsonb as text for its own fields
            row["facts"] = json.loads(row["facts"])
    return rows


def _finding(*, code: FindingCode, row: Record) -> Finding:
    """Return a finding: its amounts as text, and a key that changes when an amount does."""
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
