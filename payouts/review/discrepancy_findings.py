"""The findings about a discrepancy: its two sides, and the values that its sentence names."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from documents import errors, money
from documents.alerts import discrepancies, discrepancy_catalog
from documents.countries import pack
from documents.models import Discrepancy, Document, Event, Kind
from payouts.calculation import amounts, totals

Facts = Mapping[str, Any]


def sides(*, gap: Discrepancy) -> tuple[object, object]:
    """Return what was expected and what came, as texts; None where the facts have no amounts."""
    if gap.code == "divergent_repeat" and gap.document is not None and gap.event is not None:
        content = json.loads(gap.document.content)
        stated = _stated_total(event=gap.event, document=gap.document)
        stated = stated or _computed_total(event=gap.event, document=gap.document)
        return content["totals"].get(_total_of(content)), stated
    row = discrepancy_catalog.DISCREPANCIES.get(gap.code)
    first, other = row.sides if row else ("", "")
    return gap.facts.get(first), gap.facts.get(other)


def values(*, gap: Discrepancy) -> dict[str, Any]:
    """Return what a discrepancy's sentence may name: its facts, and what comes of comparing both records."""
    if gap.code == "divergent_repeat":
        first = Event.objects.filter(documents=gap.document).first() if gap.document else None
        places = list(_changed(_body(first), _body(gap.event)))
        return {**gap.facts, **({"cause": "changed", "places": places} if places else {})}
    if gap.code == "reconciliation_difference":
        stated = gap.facts.get(
            "opening_stated", gap.facts.get("opening_told")
        )  # the latter in rows of an earlier version
        return {**gap.facts, **({"cause": "opening"} if stated != gap.facts.get("opening_printed") else {})}
    if gap.code == "event_and_document_differ":
        return {**gap.facts, "field": str(gap.facts.get("field", "")).strip("{}").replace(",", "/")}
    return dict(gap.facts)


def _total_of(content: Facts) -> str:
    return next(name for name in ("gross", "payable", "amount") if name in content["totals"])


def _body(event: Event | None) -> Facts:
    try:
        payload = json.loads(bytes((event.body if event else None) or b"{}"))
    except ValueError:
        return {}
    data = payload.get("data") if isinstance(payload, dict) else None
    return data if isinstance(data, dict) else {}


def _stated_total(*, event: Event, document: Document) -> object:
    """Return the total that an event states for a document's owner, where it states one."""
    data = _body(event)
    if document.kind == Kind.ORDER_FINAL_STATEMENT and document.audience == "partner":
        stated_totals = data.get("totals")
        return stated_totals.get("partner_payable") if isinstance(stated_totals, dict) else None
    stated = discrepancies.stated_total(payload={"data": data})
    return stated[0] if stated else None


def _computed_total(*, event: Event, document: Document) -> str | None:
    """Return what the lines of a repeated order event come to, at the rates of the document's day."""
    if document.kind != Kind.ORDER_FINAL_STATEMENT:
        return None
    data, digits = _body(event), money.digits(document.currency)
    try:
        lines = amounts.read_lines(lines=data.get("lines", ()), digits=digits, party=document.audience)
        codes = [code for line in lines for code in amounts.split(line.tax)]
        rates = pack.required(document.country_id).rates_on(codes=codes, date=document.operation_date)
        withheld = data.get("withholdings", ()) if document.audience == "beneficiary" else ()
        withholdings = amounts.read_withholdings(withholdings=withheld, digits=digits)
        sums = totals.order_statement(
            lines=lines, rates=rates, prices=data.get("prices", "net"), withholdings=withholdings
        )
    except errors.Problem:
        return None
    return money.text(sums.totals["payable"], digits)


def _changed(first: object, other: object, path: str = "") -> Iterator[str]:
    """Yield the places at which two JSON values differ."""
    if isinstance(first, dict) and isinstance(other, dict):
        for key in sorted({*first, *other}):
            yield from _changed(first.get(key), other.get(key), f"{path}/{key}")
    elif isinstance(first, list) and isinstance(other, list) and len(first) == len(other):
        for place, (left, right) in enumerate(zip(first, other, strict=True)):
            yield from _changed(left, right, f"{path}/{place}")
    elif first != other:
        yield path or "/"
