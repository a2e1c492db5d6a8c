"""The demo's stage: a folder, a port and secrets of its own, and the processes that serve it.

`prepare` runs before the settings are read; `Crew` keeps web and worker alive and leaves none behind.
"""

import base64
import dataclasses
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import IO

from config import env, servers

PORT_DEFAULT = 8000
RESTART_PAUSE_S = 1.0
STOP_LIMIT_S = 20.0
ALERTS_TO = "operaciones@aventide.example"

_listening: socket.socket | None = None


def prepare() -> None:
    """This function will choose the demo's port, folder and secrets, and put them where the settings look."""
    global _listening  # noqa: PLW0603 - the bound socket is handed to the web server, so that nobody can take the port
    _listening = _listen()
    host, port = _listening.getsockname()[:2]
    folder = servers.VAR / "demo" / f"{time.strftime('%Y%m%d-%H%M%S')}-{port}"
    folder.mkdir(parents=True)
    values = {
        "ENVIRONMENT": "demo",
        "PUBLIC_URL": f"http://{host}:{port}",
        "VAULT_URL": f"file://{folder / 'vault'}",
        "MAIL_URL": f"file://{folder / 'mail'}",
        "ALERT_URL": f"mailto:{ALERTS_TO}",
        "DEMO_FOLDER": str(folder),
        **{name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "LINK_KEY", "AUDIT_KEY")},
        **{
            f"WEBHOOK_SECRET_{service.upper()}": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
            for service in env.SERVICES
        },
    }
    for name, value in values.items():
        env.put(name=name, value=value)


def folder() -> pathlib.Path:
    """This function will return where this demo keeps its vault, mail and logs."""
    return pathlib.Path(env.text(name="DEMO_FOLDER"))


def _listen() -> socket.socket:
    """This function will bind PORT (default 8000, 0: any free one); the default gives way when it is taken.

    :raises env.Misconfigured: a PORT that was asked for is taken
    """
    asked = env.text(name="PORT")
    port = env.number(name="PORT", default=PORT_DEFAULT)
    for one in (port,) if asked else (port, 0):
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(("127.0.0.1", one))
        except OSError:
            bound.close()
            continue
        bound.listen(1024)
        return bound
    raise env.Misconfigured(name="PORT", mend=f"port {port} is taken: use another one, or PORT=0 for any free one")


@dataclasses.dataclass(kw_only=True)
class Member:
    """One process of the crew and how to start it again."""

    name: str
    command: list[str]
    files: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0


class Crew:
    """Web server and worker: started together, started again when one dies, ended together.

    Each asks the kernel to end it when this process ends, however that happens.
    """

    def __init__(self) -> None:
        assert _listening is not None, "prepare() comes first"  # noqa: S101 - a mistake in our own code
        python = sys.executable
        web = [python, "-m", "gunicorn", "--bind", f"fd://{_listening.fileno()}", "--workers", "2", "--threads", "8"]
        web += ["--worker-class", "gthread", "--timeout", "60", "--graceful-timeout", "5", "--log-level", "warning"]
        worker = [python, "-m", "celery", "-A", "config.celery", "worker", "-B", "--pool", "threads", "--concurrency", "2"]
        worker += ["--loglevel", "warning", "--without-gossip", "--without-mingle"]
        self.members = [
            Member(name="web", command=[*web, "config.wsgi"], files=(_listening.fileno(),)),
            Member(name="worker", command=worker),
        ]
        self._ended = threading.Event()
        self._logs: list[IO[bytes]] = []
        self._watch = threading.Thread(target=self._keep, name="crew", daemon=True)

    def __enter__(self) -> "Crew":
        """Start everybody."""
        for member in self.members:
            self._start(member)
        self._watch.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """End everybody: asked first, forced after STOP_LIMIT_S."""
        self._ended.set()
        self._watch.join(timeout=5)
        running = [member.process for member in self.members if member.process]
        for process in running:
            process.terminate()
        until = time.monotonic() + STOP_LIMIT_S
        for process in running:
            try:
                process.wait(timeout=max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for log in self._logs:
            log.close()

    def _start(self, member: Member) -> None:
        log = (folder() / f"{member.name}.log").open("ab")
        self._logs.append(log)
        # The kernel's wish is bound to the thread that starts the child, so the crew is started and restarted by
        # threads that live as long as this process: the main one and the daemon below.
        launch = [sys.executable, str(pathlib.Path(__file__).with_name("launch.py")), str(os.getpid()), str(int(signal.SIGTERM)), "-", "-"]
        member.process = subprocess.Popen(  # noqa: S603 - our own command line
            [*launch, *member.command], cwd=env.BASE_DIR, stdout=log, stderr=log, stdin=subprocess.DEVNULL, pass_fds=member.files
        )
        member.starts += 1

    def _keep(self) -> None:
        while not self._ended.wait(RESTART_PAUSE_S):
            for member in self.members:
                if member.process and member.process.poll() is not None and not self._ended.is_set():
                    self._start(member)
