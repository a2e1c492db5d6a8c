"""The driver's own API: the same objects as elsewhere, of nobody else, and closed to who reads as staff."""

import pytest
from django.test import Client

from documents.models import Document, Kind, Party
from tests import cast
from tests.documents import center
from tests.payouts import telling

pytestmark = [
    pytest.mark.usefixtures("vault_folder"),
    pytest.mark.django_db(databases=["default", "denials"]),
]
BASE = "/api/v1/driver/"


@pytest.fixture
def xochilt() -> Client:
    """The driver of the sample week, signed in."""
    telling.issuers()
    telling.told([*telling.sample("es_ride"), *telling.sample("mx_week")])
    member = cast.owner(name="xochilt", platform_id="other", legal_name="X", role="driver", tax_id="12345678Z")
    cast.grant("documents.own_party", member.user, Party.objects.get(platform_id="drv_MX42"))
    return center.client(member=member)


def test_a_driver_lists_what_is_his_and_nothing_else(xochilt: Client) -> None:
    listed = xochilt.get(BASE + "documents/").json()["data"]
    assert len(listed) == Document.objects.filter(owner__platform_id="drv_MX42").count() == 4
    for one in listed:
        assert xochilt.get(f"{BASE}documents/{one['id']}/").json() == one
        assert xochilt.get(f"/api/v1/documents/{one['id']}/").json() == one
    [payout] = xochilt.get(BASE + "payouts/").json()["data"]
    assert (payout["id"], payout["amount"], payout["status"]) == ("po_5TQ8", "565.20", "RETURNED")
    assert xochilt.get(BASE + "documents/?owner=drv_77A1").json()["data"] == []
    assert xochilt.get(BASE + "documents/?nothing=1").status_code == 400


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("rest", ["", "content/"])
def test_a_foreign_document_and_an_unknown_one_are_refused_alike_on_record(
    xochilt: Client, method: str, rest: str
) -> None:
    foreign = Document.objects.get(owner__platform_id="drv_77A1", kind=Kind.PAYOUT_STATEMENT).public_id
    refusals = []
    for count, public_id in enumerate((foreign, "doc_unknown"), start=1):
        answer = getattr(xochilt, method)(f"{BASE}documents/{public_id}/{rest}")
        assert (answer.status_code, "ETag" in answer, len(center.denials())) == (403, False, count)
        refusals.append({name: text for name, text in answer.headers.items() if name != "Request-Id"})
    assert refusals[0] == refusals[1]


def test_who_reads_as_staff_has_nothing_of_his_own_here(xochilt: Client) -> None:
    both = cast.staff(name="both", roles=["finance", "driver"], countries=["MX"])
    cast.grant("documents.own_party", both.user, Party.objects.get(platform_id="drv_MX42"))
    for place in ("documents/", "payouts/"):
        for member in (both, center.staff(roles=["auditor"], countries=["MX"], name=f"auditor_{place}")):
            answer = center.client(member=member).get(BASE + place)
            assert (answer.status_code, answer.json()["code"]) == (403, "role_not_allowed")
    assert Client().get(BASE + "documents/").status_code == 401
