"""Alerts that are sent without a row, because PostgreSQL is away: by one of the processes that notice, not by each.

Redis knows who sends and whether it is out. Without Redis, too, each process sends its own: rather twice than never.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import redis
from django.conf import settings
from django.utils import timezone
from redis.exceptions import RedisError

from documents.alerts import catalog, channel, incidents, sending
from documents.resilience import calls

T = TypeVar("T")
SOCKET_S = 1.0
CLAIMED = "claimed"  # what Redis says while a process is at it
KNOWN_S = 60  # for so long Redis remembers an alert that nobody repeats: the next outage is told again
_turn = threading.BoundedSemaphore(1)


@dataclass(kw_only=True)
class Unwritten:
    """An incident that has no row yet."""

    incident: incidents.Incident
    opened_at: datetime
    channel: str = ""  # the one that took it
    under_way: bool = False  # this process is sending it

    @property
    def is_sent(self) -> bool:
        """Tell whether this process has sent it."""
        return bool(self.channel)


def send(*, unwritten: Unwritten) -> None:
    """Send it on a thread of its own, one at a time, so that no request waits; what is not sent is sent later."""
    if unwritten.is_sent or not sending.urls() or not _turn.acquire(blocking=False):
        return
    unwritten.under_way = True
    threading.Thread(target=_send, kwargs={"unwritten": unwritten}, name="alert", daemon=True).start()


def hold(*, unwritten: Unwritten) -> None:
    """Have Redis remember for longer that it is out, or send it."""
    if not unwritten.is_sent:
        send(unwritten=unwritten)
        return
    name = _name(dedup_key=unwritten.incident.dedup_key)
    _asked(work=lambda client: client.set(name, unwritten.channel, ex=KNOWN_S), otherwise=None)


def taken_by(*, unwritten: Unwritten) -> str:
    """Return the channel to which this process or another one has sent it; empty where nobody has."""
    name = _name(dedup_key=unwritten.incident.dedup_key)
    known = unwritten.channel or _known(name=name)
    return known if known in sending.urls() else ""


def is_under_way(*, unwritten: Unwritten) -> bool:
    """Tell whether a process is sending it right now: whether a channel has taken it nobody knows yet."""
    if unwritten.is_sent:
        return False
    return unwritten.under_way or _known(name=_name(dedup_key=unwritten.incident.dedup_key)) == CLAIMED


def forget(*, dedup_key: str) -> None:
    """Forget an incident that is over: the next one is another."""
    _asked(work=lambda client: client.delete(_name(dedup_key=dedup_key)), otherwise=None)


def _send(*, unwritten: Unwritten) -> None:
    incident = unwritten.incident
    name = _name(dedup_key=incident.dedup_key)
    try:
        if not _claims(name=name):
            unwritten.channel = taken_by(unwritten=unwritten)
            return
        page = catalog.runbook(code=incident.code)
        message = channel.AlertMessage.of(incident=incident, runbook=page, opened_at=unwritten.opened_at)
        unwritten.channel = _reach(message=message)
        _asked(
            work=lambda client: (
                client.set(name, unwritten.channel, ex=KNOWN_S) if unwritten.is_sent else client.delete(name)
            ),
            otherwise=None,
        )
    finally:
        unwritten.under_way = False
        _turn.release()


def _reach(*, message: channel.AlertMessage) -> str:
    """Send a message to the first channel, else to the second; return which one took it, empty where none did."""
    for name, url in sending.urls().items():
        try:
            channel.send(url=url, message=message)
        except calls.FAILURES:
            incidents.logger.exception("alert.unsent", extra={"code": message.code, "dependency": name})
        else:
            return name
    return ""


def _claims(*, name: str) -> bool:
    """Return whether this process is the one that sends; a claim ends by itself if its process dies."""
    return _asked(work=lambda client: bool(client.set(name, CLAIMED, nx=True, ex=KNOWN_S)), otherwise=True)


def _known(*, name: str) -> str:
    """Return what Redis knows of an incident: the channel that took it, CLAIMED, or nothing."""
    return _asked(work=lambda client: str((client.get(name) or b"").decode()), otherwise="")


def _asked(*, work: Callable[[Any], T], otherwise: T) -> T:
    """Ask Redis; return what is true without it where it does not answer."""
    limits = {"socket_timeout": SOCKET_S, "socket_connect_timeout": SOCKET_S, "retry": None}
    client: Any = redis.Redis.from_url(settings.REDIS_URL, **limits)
    try:
        with contextlib.closing(client):
            return work(client)
    except (RedisError, OSError):
        return otherwise


def _name(*, dedup_key: str) -> str:
    return f"billing-docs:alert:{dedup_key}"


def unwritten(*, incident: incidents.Incident) -> Unwritten:
    """Return an incident that has begun now."""
    return Unwritten(incident=incident, opened_at=timezone.now())
