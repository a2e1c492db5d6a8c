"""The actor of an audit event, made here only, and the refusal of a request, put on record."""

from typing import NoReturn

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest

from audit import log
from documents import errors, metrics
from documents.access import admission, roles
from documents.models import ApiKey, Party

USER = log.USER


def actor(*, request: HttpRequest) -> log.Actor:
    """Return who is asking, for the log: the user's number, never the user's name."""
    party = panel_party(request=request)
    if party is not None:
        return _asking(request=request, kind="party", identity=party.public_id)
    user = getattr(request, "user", None)
    number = _number(user=user)
    return _asking(request=request, kind="user" if number else "anonymous", identity=number, role=_roles(user=user))


def key_of(*, request: HttpRequest) -> ApiKey | None:
    """Return the key by which a request was let in."""
    key: ApiKey | None = getattr(request, "api_key", None)  # a request of DRF asks the one that it wraps
    return key


def panel_party(*, request: HttpRequest) -> Party | None:
    """Return the party whose session of the panel a request comes with; None where it is a user's."""
    party: Party | None = getattr(request, "panel_party", None)
    return party


def visitor(*, request: HttpRequest, kind: str = "anonymous", identity: str = "") -> log.Actor:
    """Return who is asking, for the log, where nobody is signed in: a link, or an anonymous visitor."""
    return _asking(request=request, kind=kind, identity=identity)


def claimant(*, request: HttpRequest, user: User) -> log.Actor:
    """Return who has shown a user's password and is asked for the second factor."""
    return _asking(request=request, kind="user", identity=_number(user=user), role=_roles(user=user))


def service(*, request: HttpRequest, name: str) -> log.Actor:
    """Return the platform service whose signature a request carries; without a name, whoever sent it unsigned."""
    return _asking(request=request, kind="service" if name else "anonymous", identity=name, service_name=name)


def person(*, user: User) -> log.Actor:
    """Return the person in whose name a command runs; whoever starts it answers for the name."""
    return log.Actor(kind="user", id=_number(user=user), role=_roles(user=user), channel="command")


def number(*, actor: log.Actor) -> int:
    """Return the number of the user that an actor is."""
    return int(actor.id.removeprefix(USER))


def program(*, name: str, channel: str) -> log.Actor:
    """Return a part of this service that acts by itself: a `command`, or a scheduled task of the `worker`."""
    return log.Actor(kind="system", id=name, channel=channel)


def crowd() -> log.Actor:
    """Return the many visitors of public pages whom one event counts together."""
    return log.Actor(kind="anonymous", id="", channel=admission.Door.PUBLIC)


def refuse(*, request: HttpRequest, code: str, object_type: str, object_id: str) -> NoReturn:
    """Record a denial where no rollback reaches it, and raise it.

    :raises errors.Problem: always, with `code`
    """
    metrics.DENIED.labels(code=code).inc()
    log.deny(actor=actor(request=request), object_type=object_type, object_id=object_id, code=code)
    raise errors.Problem(code=code)


def _asking(*, request: HttpRequest, kind: str, identity: str, role: str = "", service_name: str = "") -> log.Actor:
    """Return an actor with what the request says of where it came from; the channel is the door of its route."""
    key = key_of(request=request)
    return log.Actor(
        kind=kind,
        id=identity,
        role=role,
        key=key.public_id if key else "",
        service=service_name,
        channel=admission.door_of(request=request),
        request_id=getattr(request, "request_id", ""),
        address=str(request.META.get("REMOTE_ADDR", "")),
        agent=str(request.META.get("HTTP_USER_AGENT", "")),
    )


def _number(*, user: User | AnonymousUser | None) -> str:
    """Return a user's number for the log, empty where nobody is signed in."""
    return f"{USER}{user.pk}" if user is not None and user.is_authenticated else ""


def _roles(*, user: User | AnonymousUser | None) -> str:
    return ",".join(sorted(roles.roles_of(user=user)))
