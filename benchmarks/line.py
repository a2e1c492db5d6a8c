"""The whole line against what it cannot do without: one bare render, and a bare two-row insert.

    python -m benchmarks.line [--documents 60] [--events 600]

- event to LOCKED: CPU seconds of intake, numbering, audit, rendering, vault and read-back (our process, its renderer
  and its share of PostgreSQL) over the CPU of one bare WeasyPrint render of the same document, PDF/A on both sides.
- S3: the same CPU with the vault in S3 over that with a folder, each document beside one of the same shape.
- intake: events a second through `intake.receive` by 8 threads over those of two bare inserts by as many.
"""

import argparse
import copy
import json
import pathlib
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

import django
import psutil

from config import env
from config.embedded import services

WRITERS = 8
SAMPLES = env.BASE_DIR / "config" / "samples"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=40)
    parser.add_argument("--events", type=int, default=800)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, services.Stack(fsync=True, objects=True) as stack:
        for name, value in stack.environment().items():
            env.put(name=name, value=value)
        env.put(name="ENVIRONMENT", value="test")
        s3 = env.text(name="VAULT_URL")
        env.put(name="VAULT_URL", value=f"file://{folder}/vault")
        env.drop(name="VAULT_CANARY_URL")
        env.put(name="MAIL_URL", value=f"file://{folder}/mail")
        env.put(name="DJANGO_SETTINGS_MODULE", value="config.settings")
        django.setup()
        from django.core.management import call_command

        call_command("provision", verbosity=0)
        call_command("add_issuer", str(SAMPLES / "issuers.json"), stdout=sys.stderr)
        postgres = psutil.Process(stack.postgres_process.pid)
        from documents.vault import immutable

        try:
            print("| what | goal | measured | spread |\n|---|---|---|---|")
            for kind, file, place in (("receipt", "es_ride.json", 0), ("order", "co_food.json", 0)):
                print(pipeline(kind=kind, sample=_sample(file, place), count=options.documents, postgres=postgres))
            sample = _sample("es_ride.json", 0)
            print(stores(s3=s3, sample=sample, count=options.documents, postgres=postgres))
            print(intake_rate(count=options.events))
        finally:
            immutable.unlock_for_removal(folder=pathlib.Path(folder))


def pipeline(*, kind: str, sample: dict[str, Any], count: int, postgres: psutil.Process) -> str:
    """Return the row event to LOCKED: median of paired CPU ratios."""
    from benchmarks import render
    from documents.models import Document, Status

    bare, html = render.side(role="--bare-worker"), render.side(role="--html-worker")
    ratios = []
    for turn in range(-3, count):  # three to warm up
        before = _cpu(postgres)
        _through(event=_varied(sample, seed=turn + 1000))
        spent = _cpu(postgres) - before
        document = Document.objects.order_by("-pk")[0]
        assert document.status == Status.LOCKED
        job = render.ask(worker=html, job=json.loads(document.content))
        alone, _size = render.ask(worker=bare, job=job)
        if turn >= 0:
            ratios.append(spent / alone)
    bare.terminate()
    html.terminate()
    low, _, high = statistics.quantiles(ratios, n=4)
    figures = f"{statistics.median(ratios):.2f} | {low:.2f} - {high:.2f}"
    return f"| event to LOCKED, CPU over one bare render, {kind} | <= 1.0 | {figures} |"


def stores(*, s3: str, sample: dict[str, Any], count: int, postgres: psutil.Process) -> str:
    """Return the row of S3 over the folder: median of paired CPU ratios, and of what it costs more."""
    from django.conf import settings
    from django.utils import timezone

    from audit import log
    from documents.vault import probes

    folder = str(settings.VAULT_URL)
    settings.VAULT_URL = s3
    probes.prove(actor=log.SYSTEM, now=timezone.now())  # once for all, as in a deployment
    ratios, more_ms = [], []
    for turn in range(-3, count):  # three to warm up
        spent_s: dict[str, float] = {}
        for place, url in enumerate((folder, s3)):
            settings.VAULT_URL = url
            before = _cpu(postgres)
            _through(event=_varied(sample, seed=2 * turn + place + 100_000))
            spent_s[url] = _cpu(postgres) - before
        if turn >= 0:
            ratios.append(spent_s[s3] / spent_s[folder])
            more_ms.append((spent_s[s3] - spent_s[folder]) * 1000)
    settings.VAULT_URL = folder
    low, _, high = statistics.quantiles(ratios, n=4)
    figures = f"{statistics.median(ratios):.2f} ({statistics.median(more_ms):+.0f} ms) | {low:.2f} - {high:.2f}"
    return f"| event to LOCKED, CPU with S3 over the folder's, receipt | no goal | {figures} |"


def intake_rate(*, count: int) -> str:
    """Return the rows of intake: rate over the bare one (median of rounds), p99 in ms."""
    from django.db import connection, transaction

    sample = _sample("es_ride.json", 0)
    seeds = iter(range(10_000, 10_000_000))

    def bare(_seed: int) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for _ in range(2):
                cursor.execute(
                    "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (%s, %s, now())",
                    [f"bench:{next(seeds)}", "0" * 64],
                )

    def ours(seed: int) -> None:
        _receive(event=_varied(sample, seed=seed))

    rounds, spent = [], []
    for _ in range(6):
        rate_of: dict[str, float] = {}
        for name, work in (("bare", bare), ("ours", ours)):
            began = time.perf_counter()
            times = _by_threads(work=work, seeds=[next(seeds) for _ in range(count // 6)])
            rate_of[name] = len(times) / (time.perf_counter() - began)
            if name == "ours":
                spent += times
        rounds.append(rate_of["ours"] / rate_of["bare"])
    p99_ms = statistics.quantiles(spent, n=100)[98] * 1000
    low, _, high = statistics.quantiles(rounds, n=4)
    return (
        f"| intake rate over a bare two-row insert, {WRITERS} connections | >= 0.5 |"
        f" {statistics.median(rounds):.2f} | {low:.2f} - {high:.2f} |\n"
        f"| intake under that load, p99 | <= 200 ms | {p99_ms:.0f} ms | |"
    )


def _by_threads(*, work: Callable[[int], None], seeds: list[int]) -> list[float]:
    """Run the work for each seed by WRITERS threads; returns the seconds of each."""
    from django.db import connections

    waiting, times, lock = list(seeds), [], threading.Lock()

    def run() -> None:
        while True:
            with lock:
                if not waiting:
                    break
                seed = waiting.pop()
            began = time.perf_counter()
            work(seed)
            with lock:
                times.append(time.perf_counter() - began)
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def _receive(*, event: dict[str, Any]) -> None:
    from django.utils import timezone

    from audit import log
    from documents.events import intake

    services_of = {"PAYMENT_CAPTURED": "payments", "ORDER_COMPLETED": "orders"}
    service = services_of[event["type"]]
    actor = log.Actor(kind="service", id=service, service=service, channel="webhook")
    answer = intake.receive(raw=json.dumps(event).encode(), services=[service], now=timezone.now(), actor=actor)
    assert answer.status == 201, answer


def _through(*, event: dict[str, Any]) -> None:
    """Take one event in and lock its documents in this process."""
    from django.utils import timezone

    from documents.emission import locking

    _receive(event=event)
    for pk in locking.due(now=timezone.now()).values_list("pk", flat=True):
        locking.advance(document_id=pk, now=timezone.now())


def _cpu(postgres: psutil.Process) -> float:
    """Return the CPU seconds so far of this process, its children and PostgreSQL."""
    total = 0.0
    for root in (psutil.Process(), postgres):
        for process in (root, *root.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
    return total


def _sample(file: str, place: int) -> dict[str, Any]:
    return dict(json.loads((SAMPLES / file).read_text(encoding="utf-8"))[place])


def _varied(sample: dict[str, Any], *, seed: int) -> dict[str, Any]:
    """Return another event of the same shape: other ids and names."""
    chance, event = random.Random(seed), copy.deepcopy(sample)
    event["id"] = f"evt_{event['type']}_{seed}"
    data = event["data"]
    for part in ("payment", "order"):
        if part in data:
            data[part]["id"] = f"{part}_{seed}"
    data.pop("partner", None)
    if event["type"] == "ORDER_COMPLETED":
        data["lines"] = [line for line in data["lines"] if "party" not in line]
        data["totals"].pop("partner_payable", None)
    for part in ("customer", "driver"):
        if part in data:
            data[part]["id"] = f"{part}_{seed % 50}"
            data[part]["legal_name"] = "Ana " + "".join(chance.choices("bcdfglmnprst", k=8)).title()
    return event


if __name__ == "__main__":
    main()
