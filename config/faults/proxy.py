"""The fault proxy: a port for each dependency, passed on to the real server until its mode says otherwise.

A thread of its own with an event loop; modes are switched live, also for connections that are open. It measures how
long each client has waited when it gave up, which is all that can be known of a call from outside.
"""

import asyncio
import collections
import contextlib
import dataclasses
import enum
import socket
import threading
import time
from collections.abc import Coroutine
from types import TracebackType
from typing import Self, TypeVar

from config.faults import answers
from config.faults.answers import Protocol

CHUNK_BYTES = 65_536
BACKLOG = 256
ORDER_MAX_S = 10.0
LISTENING = b"HEAD "
LEAVES_AFTER_S = 0.02
T = TypeVar("T")


class Mode(enum.StrEnum):
    """What happens at a port."""

    WELL = "well"
    REFUSE = "refuse"
    BLACK_HOLE = "black_hole"
    UNREACHABLE = "unreachable"
    SLOW = "slow"
    BUSY = "busy"
    GARBAGE = "garbage"
    EMPTY = "empty"
    DRIP = "drip"
    AFTER_PUT = "after_put"


# Whoever is connected is cut off: the server behind the port has gone, or is another one now.
CUTTING = frozenset({Mode.REFUSE, Mode.BUSY, Mode.GARBAGE, Mode.EMPTY})
SILENT = frozenset({Mode.BLACK_HOLE, Mode.UNREACHABLE})
ANSWERING = CUTTING - {Mode.REFUSE}


@dataclasses.dataclass(eq=False, kw_only=True)
class Connection:
    """One client at a port. Times are monotonic; `asked_at` is since when it waits for an answer."""

    opened_at: float
    writer: asyncio.StreamWriter
    asked_at: float | None = None
    longest_wait_s: float = 0.0
    requests: int = 0
    puts: bool = False
    closed: bool = False
    stranded: bool = False  # there is no server behind it

    def ask(self, *, now: float, said: bytes = b"") -> None:
        """Take note that the client has said something and waits; whether somebody is there (HEAD) is no request."""
        if self.asked_at is None:
            self.asked_at = now
            self.requests += not said.startswith(LISTENING)

    def rest(self, *, now: float) -> None:
        """Take note that it has been answered, or has gone."""
        if self.asked_at is not None:
            self.longest_wait_s = max(self.longest_wait_s, now - self.asked_at)
        self.asked_at = None

    def waited_s(self, *, now: float) -> float:
        """Return the longest wait, the present one included."""
        return max(self.longest_wait_s, now - self.asked_at if self.asked_at is not None else 0.0)


@dataclasses.dataclass(kw_only=True)
class Port:
    """One dependency: where the proxy listens and where the real server does."""

    name: str
    protocol: Protocol
    upstream: int
    slow_s: float
    number: int = 0
    mode: Mode = Mode.WELL
    turn: int = 0
    heard: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)  # not set: what the server says is lost
    server: asyncio.Server | None = None
    leaving: "asyncio.Task[None] | None" = None
    closed: socket.socket | None = None  # holds the number while nobody listens
    knock: socket.socket | None = None  # fills the queue of `closed`, so that the kernel drops whoever comes next
    connections: "collections.deque[Connection]" = dataclasses.field(
        default_factory=lambda: collections.deque(maxlen=5000)
    )


class Proxy:
    """All ports; use it as a context. `seed` draws the garbage."""

    def __init__(self, *, seed: int) -> None:
        self.seed = seed
        self.ports: dict[str, Port] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=ORDER_MAX_S)

    def add(self, *, name: str, protocol: Protocol, upstream: int, slow_s: float) -> int:
        """Listen for a dependency whose server has the port `upstream` of 127.0.0.1; return the proxy's own port."""
        port = Port(name=name, protocol=protocol, upstream=upstream, slow_s=slow_s)
        port.heard.set()
        self.ports[name] = port
        self._run(self._listen(port))
        return port.number

    def switch(self, *, name: str, mode: Mode) -> None:
        """Change what happens at a port, at once."""
        self._run(self._switch(self.ports[name], mode))

    def seen(self, *, name: str, since: float) -> list[Connection]:
        """Return the connections of a port that were opened or still waited after a moment (monotonic)."""

        async def look() -> list[Connection]:
            return [c for c in self.ports[name].connections if c.opened_at >= since or not c.closed]

        return self._run(look())

    def _run(self, work: Coroutine[object, object, T]) -> T:
        """Do something in the loop's thread, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=ORDER_MAX_S)

    async def _listen(self, port: Port) -> None:
        self._open(port)
        port.server = await asyncio.start_server(
            lambda reader, writer: self._serve(port, reader, writer), "127.0.0.1", port.number, backlog=BACKLOG
        )
        port.number = port.server.sockets[0].getsockname()[1]

    def _open(self, port: Port) -> None:
        """Let go of what kept callers out."""
        for kept in (port.knock, port.closed):
            if kept is not None:
                kept.close()
        port.knock = port.closed = None

    def _drop(self, port: Port) -> None:
        """Let the kernel drop whoever wants to connect, as on the way to a host that is gone: no answer at all."""
        self._deafen(port).listen(0)  # a queue of one
        port.knock = socket.socket()
        port.knock.settimeout(0)
        port.knock.connect_ex(("127.0.0.1", port.number))

    def _deafen(self, port: Port) -> socket.socket:
        """Refuse connections: the number stays ours, and nobody listens; return what holds it."""
        if port.server is not None:
            port.server.close()
        port.server = None
        self._open(port)
        port.closed = closed = socket.socket()
        closed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        closed.bind(("127.0.0.1", port.number))
        return closed

    async def _switch(self, port: Port, mode: Mode) -> None:
        port.mode = mode
        (port.heard.clear if mode in SILENT else port.heard.set)()
        if mode is Mode.REFUSE:
            self._deafen(port)
        elif mode is Mode.UNREACHABLE:
            self._drop(port)
        elif port.server is None:
            await self._listen(port)
        for connection in port.connections:
            if not connection.closed and (mode in CUTTING or connection.stranded):
                connection.writer.transport.abort()

    async def _leave(self, port: Port) -> None:
        """Go, once the client has all of the answer."""
        await asyncio.sleep(LEAVES_AFTER_S)
        if port.mode is Mode.AFTER_PUT:
            await self._switch(port, Mode.REFUSE)

    async def _close(self) -> None:
        for port in self.ports.values():
            self._deafen(port)
            for connection in port.connections:
                connection.writer.transport.abort()
            self._open(port)

    async def _serve(self, port: Port, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(opened_at=time.monotonic(), writer=writer)
        port.connections.append(connection)
        if port.protocol is Protocol.SMTP:
            connection.ask(now=connection.opened_at)  # the server speaks first
        try:
            if port.mode is Mode.BLACK_HOLE:
                connection.stranded = True
                await self._swallow(connection, reader)
            elif port.mode in ANSWERING:
                await self._answer(port, connection, reader)
            else:
                await self._pass_on(port, connection, reader)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one of the two has gone
        finally:
            connection.rest(now=time.monotonic())
            connection.closed = True
            writer.transport.abort()

    async def _swallow(self, connection: Connection, reader: asyncio.StreamReader) -> None:
        """Read and never answer."""
        while said := await reader.read(CHUNK_BYTES):
            connection.ask(now=time.monotonic(), said=said)

    async def _answer(self, port: Port, connection: Connection, reader: asyncio.StreamReader) -> None:
        """Answer in the place of the server."""
        asked = b""
        while True:
            if port.protocol is not Protocol.SMTP:
                asked = await _request(protocol=port.protocol, reader=reader)
                if not asked:
                    return
                connection.ask(now=time.monotonic(), said=asked)
            port.turn += 1
            if port.mode is Mode.GARBAGE:
                answer = answers.garbage(seed=self.seed, turn=port.turn)
            elif port.mode is Mode.EMPTY:
                answer = answers.empty()
            else:
                answer = answers.busy(protocol=port.protocol, asked=asked, turn=port.turn)
            connection.writer.write(answer)
            await connection.writer.drain()
            connection.rest(now=time.monotonic())
            goes_on = port.protocol is Protocol.REDIS or answer == b"N"
            if not goes_on:
                connection.writer.close()
                await connection.writer.wait_closed()
                return

    async def _pass_on(self, port: Port, connection: Connection, reader: asyncio.StreamReader) -> None:
        """Join client and server, until one of them goes."""
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port.upstream)
        to_client = asyncio.ensure_future(self._to_client(port, connection, from_server))
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                connection.ask(now=time.monotonic(), said=chunk)
                connection.puts = connection.puts or _puts_object(chunk)
                to_server.write(chunk)
                await to_server.drain()
        finally:
            to_client.cancel()
            to_server.transport.abort()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await to_client

    async def _to_client(self, port: Port, connection: Connection, from_server: asyncio.StreamReader) -> None:
        """Hand on what the server says, as the mode has it at that moment."""
        while chunk := await from_server.read(CHUNK_BYTES):
            if port.mode is Mode.SLOW:
                await asyncio.sleep(port.slow_s)
            await port.heard.wait()
            while port.mode is Mode.DRIP and chunk:
                connection.writer.write(chunk[:1])
                chunk = chunk[1:]
                await asyncio.sleep(1)
            connection.writer.write(chunk)
            await connection.writer.drain()
            if port.mode is not Mode.DRIP:
                connection.rest(now=time.monotonic())
            if port.mode is Mode.AFTER_PUT and connection.puts and chunk.startswith(b"HTTP/1.1 200"):
                port.leaving = asyncio.create_task(self._leave(port))
        connection.writer.transport.abort()


async def _request(*, protocol: Protocol, reader: asyncio.StreamReader) -> bytes:
    """Read what a client asks; of HTTP the whole request."""
    if protocol not in {Protocol.S3, Protocol.HTTP}:
        return await reader.read(CHUNK_BYTES)
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(answers.content_length(head=head))


def _puts_object(chunk: bytes) -> bool:
    """Say whether a request begins here that puts an object, and not its lock or a bucket's settings."""
    line = chunk.partition(b"\r\n")[0]
    return line.startswith(b"PUT ") and b"?" not in line
