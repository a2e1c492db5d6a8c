"""Who acts: the actor of an audit event, made from a request in one place, and the refusal of one."""

from typing import NoReturn

from django.http import HttpRequest

from audit import log
from documents import errors, metrics
from documents.access import roles as access_roles

USER = "usr_"  # how the log names a person: by number


def actor(*, request: HttpRequest, channel: str = "web") -> log.Actor:
    """Return who is asking, for the log: the user's number, never his name."""
    user = getattr(request, "user", None)
    known = user is not None and user.is_authenticated
    return log.Actor(
        kind="user" if known else "anonymous",
        id=f"{USER}{user.pk}" if known else "",  # type: ignore[union-attr]  # `known` says so
        role=",".join(sorted(access_roles.roles_of(user=user))),
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
    """Return who is asking, for the log: a link or nobody in particular."""
    return log.Actor(
        kind=kind,
        id=identity,
        channel=channel,
        request_id=getattr(request, "request_id", ""),
        address=str(request.META.get("REMOTE_ADDR", "")),
        agent=str(request.META.get("HTTP_USER_AGENT", "")),
    )
