"""The servers that the commands of one checkout share: one pair with lasting data, started by whoever comes first.

A host process owns the pair (this module as a program). Each command holds a shared lock while it runs, and the host
ends when it gets the exclusive one. The kernel frees a lock however its holder ends, so nothing is left running.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

from config import env
from config.embedded import ending, machine, servers, services

LASTING = "kept"  # the folder of the data that stays
HOST_LOCK = "host.lock"
HOST_LIMIT_S = 60.0


@contextlib.contextmanager
def use() -> Iterator[dict[str, str]]:
    """Yield the environment of this checkout's lasting pair, started by whoever comes first."""
    folder = machine.home() / LASTING
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    with (folder / "users.lock").open("w") as users:
        with (folder / "start.lock").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)  # waits while a host is shutting down
            urls = _urls(folder=folder) if machine.in_use(lock=folder / HOST_LOCK) else _start_host(folder=folder)
        try:
            yield urls
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)
            _await_end_of_host(folder=folder)


def _urls(*, folder: pathlib.Path) -> dict[str, str]:
    urls: dict[str, str] = json.loads((folder / "urls.json").read_text(encoding="utf-8"))
    return urls


def _start_host(*, folder: pathlib.Path) -> dict[str, str]:
    """Start the host process and return the environment once its servers answer."""
    with (folder / "host.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.embedded.shared", str(folder)],
            cwd=env.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    with process.stdout or contextlib.nullcontext() as answer:
        if answer is None or answer.readline() != b"ready\n":
            process.wait(timeout=HOST_LIMIT_S)
            raise SystemExit((folder / "host.log").read_text(encoding="utf-8", errors="replace")[-3000:])
    return _urls(folder=folder)


def _await_end_of_host(*, folder: pathlib.Path) -> None:
    """Wait until the host is gone, unless another command still uses it: a finished command leaves no process."""
    until = time.monotonic() + servers.STOP_LIMIT_S
    while time.monotonic() < until and machine.in_use(lock=folder / HOST_LOCK):
        time.sleep(servers.POLL_S)
        with (folder / "users.lock").open("w") as users, contextlib.suppress(BlockingIOError):
            # The host takes the exclusive lock the moment it is free: getting a shared one means others use it.
            fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return


def host(*, folder: pathlib.Path) -> None:
    """Own the lasting servers of `folder` and return when no command uses them any more."""
    with (folder / HOST_LOCK).open("w") as running, (folder / "users.lock").open("w") as users:
        fcntl.flock(running, fcntl.LOCK_EX)
        with services.Stack(folder=folder, fsync=True) as stack:
            record = folder / "urls.json"
            record.unlink(missing_ok=True)
            record.touch(mode=0o600)
            record.write_text(json.dumps(stack.environment()), encoding="utf-8")
            os.write(sys.stdout.fileno(), b"ready\n")
            fcntl.flock(users, fcntl.LOCK_EX)


if __name__ == "__main__":
    ending.heed_signals()
    with ending.in_a_sentence():
        host(folder=pathlib.Path(sys.argv[1]))
