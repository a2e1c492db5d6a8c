"""Which documents were read while one request was answered: what the guard of its route compares with the scope."""

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DocumentRead:
    """What says whose document a row is; None where the query left the column out."""

    pk: int
    public_id: str | None
    country_id: str | None
    owner_id: int | None


_current: contextvars.ContextVar[set[DocumentRead] | None] = contextvars.ContextVar("documents_read", default=None)


@contextlib.contextmanager
def noting() -> Iterator[set[DocumentRead]]:
    """Note every document that this thread reads until the block ends."""
    read: set[DocumentRead] = set()
    token = _current.set(read)
    try:
        yield read
    finally:
        _current.reset(token)


def note(*, columns: Mapping[str, Any]) -> None:
    """Note one row; `columns` are those that the query has read."""
    read = _current.get()
    if read is not None:
        facts = {name: columns.get(name) for name in ("public_id", "country_id", "owner_id")}
        read.add(DocumentRead(pk=columns["id"], **facts))
