"""Idle and dripping callers before the shipped front: the service goes on."""

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Iterator

from tests.deployment import production

CALLERS, LIMIT_S = 40, 2.0


def findings(*, built: production.Production) -> Iterator[str]:
    """Yield each kind of slow caller that made somebody else wait, and what the front lets through that it should not."""
    for name, first in {
        "idle": b"",
        "in the middle of the head": b"GET /healthz HTTP/1.1\r\nHost: documents.example.com\r\nX-Slow: ",
        "in the middle of a body": b"POST /api/v1/events/ HTTP/1.1\r\nHost: documents.example.com\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{",
    }.items():
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(_caller(first=first)) for _ in range(CALLERS)]
            worst = max(_drip(slow=slow) for _ in range(5))
        if worst > LIMIT_S:
            yield f"{CALLERS} callers, {name}: somebody else waited {worst:.1f} s"
    for path, wanted in {"/metrics": 404, "/healthz": 200, "/readyz": 200, "/admin/": 302}.items():
        status, hsts = _ask(path=path)
        if status != wanted or not hsts:
            yield f"{path} is answered {status}, HSTS {hsts!r}"
    for unit in ("billing-web", "billing-worker", "billing-migrate"):
        said = built.hosts["worker1"].typed(f"systemd-analyze verify /etc/systemd/system/{unit}.service 2>&1 || true")
        if unit in said:
            yield f"systemd says of {unit}: {said}"
    if "front.missing" in (log := built.hosts["web1"].read("/var/log/billing-web.log")) or "front.open" in log:
        yield "the web server misses its front"


def _drip(*, slow: list[ssl.SSLSocket]) -> float:
    """Let each caller say a byte, and return how long somebody else waits for an answer, in seconds."""
    for caller in slow:
        with contextlib.suppress(OSError):  # the front has hung up on it
            caller.send(b"x")
    began = time.monotonic()
    _ask(path="/readyz")
    took = time.monotonic() - began
    time.sleep(1)
    return took


@contextlib.contextmanager
def _caller(*, first: bytes) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context()
    with (
        socket.create_connection((production.PUBLIC_HOST, 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=production.PUBLIC_HOST) as caller,
    ):
        if first:
            caller.send(first)
        yield caller


def _ask(*, path: str) -> tuple[int, str]:
    connection = http.client.HTTPSConnection(production.PUBLIC_HOST, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("Strict-Transport-Security", "")
    finally:
        connection.close()
