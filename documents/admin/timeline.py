"""The timeline of a page: the events of the audit log about its objects, as people read them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy

from audit import labels, tree
from audit.models import Event
from documents.access import actors
from documents.admin import cells, people_forms, rights

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

LINES_MAX = 100
# TABLE: what is given to a person -> its word; a code of `access.grants` begins with it.
GIVEN = {
    "role": gettext_lazy("función"),
    "country": gettext_lazy("país"),
    "party": gettext_lazy("titular"),
    "document": gettext_lazy("documento"),
}


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """One event of the log as people read it."""

    event: Event
    moment: "SafeString | str"
    tone: str
    icon: str
    label: str
    code: str
    actor: str
    channel: str
    details: Sequence[tuple[str, str]]


def lines(*, request: HttpRequest, object_ids: Collection[str]) -> list[TimelineEntry]:
    """Return the newest events about these objects; without the right to read the log, only those of their life."""
    all_of_it = rights.may(request=request, right="audit")
    rows = Event.objects.filter(object_id__in=object_ids).order_by("-pk")
    if all_of_it:
        rows = rows.select_related("detail")
    else:
        rows = rows.filter(action__in=[str(action) for action in labels.LIFE])
    events = list(rows[:LINES_MAX])
    names = user_names(events=events)
    return [line(event=event, names=names, personal=all_of_it) for event in events]


def user_names(*, events: Collection[Event]) -> dict[str, str]:
    """Return the user names of the people among the actors, in one query."""
    ids = {event.actor_id.removeprefix(actors.USER) for event in events if event.actor_kind == "user"}
    wanted = [int(pk) for pk in ids if pk.isascii() and pk.isdigit()]
    if not wanted:
        return {}
    return {f"{actors.USER}{user.pk}": user.get_username() for user in get_user_model().objects.filter(pk__in=wanted)}


def line(*, event: Event, names: dict[str, str], personal: bool) -> TimelineEntry:
    """Return one event as people read it; `personal` adds its personal details."""
    tone, icon, _text = cells.STATES.get(event.outcome, ("calm", "●", ""))
    return TimelineEntry(
        event=event,
        moment=cells.moment(event.at, seconds=True),
        tone=tone,
        icon=icon,
        label=labels.label(event.action),
        code=_code(event),
        actor=actor(event=event, names=names),
        channel=str(labels.CHANNELS.get(event.channel, event.channel)),
        details=details(event) if personal else (),
    )


def _code(event: Event) -> str:
    """Say of which right an event about access speaks; any other code as it is."""
    kind, colon, name = event.code.partition(":")
    if not colon or kind not in GIVEN:
        return event.code
    return f"{GIVEN[kind]}: {dict(people_forms.ROLES).get(name, name)}"


def actor(*, event: Event, names: dict[str, str]) -> str:
    """Name who acted: a user name, a service, or the kind of actor."""
    kind = str(labels.ACTORS.get(event.actor_kind, event.actor_kind))
    who = names.get(event.actor_id, event.actor_id) if event.actor_kind in {"user", "service", "link"} else ""
    return f"{kind} {who}".strip()


def details(event: Event) -> Sequence[tuple[str, str]]:
    """Return the personal details, unless they have been erased."""
    detail: Any = getattr(event, "detail", None)
    return [(name, str(value)) for name, value in sorted(detail.details.items())] if detail else ()


def sealed(*, object_id: str) -> str:
    """Write where the sealed log has the first event about an object."""
    index = tree.place_of(object_id=object_id)
    return cells.NOTHING if index is None else gettext("evento %(index)s") % {"index": index}
