"""Verifying a document, legal holds and the list of events over HTTP."""

import hashlib
import json
from typing import Any

import pytest
from django.test import Client

from audit.models import Event as AuditEvent
from documents.emission import locking
from documents.models import Document, HoldState, IdempotentAnswer, LegalHold, Status
from tests import cast, factories
from tests.documents import center
from tests.payouts import telling
from tests.services import force

pytestmark = [
    pytest.mark.usefixtures("vault_folder"),
    pytest.mark.django_db(databases=["default", "denials"]),
]
BASE = "/api/v1/"
REASON = "Requerimiento del juzgado de primera instancia"
AGREED = {"reason": REASON, "password": cast.PASSWORD}


def officer(*, name: str) -> Client:
    """Return the browser of somebody of compliance, for Spain."""
    return center.client(member=center.staff(roles=["compliance"], countries=["ES"], name=name))


def post(browser: Client, path: str, body: object, *, key: str) -> Any:
    """Post a body as JSON."""
    return browser.post(BASE + path, json.dumps(body), "application/json", headers={"Idempotency-Key": key})


def rungs(answer: Any) -> dict[str, str]:
    """Return {rung: outcome} of an answer."""
    return {row["rung"]: row["outcome"] for row in answer.json()["rungs"]}


def test_a_sound_document_climbs_every_rung_each_time_it_is_asked() -> None:
    telling.issuers()
    telling.told(telling.sample("es_ride"))
    document = Document.objects.filter(country="ES").earliest("pk")
    if document.status == Status.ISSUED:
        locking.advance(document_id=document.pk, now=factories.NOW)
    browser = officer(name="carla")
    for _ in range(2):
        answer = browser.post(f"{BASE}documents/{document.public_id}/verify/")
        assert (answer.status_code, answer.json()["sound"]) == (200, True), answer.content
        assert rungs(answer) == dict.fromkeys(("bytes", "lock", "embedded", "record", "render"), "ok")
    looks = AuditEvent.objects.filter(action="document.verified", object_id=document.public_id, outcome="ok")
    assert looks.count() == 2


def test_a_document_that_differs_is_told_rung_by_rung_and_withheld() -> None:
    document = factories.document()
    with force.by_force():
        Document.objects.filter(pk=document.pk).update(file_sha256="0" * 64)
    answer = officer(name="carla").post(f"{BASE}documents/{document.public_id}/verify/")
    assert (answer.status_code, answer.json()["sound"], answer.json()["status"]) == (200, False, "QUARANTINED")
    assert rungs(answer) == {
        "bytes": "failed",
        "lock": "not_comparable",
        "embedded": "not_comparable",
        "record": "failed",
        "render": "not_comparable",
    }
    codes = {row["rung"]: row["code"] for row in answer.json()["rungs"]}
    assert (codes["bytes"], codes["record"]) == ("worm_checksum_mismatch", "record_differs")
    assert AuditEvent.objects.filter(action="document.verified", outcome="failed").count() == 1


def test_what_is_not_locked_yet_is_not_verified() -> None:
    document = factories.document(status=Status.ISSUED)
    answer = officer(name="carla").post(f"{BASE}documents/{document.public_id}/verify/")
    assert (answer.status_code, answer.json()["code"]) == (409, "document_not_ready")


def test_a_matter_is_set_over_a_document_and_ended_by_two_people() -> None:
    document = factories.document()
    carla, clara = officer(name="carla"), officer(name="clara")
    stated = {
        "reference": "AUTO-1/2026",
        "reason": REASON,
        "document": document.public_id,
        "hold_until": "2099-12-31",
    }
    made = post(carla, "holds/", stated, key="set-it-once")
    assert (made.status_code, made.json()["status"]) == (201, "SET"), made.content
    assert (made.json()["hold_until"], made.json()["ended_at"]) == ("2099-12-31", None)
    assert post(carla, "holds/", stated, key="set-it-once")["Idempotent-Replayed"] == "true"
    again = post(carla, "holds/", stated, key="set-it-again").json()
    assert again["code"] == "decision_not_possible"
    assert "El asunto ya cubre justo esto" in json.dumps(again, ensure_ascii=False)
    assert carla.get(f"{BASE}documents/{document.public_id}/").json()["retention"]["legal_hold"] is True
    assert carla.get(f"{BASE}holds/?status=SET").json()["data"] == [made.json()]
    address = f"holds/{made.json()['id']}/"
    unsaid = post(carla, f"{address}release/", {"reason": REASON}, key="without-password")
    assert (unsaid.status_code, unsaid.json()["code"]) == (403, "password_wrong")
    early = post(clara, f"{address}approve/", AGREED, key="too-early")
    assert (early.status_code, early.json()["code"]) == (409, "decision_not_possible")
    assert post(carla, f"{address}release/", AGREED, key="ask-for-it").status_code == 200
    alone = post(carla, f"{address}approve/", AGREED, key="by-oneself")
    assert (alone.status_code, alone.json()["code"]) == (403, "second_person_required")
    secret = hashlib.sha256(json.dumps(AGREED, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode())
    assert not IdempotentAnswer.objects.filter(
        fingerprint=secret.hexdigest()
    ).exists()  # nobody can try passwords on it
    ended = post(clara, f"{address}approve/", AGREED, key="agree-to-it")
    assert (ended.status_code, ended.json()["status"]) == (200, "RELEASED")
    assert carla.get(f"{BASE}documents/{document.public_id}/").json()["retention"]["legal_hold"] is False


def test_a_matter_over_a_party_says_what_it_covers() -> None:
    document = factories.document()
    carla = officer(name="carla")
    stated = {
        "reference": "AUTO-2/2026",
        "reason": REASON,
        "party": document.owner.platform_id,
        "country": "ES",
        "first_date": "2026-01-01",
        "kinds": [document.kind],
    }
    made = post(carla, "holds/", stated, key="set-it-once")
    assert made.status_code == 201
    (scope,) = made.json()["scopes"]
    assert scope == {
        "document": None,
        "party": document.owner.platform_id,
        "first_date": "2026-01-01",
        "last_date": None,
        "kinds": [document.kind],
    }
    assert post(carla, "holds/", {**stated, "country": "CO"}, key="elsewhere").json()["code"] == "country_out_of_scope"
    assert LegalHold.objects.filter(state=HoldState.SET).count() == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/document"),
        ({"document": "doc_1", "party": "drv_1"}, "/document"),
        ({"document": "doc_1", "kinds": []}, "/document"),
        ({"party": "drv_1"}, "/country"),
        ({"party": "drv_1", "country": "ES", "kinds": ["NOPE"]}, "/kinds/0"),
        ({"party": "drv_1", "country": "ES", "first_date": "2026-02-01", "last_date": "2026-01-01"}, "/last_date"),
        ({"document": "doc_1", "reason": "short"}, "/reason"),
        ({"document": "doc_1", "other": "1"}, "/other"),
    ],
)
def test_a_matter_that_is_over_nothing_definite_is_refused(body: dict[str, Any], pointer: str) -> None:
    answer = post(officer(name="carla"), "holds/", {"reference": "A", "reason": REASON, **body}, key="set-it-once")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]
    assert all(fault["detail"] for fault in answer.json()["errors"])
    assert not LegalHold.objects.exists()


def test_events_are_listed_where_they_come_in_and_other_methods_are_told_which_there_are() -> None:
    telling.issuers()
    telling.told(telling.sample("es_ride"))
    browser = center.client(member=center.staff(roles=["finance"], countries=["ES"]))
    listed = browser.get(f"{BASE}events/").json()["data"]
    assert listed
    assert {row["country"] for row in listed} == {"ES"}
    assert browser.get(f"{BASE}events/?status=held").json()["data"] == []
    assert browser.get(f"{BASE}events/?status=NOPE").json()["code"] == "validation_error"
    assert Client().get(f"{BASE}events/").json()["code"] == "not_authenticated"
    unsigned = Client().post(f"{BASE}events/", "{}", "application/json")
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "webhook_signature_invalid")
    other = browser.delete(f"{BASE}events/")
    assert (other.status_code, other["Allow"]) == (405, "GET, HEAD, POST")
    denied = AuditEvent.objects.using("denials").filter(code="webhook_signature_invalid")
    assert {row.channel for row in denied} == {"webhook"}


def test_an_owner_sees_no_list_of_events(ana: cast.Member) -> None:
    assert center.client(member=ana).get(f"{BASE}events/").json()["code"] == "role_not_allowed"
