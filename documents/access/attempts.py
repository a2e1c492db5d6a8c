"""How often somebody may try to sign in: counted in PostgreSQL, by address and by login, before a password is hashed.

Hashing is slow on purpose, so each process hashes few passwords at once: others are told to come again. A login whose
limit is reached opens an alert, an address too.
"""

import contextlib
import hashlib
import hmac
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from documents import errors
from documents.access import rates
from documents.alerts import incidents

WINDOW_S = 15 * 60
ADDRESS_MAX, LOGIN_MAX = 40, 10  # in one window; a right sign-in sets the login's count back
HASHES_MAX, TURN_S, COME_AGAIN_S = 1, 0.25, 2  # of one process at once; how long one waits for a turn
_turns = threading.BoundedSemaphore(HASHES_MAX)


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """What is counted, under which name, and how often it may be."""

    kind: str
    caller: str
    most: int


def take(*, request: HttpRequest, login: str) -> None:
    """Count a try to sign in as `login`, whoever that is.

    :raises errors.Problem: `throttled`, before anything is hashed or looked up
    """
    now = time.time()
    for counted in _counted(request=request, login=login):
        count = rates.counted(caller=counted.caller, window_number=int(now // WINDOW_S))
        if count == counted.most + 1:
            incidents.open_alert(
                code="sign_in_attempts",
                dedup_key=counted.caller,
                values={"cause": counted.kind, "tries": counted.most, "minutes": WINDOW_S // 60},
            )
        if count > counted.most:
            raise errors.Problem(code="throttled", values={"wait_s": WINDOW_S - int(now % WINDOW_S)})


def forget(*, login: str) -> None:
    """Set the count of a login back: its owner has come in."""
    rates.forget(caller=_name(kind="login", text=login))


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """Let the block hash a password, while few others do.

    :raises errors.Problem: `throttled`, where it is nobody's turn soon
    """
    if not _turns.acquire(timeout=TURN_S):
        raise errors.Problem(code="throttled", values={"wait_s": COME_AGAIN_S})
    try:
        yield
    finally:
        _turns.release()


def _counted(*, request: HttpRequest, login: str) -> list[_Counted]:
    """Return what a try counts for: the address, then the login."""
    address = str(request.META.get("REMOTE_ADDR", ""))
    return [
        _Counted(kind="address", caller=_name(kind="address", text=address), most=ADDRESS_MAX),
        _Counted(kind="login", caller=_name(kind="login", text=login), most=LOGIN_MAX),
    ]


def _name(*, kind: str, text: str) -> str:
    """Return the name of a count; neither address nor login stands in it."""
    digest = hmac.new(settings.SECRET_KEY.encode(), text.strip().lower().encode(), hashlib.sha256).hexdigest()
    return f"{kind}:{digest[:40]}"
