"""The gate: everything that can be known without running the product. One command, one exit code."""

import argparse
import pathlib
import subprocess
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config import env

BIN = pathlib.Path(sys.executable).parent
STEPS: dict[str, list[str]] = {
    "ruff": [str(BIN / "ruff"), "check", "."],
    "ruff format": [str(BIN / "ruff"), "format", "--check", "."],
    "import-linter": [str(BIN / "lint-imports")],
    "mypy": [sys.executable, "-m", "mypy", "."],  # it imports what we do: of this environment, also in a copy of one
    "migrations": [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
    "checks": [sys.executable, "manage.py", "check"],
}


class Command(BaseCommand):
    """`make gate [ARGS=STEP]`."""

    help = "Lint, format, floors, types, migrations, start-up checks."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("steps", nargs="*", choices=[[], *STEPS], help="only these")

    def handle(self, *_args: object, **options: Any) -> None:
        """Run every step, show what failed, and fail if one did."""
        failed = []
        for name in options["steps"] or STEPS:
            done = subprocess.run(STEPS[name], cwd=env.BASE_DIR, capture_output=True, text=True, check=False)
            self.stdout.write(f"{'✓' if done.returncode == 0 else '✗'} {name}")
            if done.returncode:
                failed.append(name)
                self.stdout.write(done.stdout[-6000:] + done.stderr[-3000:])
        if failed:
            raise CommandError(f"the gate is shut: {', '.join(failed)}")
