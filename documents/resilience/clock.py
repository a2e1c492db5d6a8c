"""How far this machine's clock is from PostgreSQL's."""

import time

from django.db import DatabaseError, InterfaceError, connections

SKEW_FRESH_S = 60.0
_skew: dict[str, float] = {}


def clock_skew_s() -> float | None:
    """Return how far this machine's clock is ahead of PostgreSQL's, measured at most once a minute.

    None where PostgreSQL does not answer: then nothing can commit either.
    """
    if time.monotonic() - _skew.get("measured_at", -SKEW_FRESH_S) < SKEW_FRESH_S:
        return _skew["skew_s"]
    try:
        before = time.time()
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            theirs = float(cursor.fetchone()[0])
    except (DatabaseError, InterfaceError):
        return None
    after = time.time()
    _skew.update(skew_s=(before + after) / 2 - theirs, measured_at=time.monotonic())
    return _skew["skew_s"]
