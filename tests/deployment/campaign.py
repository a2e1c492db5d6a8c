"""`make deploy-lab`: see .ci/deploy-lab, which makes the Debian that the hosts share, and starts this in namespaces of its own."""

import logging
import os
import pathlib
import sys
import time
import warnings
from collections.abc import Iterator

from tests.deployment import front, hosts, losses, production, restore, rotation, upgrade

DRILLS = "front rotation upgrade losses restore"


def main() -> int:
    """Build production, prove its front, lose its hosts; return the exit code."""
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # it warns of AUTH without STARTTLS: all of it is TLS
    warnings.simplefilter("ignore")
    base, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    began = time.monotonic()
    with production.Production(base=base, folder=folder) as built:
        _say("production, by docs/operations/deploy.md")
        built.build()
        _say(f"a first document is LOCKED after {time.monotonic() - began:.0f} s")
        findings = list[str]()
        for name in os.environ.get("DRILLS", DRILLS).split():
            drill = {"front": front, "rotation": rotation, "upgrade": upgrade, "losses": losses, "restore": restore}[
                name
            ]
            if drill is losses:
                restore.back_up(built=built)
            findings += _told(name=name, said=drill.findings(built=built))
    _say("deploy-lab: " + (f"{len(findings)} findings" if findings else "everything holds"))
    return 1 if findings else 0


def _told(*, name: str, said: Iterator[str]) -> list[str]:
    """Make a drill and return its findings; one that breaks off is one."""
    began, noticed = time.monotonic(), list[str]()
    _say(name)
    try:
        for finding in said:
            _say(f"FOUND {finding}")
            noticed.append(finding)
    except (hosts.CommandFailedError, LookupError, OSError) as error:
        noticed.append(f"{name} broke off: {error}")
        _say(noticed[-1])
    _say(f"{name}: {len(noticed)} findings, {time.monotonic() - began:.0f} s")
    return noticed


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
