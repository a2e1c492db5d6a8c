"""Breakers that all processes share: a row each in PostgreSQL, whose clock decides how long a pause lasts.

A process remembers what a row said last. Where that is "closed", a call costs no query: other processes' failures are
seen at the next `refresh`, and at this process' own first failure. Without PostgreSQL each process goes by its memory.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping

from django.db import DatabaseError, InterfaceError, connection

from documents.resilience import breaker, dependencies

FRESH_S = 1.0  # while a dependency is away, its row is read at most so often
_ROW = """state, failures, incident, extract(epoch FROM clock_timestamp() - opened_at)::float8,
  extract(epoch FROM clock_timestamp() - closed_at)::float8"""
_FAILED = """
INSERT INTO documents_circuit AS circuit (dependency, state, failures, opened_at, incident)
VALUES (%(name)s, CASE WHEN %(most)s <= 1 THEN 'open' ELSE 'closed' END, 1,
        CASE WHEN %(most)s <= 1 THEN statement_timestamp() END, %(most)s <= 1)
ON CONFLICT (dependency) DO UPDATE SET
  failures = circuit.failures + 1,
  state = CASE WHEN circuit.state = 'closed' AND circuit.failures + 1 < %(most)s THEN 'closed' ELSE 'open' END,
  incident = circuit.incident OR circuit.state <> 'closed' OR circuit.failures + 1 >= %(most)s,
  opened_at = CASE WHEN circuit.state = 'open' OR (circuit.state = 'closed' AND circuit.failures + 1 < %(most)s)
              THEN circuit.opened_at ELSE statement_timestamp() END
RETURNING {row}, state = 'open' AND opened_at = statement_timestamp()
"""
_PROBES = """
UPDATE documents_circuit SET state = 'half_open', opened_at = clock_timestamp() - make_interval(secs => %(pause)s)
WHERE dependency = %(name)s AND state <> 'closed' AND clock_timestamp() - opened_at
  >= make_interval(secs => %(pause)s + CASE WHEN state = 'half_open' THEN %(total)s ELSE 0 END)
RETURNING {row}, true
"""
_SUCCEEDED = """
UPDATE documents_circuit AS circuit SET
  failures = 0,
  state = 'closed',
  closed_at = CASE WHEN circuit.state <> 'closed' THEN statement_timestamp() ELSE circuit.closed_at END,
  incident = circuit.incident AND (circuit.state <> 'closed' OR circuit.closed_at IS NULL
    OR statement_timestamp() - circuit.closed_at < make_interval(secs => %(steady)s))
FROM (SELECT dependency AS name, incident AS was FROM documents_circuit WHERE dependency = %(name)s) AS before
WHERE circuit.dependency = before.name
RETURNING {row}, was AND NOT incident
"""
_ABANDONED = """
UPDATE documents_circuit SET state = 'open' WHERE dependency = %(name)s AND state = 'half_open' RETURNING {row}, true
"""
_READ = "SELECT dependency, {row} FROM documents_circuit WHERE dependency = ANY(%s)"
CircuitRow = tuple[str, int, bool, float | None, float | None]


class SharedBreaker(breaker.Breaker):
    """A breaker whose row all processes share; `is_usable` says whether PostgreSQL may be asked. Safe among threads."""

    def __init__(self, *, row: dependencies.Dependency, is_usable: Callable[[], bool]) -> None:
        super().__init__(row=row)
        self._is_usable = is_usable
        self._read_at = -FRESH_S

    def admits(self, *, now: float) -> bool:
        """Return whether a call may go through; of all processes, exactly one may probe once the pause is over."""
        if self.state == "closed":
            return True
        if now - self._read_at >= FRESH_S and self._is_usable():
            refresh(breakers=[self], now=now)
            if self.state == "closed":
                return True
        probes = self._written(statement=_PROBES, now=now)
        return super().admits(now=now) if probes is None else probes

    def abandoned(self) -> None:
        """Take back a probe that ended without an answer of this dependency."""
        if self.state != "closed":
            self._written(statement=_ABANDONED, now=time.monotonic())
        super().abandoned()

    def failed(self, *, now: float) -> bool:
        """Count a failure of any process; True when this one opens the breaker."""
        opens = self._written(statement=_FAILED, now=now)
        return super().failed(now=now) if opens is None else opens

    def succeeded(self, *, now: float) -> bool:
        """Close the breaker of all processes; True when an incident is over."""
        if self.state == "closed" and not self.failures and not self.incident:
            return False
        is_over = self._written(statement=_SUCCEEDED, now=now)
        return super().succeeded(now=now) if is_over is None else is_over

    def follow(self, *, row: CircuitRow, now: float) -> None:
        """Take over what the row says, its ages turned into moments of this process' clock."""
        state, failures, incident, open_s, closed_s = row
        with self._lock:
            self.state, self.failures, self.incident, self._read_at = state, failures, incident, now
            self.opened_at = now - (open_s or 0.0)
            self.closed_at = now - (closed_s or 0.0)

    def _written(self, *, statement: str, now: float) -> bool | None:
        """Write the row; return what the statement says, False where it found no row, None without PostgreSQL."""
        values: dict[str, str | int | float] = {
            "name": self.row.name,
            "most": self.row.breaker_failures,
            "pause": self.row.breaker_open_s,
            "total": self.row.total_s,
            "steady": self.row.steady_s,
        }
        if not self._is_usable():
            return None
        with contextlib.suppress(DatabaseError, InterfaceError), connection.cursor() as cursor:
            cursor.execute(statement.format(row=_ROW), values)
            written = cursor.fetchone()
            if written is None:
                return False
            *row, answer = written
            self.follow(row=tuple(row), now=now)
            return bool(answer)
        return None


def refresh(*, breakers: Iterable[breaker.Breaker], now: float) -> bool:
    """Let breakers follow their rows, in one query; False where they cannot be read, and all stays as it was."""
    shared = {circuit.row.name: circuit for circuit in breakers if isinstance(circuit, SharedBreaker)}
    with contextlib.suppress(DatabaseError, InterfaceError):
        for name, row in _rows(names=list(shared)).items():
            shared[name].follow(row=row, now=now)
        return True
    return False


def _rows(*, names: list[str]) -> Mapping[str, CircuitRow]:
    """Return the rows of these dependencies; a dependency that never failed has none, and is closed."""
    with connection.cursor() as cursor:
        cursor.execute(_READ.format(row=_ROW), [names])
        written = {name: tuple(row) for name, *row in cursor.fetchall()}
    return {name: written.get(name, ("closed", 0, False, None, None)) for name in names}
