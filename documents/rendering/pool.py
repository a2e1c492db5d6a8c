"""Warm renderer processes: started when first needed, limited, watched, and replaced when they end, grow or age.

Each does one job at a time. Over its CPU time the kernel ends a child, over the wall time the pool does; both are
`render_timeout`.
"""

import itertools
import json
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from documents import errors
from documents.rendering import child

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUNDLE = ROOT / "templates" / "pdf"
ANSWER_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one job: CPU time grows with the lines, wall time is three times that, memory is the child's."""

    cpu_base_s: float = 10.0
    cpu_line_s: float = 0.020
    cpu_max_s: float = 60.0
    wall_factor: float = 3.0
    start_s: float = 30.0
    address_space_bytes: int = 2 * 1024**3
    # How long a child serves. A long payout leaves it twice as big as it was, and starting one takes half a second.
    growth_bytes_max: int = 40 * 1024**2  # of resident memory, since it was warm
    age_max_s: float = 3600.0

    def cpu_s(self, *, lines: int) -> float:
        """Return the CPU seconds that a document of that many lines may take."""
        return min(self.cpu_base_s + self.cpu_line_s * lines, self.cpu_max_s)


class Child:
    """One warm renderer process and the socket to it. Not thread-safe: the pool lends it to one thread at a time."""

    def __init__(self, *, bundle: pathlib.Path, limits: Limits, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        self.socket, self.limits = ours, limits
        with theirs:
            self.process = _start_process(their_socket=theirs, bundle=bundle, limits=limits, environment=environment)
        self.tickets = itertools.count(1)
        try:
            hello, _ = self._receive(until_s=time.monotonic() + limits.start_s)
        except BaseException:
            self.close()
            raise
        if not hello["ok"]:
            self.close()
            raise errors.Problem(code="render_failed", values={"cause": "engine", "error": hello["cause"]})
        self.engine: str = hello["engine"]
        self.warm_at_s, self.warm_bytes = time.monotonic(), self._resident_bytes()

    def render(self, *, job: dict[str, Any], logo: bytes, lines: int) -> tuple[dict[str, Any], bytes]:
        """Have one job done and return (header, PDF); a header that is not `ok` names the cause.

        Any interruption ends the child: an answer left in the socket would be taken for the next job's.

        :raises errors.Problem: `render_timeout`, or `render_failed` where the child has ended
        """
        cpu_s = self.limits.cpu_s(lines=lines)
        until_s = time.monotonic() + cpu_s * self.limits.wall_factor
        ticket = next(self.tickets)
        text = json.dumps(job | {"cpu_s": cpu_s, "ticket": ticket}).encode()
        try:
            self.socket.settimeout(max(until_s - time.monotonic(), 0.001))
            self.socket.sendall(child.FRAME.pack(len(text), len(logo)) + text + logo)
            header, pdf = self._receive(until_s=until_s)
        except TimeoutError as cause:
            self.close()
            seconds = f"{cpu_s * self.limits.wall_factor:.1f}"
            raise errors.Problem(code="render_timeout", values={"cause": "answer", "seconds": seconds}) from cause
        except OSError as cause:
            raise self._ended() from cause
        except BaseException:
            self.close()
            raise
        if header.get("ticket") != ticket:
            self.close()
            raise errors.Problem(code="render_failed", values={"cause": "other_job"})
        return header, pdf

    @property
    def alive(self) -> bool:
        """Return whether the process still runs."""
        return self.process.poll() is None

    @property
    def worn(self) -> bool:
        """Say whether it has grown or aged so much that it should serve no more."""
        grown = self._resident_bytes() - self.warm_bytes
        return grown > self.limits.growth_bytes_max or time.monotonic() - self.warm_at_s > self.limits.age_max_s

    def close(self) -> None:
        """End the process and wait for it."""
        self.socket.close()
        self.process.kill()
        self.process.wait()

    def _resident_bytes(self) -> int:
        """Return how much memory the process has; none once it has ended."""
        try:
            return int(psutil.Process(self.process.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def _ended(self) -> errors.Problem:
        """Return why the child has ended: by the kernel's CPU clock it is a timeout."""
        self.socket.close()
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.close()
            return errors.Problem(code="render_failed", values={"cause": "socket"})
        if code == -signal.SIGPROF:
            return errors.Problem(code="render_timeout", values={"cause": "cpu"})
        return errors.Problem(code="render_failed", values={"cause": "ended", "status": code})

    def _receive(self, *, until_s: float) -> tuple[dict[str, Any], bytes]:
        header_size, body_size = child.FRAME.unpack(self._exactly(child.FRAME.size, until_s=until_s))
        if header_size + body_size > ANSWER_BYTES_MAX:
            raise ConnectionError("the answer is too big")
        header: dict[str, Any] = json.loads(self._exactly(header_size, until_s=until_s))
        return header, self._exactly(body_size, until_s=until_s)

    def _exactly(self, size: int, *, until_s: float) -> bytes:
        body = bytearray()
        while len(body) < size:
            self.socket.settimeout(max(until_s - time.monotonic(), 0.001))
            part = self.socket.recv(min(size - len(body), 1 << 20))
            if not part:
                raise ConnectionError("the renderer is gone")
            body += part
        return bytes(body)


def _start_process(
    *, their_socket: socket.socket, bundle: pathlib.Path, limits: Limits, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a child in a clean environment: no locale, time zone, hash seed or library path of the machine reaches it.

    It is set before Pango loads, so the only fonts that exist for the child are those of the bundle.
    """
    clean = {
        "FONTCONFIG_FILE": str(bundle / "fonts" / "fonts.conf"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(ROOT),
    }
    descriptor = their_socket.fileno()
    command = [sys.executable, "-m", "documents.rendering.child"]
    return subprocess.Popen(
        [*command, str(descriptor), str(bundle), str(limits.address_space_bytes)],
        cwd=ROOT,
        env={**clean, **environment},
        pass_fds=(descriptor,),
        start_new_session=True,  # a Ctrl-C at the terminal reaches the parent only
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


class Pool:
    """A few children, started when first needed, for one job at a time; one that has ended or is worn is replaced."""

    def __init__(
        self,
        *,
        size: int,
        bundle: pathlib.Path = BUNDLE,
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.size, self.bundle, self.limits, self.environment = size, bundle, limits or Limits(), environment or {}
        self.wait_s = self.limits.cpu_max_s * self.limits.wall_factor
        self.places: queue.LifoQueue[Child | None] = queue.LifoQueue()  # last in, first out: the warmest works
        for _ in range(size):
            self.places.put(None)

    def render(self, *, job: dict[str, Any], logo: bytes, lines: int) -> tuple[dict[str, Any], bytes, str]:
        """Have a free child render a job and return (header, PDF, engine).

        :raises errors.Problem: `render_timeout` (also when no child gets free in time) or `render_failed`
        """
        try:
            worker = self.places.get(timeout=self.wait_s)
        except queue.Empty as cause:
            raise errors.Problem(code="render_timeout", values={"cause": "busy"}) from cause
        try:
            if worker is None or not worker.alive:
                worker = None
                worker = self._start()
            header, pdf = worker.render(job=job, logo=logo, lines=lines)
            if not header["ok"]:
                worker.close()  # short of memory, C code fails in ways that could damage the next document
                raise errors.Problem(code="render_failed", values={"cause": "engine", "error": header["cause"]})
            if worker.worn:
                worker.close()  # at once: while it waited for a document, it would hold what it has
            return header, pdf, worker.engine
        finally:
            self.places.put(worker if worker is not None and worker.alive else None)

    def _start(self) -> Child:
        try:
            return Child(bundle=self.bundle, limits=self.limits, environment=self.environment)
        except (OSError, ValueError, KeyError) as cause:
            raise errors.Problem(code="render_failed", values={"cause": "start"}) from cause

    def close(self) -> None:
        """End the children that are free."""
        for _ in range(self.size):
            try:
                worker = self.places.get_nowait()
            except queue.Empty:
                return
            if worker is not None:
                worker.close()
