"""A part of a test whose rows go at its end, so that many questions can be asked of the same world."""

import contextlib
from collections.abc import Iterator

from django.db import transaction


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """Roll back, on both connections, what happens inside; to the product it is a test's own transaction."""
    with contextlib.ExitStack() as blocks:
        for alias in ("default", "denials"):
            block = transaction.atomic(using=alias)
            vars(block)["_from_testcase"] = True
            blocks.enter_context(block)
        yield
        for alias in ("default", "denials"):
            transaction.set_rollback(True, using=alias)
