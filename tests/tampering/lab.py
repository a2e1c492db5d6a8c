"""A sealed log, and the two programs of the campaign beside it: neither knows what the other one has."""

import dataclasses
import json
import os
import pathlib
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import transaction

from audit import log, sealing, tree
from audit.actions import Action
from audit.models import TreeHead
from config.embedded import services
from tests.services import database
from tests.tampering import classes

BASE_DIR = pathlib.Path(__file__).resolve().parents[2]
BEFORE_THE_RESTORE, SEALS, OF_A_SEAL_MAX = 200, 40, 60
BEHIND = 4  # heads that were signed after the checkpoint which lies outside
READER, WORD = "log_reader", "only-reads"
ACTIONS = (Action.DOCUMENT_ISSUED, Action.DOCUMENT_LOCKED, Action.DOCUMENT_DOWNLOADED, Action.ISSUER_ADDED)


class LabProgram:
    """One of the two: a line of JSON in, a line of JSON out."""

    def __init__(self, *, module: str, environment: dict[str, str]) -> None:
        self.environment = {"PATH": os.environ["PATH"], **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=BASE_DIR,
            env=self.environment,
        )

    def ask(self, **asked: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the program ended: {self.process.wait(timeout=10)}"
        return json.loads(line)

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=10)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TamperingLab:
    """The log's file outside, who owns the database, and who only reads it."""

    checkpoint: pathlib.Path
    owner: LabProgram
    reader: LabProgram

    def keep(self) -> None:
        """Take a checkpoint of some seals ago outside, and let the owner note what the log is."""
        note = TreeHead.objects.order_by("-size").values_list("note", flat=True)[BEHIND]
        self.checkpoint.write_text(note, encoding="utf-8")
        self.owner.ask(do="keep")

    def go_on(self, *, drawn: random.Random) -> None:
        """Let the log grow, sealed and not, as the service does: none of it is an alarm."""
        record(number=drawn.randrange(1, OF_A_SEAL_MAX), drawn=drawn)
        while sealing.seal():
            pass
        record(number=drawn.randrange(5), drawn=drawn)
        self.keep()

    def found(self) -> dict[str, Any]:
        """Return what the reader says of the log as it is now."""
        return dict(self.reader.ask(checkpoint=str(self.checkpoint)))

    def fault(self, *, name: str, seed: int) -> str:
        """Tamper once, look, put it back; return what was not said of it, empty where all was."""
        must = self.owner.ask(do="tamper", seed=seed, **{"class": name})["must_be_said"]
        said = self.found()
        self.owner.ask(do="undo")
        unsaid = [finding for finding in must if not is_said(finding=finding, of=said["findings"])]
        return f"{name}, seed {seed}: not said {unsaid}, said {said}" if unsaid or said["code"] != 2 else ""

    def command(self) -> subprocess.CompletedProcess[str]:
        """Run the command itself, as a stranger types it."""
        asked = ["verify_audit", "--checkpoint", str(self.checkpoint), "--no-vault"]
        return subprocess.run(
            [sys.executable, "manage.py", *asked],
            env=self.reader.environment,
            cwd=BASE_DIR,
            capture_output=True,
            text=True,
            check=False,
        )

    def alarm(self) -> str:
        """Return what is said of a log that nobody touched, empty for nothing."""
        said = self.found()
        return "" if said == {"code": 0, "findings": []} else f"a false alarm: {said}"


def is_said(*, finding: list[str], of: list[list[str]]) -> bool:
    """Say whether what must be said is: the row by its name, or a range in which it lies."""
    code, row = finding
    if not row.startswith("~"):
        return any(said_code == code and f"{said_row} ".startswith(f"{row} ") for said_code, said_row in of)
    ranges = [said_row.split() for said_code, said_row in of if said_code == code]
    return any(int(first) <= int(row[1:]) <= int(last) for _events, first, _to, last in ranges)


@contextmanager
def built(*, stack: services.Stack, folder: pathlib.Path, seed: int) -> Iterator[TamperingLab]:
    """Seal a log, keep a checkpoint of it outside, and start both programs."""
    sealing._noted.clear()
    database.wait()
    fill(stack=stack, drawn=random.Random(seed))
    reading = let_read(stack=stack)
    owner = LabProgram(module="tests.tampering.owner", environment={"OWNER_URL": stack.database_owner_url})
    reader = LabProgram(
        module="tests.tampering.reader",
        environment={
            "DATABASE_URL": reading,
            "AUDIT_KEY": "a key that has signed nothing of this log",
            "REDIS_URL": "redis://127.0.0.1:1",
        },
    )
    built = TamperingLab(checkpoint=folder / "checkpoint", owner=owner, reader=reader)
    built.keep()
    try:
        yield built
    finally:
        owner.end()
        reader.end()


def fill(*, stack: services.Stack, drawn: random.Random) -> None:
    """Record and seal: some events of before a restore, and then many seals of some events each."""
    record(number=BEFORE_THE_RESTORE, drawn=drawn)
    with psycopg.connect(stack.database_owner_url) as owner:
        owner.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
        owner.execute("UPDATE audit_event SET incarnation = 'before-the-restore'")
        for trigger in ("audit_event_rows_stay", "audit_event_stays"):
            owner.execute(f"ALTER TABLE audit_event ENABLE ALWAYS TRIGGER {trigger}".encode())
    sealing._before.clear()
    for _ in range(SEALS):
        record(number=drawn.randrange(1, OF_A_SEAL_MAX), drawn=drawn)
        while sealing.seal():
            pass
    head = tree.head()
    assert head is not None
    assert head.size > BEFORE_THE_RESTORE + SEALS


def record(*, number: int, drawn: random.Random) -> None:
    for place in range(number):
        details = {"address": f"198.51.100.{drawn.randrange(250)}"} if drawn.random() < 0.4 else None
        number_fact = {"number": f"AES-OFS-2026-{place:07}"} if drawn.random() < 0.5 else None
        with transaction.atomic():
            log.record(
                action=drawn.choice(ACTIONS),
                object_type="document",
                object_id=f"doc_{drawn.randrange(10**9)}",
                actor=log.Actor(kind="user", id=f"usr_{drawn.randrange(100)}", role="support", channel="admin"),
                facts=number_fact,
                details=details,
            )


def let_read(*, stack: services.Stack) -> str:
    """Make a role that may read the log and nothing else, and return its URL."""
    with psycopg.connect(stack.postgres.url(database=services.DATABASE), autocommit=True) as superuser:
        superuser.execute(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN"
            f" CREATE ROLE {READER} LOGIN PASSWORD '{WORD}'; END IF; END $$".encode()
        )
        superuser.execute(f"GRANT CONNECT ON DATABASE {services.DATABASE} TO {READER}".encode())
        superuser.execute(f"GRANT USAGE ON SCHEMA public TO {READER}".encode())
        for table in ("audit_event", "audit_eventdetail", "audit_treeplace", "audit_treetile", "audit_treehead"):
            superuser.execute(f"GRANT SELECT ON {table} TO {READER}".encode())
    address = stack.database_url.rpartition("@")[2]
    return f"postgresql://{READER}:{WORD}@{address}"


def names() -> list[str]:
    return sorted(classes.CLASSES)
