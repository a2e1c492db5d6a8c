"""What is kept until when is counted by the day in the country's own zone."""

import datetime as dt
import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from documents.custody import retention
from documents.models import Document, Kind
from tests import factories
from tests.documents.officers import Officers

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
DAY = dt.timedelta(days=1)


@pytest.fixture
def documents(db: None, vault_folder: object) -> list[Document]:
    """Two of Spain of 2026, one of them a receipt, and one of Mexico."""
    mexican = factories.issuer(slug="aventide-mx", code="AMX", country_code="MX")
    return [
        factories.document(),
        factories.document(kind=Kind.PAYMENT_RECEIPT),
        factories.document(issued_by=mexican),
    ]


def said(**options: Any) -> str:
    out = io.StringIO()
    call_command("retention_report", stdout=out, **options)
    return out.getvalue()


def test_a_document_has_expired_when_its_last_day_is_over_where_its_law_is(documents: list[Document]) -> None:
    mexican = documents[2]
    # Mexico City is six hours behind UTC, all the year.
    ends = dt.datetime.combine(mexican.retain_until + DAY, dt.time(6), tzinfo=dt.UTC)
    moments = (ends - dt.timedelta(seconds=1), ends)
    seen = [
        [(row.expired, row.due) for row in retention.report(now=moment, within=DAY) if row.country == "MX"]
        for moment in moments
    ]
    assert seen == [[(False, True)], [(True, False)]]
    assert [row.due for row in retention.report(now=ends - 2 * DAY, within=DAY) if row.country == "MX"] == [False]


def test_the_report_counts_by_country_kind_year_and_day_and_what_is_on_hold(documents: list[Document]) -> None:
    statement, receipt, mexican = documents
    factories.document()
    Officers().hold(statement)
    rows = [
        (row.country, row.kind, row.issue_year, row.retain_until, row.documents, row.on_hold)
        for row in retention.report(now=factories.NOW, within=DAY)
    ]
    year = factories.NOW.year
    assert rows == [
        ("ES", "ORDER_FINAL_STATEMENT", year, statement.retain_until, 2, 1),
        ("ES", "PAYMENT_RECEIPT", year, receipt.retain_until, 1, 0),
        ("MX", "ORDER_FINAL_STATEMENT", year, mexican.retain_until, 1, 0),
    ]


def test_the_command_says_it_to_people_and_to_programs(documents: list[Document]) -> None:
    Officers().hold(documents[1])
    text = said()
    assert "3 documentos · documents: 0 vencidos · expired, 0 vencen en 90 días" in text
    assert f"→ {documents[1].retain_until}         1  1 legal hold" in text
    report = json.loads(said(json=True, within=36_500))
    assert {name: report[name] for name in ("documents", "expired", "due", "on_hold", "within_days")} == {
        "documents": 3,
        "expired": 0,
        "due": 3,
        "on_hold": 1,
        "within_days": 36_500,
    }
    assert report["rows"][0]["retain_until"] == documents[0].retain_until.isoformat()
    for wrong in (-1, 36_501):
        with pytest.raises(CommandError, match="--within is 0 to"):
            said(within=wrong)
