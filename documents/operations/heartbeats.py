"""Who is alive: each web process and each worker writes a row again and again, and the others read it.

A process that ends in order takes its row with it. One that dies, or whose host does, leaves a row that grows old.
"""

import os
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from django.conf import settings
from django.db import connection

from documents.models import Heartbeat

BEAT_EVERY_S = 5.0
SILENT_S = 30.0
# Who has beaten for so long without a break may judge: after an outage of PostgreSQL everybody was silent.
STEADY_S = 60.0
FORGOTTEN_S = 24 * 3600.0  # a host that is gone for so long was taken away


class ProcessRole(StrEnum):
    """What a process does."""

    WEB = "web"
    WORKER = "worker"


@dataclass(frozen=True, kw_only=True)
class Lives:
    """Who is alive and who is not: hosts by role, of processes whose rows are there."""

    living: Mapping[ProcessRole, frozenset[str]] = field(default_factory=dict)
    silent: Mapping[ProcessRole, frozenset[str]] = field(default_factory=dict)

    @property
    def has_worker(self) -> bool:
        """Tell whether any worker is alive."""
        return bool(self.living.get(ProcessRole.WORKER))


class _Own:
    """The row of this process; a forked child has one of its own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pid, self.name = 0, ""
        self.beaten_at = self.steady_since = 0.0


_own = _Own()
_BEAT = """
INSERT INTO documents_heartbeat (process, role, host) VALUES (%s, %s, %s)
ON CONFLICT (process) DO UPDATE SET seen_at = statement_timestamp()
"""
_OLD = """
DELETE FROM documents_heartbeat WHERE process <> %s AND host = %s AND role = %s
   AND seen_at < statement_timestamp() - make_interval(secs => %s)
"""
_LIVES = """
SELECT role, host, max(seen_at) >= statement_timestamp() - make_interval(secs => %s) FROM documents_heartbeat
 WHERE seen_at >= statement_timestamp() - make_interval(secs => %s) GROUP BY role, host
"""


def beat(*, role: ProcessRole, every_s: float = BEAT_EVERY_S) -> None:
    """Write that this process is alive, at most once in `every_s`; what died here before it is cleared away."""
    with _own.lock:
        now = time.monotonic()
        if _own.pid != os.getpid():
            name = f"{role}:{settings.HOST_NAME}:{os.getpid()}:{secrets.token_hex(4)}"
            _own.pid, _own.name, _own.beaten_at, _own.steady_since = os.getpid(), name, now - every_s, now
        if now - _own.beaten_at < every_s:
            return
        with connection.cursor() as cursor:
            cursor.execute(_BEAT, [_own.name, role, settings.HOST_NAME])
            cursor.execute(_OLD, [_own.name, settings.HOST_NAME, role, SILENT_S])
        if now - _own.beaten_at > SILENT_S:
            _own.steady_since = now
        _own.beaten_at = now


def end() -> None:
    """Take this process' row away: it ends in order."""
    with _own.lock:
        if _own.pid == os.getpid():
            Heartbeat.objects.filter(process=_own.name).delete()
            _own.pid = 0


def may_judge() -> bool:
    """Tell whether this process has been alive, and PostgreSQL with it, for long enough to call others silent."""
    with _own.lock:
        now = time.monotonic()
        fresh = _own.pid == os.getpid() and now - _own.beaten_at <= SILENT_S
        return fresh and now - _own.steady_since >= STEADY_S


def lives() -> Lives:
    """Return who is alive and who is silent."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVES, [SILENT_S, FORGOTTEN_S])
        rows = [(ProcessRole(role), host, is_living) for role, host, is_living in cursor.fetchall()]
    return Lives(
        living={role: frozenset(host for of, host, well in rows if of is role and well) for role in ProcessRole},
        silent={role: frozenset(host for of, host, well in rows if of is role and not well) for role in ProcessRole},
    )
