"""A copy of an embedded PostgreSQL, taken and brought back beside it as docs/operations/backup.md does it by hand."""

import os
import pathlib
import shutil
import subprocess

import psycopg

from config.embedded import machine, servers, services

FACTS = "SELECT (SELECT coalesce(max(id), 0) FROM audit_event), (SELECT count(*) FROM documents_document)"


def rehearse(*, stack: services.Stack) -> tuple[int, int]:
    """Take a copy, start a second server on it, and return the last event of its log and the number of its documents.

    Nothing is left: the copy of throw-away servers is worth no more than they are.

    :raises machine.NotStartedError: the copy could not be taken or read, or lacks what was there before it
    """
    folder = stack.folder / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    _ours(folder=folder)
    try:
        before = _facts(url=stack.superuser_url)
        _take(source=stack.postgres, folder=folder / "taken")
        after = _restored(stack=stack, folder=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if after[0] < before[0] or after[1] < before[1]:
        raise machine.NotStartedError(f"the copy ends with event {after[0]}, {before[0]} was there before it")
    return after


def _ours(*, folder: pathlib.Path) -> None:
    """Give a folder, made where it is not there, and all that is in it, to the servers' account."""
    folder.mkdir(mode=0o700, exist_ok=True)
    account = machine.account()
    if account:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _facts(*, url: str) -> tuple[int, int]:
    with psycopg.connect(url, connect_timeout=5) as server:
        event, documents = server.execute(FACTS).fetchone() or (0, 0)
    return int(event), int(documents)


def _take(*, source: servers.Postgres, folder: pathlib.Path) -> None:
    """Take the copy, by the page's own command."""
    account = machine.account()
    answer = subprocess.run(
        [
            *(str(machine.postgres_program(name="pg_basebackup")), "--checkpoint=fast", "--format=tar", "--gzip"),
            *(
                "--wal-method=stream",
                "--pgdata",
                str(folder),
                "--no-password",
                *(() if source.fsync else ("--no-sync",)),
            ),
            *("--host=127.0.0.1", f"--port={source.port}", f"--username={source.superuser}"),
        ],
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC", "PGPASSWORD": source.password},
        cwd="/",
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        capture_output=True,
        check=False,
    )
    if answer.returncode != 0:
        raise machine.NotStartedError(f"pg_basebackup: {answer.stderr.decode(errors='replace')[-2000:]}")


def _restored(*, stack: services.Stack, folder: pathlib.Path) -> tuple[int, int]:
    """Start a server on the copy, ask it, and end it."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    for name, place in (("base.tar.gz", data), ("pg_wal.tar.gz", data / "pg_wal")):
        command = ["tar", "-xzf", str(folder / "taken" / name), "-C", str(place)]
        answer = subprocess.run(command, capture_output=True, check=False)
        if answer.returncode != 0:
            raise machine.NotStartedError(f"tar: {answer.stderr.decode(errors='replace')[-2000:]}")
    _ours(folder=data)
    copy = servers.Postgres(folder=folder, password=stack.postgres.password)
    try:
        copy.start()
        return _facts(url=copy.url(database=services.DATABASE))
    finally:
        copy.stop()
