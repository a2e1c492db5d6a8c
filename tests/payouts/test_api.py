"""Payouts, corrections and the work list over HTTP: whose they are, what is done once, and what is refused."""

import json
from typing import Any

import pytest
from django.test import Client

from documents.delivery import letters
from documents.models import Document, Event, Kind, Notice, Party
from tests import cast
from tests.payouts import making, telling

pytestmark = [
    pytest.mark.usefixtures("vault_folder"),
    pytest.mark.django_db(databases=["default", "denials"]),
]
BASE = "/api/v1/"


def client(*, name: str, roles: list[str], countries: list[str]) -> Client:
    """Return the browser of a member of staff."""
    browser = Client()
    browser.force_login(cast.staff(name=name, roles=roles, countries=countries).user)
    return browser


def post(browser: Client, path: str, body: object, *, key: str = "a-key-of-mine") -> Any:
    """Post a body as JSON."""
    return browser.post(BASE + path, json.dumps(body), "application/json", headers={"Idempotency-Key": key})


@pytest.fixture
def finance() -> Client:
    """Finance of Mexico and Spain, after the samples of both."""
    telling.issuers()
    telling.told([*telling.sample("es_ride"), *telling.sample("co_refund"), *telling.sample("mx_week")])
    return client(name="sofia", roles=["finance"], countries=["MX", "ES"])


def test_a_payout_is_told_with_what_it_settles_to_the_cent(finance: Client) -> None:
    listed = finance.get(BASE + "payouts/").json()["data"]
    assert listed
    for payout in listed:
        assert payout["country"] in {"MX", "ES"}
        assert finance.get(BASE + f"payouts/{payout['id']}/").json() == payout
        statement = finance.get(BASE + f"documents/{payout['statement']}/").json()
        assert {row["document_id"] for row in statement["settles"]} <= {row["document_id"] for row in payout["settles"]}
    (sent,) = [payout for payout in listed if payout["id"] == "po_ES11"]
    line = (sent["method"], sent["destination_masked"], sent["reference"], sent["amount"])
    assert line == ("SEPA", "ES** **** 6789", "AVT-ES11", "21.88")


def test_a_payout_of_another_country_is_refused_and_an_unknown_one_is_not_there(finance: Client) -> None:
    elsewhere = client(name="lejos", roles=["finance"], countries=["CL"])
    payout = finance.get(BASE + "payouts/").json()["data"][0]["id"]
    assert elsewhere.get(BASE + "payouts/").json()["data"] == []
    assert elsewhere.get(BASE + f"payouts/{payout}/").json()["code"] == "country_out_of_scope"
    assert elsewhere.get(BASE + "payouts/po_none/").json()["code"] == "not_found"


def test_a_driver_sees_the_payouts_of_his_own(finance: Client) -> None:
    document = Document.objects.filter(kind=Kind.PAYOUT_STATEMENT).select_related("owner").first()
    assert document is not None
    member = cast.owner(name="otra", platform_id="drv_other", legal_name="Otra", role="driver", tax_id="00000000T")
    cast.grant("documents.own_party", member.user, document.owner)
    browser = Client()
    browser.force_login(member.user)
    listed = browser.get(BASE + "payouts/").json()["data"]
    assert {row["payee"] for row in listed} == {document.owner.platform_id}
    stranger = Client()
    stranger.force_login(
        cast.owner(name="nadie", platform_id="drv_none", legal_name="N", role="driver", tax_id="1R").user
    )
    assert stranger.get(BASE + "payouts/").json()["data"] == []
    assert stranger.get(BASE + f"payouts/{listed[0]['id']}/").json()["code"] == "not_owner"
    assert stranger.get(BASE + "payouts/po_none/").json()["code"] == "not_owner"


def receipt() -> Document:
    """Return a receipt of Spain."""
    document = Document.objects.filter(kind=Kind.PAYMENT_RECEIPT, country_id="ES").first()
    assert document is not None
    return document


def test_a_correction_is_issued_once_and_leaves_what_remains(finance: Client) -> None:
    document = receipt()
    path, body = (
        f"documents/{document.public_id}/corrections/",
        {"amount": "1.00", "reason": "Cobrado de más al cliente"},
    )
    first, again = post(finance, path, body), post(finance, path, body)
    assert (first.status_code, again.status_code, first.json()["total"]) == (201, 201, "1.00")
    assert again.json() == first.json()
    assert Document.objects.filter(corrects=document).count() == 1
    changed = finance.get(BASE + f"documents/{document.public_id}/?expand=related").json()
    assert [row["id"] for row in changed["related"]] == [first.json()["id"]]
    rest = post(finance, path, {"reason": "Se devuelve todo lo que queda"}, key="another-key")
    assert rest.status_code == 201
    more = post(finance, path, {"reason": "Se devuelve todo lo que queda"}, key="a-third-key")
    assert (more.status_code, more.json()["code"]) == (409, "already_credited")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/reason"),
        ({"reason": "corto"}, "/reason"),
        ({"reason": "Cobrado de más al cliente", "amount": "uno"}, "/amount"),
        ({"reason": "Cobrado de más al cliente", "amount": "1.001"}, "/amount"),
        ({"reason": "Cobrado de más al cliente", "importe": "1"}, "/importe"),
        ({"reason": "Cobrado de más al cliente", "parts": [{"tax": "X", "amount": "x"}]}, "/parts/0/amount"),
    ],
)
def test_a_correction_that_says_it_wrong_is_told_where(finance: Client, body: object, pointer: str) -> None:
    answer = post(finance, f"documents/{receipt().public_id}/corrections/", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert [row["pointer"] for row in answer.json()["errors"]] == [pointer]
    assert all(row["detail"] for row in answer.json()["errors"])


def test_who_may_not_correct_is_refused(finance: Client) -> None:
    auditor = client(name="ivan", roles=["auditor"], countries=["ES"])
    answer = post(auditor, f"documents/{receipt().public_id}/corrections/", {"reason": "Cobrado de más al cliente"})
    assert (answer.status_code, answer.json()["code"]) == (403, "role_not_allowed")


def test_what_is_neither_true_nor_false_narrows_no_list(finance: Client) -> None:
    for text in ("perhaps", "2", "True", ""):
        wrong = finance.get("/api/v1/discrepancies/", {"is_open": text})
        assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/is_open"), text
    assert finance.get("/api/v1/discrepancies/?is_open=false").status_code == 200


def test_a_held_event_is_tried_again_and_dismissed_over_the_api(finance: Client) -> None:
    telling.told([making.order("ord_held") | {"issuer": "nobody-es", "id": "evt_wrong"}])
    event = Event.objects.get(event_id="evt_wrong")
    assert event.status == "held"
    retried = post(finance, f"events/{event.public_id}/retry/", {})
    assert (retried.status_code, retried.json()["code"]) == (202, "issuer_unknown")
    assert retried.json()["next_try_at"] is not None
    telling.catch_up()
    event.refresh_from_db()
    assert (event.status, event.code) == ("held", "issuer_unknown")
    dismissed = post(finance, f"events/{event.public_id}/dismiss/", {"reason": "El emisor no existe en realidad"})
    assert dismissed.status_code == 200
    again = post(
        finance, f"events/{event.public_id}/dismiss/", {"reason": "El emisor no existe en realidad"}, key="b" * 9
    )
    assert (again.status_code, again.json()["code"]) == (409, "decision_not_possible")


@pytest.mark.parametrize("name", ["public_id", "platform_id"])
def test_a_party_changes_its_own_contact_and_the_address_of_before_is_told(ana: cast.Member, name: str) -> None:
    assert ana.party is not None
    browser = Client()
    browser.force_login(ana.user)
    Party.objects.filter(pk=ana.party.pk).update(email="old@example.com")
    address = f"{BASE}parties/{getattr(ana.party, name)}/"
    stated = {"email": "new@example.com", "locale": "en"}
    changed = browser.put(f"{address}contact/", json.dumps(stated), "application/json")
    assert (changed.status_code, changed.json()["email"], changed.json()["locale"]) == (200, "new@example.com", "en")
    assert browser.get(address).json() == changed.json()
    (notice,) = Notice.objects.filter(party=ana.party)
    assert (notice.address, notice.event, notice.status) == ("old@example.com", None, "QUEUED")
    assert letters.contact_changed(notice=notice).to == ["old@example.com"]
    for wrong in ({"email": "no"}, {"email": "a\u202eb@example.com"}, {**stated, "locale": "xx"}, {**stated, "x": 1}):
        answer = browser.put(f"{address}contact/", json.dumps(wrong), "application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, "validation_error"), wrong
    assert Notice.objects.count() == 1
