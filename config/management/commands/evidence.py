"""Writes the evidence pack of a document: what a stranger needs to check it offline."""

import argparse
import contextlib
import os
import pathlib
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone

from documents import errors
from documents.access import actors
from documents.evidence import pack
from documents.models import Document

ACTOR = actors.program(name="evidence", channel="command")


class Command(BaseCommand):
    """`make manage ARGS="evidence NUMBER [--output FILE]"`."""

    help = "Write the evidence pack of a document: PDF, content, receipt, sealed events with proofs, and a verifier."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("document", help="its number, or its id (doc_...)")
        parser.add_argument("--output", help="the file; without it one named after the document, here")

    def handle(self, *_args: object, **options: Any) -> None:
        """Write the pack, whole or not at all.

        :raises CommandError: there is no such document, it cannot be proven yet, or the vault does not answer
        """
        document = Document.objects.filter(Q(number=options["document"]) | Q(public_id=options["document"])).first()
        if document is None:
            raise CommandError(f"no document is called {options['document']!r}")
        try:
            made = pack.build(document=document, actor=ACTOR, now=timezone.now())
        except errors.Problem as error:
            raise CommandError(f"{error.code}: {error.row.es} · {error.row.en}") from error
        target = pathlib.Path(options["output"] or made.filename)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            partial.write_bytes(made.body)
            partial.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):  # where nothing may be written, nothing may be removed
                partial.unlink(missing_ok=True)
            raise CommandError(f"{target}: {error}") from error
        self.stdout.write(f"✓ {target} · {len(made.body)} bytes")
