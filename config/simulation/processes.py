"""Web server and worker as processes of their own: started together, started again when one dies, ended together.

The demo shows them, the crash campaign kills them, the tests talk to them: the same command lines in all three.
"""

import contextlib
import dataclasses
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import IO, Self

import psutil

from config import env
from config.embedded import ending, launch

RESTART_PAUSE_S = 1.0
STOP_LIMIT_S = 20.0
BACKLOG = 1024
LOOK_EVERY_S = 0.1


def listen(*, port: int = 0) -> socket.socket:
    """Bind a port of 127.0.0.1 (0: any free one); the web server gets it, and nobody can take it.

    :raises OSError: the port is taken
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    bound.listen(BACKLOG)
    return bound


@dataclasses.dataclass(kw_only=True)
class ServerProcess:
    """One process of the group, with the command that starts it again."""

    name: str
    command: list[str]
    files: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0


class ProcessGroup:
    """A web server on a socket and a worker, with logs in `folder`; `environment` is added to that of this process.

    `home` is the checkout whose code they run: ours, or that of another version.
    Each ends when this process ends, however that happens (see `launch`). Start the group from the main thread.
    """

    def __init__(
        self,
        *,
        folder: pathlib.Path,
        listening: socket.socket,
        environment: Mapping[str, str] | None = None,
        beat: bool = True,
        pause_s: float = RESTART_PAUSE_S,
        patience_s: float = STOP_LIMIT_S,
        home: pathlib.Path = env.BASE_DIR,
    ) -> None:
        self.folder, self._listening, self._pause_s, self._patience_s = folder, listening, pause_s, patience_s
        self._environment, self._home = environment or {}, home
        python = sys.executable
        web = [python, "-m", "gunicorn", "--config", "python:config.gunicorn", "--bind", f"fd://{listening.fileno()}"]
        worker = [python, "-m", "celery", "-A", "config.celery", "worker", "--pool", "threads", "--concurrency", "2"]
        worker += ["--loglevel", "warning", "--without-gossip", "--without-mingle", *(["-B"] if beat else [])]
        self.processes = {
            "web": ServerProcess(name="web", command=web, files=(listening.fileno(),)),
            "worker": ServerProcess(name="worker", command=worker),
        }
        self._absent: set[str] = set()
        self._changing = threading.Lock()
        self._ended = threading.Event()
        self._logs: list[IO[bytes]] = []
        self._watch = threading.Thread(target=self._restart_ended, name="processes", daemon=True)

    @property
    def url(self) -> str:
        """Where the web server answers."""
        host, port = self._listening.getsockname()[:2]
        return f"http://{host}:{port}"

    def __enter__(self) -> Self:
        """Start all processes; where a signal comes meanwhile, end them again."""
        try:
            with ending.undisturbed():
                for server in self.processes.values():
                    self._start(server)
                self._watch.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    @ending.undisturbed()
    def __exit__(self, *_error: object) -> None:
        """End all processes: ask first, force after `patience_s`."""
        self._ended.set()
        self._watch.join(timeout=5)
        running = [server.process for server in self.processes.values() if server.process]
        for process in running:
            process.terminate()
        until = time.monotonic() + self._patience_s
        for process in running:
            try:
                process.wait(timeout=max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _kill_tree(pid=process.pid)
                process.wait()
        for log in self._logs:
            log.close()

    def await_web(self, *, within_s: float) -> None:
        """Return when the web server answers.

        :raises TimeoutError: it does not, within `within_s`
        """
        host, port = self._listening.getsockname()[:2]
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            connection = http.client.HTTPConnection(host, port, timeout=5)
            try:
                connection.request("GET", "/healthz")
                if connection.getresponse().status == HTTPStatus.OK:
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(LOOK_EVERY_S)
        raise TimeoutError("the web server does not answer")

    def kill(self, *, name: str) -> bool:
        """Kill a process and all of its children without warning; the group starts it again.

        False when it was not running at that moment.
        """
        with self._changing:
            process = self.processes[name].process
            if process is None or process.poll() is not None:
                return False
            _kill_tree(pid=process.pid)
            process.wait()
            return True

    @contextlib.contextmanager
    def without(self, *, name: str) -> Iterator[None]:
        """Kill a process and do not start it again until the block ends, as after a kill that nobody noticed."""
        self._absent.add(name)
        self.kill(name=name)
        try:
            yield
        finally:
            self._absent.discard(name)

    def log(self, *, name: str) -> str:
        """Return the end of what a process has written to its log."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def locks_out_of_order(self) -> list[str]:
        """Return what the processes have logged of locks in another order than that of `documents.locks`."""
        logs = [(self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace") for name in self.processes]
        return [line[:400] for log in logs for line in log.splitlines() if "lock.out_of_order" in line]

    def _start(self, server: ServerProcess) -> None:
        log = (self.folder / f"{server.name}.log").open("ab")
        self._logs.append(log)
        # The kernel ends a child when the thread that started it ends, so only threads that live as long as we
        # start processes: the main one and the daemon below.
        launcher = [sys.executable, str(launch.__file__), str(os.getpid()), str(int(signal.SIGTERM)), "-", "-"]
        server.process = subprocess.Popen(
            [*launcher, *server.command],
            cwd=self._home,
            env={**env.inherited(), **self._environment},
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            pass_fds=server.files,
        )
        server.starts += 1

    def _restart_ended(self) -> None:
        while not self._ended.wait(self._pause_s):
            for server in self.processes.values():
                with self._changing:
                    gone = server.process and server.process.poll() is not None and server.name not in self._absent
                    if gone and not self._ended.is_set():
                        self._start(server)


def _kill_tree(*, pid: int) -> None:
    """SIGKILL a process and everything it started."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
