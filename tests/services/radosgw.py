"""Ceph's radosgw, another real S3 with Object Lock, private and on loopback, its data in memory: for `make vault-lab`.

It refuses the same attacks as SeaweedFS and ignores If-None-Match and SHA-256: what a store may lack is tried on it.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator

from config import env
from config.embedded import object_store, servers
from tests.services.objects import Objects

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
PACKAGES = "ceph-mon ceph-osd radosgw ceph-common"
START_LIMIT_S = 60.0
SECRET = "secret-of-the-lab"
SETTINGS = """[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
run dir = {folder}
admin socket = {folder}/$name.$pid.asok
pid file = {folder}/$name.pid
log file = {folder}/$name.log
keyring = {folder}/keyring
crash dir = {folder}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 0
ms bind ipv6 = false
[mon]
mon data = {folder}/mon
mon cluster log file = {folder}/cluster.log
paxos propose interval = 0.05
paxos min wait = 0.01
mon tick interval = 1
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd class load list = *
osd class default list = *
[client]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw data = {folder}/rgw
"""


@contextlib.contextmanager
def running() -> Iterator[Objects]:
    """Run a monitor, a store in memory and the gateway; end them however the block ends.

    :raises SystemExit: Debian's packages are missing
    """
    if not all(shutil.which(program) for program in PROGRAMS):
        raise SystemExit(f"the lab needs Debian's packages: apt-get install -y --no-install-recommends {PACKAGES}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="radosgw-"))
    try:
        yield _started(folder=folder)
    finally:
        _end(folder=folder)
        shutil.rmtree(folder, ignore_errors=True)


def _started(*, folder: pathlib.Path) -> Objects:
    """Start all parts and return where the gateway answers."""
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    fsid, port, v1, v2 = str(uuid.uuid4()), servers.free_port(), servers.free_port(), servers.free_port()
    settings = folder / "ceph.conf"
    settings.write_text(SETTINGS.format(folder=folder, fsid=fsid, port=port, v1=v1, v2=v2), encoding="utf-8")
    keys = f"{folder}/keyring"

    def run(*words: str, said: str = "") -> str:
        ran = subprocess.run(
            words,
            input=said,
            env=env.inherited() | {"CEPH_CONF": str(settings)},
            capture_output=True,
            text=True,
            check=False,
            timeout=START_LIMIT_S,
        )
        assert ran.returncode == 0, f"{' '.join(words)}: {ran.stderr[-800:]}"
        return ran.stdout

    run("ceph-authtool", "--create-keyring", keys, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    caps = [word for part in ("mon", "osd", "mgr") for word in ("--cap", part, "allow *")]
    run("ceph-authtool", keys, "--gen-key", "-n", "client.admin", *caps)
    monitors = f"{folder}/monmap"
    run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]", monitors)
    run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keys)
    run("ceph-mon", "-i", "a")
    key, osd = run("ceph-authtool", "--gen-print-key").strip(), str(uuid.uuid4())
    run("ceph", "osd", "new", osd, "-i", "-", said=json.dumps({"cephx_secret": key}))
    run("ceph-authtool", "--create-keyring", f"{folder}/osd/keyring", "-n", "osd.0", "--add-key", key)
    run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd, "--keyring", f"{folder}/osd/keyring")
    run("ceph-osd", "-i", "0", "--keyring", f"{folder}/osd/keyring")
    run("radosgw", "-n", "client.admin")
    access = ("--access-key", object_store.ACCESS, "--secret-key", SECRET)
    run("radosgw-admin", "user", "create", "--uid=lab", "--display-name=lab", *access)
    store = Objects(endpoint=f"http://127.0.0.1:{port}", secret=SECRET)
    _await(store=store)
    return store


def _await(*, store: Objects) -> None:
    """Return when the gateway answers."""
    until = time.monotonic() + START_LIMIT_S
    while True:
        try:
            store.client().list_buckets()
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def _end(*, folder: pathlib.Path) -> None:
    """Kill what has left its process id there, and wait until it is gone."""
    for record in folder.glob("*.pid"):
        with contextlib.suppress(ValueError, ProcessLookupError):
            number = int(record.read_text(encoding="utf-8"))
            os.kill(number, signal.SIGKILL)
            until = time.monotonic() + servers.STOP_LIMIT_S
            while pathlib.Path(f"/proc/{number}").exists() and time.monotonic() < until:
                time.sleep(0.05)
