"""Leases: one worker at a time on a row, renewed while it lives, worthless once it is dead.

Leasing is one UPDATE; every later write of the worker names the lease, so that a zombie that wakes up changes nothing.
The worker's poller renews what is in flight; a killed worker's rows are free again after `LEASE_S`.
"""

import contextlib
import datetime as dt
import threading
import uuid
from collections.abc import Iterator

from django.conf import settings
from django.db import models
from django.db.models import F, Q

_in_flight: dict[uuid.UUID, type[models.Model]] = {}
_lock = threading.Lock()


@contextlib.contextmanager
def lease(*, model: type[models.Model], pk: int, free: Q, now: dt.datetime) -> Iterator[uuid.UUID | None]:
    """Lease one row that satisfies `free` and is leased to nobody, counting an attempt.

    Yield the lease's fence, or None when somebody else has the row or it no longer stands where `free` says.
    """
    fence = uuid.uuid4()
    until_at = now + dt.timedelta(seconds=settings.LEASE_S)
    given = model._default_manager.filter(free, Q(lease_until_at=None) | Q(lease_until_at__lt=now), pk=pk).update(
        lease=fence, lease_until_at=until_at, next_try_at=until_at, attempts=F("attempts") + 1
    )
    if not given:
        yield None
        return
    with leased(model=model, fence=fence):
        yield fence


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
    until_at = now + dt.timedelta(seconds=settings.LEASE_S)
    renewed = 0
    for model in set(in_flight.values()):
        fences = [fence for fence, leased_model in in_flight.items() if leased_model is model]
        renewed += model._default_manager.filter(lease__in=fences).update(lease_until_at=until_at, next_try_at=until_at)
    return renewed
