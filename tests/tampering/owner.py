"""The tamperer: a program that has nothing but the URL of the database's owner, and changes the sealed log by force.

It reads one line of JSON for each thing to do and answers with one: `keep` notes what the log is now, `tamper` does one
class of `classes.CLASSES` to a row drawn by a seed and says what must be said of it, `undo` puts everything back.
"""

import json
import os
import random
import sys
from typing import Any

import psycopg

from tests.tampering import classes, forging


def main() -> None:
    """Do what each line asks for, until there is none."""
    with psycopg.connect(os.environ["OWNER_URL"], autocommit=True) as session:
        log = forging.SealedLog(session=session)
        for line in sys.stdin:
            sys.stdout.write(json.dumps(done(log=log, asked=json.loads(line))) + "\n")
            sys.stdout.flush()


def done(*, log: forging.SealedLog, asked: dict[str, Any]) -> dict[str, Any]:
    if asked["do"] == "keep":
        log.keep()
        return {}
    if asked["do"] == "undo":
        log.undo()
        return {}
    tampering = classes.CLASSES[asked["class"]]
    with log.by_force():
        said = tampering(log, random.Random(asked["seed"]))
    return {"must_be_said": [list(finding) for finding in said]}


if __name__ == "__main__":
    main()
