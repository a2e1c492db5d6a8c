"""Who waits for a host that does not even answer a connection: seen from outside, in the kernel's table of sockets."""

import pathlib
import time
from collections.abc import Collection, Iterator

TABLE = pathlib.Path("/proc/net/tcp")
SYN_SENT = "02"
LOOK_EVERY_S = 0.2


class KnockWatch:
    """How long each caller of a port has waited to be let in; `look` again and again, from one thread. Monotonic."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], tuple[float, float]] = {}  # port and caller's own -> first and last look

    def look(self, *, ports: Collection[int]) -> None:
        """Take note of who waits now."""
        now = time.monotonic()
        for port, caller in _waiting():
            if port in ports:
                first, _last = self._seen.get((port, caller), (now, now))
                self._seen[port, caller] = (first, now)

    def waits_s(self, *, port: int, since: float) -> list[float]:
        """Return how long each one waited that came after a moment."""
        return [last - first for (to, _), (first, last) in list(self._seen.items()) if to == port and first >= since]


def _waiting() -> Iterator[tuple[int, int]]:
    """Yield the port that is called and the caller's own, of each connection that nobody has answered yet."""
    for line in TABLE.read_text(encoding="ascii").splitlines()[1:]:
        _number, caller, called, state, *_rest = line.split()
        if state == SYN_SENT:
            yield int(called.rpartition(":")[2], 16), int(caller.rpartition(":")[2], 16)
