"""Compares statements, payouts and events; opens and resolves discrepancies accordingly and changes nothing else."""

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config import progress
from documents import money
from documents.access import actors
from documents.models import Country
from payouts.reconciliation import findings, run

ACTOR = actors.program(name="reconciliation", channel="command")
DIFFERS, INTERRUPTED = 2, 130
SHOWN = {
    "earned": "ganado · earned",
    "settled": "liquidado · settled",
    "pending": "pendiente · pending",
    "announced": "anunciado · announced",
    "overpaid": "pagado de más · overpaid",
    "paid": "transferido · transferred",
    "adjustments": "ajustes · adjustments",
    "withheld": "retenido · withheld",
    "cash_collected": "efectivo · cash",
    "printed": "diferencias impresas · printed differences",
    "carried": "saldos · balances carried",
    "difference": "diferencia · difference",
}


class Command(BaseCommand):
    """Its exit code is 0 where everything agrees, 2 where there are findings."""

    help = "Compare statements, payouts and events to the cent; open and resolve discrepancies. Safe to break off."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--country", help="only this country (ISO 3166 alpha-2)")
        parser.add_argument("--json", action="store_true", help="print the summary as one line of JSON")

    def handle(self, *_args: object, **options: Any) -> None:
        """Compare everything once.

        :raises CommandError: an unknown country
        """
        country = options["country"]
        if country is not None and not Country.objects.filter(pk=country).exists():
            known = ", ".join(Country.objects.values_list("pk", flat=True).order_by("pk"))
            raise CommandError(f"{country!r} is no country here; known: {known or 'none'}")
        walk = run.key_ranges()
        try:
            with progress.progress(label="conciliación", total=len(walk)) as step:
                summary = run.run(
                    walk=walk, now=timezone.now(), actor=ACTOR, country=country, step=lambda over: step(note=over)
                )
        except (KeyboardInterrupt, SystemExit):  # Ctrl-C or a signal
            self.stderr.write("Interrumpida: lo encontrado queda anotado, nada se dio por resuelto · Broken off")
            sys.exit(INTERRUPTED)
        self.print_summary(summary=summary, as_json=options["json"])
        if not summary.clean:
            sys.exit(DIFFERS)

    def print_summary(self, *, summary: findings.Summary, as_json: bool) -> None:
        """Print the books and what differs."""
        if as_json:
            self.stdout.write(json.dumps(summary.as_json(), ensure_ascii=False))
            return
        for (country, currency), figures in sorted(summary.books.items()):
            self.stdout.write(f"{country} {currency}")
            for word, label in SHOWN.items():
                if figures[word] or word in {"earned", "paid", "difference"}:
                    self.stdout.write(f"  {label:<45}{money.text(figures[word], money.digits(currency)):>20}")
        looked = f"{summary.documents} documentos, {summary.payees} cuentas, {summary.events} eventos"
        if summary.clean:
            self.stdout.write(f"✓ {looked}: todo cuadra · everything agrees ({summary.resolved} resueltas · resolved)")
            return
        for code, count in sorted(summary.findings.items()):
            self.stdout.write(f"✗ {code}: {count}")
        more = " (hay más · there are more)" if summary.truncated else ""
        self.stdout.write(
            f"✗ {looked}: {sum(summary.findings.values())} diferencias{more}, {summary.opened} nuevas, en el Centro de "
            "Documentos, Discrepancias · differences, of them new, in the Document Center"
        )
