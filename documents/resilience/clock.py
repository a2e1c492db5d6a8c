"""How far this machine's clock is from PostgreSQL's."""

import datetime as dt
import time

from django.db import DatabaseError, InterfaceError, connections

SKEW_FRESH_S = 60.0
JUMP_S = 1.0  # what was measured is worth nothing after it
_skew: dict[str, float] = {}


def clock_skew_s() -> float | None:
    """Return how far this machine's clock is ahead of PostgreSQL's, measured once a minute, and anew after a jump.

    None where PostgreSQL does not answer: then nothing can commit either.
    """
    age_s = time.monotonic() - _skew.get("measured_at", -SKEW_FRESH_S)
    if age_s < SKEW_FRESH_S and abs(time.time() - _skew["measured_time"] - age_s) < JUMP_S:
        return _skew["skew_s"]
    try:
        before = time.time()
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            theirs = float(cursor.fetchone()[0])
    except (DatabaseError, InterfaceError):
        return None
    after = time.time()
    note(skew_s=(before + after) / 2 - theirs)
    return _skew["skew_s"]


def note(*, skew_s: float | None) -> None:
    """Go by a skew from now on, until it is measured again; None: measure it at the next question."""
    _skew.clear()
    if skew_s is not None:
        _skew.update(skew_s=skew_s, measured_at=time.monotonic(), measured_time=time.time())


def of_database(*, now: dt.datetime) -> dt.datetime:
    """Return what PostgreSQL's clock shows when this machine's shows `now`: by it alerts are due."""
    return now - dt.timedelta(seconds=clock_skew_s() or 0.0)
