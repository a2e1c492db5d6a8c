"""Evidence packs: a stranger's machine verifies them, and nothing that was bent passes there."""

import json
import pathlib
import random
import subprocess
import sys
import zipfile

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from audit import log, merkle, sealing, signing
from audit.models import EventDetail
from documents.custody import log_archive, quarantine
from documents.emission import locking
from documents.evidence import pack, verify_pack
from documents.models import Document, Event, LogCommitment, Status
from tests.payouts import making, telling
from tests.services import database, force

pytestmark = pytest.mark.usefixtures("committed_db", "vault_folder")
ACTOR = log.Actor(kind="system", id="evidence", channel="command")


@pytest.fixture
def document(committed_db: None, vault_folder: pathlib.Path, settings: Settings) -> Document:
    sealing._noted.clear()
    telling.issuers()
    return issued("ord_1")


def issued(order: str) -> Document:
    telling.tell(making.order(order))
    row = Document.objects.get(event=Event.objects.get(subject=f"order:{order}"))
    locking.advance(document_id=row.pk, now=timezone.now())
    database.wait()
    row.refresh_from_db()
    assert row.status == Status.LOCKED
    return row


def built(document: Document) -> bytes:
    return pack.build(document=document, actor=ACTOR, now=timezone.now()).body


def refused(body: bytes, *, own: str = "", key: str = "") -> str:
    try:
        verify_pack.verify(body=body, key=key, own=own)
    except verify_pack.PackRefused as refusal:
        return str(refusal)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return type(error).__name__
    return ""


def files(body: bytes) -> dict[str, bytes]:
    return verify_pack.unpack(body=body)


def again(kept: dict[str, bytes]) -> bytes:
    """Pack files anew, with a manifest that names them as they are: what whoever forges would do."""
    manifest = json.loads(kept[verify_pack.MANIFEST])
    rest = {name: body for name, body in kept.items() if name != verify_pack.MANIFEST}
    manifest["files"] = {name: verify_pack.hashlib.sha256(body).hexdigest() for name, body in rest.items()}
    return verify_pack.packed(files={verify_pack.MANIFEST: verify_pack.encoded(value=manifest), **rest})


def test_a_pack_is_verified_by_its_own_program_on_a_machine_without_the_product(
    document: Document, tmp_path: pathlib.Path
) -> None:
    target = tmp_path / "pack.zip"
    call_command("evidence", document.number, "--output", str(target))
    with zipfile.ZipFile(target) as archive:
        archive.extract("verify_pack.py", tmp_path)
        assert archive.read("document.pdf").startswith(b"%PDF")
        page = archive.read("LEEME.html").decode()
        assert document.number in page
        assert "Documento emitido" in page
    words = [sys.executable, "-I", "verify_pack.py", "pack.zip"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, env={})
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("VÁLIDO · VALID\n")
    for said in (document.number, document.retain_until.isoformat(), "document.locked", "byte a byte"):
        assert said in ran.stdout
    bent = bytearray(target.read_bytes())
    bent[len(bent) // 2] ^= 1
    target.write_bytes(bent)
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, env={})
    assert (ran.returncode, ran.stdout.startswith("NO VÁLIDO")) == (1, True)


def test_every_flipped_byte_is_found(document: Document) -> None:
    body, dice = built(document), random.Random(14)
    assert refused(body) == ""
    for place in [*range(60), *range(len(body) - 120, len(body)), *dice.sample(range(len(body)), 150)]:
        bent = bytearray(body)
        bent[place] ^= 1 << dice.randrange(8)
        assert refused(bytes(bent)), place
    assert refused(body[:-1])
    assert refused(body + b"\0")
    assert refused(b"")


def test_what_is_another_documents_proves_nothing_of_this_one(document: Document) -> None:
    other = issued("ord_2")
    mine, theirs = files(built(document)), files(built(other))
    for taken in ("document.pdf", "content.json", "receipt.json"):
        assert refused(again({**mine, taken: theirs[taken]})), taken
    events = {name: body for name, body in theirs.items() if name.startswith("events/")}
    without = {name: body for name, body in mine.items() if not name.startswith("events/")}
    assert refused(again({**without, **events, "checkpoint.txt": theirs["checkpoint.txt"]}))
    assert refused(again(without))


def test_no_file_of_it_can_be_exchanged_or_left_out_although_the_manifest_says_so(document: Document) -> None:
    kept = files(built(document))
    locked = next(name for name in kept if name.endswith("document.locked.json"))
    event = json.loads(kept[locked])
    event["facts"]["file_sha256"] = "0" * 64
    assert "not in the log" in refused(again({**kept, locked: verify_pack.encoded(value=event)}))
    proof = locked.removesuffix(".json") + ".tlog-proof"
    issued_proof = next(body for name, body in kept.items() if name.endswith("document.issued.tlog-proof"))
    assert refused(again({**kept, proof: issued_proof}))
    note = kept["checkpoint.txt"].decode()
    assert refused(again({**kept, "checkpoint.txt": note.replace("\n— ", "\n— x").encode()}))
    for name in ("checkpoint.txt", "keys.txt", "receipt.json", proof):
        assert refused(again({one: body for one, body in kept.items() if one != name})), name
    other = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert refused(verify_pack.packed(files=kept), key=other)
    assert refused(verify_pack.packed(files=kept), key=str(signing.history()[0])) == ""
    assert refused(verify_pack.packed(files=kept), own=note) == ""


def test_erased_details_leave_number_hash_and_retention_proven(document: Document) -> None:
    with force.by_force():
        EventDetail.objects.all().delete()
    body = built(document)
    assert refused(body) == ""
    said = " ".join(verify_pack.verify(body=body))
    assert document.number in said
    assert document.retain_until.isoformat() in said


def test_details_are_those_that_were_sealed(document: Document) -> None:
    kept = files(built(document))
    name, body = next((one, body) for one, body in kept.items() if one.endswith(".details") and body != b"erased")
    assert "not those that were sealed" in refused(again({**kept, name: body + b" "}))
    without = pack.build(document=document, actor=ACTOR, now=timezone.now(), with_details=False).body
    assert refused(without) == ""
    assert {body for one, body in files(without).items() if one.endswith(".details")} == {b"erased"}


def test_a_document_that_is_withheld_has_a_pack_without_its_pdf(document: Document) -> None:
    quarantine.withhold(document=document, code="worm_checksum_mismatch", actor=ACTOR, now=timezone.now())
    document.refresh_from_db()
    assert document.status == Status.QUARANTINED
    kept = files(built(document))
    assert "document.pdf" not in kept
    assert "no va en este paquete" in kept["LEEME.html"].decode()
    assert "document.quarantined" in " ".join(verify_pack.verify(body=verify_pack.packed(files=kept)))


def test_the_commitment_that_a_document_prints_is_opened_and_binds_it_to_the_log_of_now(document: Document) -> None:
    assert json.loads(document.content)["log_commitment"] == ""  # there was none yet
    while sealing.seal():
        pass
    log_archive.go_on(now=timezone.now())
    (digest,) = LogCommitment.objects.values_list("digest", flat=True)
    bound = issued("ord_2")
    assert json.loads(bound.content)["log_commitment"] == digest
    body = built(bound)
    kept = files(body)
    assert f"printed commitment {digest[:16]}" in " ".join(verify_pack.verify(body=body))
    blind, _, note = kept["commitment.txt"].partition(b"\n")
    for name, other in (
        ("commitment.txt", b"00" * 32 + b"\n" + note),
        ("commitment.txt", blind + b"\n" + kept["checkpoint.txt"]),
        ("commitment.txt", b""),
        ("commitment.consistency", b""),
        ("commitment.consistency", kept["commitment.consistency"].replace(b"\n", b"\n" * 2, 1) + b"AAAA\n"),
    ):
        assert refused(again({**kept, name: other})), (name, other)
    assert "is not opened" in refused(again({one: body for one, body in kept.items() if one != "commitment.txt"}))
    assert "commitment.txt" not in files(built(document))


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 2), (3, 4), (4, 7), (6, 8), (7, 8), (8, 13), (255, 257)])
def test_the_verifier_knows_what_the_log_knows_of_growth(first: int, second: int) -> None:
    leaves = [merkle.leaf_hash(leaf=bytes([place % 251])) for place in range(second)]

    def node(level: int, index: int) -> bytes:
        return merkle.complete(hashes=leaves[index << level : (index + 1) << level])

    roots = [merkle.root(size=size, node=node) for size in (first, second)]
    proof = merkle.consistency(size1=first, size2=second, node=node)
    sizes = {"size1": first, "size2": second}
    assert verify_pack.grown(**sizes, root1=roots[0], root2=roots[1], proof=proof)
    wrong = [(roots[1], roots[0], proof), (roots[0], leaves[0], proof), (roots[0], roots[1], [*proof, leaves[0]])]
    wrong += [(roots[0], roots[1], [*proof[:place], bytes(32), *proof[place + 1 :]]) for place in range(len(proof))]
    for root1, root2, hashes in wrong:
        if (root1, root2, hashes) != (roots[0], roots[1], proof) and (root1 != root2 or hashes):
            assert not verify_pack.grown(**sizes, root1=root1, root2=root2, proof=hashes)


def test_of_an_unknown_document_there_is_no_pack() -> None:
    with pytest.raises(CommandError, match="no document"):
        call_command("evidence", "AES-OFS-2026-9999999")


def test_a_pack_that_cannot_be_written_there_ends_in_a_sentence(document: Document, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match=r"pack\.zip: "):
        call_command("evidence", document.number, "--output", str(tmp_path / "file" / "pack.zip"))
