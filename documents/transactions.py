"""Transactions that are run again from the start where PostgreSQL ended them in favour of another one."""

from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, transaction

DEADLOCK_TRIES_MAX = 4
# SQLSTATE of a transaction that gave way to another one: a circle of locks, or rows that another one has changed.
CONFLICTS = frozenset({"40P01", "40001"})
Result = TypeVar("Result")


def retry_on_conflict(work: Callable[[], Result]) -> Result:
    """Do work in one transaction, again from the start where PostgreSQL ended it in favour of another one.

    :raises django.db.OperationalError: any other failure, or a conflict at the last try
    """
    for attempt in range(1, DEADLOCK_TRIES_MAX + 1):
        try:
            with transaction.atomic():
                return work()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") not in CONFLICTS or attempt == DEADLOCK_TRIES_MAX:
                raise
    raise AssertionError("unreachable")
