"""What was put on record while one request was answered: what the guard of its route compares with the route's rule.

An event counts once its transaction is committed, a refusal at once. What was rolled back, or only to a savepoint, does
not count.
"""

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator, Sequence

from django.db import connections, transaction

from audit.entries import Entry


@dataclasses.dataclass(eq=False)
class _Append:
    """Some events that were appended together, and whether they are in the log for good."""

    entries: Sequence[Entry]
    using: str
    committed: bool = False

    def commit(self) -> None:
        self.committed = True

    def stands(self) -> bool:
        """Tell whether nothing has taken the events back.

        Where the guard itself runs inside a transaction (a test's), they wait for its end among the connection's hooks:
        a rollback to a savepoint removes them from there.
        """
        return self.committed or any(hook[1] == self.commit for hook in connections[self.using].run_on_commit)


class Recorder:
    """The events of one request, in the order in which they were recorded."""

    def __init__(self) -> None:
        self._appends: list[_Append] = []

    def add(self, append: _Append) -> None:
        """Remember events that have just been appended."""
        self._appends.append(append)

    def entries(self) -> list[Entry]:
        """Return the events that are on record now."""
        return [entry for append in self._appends if append.stands() for entry in append.entries]


_current: contextvars.ContextVar[Recorder | None] = contextvars.ContextVar("audit_recorder", default=None)


@contextlib.contextmanager
def recording() -> Iterator[Recorder]:
    """Remember what this thread records until the block ends."""
    made = Recorder()
    token = _current.set(made)
    try:
        yield made
    finally:
        _current.reset(token)


def note_appended(*, entries: Sequence[Entry], using: str) -> None:
    """Remember events of the caller's transaction; they count when it is committed."""
    recorder = _current.get()
    if recorder is not None:
        append = _Append(entries=entries, using=using)
        transaction.on_commit(append.commit, using=using)
        recorder.add(append)


def note_written(*, entry: Entry, using: str) -> None:
    """Remember an event that is on record already, or counted with others that are alike."""
    recorder = _current.get()
    if recorder is not None:
        recorder.add(_Append(entries=[entry], using=using, committed=True))
