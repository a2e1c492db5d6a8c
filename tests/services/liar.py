"""An HTTP proxy in a process of its own before the real S3, which lies about one thing to the unchanged client.

Run as a program it imports nothing of the product: its argument is where the store answers, its standard input what it
is told to do, a line of JSON each. It ends with its parent, whose end of the pipe closes.
"""

import contextlib
import dataclasses
import datetime as dt
import http.client
import http.server
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}
WITHOUT_LOCKING = b"<Error><Code>ObjectLockConfigurationNotFoundError</Code><Message>none</Message></Error>"
GONE = b"<Error><Code>NoSuchVersion</Code><Message>gone</Message></Error>"
SLOW = b"<Error><Code>SlowDown</Code><Message>slow down</Message></Error>"
VERSION = re.compile(rb"<Version>.*?</Version>", re.DOTALL)
FORGED = "f" * 32  # the id of a version that the store does not have
RETAIN = "x-amz-object-lock-retain-until-date"
DAY = dt.timedelta(days=1)


@dataclasses.dataclass(kw_only=True)
class Exchange:
    """One request, and the store's answer to it, which a lie may change."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def reads_object(self) -> bool:
        """Whether this is a GET of an object, and not of what a bucket is set to or lists."""
        return self.method == "GET" and "versionId=" in self.path

    @property
    def lists_versions(self) -> bool:
        """Whether this asks what lies under a key."""
        return self.method == "GET" and "versions" in self.path

    @property
    def puts_object(self) -> bool:
        """Whether this is a PUT of an object, and not of its lock."""
        return self.method == "PUT" and not urlsplit(self.path).query


def no_lock(exchange: Exchange) -> None:
    """Say nothing of a lock."""
    if exchange.reads_object:
        for name in [name for name in exchange.headers if "object-lock" in name]:
            del exchange.headers[name]


def governance(exchange: Exchange) -> None:
    """Say a mode that the account's root may lift."""
    if exchange.reads_object:
        exchange.headers["x-amz-object-lock-mode"] = "GOVERNANCE"


def day_short(exchange: Exchange) -> None:
    """Say that the lock ends a day before it was to end."""
    if exchange.reads_object and RETAIN in exchange.headers:
        exchange.headers[RETAIN] = (dt.datetime.fromisoformat(exchange.headers[RETAIN]) - DAY).isoformat()


def versioning_off(exchange: Exchange) -> None:
    """Say that the bucket keeps no versions."""
    if exchange.path.endswith("?versioning"):
        exchange.body = exchange.body.replace(b"Enabled", b"Suspended")


def locking_off(exchange: Exchange) -> None:
    """Say that the bucket has no Object Lock."""
    if exchange.path.endswith("?object-lock"):
        exchange.status, exchange.body = 404, WITHOUT_LOCKING


def truncated(exchange: Exchange) -> None:
    """Leave the last byte out."""
    if exchange.reads_object:
        exchange.body = exchange.body[:-1]


def bit_flip(exchange: Exchange) -> None:
    """Change one bit."""
    if exchange.reads_object:
        exchange.body = bytes([exchange.body[0] ^ 1]) + exchange.body[1:]


def other_version(exchange: Exchange) -> None:
    """Answer with another version than was asked for."""
    if exchange.reads_object:
        exchange.headers["x-amz-version-id"] = FORGED


def then_404(exchange: Exchange) -> None:
    """Have taken an object that is not there afterwards."""
    if exchange.reads_object:
        exchange.status, exchange.body = 404, GONE


def stale(exchange: Exchange) -> None:
    """List what was there before the put."""
    if exchange.lists_versions:
        exchange.body = VERSION.sub(b"", exchange.body)


def clock_off(exchange: Exchange) -> None:
    """Be a day behind."""
    exchange.headers["date"] = format_datetime(dt.datetime.now(tz=dt.UTC) - DAY, usegmt=True)


def extra_version(exchange: Exchange) -> None:
    """List another version of other bytes, and hand them out."""
    listed = VERSION.search(exchange.body) if exchange.lists_versions else None
    if listed:
        forged = re.sub(rb"<VersionId>.*?</VersionId>", f"<VersionId>{FORGED}</VersionId>".encode(), listed[0])
        exchange.body = exchange.body.replace(listed[0], forged + listed[0])
    if exchange.reads_object and exchange.path.endswith(FORGED):
        exchange.status, exchange.body = 200, b"forged"
        exchange.headers["x-amz-version-id"] = FORGED


def delete_marker(exchange: Exchange) -> None:
    """List a marker as a plain delete leaves it."""
    listed = VERSION.search(exchange.body) if exchange.lists_versions else None
    if listed:
        kept = b"".join(re.findall(rb"<(?:Key|LastModified)>.*?</(?:Key|LastModified)>", listed[0]))
        marker = kept + f"<VersionId>{FORGED}</VersionId><IsLatest>true</IsLatest>".encode()
        exchange.body = exchange.body.replace(listed[0], b"<DeleteMarker>" + marker + b"</DeleteMarker>" + listed[0])


def slow_down(exchange: Exchange) -> None:
    """Ask to wait."""
    exchange.status, exchange.body = 503, SLOW
    exchange.headers["retry-after"] = "77"


def broken(exchange: Exchange) -> None:
    """Fail."""
    exchange.status, exchange.body = 500, b""


def lets_remove(exchange: Exchange) -> None:
    """Say that a locked version was removed."""
    if exchange.method == "DELETE" and "versionId" in exchange.path:
        exchange.status, exchange.body = 204, b""


def lets_shorten(exchange: Exchange) -> None:
    """Say that a lock was made shorter."""
    if exchange.method == "PUT" and "retention" in exchange.path:
        exchange.status, exchange.body = 200, b""


LIES: dict[str, Callable[[Exchange], None]] = {
    lie.__name__: lie
    for lie in (
        *(no_lock, governance, day_short, versioning_off, locking_off, truncated, bit_flip, other_version, then_404),
        *(stale, clock_off, extra_version, delete_marker, slow_down, broken, lets_remove, lets_shorten),
    )
}


@dataclasses.dataclass(kw_only=True)
class Orders:
    """What the proxy does: `lie` is a name of LIES, told at once or only after the next put of an object (`armed`)."""

    lie: str = ""
    armed: str = ""
    hang_up: bool = False
    drip_s: float = 0.0  # before each byte of an answer


class _Handler(http.server.BaseHTTPRequestHandler):
    upstream: ClassVar[str]
    orders: ClassVar[Orders] = Orders()
    requests: ClassVar[list[str]] = []
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Pass a request on, and the answer back as the lie left it."""
        body, orders = self.rfile.read(int(self.headers.get("Content-Length", 0))), self.orders
        self.requests.append(f"{self.command} {self.path}")
        if orders.hang_up:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        connection.request(self.command, self.path, body=body, headers=dict(self.headers.items()))
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        exchange = Exchange(
            method=self.command, path=self.path, status=answer.status, headers=headers, body=answer.read()
        )
        connection.close()
        if orders.lie:
            LIES[orders.lie](exchange)
        if orders.armed and exchange.puts_object:
            orders.lie, orders.armed = orders.armed, ""
        self._write(exchange=exchange, drip_s=orders.drip_s)

    def _write(self, *, exchange: Exchange, drip_s: float) -> None:
        lines = [f"HTTP/1.1 {exchange.status} as it is"]
        lines += [f"{name}: {value}" for name, value in exchange.headers.items() if name not in HOP]
        length = int(exchange.headers.get("content-length", 0)) if self.command == "HEAD" else len(exchange.body)
        head = "\r\n".join([*lines, f"content-length: {length}", "", ""]).encode()
        if not drip_s:
            self.wfile.write(head + exchange.body)
            return
        for byte in head + exchange.body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(drip_s)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


for _method in ("GET", "PUT", "HEAD", "POST", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler.answer)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: Any) -> None:
        """Whoever hangs up does so on purpose."""


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Proxy, and obey: each line is answered with the requests since the one before."""
    _Handler.upstream = urlsplit(sys.argv[1]).netloc
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _say(server.server_address[1])
    for line in sys.stdin:
        _Handler.orders = Orders(**json.loads(line))
        requests, _Handler.requests[:] = list(_Handler.requests), []
        _say(requests)


class Liar:
    """The process, as a test sees it."""

    def __init__(self, *, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert process.stdout
        self.endpoint = f"http://127.0.0.1:{int(process.stdout.readline())}"

    def obey(self, **orders: Any) -> list[str]:
        """Give Orders in place of all earlier ones (none: be honest); return the requests since then."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(orders) + "\n")
        self._process.stdin.flush()
        requests: list[str] = json.loads(self._process.stdout.readline())
        return requests


@contextlib.contextmanager
def before(*, upstream: str) -> Iterator[Liar]:
    """Run a proxy, honest at first."""
    words = [sys.executable, __file__, upstream]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Liar(process=process)
        finally:
            process.kill()


if __name__ == "__main__":
    main()
