"""Compares database and vault both ways, and changes nothing but what `--move-series` asks for."""

import argparse
import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config import progress
from documents import errors
from documents.access import actors
from documents.custody import reconciliation, restore

FOUND = 2
ACTOR = actors.program(name="reconcile_vault", channel="command")


class Command(BaseCommand):
    """Its exit code is 0 where both agree, 2 where they differ, 1 for an outage."""

    help = "Name what is missing, exchanged or weakly locked in the vault, and what lies there and is in no row."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "--move-series",
            action="store_true",
            help="move each series past every number that was given (series.moved)",
        )
        parser.add_argument(
            "--mails", type=pathlib.Path, help="a file of the mail server, such as its subjects or Message-IDs"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Print each finding and a summary.

        :raises CommandError: the vault does not answer, or the file cannot be read
        """
        counts: dict[str, int] = {}
        numbers: set[str] = set()
        try:
            for finding in self.findings():
                counts[finding.kind] = counts.get(finding.kind, 0) + 1
                numbers |= {finding.number} if finding.kind == reconciliation.WITHOUT_ROW else set()
                self.stdout.write(json.dumps(finding.as_json(), ensure_ascii=False))
            if options["mails"]:
                numbers |= set(restore.numbers_in(text=options["mails"].read_text(encoding="utf-8", errors="replace")))
        except (errors.WormError, OSError) as error:
            raise CommandError(f"{error}") from error
        summary: dict[str, object] = {"object": "vault_reconciliation", "findings": counts}
        if options["move_series"]:
            summary["moved"] = restore.move_past(numbers=numbers, actor=ACTOR)
        self.stdout.write(json.dumps(summary))
        if counts:
            sys.exit(FOUND)

    def findings(self) -> Iterator[reconciliation.VaultFinding]:
        """Yield what differs, both ways, and show how far it is."""
        with progress.progress(label="conciliados", total=reconciliation.rows().count()) as step:
            yield from reconciliation.of_rows(step=step)
            yield from reconciliation.of_keys()
