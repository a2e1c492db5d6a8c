"""Verifies the whole sealed log from checkpoints outside of PostgreSQL: those in the vault, and files of anybody's."""

import argparse
import contextlib
import dataclasses
import datetime as dt
import json
import pathlib
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from audit import log, log_findings, log_progress, tlog, tree, verification
from config import progress
from config.embedded import machine
from documents import errors
from documents.custody import log_archive, log_looks, sealed_files

FOUND, INTERRUPTED = 2, 130
FRESH = dt.timedelta(hours=24)
FINDINGS_MAX = 20
KEPT = "verify_audit.state"


class Command(BaseCommand):
    """Its exit code is 0 where the log is what the checkpoints say, 2 where it is not, 1 where that cannot be said."""

    help = "Verify the audit log from checkpoints outside of PostgreSQL. Safe to break off; --resume goes on."
    state: "_State"
    begun = 0

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "--checkpoint", action="append", default=[], metavar="FILE", help="a checkpoint of your own"
        )
        parser.add_argument("--no-vault", action="store_true", help="do not read the checkpoints in the vault")
        parser.add_argument("--key", action="append", default=[], help="name+id+key: trust this key alone")
        parser.add_argument("--pdfs", action="store_true", help="read every stored PDF as well, and compare its hash")
        parser.add_argument("--resume", action="store_true", help="go on where the last one was broken off")

    def handle(self, *_args: object, **options: Any) -> None:
        """Verify, and name what is wrong, the first row first.

        :raises CommandError: no checkpoint outside of PostgreSQL is younger than a day, or something does not answer
        """
        self.state = _State.read() if options["resume"] else _State()
        try:
            outer = self.outer(files=options["checkpoint"], with_vault=not options["no_vault"])
            keys = [tlog.read_key(text=text) for text in options["key"]] or log_looks.keys_of(outer=outer)
            self.verify(outer=outer, keys=keys)
            if options["pdfs"] and len(self.state.findings) < FINDINGS_MAX:
                self.compare_files()
        except errors.WormError as error:
            self.state.write()
            raise CommandError(f"{error.code}: {error.row.es} · {error.row.en}") from error
        except (DatabaseError, ValueError, OSError) as error:
            raise CommandError(f"no se puede verificar · cannot be verified: {error}") from error
        except (KeyboardInterrupt, SystemExit):  # Ctrl-C or a signal
            self.state.write()
            self.stderr.write(
                f"Interrumpida con {self.state.size} verificados; sigue con --resume · Broken off: --resume"
            )
            sys.exit(INTERRUPTED)
        (machine.VAR / KEPT).unlink(missing_ok=True)
        self.report()
        if not (options["checkpoint"] or options["no_vault"] or options["key"]):
            self.warn()
        if self.state.findings:
            sys.exit(FOUND)

    def outer(self, *, files: list[str], with_vault: bool) -> list[log_findings.OuterCheckpoint]:
        """Return the checkpoints outside of PostgreSQL, and say which they are.

        :raises CommandError: none is younger than a day
        """
        moments: list[dt.datetime] = []
        outer = []
        for name in files:
            path = pathlib.Path(name)
            outer.append(log_findings.OuterCheckpoint(source=name, note=path.read_text(encoding="utf-8")))
            moments.append(dt.datetime.fromtimestamp(path.stat().st_mtime, tz=dt.UTC))
        if with_vault:
            for size, note in log_archive.checkpoints():
                outer.append(log_findings.OuterCheckpoint(source="vault", note=note))
                moments.append(log_archive.stored_at(key=log_archive.checkpoint_key(size=size)))
        newest = max(zip(moments, outer, strict=True), key=lambda pair: pair[0], default=None)
        if newest is None or newest[0] < timezone.now() - FRESH:
            raise CommandError(
                "ningún checkpoint fuera de PostgreSQL tiene menos de 24 h · "
                "no checkpoint outside of PostgreSQL is younger than 24 h"
            )
        moment, last = newest
        sources = ", ".join(sorted({outside.source for outside in outer}))
        self.stderr.write(
            f"{len(outer)} checkpoints ({sources}); el último · the newest: "
            f"{last.checkpoint.size} eventos · events, {moment:%Y-%m-%d %H:%M:%S} UTC"
        )
        return outer

    def verify(self, *, outer: list[log_findings.OuterCheckpoint], keys: list[tlog.LogKey]) -> None:
        """Walk the log and name what is wrong, the first few faults, each as soon as it is seen."""
        state = self.state
        seen, newest = log_progress.Progress.from_json(text=state.log), tree.head()
        self.begun = seen.size
        total = max(0, (newest.size if newest else 0) - seen.size)
        since = timezone.now() - dt.timedelta(days=settings.AUDIT_DETAILS_DAYS)
        with progress.progress(label="eventos verificados", total=total) as step:
            for said in verification.verify(outer=outer, keys=keys, progress=seen, details_since=since):
                if not isinstance(said, int):
                    self.name(fault=said)
                    if len(state.findings) >= FINDINGS_MAX:
                        break
                    continue
                state.log, state.size = seen.to_json(), seen.size
                step(done=said)
        state.log, state.size = seen.to_json(), seen.size

    def compare_files(self) -> None:
        """Read every file that the log says was locked, and name those that are not what was sealed."""
        state = self.state
        with progress.progress(label="PDF comparados", total=max(0, sealed_files.total() - state.files)) as step:
            for said in sealed_files.compare(after=state.file):
                if isinstance(said, int):
                    state.file, state.files = said, state.files + 1
                    step()
                    continue
                self.name(fault=said)
                if len(state.findings) >= FINDINGS_MAX:
                    break

    def name(self, *, fault: log_findings.LogFinding) -> None:
        """Name what is wrong, in words on a terminal and as JSON elsewhere."""
        self.state.findings.append((fault.code, fault.row))
        line = {"finding": fault.code, "row": fault.row}
        self.stdout.write(f"✗ {fault}" if sys.stdout.isatty() else json.dumps(line))

    def report(self) -> None:
        """Say how much was verified, and how much of it is wrong."""
        state = self.state
        verified = state.size - self.begun
        summary: dict[str, object] = {
            "object": "audit_verification",
            "verified": verified,
            "size": state.size,
            "findings": len(state.findings),
        }
        said = f"{verified} eventos verificados · events verified, {len(state.findings)} hallazgos · findings"
        if state.files:
            summary["files"] = state.files
            said += f", {state.files} PDF"
        self.stdout.write(said if sys.stdout.isatty() else json.dumps(summary))

    def warn(self) -> None:
        """Open the alert of a log that does not verify, or end it; a role that only reads can do neither."""
        findings = [log_findings.LogFinding(code=code, row=row) for code, row in self.state.findings]
        with contextlib.suppress(DatabaseError, log.AuditUnavailable):
            if findings:
                log_looks.warn(findings=findings)
            else:
                log_looks.is_sound()


@dataclasses.dataclass(kw_only=True)
class _State:
    """How far a verification has come: what is kept when it is broken off."""

    log: str = dataclasses.field(default_factory=lambda: log_progress.Progress().to_json())
    size: int = 0
    file: int = 0  # the event whose file was compared last
    files: int = 0
    findings: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    @classmethod
    def read(cls) -> "_State":
        """Return what was kept, or a beginning where nothing was."""
        kept = machine.VAR / KEPT
        if not kept.exists():
            return cls()
        try:
            state = cls(**json.loads(kept.read_text(encoding="utf-8")))
            log_progress.Progress.from_json(text=state.log)
        except (TypeError, ValueError) as error:
            raise CommandError(f"{kept}: no es una verificación interrumpida · not one broken off") from error
        state.findings = [(code, row) for code, row in state.findings]
        return state

    def write(self) -> None:
        """Keep it for --resume."""
        machine.VAR.mkdir(parents=True, exist_ok=True)
        (machine.VAR / KEPT).write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")
