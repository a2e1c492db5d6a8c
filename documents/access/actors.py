"""The actor of an audit event, made from a request here only, and the refusal of a request, put on record."""

from typing import NoReturn

from django.http import HttpRequest

from audit import log
from documents import errors, metrics
from documents.access import roles

USER = "usr_"  # how the log names a person: by number


def actor(*, request: HttpRequest, channel: str = "web") -> log.Actor:
    """Return who is asking, for the log: the user's number, never the user's name."""
    user = getattr(request, "user", None)
    user_id = f"{USER}{user.pk}" if user is not None and user.is_authenticated else ""
    return log.Actor(
        kind="user" if user_id else "anonymous",
        id=user_id,
        role=",".join(sorted(roles.roles_of(user=user))),
        channel=channel,
        request_id=getattr(request, "request_id", ""),
        address=str(request.META.get("REMOTE_ADDR", "")),
        agent=str(request.META.get("HTTP_USER_AGENT", ""))[:500],
    )


def refuse(*, request: HttpRequest, code: str, object_type: str, object_id: str, detail: str = "") -> NoReturn:
    """Record a denial where no rollback reaches it, and raise it.

    :raises errors.Problem: always, with `code`
    """
    channel = "api" if request.path.startswith("/api/") else "web"
    metrics.DENIED.labels(code=code).inc()
    log.deny(actor=actor(request=request, channel=channel), object_type=object_type, object_id=object_id, code=code)
    raise errors.Problem(code=code, detail=detail)


def visitor(*, request: HttpRequest, kind: str, identity: str, channel: str) -> log.Actor:
    """Return who is asking, for the log, where nobody is signed in: a link, or an anonymous visitor."""
    return log.Actor(
        kind=kind,
        id=identity,
        channel=channel,
        request_id=getattr(request, "request_id", ""),
        address=str(request.META.get("REMOTE_ADDR", "")),
        agent=str(request.META.get("HTTP_USER_AGENT", "")),
    )
