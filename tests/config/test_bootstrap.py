"""What `make` does on a machine that lacks something: it asks once, for all of it, with reasons, and shows that it works.

Each machine is a folder of programs that is all its PATH holds. The real ones are Debian's own: `make bare-lab`.
"""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO

import psutil
import pytest

from config import env

TOOLS = "awk bash cat cut dirname env find flock grep ln make mkdir rm sh sha256sum sleep tail touch wc"
FOR_DEMO = ["python3", "python3-venv", "libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0"]
PROGRAMS = ["chromium", "curl", "openssl"]  # that the tests run
FOR_TESTS = [*FOR_DEMO, *PROGRAMS, "libatomic1"]
PINNED = len(re.findall(r"^[a-z0-9-]+==", (env.BASE_DIR / "requirements.txt").read_text("utf-8"), re.MULTILINE))
UV = "installing Python packages into .venv with uv"
INSTALLED = ".venv/lib/python3/site-packages/{a,b,c}-1.dist-info"


@dataclasses.dataclass(frozen=True)
class Machine:
    folder: pathlib.Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": str(self.folder / "bin")}

    def put(self, *, name: str, does: str) -> None:
        program = self.folder / "bin" / name
        program.write_text(f"#!/usr/bin/env bash\n{does}\n", encoding="utf-8")
        program.chmod(0o755)

    def put_python(self, *, lacks: str = "nothing") -> None:
        """This one's; whatever its code says of `lacks` fails, and all other libraries are there."""
        does = f'case "$*" in *{lacks}*) exit 1 ;; *ctypes.CDLL*) exit 0 ;; *) exec {sys.executable} "$@" ;; esac'
        self.put(name="python3", does=does)

    def put_uv(self, *, takes_s: int = 0) -> None:
        """It installs three packages, then takes its time."""
        makes = f"mkdir -p .venv/bin && ln -s {sys.executable} .venv/bin/python"
        self.put(name="uv", does=f'[ "$1" != venv ] || {{ {makes}; exit; }}; mkdir -p {INSTALLED}; sleep {takes_s}')

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )

    def start(self, *words: str, terminal: int | None = None, stderr: int | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.environment,
            stdin=terminal,
            stdout=terminal,
            stderr=stderr or terminal,
            text=True,
            process_group=0,
        )

    def asks_for(self, *words: str) -> list[str]:
        """What it asks an ordinary user for: he is told why, and what to type then."""
        ran = self.run(*words)
        lines = ran.stderr.splitlines()
        (asked,) = [line for line in lines if line.startswith("sudo ")]
        packages = asked.removeprefix("sudo apt-get install -y ").split()
        reasons = dict(re.findall(r"^  (\S+) +(\S.+)$", ran.stderr, flags=re.MULTILINE))
        assert list(reasons) == packages
        assert len(set(reasons.values())) == len(packages)
        assert lines[lines.index(asked) + 1 :][:2] == ["", f"then run it again: {' '.join(words)}"]
        assert ran.returncode != 0
        return packages


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> Machine:
    """A checkout on a machine of an ordinary user that has nothing but Debian's smallest set and make."""
    (tmp_path / "bin").mkdir()
    (tmp_path / ".ci").mkdir()
    for name in ("Makefile", "requirements.txt", ".ci/bootstrap", ".ci/bare-lab", ".ci/tlog-lab", ".ci/lab-base"):
        shutil.copy(env.BASE_DIR / name, tmp_path / name)
    for tool in TOOLS.split():
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    machine = Machine(folder=tmp_path)
    machine.put(name="id", does="echo 1000")
    machine.put(name="apt-get", does='echo "$*" >>asked')
    machine.put(name="promtool", does="")
    return machine


@pytest.fixture
def root(machine: Machine) -> Machine:
    machine.put(name="id", does="echo 0")
    return machine


@pytest.mark.parametrize(("command", "packages"), [("demo", FOR_DEMO), ("test", FOR_TESTS)])
def test_a_machine_with_nothing_is_asked_once_for_everything(
    machine: Machine, command: str, packages: list[str]
) -> None:
    assert machine.asks_for("make", command) == packages
    assert not (machine.folder / "asked").exists()  # an ordinary user's apt-get would only fail


@pytest.mark.parametrize("lacks", ["libpango-1.0", "libpangoft2-1.0", "libharfbuzz-subset", "libatomic"])
def test_one_library_that_is_missing_is_asked_for_alone(machine: Machine, lacks: str) -> None:
    machine.put_python(lacks=lacks)
    machine.put_uv()
    for name in PROGRAMS:
        machine.put(name=name, does="")
    (package,) = machine.asks_for("make", "test")
    assert package.startswith(lacks)


def test_the_browser_and_its_driver_are_for_the_tests_alone(machine: Machine) -> None:
    machine.put_python(lacks="libatomic")
    machine.put_uv()
    assert machine.asks_for("make", "test") == [*PROGRAMS, "libatomic1"]
    assert machine.run("make", "ready").returncode == 0


@pytest.mark.parametrize("package", ["promtool", "prometheus"])  # Debian 13, Debian 12
def test_promtool_is_taken_out_of_its_package_and_nothing_is_installed(machine: Machine, package: str) -> None:
    machine.put_python()
    machine.put_uv()
    for name in (*PROGRAMS, "promtool"):
        machine.put(name=name, does="")
    (machine.folder / "bin/promtool").unlink()
    for tool in ("mv", "tar"):
        (machine.folder / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    machine.put(
        name="apt-get", does=f'echo "$*" >>"{machine.folder}/asked"; [ "$2" = {package} ] && touch {package}_2.deb'
    )
    made = "mkdir -p made/usr/bin && echo yes >made/usr/bin/promtool && chmod +x made/usr/bin/promtool"
    machine.put(name="dpkg-deb", does=f'[ -f "$2" ] && {made} && tar -c -C made ./usr/bin/promtool')
    (machine.folder / "bin/chmod").symlink_to(shutil.which("chmod") or "chmod")
    ran = machine.run("make", "ready-for-tests")
    assert ran.returncode == 0, ran.stderr
    assert (machine.folder / "var/promtool").read_text(encoding="utf-8") == "yes\n"
    assert "install" not in (machine.folder / "asked").read_text(encoding="utf-8")
    assert machine.run("make", "ready-for-tests").stderr == ""


def test_who_cannot_fetch_promtool_is_told_what_to_type_and_goes_on(machine: Machine) -> None:
    machine.put_python()
    machine.put_uv()
    for name in PROGRAMS:
        machine.put(name=name, does="")
    (machine.folder / "bin/promtool").unlink()
    machine.put(name="apt-get", does="echo E: no lists; exit 100")
    ran = machine.run("make", "ready-for-tests")
    assert ran.returncode == 0, ran.stderr
    assert "sudo apt-get update" in ran.stderr.splitlines()
    assert "promtool" in ran.stderr
    assert (machine.folder / "var/promtool.absent").exists()


def test_a_python_that_cannot_make_a_venv_is_asked_for_the_rest_of_it(machine: Machine) -> None:
    machine.put_python(lacks="ensurepip")
    assert machine.asks_for("make", "demo") == [f"python3.{sys.version_info[1]}-venv"]


def test_a_python_that_is_too_old_or_too_new_is_helped_where_the_distributions_own_is_not_there(
    machine: Machine,
) -> None:
    machine.put(name="python3", does='[ "$1" = -V ] && echo Python 3.9.2; exit 1')
    machine.put(name="dpkg-query", does="echo installed")
    ran = machine.run("make", "demo")
    assert "Python 3.11, 3.12 or 3.13 is needed, found Python 3.9.2" in ran.stderr
    assert "sudo" not in ran.stderr
    machine.put(name="dpkg-query", does="exit 1")
    assert machine.asks_for("make", "demo") == FOR_DEMO


def test_a_machine_without_apt_is_told_what_it_lacks(machine: Machine) -> None:
    (machine.folder / "bin/apt-get").unlink()
    ran = machine.run("make", "test")
    assert f"no apt-get; install what these Debian packages hold: {' '.join(FOR_TESTS)}" in ran.stderr
    assert ran.returncode != 0


def test_root_installs_all_at_once_and_goes_on(root: Machine) -> None:
    root.put_python()
    (root.folder / "bin/python3").rename(root.folder / "python3")
    root.put(
        name="apt-get",
        does="""echo "$*" >>asked
[ "$1" = install ] || exit 0
echo "1 upgraded, 2 newly installed, 0 to remove and 5 not upgraded."
echo "Get:1 somewhere python3"; echo "Unpacking python3"; echo "Setting up python3"; echo "Setting up chromium"
ln -s "$PWD/python3" bin/python3; for name in chromium curl openssl; do ln -s "$PWD/python3" bin/$name; done""",
    )
    root.put_uv()
    ran = root.run("make", "ready-for-tests")
    assert ran.returncode == 0, ran.stderr
    wanted = " ".join(package for package in FOR_TESTS if package != "python3-venv")  # uv makes .venv without it
    asked = (root.folder / "asked").read_text(encoding="utf-8")
    assert asked == f"update\ninstall -y --no-install-recommends {wanted}\n"
    assert re.search(
        r"^installing Debian packages: \d s, of 3 packages 1 fetched, 1 unpacked, 2 ready$", ran.stderr, re.MULTILINE
    )
    assert re.search(rf"^{UV}: \d s, 3 of {PINNED} packages installed$", ran.stderr, re.MULTILINE)
    assert root.run("make", "ready-for-tests").stderr == ""  # the second time there is nothing to do


def test_an_apt_that_fails_says_so(root: Machine) -> None:
    root.put(name="apt-get", does="echo E: no such mirror; exit 100")
    ran = root.run("make", "demo")
    assert "E: no such mirror\nbilling-docs: apt-get failed" in ran.stderr
    assert ran.returncode != 0


def test_where_uv_fails_pip_takes_over_and_both_are_quoted(machine: Machine) -> None:
    machine.put_python()
    machine.put(name="uv", does="echo error: no such wheel >&2; exit 2")
    (machine.folder / ".venv/bin").mkdir(parents=True)
    (machine.folder / ".venv/bin/python").symlink_to(machine.folder / "bin/pip")
    pip = 'case "$*" in *install*) echo Collecting a; echo ERROR: no such index; exit 1 ;; esac'
    machine.put(name="pip", does=pip)
    ran = machine.run("make", "demo")
    assert "error: no such wheel" in ran.stderr
    assert "ERROR: no such index" in ran.stderr
    assert re.search(
        rf"^installing Python packages into .venv with pip: \d s, 1 of {PINNED} packages found$",
        ran.stderr,
        re.MULTILINE,
    )
    assert ran.returncode != 0
    assert not (machine.folder / ".venv/stamp").exists()


def test_the_lab_of_bare_machines_says_what_it_takes(machine: Machine) -> None:
    assert "sudo make bare-lab" in machine.run("make", "bare-lab").stderr
    machine.put(name="id", does="echo 0")
    assert "apt-get install -y debootstrap" in machine.run("make", "bare-lab").stderr


def test_on_a_terminal_the_seconds_are_counted_in_one_line(machine: Machine) -> None:
    machine.put_python()
    machine.put_uv(takes_s=3)
    ours, theirs = pty.openpty()
    with machine.start("make", "ready", terminal=theirs):
        os.close(theirs)
        said = "".join(_read(terminal=ours))
    told = [int(seconds) for seconds in re.findall(rf"\r\x1b\[K{UV}: (\d+) s, 3 of {PINNED}", said)]
    assert len(told) >= 3
    assert told == sorted(told)
    assert said.count("\n") == 1


def _read(*, terminal: int) -> Iterator[str]:
    """Until the last program that could write to it has ended: Linux says so with an error."""
    try:
        while data := os.read(terminal, 4096):
            yield data.decode()
    except OSError:
        os.close(terminal)


def test_ctrl_c_ends_all_of_it(machine: Machine) -> None:
    machine.put_python()
    machine.put_uv(takes_s=60)
    # As in a terminal; who started the tests may have told them to ignore it.
    with machine.start("env", "--default-signal=INT", "make", "ready") as make:
        until = time.monotonic() + 20
        while not (machine.folder / ".venv/lib").exists() and time.monotonic() < until:
            time.sleep(0.05)
        family = psutil.Process(make.pid).children(recursive=True)
        os.killpg(make.pid, signal.SIGINT)
    assert len(family) >= 3
    assert psutil.wait_procs(family, timeout=5)[1] == []


def test_the_second_of_two_says_that_it_waits(machine: Machine) -> None:
    machine.put_python()
    machine.put_uv()
    (machine.folder / "var").mkdir()
    with (
        _locked(path=machine.folder / "var/bootstrap.lock") as lock,
        machine.start("make", "ready", stderr=subprocess.PIPE) as make,
    ):
        assert make.stderr
        assert "waiting for another command" in make.stderr.readline()
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert UV in make.stderr.read()
    assert make.returncode == 0


@contextlib.contextmanager
def _locked(*, path: pathlib.Path) -> Iterator[IO[str]]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
