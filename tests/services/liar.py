"""An HTTP proxy before the real S3 that lies about one thing, so that the unchanged client can be lied to."""

import dataclasses
import http.client
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from urllib.parse import urlsplit

HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


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


Lie = Callable[[Exchange], None]


class Liar:
    """The proxy; `lie` changes what it passes on, `drip_s` is the pause before each byte of an answer to a GET."""

    def __init__(self, *, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.lie: Lie = lambda _exchange: None
        self.drip_s = 0.0
        self.hang_up = False
        self.requests: list[str] = []
        self.server: http.server.ThreadingHTTPServer

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers for one proxy."""

    liar: ClassVar[Liar]
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Pass a request on, and the answer back as the lie left it."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.liar.requests.append(f"{self.command} {self.path}")
        if self.liar.hang_up:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        connection = http.client.HTTPConnection(self.liar.upstream, timeout=30)
        connection.request(self.command, self.path, body=body, headers=dict(self.headers.items()))
        answer = connection.getresponse()
        exchange = Exchange(
            method=self.command,
            path=self.path,
            status=answer.status,
            headers={name.lower(): value for name, value in answer.getheaders()},
            body=answer.read(),
        )
        connection.close()
        self.liar.lie(exchange)
        self._write(exchange=exchange)

    def _write(self, *, exchange: Exchange) -> None:
        lines = [f"HTTP/1.1 {exchange.status} as it is"]
        lines += [f"{name}: {value}" for name, value in exchange.headers.items() if name not in HOP]
        length = len(exchange.body)
        if self.command == "HEAD":
            length = int(exchange.headers.get("content-length", 0))
        head = "\r\n".join([*lines, f"content-length: {length}", "", ""]).encode()
        if not self.liar.drip_s:
            self.wfile.write(head + exchange.body)
            return
        for byte in head + exchange.body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(self.liar.drip_s)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


for _method in ("GET", "PUT", "HEAD", "POST", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler.answer)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: Any) -> None:
        """Whoever hangs up does so on purpose."""


@contextmanager
def before(*, upstream: str) -> Iterator[Liar]:
    """Run a proxy, honest at first."""
    liar = Liar(upstream=upstream)
    liar.server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"liar": liar}))
    thread = threading.Thread(target=liar.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield liar
    finally:
        liar.server.shutdown()
        liar.server.server_close()
