"""Alerts about outages, PostgreSQL's own included: what cannot be written now is sent, and written later."""

from collections.abc import Mapping

from django.db import DatabaseError, InterfaceError, connection

from audit import log
from documents import errors
from documents.alerts import causes, direct, incidents
from documents.resilience import dependencies

WITHOUT_ROWS = "dependency:postgresql"  # all processes notice it, and one may have told it without a row
_unwritten: dict[str, direct.Unwritten] = {}  # what began while PostgreSQL was away; written on recovery


class DependencyIncidents:
    """The alerts' listener on `documents.resilience.calls`: one incident per outage of a dependency."""

    def outage_began(self, *, row: dependencies.Dependency, cause: BaseException) -> None:
        """Open the incident of a dependency's outage."""
        open_alert_or_send(
            code=f"dependency_{row.name}",
            dedup_key=f"dependency:{row.name}",
            values={"error": causes.of_error(error=cause)},
            object_id=row.name,
        )

    def outage_ended(self, *, row: dependencies.Dependency) -> None:
        """Resolve the incident of a dependency's outage."""
        resolve_alert_or_wait(dedup_key=f"dependency:{row.name}")


LISTENER = DependencyIncidents()


def open_alert_or_send(*, code: str, dedup_key: str, values: Mapping[str, errors.Value], object_id: str) -> None:
    """Open an alert, or send it straight to the channel when no row can be written."""
    incident = incidents.incident(code=code, dedup_key=dedup_key, values=values, object_id=object_id)
    try:
        if dedup_key == WITHOUT_ROWS:
            _unwritten.setdefault(dedup_key, direct.unwritten(incident=incident))
            _write(dedup_key=dedup_key)
        else:
            incidents.write(incident=incident)
    except (DatabaseError, InterfaceError, log.AuditUnavailable):
        incidents.logger.critical("alert.opened_without_database", extra={"code": code, "severity": incident.severity})
        direct.send(unwritten=_unwritten.setdefault(dedup_key, direct.unwritten(incident=incident)))


def resolve_alert_or_wait(*, dedup_key: str) -> None:
    """Write the incident if it has no row yet, and resolve it; without PostgreSQL the watch does so later."""
    try:
        _write(dedup_key=dedup_key, at_once=True)
        incidents.resolve_alert(dedup_key=dedup_key)
        direct.forget(dedup_key=dedup_key)
    except (DatabaseError, InterfaceError, log.AuditUnavailable):
        incidents.logger.warning("alert.resolution_waits", extra={"dedup_key": dedup_key})


def write_unwritten() -> int:
    """Write the alerts that began while PostgreSQL was away; return how many."""
    return sum(_write(dedup_key=dedup_key) for dedup_key in list(_unwritten))


def send_unsent() -> None:
    """Send what cannot be written yet and was not sent."""
    for unwritten in list(_unwritten.values()):
        direct.hold(unwritten=unwritten)


def _write(*, dedup_key: str, at_once: bool = False) -> bool:
    """Write an incident that has no row yet; whoever sent it, it is not sent again.

    While somebody is sending it, it waits, unless it is to be written `at_once`.
    """
    unwritten = _unwritten.get(dedup_key)
    if unwritten is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # an answer may take seconds, in which another process tells people
    if not at_once and direct.is_under_way(unwritten=unwritten):
        return False
    channel, opened_at = direct.taken_by(unwritten=unwritten), unwritten.opened_at
    sent_at = opened_at if channel else None
    incidents.write(incident=unwritten.incident, opened_at=opened_at, sent_at=sent_at, channel=channel)
    _unwritten.pop(dedup_key, None)
    return True
