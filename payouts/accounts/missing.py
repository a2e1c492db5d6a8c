"""What has become of a trip that a person misses, where it is that person's: received, waiting, in review."""

import itertools
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from documents.models import Event, EventStatus, Party
from payouts.accounts import changes

PEOPLE = ("driver", "beneficiary", "partner", "to", "payee")
COMPLETED, REASSIGNED = "ORDER_COMPLETED", "ORDER_REASSIGNED"
UNDONE = (EventStatus.PARKED, EventStatus.HELD)
UNDONE_MAX = 200  # reassignments that are looked through: few are ever undone at once


@dataclass(frozen=True, kw_only=True)
class MissingTrip:
    """What is known of a trip, in words."""

    text: str
    is_issued: bool = False
    is_received: bool = False


def look_up(*, parties: Collection[int], trip: str) -> MissingTrip:
    """Return what has become of a trip; a trip of somebody else is as unknown as one that never was."""
    if changes.of_trip(parties=parties, trip=trip).exists():
        return MissingTrip(text=_("Lo tenemos: está entre tus documentos."), is_issued=True)
    ids = set(Party.objects.filter(pk__in=parties).values_list("platform_id", flat=True))
    for status, data in _about(trip=trip):
        if _named(data=data) & ids:
            return MissingTrip(text=_said(status=status), is_received=True)
    return MissingTrip(
        text=_("No nos consta. Si acabas de terminarlo, vuelve a mirar dentro de una hora; si no, escribe a soporte.")
    )


def _about(*, trip: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (status, data) of the events that may say what has become of a trip, those of the order itself first.

    Besides: what waits for the order, as a payout that names it does, and reassignments that are not done yet.
    """
    own = Event.objects.filter(subject=f"order:{trip}", type=COMPLETED).order_by("-pk")
    waiting = Event.objects.filter(waits__awaited=f"order:{trip}", status=EventStatus.PARKED).order_by("-pk")
    undone = Event.objects.filter(type=REASSIGNED, status__in=UNDONE).order_by("-pk")[:UNDONE_MAX]
    for event in itertools.chain(own, waiting, undone):
        data = _object(_object(json.loads(bytes(event.body))).get("data")) if event.body is not None else {}
        if event.type != REASSIGNED or _object(data.get("order")).get("id") == trip:
            yield event.status, data


def _object(value: object) -> dict[str, Any]:
    """Return a value that is an object; an empty one for what a sender got wrong."""
    return value if isinstance(value, dict) else {}


def _named(*, data: dict[str, Any]) -> set[str]:
    """Return the platform ids of whom an event's money is about."""
    people = [data.get(name) for name in PEOPLE]
    return {str(person["id"]) for person in people if isinstance(person, dict) and "id" in person}


def _said(*, status: str) -> str:
    """Return in words what has become of an event."""
    match status:
        case EventStatus.PARKED:
            return _("Lo hemos recibido y espera un dato de la plataforma. Aparecerá solo en cuanto llegue.")
        case EventStatus.HELD:
            return _("Lo hemos recibido y nuestro equipo lo está revisando. No tienes que hacer nada.")
        case EventStatus.IGNORED:
            return _("Lo hemos recibido, pero se canceló antes de completarse.")
        case EventStatus.REFUSED:
            return _("La plataforma lo envió con un error y lo volverá a enviar.")
    return _("Lo hemos recibido. Su dinero es de la flota o de la persona para la que lo hiciste.")
