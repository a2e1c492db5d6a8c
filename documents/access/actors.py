"""Who acts: the actor of an audit event, made from a request in one place, and the refusal of one."""

from typing import TYPE_CHECKING, NoReturn

from django.http import HttpRequest

from audit import log
from documents import errors, metrics
from documents.access import roles as access_roles

if TYPE_CHECKING:  # DRF's views read this module's DeclaredRule while they are being imported
    pass
USER = "usr_"  # how the log names a person: by number


def actor(*, request: HttpRequest, channel: str = "web") -> log.Actor:
    """This function will return who is asking, for the log: the user's number, never his name."""
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
    """This function will record a denial where no rollback reaches it, and raise it.

    :raises errors.Problem: always, with `code`
    """
    channel = "api" if request.path.startswith("/api/") else "web"
    metrics.DENIED.labels(code=code).inc()
    log.deny(actor=actor(request=request, channel=channel), object_type=object_type, object_id=object_id, code=code)
    raise errors.Problem(code=code, detail=detail)


from django.http import HttpRequest

from audit import log


def visitor(*, request: HttpRequest, kind: str, identity: str, channel: str) -> log.Actor:
    """This function will return who is asking, for the log: a link or nobody in particular."""
    return log.Actor(
        kind=kind,
        id=identity,
        channel=channel,
        request_id=getattr(request, "request_id", ""),
        address=str(request.META.get("REMOTE_ADDR", "")),
        agent=str(request.META.get("HTTP_USER_AGENT", "")),
    )
