"""A TCP server that behaves as told: answers well, refuses, hangs, drips, says 5xx, garbage, or flaps."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def http(*, status: int, headers: str = "") -> bytes:
    """Return an HTTP answer without a body."""
    return f"HTTP/1.1 {status} Answer\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()


class BadServer:
    """Listens on a free port of 127.0.0.1; `behave` is asked once per connection, with its number from 0."""

    def __init__(self, *, behave: Callable[[int, socket.socket], None] | None = None) -> None:
        self.behave = behave or self.record
        self.received: list[tuple[str, bytes]] = []
        self.connections = 0
        self.ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        self.ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def record(self, _number: int, peer: socket.socket) -> None:
        """Read one HTTP request, keep it and answer 200."""
        self.received.append(read_request(peer=peer))
        peer.sendall(OK)

    def answering(self, answer: bytes) -> Callable[[int, socket.socket], None]:
        """Return a behaviour: read the request, then send these bytes."""

        def behave(_number: int, peer: socket.socket) -> None:
            self.received.append(read_request(peer=peer))
            peer.sendall(answer)

        return behave

    def hang(self, _number: int, peer: socket.socket) -> None:
        """Accept and never say a word."""
        with contextlib.closing(peer):
            self.ended.wait()

    def drip(self, _number: int, peer: socket.socket) -> None:
        """Send one byte every 0.2 s: no socket timeout ever fires."""
        for byte in b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 10_000:
            if self.ended.wait(0.2):
                return
            peer.sendall(bytes([byte]))

    def wait_for(self, *, count: int, wait_s: float = 5.0) -> None:
        """Wait until that many requests came."""
        end = time.monotonic() + wait_s
        while len(self.received) < count and time.monotonic() < end:
            time.sleep(0.01)
        assert len(self.received) >= count

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            for number in range(1_000_000):
                peer, _address = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(number, peer), daemon=True).start()

    def _serve(self, number: int, peer: socket.socket) -> None:
        with contextlib.closing(peer), contextlib.suppress(OSError, ValueError, IndexError):
            self.behave(number, peer)


def read_request(*, peer: socket.socket) -> tuple[str, bytes]:
    """Read one HTTP request and return its path and body."""
    with peer.makefile("rb") as stream:
        path = stream.readline().split(b" ")[1].decode()
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return path, stream.read(length)


@contextlib.contextmanager
def nobody_listens() -> Iterator[int]:
    """Lend a port on which every connection is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
