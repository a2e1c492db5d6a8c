"""Alerts about outages, PostgreSQL's own included: what cannot be written now is sent, and written later."""

import threading
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from audit import log
from documents import errors
from documents.alerts import catalog, channel, incidents
from documents.resilience import calls, dependencies

_unwritten: dict[str, tuple[incidents.Incident, datetime]] = {}  # sent while PostgreSQL was away; written on recovery
_direct = threading.BoundedSemaphore(1)


class DependencyIncidents:
    """The alerts' listener on `documents.resilience.calls`: one incident per outage of a dependency."""

    def outage_began(self, *, row: dependencies.Dependency, cause: BaseException) -> None:
        """Open the incident of a dependency's outage."""
        open_alert_or_send(
            code=f"dependency_{row.name}",
            dedup_key=f"dependency:{row.name}",
            values={"error": f"{type(cause).__name__}: {cause}"},
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
        incidents.write(incident=incident)
    except (DatabaseError, InterfaceError, log.AuditUnavailable):
        incidents.logger.critical("alert.opened_without_database", extra={"code": code, "severity": incident.severity})
        if dedup_key not in _unwritten and _send_directly(incident=incident):
            _unwritten[dedup_key] = (incident, timezone.now())


def resolve_alert_or_wait(*, dedup_key: str) -> None:
    """Write the incident if it was only sent, and resolve it; without PostgreSQL the watch does so later."""
    try:
        sent = _unwritten.get(dedup_key)
        if sent:
            incident, sent_at = sent
            incidents.write(incident=incident, opened_at=sent_at, sent_at=sent_at)
            _unwritten.pop(dedup_key, None)
        incidents.resolve_alert(dedup_key=dedup_key)
    except (DatabaseError, InterfaceError, log.AuditUnavailable):
        incidents.logger.warning("alert.resolution_waits", extra={"dedup_key": dedup_key})


def write_unwritten() -> int:
    """Write the alerts that were sent while PostgreSQL was away; returns how many."""
    written = 0
    for dedup_key, (incident, sent_at) in list(_unwritten.items()):
        incidents.write(incident=incident, opened_at=sent_at, sent_at=sent_at)
        _unwritten.pop(dedup_key, None)
        written += 1
    return written


def _send_directly(*, incident: incidents.Incident) -> bool:
    """Send on a thread of its own, one at a time, so that no request waits; False while another is being sent."""
    if not settings.ALERT_URL:
        return True
    if not _direct.acquire(blocking=False):
        return False
    page = catalog.runbook(code=incident.code)
    message = channel.AlertMessage.of(incident=incident, runbook=page, opened_at=timezone.now())

    def send() -> None:
        try:
            channel.send(url=settings.ALERT_URL, message=message)
        except (*calls.FAILURES, calls.RefusedError):
            incidents.logger.exception("alert.unsent", extra={"code": incident.code})
        finally:
            _direct.release()

    threading.Thread(target=send, name="alert", daemon=True).start()
    return True
