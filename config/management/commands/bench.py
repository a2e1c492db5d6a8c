"""Measures every promised speed: each script prints its table, and `benchmarks/RESULTS.md` gets all of them."""

import argparse
import datetime as dt
import platform
import subprocess
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config import env

FOLDER = env.BASE_DIR / "benchmarks"
SCRIPTS = ("render", "line", "audit_append", "seal_lag", "api")


class Command(BaseCommand):
    """`make bench [ARGS=SCRIPT]`: ratios side by side in one run; on shared machines nothing else counts."""

    help = "Measure rendering, the line, intake and the log against bare rivals, its seal, and the API among millions."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("scripts", nargs="*", choices=[[], *SCRIPTS], help="only these; nothing is kept then")

    def handle(self, *_args: object, **options: Any) -> None:
        """Run the scripts one after the other and save what they print."""
        tables = []
        for name in options["scripts"] or SCRIPTS:
            self.stderr.write(f"benchmarks.{name}")
            done = subprocess.run(
                [sys.executable, "-m", f"benchmarks.{name}"],
                cwd=env.BASE_DIR,
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            self.stdout.write(done.stdout)
            if done.returncode:
                raise CommandError(f"benchmarks.{name} ended with {done.returncode}")
            tables.append(f"## {name}\n\n{done.stdout.strip()}\n")
        if not options["scripts"]:
            machine = f"{platform.machine()}, Python {platform.python_version()}"
            head = f"# Measured on {dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine}\n\n"
            (FOLDER / "RESULTS.md").write_text(head + "\n".join(tables), encoding="utf-8")
