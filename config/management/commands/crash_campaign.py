"""`make crash`: the crash campaign on this machine, with servers, folder and port of its own."""

import argparse
import json
import pathlib
import shutil
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from config import env
from config.simulation import crash_campaign, demo
from documents.vault import immutable

SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "samples"
SHOWN_MAX = 50


class Command(BaseCommand):
    """Exit code 0 only if the outside checker has nothing to say."""

    help = "Post events from many senders, kill the worker again and again, have everything checked from outside."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "--seed", type=int, default=1, help="draws the stream and the moments of the kills (default 1)"
        )
        parser.add_argument("--events", type=_positive, default=1000)
        parser.add_argument("--senders", type=_positive, default=16)
        parser.add_argument("--kills", type=int, default=50, help="SIGKILLs for the worker and all of its children")
        parser.add_argument("--web-kills", type=int, default=2, help="SIGKILLs for the web server")
        parser.add_argument("--json", action="store_true", help="print the report as one line of JSON")
        parser.add_argument("--keep", action="store_true", help="keep the mailbox and the logs of a run that passed")

    def handle(self, *_args: object, **options: Any) -> None:
        """Run one campaign and report it.

        :raises CommandError: the checker found something, or the servers did not come up
        """
        folder = demo.folder()
        call_command("provision", verbosity=0)
        call_command("add_issuer", str(SAMPLES / "issuers.json"), stdout=self.stderr)
        plan = crash_campaign.Plan(
            **{name: options[name] for name in ("seed", "events", "senders", "kills", "web_kills")}
        )
        try:
            report = crash_campaign.run(
                plan=plan,
                process_group=demo.process_group(beat=False, pause_s=0.2),
                database_url=env.text(name="DATABASE_URL"),
                vault_url=settings.VAULT_URL,
                mail=folder / "mail",
                secrets={service: known[0] for service, known in settings.WEBHOOK_SECRETS.items()},
            )
        except TimeoutError as error:
            raise CommandError(f"{error}; see {folder}") from error
        self.print_report(report=report, as_json=options["json"])
        if report.findings:
            raise CommandError(f"{len(report.findings)} findings; mailbox and logs are in {folder}")
        if not options["keep"]:
            immutable.unlock_for_removal(folder=folder)
            shutil.rmtree(folder)

    def print_report(self, *, report: crash_campaign.Report, as_json: bool) -> None:
        """Print the figures and the first findings."""
        figures = report.as_json()
        if as_json:
            self.stdout.write(json.dumps(figures, ensure_ascii=False))
            return
        plan = report.plan
        self.stdout.write(
            f"{plan.events} eventos de {plan.senders} emisores en {report.send_s} s ({figures['events_per_s']}/s); "
            f"{report.kills} muertes del worker, {report.web_kills} del servidor; "
            f"todo resguardado {report.drain_s} s después · "
            f"events, senders, kills, time to drain"
        )
        self.stdout.write(f"{json.dumps(dict(report.answers))} {json.dumps(dict(report.figures))}")
        for finding in report.findings[:SHOWN_MAX]:
            self.stderr.write(f"✗ {finding}")
        if not report.findings:
            self.stdout.write("✓ Nada perdido, doble ni abierto · Nothing lost, doubled or unlocked")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
