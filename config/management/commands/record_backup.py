"""Puts on record that a backup was taken, or that one was restored in a drill: `/metrics` says how old both are."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from audit import log
from documents.access import actors
from documents.operations import ledger_gauges

ACTOR = actors.program(name="record_backup", channel="command")


class Command(BaseCommand):
    """`make manage ARGS=record_backup`, as the last step of whatever takes the backup."""

    help = "Put on record that a backup was taken or, with --restored, that one was restored in a drill."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--restored", action="store_true", help="a backup was restored beside the service and read")

    def handle(self, *_args: object, **options: Any) -> None:
        """Write the event."""
        what = "restored" if options["restored"] else "taken"
        with transaction.atomic():
            log.record(
                action=ledger_gauges.KINDS[what],
                object_type="operations",
                object_id=ledger_gauges.BACKUPS,
                actor=ACTOR,
            )
        self.stdout.write(f"on record: backup {what}")
