"""Attacks a canary bucket of the vault's settings in every way, with the rights of whoever runs it, on record."""

import argparse
import json
import pathlib
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from documents import errors
from documents.access import actors
from documents.models import VaultProbe
from documents.sentences import writing
from documents.vault import address, full_probe

ACTOR = actors.program(name="probe_vault", channel="command")


class Command(BaseCommand):
    """`make manage ARGS="probe_vault --canary s3://canary?endpoint=https://host&region=name --credentials FILE"`."""

    help = "Probe the vault in full, before go-live and quarterly; its age stands in /readyz."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "--canary",
            default="",
            help="a bucket of the same settings that holds no documents (default: VAULT_CANARY_URL)",
        )
        parser.add_argument(
            "--credentials",
            default="",
            help='a JSON file {"access": "...", "secret": "..."} of a person who may do everything'
            " (default: the keys of the vault)",
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Attack the bucket and say what became of each attack.

        :raises CommandError: no bucket or credentials, a store that does not answer, or an attack that went through
        """
        canary = options["canary"] or settings.VAULT_CANARY_URL
        if urlsplit(settings.VAULT_URL).scheme == "s3" and not canary:
            raise CommandError(f"--canary or VAULT_CANARY_URL: {address.MEND}; never the vault's own bucket")
        keys = _keys(file=options["credentials"]) if options["credentials"] else None
        try:
            row = full_probe.probe(canary=canary, keys=keys, actor=ACTOR)
        except address.WrongAddressError as wrong:
            raise CommandError(f"--canary: {wrong}") from wrong
        except errors.WormError as error:
            raise CommandError(writing.of_problem(problem=error, language="en")) from error
        self._show(row)
        if not row.passed:
            problem = errors.WormError(code=row.code, values=row.values)
            raise CommandError(writing.of_problem(problem=problem, language="en"))

    def _show(self, row: VaultProbe) -> None:
        """Write a line an attack."""
        for attack, became in row.attempts.items():
            self.stdout.write(f"  {attack:<20} {became}")
        self.stdout.write(f"{'✓' if row.passed else '✗'} {row.vault_url}: {row.mode or row.code} ({row.public_id})")


def _keys(*, file: str) -> tuple[str, str]:
    """Return access key and secret of a file.

    :raises CommandError: it cannot be read
    """
    try:
        stated = json.loads(pathlib.Path(file).read_text(encoding="utf-8"))
        return str(stated["access"]), str(stated["secret"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f'--credentials: {file}: a JSON file {{"access": ..., "secret": ...}} is needed') from error
