"""Changes what is stated of an issuer: legal name, address, logo. What it has issued prints what it did."""

import argparse
import pathlib
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.management import reasons
from documents.access import actors
from documents.emission import issuers
from documents.models import Issuer


class Command(BaseCommand):
    """`make manage ARGS="change_issuer SLUG [--legal-name N] [--address A] [--logo x.png] --reason '...'"`."""

    help = (
        "Change an issuer's legal name, address or logo from now on; what it was is kept, and the change is on record."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("issuer", help="its slug: aventide-es")
        parser.add_argument("--legal-name", default="", help="as the trade register has it now")
        parser.add_argument("--address", default="", help="its registered address")
        parser.add_argument("--logo", type=pathlib.Path, help="PNG of at most 200 kB")
        parser.add_argument("--reason", type=reasons.stated, required=True, help="why, for the log")

    def handle(self, *_args: object, **options: Any) -> None:
        """Change one issuer.

        :raises CommandError: no such issuer, texts that are too long, a logo that is none, or nothing to change
        """
        issuer = Issuer.objects.filter(slug=options["issuer"]).first()
        if issuer is None:
            raise CommandError(f"{options['issuer']}: no issuer has this slug")
        texts = {name: options[name].strip() for name in ("legal_name", "address")}
        for name, text in texts.items():
            try:
                issuers.checked_text(text=text)
            except ValueError as error:
                raise CommandError(f"{name}: {error}") from error
        try:
            logo = issuers.checked_logo(body=options["logo"].read_bytes()) if options["logo"] else None
        except (OSError, ValueError) as error:
            raise CommandError(f"{options['logo']}: {error}") from error
        changed = issuers.change(
            issuer=issuer,
            reason=options["reason"],
            actor=actors.program(name="change_issuer", channel="command"),
            now=timezone.now(),
            logo=logo,
            **texts,
        )
        if not changed:
            raise CommandError(f"{issuer.slug}: nothing to change: give --legal-name, --address or --logo")
        self.stdout.write(f"✓ {issuer.slug}: cambiado desde ahora · changed from now on")
