"""Moves a series past numbers that were given elsewhere, as after the restore of an old database; never back."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.management import reasons
from documents import errors
from documents.access import actors
from documents.emission import numbering
from documents.sentences import writing


class Command(BaseCommand):
    """`make manage ARGS="move_series CODE --next N --reason '...'"`."""

    help = "Move a series forward; the numbers that are skipped are put on record."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("code", help="as it begins the numbers: AES-OFS-2026")
        parser.add_argument("--next", type=int, required=True, help="the number that is given next")
        parser.add_argument(
            "--reason", type=reasons.stated, required=True, help="why the numbers before it are given to nothing"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Move one series.

        :raises CommandError: no such series, or it does not go up to that number
        """
        actor = actors.program(name="move_series", channel="command")
        try:
            skipped = numbering.move(
                code=options["code"], next_sequence=options["next"], reason=options["reason"], actor=actor
            )
        except errors.Problem as problem:
            raise CommandError(writing.of_problem(problem=problem, language="en")) from problem
        self.stdout.write(f"✓ {options['code']}: {skipped} saltados · skipped, {options['next']} sigue · is next")
