"""What the tables say of the service as a whole, the same in whichever process asks: who works, what waits."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from documents.alerts import sending
from documents.models import Alert, Document, ProbeExtent, Status
from documents.operations import checks, heartbeats
from documents.resilience import calls, circuits
from documents.vault import probes

UNSENT_S = 120.0  # an alert is sent within seconds; after so long nobody was told
# Without these nothing can be locked, whoever works.
LOCKING_NEEDS = ("vault", "renderer", "clock")
# Their alerts explain why documents wait: that they wait is no news then.
EXPLAINED_BY = (
    *(f"dependency_{name}" for name in (*LOCKING_NEEDS, "postgresql")),
    "worker_missing",
)
PROBE = "vault_probe"  # the dedup key of the alert about the vault's last probe
WORKERS, LOCKING, ALERTS, BACKLOG = "workers", "locking", "alerts", "backlog"


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Documents that wait for their bytes and are tried again by themselves: how many, and since when the oldest, s."""

    count: int = 0
    age_s: float = 0.0

    @property
    def is_late(self) -> bool:
        """Tell whether the oldest has waited for longer than the limit."""
        return self.age_s > settings.BACKLOG_LIMIT_S


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The tables at one moment."""

    lives: heartbeats.Lives = field(default_factory=heartbeats.Lives)
    backlog: Backlog = field(default_factory=Backlog)
    unsent: int = 0
    is_sound: bool = True


def read() -> Conditions:
    """Read everything; the breakers of this process follow their rows."""
    circuits.refresh(breakers=calls.BREAKERS.values(), now=time.monotonic())
    return Conditions(lives=heartbeats.lives(), backlog=backlog(), unsent=unsent(), is_sound=_is_sound())


def ask() -> checks.Asked[Conditions]:
    """Start reading, on a thread of its own."""
    return checks.QUESTIONS.setdefault("conditions", checks.Question(work=read)).ask()


def answered(*, asked: checks.Asked[Conditions], wait_s: float) -> Conditions | None:
    """Return what was read; None where PostgreSQL does not answer."""
    try:
        return asked.answer(wait_s=wait_s)
    except (TimeoutError, DatabaseError, InterfaceError):
        return None


def backlog() -> Backlog:
    """Return what waits for its bytes; what rests until a person retries it has an alert of its own."""
    row = Document.objects.filter(status=Status.ISSUED, next_try_at__isnull=False).aggregate(
        count=Count("pk"), oldest_at=Min("issued_at")
    )
    age_s = (timezone.now() - row["oldest_at"]).total_seconds() if row["oldest_at"] else 0.0
    return Backlog(count=row["count"], age_s=max(age_s, 0.0))


def unsent() -> int:
    """Count the alerts, and the ends of alerts, of which somebody was to be told long ago, and nobody was."""
    if not sending.urls():
        return 0
    return sending.unsent(before=timezone.now() - timedelta(seconds=UNSENT_S)).count()


def is_explained() -> bool:
    """Tell whether something that is open, or ended less than the limit ago, explains why documents wait."""
    recent = timezone.now() - timedelta(seconds=settings.BACKLOG_LIMIT_S)
    explained = Alert.objects.filter(Q(code__in=EXPLAINED_BY) | Q(dedup_key=PROBE))
    last = explained.aggregate(last_at=Max("resolved_at"))["last_at"]
    return explained.filter(resolved_at=None).exists() or bool(last and last > recent)


def locking_faults(*, conditions: Conditions, away: Sequence[str]) -> list[str]:
    """Return why no document can be locked at this moment; empty where one can.

    :param away: the dependencies that do not answer
    """
    faults = [name for name in LOCKING_NEEDS if name in away]
    if not conditions.lives.has_worker:
        faults.append(WORKERS)
    if not conditions.is_sound:
        faults.append("probe")
    if conditions.backlog.is_late:
        faults.append(BACKLOG)
    return faults


def _is_sound() -> bool:
    """Tell whether the vault's last probes let nothing through."""
    return not any(row and not row.passed for row in (probes.latest(extent=extent) for extent in ProbeExtent))
