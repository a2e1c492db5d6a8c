"""Copies every document that lies in another store into that of VAULT_URL, under lock, and checks each copy there."""

import sys
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config import progress
from documents import errors
from documents.access import actors
from documents.operations import vault_migration
from documents.vault import places

ACTOR = actors.program(name="migrate_vault", channel="command")
REFUSED, INTERRUPTED = 2, 130
SHOWN_MAX = 20


class Command(BaseCommand):
    """Its exit code is 0 where all is in the present store, 2 where something stays where it is, 1 for an outage."""

    help = "Copy documents of a former store (VAULT_FORMER_URL) into VAULT_URL's, locked. Safe to break off and repeat."

    def handle(self, *_args: object, **_options: Any) -> None:
        """Copy what lies elsewhere.

        :raises CommandError: VAULT_URL is no bucket, or a store does not answer
        """
        if urlsplit(settings.VAULT_URL).scheme != "s3":
            raise CommandError("VAULT_URL: documents are copied into a bucket with Object Lock only (s3://...)")
        summary = vault_migration.MigratedSummary()
        try:
            with progress.progress(label="copiados", total=vault_migration.elsewhere().count()) as step:
                for document in vault_migration.walk():
                    code = vault_migration.migrate(document=document, actor=ACTOR, now=timezone.now())
                    if code:
                        summary.refused[document.number] = code
                    else:
                        summary.moved += 1
                    step(note=document.number)
        except errors.WormError as error:
            said = f"{error.code}: {error.row.es} · {error.row.en} ({error.values})"
            raise CommandError(f"{summary.moved} copiados · copied; {said}; repite la orden · run it again") from error
        except (KeyboardInterrupt, SystemExit):  # Ctrl-C or a signal
            self.stderr.write(
                f"Interrumpida con {summary.moved} copiados; repite la orden para seguir · Broken off: run it again"
            )
            sys.exit(INTERRUPTED)
        self.print_summary(summary=summary)
        if summary.refused:
            sys.exit(REFUSED)

    def print_summary(self, *, summary: vault_migration.MigratedSummary) -> None:
        """Print how many were copied, and what stays where it is."""
        self.stdout.write(f"✓ {summary.moved} copiados, bloqueados y comprobados en · copied to {places.here()}")
        for number, code in list(summary.refused.items())[:SHOWN_MAX]:
            row = errors.CODES[code]
            self.stdout.write(f"✗ {number}: {code} ({row.es} · {row.en})")
        if summary.refused:
            self.stdout.write(f"✗ {len(summary.refused)} siguen donde estaban · stay where they were")
