"""Becomes an embedded server: gives up root, asks the kernel to end it with its starter, and executes the server.

A script of its own, standard library only: it runs before anything else of the project is readable to the
unprivileged user. Giving up root clears the request to the kernel, so the request is made afterwards. A signal that our
starter ignores ends the program all the same.

Usage: launch.py STARTER_PID SIGNAL UID GID PROGRAM [ARGUMENT...]   (UID and GID are `-` to stay who we are)
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(*, starter: int, signal_number: int, user: str, group: str, program: list[str]) -> None:
    """Become `program`; return never. The process ends if its starter has gone.

    :raises OSError: when the program cannot be started or the user cannot be taken on.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if user != "-":
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))
    if (
        sys.platform == "linux"
        and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0
    ):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")
    if os.getppid() != starter:
        raise SystemExit("the starter ended before its server began")
    os.umask(0o077)
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted: the arguments are ours, one by one


if __name__ == "__main__":
    main(
        starter=int(sys.argv[1]),
        signal_number=int(sys.argv[2]),
        user=sys.argv[3],
        group=sys.argv[4],
        program=sys.argv[5:],
    )
