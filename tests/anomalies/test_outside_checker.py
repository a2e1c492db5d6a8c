"""The outside checker finds every planted defect: in the database, in the vault (a folder, a bucket) and in the mailbox."""

import pathlib
import secrets
import shutil
from collections.abc import Callable, Iterator

import psycopg
import pytest
from pytest_django import DjangoDbBlocker

from config.embedded import services
from config.simulation import outside_checker
from documents.vault import address
from tests.services import database, liar, objects
from tests.services.live import Live, order, payment, payout, running


class Scene:
    """A database, a vault and a mailbox that are in order, in a copy that a test may spoil."""

    def __init__(self, *, live: Live, folder: pathlib.Path, events: dict[str, str], name: str = "spoilt") -> None:
        self.folder, self.events = folder, {**events}
        self.keys = [row["document_key"] for row in live.rows("SELECT document_key FROM documents_document")]
        self.url = live.stack.superuser_url.replace(f"/{services.DATABASE}", f"/{name}")
        self.vault_url = f"file://{folder / 'vault'}"

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
            vault=self.vault_url,
            mail=self.folder / "mail",
            keys=self.keys,
            events=self.events,
        )
        return found


@pytest.fixture(scope="module")
def live(stack: services.Stack, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Live]:
    """The product over a folder, which can be spoilt."""
    with running(stack=stack, blocker=django_db_blocker) as started:
        yield started


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
    with psycopg.connect(live.stack.postgres.url(), autocommit=True) as server:
        database._copy(server=server, of="in_order", to="spoilt")
        yield Scene(live=live, folder=tmp_path, events=in_order)
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


# -- the same scene in a bucket: each lie of a store is a defect --

LOCK_END = "(retain_until + 1)::timestamp AT TIME ZONE (content::json->>'time_zone')"
LIES = {
    "no_lock": "its lock is None",
    "governance": "its lock is GOVERNANCE",
    "day_short": "its lock ends at",
    "truncated": "not the row's",
    "bit_flip": "not the row's",
    "other_version": "is not the row's",
    "then_404": "cannot be read",
    "stale": "no bytes under",
    "extra_version": "2 versions",
    "delete_marker": "a delete marker",
}


@pytest.fixture(scope="module")
def bucket_scene(live: Live, in_order: dict[str, str], s3_objects: objects.Objects) -> Iterator[Scene]:
    """The documents under lock in a bucket, as the database says."""
    with psycopg.connect(live.stack.postgres.url(), autocommit=True) as server:
        database._copy(server=server, of="in_order", to="bucket_scene")
        made = Scene(live=live, folder=live.folder, events=in_order, name="bucket_scene")
        name = f"scene-{secrets.token_hex(4)}"
        made.vault_url = s3_objects.bucket(name=name)
        for row in live.rows(f"SELECT id, vault_key, {LOCK_END} AS lock_end FROM documents_document"):
            stored = s3_objects.client().put_object(
                Bucket=name,
                Key=row["vault_key"],
                Body=(live.folder / "vault" / row["vault_key"]).read_bytes(),
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=row["lock_end"],
            )
            made.force(f"UPDATE documents_document SET vault_version = '{stored['VersionId']}' WHERE id = {row['id']}")
        yield made
        server.execute("DROP DATABASE bucket_scene WITH (FORCE)")


@pytest.fixture(scope="module")
def proxy(bucket_scene: Scene, s3_objects: objects.Objects) -> Iterator[liar.Liar]:
    """What stands between the checker and the bucket."""
    with liar.before(upstream=s3_objects.endpoint) as started:
        bucket_scene.vault_url = bucket_scene.vault_url.replace(s3_objects.endpoint, started.endpoint)
        yield started


def test_a_bucket_in_order_is_found_in_order_behind_an_honest_proxy_too(bucket_scene: Scene, proxy: liar.Liar) -> None:
    proxy.obey()
    assert bucket_scene.findings() == []
    assert [line for line in proxy.obey() if "versionId" in line], "the checker asked past the proxy"


@pytest.mark.parametrize("lie", LIES)
def test_what_a_store_lies_about_is_found(bucket_scene: Scene, proxy: liar.Liar, lie: str) -> None:
    proxy.obey(lie=lie)
    found = bucket_scene.findings()
    proxy.obey()
    assert any(LIES[lie] in line for line in found), found


def test_an_object_that_no_document_names_is_found(bucket_scene: Scene, s3_objects: objects.Objects) -> None:
    name = {"Bucket": address.bucket(url=bucket_scene.vault_url).name, "Key": "es/other.pdf"}
    version = s3_objects.client().put_object(**name, Body=b"nobody's")["VersionId"]
    found = bucket_scene.findings()
    s3_objects.client().delete_object(**name, VersionId=version)
    assert [line for line in found if line.startswith("es/other.pdf: ")], found
