"""The breaker: it stops the calls to a dependency that fails, lets one probe it, and says when an incident is over.

This one is in the memory of a process: PostgreSQL's own. `circuits` has those that all processes share.
"""

import threading

from documents.resilience import dependencies

CODES = {"closed": 0, "half_open": 1, "open": 2}


class Breaker:
    """Closed, open, half open; one per dependency and process; safe among threads. Times are monotonic seconds."""

    def __init__(self, *, row: dependencies.Dependency) -> None:
        self.row, self.state, self.failures = row, "closed", 0
        self.opened_at = self.closed_at = 0.0
        self.incident = False
        self._lock = threading.Lock()

    def admits(self, *, now: float) -> bool:
        """Return whether a call may go through; once the pause is over, exactly one may, as a probe."""
        with self._lock:
            if self.state == "closed":
                return True
            # A probe that never came back (its thread was killed) does not keep the breaker half open for ever.
            pause = self.row.breaker_open_s + (self.row.total_s if self.state == "half_open" else 0)
            if now - self.opened_at < pause:
                return False
            self.state = "half_open"
            self.opened_at = now - self.row.breaker_open_s
            return True

    def abandoned(self) -> None:
        """Take back a probe that ended without an answer of this dependency."""
        with self._lock:
            if self.state == "half_open":
                self.state = "open"

    def failed(self, *, now: float) -> bool:
        """Count a failure; True when this one opens the breaker."""
        with self._lock:
            self.failures += 1
            if self.state == "open" or (self.state == "closed" and self.failures < self.row.breaker_failures):
                return False
            self.state = "open"
            self.opened_at = now
            self.incident = True
            return True

    def succeeded(self, *, now: float) -> bool:
        """Close the breaker; True when an incident is over: the dependency has answered for its row's `steady_s`."""
        with self._lock:
            self.failures = 0
            if self.state != "closed":
                self.state = "closed"
                self.closed_at = now
            if not self.incident or now - self.closed_at < self.row.steady_s:
                return False
            self.incident = False
            return True
