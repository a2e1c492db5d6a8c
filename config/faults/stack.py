"""The private stack of a campaign: the product's processes, whose every dependency lies behind the fault proxy."""

import contextlib
import datetime as dt
import json
import pathlib
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from config import env
from config.faults import door, ends, knocks, levers, proxy
from config.faults.answers import Protocol
from config.simulation import demo, demo_keys, demo_people, event_parts, event_stream, processes, sender
from documents.access import actors, keys
from documents.resilience import dependencies

SAMPLES = pathlib.Path(__file__).resolve().parents[1] / "samples"
START_MAX_S, WARM_MAX_S, LOOK_EVERY_S = 120.0, 120.0, 0.2
FOLLOWED_S = 5 * levers.READ_EVERY_S
SLOWNESS = 10  # times what the row gives a connection
LOGIN = "admin"
PORTS = {  # TABLE: the proxy's port -> what is spoken there
    "vault": Protocol.S3,
    "vault_former": Protocol.S3,
    "vault_canary": Protocol.S3,
    "mail": Protocol.SMTP,
    "redis": Protocol.REDIS,
    "postgresql": Protocol.POSTGRESQL,
    "alert_channel": Protocol.HTTP,
    "alert_channel_2": Protocol.HTTP,
}
FORMER_EVENTS, WARM_EVENTS = 8, 8
Row = tuple[Any, ...]


@dataclass(kw_only=True)
class FaultStack:
    """A running system; `events` and `keys` are all that were sent and that must have come of it."""

    faults: proxy.Proxy
    alerts: ends.KeptAlerts
    folder: pathlib.Path
    group: processes.ProcessGroup
    database: psycopg.Connection[Row]
    api_key: str
    events: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    former: str = ""  # a document that lies in the former store
    session: str = ""
    knocking: knocks.KnockWatch = field(default_factory=knocks.KnockWatch)
    blamed: set[str] = field(default_factory=set)  # what the outside checker has said

    def post(self, *, event: event_parts.EventBody) -> door.DoorAnswer:
        """Sign and post one event once."""
        body = json.dumps(event, ensure_ascii=False).encode()
        secret = settings.WEBHOOK_SECRETS[sender.service_of(event=event)][0]
        signed = sender.headers(body=body, secret=secret)
        answer = door.ask(base_url=self.group.url, method="POST", path=sender.PATH, body=body, headers=signed)
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            with contextlib.suppress(ValueError):
                self.events[str(event["id"])] = str(json.loads(answer.body).get("status"))
        return answer

    def read(self, *, path: str) -> door.DoorAnswer:
        """Ask for something as a member of staff who may see everything."""
        return self.ask("GET", path, headers={"Authorization": f"Bearer {self.api_key}"})

    def ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None) -> door.DoorAnswer:
        """Make one request at the product's door."""
        return door.ask(base_url=self.group.url, method=method, path=path, headers=headers)

    def page(self, *, path: str) -> door.DoorAnswer:
        """Open a page of the Document Center, signed in."""
        if not self.session:
            self.session = door.sign_in(base_url=self.group.url, login=LOGIN, password=password())
        return self.ask("GET", path, headers={"Cookie": self.session})

    def read_former(self) -> door.DoorAnswer:
        """Ask for the document that lies in the former store."""
        return self.read(path=f"/api/v1/documents/{self.former}/content/")

    def rows(self, query: str, parameters: Collection[object] = ()) -> list[Row]:
        """Ask the database, past the proxy."""
        return self.database.execute(query.encode(), list(parameters)).fetchall()

    def documents(self, *, keys: Collection[str]) -> dict[str, Row]:
        """Return {document key: (public id, status, cause, attempts)} of those that exist."""
        query = "SELECT document_key, public_id, status, cause, attempts FROM documents_document"
        return {row[0]: row[1:] for row in self.rows(f"{query} WHERE document_key = ANY(%s)", [list(keys)])}

    def pids(self) -> dict[str, int]:
        """Return the processes that serve."""
        return {name: server.process.pid for name, server in self.group.processes.items() if server.process}

    def restart(self) -> None:
        """Kill what serves and let it be started anew: what was broken must not break the next cell."""
        before, began = self.pids(), time.monotonic()
        for name in self.group.processes:
            self.group.kill(name=name)
        until = time.monotonic() + START_MAX_S
        while set(before.values()) & set(self.pids().values()) and time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)
        self.group.await_web(within_s=START_MAX_S)
        fresh = (
            "SELECT 1 FROM documents_heartbeat WHERE role = 'worker' AND began_at > now() - make_interval(secs => %s)"
        )
        while not self.rows(fresh, [time.monotonic() - began]) and time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)
        while b'"status": "ok"' not in self.ask("GET", "/readyz").body and time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)

    def plant(self, *, name: str) -> None:
        """Take the fallback of a row out of the processes that serve."""
        levers.pull(folder=self.folder, now=levers.LeverOrders(planted=name))
        time.sleep(FOLLOWED_S)

    def log_sizes(self) -> dict[str, int]:
        """Return how much each process has logged."""
        return {name: (self.folder / f"{name}.log").stat().st_size for name in self.group.processes}

    def logged(self, *, since: Mapping[str, int]) -> Iterator[dict[str, Any]]:
        """Yield the lines that all processes have logged since `log_sizes`."""
        for name, size in since.items():
            with (self.folder / f"{name}.log").open("rb") as log:
                log.seek(size)
                for line in log.read().splitlines():
                    with contextlib.suppress(ValueError):
                        yield json.loads(line)


@contextlib.contextmanager
def running(*, seed: int, planted: str = "", quick: bool = False, former: bool = False) -> Iterator[FaultStack]:
    """Run the product behind the proxy, with documents in a former store where `former` says so.

    :raises TimeoutError: it does not come up, or locks nothing
    """
    folder = demo.folder()
    with (
        ends.KeptAlerts() as alerts,
        ends.KeptMail(folder=folder / "mail") as mail,
        proxy.Proxy(seed=seed) as faults,
        psycopg.connect(env.text(name="DATABASE_URL"), autocommit=True) as database,
    ):
        environment = _environment(faults=faults, alerts=alerts, mail=mail)
        environment |= {levers.FOLDER: str(folder), levers.PLANTED: planted, levers.QUICK: "1" if quick else ""}
        levers.pull(folder=folder, now=levers.LeverOrders())
        made: Mapping[str, Any] = {
            "faults": faults,
            "alerts": alerts,
            "folder": folder,
            "database": database,
            "api_key": _api_key(),
        }
        events, expected, lies_there = dict[str, str](), set[str](), ""
        if former:
            before = environment | {"VAULT_URL": environment["VAULT_FORMER_URL"], "VAULT_FORMER_URL": ""}
            with demo.process_group(beat=False, pause_s=0.2, environment=before) as group:
                stack = FaultStack(group=group, **made)
                warm_up(stack=stack, stream=stream_of(seed=seed, number=9001, count=FORMER_EVENTS))
                events, expected = stack.events, stack.keys
                lies_there = next(iter(stack.documents(keys=expected).values()))[0]
        with demo.process_group(beat=False, pause_s=0.2, environment=environment) as group:
            stack = FaultStack(group=group, **made, events=events, keys=expected, former=lies_there)
            warm_up(stack=stack, stream=stream_of(seed=seed, number=9002, count=WARM_EVENTS))
            yield stack


def warm_up(*, stack: FaultStack, stream: event_stream.Stream) -> None:
    """Send a few events and wait until all that comes of them is locked: the stack is well.

    :raises TimeoutError: it is not
    """
    stack.group.await_web(within_s=START_MAX_S)
    stack.keys |= stream.keys
    for event in stream.events:
        stack.post(event=event)
    until = time.monotonic() + WARM_MAX_S
    while time.monotonic() < until:
        states = [row[1] for row in stack.documents(keys=stream.keys).values()]
        if len(states) == len(stream.keys) and set(states) <= {"LOCKED"}:
            return
        time.sleep(LOOK_EVERY_S)
    raise TimeoutError(f"the stack does not lock: {stack.documents(keys=stream.keys)}")


def stream_of(*, seed: int, number: int, count: int) -> event_stream.Stream:
    """Draw the events of one cell, which no other cell has: receipts with their refunds, in the order they happened.

    A stream of which no document comes is drawn again.
    """
    drawn = (
        event_stream.draw(seed=(seed * 100 + turn) * 10_000 + number, count=count, shuffled=False) for turn in range(99)
    )
    return next(stream for stream in drawn if stream.keys)


def password() -> str:
    """Return the password of the campaign's staff."""
    return env.text(name="SECRET_KEY")[:20]


def _api_key() -> str:
    """Provision, add issuers and staff, and return the key of a member of staff who may see everything."""
    actor = actors.program(name="fault_campaign", channel="command")
    if not User.objects.filter(username=LOGIN).exists():
        call_command("add_issuer", str(SAMPLES / "issuers.json"), stdout=(demo.folder() / "issuers.log").open("w"))
        demo_people.add_staff(password=password(), actor=actor)
    person, scopes = User.objects.get(username=LOGIN), demo_keys.STAFF["finance"][1]
    made_at = timezone.now()
    _row, text = keys.create(
        user=person,
        party=None,
        name=f"campaign {made_at:%H%M%S}",
        scopes=scopes,
        actor=actor,
        expires_at=made_at + dt.timedelta(days=1),
    )
    connections.close_all()
    return text


def _environment(*, faults: proxy.Proxy, alerts: ends.KeptAlerts, mail: ends.KeptMail) -> dict[str, str]:
    """Open the proxy's ports and return the variables that lead the product to them."""
    upstream = {
        "vault": _port(env.text(name="VAULT_URL").partition("endpoint=")[2].partition("&")[0]),
        "redis": _port(env.text(name="REDIS_URL")),
        "postgresql": _port(env.text(name="DATABASE_URL")),
        "mail": mail.port,
        "alert_channel": alerts.port,
    }
    upstream |= {"vault_former": upstream["vault"], "vault_canary": upstream["vault"], "alert_channel_2": alerts.port}
    number_of = {
        name: faults.add(
            name=name,
            protocol=protocol,
            upstream=upstream[name],
            slow_s=SLOWNESS * dependencies.DEPENDENCIES[name].connect_s,
        )
        for name, protocol in PORTS.items()
    }

    def moved(variable: str, name: str) -> str:
        return env.text(name=variable).replace(f":{upstream[name]}", f":{number_of[name]}")

    return {
        "DJANGO_SETTINGS_MODULE": "config.faults.settings",
        "DATABASE_URL": moved("DATABASE_URL", "postgresql"),
        "DATABASE_OWNER_URL": "",
        "REDIS_URL": moved("REDIS_URL", "redis"),
        "VAULT_URL": moved("VAULT_URL", "vault"),
        "VAULT_CANARY_URL": moved("VAULT_CANARY_URL", "vault_canary"),
        "VAULT_FORMER_URL": moved("VAULT_URL", "vault_former"),
        "MAIL_URL": f"smtp://127.0.0.1:{number_of['mail']}",
        "ALERT_URL": f"http://127.0.0.1:{number_of['alert_channel']}/alerts",
        "ALERT_URL_2": f"http://127.0.0.1:{number_of['alert_channel_2']}/alerts",
    }


def _port(url: str) -> int:
    return int(urlsplit(url).port or 0)
