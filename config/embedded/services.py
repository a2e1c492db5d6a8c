"""The embedded services: a private PostgreSQL with the roles and the empty database, a private Valkey, perhaps an S3.

Tests, the demo and the crash campaign each start a `Stack` of their own; `shared.py` has the one that commands share.
"""

import contextlib
import fcntl
import json
import pathlib
import secrets
import shutil
import subprocess
import tempfile
from types import TracebackType
from typing import IO, Self

import psycopg
from psycopg import sql

from config.embedded import ending, machine, object_store, servers

DATABASE, RUNTIME_ROLE, OWNER_ROLE = "billing", "billing_app", "billing_owner"


@ending.undisturbed()
def throwaway_folder(*, memory: bool = False) -> tuple[pathlib.Path, IO[str]]:
    """Make a folder for data, after removing those whose owners no longer live; it is ours while the file is open.

    :param memory: where the machine lends memory for it: a database of some hundred files is copied there for nothing
    """
    home = (machine.memory_folder() if memory else None) or machine.home()
    for stale in home.glob("run-*"):
        with contextlib.suppress(OSError), (stale / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(stale, ignore_errors=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="new-", dir=home))
    folder.chmod(0o711)
    ours = (folder / "lock").open("w")
    fcntl.flock(ours, fcntl.LOCK_EX)
    return folder.rename(home / folder.name.replace("new-", "run-", 1)), ours


class Stack:
    """One PostgreSQL and one Valkey. Without `folder` the data is thrown away at the end; with it, it stays there.

    `objects` adds an S3 with Object Lock; what is locked there goes with its folder, and in no other way.
    `fsync=False` trades safety in a power cut for speed, `memory` more of it. Start it from the main thread.
    """

    def __init__(
        self,
        *,
        folder: pathlib.Path | None = None,
        fsync: bool = False,
        objects: bool = False,
        memory: bool = False,
    ) -> None:
        """Nothing is started yet."""
        self._memory = memory
        self._with_objects = objects
        self.objects: object_store.SeaweedFS | None = None
        self._lasting_folder = folder
        self._fsync = fsync
        self._lock: IO[str] | None = None
        self.folder: pathlib.Path
        self.postgres: servers.Postgres
        self.redis: servers.Valkey

    def start(self) -> Self:
        """Return when the servers answer and the roles and the empty database exist.

        :raises machine.NotStartedError: when one of them does not come up; nothing is left running.
        """
        self.folder = self._lasting_folder or self._throwaway_folder()
        passwords = self._passwords()
        self.postgres = servers.Postgres(folder=self.folder, password=passwords["postgres"], fsync=self._fsync)
        self.redis = servers.Valkey(folder=self.folder, password=passwords["redis"])
        self._owner, self._runtime = passwords["owner"], passwords["runtime"]
        try:
            if self._with_objects:  # it takes longest
                self.objects = object_store.SeaweedFS(folder=self.folder)
                self.objects.begin()
            self.redis.start()
            self.postgres.create()
            self.postgres.start()
            self._create_database()
            if self.objects:
                self.objects.start()
        except BaseException:
            self.stop()
            raise
        return self

    @ending.undisturbed()
    def stop(self) -> None:
        """End the servers and remove throw-away data."""
        if self.objects:
            self.objects.stop()
        self.redis.stop()
        self.postgres.stop()
        if self._lasting_folder is None:
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
            **(self.objects.environment() if self.objects else {}),
        }

    def _throwaway_folder(self) -> pathlib.Path:
        """Make a folder that is locked for as long as we live."""
        folder, self._lock = throwaway_folder(memory=self._memory)
        return folder

    def _passwords(self) -> dict[str, str]:
        """Return the passwords: those stored beside the data they open, else new ones, stored there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        path = self.folder / "passwords.json"
        if path.exists() and (self.folder / "data").exists():
            stored: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
            return stored
        passwords = {name: secrets.token_hex(16) for name in ("postgres", "owner", "runtime", "redis")}
        path.touch(mode=0o600)
        path.write_text(json.dumps(passwords), encoding="utf-8")
        return passwords

    def _create_database(self) -> None:
        """Create the two roles and the database unless an earlier start got that far."""
        with psycopg.connect(self.postgres.url(), autocommit=True) as server:
            for role, password in ((OWNER_ROLE, self._owner), (RUNTIME_ROLE, self._runtime)):
                if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                    server.execute(
                        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
                    )
            if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                server.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE))
                )
