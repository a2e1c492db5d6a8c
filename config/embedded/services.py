"""The embedded PostgreSQL and Valkey: what runs when no DATABASE_URL or REDIS_URL names real ones.

- `Stack` is one private pair of servers, for tests, the demo and the crash campaign.
- `around` is what `manage.py` puts around every command. Commands of one checkout that overlap share one pair with
  lasting data: a keeper process owns it, each command holds a shared lock while it runs, and the keeper ends when it
  gets the exclusive one. The kernel gives a lock back however its holder ends, so nothing is ever left running.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import IO, Self

import psycopg
from psycopg import sql

from config import env
from config.embedded import servers

DATABASE, RUNTIME_ROLE, OWNER_ROLE = "billing", "billing_app", "billing_owner"
# These never look at a server, or start a Stack of their own.
WITHOUT_SERVERS = frozenset({"", "help", "version", "gate", "clean", "check", "diffsettings"}) | frozenset(
    {"makemigrations", "makemessages", "compilemessages", "collectstatic", "findstatic", "send_events"}
)
# These get a private pair that is thrown away: they show it, crash it, or measure it.
WITH_A_STACK_OF_THEIR_OWN = frozenset({"demo", "crash_campaign", "contact_sheet"})
KEEPER_LIMIT_S = 60.0
BROKEN_OFF = 130  # what a shell calls a command that Ctrl-C ended
# SQLSTATE: a table or column that only provisioning makes, a right that only provisioning gives.
NOT_PROVISIONED = frozenset({"42P01", "42703", "42501"})
# SQLSTATE classes: no connection, wrong password, no such database, the server is going down.
NO_DATABASE = frozenset({"08", "28", "3D", "57P"})


class Stack:
    """One PostgreSQL and one Valkey. Without `folder` the data is thrown away at the end; with it, it stays there.

    `fsync=False` trades safety in a power cut for speed. Start it from the main thread.
    """

    def __init__(self, *, folder: pathlib.Path | None = None, fsync: bool = False) -> None:
        """Nothing is started yet."""
        self._kept = folder
        self._fsync = fsync
        self._lock: IO[str] | None = None
        self.folder: pathlib.Path
        self.postgres: servers.Postgres
        self.redis: servers.Valkey

    def start(self) -> Self:
        """Return when both servers answer and the roles and the empty database exist.

        :raises servers.NotStartedError: when one of them does not come up; nothing is left running.
        """
        self.folder = self._kept or self._throwaway()
        words = self._words()
        self.postgres = servers.Postgres(folder=self.folder, password=words["postgres"], fsync=self._fsync)
        self.redis = servers.Valkey(folder=self.folder, password=words["redis"])
        self._owner, self._runtime = words["owner"], words["runtime"]
        try:
            self.redis.start()
            self.postgres.create()
            self.postgres.start()
            self._lay_out()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End both servers and remove throw-away data."""
        self.redis.stop()
        self.postgres.stop()
        if self._kept is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock:
            self._lock.close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, whatever happened."""
        self.stop()

    @property
    def postgres_process(self) -> subprocess.Popen[bytes] | None:
        """The running PostgreSQL, or None."""
        return self.postgres.process

    @property
    def redis_process(self) -> subprocess.Popen[bytes] | None:
        """The running Valkey, or None."""
        return self.redis.process

    @property
    def database_url(self) -> str:
        """For the runtime role, which owns nothing."""
        return self.postgres.url(user=RUNTIME_ROLE, password=self._runtime, database=DATABASE)

    @property
    def database_owner_url(self) -> str:
        """For the owner role: the command `provision` only."""
        return self.postgres.url(user=OWNER_ROLE, password=self._owner, database=DATABASE)

    @property
    def superuser_url(self) -> str:
        """For what no role of ours may do: tests that replace the database or force a state."""
        return self.postgres.url(database=DATABASE)

    @property
    def redis_url(self) -> str:
        """The broker."""
        return self.redis.url

    def environment(self) -> dict[str, str]:
        """Return the variables that point a command at these servers."""
        return {
            "DATABASE_URL": self.database_url,
            "DATABASE_OWNER_URL": self.database_owner_url,
            "REDIS_URL": self.redis_url,
        }

    def _throwaway(self) -> pathlib.Path:
        """Make a folder that is locked for as long as we live, after removing those whose owners no longer do."""
        home = servers.home()
        for stale in home.glob("run-*"):
            with contextlib.suppress(OSError), (stale / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(stale, ignore_errors=True)
        unseen = pathlib.Path(tempfile.mkdtemp(prefix="new-", dir=home))
        unseen.chmod(0o711)
        self._lock = (unseen / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return unseen.rename(home / unseen.name.replace("new-", "run-", 1))

    def _words(self) -> dict[str, str]:
        """Return the passwords, which live beside the data they open."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        kept = self.folder / "passwords.json"
        if kept.exists() and (self.folder / "data").exists():
            words: dict[str, str] = json.loads(kept.read_text(encoding="utf-8"))
            return words
        words = {name: secrets.token_hex(16) for name in ("postgres", "owner", "runtime", "redis")}
        kept.touch(mode=0o600)
        kept.write_text(json.dumps(words), encoding="utf-8")
        return words

    def _lay_out(self) -> None:
        """Create the two roles and the database unless an earlier start got that far."""
        with psycopg.connect(self.postgres.url(), autocommit=True) as server:
            for role, word in ((OWNER_ROLE, self._owner), (RUNTIME_ROLE, self._runtime)):
                if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                    server.execute(
                        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(word))
                    )
            if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                server.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE))
                )


@contextlib.contextmanager
def around(*, command: str) -> Iterator[None]:
    """Run a command with servers behind it: the given ones, or embedded ones for those not given.

    Production has no embedded default: it goes on, and the settings refuse what is missing. What the operator can mend
    ends the command with a sentence.
    """
    heed_signals()
    with _ended_in_a_sentence(), _servers(command=command):
        yield


@contextlib.contextmanager
def _ended_in_a_sentence() -> Iterator[None]:
    """Turn what whoever typed the command can mend into a sentence that says how; a defect keeps its traceback."""
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(BROKEN_OFF) from None
    except Exception as error:
        mend = _mend(error=error)
        if not mend or "--traceback" in sys.argv:
            raise
        raise SystemExit(f"billing-docs: {mend}") from error


def _mend(*, error: BaseException) -> str:
    """Return what is wrong and how to mend it, empty where that is not known: Django wraps what psycopg raised."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, psycopg.Error | servers.NotStartedError):
        seen = seen.__cause__ or seen.__context__
    said = str(seen).strip()
    if isinstance(seen, servers.NotStartedError):
        return said
    state = seen.sqlstate or "" if isinstance(seen, psycopg.Error) else ""
    first = said.partition("\n")[0]
    if state in NOT_PROVISIONED:
        return f"the database is not provisioned ({first}): make manage ARGS=provision"
    if (isinstance(seen, psycopg.OperationalError) and not state) or {state[:2], state[:3]} & NO_DATABASE:
        return f"the database cannot be used ({first}): start it, or mend DATABASE_URL and DATABASE_OWNER_URL"
    return ""


@contextlib.contextmanager
def _servers(*, command: str) -> Iterator[None]:
    """Put the URLs of embedded servers into the environment for as long as the command runs, where it needs any."""
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not env.text(name=name)]
    if not missing or command.startswith("-") or command in WITHOUT_SERVERS or env.production():
        yield
        return
    with _private() if command in WITH_A_STACK_OF_THEIR_OWN else _shared() as urls:
        for name in (*missing, *(["DATABASE_OWNER_URL"] if "DATABASE_URL" in missing else [])):
            env.put(name=name, value=urls[name])
        yield


def heed_signals() -> None:
    """Have this process end in order when it is told to, so that it leaves no server and no file.

    Ctrl-C raises KeyboardInterrupt even where a shell has started us in the background with SIGINT ignored: web server
    and worker heed it there as well, and one of the two alone is no use. SIGTERM and a closed terminal raise
    SystemExit; but what `nohup` ignores stays ignored, and whoever handles a signal already keeps it.
    """
    if threading.current_thread() is not threading.main_thread():
        return

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if signal.getsignal(signal.SIGINT) in {signal.SIG_IGN, signal.SIG_DFL}:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGTERM) in {signal.SIG_IGN, signal.SIG_DFL}:
        signal.signal(signal.SIGTERM, leave)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, leave)


@contextlib.contextmanager
def _private() -> Iterator[dict[str, str]]:
    """Yield the environment of a pair that only this command uses."""
    with Stack() as stack:
        yield stack.environment()


@contextlib.contextmanager
def _shared() -> Iterator[dict[str, str]]:
    """Yield the environment of this checkout's lasting pair, started by whoever comes first."""
    folder = servers.home() / "kept"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    with (folder / "users.lock").open("w") as users:
        with (folder / "start.lock").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)  # waits while a keeper is shutting down
            urls = _urls(folder=folder) if servers.in_use(lock=folder / "keeper.lock") else _keeper(folder=folder)
        try:
            yield urls
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)
            _see_off(folder=folder)


def _urls(*, folder: pathlib.Path) -> dict[str, str]:
    urls: dict[str, str] = json.loads((folder / "urls.json").read_text(encoding="utf-8"))
    return urls


def _keeper(*, folder: pathlib.Path) -> dict[str, str]:
    """Start a keeper and return the environment once its servers answer."""
    with (folder / "keeper.log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "config.embedded.services", str(folder)],
            cwd=env.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    with keeper.stdout or contextlib.nullcontext() as said:
        if said is None or said.readline() != b"ready\n":
            keeper.wait(timeout=KEEPER_LIMIT_S)
            raise SystemExit((folder / "keeper.log").read_text(encoding="utf-8", errors="replace")[-3000:])
    return _urls(folder=folder)


def _see_off(*, folder: pathlib.Path) -> None:
    """Wait until the keeper is gone, unless another command still needs it: a finished command leaves no process."""
    until = time.monotonic() + servers.STOP_LIMIT_S
    while time.monotonic() < until and servers.in_use(lock=folder / "keeper.lock"):
        time.sleep(servers.POLL_S)
        with (folder / "users.lock").open("w") as users, contextlib.suppress(BlockingIOError):
            # The keeper takes the exclusive lock the moment it is free: getting a shared one means others use it.
            fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return


def keep(*, folder: pathlib.Path) -> None:
    """Own the lasting servers of `folder` and return when no command uses them any more."""
    with (folder / "keeper.lock").open("w") as alive, (folder / "users.lock").open("w") as users:
        fcntl.flock(alive, fcntl.LOCK_EX)
        with Stack(folder=folder, fsync=True) as stack:
            record = folder / "urls.json"
            record.unlink(missing_ok=True)
            record.touch(mode=0o600)
            record.write_text(json.dumps(stack.environment()), encoding="utf-8")
            os.write(sys.stdout.fileno(), b"ready\n")
            fcntl.flock(users, fcntl.LOCK_EX)


if __name__ == "__main__":
    heed_signals()
    with _ended_in_a_sentence():
        keep(folder=pathlib.Path(sys.argv[1]))
