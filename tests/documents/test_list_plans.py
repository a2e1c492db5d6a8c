"""Somebody who looks for one document among a hundred thousand does not have PostgreSQL read them all."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from guardian.shortcuts import assign_perm

from config.embedded import services
from documents.admin import paging
from documents.models import Party
from tests import cast
from tests.documents import center, crowd
from tests.services import force

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "denials"])
ROWS = 100_000
ADMIN, API = f"{center.ADMIN}documents/document/", "/api/v1/documents/"
PAGE = 700  # rows read for a page, its count and what belongs to its rows: half of them are of another country
CAPPED = 2 * paging.COUNT_MAX + PAGE  # a count that ends at its cap
DIGEST = hashlib.sha256(b"f5000").hexdigest()

# TABLE: what a member of staff with half of the documents in her scope asks for -> how many rows may be read for it.
LISTS: list[tuple[dict[str, str], int]] = [
    ({}, CAPPED),
    ({"p": "20"}, CAPPED + 2 * 1000),
    ({"from": "2026-02-10", "to": "2026-02-10"}, 2 * PAGE),
    ({"from": "2026-02-01", "to": "2026-02-28"}, CAPPED),
    ({"from": "2030-01-01"}, 10),
    ({"issued": "7"}, 2 * 7 * 288 + PAGE),
    ({"view": "unpaid"}, 2 * PAGE),
    ({"view": "refund_failed"}, 2 * PAGE),
    ({"view": "stuck"}, PAGE),
    ({"view": "quarantine"}, PAGE),
    ({"status__exact": "ISSUED"}, PAGE),
    ({"kind__exact": "PAYOUT_STATEMENT"}, 10),
    ({"q": "doc_crowd500"}, 10),
    ({"q": "evt_500"}, 10),
    ({"q": "key:ORDER_FINAL_STATEMENT:order:ord_5000"}, 100),
    ({"q": "ORDER_FINAL_STATEMENT:order:ord_500:beneficiary"}, 10),
    ({"q": "AES-OFS-2026-00900"}, 500),
    ({"q": DIGEST}, 10),
    ({"q": DIGEST[:16]}, 10),
    ({"q": hashlib.sha256(b"c5000").hexdigest()}, 10),
    ({"q": "ord_500"}, 10),
    ({"q": "drv_crowd_77"}, 500),
    ({"q": "VC500"}, 10),
    ({"q": "nobody at all"}, 10),
]
# What a fleet with a tenth of all documents asks the API for.
PAGES: list[tuple[dict[str, str], int]] = [
    ({"limit": "100"}, 2 * 101),
    ({"limit": "100", "kind": "CREDIT_NOTE"}, ROWS // 10),  # it has none: all of its own are read, nobody else's
    ({"limit": "100", "issued_before": "2026-02-10T00:00:00Z"}, 15 * 100),
    ({"limit": "100", "issued_after": "2026-02-10T00:00:00Z", "issued_before": "2026-02-10T12:00:00Z"}, 15 * 100),
    ({"number": "AES-OFS-2026-0090000"}, 10),
    ({"document_key": "ORDER_FINAL_STATEMENT:order:ord_500:beneficiary"}, 10),
]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each step of a plan."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def read(sql: str) -> int:
    """Run a query once more and return how many rows of documents were read for it."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        [(found,)] = cursor.fetchall()
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    seen = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    steps = [one for one in nodes(plan) if one.get("Relation Name") == "documents_document"]
    return int(sum(sum(one.get(name, 0) for name in seen) * one["Actual Loops"] for one in steps))


def cost(*, browser: Client, path: str, query: dict[str, str]) -> tuple[int, Any]:
    """Return how many rows an answer had PostgreSQL read, and the answer."""
    with CaptureQueriesContext(connection) as asked:
        answer = browser.get(path, query)
    assert answer.status_code in {200, 302}
    queries = [one["sql"] for one in asked if one["sql"].startswith("SELECT") and '"documents_document"' in one["sql"]]
    assert queries
    return sum(map(read, queries)), answer


def test_among_a_hundred_thousand_documents_each_filter_and_search_reads_only_what_it_may_show(
    stack: services.Stack,
) -> None:
    crowd.pour(stack=stack, rows=ROWS)
    staff = center.client(member=center.staff(roles=["finance"], countries=["ES"], name="plans"))
    fleet = cast.staff(name="fleet", roles=["partner"], countries=[])
    with force.by_force():
        assign_perm("documents.own_party", fleet.user, Party.objects.get(platform_id=crowd.FLEET))
    owner = center.client(member=fleet)
    for path, browser, table in ((ADMIN, staff, LISTS), (API, owner, PAGES)):
        taken = {json.dumps(query): (cost(browser=browser, path=path, query=query)[0], most) for query, most in table}
        assert {query: spent for query, spent in taken.items() if spent[0] > spent[1]} == {}
    walked, query = [], {"limit": "100"}
    for _ in range(5):
        spent, answer = cost(browser=owner, path=API, query=query)
        walked.append(spent)
        query["cursor"] = answer.json()["next_cursor"]
    assert max(walked) <= 2 * 101  # in the index of its own documents, from where the last page ended
