"""Erases the personal details of the log that are older than AUDIT_DETAILS_DAYS; its events and proofs stay."""

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit import log
from config import progress
from documents.access import actors
from documents.custody import erasure

ACTOR = actors.program(name="erase_details", channel="command")


class Command(BaseCommand):
    """Run it once a day over DATABASE_OWNER_URL; what a legal hold is about stays."""

    help = "Erase the personal details of the log that are older than AUDIT_DETAILS_DAYS. Safe to break off and repeat."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--dry-run", action="store_true", help="only count what is due")

    def handle(self, *_args: object, **options: Any) -> None:
        """Erase what is due.

        :raises CommandError: this connection may not erase
        """
        now = timezone.now()
        total = erasure.due(now=now).count()
        about = f"de más de {settings.AUDIT_DETAILS_DAYS} días · older than {settings.AUDIT_DETAILS_DAYS} days"
        if options["dry_run"]:
            self.stdout.write(f"{total} datos personales {about}")
            return
        erased = 0
        try:
            with progress.progress(label="borrado", total=total) as step:
                for count in erasure.erase(now=now, actor=ACTOR):
                    erased += count
                    step(done=count)
        except log.AuditUnavailable as refused:
            raise CommandError(f"DATABASE_OWNER_URL: {refused}") from refused
        self.stdout.write(f"✓ {erased} datos personales {about}: borrados, con su huella en la bitácora · erased")
