"""RFC 9162 Merkle trees: roots, and the proofs that an event is in the log and that the log only grew; pure.

The standard library is all that is imported, so that whoever is handed this one file can verify. Hashes are SHA-256, 32
bytes each. A tree is read through `Node`: the hash of the complete subtree of 2**level leaves that begins at leaf
index * 2**level. The two `verify_` functions take whatever a stranger sends, and answer False where it proves nothing.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

HASH_BYTES = 32
Node: TypeAlias = Callable[[int, int], bytes]  # level, index -> hash


def leaf_hash(*, leaf: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256(0x00 || leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(*, left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def empty_root() -> bytes:
    """Return the root of the tree without a leaf: SHA-256 of nothing."""
    return hashlib.sha256(b"").digest()


def complete(*, hashes: Sequence[bytes]) -> bytes:
    """Return the hash over 1, 2, 4, 8, ... subtrees of one size that stand beside each other."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(left=level[place], right=level[place + 1]) for place in range(0, len(level), 2)]
    return level[0]


def root(*, size: int, node: Node) -> bytes:
    """Return the root of the first `size` leaves."""
    return _subtree(begin=0, end=size, node=node) if size else empty_root()


def inclusion(*, index: int, size: int, node: Node) -> list[bytes]:
    """Return the proof that the leaf at `index` is in the tree of `size` leaves, from the leaf up.

    :raises ValueError: where no such leaf is in the tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has none at {index}")
    begin, end, proof = 0, size, list[bytes]()
    while end - begin > 1:
        middle = begin + _split(size=end - begin)
        if index < middle:
            proof.append(_subtree(begin=middle, end=end, node=node))
            end = middle
        else:
            proof.append(_subtree(begin=begin, end=middle, node=node))
            begin = middle
    return proof[::-1]


def consistency(*, size1: int, size2: int, node: Node) -> list[bytes]:
    """Return the proof that the tree of `size1` leaves is the beginning of the one of `size2`.

    :raises ValueError: where the first is empty or the larger one.
    """
    if not 0 < size1 <= size2:
        raise ValueError(f"a tree of {size1} leaves is no beginning of one of {size2}")
    begin, end, whole, proof = 0, size2, True, list[bytes]()
    while end != size1:
        middle = begin + _split(size=end - begin)
        if size1 <= middle:
            proof.append(_subtree(begin=middle, end=end, node=node))
            end = middle
        else:
            proof.append(_subtree(begin=begin, end=middle, node=node))
            begin, whole = middle, False
    return ([] if whole else [_subtree(begin=begin, end=end, node=node)]) + proof[::-1]


def verify_inclusion(*, leaf_hash: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """Return whether a leaf stands at `index` in the tree of `size` leaves with this root (RFC 9162, 2.1.3.2)."""
    if not (_counts(index, size) and 0 <= index < size and _hashes([leaf_hash, root], proof)):
        return False
    place, last, hashed = index, size - 1, leaf_hash
    for other in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            hashed = node_hash(left=other, right=hashed)
            if not place & 1:
                place, last = _past_zeros(place, last)
        else:
            hashed = node_hash(left=hashed, right=other)
        place, last = place >> 1, last >> 1
    return last == 0 and hashed == root


def verify_consistency(*, size1: int, root1: bytes, size2: int, root2: bytes, proof: list[bytes]) -> bool:
    """Return whether the tree with the first root is the beginning of the one with the second (RFC 9162, 2.1.4.2).

    Every tree begins with the empty one, which says nothing: a first size of 0 is refused.
    """
    if not (_counts(size1, size2) and 0 < size1 <= size2 and _hashes([root1, root2], proof)):
        return False
    if size1 == size2:
        return not proof and root1 == root2
    path = [root1, *proof] if size1 & (size1 - 1) == 0 else proof  # a complete subtree is its own first step
    if not path:
        return False
    place, last = size1 - 1, size2 - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(left=other, right=first), node_hash(left=other, right=second)
            if not place & 1:
                place, last = _past_zeros(place, last)
        else:
            second = node_hash(left=second, right=other)
        place, last = place >> 1, last >> 1
    return last == 0 and (first, second) == (root1, root2)


def _past_zeros(place: int, last: int) -> tuple[int, int]:
    """Go up to the first level at which the place is a right child, or to the top."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last


def _counts(*numbers: object) -> bool:
    return all(type(number) is int for number in numbers)


def _hashes(*lists: object) -> bool:
    """Return whether all that was sent are lists of hashes."""
    return all(
        isinstance(hashes, list) and all(isinstance(hashed, bytes) and len(hashed) == HASH_BYTES for hashed in hashes)
        for hashes in lists
    )


def _split(*, size: int) -> int:
    """Return the largest power of two below a size of two or more."""
    return 1 << (size - 1).bit_length() - 1


def _subtree(*, begin: int, end: int, node: Node) -> bytes:
    """Return the hash over the leaves from `begin` to before `end`: complete subtrees, joined from the right."""
    *others, (level, index) = _complete(begin=begin, end=end)
    hashed = node(level, index)
    for level, index in reversed(others):
        hashed = node_hash(left=node(level, index), right=hashed)
    return hashed


def _complete(*, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield level and index of the complete subtrees in which the leaves from `begin` to before `end` lie."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        yield level, begin >> level
        begin += 1 << level
