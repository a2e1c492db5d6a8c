"""TABLE: the cells of a campaign: which dependency fails in which way, and what must come of it."""

import dataclasses
import enum
from collections.abc import Iterable, Sequence

from config.faults.proxy import Mode
from documents.resilience import dependencies

FLAP_S = 4.0


class Way(enum.StrEnum):
    """A way of failing that is no mode of a port."""

    FLAP = "flap"
    FLAP_AT_PAUSE = "flap_at_pause"
    CRASH = "crash"
    HANG = "hang"
    MEMORY = "memory"
    WRONG_BYTES = "wrong_bytes"
    JUMP = "jump"
    JUMP_FAR = "jump_far"
    JUMP_BACK = "jump_back"
    DRIFT = "drift"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaultCell:
    """One row of the outside table failing in one way; `beside` fails with it, in the same way.

    `besides` begins the codes of other alerts that may come: a store that takes bytes and has none breaks a promise of
    its own. `alerts_min` is how many incidents there must be at the least; there may never be more than one a row.
    """

    row: str
    way: Mode | Way
    alerts_min: int = 1
    beside: str = ""
    besides: str = ""
    hold_s: float = 6.0  # at the least, so that there is something to see

    @property
    def name(self) -> str:
        """Return how the cell is called: `vault/slow`, `vault+mail/refuse`."""
        return f"{self.row}{'+' if self.beside else ''}{self.beside}/{self.way}"

    @property
    def rows(self) -> Sequence[str]:
        """Return all that fails."""
        return [self.row, self.beside] if self.beside else [self.row]

    @property
    def limits(self) -> dependencies.Dependency:
        """Return the row of the outside table."""
        return dependencies.DEPENDENCIES[self.row]


COMMON = (
    Mode.REFUSE,
    Mode.BLACK_HOLE,
    Mode.UNREACHABLE,
    Mode.SLOW,
    Mode.BUSY,
    Mode.GARBAGE,
    Mode.DRIP,
)
FLAP_HOLD_S = 40.0
TURNS = 3  # away, back, and away again: at the pace of its pause a dependency makes as many at the least
PROXIED = ("vault", "vault_former", "vault_canary", "mail", "redis", "postgresql", "alert_channel")
PAIRS = (("vault", "mail"), ("redis", "mail"), ("vault", "alert_channel"), ("postgresql", "alert_channel"))


def _all() -> Iterable[FaultCell]:
    # The second channel is asked where the first one fails.
    for row, beside in [*((row, "") for row in PROXIED), ("alert_channel_2", "alert_channel")]:
        yield from (FaultCell(row=row, beside=beside, way=mode) for mode in COMMON)
        turns_s = TURNS * dependencies.DEPENDENCIES[row].breaker_open_s
        yield FaultCell(row=row, beside=beside, way=Way.FLAP, alerts_min=0, hold_s=FLAP_HOLD_S)
        yield FaultCell(row=row, beside=beside, way=Way.FLAP_AT_PAUSE, alerts_min=0, hold_s=max(FLAP_HOLD_S, turns_s))
    yield FaultCell(row="vault", way=Mode.EMPTY, besides="worm_")
    yield FaultCell(row="vault", way=Mode.AFTER_PUT)
    yield from (FaultCell(row="renderer", way=way) for way in (Way.CRASH, Way.HANG, Way.MEMORY, Way.WRONG_BYTES))
    yield from (FaultCell(row="clock", way=way) for way in (Way.JUMP, Way.JUMP_FAR, Way.JUMP_BACK, Way.DRIFT))
    yield from (
        FaultCell(row=row, beside=beside, way=Mode.REFUSE, alerts_min=0 if row == "postgresql" else 1)
        for row, beside in PAIRS
    )


CELLS = tuple(_all())


def chosen(*, only: Iterable[str]) -> list[FaultCell]:
    """Return the cells that bear all or part of what is asked for: rows, ways, or both as `vault/slow`; "": all.

    Rows widen the choice and ways narrow it: `vault,mail,slow` is `vault/slow` and `mail/slow`.

    :raises ValueError: nothing is called so
    """
    asked = set(only)
    rows, ways, names = ({cell.row for cell in CELLS}, {str(cell.way) for cell in CELLS}, {cell.name for cell in CELLS})
    if unknown := asked - rows - ways - names:
        raise ValueError(f"no row, way or cell is called {', '.join(sorted(unknown))}")
    wide, narrow, exact = asked & rows, asked & ways, asked & names
    return [
        cell
        for cell in CELLS
        if cell.name in exact
        or (
            (not exact or wide or narrow) and (not wide or wide & set(cell.rows)) and (not narrow or cell.way in narrow)
        )
        or not asked
    ]
