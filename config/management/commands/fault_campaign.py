"""`make faults`: every dependency of the outside table failing in every way, on a stack of its own."""

import argparse
import json
import pathlib
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from config import progress
from config.embedded import machine
from config.faults import campaign, cells, plants, stack
from config.simulation import demo

GOOD, BAD = "✓", "✗"


class Command(BaseCommand):
    """Exit code 0 only if every cell is well. A run that is broken off goes on where it was, for the same seed."""

    help = "Let every dependency fail in every way, and check calls, alerts, fallbacks, recovery, and from outside."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--seed", type=int, default=1, help="draws the events and the garbage (default 1)")
        parser.add_argument("--only", default="", help="rows, ways or cells, with commas: vault,slow or mail/flap")
        parser.add_argument("--planted", default="", choices=["", *plants.PLANTS], help="take a row's fallback out")
        parser.add_argument("--then-planted", default="", choices=["", *plants.PLANTS], help="then once more, so")
        parser.add_argument("--quick", action="store_true", help="a sample: few events, incidents soon over")
        parser.add_argument("--afresh", action="store_true", help="run also the cells that an earlier run has passed")
        parser.add_argument("--list", action="store_true", help="say which cells there are, and run none")
        parser.add_argument("--json", action="store_true", help="print a line of JSON a cell")

    def handle(self, *_args: object, **options: Any) -> None:
        """Run the cells that are left.

        :raises CommandError: a cell is red, or the stack does not come up
        """
        try:
            chosen = cells.chosen(only=[item for item in options["only"].split(",") if item])
        except ValueError as unknown:
            raise CommandError(str(unknown)) from unknown
        if options["list"]:
            self.stdout.write("\n".join(cell.name for cell in chosen))
            return
        record = machine.VAR / f"fault_campaign-{options['seed']}.jsonl"
        resumes = not any(options[name] for name in ("afresh", "planted", "then_planted", "quick"))
        passed = _passed(record=record) if resumes else {}
        left = [cell for cell in chosen if cell.name not in passed]
        try:
            results = self.run_cells(left=left, options=options, record=record if resumes else None) if left else []
        except TimeoutError as error:
            raise CommandError(f"{error}; see {demo.folder()}") from error
        known = passed | {result.name: result for result in results if not result.planted or options["planted"]}
        shown = [known[cell.name] for cell in chosen if cell.name in known]
        shown += [result for result in results if result not in shown]
        self.print_results(results=shown, as_json=options["json"])
        if red := [result.name for result in results if result.findings]:
            raise CommandError(f"{len(red)} of {len(chosen)} cells are red; logs are in {demo.folder()}")
        if resumes and len(passed) + len(results) >= len(cells.CELLS):
            record.unlink(missing_ok=True)  # the whole campaign has passed
        shutil.rmtree(demo.folder(), ignore_errors=True)

    def run_cells(
        self, *, left: Sequence[cells.FaultCell], options: dict[str, Any], record: pathlib.Path | None
    ) -> list[campaign.CellResult]:
        """Run cell after cell; each is on record as soon as it has ended."""
        call_command("provision", verbosity=0)
        former = any("vault_former" in cell.rows for cell in left)
        pace = campaign.QUICK if options["quick"] else campaign.WHOLE
        results = list[campaign.CellResult]()
        with (
            stack.running(
                seed=options["seed"], planted=options["planted"], quick=options["quick"], former=former
            ) as running,
            progress.progress(label="fallos", total=len(left)) as step,
        ):

            def run(cell: cells.FaultCell, planted: str) -> campaign.CellResult:
                result = campaign.run_cell(stack=running, cell=cell, seed=options["seed"], pace=pace, planted=planted)
                results.append(result)
                for finding in result.findings:
                    self.stderr.write(f"{BAD} {result.name}: {finding}")
                return result

            for cell in left:
                result = run(cell, options["planted"])
                step(note=f"{BAD if result.findings else GOOD} {result.name}")
                if record is not None and not result.findings:
                    with record.open("a", encoding="utf-8") as file:
                        file.write(campaign.as_line(result=result) + "\n")
                if result.findings and cell is not left[-1]:
                    running.restart()
            if options["then_planted"]:
                running.plant(name=options["then_planted"])
                for cell in left:
                    run(cell, options["then_planted"])
        return results

    def print_results(self, *, results: Sequence[campaign.CellResult], as_json: bool) -> None:
        """Print a table with a row a dependency and what each way came to, or lines of JSON."""
        if as_json:
            for result in results:
                self.stdout.write(campaign.as_line(result=result))
            return
        table = Table("", "fallo · fault", "alerta · alert (s)", "recuperado · recovered (s)", "hallazgos · findings")
        for result in results:
            said = "\n".join(result.findings)
            figures = (f"{result.alert_s:.0f}", f"{result.recovery_s:.0f}")
            name = f"{result.name} ({result.planted})" if result.planted else result.name
            table.add_row(BAD if result.findings else GOOD, name, *figures, said)
        Console(file=sys.stdout).print(table)
        counts = {"cells": len(results), "red": sum(bool(result.findings) for result in results)}
        self.stdout.write(json.dumps(counts))


def _passed(*, record: pathlib.Path) -> dict[str, campaign.CellResult]:
    """Return what an earlier run of this seed has passed."""
    if not record.exists():
        return {}
    results = [campaign.from_line(line) for line in record.read_text(encoding="utf-8").splitlines() if line]
    return {result.name: result for result in results}
