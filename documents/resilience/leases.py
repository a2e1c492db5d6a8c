"""Leases: one worker at a time on a row, renewed while it lives, worthless once it is dead.

Every queue is a table of `models.Leased` rows, and this is how all of them are worked on: `due` says what may be
tried, `lease` takes the first of it, `write` notes a step, and `release` or `finish` says what came of it. Each write
names the fence of the lease, so that a zombie that wakes up changes nothing. The lease alone keeps others away:
`next_try_at` stays what it was, so that the rows of a killed worker are the first in turn again once `LEASE_S` is over.
"""

import contextlib
import datetime as dt
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from django.conf import settings
from django.db import connections
from django.db.models import Q, QuerySet

from documents import locks
from documents.models import Leased

ENDED: Mapping[str, None] = MappingProxyType({"lease": None, "lease_until_at": None})
Leasable = TypeVar("Leasable", bound=Leased)

_in_flight: set["Lease"] = set()
_lock = threading.Lock()

_LEASE = """
UPDATE {table} SET lease = %s, lease_until_at = %s, attempts = attempts + 1
 WHERE id = ({first} FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A leased row and the fence that each later write names."""

    model: type[Leased]
    pk: int
    fence: uuid.UUID

    def row(self) -> QuerySet[Leased]:
        """Return the row, as long as the lease stands: no row once it has ended or is another worker's."""
        return self.model._default_manager.filter(pk=self.pk, lease=self.fence)


def due(*, rows: QuerySet[Leasable], now: dt.datetime) -> QuerySet[Leasable]:
    """Return those of `rows` that may be tried now and that nobody has leased, those that have waited longest first."""
    return rows.filter(_free(now=now), next_try_at__lte=now).order_by("next_try_at", "pk")


@contextlib.contextmanager
def lease(*, rows: QuerySet[Any], now: dt.datetime) -> Iterator[Lease | None]:
    """Lease the first of `rows` that nobody has, counting an attempt, and renew the lease for as long as it is used.

    Yield None where there is none. Workers that ask at the same moment get different rows, and none waits.
    """
    fence = uuid.uuid4()
    first, parameters = rows.filter(_free(now=now)).values("pk")[:1].query.sql_with_params()
    with connections[rows.db].cursor() as cursor:
        cursor.execute(_LEASE.format(table=rows.model._meta.db_table, first=first), [fence, _end(now), *parameters])
        row = cursor.fetchone()
    if row is None:
        yield None
        return
    leased = Lease(model=rows.model, pk=row[0], fence=fence)
    with _lock:
        _in_flight.add(leased)
    try:
        yield leased
    finally:
        with _lock:
            _in_flight.discard(leased)


def renew(*, now: dt.datetime) -> int:
    """Extend the leases of this process and return how many of them are still its own."""
    fences: dict[type[Leased], list[uuid.UUID]] = defaultdict(list)
    with _lock:
        for leased in _in_flight:
            fences[leased.model].append(leased.fence)
    return sum(
        model._default_manager.filter(lease__in=mine).update(lease_until_at=_end(now)) for model, mine in fences.items()
    )


def write(*, lease: Lease, **columns: object) -> bool:
    """Write columns of a leased row; False, and nothing is written, where the lease does not stand any more."""
    _declare(lease=lease)
    return bool(lease.row().update(**columns))


def release(*, lease: Lease, next_try_at: dt.datetime | None, **columns: object) -> bool:
    """Write what came of a try and end its lease: the row is due again at `next_try_at`.

    False, and nothing is written, where the lease does not stand any more.
    """
    _declare(lease=lease)
    return bool(lease.row().update(next_try_at=next_try_at, **ENDED, **columns))


def finish(*, lease: Lease, **columns: object) -> bool:
    """Write where a row has arrived and end its lease: it is not due any more. False as of `release`."""
    return release(lease=lease, next_try_at=None, **columns)


def _declare(*, lease: Lease) -> None:
    """Declare the lock on a leased row; that of an alert, which is written alone, has another key."""
    if lease.model in locks.RANKS:
        locks.declare(rank=locks.RANKS[lease.model], keys=[(lease.pk,)])


def _free(*, now: dt.datetime) -> Q:
    """Return the condition of rows that are leased to nobody."""
    return Q(lease_until_at=None) | Q(lease_until_at__lt=now)


def _end(now: dt.datetime) -> dt.datetime:
    """Return the end of a lease that is given or renewed now."""
    return now + dt.timedelta(seconds=settings.LEASE_S)
