"""The list of documents over HTTP: few queries however long the page, nothing kept by a cache, nothing changed."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client import REGISTRY

from documents import presentation
from documents.models import Document, Kind, Status
from tests import cast, factories
from tests.documents import center
from tests.payouts import telling
from tests.services import force

pytestmark = pytest.mark.django_db
LIST = "/api/v1/documents/"
UNSAFE = ["put", "patch", "delete"]


@pytest.fixture
def browser() -> Client:
    """Somebody of finance who may see every market."""
    return center.client(member=center.staff(roles=["finance"], countries=["ES", "MX", "CO"], name="api"))


def many(*, count: int) -> None:
    """Issue receipts and statements of one owner."""
    owner = factories.party(platform_id="drv_many")
    for number in range(count):
        kind = Kind.PAYMENT_RECEIPT if number % 2 else Kind.ORDER_FINAL_STATEMENT
        factories.document(kind=kind, owner=owner, status=Status.ISSUED)


def asked(browser: Client, *, limit: int) -> tuple[int, int]:
    """Return how many documents a page holds and how many queries it took."""
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get(LIST, {"limit": str(limit)})
    assert answer.status_code == 200
    return len(answer.json()["data"]), len(queries)


def test_a_page_of_a_hundred_takes_no_more_queries_than_a_page_of_five(browser: Client) -> None:
    telling.issuers()
    telling.told([*telling.sample("es_ride"), *telling.sample("co_refund"), *telling.sample("mx_week")])
    many(count=101 - Document.objects.count())
    small, few = asked(browser, limit=5)
    large, queries = asked(browser, limit=100)
    assert (small, large) == (5, 100)
    assert queries <= 12
    assert queries <= few + 1  # a page without payout statements need not ask what they settle


def test_a_page_says_of_each_document_what_the_document_says_of_itself(browser: Client) -> None:
    telling.issuers()
    telling.told([*telling.sample("es_ride"), *telling.sample("co_refund"), *telling.sample("mx_week")])
    listed = {one["id"]: one for one in browser.get(LIST, {"limit": "100"}).json()["data"]}
    assert len(listed) == Document.objects.count()
    assert any(one["settles"] for one in listed.values())
    assert any(one["corrected_by"] for one in listed.values())
    assert any(one["settled_by"] for one in listed.values())
    for one in Document.objects.all():
        assert listed[one.public_id] == presentation.document(document=one)
        assert browser.get(f"{LIST}{one.public_id}/").json() == listed[one.public_id]


def copied(document: Document, *, count: int) -> None:
    """Write rows like a document's, of the same moment."""
    unlike = {
        "public_id": "'doc_copy' || n",
        "document_key": "'key' || n",
        "number": "'N-' || n",
        "sequence": "100 + n",
    }
    unlike |= {"verification_code": "'VC' || n", "vault_key": "'k' || n"}
    names = [str(field.column) for field in Document._meta.concrete_fields if not field.primary_key]
    values = ", ".join(unlike.get(name, name) for name in names)
    with force.by_force(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO documents_document ({', '.join(names)}) SELECT {values} FROM documents_document,"
            " generate_series(1, %s) n WHERE id = %s",
            [count, document.pk],
        )


def test_a_walk_meets_each_document_once_and_ends_also_when_thousands_share_a_moment(browser: Client) -> None:
    copied(factories.document(status=Status.ISSUED), count=2050)
    for span in ({}, {"issued_after": "2026-11-01T00:00:00Z"}, {"updated_after": "2026-11-01T00:00:00Z"}):
        seen: list[str] = []
        query = {"limit": "100", **span}
        while True:
            page = browser.get(LIST, query).json()
            seen += [one["id"] for one in page["data"]]
            if not page["has_more"]:
                break
            query["cursor"] = page["next_cursor"]
        assert seen == list(Document.objects.order_by("-pk").values_list("public_id", flat=True))
        assert (len(seen), page["next_cursor"]) == (2051, None)


def test_a_span_is_listed_by_its_moments_newest_first(browser: Client) -> None:
    days = [3, 1, 2, 0]
    made = {
        day: factories.document(status=Status.ISSUED, now=factories.NOW - day * dt.timedelta(days=1)) for day in days
    }
    query = {"issued_before": factories.NOW.isoformat().replace("+00:00", "Z"), "limit": "1"}
    seen = []
    for _ in range(3):
        page = browser.get(LIST, query).json()
        seen += [one["id"] for one in page["data"]]
        query["cursor"] = page["next_cursor"] or ""
    assert seen == [made[day].public_id for day in (1, 2, 3)]


@pytest.mark.parametrize(
    "asked",
    ["documents/?kind=", "documents/?owner=%20", "documents/?issued_after=", "documents/?kind=NOPE", "payouts/?payee="],
)
def test_no_value_is_passed_over_so_that_a_list_is_longer_than_it_was_asked_for(browser: Client, asked: str) -> None:
    answer = browser.get(f"/api/v1/{asked}")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error"), answer.content
    assert answer.json()["errors"][0]["pointer"] == f"/{asked.partition('?')[2].partition('=')[0]}"


def test_a_cursor_serves_no_other_list_and_is_composed_by_nobody(browser: Client) -> None:
    many(count=3)
    cursor = browser.get(LIST, {"limit": "1"}).json()["next_cursor"]
    for query in ({"cursor": cursor, "issued_after": "2026-01-01T00:00:00Z"}, {"cursor": "WzFd:x:y"}, {"cursor": "é"}):
        answer = browser.get(LIST, query)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("verb", UNSAFE)
def test_an_issued_document_cannot_be_changed_or_deleted_over_http(browser: Client, verb: str) -> None:
    one = factories.document(status=Status.ISSUED)
    answer = getattr(browser, verb)(f"{LIST}{one.public_id}/", "{}", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (405, "document_immutable")
    assert answer["Allow"] == "GET, HEAD"
    assert list(Document.objects.values()) == [Document.objects.values().get(pk=one.pk)]


@pytest.mark.parametrize("verb", ["post", *UNSAFE])
def test_a_list_takes_no_verb_but_reading(browser: Client, verb: str) -> None:
    answer = getattr(browser, verb)(LIST, "{}", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer["Allow"] == "GET, HEAD"


def test_nothing_under_api_is_kept_by_a_cache_or_shown_to_another_caller(browser: Client) -> None:
    one = factories.document()
    page = f"{LIST}{one.public_id}/"
    reading = [browser.get(place) for place in (LIST, page, f"{page}content/", f"{page}data/")]
    assert [answer.status_code for answer in reading] == [200] * 4
    refused = [
        browser.delete(page),
        browser.get(f"{LIST}doc_unknown/"),
        browser.get(LIST, {"limit": "0"}),
        browser.get("/api/v1/nothing/"),
        Client().get(LIST),
        Client().post("/api/v1/events/", b"{}", content_type="application/json"),
    ]
    assert [answer.status_code for answer in refused] == [405, 404, 400, 404, 401, 401]
    for answer in (*reading, *refused):
        assert "no-store" in answer["Cache-Control"]
        assert {"Accept", "Accept-Language", "Authorization", "Cookie"} <= set(answer["Vary"].split(", "))


def test_an_owner_sees_only_his_own_in_the_list_whatever_he_filters_by(ana: cast.Member, beto: cast.Member) -> None:
    assert ana.party
    assert beto.party
    his, hers = (factories.document(owner=one.party, status=Status.ISSUED) for one in (beto, ana))
    browser = center.client(member=ana)
    assert [one["id"] for one in browser.get(LIST).json()["data"]] == [hers.public_id]
    for query in ({"owner": beto.party.platform_id}, {"number": his.number}, {"document_key": his.document_key_id}):
        assert browser.get(LIST, query).json()["data"] == []


def test_an_answer_to_a_driver_is_timed_by_its_country_and_an_answer_to_staff_is_not(
    browser: Client, ana: cast.Member
) -> None:
    def timed(country: str) -> float:
        return REGISTRY.get_sample_value("docs_driver_api_latency_seconds_count", {"country": country}) or 0.0

    document = factories.document(owner=ana.party)
    before, refused = timed("ES"), timed("other")
    for path in ("", f"{document.public_id}/", f"{document.public_id}/content/", f"{document.public_id}/data/"):
        assert center.client(member=ana).get(f"{LIST}{path}").status_code == 200
        assert browser.get(f"{LIST}{path}").status_code == 200
    assert timed("ES") - before == 4
    assert center.client(member=ana).get(f"{LIST}doc_none/").status_code == 403
    assert (timed("ES") - before, timed("other") - refused) == (4, 1)
