"""What a demo runs in: a folder, a port and secrets of its own, put in place before the settings are read.

A running demo records its environment in its folder, so that `DEMO=8000` lets any command take part in it.
"""

import base64
import contextlib
import fcntl
import json
import os
import pathlib
import secrets
import socket
import time
from collections.abc import Mapping
from typing import IO

from config import env, production
from config.embedded import machine, object_store
from config.simulation import processes

ALERTS_TO = "operaciones@aventide.example"
HASTE = {"LEASE_S": "4", "SWEEP_EVERY_S": "1"}  # the leases of a killed worker end within seconds
PATIENCE = {"PARKED_LIMIT_S": "60"}  # whoever tries the demo sees within minutes what finance may do past the limit
CAMPAIGNS = frozenset({"crash_campaign", "fault_campaign"})
RECORD = "environment.json"
SERVERS = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "REDIS_URL",
    "VAULT_URL",
    "VAULT_CANARY_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
)

_listening: socket.socket | None = None
_lock: IO[str] | None = None  # locked while this process lives: the record in the folder is that of a running demo
_put: tuple[str, ...] = ()


def prepare(*, kind: str) -> None:
    """Choose the port, folder and secrets of one run, and put them where the settings look.

    `kind` is the command: `demo` listens on PORT, a campaign on any free port and with leases that end soon.

    :raises env.Misconfigured: PORT is taken, or DEMO_JSON names a file that cannot be written
    """
    global _listening, _lock, _put  # noqa: PLW0603 - the bound socket is handed to the web server, so that nobody can take the port
    target = env.text(name="DEMO_JSON")
    if kind == "demo" and target and not os.access(pathlib.Path(target).absolute().parent, os.W_OK):
        raise env.Misconfigured(
            name="DEMO_JSON", mend=f"{target} cannot be written: name a file in a folder that exists"
        )
    _listening = _listen() if kind == "demo" else processes.listen()
    host, port = _listening.getsockname()[:2]
    folder = machine.VAR / kind / f"{time.strftime('%Y%m%d-%H%M%S')}-{port}"
    (folder / "metrics").mkdir(parents=True)
    _lock = (folder / "lock").open("w")
    fcntl.flock(_lock, fcntl.LOCK_EX)
    # Whitenoise reads the files where they are, and still needs its folder.
    (machine.VAR / "static").mkdir(exist_ok=True)
    values = _variables(kind=kind, url=f"http://{host}:{port}", folder=folder)
    for name, value in values.items():
        env.put(name=name, value=value)
    _put = tuple(values)


def _variables(*, kind: str, url: str, folder: pathlib.Path) -> dict[str, str]:
    """Return the variables of one run: its address, its folders, and new secrets."""
    values = {
        "ENVIRONMENT": "demo",
        "PUBLIC_URL": url,
        "MAIL_URL": f"file://{folder / 'mail'}",
        "ALERT_URL": f"mailto:{ALERTS_TO}",
        "STAGE_FOLDER": str(folder),
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
    }
    values |= {name: secrets.token_urlsafe(48) for name in (*production.SECRETS, "METRICS_TOKEN")}
    for service in env.SERVICES:
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        values[f"WEBHOOK_SECRET_{service.upper()}"] = f"whsec_{secret}"
    asked = env.text(name="VAULT_URL") if kind == "demo" else ""
    if kind == "contact_sheet" or not (asked or object_store.available()):
        values["VAULT_URL"] = f"file://{folder / 'vault'}"
    if kind in CAMPAIGNS:
        values = {"VAULT_URL": "", **values, **HASTE}  # an S3 of its own: what it locks would lie in another for years
    if kind == "demo":
        values |= {name: env.text(name=name, default=value) for name, value in PATIENCE.items()}
    return values


def environment() -> dict[str, str]:
    """Return the variables with which a command takes part in this run."""
    values = {name: env.text(name=name) for name in (*_put, *SERVERS)}
    return {name: value for name, value in values.items() if value}


def record() -> None:
    """Let `join` find this run; the file holds secrets and is its owner's only."""
    path = folder() / RECORD
    path.touch(mode=0o600)
    path.write_text(json.dumps(environment()), encoding="utf-8")


def join() -> None:
    """Put the environment of the demo that listens on the port DEMO in place, where DEMO is set.

    :raises env.Misconfigured: no demo of this checkout is ready on that port
    """
    if not env.text(name="DEMO"):
        return
    port = env.number(name="DEMO")
    ready = _ready()
    if port not in ready:
        others = f", or one of {', '.join(f'DEMO={number}' for number in sorted(ready))}" if ready else ""
        raise env.Misconfigured(
            name="DEMO",
            mend=f"no demo of this checkout is ready on port {port}: start one with PORT={port} make demo{others}",
        )
    values: dict[str, str] = json.loads(ready[port].read_text(encoding="utf-8"))
    for name, value in values.items():
        env.put(name=name, value=value)


def _ready() -> dict[int, pathlib.Path]:
    """Return the record of each running demo by its port, without the records that killed demos left."""
    return {
        int(path.parent.name.rpartition("-")[2]): path
        for path in (machine.VAR / "demo").glob(f"*/{RECORD}")
        if machine.in_use(lock=path.with_name("lock"))
    }


def folder() -> pathlib.Path:
    """Return where this run keeps its mail, its logs, and its vault where that is a folder."""
    return pathlib.Path(env.text(name="STAGE_FOLDER"))


def _listen() -> socket.socket:
    """Bind PORT (default 8000, 0: any free one); the default gives way when it is taken.

    :raises env.Misconfigured: a PORT that was asked for is taken
    """
    asked = env.text(name="PORT")
    port = env.number(name="PORT")
    for choice in (port,) if asked else (port, 0):
        with contextlib.suppress(OSError):
            return processes.listen(port=choice)
    raise env.Misconfigured(name="PORT", mend=f"port {port} is taken: use another one, or PORT=0 for any free one")


def process_group(
    *,
    beat: bool = True,
    pause_s: float = processes.RESTART_PAUSE_S,
    environment: Mapping[str, str] | None = None,
) -> processes.ProcessGroup:
    """Return the processes that serve this run, not started yet; see `processes.ProcessGroup`."""
    assert _listening is not None, "prepare() comes first"  # noqa: S101 - a mistake in our own code
    return processes.ProcessGroup(
        folder=folder(), listening=_listening, environment=environment, beat=beat, pause_s=pause_s
    )
