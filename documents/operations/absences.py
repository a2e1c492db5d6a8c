"""Who is missing, and what waits for it: the incidents that a dead process cannot report about itself.

Workers look, and so do web processes: where every worker is dead, they tell people. Whoever comes first opens the
alert; its key is unique while it is open, and an alert is leased by whoever sends it, so nobody needs to be elected.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from documents import errors
from documents.alerts import incidents
from documents.models import Alert
from documents.operations import conditions, heartbeats

MISSING, SILENT, LATE = "worker_missing", "host_silent", "backlog_late"


@dataclass(frozen=True, kw_only=True)
class _Absence:
    """What an alert says of somebody who is missing, or of what waits for him."""

    code: str
    about: str
    values: Mapping[str, errors.Value] = field(default_factory=dict)


def look() -> list[str]:
    """Open the alerts of what is missing, and resolve those that are over; return the dedup keys of what is missing.

    A process that has just started, or that has just got PostgreSQL back, does not judge who is silent: everybody was.
    """
    lives = heartbeats.lives()
    missing: dict[str, _Absence] = {}
    is_open = _is_open(codes=(MISSING, SILENT, LATE))
    for role, hosts in lives.silent.items():
        for host in hosts:
            key = f"host:{role}:{host}"
            # Where no worker is left, that is the one incident.
            if role is heartbeats.ProcessRole.WEB or lives.has_worker or key in is_open:
                missing[key] = _Absence(code=SILENT, about=host, values={"host": host, "role": role.value})
    if not lives.has_worker:
        missing["worker"] = _Absence(code=MISSING, about="worker")
    if not heartbeats.may_judge():
        missing = {key: what for key, what in missing.items() if key in is_open}
    backlog = conditions.backlog()
    if backlog.is_late and "worker" not in missing and ("backlog" in is_open or not conditions.is_explained()):
        age: Mapping[str, errors.Value] = {"count": backlog.count, "age_s": round(backlog.age_s)}
        missing["backlog"] = _Absence(code=LATE, about="backlog", values=age)
    for key in missing.keys() - is_open:
        absence = missing[key]
        incidents.open_alert(code=absence.code, dedup_key=key, values=absence.values, object_id=absence.about)
    for key in is_open - missing.keys():
        incidents.resolve_alert(dedup_key=key)
    return sorted(missing)


def _is_open(*, codes: tuple[str, ...]) -> set[str]:
    """Return the dedup keys of the open alerts of some codes."""
    return set(Alert.objects.filter(code__in=codes, resolved_at=None).values_list("dedup_key", flat=True))
