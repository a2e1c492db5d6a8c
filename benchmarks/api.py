"""The driver's list when there are very many documents, a walk over all of them, and what a refusal takes.

    python -m benchmarks.api [--many 2000000] [--walked 100000] [--pairs 500]

- list: wall time of GET /driver/documents/ with 2 million documents over that with 10 thousand, in two databases of one
  server, in turn; each driver has as many documents in either.
- walk: every page of a list of 100,000 documents that share one moment, by row and by moment.
- refusals: a document of somebody else beside one that nobody has, asked for in pairs.

Requests go through Django's test client: routing, guard, key, audit event and serializer, and no network.
"""

import argparse
import logging
import pathlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import django
import psycopg

from config import env
from config.embedded import services

FEW, DRIVERS, DOCUMENTS_EACH = 10_000, 40, 90
ROUNDS, REQUESTS = 30, 20
LARGE, APART = "many", "1 min"
LIST = "/api/v1/driver/documents/"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--many", type=int, default=2_000_000)
    parser.add_argument("--walked", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, services.Stack() as stack:
        _start(stack=stack, folder=folder)
        from documents.vault import immutable

        immutable.unlock_for_removal(folder=pathlib.Path(folder, "vault"))  # it is probed, and holds nothing
        print("| what | goal | measured | spread |\n|---|---|---|---|")
        for name in (LARGE, "walked"):
            _copy(stack=stack, name=name)
        keys = {
            name: _filled(stack=stack, name=name, rows=rows)
            for name, rows in ((services.DATABASE, FEW), (LARGE, options.many))
        }
        for row in (
            *lists(keys=keys, many=options.many),
            *walks(stack=stack, rows=options.walked),
            *refusals(key=keys[services.DATABASE][0], pairs=options.pairs),
        ):
            print(row, flush=True)


def _start(*, stack: services.Stack, folder: str) -> None:
    """Provision a database, with what lets rows in without their events."""
    for name, value in stack.environment().items():
        env.put(name=name, value=value)
    for name, value in (
        ("ENVIRONMENT", "test"),
        ("VAULT_URL", f"file://{folder}/vault"),
        ("MAIL_URL", f"file://{folder}/mail"),
        ("DJANGO_SETTINGS_MODULE", "config.settings"),
    ):
        env.put(name=name, value=value)
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from tests.services import force

    settings.API_REQUESTS_MAX = 10**9
    settings.ALLOWED_HOSTS = ["testserver"]
    call_command("provision", verbosity=0)
    logging.disable(logging.ERROR)
    force.prepare(stack=stack)


def _copy(*, stack: services.Stack, name: str) -> None:
    """Copy the provisioned database."""
    from django.db import connections

    connections.close_all()
    with psycopg.connect(stack.postgres.url(), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}" OWNER {services.OWNER_ROLE} TEMPLATE {services.DATABASE}')
        server.execute(f'GRANT CONNECT ON DATABASE "{name}" TO {services.RUNTIME_ROLE}')


@contextmanager
def _within(name: str) -> Iterator[None]:
    """Let every connection lead to a database."""
    from django.contrib.contenttypes.models import ContentType
    from django.db import connections
    from guardian.ctypes import get_content_type

    for alias in ("default", "denials"):
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name
    ContentType.objects.clear_cache()
    getattr(get_content_type, "cache_clear", lambda: None)()
    yield
    connections.close_all()


def _keys(*, owners: int) -> list[str]:
    """Return the keys of drivers, spread over all owners."""
    import datetime as dt

    from django.utils import timezone

    from audit import log
    from documents.access import keys
    from documents.access.admission import KeyScope
    from documents.models import Party
    from tests import cast

    made = []
    for number in range(min(DRIVERS, owners - 2)):
        party = Party.objects.get(platform_id=f"drv_crowd_{2 + number * (owners - 2) // DRIVERS}")
        user = cast.staff(name=f"driver_{number}", roles=["driver"], countries=[]).user
        cast.grant("documents.own_party", user, party)
        _row, text = keys.create(
            user=user,
            party=party,
            name="bench",
            scopes=list(KeyScope),
            actor=log.SYSTEM,
            expires_at=timezone.now() + dt.timedelta(days=1),
        )
        made.append(text)
    return made


def _asked_ms(*, key: str, path: str, status: int = 200) -> float:
    """Return how long an answer takes."""
    from django.test import Client

    client = Client(headers={"Authorization": f"Bearer {key}"})
    started = time.perf_counter()
    answer = client.get(path)
    took = (time.perf_counter() - started) * 1000
    if answer.status_code != status:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.content[:300]!r}")
    return took


def _filled(*, stack: services.Stack, name: str, rows: int) -> list[str]:
    """Pour documents into a database; return the keys of drivers, each with as many of them in any database."""
    from tests.documents import crowd

    started = time.perf_counter()
    with _within(name):
        owners = rows // (DOCUMENTS_EACH + DOCUMENTS_EACH // 9)  # a tenth is the fleet's
        crowd.pour(stack=stack, rows=rows, owners=owners, apart=APART, database=name)
        keys = _keys(owners=owners)
    print(f"{rows} documents in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return keys


def lists(*, keys: dict[str, list[str]], many: int) -> Iterator[str]:
    """Compare the driver's list in two databases."""
    took: dict[str, list[float]] = {name: [] for name in keys}
    for number in range(ROUNDS):
        for name in list(keys)[:: -1 if number % 2 else 1]:
            with _within(name):
                chosen = random.choices(keys[name], k=REQUESTS)
                _asked_ms(key=chosen[0], path=LIST)  # the connection is new
                took[name] += [_asked_ms(key=key, path=LIST) for key in chosen]
    few, most = (_p95(took[name]) for name in keys)
    medians = " / ".join(f"{statistics.median(took[name]):.1f}" for name in keys)
    yield (
        f"| driver's list, p95, {many:,} documents over {FEW:,} | <= 1.5 | {most / few:.2f} |"
        f" {most:.1f} / {few:.1f} ms (medians, few / many: {medians} ms), {ROUNDS * REQUESTS} each |"
    )


def _p95(values: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


def walks(*, stack: services.Stack, rows: int) -> Iterator[str]:
    """Walk over documents that all share one moment."""
    from tests.documents import center, crowd

    with _within("walked"):
        crowd.pour(stack=stack, rows=rows, apart="0", database="walked")
        browser = center.client(member=center.staff(roles=["finance"], countries=["ES", "MX", "CO"], name="walker"))
        for query in ("", "updated_after=2000-01-01T00:00:00Z&", "issued_after=2000-01-01T00:00:00Z&"):
            seen: list[str] = []
            path: str | None = f"/api/v1/documents/?{query}limit=100"
            started = time.perf_counter()
            while path:
                page = browser.get(path).json()
                seen += [row["id"] for row in page["data"]]
                path = page["has_more"] and f"/api/v1/documents/?{query}limit=100&cursor={page['next_cursor']}"
            took = time.perf_counter() - started
            once = (
                "each once" if len(seen) == len(set(seen)) == rows else f"{len(seen)} met, {len(set(seen))} different"
            )
            ordered = query.partition("=")[0] or "no filter"
            yield (
                f"| walk over {rows:,} documents of one moment, {ordered} | each once | {once} |"
                f" {took * 1e5 / rows:.1f} ms a page |"
            )


def refusals(*, key: str, pairs: int) -> Iterator[str]:
    """Compare what it takes to be refused a document of somebody else and one that nobody has."""
    from documents.models import Document

    with _within(services.DATABASE):
        foreign = [
            str(name)
            for name in Document.objects.filter(owner__platform_id="drv_crowd_1")
            .order_by("?")
            .values_list("public_id", flat=True)[:pairs]
        ]
        for rest in ("", "content/", "data/", "timeline/"):
            took: dict[str, list[float]] = {"foreign": [], "unknown": []}
            for number in range(pairs):
                asked = {"foreign": random.choice(foreign), "unknown": f"doc_crowd{10**7 + random.randrange(10**4)}"}
                for name in list(asked)[:: -1 if number % 2 else 1]:
                    path = f"/api/v1/documents/{asked[name]}/{rest}"
                    took[name].append(_asked_ms(key=key, path=path, status=403))
            ratio = statistics.median(took["foreign"]) / statistics.median(took["unknown"])
            paired = sorted(one / other for one, other in zip(took["foreign"], took["unknown"], strict=True))
            middle = f"{paired[len(paired) // 4]:.2f} - {paired[len(paired) * 3 // 4]:.2f}"
            yield (
                f"| refused, foreign over unknown, /documents/{{id}}/{rest} | 0.9 - 1.1 | {ratio:.3f} |"
                f" {middle} (middle half of {pairs} pairs) |"
            )


if __name__ == "__main__":
    main()
