"""Makes the drills on the running system, and appends what came of them to the record of validations."""

import argparse
import fcntl
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils import timezone

from audit import log
from audit.actions import Action
from config import env, progress
from config.drills import drills, receipts, registry

OWNER, TICKET = "Equipo billing-docs", "OPS-BILLINGDOCS-241"
RECORD = env.BASE_DIR / "docs" / "04-CHANGELOG.md"
FAILED = 2


class Command(BaseCommand):
    """`make manage ARGS=validate_operations`, with the service's own environment; on a demo with `DEMO=8000`."""

    help = "Make the drills on the running system; exit code 2 where one does not hold. In production too."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        names = [drill.name for drill in drills.DRILLS]
        parser.add_argument(
            "--output", type=pathlib.Path, default=RECORD, help=f"the record to append to ({RECORD.name})"
        )
        parser.add_argument("--ticket", default=TICKET)
        parser.add_argument(
            "--only", action="append", default=[], choices=names, metavar="DRILL", help=", ".join(names)
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Make the drills, say of each what came of it, and append the entry.

        :raises CommandError: the issuer of the drills cannot be added
        """
        receipts.ready()
        now = timezone.now()
        context = registry.DrillContext(
            base_url=settings.PUBLIC_URL,
            secrets={service: known[0] for service, known in settings.WEBHOOK_SECRETS.items()},
            run_id=drills.run_id(),
            now=now,
        )
        wanted = [drill for drill in drills.DRILLS if not options["only"] or drill.name in options["only"]]
        results = []
        with progress.progress(label="simulacros", total=len(wanted)) as step:
            for result in registry.run(drills=wanted, context=context):
                results.append(result)
                step(note=result.drill.name)
                self.stdout.write(
                    f"{'✗' if result.cause else '✓'} {result.drill.name}: {result.cause or _said(result)}"
                )
        failed = [result.drill.name for result in results if result.cause]
        _record(run_id=context.run_id, failed=failed, made=len(results))
        _append(path=options["output"], entry=_entry(context=context, results=results, ticket=options["ticket"]))
        self.stdout.write(f"{len(results) - len(failed)}/{len(results)} · {options['output']}")
        if failed:
            sys.exit(FAILED)


def _said(result: registry.DrillResult) -> str:
    return ", ".join(f"{name} {value}" for name, value in result.evidence.items())


def _entry(*, context: registry.DrillContext, results: list[registry.DrillResult], ticket: str) -> str:
    """Write the entry: when, who answers for it, on what it was made, and each drill with its evidence."""
    held = sum(not result.cause for result in results)
    lines = [
        "",
        f"## Operational validation {context.now:%Y-%m-%d %H:%M:%S} UTC",
        f"- Owner: `{OWNER}`",
        f"- Ticket: `{ticket}`",
        f"- Result: {held} of {len(results)} drills hold",
        f"- Run: `{context.run_id}` on {context.base_url} ({settings.ENVIRONMENT})",
        f"- Versions: commit `{_commit()}`, {_versions()}",
        "",
        "| drill | shows | result | seconds | evidence |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        evidence = (f"FAILED: {result.cause}" if result.cause else _said(result)).replace("|", "/").replace("\n", " ")
        outcome = "failed" if result.cause else "holds"
        lines.append(f"| {result.drill.name} | {result.drill.shows} | {outcome} | {result.seconds:.1f} | {evidence} |")
    return "\n".join(lines) + "\n"


def _versions() -> str:
    """Return the versions of what the drills ran on."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (server,) = cursor.fetchone()
    return f"Python {platform.python_version()}, PostgreSQL {str(server).split()[0]}"


def _commit() -> str:
    """Return the commit of this code; "unknown" where it is no checkout."""
    command = ["git", "-C", str(env.BASE_DIR), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _append(*, path: pathlib.Path, entry: str) -> None:
    """Append an entry: whole or not at all, and no byte of the earlier ones is another.

    :raises CommandError: it cannot be written there
    """
    try:
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # two runs at once append two entries
            kept = path.read_bytes() if path.exists() else b""
            mode = path.stat().st_mode if path.exists() else 0o644
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as target:
                target.write(kept + entry.encode())
                target.flush()
                os.fsync(target.fileno())
            pathlib.Path(target.name).chmod(mode)
            pathlib.Path(target.name).replace(path)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CommandError(f"{path}: {error}") from error


def _record(*, run_id: str, failed: list[str], made: int) -> None:
    """Put the validation on record, where the Document Center reads when the last one was."""
    with transaction.atomic():
        log.record(
            action=Action.OPERATIONS_VALIDATED,
            object_type="operations",
            object_id="operations",
            actor=receipts.ACTOR,
            outcome="failed" if failed else "ok",
            code=failed[0] if failed else "",
            details={"run": run_id, "drills": str(made), "failed": " ".join(failed)},
        )
