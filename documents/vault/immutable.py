"""The immutable flag of a Linux file (`chattr +i`): not even root changes, renames or removes such a file."""

import errno
import fcntl
import os
import pathlib
import struct

from django.conf import settings

# <linux/fs.h>; the number encodes the size of a C long, though the kernel reads and writes an int.
C_LONG_BYTES = struct.calcsize("l")
FS_IOC_GETFLAGS = 0x80006601 | C_LONG_BYTES << 16
FS_IOC_SETFLAGS = 0x40006602 | C_LONG_BYTES << 16
FS_IMMUTABLE_FL = 0x10
WITHOUT_FLAGS = {errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def flags_of(*, descriptor: int) -> int:
    """Return the inode flags of an open file.

    :raises OSError: ENOTTY or EOPNOTSUPP where the file system has none.
    """
    return int(struct.unpack("i", fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, struct.pack("i", 0)))[0])


def has_flag(*, descriptor: int) -> bool:
    """Return whether the file is immutable; a file system without flags has no immutable file.

    :raises OSError: the disk failed to answer, which says nothing about the flag.
    """
    try:
        return bool(flags_of(descriptor=descriptor) & FS_IMMUTABLE_FL)
    except OSError as error:
        if error.errno not in WITHOUT_FLAGS:
            raise
        return False


def put_flag(*, descriptor: int) -> None:
    """Make an open file immutable; safe to repeat.

    :raises OSError: EPERM without CAP_LINUX_IMMUTABLE.
    """
    flags = flags_of(descriptor=descriptor)
    fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("i", flags | FS_IMMUTABLE_FL))


def available(*, folder: int) -> bool:
    """Return whether this process may make files immutable here, tried on a file without a name."""
    try:
        descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=folder)
    except OSError:
        return False
    try:
        flags = flags_of(descriptor=descriptor)
        put_flag(descriptor=descriptor)
        reached = has_flag(descriptor=descriptor)
        fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("i", flags))  # else its blocks might outlive the close
    except OSError:
        return False
    else:
        return reached
    finally:
        os.close(descriptor)


def release(*, folder: int, name: str) -> None:
    """Clear the flag of one file whose retention is over."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        _clear_flag(descriptor=descriptor)
    finally:
        os.close(descriptor)


def _clear_flag(*, descriptor: int) -> bool:
    """Clear the flag where it is set; return whether it was."""
    if not has_flag(descriptor=descriptor):
        return False
    cleared = flags_of(descriptor=descriptor) & ~FS_IMMUTABLE_FL
    fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("i", cleared))
    return True


def unlock_for_removal(*, folder: pathlib.Path) -> int:
    """Clear the flag below a folder of demo or test data, so that `make clean` can remove it.

    Removes nothing. Returns the number of files released.

    :raises PermissionError: anywhere but in ENVIRONMENT demo or test.
    """
    if settings.ENVIRONMENT not in {"demo", "test"}:
        message = f"ENVIRONMENT={settings.ENVIRONMENT}: locked documents are not released"
        raise PermissionError(message)
    released = 0
    for here, _below, files in os.walk(folder):
        for name in files:
            path = pathlib.Path(here) / name
            if path.is_symlink() or not path.is_file():
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                released += _clear_flag(descriptor=descriptor)
            finally:
                os.close(descriptor)
    return released
