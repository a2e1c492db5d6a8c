"""Says what is kept until when: by country, kind and year; what has expired, what is held, what is due soon."""

import argparse
import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from documents.custody import retention

WITHIN_DAYS, WITHIN_DAYS_MAX = 90, 36_500


class Command(BaseCommand):
    """It looks and changes nothing."""

    help = "Say what is kept until when by country, kind and year; what has expired, is on legal hold or is due soon."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--within", type=int, default=WITHIN_DAYS, metavar="DAYS", help="how far ahead is due soon")
        parser.add_argument("--json", action="store_true", help="print the report as one line of JSON")

    def handle(self, *_args: object, **options: Any) -> None:
        """Print the report.

        :raises CommandError: days below zero, or so many that no calendar has them
        """
        within, now = int(options["within"]), timezone.now()
        if not 0 <= within <= WITHIN_DAYS_MAX:
            raise CommandError(f"--within is 0 to {WITHIN_DAYS_MAX} days")
        rows = list(retention.report(now=now, within=dt.timedelta(days=within)))
        totals = {
            "documents": sum(row.documents for row in rows),
            "expired": sum(row.documents for row in rows if row.expired),
            "due": sum(row.documents for row in rows if row.due),
            "on_hold": sum(row.on_hold for row in rows),
        }
        if options["json"]:
            report = {"at": now.isoformat(), "within_days": within, **totals, "rows": [row.as_json() for row in rows]}
            self.stdout.write(json.dumps(report))
            return
        self.print_rows(rows=rows)
        self.stdout.write(
            f"{totals['documents']} documentos · documents: {totals['expired']} vencidos · expired,"
            f" {totals['due']} vencen en {within} días · due, {totals['on_hold']} en legal hold · on legal hold"
        )

    def print_rows(self, *, rows: Sequence[retention.Kept]) -> None:
        """Print one line for each day until which some are kept."""
        for row in rows:
            marks = [
                *(["vencido · expired"] if row.expired else []),
                *(["vence pronto · due"] if row.due else []),
                *([f"{row.on_hold} legal hold"] if row.on_hold else []),
            ]
            line = f"{row.country} {row.kind:<24}{row.issue_year}  → {row.retain_until}{row.documents:>10}"
            self.stdout.write(f"{line}  {', '.join(marks)}".rstrip())
