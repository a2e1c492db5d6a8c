"""The record of validations, `docs/04-CHANGELOG.md`: an entry is appended whole or not at all, and none is changed."""

import contextlib
import fcntl
import os
import pathlib
import platform
import re
import stat
import subprocess
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from config import env
from config.drills import drills, registry

OWNER, TICKET = "Equipo billing-docs", "OPS-BILLINGDOCS-241"
DEFAULT = env.BASE_DIR / "docs" / "04-CHANGELOG.md"
# A ticket stands between backticks, on one line: nothing of it may end either, or look like an entry of its own.
TICKET_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#-]{0,99}", re.ASCII)
CELL_ENDS = "|`"  # what would end a cell of the table, or what is quoted in it
MODE_NEW = 0o644


def require_ticket(*, ticket: str) -> None:
    """Refuse a ticket that cannot be quoted in the record.

    :raises ValueError: with the form of one
    """
    if not TICKET_FORM.fullmatch(ticket):
        raise ValueError("use the name of a ticket, as OPS-BILLINGDOCS-241: letters, digits and . _ : / # -")


def require_writable(*, path: pathlib.Path) -> None:
    """Refuse a place to which no entry could be appended, before any drill is made.

    :raises OSError: it is no regular file, or its folder takes no new file
    """
    with _locked(path=path) as target:
        spare = _spare(target=target)
        _write(path=spare, content=b"", like=None)
        spare.unlink()


def append(*, path: pathlib.Path, entry: str) -> None:
    """Append an entry: whole or not at all, and no byte of the earlier ones is another.

    :raises OSError: it cannot be written there
    """
    with _locked(path=path) as target:
        kept = target.read_bytes() if target.exists() else b""
        like = target.stat() if target.exists() else None
        spare = _spare(target=target)
        try:
            _write(path=spare, content=kept + entry.encode(), like=like)
            spare.replace(target)
        finally:
            spare.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(*, path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield the file that a path leads to, while no other run writes beside it.

    :raises OSError: it is a folder, a device or a pipe, or its folder is missing
    """
    target = path.resolve()  # a link stays one: the file that it leads to is written
    if target.exists() and not target.is_file():
        raise OSError(f"{path} is no regular file")
    descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # two runs at once append two entries
        yield target
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _spare(*, target: pathlib.Path) -> pathlib.Path:
    """Return where the file is written anew: one name, so that what a killed run has left is written over."""
    return target.with_name(f".{target.name}.new")


def _write(*, path: pathlib.Path, content: bytes, like: os.stat_result | None) -> None:
    """Write a file anew, on the disk when it returns, with the mode and, where we may, the owner of another one.

    What lies there, a link too, is removed first.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if like is not None:
            with contextlib.suppress(PermissionError):
                os.fchown(file.fileno(), like.st_uid, like.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode) if like is not None else MODE_NEW)
        os.fsync(file.fileno())


def said(*, result: registry.DrillResult) -> str:
    """Return what was seen in a drill, on one line."""
    return ", ".join(f"{name} {value}" for name, value in result.evidence.items())


def entry(*, context: registry.DrillContext, results: Sequence[registry.DrillResult], ticket: str) -> str:
    """Write the entry: when, who answers for it, on what it was made, and each drill with its evidence."""
    held = sum(not result.cause for result in results)
    left_out = len(drills.DRILLS) - len(results)
    lines = [
        "",
        f"## Operational validation {context.now:%Y-%m-%d %H:%M:%S} UTC",
        f"- Owner: `{OWNER}`",
        f"- Ticket: `{ticket}`",
        f"- Result: {held} of {len(results)} drills hold" + (f"; {left_out} were not made" if left_out else ""),
        f"- Run: `{context.run_id}` on {context.base_url} ({settings.ENVIRONMENT})",
        f"- Versions: commit `{_commit()}`, {_versions()}",
        "",
        "| drill | shows | result | seconds | evidence |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        evidence = _in_a_cell(text=f"FAILED: {result.cause}" if result.cause else said(result=result))
        outcome = "failed" if result.cause else "holds"
        lines.append(f"| {result.drill.name} | {result.drill.shows} | {outcome} | {result.seconds:.1f} | {evidence} |")
    return "\n".join(lines) + "\n"


def _in_a_cell(*, text: str) -> str:
    """Return a text as a cell of the table holds it: on one line, and of that cell alone."""
    return "".join(letter if letter.isprintable() and letter not in CELL_ENDS else " " for letter in text)


def _versions() -> str:
    """Return the versions of what the drills ran on; of a PostgreSQL that is away, that it is."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            (server,) = cursor.fetchone()
    except (DatabaseError, InterfaceError):
        server = "away"
    return f"Python {platform.python_version()}, PostgreSQL {str(server).split()[0]}"


def _commit() -> str:
    """Return the commit of this code; "unknown" where it is no checkout. It may be another user's, as root's is."""
    trusted = ["-c", f"safe.directory={env.BASE_DIR}"]
    command = ["git", *trusted, "-C", str(env.BASE_DIR), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
