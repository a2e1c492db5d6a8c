"""The log in the words of others: C2SP signed notes, checkpoints, tiles, entry bundles and proofs; pure.

Sources: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-tiles, c2sp.org/tlog-proof. What a stranger sends
is read by `read_note`, `read_checkpoint`, `read_bundle` and `read_proof`, which raise ValueError for anything else.
"""

import base64
import binascii
import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit import merkle

TILE_WIDTH, TILE_LEVELS = 256, 8  # hashes in a full tile; levels of the tree that it spans
ENTRY_BYTES_MAX = 0xFFFF
SIGNATURES_MAX = 32
ED25519 = b"\x01"
PROOF = "c2sp.org/tlog-proof@v1"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_KEY_NAME = re.compile(r"[^\s+]+")
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogKey:
    """A key that signs notes: its name, which is the origin of the log, and the 32 bytes of its Ed25519 public half."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Return the 4 bytes by which a signature names its key."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        """Write the key as verifiers are given it: name+id+key."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What the log was at one size."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        """Write the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogProof:
    """A proof that a leaf stands at `index` of the tree of a signed checkpoint."""

    index: int
    hashes: list[bytes]
    note: str

    def __str__(self) -> str:
        """Write the proof as a file."""
        lines = [PROOF, f"index {self.index}", *(base64.b64encode(hashed).decode() for hashed in self.hashes)]
        return "\n".join([*lines, "", self.note])


def read_key(*, text: str) -> LogKey:
    """Read a key as verifiers are given it.

    :raises ValueError: for anything else, also where the id is not the key's.
    """
    name, _, rest = text.strip().partition("+")
    hexed, _, encoded = rest.partition("+")
    body = _decoded(encoded)
    if not _KEY_NAME.fullmatch(name) or len(body) != len(ED25519) + 32 or body[:1] != ED25519:
        raise ValueError("no Ed25519 key of a log")
    key = LogKey(name=name, public=body[1:])
    if key.key_id.hex() != hexed:
        raise ValueError("the id of the key is not its own")
    return key


def public_key(*, name: str, private: Ed25519PrivateKey) -> LogKey:
    """Return the public half of a key under the name of a log."""
    return LogKey(name=name, public=private.public_key().public_bytes_raw())


def signed(*, text: str, name: str, keys: Iterable[Ed25519PrivateKey]) -> str:
    """Return the note of a text that ends in a newline, signed by each key under the same name."""
    lines = []
    for private in keys:
        signature = public_key(name=name, private=private).key_id + private.sign(text.encode())
        lines.append(f"— {name} {base64.b64encode(signature).decode()}\n")
    return text + "\n" + "".join(lines)


def read_note(*, note: str, keys: Iterable[LogKey]) -> str:
    """Return the text of a note that one of the keys, and none of them wrongly, has signed.

    :raises ValueError: where it is no note, no key has signed it, or a signature of one of the keys is wrong.
    """
    text, blank, tail = note.rpartition("\n\n")
    text += "\n"
    lines = tail.removesuffix("\n").split("\n")
    if not blank or not tail.endswith("\n") or len(lines) > SIGNATURES_MAX or re.search(r"[\x00-\x09\x0b-\x1f]", note):
        raise ValueError("no signed note")
    known = {(key.name, key.key_id): key for key in keys}
    verified = 0
    for line in lines:
        if not (signature := _SIGNATURE.fullmatch(line)):
            raise ValueError("no line of a signature")
        body = _decoded(signature[2])
        if key := known.get((signature[1], body[:4])):
            try:
                Ed25519PublicKey.from_public_bytes(key.public).verify(body[4:], text.encode())
            except InvalidSignature as error:
                raise ValueError(f"the signature of {key.name} is wrong") from error
            verified += 1
    if not verified:
        raise ValueError("signed by none of the keys")
    return text


def read_checkpoint(*, note: str, keys: Iterable[LogKey]) -> Checkpoint:
    """Return what a signed checkpoint says.

    :raises ValueError: where it is none, or as `read_note` does.
    """
    return checkpoint_of(text=read_note(note=note, keys=keys))


def checkpoint_of(*, text: str) -> Checkpoint:
    """Return what the text of a checkpoint says, whoever signed it.

    :raises ValueError: where it is none.
    """
    origin, _, rest = text.partition("\n")
    size, _, rest = rest.partition("\n")
    root, newline, _ = rest.partition("\n")
    if not origin or not newline:
        raise ValueError("no checkpoint")
    return Checkpoint(origin=origin, size=_number(size), root=_hash(root))


def read_proof(*, text: str) -> LogProof:
    """Read a proof that a stranger sent; what it proves is for `merkle.verify_inclusion` and `read_checkpoint` to say.

    :raises ValueError: where it is none.
    """
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines[0] != PROOF:
        raise ValueError("no proof of a log")
    rest = lines[2:] if len(lines) > 1 and lines[1].startswith("extra ") else lines[1:]
    if not rest or not rest[0].startswith("index "):
        raise ValueError("a proof without an index")
    return LogProof(index=_number(rest[0].removeprefix("index ")), hashes=[_hash(line) for line in rest[1:]], note=note)


def bundle(*, entries: Iterable[bytes]) -> bytes:
    """Return entries behind each other, each after its length in two bytes."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def read_bundle(*, body: bytes) -> list[bytes]:
    """Return the entries of a bundle.

    :raises ValueError: where it ends within one.
    """
    entries, place = [], 0
    while place < len(body):
        end = place + 2 + int.from_bytes(body[place : place + 2], "big")
        if end > len(body) or place + 2 > len(body):
            raise ValueError("a bundle that was cut off")
        entries.append(body[place + 2 : end])
        place = end
    return entries


def tile_path(*, level: int | str, index: int, width: int = TILE_WIDTH) -> str:
    """Return where a tile lies below the address of the log; its level is `entries` for a bundle of entries."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    path = f"tile/{level}/{'/'.join(reversed(groups))}"
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def tiles(*, size: int, beyond: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield level, index and width of the tiles of a tree that one of `beyond` leaves does not have in full."""
    level, count, before = 0, size, beyond
    while count:
        for index in range(before // TILE_WIDTH, (count + TILE_WIDTH - 1) // TILE_WIDTH):
            yield level, index, min(TILE_WIDTH, count - index * TILE_WIDTH)
        level, count, before = level + 1, count // TILE_WIDTH, before // TILE_WIDTH


def nodes(*, tile: Callable[[int, int], Sequence[bytes]]) -> merkle.Node:
    """Return how to read a tree of tiles; `tile` gives the hashes of one by level and index."""

    def node(level: int, index: int) -> bytes:
        rows, inside = divmod(level, TILE_LEVELS)
        place = index << inside
        begin = place % TILE_WIDTH
        hashes = tile(rows, place // TILE_WIDTH)[begin : begin + (1 << inside)]
        if len(hashes) != 1 << inside:
            raise ValueError(f"tile {rows}/{place // TILE_WIDTH} is too narrow")
        return merkle.complete(hashes=hashes)

    return node


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError("no number of a log")
    return int(text)


def _hash(text: str) -> bytes:
    body = _decoded(text)
    if len(body) != merkle.HASH_BYTES:
        raise ValueError("no SHA-256 hash")
    return body


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("no base64") from error
