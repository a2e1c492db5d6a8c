"""Verifies the whole sealed log from checkpoints outside of PostgreSQL: those in the vault, and files of anybody's."""

import argparse
import datetime as dt
import json
import pathlib
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from audit import log_findings, log_progress, signing, tlog, tree, verification
from config import progress
from config.embedded import machine
from documents import errors
from documents.custody import log_archive

FOUND, INTERRUPTED = 2, 130
FRESH = dt.timedelta(hours=24)
FINDINGS_MAX = 20
KEPT = "verify_audit.state"


class Command(BaseCommand):
    """Its exit code is 0 where the log is what the checkpoints say, 2 where it is not, 1 where that cannot be said."""

    help = "Verify the audit log from checkpoints outside of PostgreSQL. Safe to break off; --resume goes on."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "--checkpoint", action="append", default=[], metavar="FILE", help="a checkpoint of your own"
        )
        parser.add_argument("--no-vault", action="store_true", help="do not read the checkpoints in the vault")
        parser.add_argument("--key", action="append", default=[], help="name+id+key: trust this key alone")
        parser.add_argument("--resume", action="store_true", help="go on where the last one was broken off")

    def handle(self, *_args: object, **options: Any) -> None:
        """Verify, and name what is wrong, the first row first.

        :raises CommandError: no checkpoint outside of PostgreSQL is younger than a day, or something does not answer
        """
        try:
            outer = self.outer(files=options["checkpoint"], with_vault=not options["no_vault"])
            keys = [tlog.read_key(text=text) for text in options["key"]] or self.keys(outer=outer)
            faults = self.verify(outer=outer, keys=keys, resumed=options["resume"])
        except errors.WormError as error:
            raise CommandError(f"{error.code}: {error.row.es} · {error.row.en}") from error
        except (DatabaseError, ValueError, OSError) as error:
            raise CommandError(f"no se puede verificar · cannot be verified: {error}") from error
        if faults:
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

    def keys(self, *, outer: list[log_findings.OuterCheckpoint]) -> list[tlog.LogKey]:
        """Return the keys by which this deployment signs, and those that the log had when the last checkpoint was made.

        Of what came into the log later only a newer checkpoint can say that it was not put there by force.
        """
        newest = max((outside.checkpoint for outside in outer), key=lambda checkpoint: checkpoint.size)
        own = [tlog.public_key(name=newest.origin, private=private) for private in signing.private_keys()]
        return list(dict.fromkeys([*own, *(signing.history(size=newest.size) or signing.history())]))

    def verify(self, *, outer: list[log_findings.OuterCheckpoint], keys: list[tlog.LogKey], resumed: bool) -> int:
        """Walk the log and name what is wrong, the first few faults, each as soon as it is seen; return how many."""
        kept = machine.VAR / KEPT
        seen, found_before = log_progress.Progress(), 0
        if resumed and kept.exists():
            said_before, _, state = kept.read_text(encoding="utf-8").partition("\n")
            seen, found_before = log_progress.Progress.from_json(text=state), int(said_before)
        begun, faults = seen.size, found_before
        newest = tree.head()
        total = max(0, (newest.size if newest else 0) - begun)
        since = timezone.now() - dt.timedelta(days=settings.AUDIT_DETAILS_DAYS)
        state, size = seen.to_json(), seen.size
        try:
            with progress.progress(label="eventos verificados", total=total) as step:
                for said in verification.verify(outer=outer, keys=keys, progress=seen, details_since=since):
                    if isinstance(said, int):
                        state, size = seen.to_json(), seen.size
                        step(done=said)
                        continue
                    faults += 1
                    self.name(fault=said)
                    if faults >= FINDINGS_MAX:
                        break
        except (KeyboardInterrupt, SystemExit):  # Ctrl-C or a signal
            kept.write_text(f"{faults}\n{state}", encoding="utf-8")
            self.stderr.write(f"Interrumpida con {size} verificados; sigue con --resume · Broken off: --resume")
            sys.exit(INTERRUPTED)
        kept.unlink(missing_ok=True)
        summary = {"object": "audit_verification", "verified": seen.size - begun, "size": seen.size, "findings": faults}
        said_shortly = f"{seen.size - begun} eventos verificados · events verified, {faults} hallazgos · findings"
        self.stdout.write(said_shortly if sys.stdout.isatty() else json.dumps(summary))
        return faults

    def name(self, *, fault: log_findings.LogFinding) -> None:
        """Name what is wrong, in words on a terminal and as JSON elsewhere."""
        line = {"finding": fault.code, "row": fault.row}
        self.stdout.write(f"✗ {fault}" if sys.stdout.isatty() else json.dumps(line))
