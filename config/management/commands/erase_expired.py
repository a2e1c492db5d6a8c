"""Erases what is personal and past its time at once: details of the log, and bodies of events that are over."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from config import progress
from documents.custody import erasure
from documents.models import Erased

# TABLE: what is erased -> how it is called, in Spanish and English.
NAMES = {
    Erased.DETAILS: "datos personales de la bitácora · details of the log",
    Erased.BODIES: "cuerpos de eventos · bodies of events",
}


class Command(BaseCommand):
    """The workers do the same every night; what a legal hold is about stays."""

    help = (
        "Erase the personal details of the log older than AUDIT_DETAILS_DAYS, and the bodies of events that are over"
        " and older than EVENT_BODIES_DAYS, as `provision` has read them. Safe to break off and repeat."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--dry-run", action="store_true", help="only count what is due")

    def handle(self, *_args: object, **options: Any) -> None:
        """Erase what is due, or count it."""
        for what, name in NAMES.items():
            due = sum(erasure.erase(what=what, erases=False))
            if options["dry_run"]:
                self.stdout.write(f"{due} {name}")
                continue
            erased = 0
            with progress.progress(label="borrado", total=due) as step:
                for count in erasure.erase(what=what):
                    erased += count
                    step(done=count)
            self.stdout.write(f"✓ {erased} {name}: borrados, con su huella en la bitácora · erased, on record")
