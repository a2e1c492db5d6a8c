"""Merkle trees: proofs of the log are those of everybody else's trees, and nothing a stranger sends is taken for one."""

import base64
import hashlib
import json
import pathlib
import random
import subprocess
import sys
from typing import Any

import pytest

from audit import merkle
from config import env

VECTORS = json.loads((pathlib.Path(__file__).parent / "vectors" / "merkle.json").read_text(encoding="utf-8"))
LEAVES = [hashlib.sha256(f"leaf {number}".encode()).digest() for number in range(600)]


def _hash(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _proof(vector: dict[str, Any]) -> list[bytes]:
    return [_hash(one) for one in vector["proof"] or []]


def _by_definition(leaves: list[bytes]) -> bytes:
    """Return the root as RFC 9162 defines it: halves by the largest power of two below the size."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    left, right = _by_definition(leaves[:half]), _by_definition(leaves[half:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def _node(level: int, index: int) -> bytes:
    return merkle.complete(hashes=LEAVES[index << level : (index + 1) << level])


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=lambda vector: vector["case"])
def test_proofs_of_inclusion_are_judged_as_everybody_judges_them(vector: dict[str, Any]) -> None:
    right = merkle.verify_inclusion(
        leaf_hash=_hash(vector["leafHash"]),
        index=vector["leafIdx"],
        size=vector["treeSize"],
        proof=_proof(vector),
        root=_hash(vector["root"]),
    )
    assert right is not vector["wantErr"]


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=lambda vector: vector["case"])
def test_proofs_of_consistency_are_judged_as_everybody_judges_them(vector: dict[str, Any]) -> None:
    right = merkle.verify_consistency(
        size1=vector["size1"],
        root1=_hash(vector["root1"]),
        size2=vector["size2"],
        root2=_hash(vector["root2"]),
        proof=_proof(vector),
    )
    assert right is not vector["wantErr"]


def test_roots_are_those_of_the_definition_and_of_a_leaf_its_hash() -> None:
    for size in [*range(1, 70), 255, 256, 257, 511, 512, 513, 600]:
        assert merkle.root(size=size, node=_node) == _by_definition(LEAVES[:size])
    assert merkle.root(size=0, node=_node).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.leaf_hash(leaf=b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


def test_every_leaf_of_every_size_is_proven_and_proves_nothing_else() -> None:
    for size in [*range(1, 40), 64, 65, 127, 129]:
        root = merkle.root(size=size, node=_node)
        for index in range(size):
            proof = merkle.inclusion(index=index, size=size, node=_node)
            held: dict[str, Any] = {"size": size, "proof": proof, "root": root}
            assert merkle.verify_inclusion(leaf_hash=LEAVES[index], index=index, **held)
            assert not merkle.verify_inclusion(leaf_hash=LEAVES[size], index=index, **held)
            assert not any(
                merkle.verify_inclusion(leaf_hash=LEAVES[index], index=other, **held)
                for other in range(size + 2)
                if other != index
            )


def test_every_size_is_consistent_with_every_later_one_and_with_no_other() -> None:
    roots = {size: merkle.root(size=size, node=_node) for size in range(1, 70)}
    for size2 in [*range(1, 34), 63, 64, 65, 69]:
        for size1 in range(1, size2 + 1):
            proof = merkle.consistency(size1=size1, size2=size2, node=_node)
            assert merkle.verify_consistency(
                size1=size1, root1=roots[size1], size2=size2, root2=roots[size2], proof=proof
            )
            wrong: dict[str, Any] = {
                "size1": size1,
                "root1": bytes(32),
                "size2": size2,
                "root2": roots[size2],
                "proof": proof,
            }
            assert not merkle.verify_consistency(**wrong)
            if size1 < size2:
                assert not merkle.verify_consistency(**wrong | {"root1": roots[size1], "size1": size1 + 1})
                assert not merkle.verify_consistency(**wrong | {"root1": roots[size1], "proof": proof[:-1]})


def test_one_flipped_bit_anywhere_makes_a_proof_of_nothing() -> None:
    dice = random.Random(9162)
    for _ in range(300):
        size = dice.randrange(2, 600)
        index, size1 = dice.randrange(size), dice.randrange(1, size)
        root, proof = merkle.root(size=size, node=_node), merkle.inclusion(index=index, size=size, node=_node)
        torn = dice.randrange(len(proof))
        bent = [*proof[:torn], _flipped(proof[torn], dice=dice), *proof[torn + 1 :]]
        assert not merkle.verify_inclusion(leaf_hash=LEAVES[index], index=index, size=size, proof=bent, root=root)
        grown = merkle.consistency(size1=size1, size2=size, node=_node)
        torn = dice.randrange(len(grown))
        bent = [*grown[:torn], _flipped(grown[torn], dice=dice), *grown[torn + 1 :]]
        root1 = merkle.root(size=size1, node=_node)
        assert not merkle.verify_consistency(size1=size1, root1=root1, size2=size, root2=root, proof=bent)


def _flipped(hashed: bytes, *, dice: random.Random) -> bytes:
    place = dice.randrange(256)
    return bytes(byte ^ (1 << place % 8 if at == place // 8 else 0) for at, byte in enumerate(hashed))


@pytest.mark.parametrize(
    "sent",
    [
        {"index": -1},
        {"index": 3},
        {"index": 10**40},
        {"size": 0},
        {"size": -3},
        {"size": 10**40},
        {"size": True},
        {"index": 1.0},
        {"index": "1"},
        {"leaf_hash": b""},
        {"leaf_hash": bytes(33)},
        {"leaf_hash": "a" * 32},
        {"root": None},
        {"proof": None},
        {"proof": [b""]},
        {"proof": [bytes(32)] * 1000},
        {"proof": [None]},
        {"proof": (LEAVES[0], LEAVES[1])},
    ],
    ids=str,
)
def test_what_is_no_proof_at_all_is_answered_no(sent: dict[str, Any]) -> None:
    right: dict[str, Any] = {
        "leaf_hash": LEAVES[1],
        "index": 1,
        "size": 3,
        "proof": merkle.inclusion(index=1, size=3, node=_node),
        "root": merkle.root(size=3, node=_node),
    }
    assert merkle.verify_inclusion(**right) is True
    assert merkle.verify_inclusion(**right | sent) is False
    names = {"index": "size1", "leaf_hash": "root1", "size": "size2", "root": "root2"}
    grown: dict[str, Any] = {
        "size1": 1,
        "root1": LEAVES[0],
        "size2": 3,
        "root2": right["root"],
        "proof": merkle.consistency(size1=1, size2=3, node=_node),
    }
    assert merkle.verify_consistency(**grown) is True
    if sent != {"index": 3}:  # three leaves are the beginning of three
        assert merkle.verify_consistency(**grown | {names.get(name, name): one for name, one in sent.items()}) is False


def test_no_proof_is_made_of_what_is_not_there() -> None:
    for index, size in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(ValueError, match="has none"):
            merkle.inclusion(index=index, size=size, node=_node)
    for size1, size2 in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="no beginning"):
            merkle.consistency(size1=size1, size2=size2, node=_node)


def test_the_file_alone_verifies_where_nothing_is_installed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "merkle.py").write_bytes((env.BASE_DIR / "audit" / "merkle.py").read_bytes())
    program = (
        "import sys; sys.path.insert(0, '.'); import merkle\n"
        "one = merkle.leaf_hash(leaf=b'a')\n"
        "print(merkle.verify_inclusion(leaf_hash=one, index=0, size=1, proof=[], root=one))"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "True\n"
