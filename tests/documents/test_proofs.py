"""The log's proofs over HTTP: a stranger with an auditor's answer verifies them with other people's words alone."""

import base64
import io
import itertools
import zipfile

import pytest
from django.db import transaction
from django.test import Client

from audit import log, merkle, sealing, tlog
from audit.actions import Action
from audit.models import Event, TreeHead
from documents.evidence import verify_pack
from documents.models import Document
from tests import cast, factories
from tests.services import database

pytestmark = pytest.mark.usefixtures("committed_db", "vault_folder")


@pytest.fixture
def document(committed_db: None, vault_folder: object) -> Document:
    sealing._noted.clear()
    row = factories.document()
    seal()
    return row


def seal() -> None:
    database.wait()
    while sealing.seal():
        pass


def browser(*, role: str) -> Client:
    member = cast.staff(name=f"one-of-{role}", roles=[role], countries=["ES"])
    client = Client()
    client.force_login(member.user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_a_documents_events_are_proven_for_the_checkpoint_that_comes_with_them(document: Document) -> None:
    answer = browser(role="auditor").get(f"/api/v1/documents/{document.public_id}/proof/")
    body = answer.json()
    keys = [tlog.read_key(text=text) for text in body["keys"]]
    checkpoint = tlog.read_checkpoint(note=body["checkpoint"], keys=keys)
    assert (answer.status_code, body["document"]) == (200, document.public_id)
    assert len(body["events"]) >= 2
    for event in body["events"]:
        proof = tlog.read_proof(text=event["proof"])
        assert (proof.index, proof.note) == (event["index"], body["checkpoint"])
        assert merkle.verify_inclusion(
            leaf_hash=merkle.leaf_hash(leaf=event["leaf"].encode()),
            index=proof.index,
            size=checkpoint.size,
            proof=proof.hashes,
            root=checkpoint.root,
        )
        assert document.public_id in event["leaf"]


def test_the_evidence_pack_that_the_api_hands_out_is_verified_and_on_record(document: Document) -> None:
    answer = browser(role="compliance").get(f"/api/v1/documents/{document.public_id}/evidence/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert verify_pack.verify(body=answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.read("document.pdf").startswith(b"%PDF")
    assert Event.objects.filter(action=Action.DOCUMENT_EVIDENCE_TAKEN, object_id=document.public_id).count() == 1
    assert answer["Content-Disposition"].endswith('-evidencia.zip"')


def test_checkpoints_come_page_by_page_and_the_log_of_each_is_the_beginning_of_the_next(document: Document) -> None:
    for _ in range(4):
        with transaction.atomic():
            log.record(action=Action.ISSUER_ADDED, object_type="issuer", object_id="x", actor=log.SYSTEM)
        seal()
    client = browser(role="auditor")
    first = client.get("/api/v1/audit/checkpoints/?limit=2").json()
    second = client.get(f"/api/v1/audit/checkpoints/?limit=100&cursor={first['next_cursor']}").json()
    rows = [*first["data"], *second["data"]]
    assert [row["size"] for row in rows] == list(TreeHead.objects.order_by("-size").values_list("size", flat=True))
    assert (first["has_more"], second["has_more"]) == (True, False)
    for newer, older in itertools.pairwise(rows):
        assert tlog.checkpoint_of(text=newer["checkpoint"].rpartition("\n\n")[0] + "\n").size == newer["size"]
        grown = client.get(f"/api/v1/audit/consistency/?from={older['size']}&to={newer['size']}").json()
        assert merkle.verify_consistency(
            size1=older["size"],
            root1=base64.b64decode(older["root_hash"]),
            size2=newer["size"],
            root2=base64.b64decode(newer["root_hash"]),
            proof=[base64.b64decode(hashed) for hashed in grown["proof"]],
        )


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("", "/from"),
        ("from=1", "/to"),
        ("from=0&to=1", "/from"),
        ("from=2&to=1", "/from"),
        ("from=1&to=999999999999", "/to"),
        ("from=1&to=99999999999999999999999", "/to"),
        ("from=-1&to=1", "/from"),
        ("from=x&to=1", "/from"),
    ],
)
def test_sizes_that_the_log_never_had_are_refused_with_what_is_wrong(
    document: Document, query: str, pointer: str
) -> None:
    answer = browser(role="auditor").get(f"/api/v1/audit/consistency/?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


def test_only_who_may_read_the_log_is_told_how_long_it_is() -> None:
    client = browser(role="finance")
    for address in ("checkpoints/", "consistency/?from=1&to=1"):
        answer = client.get(f"/api/v1/audit/{address}")
        assert (answer.status_code, answer.json()["code"]) == (403, "role_not_allowed")
