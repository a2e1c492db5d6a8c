"""Writes the seed's own document from the tables by which the service works."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from config import contracts


class Command(BaseCommand):
    """It writes one file, and nothing else."""

    help = "Write docs/API_CONTRACTS.md from the access table, the errors, the OpenAPI document, the drills."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--file", type=Path, default=contracts.PAGE, help="where to write it")

    def handle(self, *_args: object, **options: Any) -> None:
        """Write the page."""
        options["file"].write_text(contracts.page(), encoding="utf-8")
        self.stdout.write(f"{options['file']}")
