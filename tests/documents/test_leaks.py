"""Nothing of somebody else's document leaks: by no filter, order, count, expansion, method, condition, or picture.

What is asked of a foreign document is answered as if it had never been. What completes a search is nowhere
(`test_admin_lists`), and the time that a refusal takes is measured (`benchmarks.api`).
"""

import dataclasses
import json
import re
from typing import Any

import pytest
from django.test import Client

from documents import presentation
from documents.models import Document, Kind
from tests import cast, factories
from tests.documents import center
from tests.services import force

pytestmark = [
    pytest.mark.usefixtures("vault_folder"),
    pytest.mark.django_db(databases=["default", "denials"]),
]
LIST = "/api/v1/documents/"
UNKNOWN = "doc_00000000000000000000000000"
OWN = re.compile(r"req_\w+")  # what is another's in each answer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Two:
    """What Ana has, what Beto has, and Ana's browser."""

    hers: Document
    his: Document
    ana: Client


@pytest.fixture
def two(ana: cast.Member, beto: cast.Member) -> Two:
    """A document each."""
    hers, his = (factories.document(owner=one.party) for one in (ana, beto))
    return Two(hers=hers, his=his, ana=center.client(member=ana))


def said(answer: Any) -> tuple[int, str, dict[str, str]]:
    """Return status, body and headers of an answer, without the request's own id."""
    headers = {name: OWN.sub("", value) for name, value in answer.headers.items()}
    return answer.status_code, OWN.sub("", answer.content.decode()), headers


@pytest.mark.parametrize("driver", ["", "driver/"])
def test_no_method_condition_or_range_tells_a_foreign_document_from_none(two: Two, driver: str) -> None:
    shown = json.dumps(presentation.document(document=two.his))
    assert two.his.number in shown
    for rest in ("", "content/", "data/", "timeline/")[: 2 if driver else 4]:
        path = f"/api/v1/{driver}documents/{{}}/{rest}"
        tags = [two.his.file_sha256, two.his.content_sha256, "*"]
        asked = [{"If-None-Match": tag if tag == "*" else f'"{tag}"'} for tag in tags]
        for headers in ({}, *asked, {"Range": "bytes=0-9"}, {"If-Match": f'"{two.his.file_sha256}"'}):
            for ask in (two.ana.get, two.ana.head, two.ana.options, two.ana.delete):
                answers = [said(ask(path.format(name), headers=headers)) for name in (two.his.public_id, UNKNOWN)]
                assert answers[0] == answers[1], (path, headers)
                assert answers[0][0] in {403, 405}


def test_a_list_counts_orders_and_ends_as_if_nobody_else_had_anything(two: Two) -> None:
    only = two.ana.get(LIST, {"limit": "1"})
    assert (only.json()["has_more"], only.json()["next_cursor"], only.get("Link")) == (False, None, None)
    assert len(only.content) == int(two.ana.head(LIST, {"limit": "1"})["Content-Length"])
    for name in ("ordering", "order_by", "sort", "count", "page"):
        assert two.ana.get(LIST, {name: "owner"}).json()["code"] == "unknown_parameter"
    staff = center.client(member=center.staff(roles=["finance"], countries=["ES"], name="sofia"))
    cursor = staff.get(LIST, {"limit": "1"}).json()["next_cursor"]  # ends at the newest, which is Beto's or Ana's
    met = {row["id"] for row in two.ana.get(LIST, {"cursor": cursor}).json()["data"]}
    assert met <= {two.hers.public_id}


@pytest.mark.parametrize("place", ["documents/", "driver/documents/", "payouts/", "driver/payouts/"])
def test_every_filter_answers_for_what_is_foreign_as_for_what_is_not(two: Two, place: str) -> None:
    center.payout(document=two.his)
    foreign = {"owner": two.his.owner.platform_id, "number": two.his.number, "document_key": two.his.document_key_id}
    none = {"owner": "drv_nobody", "number": "AES-OFS-2026-9999999", "document_key": "nothing:at:all"}
    if "payouts" in place:
        foreign, none = {"payee": two.his.owner.platform_id}, {"payee": "drv_nobody"}
    for name, value in foreign.items():
        asked, unknown = (two.ana.get(f"/api/v1/{place}", {name: text}) for text in (value, none[name]))
        assert said(asked) == said(unknown)
        assert asked.json()["data"] == []


def test_no_expansion_leads_from_an_own_document_to_a_foreign_one(two: Two) -> None:
    with force.by_force():
        Document.objects.filter(pk=two.his.pk).update(corrects=two.hers.pk)
    answer = two.ana.get(f"{LIST}{two.hers.public_id}/", {"expand": "related,links"})
    assert (answer.status_code, answer.json()["related"], answer.json()["links"]) == (200, [], [])
    assert two.his.public_id not in answer.content.decode()


@pytest.mark.parametrize("column", ["corrects", "settled_by"])
def test_what_names_a_foreign_document_by_force_is_not_answered_at_all(two: Two, column: str) -> None:
    with force.by_force():
        Document.objects.filter(pk=two.hers.pk).update(**{column: two.his.pk})
    answer = two.ana.get(f"{LIST}{two.hers.public_id}/", {"expand": "related"})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_owner")
    assert two.his.number not in answer.content.decode()


def test_no_picture_or_file_of_a_foreign_document_is_there() -> None:
    document = factories.document(kind=Kind.PAYOUT_STATEMENT)
    browser = center.client(member=center.staff(roles=["finance"], countries=["MX"], name="marco"))
    page = center.page(document)
    for rest, ask in (("preview/?page=1", browser.get), ("preview/?page=1", browser.head), ("download/", browser.post)):
        answers = [ask(f"{place}{rest}") for place in (page, page.replace(document.public_id, UNKNOWN))]
        assert [answer.status_code for answer in answers] == [403, 403]
        assert len({answer["Content-Type"] for answer in answers}) == 1
        assert "image" not in answers[0]["Content-Type"]
