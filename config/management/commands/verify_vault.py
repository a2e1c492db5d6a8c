"""Reads locked documents again now, all or a sample of them, as the rounds do, and withholds what differs."""

import argparse
import datetime as dt
import json
import sys
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from config import progress
from documents import errors
from documents.custody import inspection, rounds
from documents.models import Document, Status
from documents.vault import places

FOUND, INTERRUPTED = 2, 130
RESUMED = dt.timedelta(days=1)


class Command(BaseCommand):
    """Its exit code is 0 where all is what was locked, 2 where something was found, 1 for an outage."""

    help = "Verify bytes, lock, content, row and log of locked documents. Safe to break off; --resume goes on."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--sample", type=int, default=0, help="so many, chosen at random; without it all")
        parser.add_argument("--resume", action="store_true", help="leave out what was verified within the last day")

    def handle(self, *_args: object, **options: Any) -> None:
        """Verify documents, a batch at a time.

        :raises CommandError: the vault does not answer
        """
        wanted = Document.objects.filter(status=Status.LOCKED, vault_url__in=places.known())
        if options["resume"]:
            wanted = wanted.filter(verified_at__lt=timezone.now() - RESUMED)
        if options["sample"]:
            keys = list(wanted.order_by("?").values_list("pk", flat=True)[: options["sample"]])
        else:
            keys = list(wanted.order_by("pk").values_list("pk", flat=True))
        verified, wrong = 0, 0
        try:
            with progress.progress(label="verificados", total=len(keys)) as step:
                for seen in self.batches(keys=keys):
                    verified += len(seen.sound)
                    wrong += len(seen.withheld) + len(seen.unread)
                    step(done=len(seen.sound) + len(seen.withheld) + len(seen.unread))
        except errors.WormError as error:
            said = f"{error.code}: {error.row.es} · {error.row.en}"
            raise CommandError(f"{verified} verificados · verified; {said}; sigue con · go on with --resume") from error
        except (KeyboardInterrupt, SystemExit):  # Ctrl-C or a signal
            self.stderr.write(f"Interrumpida con {verified} verificados; sigue con --resume · Broken off: --resume")
            sys.exit(INTERRUPTED)
        summary = {"object": "vault_verification", "verified": verified, "findings": wrong}
        said = f"{verified} verificados · verified, {wrong} hallazgos · findings"
        self.stdout.write(said if sys.stdout.isatty() else json.dumps(summary))
        if wrong:
            sys.exit(FOUND)

    def batches(self, *, keys: list[int]) -> Iterator[rounds.Seen]:
        """Verify one batch after the other, and name what was found.

        :raises errors.Problem: the vault does not answer
        """
        for start in range(0, len(keys), rounds.BATCH):
            now = timezone.now()
            rows = Document.objects.filter(pk__in=keys[start : start + rounds.BATCH], status=Status.LOCKED)
            chosen = rows.select_related(*inspection.JOINED).defer(*inspection.DEFERRED).order_by("pk")
            seen = rounds.read(batch=list(chosen), now=now)
            with transaction.atomic():
                rounds.confirm(sound=seen.sound, now=now)
            for document, problem in seen.withheld:
                line = {"finding": problem.code, "document": document.number, "values": problem.values}
                said = f"✗ {document.number}: {problem.code} ({problem.row.es} · {problem.row.en})"
                self.stdout.write(said if sys.stdout.isatty() else json.dumps(line, ensure_ascii=False))
            yield seen
            if seen.failed is not None:
                raise seen.failed
