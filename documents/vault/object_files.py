"""Files that appear whole or not at all, and `worm_*` codes for the errors of the operating system."""

import errno
import os
import pathlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from documents import errors

SEALED_MODE = 0o444
DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
UNSUPPORTED = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOSYS, errno.EINVAL, errno.ENOENT, errno.EXDEV}


@contextmanager
def opened(*, root: pathlib.Path, parts: tuple[str, ...], create: bool = False) -> Iterator[int]:
    """Open a folder step by step, following no symbolic link, and yield its descriptor."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        here = os.open(root, flags)
    except FileNotFoundError as gone:
        raise errors.WormError(code="worm_unavailable", values={"cause": "folder"}) from gone
    try:
        for part in parts:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=here)
                    os.fsync(here)
            below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def read(*, folder: int, name: str) -> bytes:
    """Read a whole file from the medium: its pages are dropped from the cache first."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return file.read()


def link_once(*, folder: int, name: str, body: bytes) -> bool:
    """Make a complete file appear under a free name; False where the name is taken.

    Its bytes are durable, its name is once the caller has synced the folder. The file is written without a name, then
    linked: `linkat` refuses a taken name, `rename` would replace it.
    """
    temporary = ""
    try:
        descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, SEALED_MODE, dir_fd=folder)
    except OSError as refused:
        if refused.errno not in UNSUPPORTED:
            raise
        temporary = f".tmp-{secrets.token_hex(8)}"  # a file system without O_TMPFILE (some overlays, NFS)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, SEALED_MODE, dir_fd=folder)
    try:
        view = memoryview(body)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fchmod(descriptor, SEALED_MODE)
        os.fsync(descriptor)
        if temporary:
            os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        else:
            os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=folder, follow_symlinks=True)
    except FileExistsError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
        if temporary:
            os.unlink(temporary, dir_fd=folder)  # the spare name of a file of this call, never an object


@contextmanager
def named(*, doing: str) -> Iterator[None]:
    """Give an error of the operating system its `worm_*` name; `doing` is what was tried."""
    try:
        yield
    except OSError as error:
        denied = error.errno in DENIED and doing != "read"
        code = "worm_write_denied" if denied else "worm_unavailable"
        said = {"cause": "system", "doing": doing, "error": error.strerror or str(error)}
        raise errors.WormError(code=code, values=said) from error
