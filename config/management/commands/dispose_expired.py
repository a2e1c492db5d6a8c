"""Disposes of what has expired: the bytes go, the row, its hash and the log stay."""

import argparse
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config import progress
from documents import errors
from documents.access import actors
from documents.custody import disposal

ACTOR = actors.program(name="dispose_expired", channel="command")


class Command(BaseCommand):
    """It touches nothing whose last protected day is not over, and nothing on legal hold."""

    help = (
        "Dispose of the documents whose retention is over and that no legal hold keeps. Safe to break off and repeat."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--dry-run", action="store_true", help="only count what has expired")

    def handle(self, *_args: object, **options: Any) -> None:
        """Dispose of what has expired, the longest over first.

        :raises CommandError: the vault does not answer, or keeps some of it
        """
        now = timezone.now()
        rows = list(disposal.expired(now=now))
        if options["dry_run"]:
            self.stdout.write(f"{len(rows)} documentos vencidos y sin legal hold · expired and on no legal hold")
            return
        disposed, kept = 0, Counter[str]()
        with progress.progress(label="eliminación", total=len(rows)) as step:
            for row in rows:
                try:
                    disposed += disposal.dispose(document=row, now=now, actor=ACTOR)
                except errors.Problem as problem:
                    if problem.code == "worm_unavailable":
                        raise CommandError(f"{disposed} eliminados · disposed of; {problem.code}") from problem
                    kept[problem.code] += 1
                step()
        self.stdout.write(f"✓ {disposed} documentos eliminados · disposed of")
        if kept:
            raise CommandError(", ".join(f"{code}: {count}" for code, count in sorted(kept.items())))
