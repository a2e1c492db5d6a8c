"""The crash campaign finds nothing on the line as it is, and its outside checker finds every planted defect."""

import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import psycopg
import pytest

from config import env
from config.embedded import services
from config.simulation import event_parts, event_stream, outside_checker
from tests.services import database
from tests.services.live import Live, live, order, payment, payout

__all__ = ["live"]

SMALL = ("--seed", "7", "--events", "40", "--senders", "16", "--kills", "3", "--web-kills", "1", "--json")


@pytest.mark.timeout(300)
def test_a_small_campaign_passes_with_servers_of_its_own_and_leaves_nothing_behind() -> None:
    before = set((env.BASE_DIR / "var" / "crash_campaign").glob("*"))
    variables = {"DATABASE_URL": "", "DATABASE_OWNER_URL": "", "REDIS_URL": "", "ENVIRONMENT": ""}
    ran = subprocess.run(
        [sys.executable, "manage.py", "crash_campaign", *SMALL],
        cwd=env.BASE_DIR,
        env=env.inherited() | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    report = json.loads(ran.stdout.strip().splitlines()[-1])
    assert (report["passed"], report["findings"], report["kills"], report["web_kills"]) == (True, [], 3, 1)
    assert report["figures"]["documents"] == len(event_stream.draw(seed=7, count=40).keys)
    assert report["figures"]["mails"] >= 1
    lines = [json.loads(line) for line in ran.stderr.splitlines() if line.startswith("{")]
    assert {line["progress"] for line in lines} == {"eventos enviados", "documentos resguardados"}
    assert set((env.BASE_DIR / "var" / "crash_campaign").glob("*")) == before


@pytest.mark.parametrize("seed", range(5))
def test_a_stream_is_the_same_for_the_same_seed_and_holds_what_a_month_holds(seed: int) -> None:
    drawn = event_stream.draw(seed=seed, count=600)
    assert drawn == event_stream.draw(seed=seed, count=600)
    assert drawn != event_stream.draw(seed=seed + 1, count=600)
    ids = [event["id"] for event in drawn.events]
    assert len(ids) == 600
    assert len(set(ids)) < 600  # some are told twice
    told = {event["type"] for event in drawn.events}
    assert {"PAYMENT_CAPTURED", "ORDER_COMPLETED", "ORDER_ADJUSTED", "PAYOUT_SENT", "REFUND_ISSUED"} <= told
    assert {"ORDER_REASSIGNED", "ORDER_CANCELED"} <= told
    assert {event["country"] for event in drawn.events} == {"ES", "MX", "CO"}
    places = {event["id"]: place for place, event in reversed(list(enumerate(drawn.events)))}
    early = [
        event
        for event in drawn.events
        if event["type"] == "REFUND_ISSUED" and _place_of_payment(drawn, event) > places[event["id"]]
    ]
    assert early, "nothing is parked in this stream"


def _place_of_payment(drawn: event_stream.Stream, refund: event_parts.EventBody) -> int:
    wanted = refund["data"]["refund"]["payment_id"]
    return next(
        place
        for place, event in enumerate(drawn.events)
        if event["type"] == "PAYMENT_CAPTURED" and event["data"]["payment"]["id"] == wanted
    )


# --- planted defects: a checker that finds nothing must be one that would find something ---


class Scene:
    """A database, a vault and a mailbox that are in order, in a copy that a test may spoil."""

    def __init__(self, *, stack: services.Stack, folder: pathlib.Path, keys: list[str], events: dict[str, str]) -> None:
        self.stack, self.folder, self.keys, self.events = stack, folder, keys, events
        self.url = stack.superuser_url.replace(f"/{services.DATABASE}", "/spoilt")

    def force(self, statement: str) -> None:
        """Do what only a superuser can who switches every trigger off."""
        with psycopg.connect(self.url, autocommit=True) as server:
            server.execute("SET session_replication_role = replica")
            server.execute("ALTER TABLE audit_event DISABLE TRIGGER ALL")  # the log's own fire even then
            assert server.execute(statement.encode()).rowcount > 0, statement

    def pdf(self) -> pathlib.Path:
        """Return one stored document."""
        return next(path for path in sorted((self.folder / "vault").rglob("*.pdf")) if not path.name.startswith("."))

    def mail(self) -> pathlib.Path:
        """Return one mail."""
        return min((self.folder / "mail").glob("*.eml"))

    def findings(self) -> list[str]:
        """Ask the outside checker."""
        _, found = outside_checker.check(
            database_url=self.url,
            vault=self.folder / "vault",
            mail=self.folder / "mail",
            keys=self.keys,
            events=self.events,
        )
        return found


@pytest.fixture(scope="module")
def in_order(live: Live) -> Iterator[dict[str, str]]:
    """What was sent, once the processes are gone and the database can be copied."""
    ride = order()
    name, driver = ride["data"]["order"]["id"], ride["data"]["driver"]["id"]
    sent = [payment(), payment(), ride, payout(name=name, orders=[name], payee=driver)]
    told = {event["id"]: live.post(event).body["status"] for event in sent}
    live.await_quiet()
    with live.process_group.without(name="web"), live.process_group.without(name="worker"):
        with psycopg.connect(live.stack.postgres.url(), autocommit=True) as server:
            database._copy(server=server, of=services.DATABASE, to="in_order")
        yield told
        with psycopg.connect(live.stack.postgres.url(), autocommit=True) as server:
            server.execute("DROP DATABASE in_order WITH (FORCE)")


@pytest.fixture
def scene(live: Live, in_order: dict[str, str], tmp_path: pathlib.Path) -> Iterator[Scene]:
    for name in ("vault", "mail"):
        shutil.copytree(live.folder / name, tmp_path / name)
    keys = [row["document_key"] for row in live.rows("SELECT document_key FROM documents_document")]
    with psycopg.connect(live.stack.postgres.url(), autocommit=True) as server:
        database._copy(server=server, of="in_order", to="spoilt")
        yield Scene(stack=live.stack, folder=tmp_path, keys=keys, events=in_order)
        server.execute("DROP DATABASE spoilt WITH (FORCE)")


def _overwrite(path: pathlib.Path, old: bytes, new: bytes) -> None:
    body = path.read_bytes()
    assert old in body
    path.chmod(0o644)
    path.write_bytes(body.replace(old, new, 1))
    path.chmod(0o444)


def _another_mail(scene: Scene) -> None:
    mail = scene.mail()
    text = mail.read_text(encoding="utf-8")
    (scene.folder / "mail" / "zzz.eml").write_text(
        text.replace("Message-ID: <", "Message-ID: <other"), encoding="utf-8"
    )


PLANTED: dict[str, tuple[Callable[[Scene], object], str]] = {
    "a document that is lost": (lambda it: it.keys.append("PAYMENT_RECEIPT:payment:lost:customer"), "no document"),
    "a document too many": (lambda it: it.keys.pop(), "nothing should have caused"),
    "an event that is lost": (lambda it: it.events.update(evt_lost="processed"), "accepted (processed) and lost"),
    "an event that waits": (
        lambda it: it.force("UPDATE documents_event SET status = 'parked' WHERE type = 'PAYOUT_SENT'"),
        "parked",
    ),
    "a document unlocked": (
        lambda it: it.force("UPDATE documents_document SET status = 'ISSUED' WHERE kind = 'PAYOUT_STATEMENT'"),
        "ISSUED",
    ),
    "a gap in the numbers": (
        lambda it: it.force("UPDATE documents_document SET sequence = 9 WHERE sequence = 2"),
        "missing [2]",
    ),
    "a number given away": (
        lambda it: it.force("UPDATE documents_series SET next = next + 1 WHERE next > 1"),
        "next is",
    ),
    "bytes changed in the vault": (lambda it: _overwrite(it.pdf(), b"%PDF-1", b"%PDF-2"), "not the row's"),
    "bytes gone from the vault": (lambda it: it.pdf().unlink(), "no bytes under"),
    "bytes that can be written": (lambda it: it.pdf().chmod(0o644), "can be written"),
    "bytes that nobody knows": (lambda it: shutil.copy(it.pdf(), it.pdf().with_name("other.pdf")), "no document names"),
    "content changed in the database": (
        lambda it: it.force(
            "UPDATE documents_document SET content = replace(content, 'Madrid', 'Toledo') WHERE content LIKE '%Madrid%'"
        ),
        "not what was hashed",
    ),
    "content changed with its hash": (
        lambda it: it.force(
            "UPDATE documents_document SET content = replace(content, 'Madrid', 'Toledo'), content_sha256 ="
            " encode(sha256(convert_to(replace(content, 'Madrid', 'Toledo'), 'UTF8')), 'hex')"
            " WHERE content LIKE '%Madrid%'"
        ),
        "embedded content",
    ),
    "a state without its event": (
        lambda it: it.force("DELETE FROM audit_event WHERE action = 'document.locked'"),
        "0 events document.locked",
    ),
    "a state with two events": (
        lambda it: it.force("UPDATE audit_event SET action = 'document.locked' WHERE action = 'document.issued'"),
        "2 events document.locked",
    ),
    "a mail that never went out": (lambda it: it.mail().unlink(), "no Message-ID"),
    "a second mail with another Message-ID": (_another_mail, "unknown Message-ID"),
    "a notice that never went out": (
        lambda it: it.force(
            "INSERT INTO documents_notice (public_id, event_id, party_id, address, locale, message_id, status, cause,"
            " attempts, queued_at) SELECT 'ntc_x', e.id, p.id, '', 'es', '<x@x>', 'SENT', '', 1, now()"
            " FROM documents_event e, documents_party p LIMIT 1"
        ),
        "not out",
    ),
    "a mail marked as waiting": (
        lambda it: it.force("UPDATE documents_delivery SET status = 'QUEUED' WHERE channel = 'EMAIL'"),
        "QUEUED",
    ),
    "an open P1": (
        lambda it: it.force(
            "INSERT INTO documents_alert (public_id, dedup_key, code, severity, values, object_id, runbook,"
            " count, attempts) VALUES ('alr_x', 'x', 'number_gap', 'P1', '{}', '', '', 1, 0)"
        ),
        "open P1 alert",
    ),
}


def test_a_scene_in_order_is_found_in_order(scene: Scene) -> None:
    assert scene.findings() == []


@pytest.mark.parametrize("defect", PLANTED)
def test_a_planted_defect_is_found(scene: Scene, defect: str) -> None:
    plant, words = PLANTED[defect]
    plant(scene)
    found = scene.findings()
    assert any(words in one for one in found), found
