"""`make deploy-lab`: see .ci/deploy-lab, which makes the Debian that the hosts share, and starts this in namespaces of its own."""

import logging
import pathlib
import sys
import time
import warnings

from tests.deployment import front, losses, production, rotation


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
        for name, drill in {"front": front, "rotation": rotation, "losses": losses}.items():
            _say(name)
            said = list(drill.findings(built=built))
            _say(f"{name}: {len(said)} findings")
            findings += said
    for finding in findings:
        _say(f"FOUND {finding}")
    _say("deploy-lab: " + (f"{len(findings)} findings" if findings else "everything holds"))
    return 1 if findings else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
