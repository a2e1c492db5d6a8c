"""How many requests a key may make: a window a minute, counted in PostgreSQL, said by `RateLimit` headers.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10. One row a key is counted up outside any transaction of
the request, so a count neither waits for another request's end nor is lost with it.
"""

import time

from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse

from documents import errors

WINDOW_S = 60
POLICY = "key"
_FORGET = "UPDATE documents_ratecount SET count = 0 WHERE caller = %s"
_COUNT = (
    "INSERT INTO documents_ratecount AS rate (caller, window_number, count) VALUES (%s, %s, 1)"
    " ON CONFLICT (caller) DO UPDATE SET window_number = EXCLUDED.window_number,"
    " count = CASE WHEN rate.window_number = EXCLUDED.window_number THEN rate.count + 1 ELSE 1 END"
    " RETURNING count"
)


def take(*, request: HttpRequest, caller: str) -> None:
    """Count a request of a caller.

    :raises errors.Problem: `throttled`, with `wait_s` until the next window
    """
    now = time.time()
    left_s = WINDOW_S - int(now % WINDOW_S)
    count = counted(caller=caller, window_number=int(now // WINDOW_S))
    most = settings.API_REQUESTS_MAX
    request.__dict__["rate_headers"] = {
        "RateLimit-Policy": f'"{POLICY}";q={most};w={WINDOW_S}',
        "RateLimit": f'"{POLICY}";r={max(0, most - count)};t={left_s}',
    }
    if count > most:
        raise errors.Problem(code="throttled", values={"wait_s": left_s})


def counted(*, caller: str, window_number: int, using: str = "default") -> int:
    """Count up and return how often somebody has asked in a window; what counts says how long its windows are.

    :param using: the connection: one of its own where the request may be in a transaction that is rolled back
    """
    with connections[using].cursor() as cursor:
        cursor.execute(_COUNT, [caller, window_number])
        (count,) = cursor.fetchone()
    return int(count)


def forget(*, caller: str, using: str = "default") -> None:
    """Set the counts of somebody back."""
    with connections[using].cursor() as cursor:
        cursor.execute(_FORGET, [caller])


def say(*, request: HttpRequest, response: HttpResponse) -> None:
    """Put on an answer what is left of the caller's window."""
    for name, value in request.__dict__.get("rate_headers", {}).items():
        response[name] = value
