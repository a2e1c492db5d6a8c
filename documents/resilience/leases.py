"""Leases: one worker at a time on a row, renewed while it lives, worthless once it is dead.

Leasing is one UPDATE, which passes over what others are leasing at the same moment. Every later write of the worker
names the lease, so that a zombie that wakes up changes nothing. The lease alone keeps others away: `next_try_at` stays
what it was, so that the rows of a killed worker are the first in turn again once `LEASE_S` is over.
"""

import contextlib
import datetime as dt
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connections, models
from django.db.models import Q, QuerySet

_in_flight: dict[uuid.UUID, type[models.Model]] = {}
_lock = threading.Lock()

_LEASE = """
UPDATE {table} SET lease = %s, lease_until_at = %s, attempts = attempts + 1
 WHERE id = ({first} FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A leased row and the fence that each later write names."""

    pk: int
    fence: uuid.UUID


def free(*, now: dt.datetime) -> Q:
    """Return the condition of rows that are leased to nobody."""
    return Q(lease_until_at=None) | Q(lease_until_at__lt=now)


def until(*, now: dt.datetime) -> dt.datetime:
    """Return the end of a lease that is given or renewed now."""
    return now + dt.timedelta(seconds=settings.LEASE_S)


@contextlib.contextmanager
def lease(*, rows: QuerySet[Any], now: dt.datetime) -> Iterator[Lease | None]:
    """Lease the first of `rows` that nobody has, counting an attempt, and renew the lease for as long as it is used.

    Yield None where there is none. Workers that ask at the same moment get different rows, and none waits.
    """
    fence = uuid.uuid4()
    model = rows.model
    first, parameters = rows.filter(free(now=now)).values("pk")[:1].query.sql_with_params()
    with connections[rows.db].cursor() as cursor:
        cursor.execute(_LEASE.format(table=model._meta.db_table, first=first), [fence, until(now=now), *parameters])
        row = cursor.fetchone()
    if row is None:
        yield None
        return
    with leased(model=model, fence=fence):
        yield Lease(pk=row[0], fence=fence)


@contextlib.contextmanager
def leased(*, model: type[models.Model], fence: uuid.UUID) -> Iterator[None]:
    """Have a lease renewed for as long as its work lasts, also one of several rows at once."""
    with _lock:
        _in_flight[fence] = model
    try:
        yield
    finally:
        with _lock:
            _in_flight.pop(fence, None)


def renew(*, now: dt.datetime) -> int:
    """Extend the leases of this process and return how many of them are still its own."""
    with _lock:
        in_flight = dict(_in_flight)
    renewed = 0
    for model in set(in_flight.values()):
        fences = [fence for fence, leased_model in in_flight.items() if leased_model is model]
        renewed += model._default_manager.filter(lease__in=fences).update(lease_until_at=until(now=now))
    return renewed
