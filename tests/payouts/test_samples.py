"""The worked samples come out as expected, whatever the order of arrival and however often."""

import json
import random
from typing import Any

import pytest

from documents import presentation
from documents.models import Document, Event, EventStatus
from tests.payouts import telling

EXPECTED = json.loads((telling.SAMPLES / "expected.json").read_text(encoding="utf-8"))
NAMES = ("es_ride", "mx_week", "co_food", "co_refund")


def _orders(events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the events as given, reversed, shuffled and each three times."""
    shuffled = [*events, *events, *events]
    random.Random(7).shuffle(shuffled)
    return [events, events[::-1], shuffled, [event for event in events for _ in range(3)]]


@pytest.mark.django_db
@pytest.mark.parametrize("way", range(4), ids=["given", "reversed", "shuffled three times", "each three times"])
@pytest.mark.parametrize("name", NAMES)
def test_a_sample_gives_its_expected_documents_in_any_order_and_repeated(name: str, way: int) -> None:
    telling.issuers()
    telling.told(_orders(telling.sample(name))[way])
    expected = EXPECTED[name]["documents"]
    assert {row["document_key"] for row in expected} == set(Document.objects.values_list("document_key_id", flat=True))
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()
    for row in expected:
        _compare(row=row, document=telling.document(row["document_key"]))


def _compare(*, row: dict[str, Any], document: Document) -> None:
    """Compare a document with what the sample expects of it."""
    shown = presentation.document(document=document)
    content = json.loads(document.content)
    for field in ("kind", "owner", "total", "payout_status", "payout_status_at_issue", "corrects", "document_key"):
        if field in row:
            assert shown[field] == row[field], field
    for field in ("tax", "included", "adjustments", "withheld", "cash_collected"):
        if field in row:
            assert content["totals"][field] == row[field], field
    if "settles" in row:
        assert [item["order"] for item in content["settles"]] == row["settles"]
    if "retain_until" in row:
        assert document.retain_until.isoformat() == row["retain_until"]
    if "remaining_creditable" in row:
        for one in (document, telling.document(row["corrects"])):
            assert presentation.document(document=one)["remaining_creditable"] == row["remaining_creditable"]
