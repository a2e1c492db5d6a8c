"""Makes the drills on the running system, and appends what came of them to the record of validations."""

import argparse
import os
import pathlib
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone

from audit import log
from audit.actions import Action
from config import progress
from config.drills import drills, leftovers, receipts, record, registry

FAILED = 2
WHOLE, PART = "operations", "operations_part"  # the Document Center shows the last whole validation
USAGE = f"exit code {FAILED} where a drill does not hold, 1 where none could be made or the record not be written"


class Command(BaseCommand):
    """`make manage ARGS=validate_operations`, with the service's own environment; on a demo with `DEMO=8000`."""

    help = f"Make the drills on the running system; {USAGE}. In production too."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        names = [drill.name for drill in drills.DRILLS]
        parser.add_argument(
            "--output",
            type=pathlib.Path,
            default=record.DEFAULT,
            help=f"the record to append to ({record.DEFAULT.name}); a regular file in a folder that can be written",
        )
        parser.add_argument("--ticket", default=record.TICKET, help=f"named in the entry ({record.TICKET})")
        parser.add_argument(
            "--only", action="append", default=[], choices=names, metavar="DRILL", help=", ".join(names)
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Make the drills, say of each what came of it, and append the entry.

        :raises CommandError: the ticket cannot be quoted, or the record not be written
        """
        try:
            record.require_ticket(ticket=options["ticket"])
            record.require_writable(path=options["output"])
        except (OSError, ValueError) as error:
            raise CommandError(f"nothing was done: {error} (--ticket, --output)") from error
        context = registry.DrillContext(
            base_url=settings.PUBLIC_URL,
            secrets={service: known[0] for service, known in settings.WEBHOOK_SECRETS.items()},
            run_id=drills.run_id(),
            now=timezone.now(),
        )
        for prepare in (receipts.ready, leftovers.close):
            if cause := registry.cause_of(work=prepare):
                self.stderr.write(f"{prepare.__module__}: {cause}")  # the drills say what does not work without it
        results = self._made(only=options["only"], context=context)
        failed = [result.drill.name for result in results if result.cause]
        try:
            record.append(
                path=options["output"],
                entry=record.entry(context=context, results=results, ticket=options["ticket"]),
            )
        except OSError as error:
            raise CommandError(f"{options['output']}: {error}", returncode=FAILED if failed else 1) from error
        finally:
            self._put_on_record(run_id=context.run_id, failed=failed, made=len(results))
        self._say(f"{len(results) - len(failed)}/{len(results)} · {options['output']}")
        if failed:
            sys.exit(FAILED)

    def _made(self, *, only: list[str], context: registry.DrillContext) -> list[registry.DrillResult]:
        """Make the drills that are wanted, and say of each what came of it."""
        wanted = [drill for drill in drills.DRILLS if not only or drill.name in only]
        results = []
        with progress.progress(label="simulacros", total=len(wanted)) as step:
            for result in registry.run(drills=wanted, context=context):
                results.append(result)
                step(note=result.drill.name)
                outcome = "✗" if result.cause else "✓"
                self._say(f"{outcome} {result.drill.name}: {result.cause or record.said(result=result)}")
        return results

    def _say(self, line: str) -> None:
        """Write a line; a reader that has gone away keeps no drill from being made."""
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)

    def _put_on_record(self, *, run_id: str, failed: list[str], made: int) -> None:
        """Put the validation on record, where the Document Center reads when the last one was."""
        try:
            with transaction.atomic():
                log.record(
                    action=Action.OPERATIONS_VALIDATED,
                    object_type="operations",
                    object_id=WHOLE if made == len(drills.DRILLS) else PART,
                    actor=receipts.ACTOR,
                    outcome="failed" if failed else "ok",
                    code=failed[0] if failed else "",
                    details={"run": run_id, "drills": str(made), "failed": " ".join(failed)},
                )
        except (log.AuditUnavailable, DatabaseError, InterfaceError) as error:
            self.stderr.write(f"the Document Center does not show this validation: {error}")
