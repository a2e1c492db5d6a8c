"""Refusals are written at once, on their own few connections, and counted where there are too many alike."""

import atexit
import contextlib
import dataclasses
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence

from django.db import Error, InterfaceError, OperationalError, connections

from audit import entries, flood, scrub

ALIAS = "denials"
CONNECTIONS_MAX = 4
WAIT_S = 5.0  # for a connection and for its answer: the total of `postgresql` in `resilience.dependencies`
VARIOUS = "various"

logger = logging.getLogger(__name__)
throttle: flood.Throttle[entries.Entry] = flood.Throttle()
_slots = threading.BoundedSemaphore(CONNECTIONS_MAX)
_lock = threading.Lock()  # for the two below
_waiting: "list[_Batch]" = []
_timer: threading.Timer | None = None


@dataclasses.dataclass(eq=False)
class _Batch:
    """The rows of one caller and, once `ended` is set, whether they were written."""

    rows: Sequence[entries.EventRow]
    ended: threading.Event = dataclasses.field(default_factory=threading.Event)
    written: bool = False
    cause: Exception | None = None


def write(*, entry: entries.Entry) -> None:
    """Write one refusal now, or count it where there were too many alike.

    :raises audit.entries.AuditUnavailable: when it cannot be written.
    """
    entry = _claimed(entry=entry)
    ended = throttle.due()
    actor = entry.actor
    crowd = (entry.action, entry.code, entry.object_type)
    single = throttle.admit(
        key=(*crowd, actor.kind, actor.id, actor.key, actor.address),
        sample=dataclasses.replace(entry, object_id=VARIOUS, details={"aggregated": True}),
        crowd=crowd,
        crowd_sample=lambda: dataclasses.replace(
            entry,
            object_id=VARIOUS,
            actor=entries.Actor(kind="anonymous", id=VARIOUS, channel=actor.channel),
            details={"aggregated": True},
        ),
    )
    if not single:
        _flush_later()
    if single or ended:
        _append(singles=[entry] if single else [], ended=ended)


def flush(*, everything: bool) -> int:
    """Write the counts of the windows that have ended, or of all, one event each.

    :returns: how many events were written.
    :raises audit.entries.AuditUnavailable: when they cannot be written; the counts are kept.
    """
    ended = throttle.due(everything=everything)
    if ended:
        _append(singles=[], ended=ended)
    return len(ended)


def forget() -> None:
    """Drop every count unwritten: for a forked child, whose parent will write them."""
    global _lock, _slots, _timer  # noqa: PLW0603 - a lock of a thread that the fork left behind never opens
    _slots = threading.BoundedSemaphore(CONNECTIONS_MAX)
    _lock = threading.Lock()
    _waiting.clear()
    if _timer is not None:
        _timer.cancel()
        _timer = None
    throttle.clear()


def _claimed(*, entry: entries.Entry) -> entries.Entry:
    """Return a refusal without any text that could stop it from being written: the caller chose some of its texts."""
    actor = dataclasses.replace(
        entry.actor,
        id=scrub.sealable(value=entry.actor.id, length_max=100),
        key=scrub.sealable(value=entry.actor.key, length_max=100),
        request_id=scrub.sealable(value=entry.actor.request_id, length_max=100),
    )
    entry = dataclasses.replace(entry, actor=actor, object_id=scrub.sealable(value=entry.object_id, length_max=200))
    try:
        entries.lay_out(entry=entry)
    except ValueError as error:
        # Its own details are at fault; the refusal itself is still on record. A wrong code or type raises again.
        logger.warning("audit_denial_details_left_out", extra={"code": entry.code, "cause": str(error)})
        entry = dataclasses.replace(entry, details={"left_out": True})
        entries.lay_out(entry=entry)
    return entry


def _append(*, singles: Sequence[entries.Entry], ended: list[flood.Window[entries.Entry]]) -> None:
    """Put refusals and counts on record, or give the counts back and fail."""
    counts = [dataclasses.replace(window.sample, count=window.counted) for window in ended]
    batch = _Batch(rows=[entries.lay_out(entry=entry) for entry in (*singles, *counts)])
    _put_on_record(batch=batch)
    if not batch.written:
        throttle.give_back(windows=ended)
        raise entries.AuditUnavailable("the refusal could not be put on record") from batch.cause


def _put_on_record(*, batch: _Batch) -> None:
    """Return when a batch is written, or has failed, or has waited for WAIT_S.

    The thread that gets a connection writes all waiting batches in one statement: a burst of refusals takes two round
    trips, however many they are.
    """
    until_s = time.monotonic() + WAIT_S
    with _lock:
        _waiting.append(batch)
    try:
        with _connection():
            with _lock:
                taken = _waiting.copy()
                _waiting.clear()
            _write(batches=taken)
    except entries.AuditUnavailable as error:
        with _lock:
            if batch in _waiting:
                _waiting.remove(batch)
                batch.cause = error
                return
    batch.ended.wait(timeout=max(0.0, until_s - time.monotonic()))  # where another thread is writing it


def _write(*, batches: Sequence[_Batch]) -> None:
    """Write batches in one statement; if the database refuses it, write each by itself."""
    if not batches:
        return
    try:
        entries.append(rows=[row for batch in batches for row in batch.rows], using=ALIAS)
        for batch in batches:
            batch.written = True
    except Error as error:
        all_fail = len(batches) == 1 or isinstance(error, OperationalError | InterfaceError)
        for batch in batches:
            if all_fail:
                batch.cause = error
            else:
                _write(batches=[batch])
    finally:
        for batch in batches:
            batch.ended.set()


@contextlib.contextmanager
def _connection() -> Iterator[None]:
    """Use one of the few connections for denials, and close it: Django opens one for each thread.

    :raises audit.entries.AuditUnavailable: when none came free in WAIT_S.
    """
    slots = _slots
    if not slots.acquire(timeout=WAIT_S):
        raise entries.AuditUnavailable("all denial connections are busy")
    try:
        yield
    finally:
        connection = connections[ALIAS]
        if not connection.in_atomic_block:  # a test may have wrapped it
            connection.close()
        slots.release()


def _flush_later() -> None:
    """Start the timer that writes counts when their windows end, even if nobody is refused again."""
    global _timer  # noqa: PLW0603 - one timer for each process
    with _lock:
        if _timer is None:
            _timer = threading.Timer(throttle.window_s + 0.1, _flush_ended)
            _timer.daemon = True
            _timer.start()


def _flush_ended() -> None:
    """Write the counts of ended windows: the work of the timer."""
    global _timer  # noqa: PLW0603 - one timer for each process
    with _lock:
        _timer = None
    try:
        flush(everything=False)
    except entries.AuditUnavailable:
        logger.exception("audit_denials_not_written")
    if throttle.counted():
        _flush_later()


def _flush_at_exit() -> None:
    """Write the remaining counts when the process ends in order."""
    count = throttle.counted()
    if not count:
        return
    try:
        flush(everything=True)
    except Exception:
        logger.exception("audit_denials_lost", extra={"count": count})


os.register_at_fork(after_in_child=forget)
atexit.register(_flush_at_exit)
