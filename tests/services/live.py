"""The running product as a fixture: gunicorn and a Celery worker on the session's servers, talked to from outside.

What a test asks of it, it asks over HTTP, of the database, the vault and the mailbox. Ids are new in each test, so that
tests of one module share the processes; the database is put back when the module ends, its bucket goes with the store.
"""

import contextlib
import dataclasses
import http.client
import itertools
import json
import pathlib
import secrets
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone
from psycopg.rows import dict_row
from pytest_django.plugin import DjangoDbBlocker

from audit import log
from config.embedded import machine, services
from config.simulation import outside_checker, processes, sender
from documents.vault import immutable, probes
from tests.services import database, objects

SAMPLES = pathlib.Path(__file__).resolve().parent.parent / "samples"
HASTE = {"LEASE_S": "3", "SWEEP_EVERY_S": "1"}
LOOK_EVERY_S = 0.1
PATIENCE_S = 60.0
_serial = itertools.count(1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LiveAnswer:
    """What the door said."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclasses.dataclass(kw_only=True)
class Live:
    """A running system and how to talk to it."""

    process_group: processes.ProcessGroup
    stack: services.Stack
    folder: pathlib.Path
    vault_url: str

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.process_group.url

    def post(
        self,
        event: object = None,
        *,
        raw: bytes | None = None,
        service: str = "",
        secret: str = "",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> LiveAnswer:
        """Sign and post one body, once, and return the answer whatever it is."""
        body = raw if raw is not None else json.dumps(event, ensure_ascii=False).encode()
        service = service or (sender.service_of(event=event) if isinstance(event, dict) else "orders")
        signed = sender.headers(body=body, secret=secret or settings.WEBHOOK_SECRETS[service][0])
        return self.ask("POST", sender.PATH, body=body, headers={**signed, **(headers or {})}, timeout_s=timeout_s)

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> LiveAnswer:
        """Make one HTTP request; JSON answers are read, others are bytes."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=timeout_s)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            said = response.read()
        finally:
            connection.close()
        kept = {name.lower(): value for name, value in response.getheaders()}
        is_json = "json" in kept.get("content-type", "")
        return LiveAnswer(status=response.status, headers=kept, body=json.loads(said) if is_json else said)

    def rows(self, query: str, parameters: Collection[object] = ()) -> list[dict[str, Any]]:
        """Ask the database, as a superuser who sees everything."""
        with psycopg.connect(self.stack.superuser_url, row_factory=dict_row, autocommit=True) as server:
            return server.execute(query, list(parameters)).fetchall()

    def one(self, query: str, parameters: Collection[object] = ()) -> Any:
        """Return the only value of the only row."""
        (row,) = self.rows(query, parameters)
        (value,) = row.values()
        return value

    def numbered(self) -> int:
        """Return how many numbers have been taken, in all series."""
        return int(self.one("SELECT coalesce(sum(next - first), 0) FROM documents_series"))

    def await_quiet(self, *, within_s: float = PATIENCE_S) -> None:
        """Return when nothing is on its way any more: all locked, all mails that are due out."""
        query = """
        SELECT (SELECT count(*) FROM documents_document WHERE status = 'ISSUED')
             + (SELECT count(*) FROM documents_delivery WHERE status = 'QUEUED' AND channel = 'EMAIL') AS waiting
        """
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if not self.one(query):
                return
            time.sleep(LOOK_EVERY_S)
        raise AssertionError(f"not quiet after {within_s} s; the worker said: {self.process_group.log(name='worker')}")

    def await_locked(self, *, keys: Collection[str], within_s: float = PATIENCE_S) -> list[dict[str, Any]]:
        """Return the rows of documents once all of them are LOCKED."""
        query = "SELECT * FROM documents_document WHERE document_key = ANY(%s) AND status = 'LOCKED'"
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if len(rows := self.rows(query, [list(keys)])) == len(keys):
                return rows
            time.sleep(LOOK_EVERY_S)
        raise AssertionError(f"not locked after {within_s} s; the worker said: {self.process_group.log(name='worker')}")

    def check(self, *, keys: Collection[str] | None = None, events: Mapping[str, str] | None = None) -> list[str]:
        """Return the outside checker's findings; without `keys`, any documents may exist."""
        rows = self.rows("SELECT document_key FROM documents_document")
        _, findings = outside_checker.check(
            database_url=self.stack.superuser_url,
            vault=self.vault_url,
            mail=self.folder / "mail",
            keys=[row["document_key"] for row in rows] if keys is None else keys,
            events=events or {},
        )
        return findings + self.process_group.locks_out_of_order()


def payment(*, name: str = "", net: str = "22.00", gross: str = "24.20", **changes: object) -> dict[str, Any]:
    """Return a payment in Spain that can be issued, with ids that no other test has."""
    name = name or f"t{next(_serial)}"
    data: dict[str, Any] = {
        "currency": "EUR",
        "payment": {
            "id": f"pay_{name}",
            "method": "card",
            "last4": "4242",
            "captured_at": "2026-02-21T08:40:09Z",
            "amount": gross,
        },
        "order": {"id": f"ord_{name}", "service": "PASSENGER_RIDE", "city": "Madrid"},
        "customer": {"id": f"cus_{name}", "legal_name": "Lucía Peña Ortiz", "email": f"{name}@example.com"},
        "lines": [{"id": "1", "kind": "FARE", "description": "Transporte", "amount": net, "tax": "IVA10"}],
    }
    return {
        "id": f"evt_{name}",
        "type": "PAYMENT_CAPTURED",
        "occurred_at": "2026-02-21T08:40:11Z",
        "country": "ES",
        "issuer": "aventide-es",
        "data": data,
    } | changes


def order(*, name: str = "", driver: str = "", tax_id: str = "12345678Z", **changes: object) -> dict[str, Any]:
    """Return a completed ride in Spain that leaves its driver 21.88 EUR."""
    name = name or f"t{next(_serial)}"
    person = {
        "id": driver or f"drv_{name}",
        "legal_name": "Ana Ruiz Pardo",
        "tax_id": tax_id,
        "email": f"{name}@example.com",
    }
    data: dict[str, Any] = {
        "currency": "EUR",
        "order": {"id": f"ord_{name}", "service": "PASSENGER_RIDE", "completed_at": "2026-02-21T08:58:04Z"},
        "driver": person,
        "lines": [
            {"id": "1", "kind": "FARE", "description": "Transporte", "amount": "22.00", "tax": "IVA10"},
            {"id": "2", "kind": "TIP", "description": "Propina", "amount": "3.00"},
            {"id": "3", "kind": "PLATFORM_FEE", "description": "Comisión", "amount": "-4.40", "tax": "IVA21"},
        ],
        "withholdings": [],
        "totals": {"payable": "21.88"},
    }
    return {
        "id": f"evt_ord_{name}",
        "type": "ORDER_COMPLETED",
        "occurred_at": "2026-02-21T08:58:04Z",
        "country": "ES",
        "issuer": "aventide-es",
        "data": data,
    } | changes


def payout(*, name: str, orders: list[str], payee: str, amount: str = "21.88", **changes: object) -> dict[str, Any]:
    """Return a transfer that settles orders of `order`."""
    data: dict[str, Any] = {
        "currency": "EUR",
        "payout": {
            "id": f"po_{name}",
            "method": "SEPA",
            "destination_masked": "ES** **** 6789",
            "sent_at": "2026-02-23T07:03:55Z",
            "reference": "AVT-1",
            "amount": amount,
        },
        "payee": {"id": payee},
        "period": {"from": "2026-02-16", "to": "2026-02-22"},
        "orders": orders,
        "adjustments": [],
        "withholdings": [],
        "cash_collected": "0.00",
        "opening_carry_over": "0.00",
        "closing_carry_over": "0.00",
    }
    return {
        "id": f"evt_po_{name}",
        "type": "PAYOUT_SENT",
        "occurred_at": "2026-02-23T07:03:55Z",
        "country": "ES",
        "issuer": "aventide-es",
        "data": data,
    } | changes


def unlike(event: Mapping[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return a copy of an event with another value at a pointer such as `/data/lines/0/amount`."""
    copy: Any = json.loads(json.dumps(event))
    *parents, last = path.strip("/").split("/")
    place = copy
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[int(last) if isinstance(place, list) else last] = value
    return dict(copy)


@pytest.fixture(scope="module")
def live(
    stack: services.Stack, s3_objects: objects.Objects, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Live]:
    """Run the product for the tests of one module, which lock in a bucket of their own."""
    bucket = s3_objects.bucket(name=f"live-{secrets.token_hex(4)}")
    with running(stack=stack, blocker=django_db_blocker, vault_url=bucket) as started:
        yield started


@contextlib.contextmanager
def running(
    *, stack: services.Stack, blocker: DjangoDbBlocker, vault_url: str = "", variables: Mapping[str, str] | None = None
) -> Iterator[Live]:
    """Run the product with an empty database, put back afterwards; it locks in a folder where no `vault_url` is given."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="live-", dir=machine.VAR / "tests"))
    with blocker.unblock():
        call_command("add_issuer", str(SAMPLES / "issuers.json"), stdout=(folder / "issuers.log").open("w"))
        database.connections.close_all()
    vault_url = vault_url or f"file://{folder / 'vault'}"
    listening = processes.listen()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    environment = {
        **stack.environment(),
        **HASTE,
        "PUBLIC_URL": url,
        "VAULT_URL": vault_url,
        "MAIL_URL": f"file://{folder / 'mail'}",
        **(variables or {}),
    }
    (folder / "mail").mkdir()
    with blocker.unblock(), override_settings(VAULT_URL=vault_url):  # as `provision` does
        probes.prove(actor=log.SYSTEM, now=timezone.now())
        database.connections.close_all()
    try:
        with processes.ProcessGroup(
            folder=folder, listening=listening, environment=environment, beat=False, pause_s=0.2, patience_s=0
        ) as process_group:
            process_group.await_web(within_s=PATIENCE_S)
            yield Live(process_group=process_group, stack=stack, folder=folder, vault_url=vault_url)
    finally:
        listening.close()
        with blocker.unblock():
            database.restore(stack=stack)
        immutable.unlock_for_removal(folder=folder)
        shutil.rmtree(folder)
