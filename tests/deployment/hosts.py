"""Hosts of the lab: a process group each, with a root, network, users and addresses of its own.

A host is a stack of namespaces over one Debian that all share and none changes: losing it is SIGKILL of its first process,
which takes every other one and its address with it. Runs as root, inside the lab's own namespaces (.ci/deploy-lab).
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

BRIDGE, NETWORK = "lab0", "10.15.0"
IP = "/usr/sbin/ip"
GATEWAY = f"{NETWORK}.254"
# Reaps what ends in the host, until it is ended itself.
FIRST = "import os,time\nwhile True:\n  try: os.wait()\n  except ChildProcessError: time.sleep(0.05)"
START = """
set -eu
mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$FOLDER/upper,workdir=$FOLDER/work" "$FOLDER/root"
mount -t proc proc "$FOLDER/root/proc"
mount --bind /dev "$FOLDER/root/dev"
mount -t tmpfs -o mode=1777 shm "$FOLDER/root/dev/shm"
mount -t tmpfs -o mode=755 run "$FOLDER/root/run"
hostname "$NAME"
exec chroot "$FOLDER/root" /usr/bin/python3 -c "$FIRST"
"""
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


class CommandFailedError(Exception):
    """What was typed on a host did not work; the text is what it said."""


def bridge() -> None:
    """Make the network between the hosts, which leads nowhere else."""
    for words in (
        ("link", "set", "lo", "up"),
        # Its address is its own: the kernel's would be that of a plug, and change with the host that is lost.
        ("link", "add", BRIDGE, "address", "02:00:00:00:01:00", "type", "bridge"),
        ("addr", "add", f"{GATEWAY}/24", "dev", BRIDGE),
        ("link", "set", BRIDGE, "up"),
    ):
        subprocess.run([IP, *words], check=True)


class LabHost:
    """One host. `number` is the last part of its address."""

    def __init__(self, *, name: str, number: int, base: pathlib.Path, folder: pathlib.Path) -> None:
        self.name, self.address = name, f"{NETWORK}.{number}"
        self._base, self.folder = base, folder / name
        self._plug, self.pid = f"plug{number}", 0
        # Its card stays the same when it comes back, so that nobody asks a card that is gone.
        self._card = ("name", "eth0", "address", f"02:00:00:00:00:{number:02x}")

    @property
    def root(self) -> pathlib.Path:
        """The folder in which its files can be written before it starts."""
        return self.folder / "upper"

    def start(self) -> None:
        """Boot it, with the files that it had."""
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        given = {"BASE": str(self._base), "FOLDER": str(self.folder), "NAME": self.name, "FIRST": FIRST}
        flags = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--propagation", "private"]
        starter = subprocess.Popen(["/usr/bin/unshare", *flags, "/bin/sh", "-c", START], env={**os.environ, **given})
        self._starter = starter
        self.pid = _child(of=starter.pid)
        self._connect()

    def _connect(self) -> None:
        inside = ["nsenter", "-t", str(self.pid), "-n", IP]
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run([IP, "link", "del", self._plug], check=True, stderr=subprocess.DEVNULL)
        for words in (
            [IP, "link", "add", self._plug, "type", "veth", "peer", *self._card, "netns", str(self.pid)],
            [IP, "link", "set", self._plug, "master", BRIDGE, "up"],
            [*inside, "link", "set", "lo", "up"],
            [*inside, "addr", "add", f"{self.address}/24", "dev", "eth0"],
            [*inside, "link", "set", "eth0", "up"],
        ):
            subprocess.run(words, check=True)
        inner = pathlib.Path(f"/proc/{self.pid}/root")
        for _ in range(200):
            if (inner / "lab").exists():  # the base's own: its root is no longer this machine's
                return
            time.sleep(0.05)

    def typed(self, script: str, *, limit_s: float = 300) -> str:
        """Type a script as root, and return what it printed.

        :raises CommandFailedError: a command of it did not work
        """
        ran = subprocess.run(
            [*self._enter(), "/bin/bash", "-euo", "pipefail", "-c", script],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
            check=False,
        )
        said = ran.stdout.decode(errors="replace")
        if ran.returncode:
            raise CommandFailedError(f"{self.name}: exit {ran.returncode}\n{script}\n{said[-4000:]}")
        return said

    def _enter(self) -> list[str]:
        kinds = [f"--{kind}" for kind in ("mount", "net", "pid", "ipc", "uts", "root", "wd")]
        return ["nsenter", "--target", str(self.pid), *kinds]

    def place(self, path: str) -> pathlib.Path:
        """Return where a file of it is, while it runs."""
        return pathlib.Path(f"/proc/{self.pid}/root{path}")

    def put(self, files: Mapping[str, str], *, mode: int = 0o600) -> None:
        """Write files while it runs."""
        for path, text in files.items():
            place = self.place(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch(mode=mode)
            place.write_text(text, encoding="utf-8")

    def read(self, path: str) -> str:
        """Return a file of it."""
        return self.place(path).read_text(encoding="utf-8", errors="replace")

    def lose(self) -> None:
        """Lose it: every process is gone at once, and nobody says good-bye to its peers."""
        os.kill(self.pid, signal.SIGKILL)
        self._starter.wait(timeout=30)
        self.pid = 0

    def erase(self) -> None:
        """Forget what it had on its disk; the next start is that of a fresh host."""
        shutil.rmtree(self.folder)

    def unplug(self, *, out: bool) -> None:
        """Pull its network plug out, or put it in again."""
        subprocess.run([IP, "link", "set", self._plug, "down" if out else "up"], check=True)


def _child(*, of: int) -> int:
    """Return the only child of a process, once it is there."""
    place = pathlib.Path(f"/proc/{of}/task/{of}/children")
    for _ in range(200):
        children = place.read_text().split()
        if children and _namespace(of=children[0]) != _namespace(of="self"):
            return int(children[0])
        time.sleep(0.02)
    sys.exit("a host does not start")


def _namespace(*, of: str) -> pathlib.Path:
    return pathlib.Path(f"/proc/{of}/ns/pid").readlink()
