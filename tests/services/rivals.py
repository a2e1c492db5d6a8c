"""A rival: another transaction that commits between two statements of this one, at a place that the test names."""

import concurrent.futures
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection, connections

WAIT_S = 20


@contextlib.contextmanager
def overtaken(*, after: str, by: Callable[[], object]) -> Iterator[None]:
    """Let a rival do something and commit, once, after the first statement of this connection that contains a text."""

    def rival() -> object:
        try:
            return by()
        finally:
            connections.close_all()

    done: list[object] = []

    def overtake(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if after in sql and not done:
            done.append(other.submit(rival).result(timeout=WAIT_S))
        return result

    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as other, connection.execute_wrapper(overtake):
        yield
    assert done, f"no statement contains {after!r}"
