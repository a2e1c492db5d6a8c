"""Sets how much an issuer may issue before its safety valve pauses it, in the place of what its own past allows."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.management import reasons
from documents.access import actors
from documents.emission import valve
from documents.models import Issuer


class Command(BaseCommand):
    """`make manage ARGS="limit_issuing SLUG [--minute N] [--day N] --reason '...'"`."""

    help = "Set an issuer's limits of documents a minute and a day; what is left out is worked out from its own past."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("issuer", help="its slug: aventide-es")
        parser.add_argument("--minute", type=int, help="documents in any one minute (default: from its own past)")
        parser.add_argument("--day", type=int, help="documents on its local day (default: from its own past)")
        parser.add_argument("--reason", type=reasons.stated, required=True, help="why, for the log")

    def handle(self, *_args: object, **options: Any) -> None:
        """Set the limits of one issuer.

        :raises CommandError: no such issuer, or a limit that lets nothing by
        """
        issuer = Issuer.objects.filter(slug=options["issuer"]).first()
        if issuer is None:
            raise CommandError(f"{options['issuer']}: no issuer has this slug")
        limits: dict[str, int | None] = {name: options[name] for name in ("minute", "day")}
        if any(most is not None and not 0 < most <= valve.LIMIT_MAX for most in limits.values()):
            raise CommandError(f"a limit is 1 to {valve.LIMIT_MAX} documents")
        valve.limit(
            issuer=issuer,
            minute_max=limits["minute"],
            day_max=limits["day"],
            reason=options["reason"],
            actor=actors.program(name="limit_issuing", channel="command"),
        )
        said = ", ".join(f"{name} {most or '(su propio pasado · its own past)'}" for name, most in limits.items())
        self.stdout.write(f"✓ {issuer.slug}: {said}")
