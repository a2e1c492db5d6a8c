"""The log's notes, tiles and proofs: as the specifications write them, and nothing else is read as one."""

import hashlib
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import merkle, tlog

# The example of c2sp.org/signed-note, and its key as Go's note package writes it.
POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)
ORIGIN = "docs.aventide.example/audit/log"
PRIVATE, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
KEY = tlog.public_key(name=ORIGIN, private=PRIVATE)
REFUSED = r"^(no|the|signed by|a proof) "
LEAVES = [merkle.leaf_hash(leaf=f"event {number}".encode()) for number in range(70_000)]


def _tile(level: int, index: int) -> list[bytes]:
    if level == 0:
        return LEAVES[index * 256 : index * 256 + 256]
    below = [_tile(level - 1, index * 256 + place) for place in range(256)]
    return [merkle.complete(hashes=hashes) for hashes in below if len(hashes) == 256]


def _checkpoint(size: int) -> tlog.Checkpoint:
    root = merkle.root(size=size, node=tlog.nodes(tile=_tile))
    return tlog.Checkpoint(origin=ORIGIN, size=size, root=root)


def test_the_note_of_the_specification_is_read_and_no_other_spelling_of_it() -> None:
    with pytest.raises(ValueError, match="none of the keys"):
        tlog.read_note(note=POEM, keys=[KEY])
    for wrong in (
        POEM[:-1],
        POEM.replace("\n\n—", "\n—"),
        POEM.replace("— ", "- "),
        POEM + "x\n",
        "",
        "\n\n",
        "a\x00\n\n— b c=\n",
    ):
        with pytest.raises(ValueError, match=r"no signed note|no line of|no base64|none of the keys"):
            tlog.read_note(note=wrong, keys=[KEY])


def test_a_signature_is_of_the_text_whole_with_its_newline() -> None:
    note = tlog.signed(text="a\n\nb\n", name=ORIGIN, keys=[PRIVATE])
    assert tlog.read_note(note=note, keys=[KEY]) == "a\n\nb\n"
    for place in range(len(note)):
        with pytest.raises(ValueError, match=REFUSED):
            tlog.read_note(note=note[:place] + ("x" if note[place] != "x" else "y") + note[place + 1 :], keys=[KEY])


def test_a_rotated_key_signs_beside_the_one_before_and_a_wrong_line_of_a_known_key_spoils_the_note() -> None:
    text, newer = str(_checkpoint(3)), tlog.public_key(name=ORIGIN, private=OTHER)
    note = tlog.signed(text=text, name=ORIGIN, keys=[PRIVATE, OTHER])
    assert [tlog.read_note(note=note, keys=[key]) for key in (KEY, newer)] == [text] * 2
    forged = tlog.signed(text=text.replace("\n3\n", "\n4\n"), name=ORIGIN, keys=[PRIVATE])
    spoiled = note.replace(note.split("\n")[4], forged.split("\n")[4])
    assert tlog.read_note(note=spoiled, keys=[newer]) == text
    with pytest.raises(ValueError, match="is wrong"):
        tlog.read_note(note=spoiled, keys=[KEY, newer])


def test_a_key_is_read_as_it_is_written_and_its_id_is_its_own() -> None:
    assert tlog.read_key(text=f"{KEY}\n") == KEY
    known = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"  # of Go's checksum database
    assert str(tlog.read_key(text=known)) == known
    for wrong in (known.replace("033de0ae", "033de0af"), known[:-2], "", "a+b", known.replace("+Ac", "+Bc")):
        with pytest.raises(ValueError, match=REFUSED):
            tlog.read_key(text=wrong)


def test_a_checkpoint_says_origin_size_and_root_and_may_say_more() -> None:
    checkpoint = _checkpoint(70_000)
    note = tlog.signed(text=f"{checkpoint}more\n", name=ORIGIN, keys=[PRIVATE])
    assert tlog.read_checkpoint(note=note, keys=[KEY]) == checkpoint
    for wrong in ("a\n1\n", "a\n01\nx\n", "a\n-1\nx\n", "a\n1\nAAAA\n", "\n1\nx\n", "a\n\N{FULLWIDTH DIGIT ONE}\nx\n"):
        with pytest.raises(ValueError, match=REFUSED):
            tlog.checkpoint_of(text=wrong)


def test_tiles_lie_where_the_specification_puts_them() -> None:
    assert tlog.tile_path(level=0, index=1234067) == "tile/0/x001/x234/067"
    assert tlog.tile_path(level=2, index=0, width=1) == "tile/2/000.p/1"
    assert tlog.tile_path(level="entries", index=1000) == "tile/entries/x001/000"
    widths = [(level, width) for level, _, width in tlog.tiles(size=70_000)]
    assert [widths.count(one) for one in ((0, 256), (0, 112), (1, 256), (1, 17), (2, 1))] == [273, 1, 1, 1, 1]
    assert len(widths) == 277
    assert list(tlog.tiles(size=256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(tlog.tiles(size=70_000, beyond=69_999)) == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert list(tlog.tiles(size=0)) == []


def test_proofs_made_of_tiles_prove_and_a_proof_is_read_as_it_is_written() -> None:
    checkpoint, dice = _checkpoint(70_000), random.Random(7)
    note = tlog.signed(text=str(checkpoint), name=ORIGIN, keys=[PRIVATE])
    node = tlog.nodes(tile=_tile)
    for index in [0, 69_999, *(dice.randrange(70_000) for _ in range(5))]:
        hashes = merkle.inclusion(index=index, size=70_000, node=node)
        proof = tlog.read_proof(text=str(tlog.LogProof(index=index, hashes=hashes, note=note)))
        assert (proof.index, proof.hashes, proof.note) == (index, hashes, note)
        proven: dict[str, Any] = {"index": proof.index, "size": 70_000, "proof": proof.hashes, "root": checkpoint.root}
        assert merkle.verify_inclusion(leaf_hash=LEAVES[index], **proven)
    assert tlog.read_proof(text=f"{tlog.PROOF}\nextra YQ==\nindex 0\n\n{note}").hashes == []
    for wrong in (
        "",
        tlog.PROOF,
        f"{tlog.PROOF}\nindex 00\n\n{note}",
        f"{tlog.PROOF}\nindex 1\nYQ==\n\n{note}",
        f"x\nindex 1\n\n{note}",
    ):
        with pytest.raises(ValueError, match=REFUSED):
            tlog.read_proof(text=wrong)


def test_a_bundle_is_read_whole_or_not_at_all() -> None:
    entries = [b"", b"a", bytes(tlog.ENTRY_BYTES_MAX)]
    body = tlog.bundle(entries=entries)
    assert tlog.read_bundle(body=body) == entries
    assert hashlib.sha256(body[:5]).hexdigest() == hashlib.sha256(b"\0\0\0\1a").hexdigest()
    for cut in (1, 3, 4, 6, len(body) - 1):
        with pytest.raises(ValueError, match="cut off"):
            tlog.read_bundle(body=body[:cut])
