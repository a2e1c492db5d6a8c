"""How far a log has been read, and what that leaves for the next batch: it can be written down and gone on from."""

import dataclasses
import json
from collections.abc import Iterable, Iterator

from audit import merkle, tlog


@dataclasses.dataclass(kw_only=True)
class GrowingTree:
    """A tree to which leaves are appended: how many they are, and the complete subtrees that they make."""

    size: int = 0
    subtrees: list[tuple[int, bytes]] = dataclasses.field(default_factory=list)

    def add(self, *, hashed: bytes) -> None:
        """Append a leaf."""
        self.size += 1
        self.subtrees.append((0, hashed))
        while len(self.subtrees) > 1 and self.subtrees[-2][0] == self.subtrees[-1][0]:
            level, right = self.subtrees.pop()
            _, left = self.subtrees.pop()
            self.subtrees.append((level + 1, merkle.node_hash(left=left, right=right)))

    def with_leaves(self, *, hashes: Iterable[bytes]) -> "GrowingTree":
        """Return what the tree would be with more leaves; this one stays as it is."""
        grown = GrowingTree(size=self.size, subtrees=list(self.subtrees))
        for hashed in hashes:
            grown.add(hashed=hashed)
        return grown

    def root(self) -> bytes:
        """Return its root."""
        if not self.subtrees:
            return merkle.empty_root()
        *others, (_, hashed) = self.subtrees
        for _, left in reversed(others):
            hashed = merkle.node_hash(left=left, right=hashed)
        return hashed


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ReadLeaf:
    """A leaf as it was read: what the event's row hashes to (nothing where it is gone), and what its place says."""

    index: int
    event_id: int
    row: bytes | None
    place: bytes
    order: tuple[str, int, int]  # incarnation, transaction and id


@dataclasses.dataclass(kw_only=True)
class Progress:
    """How far the log has been read: the tree until there, and the order of its last two rows."""

    tree: GrowingTree = dataclasses.field(default_factory=GrowingTree)
    order: tuple[str, int, int] = ("", 0, 0)  # incarnation, transaction and id of the last row
    order_before: tuple[str, int, int] = ("", 0, 0)
    incarnations: list[str] = dataclasses.field(default_factory=list)  # all that there were, in their order
    tiles: dict[int, list[bytes]] = dataclasses.field(default_factory=dict)  # of each level, the one that is not full
    lost: bool = False  # a root was wrong: those after it must be, too
    forged: bool = False  # the last head was signed by no key: of several in a row the first one is named
    unplaced_until: int = 0  # the id up to which events without a place have been looked for

    @property
    def size(self) -> int:
        """Return how many leaves have been read."""
        return self.tree.size

    def complete_tiles(self, *, hashed: bytes, size: int) -> Iterator[tuple[int, int, bytes, bytes]]:
        """Take the last leaf of a tree of `size`; yield level, index, hashes and subtree of each tile that it fills."""
        level = 0
        while True:
            hashes = self.tiles.setdefault(level, [])
            hashes.append(hashed)
            if len(hashes) < tlog.TILE_WIDTH:
                return
            hashed = merkle.complete(hashes=hashes)
            yield level, (size >> tlog.TILE_LEVELS * (level + 1)) - 1, b"".join(hashes), hashed
            self.tiles[level] = []
            level += 1

    def to_json(self) -> str:
        """Write it down, to go on from another day."""
        kept = dataclasses.asdict(self)
        kept["tree"]["subtrees"] = [[level, hashed.hex()] for level, hashed in self.tree.subtrees]
        kept["tiles"] = [[level, [hashed.hex() for hashed in hashes]] for level, hashes in self.tiles.items()]
        return json.dumps(kept)

    @classmethod
    def from_json(cls, *, text: str) -> "Progress":
        """Read what `to_json` wrote.

        :raises ValueError: for anything else
        """
        kept = json.loads(text)
        try:
            subtrees = [(level, bytes.fromhex(hashed)) for level, hashed in kept["tree"]["subtrees"]]
            kept["tree"] = GrowingTree(size=kept["tree"]["size"], subtrees=subtrees)
            kept["tiles"] = {level: [bytes.fromhex(hashed) for hashed in hashes] for level, hashes in kept["tiles"]}
            kept["order"], kept["order_before"] = tuple(kept["order"]), tuple(kept["order_before"])
            return cls(**kept)
        except (KeyError, TypeError) as error:
            raise ValueError("not a verification that was broken off") from error
