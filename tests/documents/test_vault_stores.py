"""A row names its store: a change of VAULT_URL withholds nothing, and `migrate_vault` copies what lies elsewhere."""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from pytest_django import Settings

from audit import log
from audit.models import Event, EventDetail
from config import env
from config.embedded import object_store, servers
from config.management.commands import migrate_vault
from documents import distribution, errors
from documents.custody import hold_marks, missing, reconciliation
from documents.emission import custody
from documents.models import Alert, Document, LegalHold, Status
from documents.operations import vault_migration
from documents.resilience import breaker, calls, dependencies
from documents.vault import address, immutable, places, store
from tests import factories
from tests.documents.officers import Officers
from tests.services import force, objects

ACTOR = log.Actor(kind="service", id="platform", role="finance", channel="web", request_id="req_1")
MOVED_FIRST = 3
STRAY = b"%PDF-1.7 of nobody"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture(autouse=True)
def _opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(store, "_opened", {})


@pytest.fixture
def former(s3_vault: str, vault_folder: pathlib.Path, settings: Settings) -> Document:
    """Lock a document in a folder, then point VAULT_URL at a bucket."""
    document = factories.document()
    settings.VAULT_URL = s3_vault
    return document


def read(document: Document) -> str:
    """Return the hash of what is handed out of a document, or the code that is answered instead."""
    with contextlib.suppress(errors.Problem):
        opened = distribution.open(document=document, actor=ACTOR, purpose="download", now=factories.NOW)
        return opened.sha256
    return "refused"


def code_of(document: Document) -> str:
    with pytest.raises(errors.Problem) as refused:
        distribution.open(document=document, actor=ACTOR, purpose="download", now=factories.NOW)
    return refused.value.code


def migrations_of(document: Document) -> list[Event]:
    return list(Event.objects.filter(object_id=document.public_id, action="document.migrated"))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("s3://vault?region=eu-south-2", "s3://vault?region=eu-south-2"),
        ("s3://vault?endpoint=https://S3.Example/", "s3://vault?endpoint=https://s3.example&region=us-east-1"),
        ("s3://vault?region=a&endpoint=http://127.0.0.1:1", "s3://vault?endpoint=http://127.0.0.1:1&region=a"),
        ("s3://vault?endpoint=http://[::1]:9", "s3://vault?endpoint=http://[::1]:9&region=us-east-1"),
        ("file:///srv/vault/", "file:///srv/vault"),
        ("file://localhost/srv/a%20b", "file:///srv/a%20b"),
    ],
)
def test_a_store_has_one_name_which_opens_it(given: str, named: str) -> None:
    assert address.canonical(url=given) == named == address.canonical(url=named)
    address.check(url=named)


@pytest.mark.django_db
def test_a_change_of_vault_url_withholds_nothing_and_the_former_store_is_read(
    former: Document, settings: Settings
) -> None:
    assert former.vault_url.startswith("file:///")
    assert [code_of(former) for _ in range(4)] == ["worm_unavailable"] * 4
    former.refresh_from_db()
    assert former.status == Status.LOCKED
    assert not Alert.objects.filter(code="document_quarantined").exists()
    alert = Alert.objects.get(dedup_key="dependency:vault_former")  # somebody is told
    assert (alert.severity, calls.BREAKERS["vault"].state) == ("P2", "closed")  # and emission goes on
    locked = factories.document()
    assert (locked.vault_url, read(locked)) == (places.here(), locked.file_sha256)
    calls.BREAKERS["vault_former"] = breaker.Breaker(row=dependencies.DEPENDENCIES["vault_former"])
    settings.VAULT_FORMER_URL = former.vault_url + "/"
    assert read(former) == former.file_sha256


@pytest.mark.django_db
def test_a_former_bucket_is_opened_with_keys_of_its_own_and_only_read(
    s3_vault: str,
    s3_objects: objects.Objects,
    settings: Settings,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = factories.document()
    bucket = address.bucket(url=s3_vault).name
    settings.VAULT_URL, settings.VAULT_FORMER_URL = f"file://{tmp_path}/vault", s3_vault
    for name in KEYS:
        monkeypatch.setenv(name, "of-the-present-store")
    store._opened.clear()
    assert code_of(document) == "worm_unavailable"
    store._opened.clear()
    settings.VAULT_FORMER_KEYS = (object_store.ACCESS, s3_objects.secret)
    before = s3_objects.client().list_object_versions(Bucket=bucket)
    assert read(document) == document.file_sha256
    after = s3_objects.client().list_object_versions(Bucket=bucket)
    assert [row["VersionId"] for row in after["Versions"]] == [row["VersionId"] for row in before["Versions"]]
    immutable.unlock_for_removal(folder=tmp_path)


@pytest.mark.django_db
def test_a_document_is_copied_with_its_lock_named_and_put_on_record(
    former: Document, settings: Settings, s3_objects: objects.Objects
) -> None:
    folder = settings.VAULT_FORMER_URL = former.vault_url
    call_command("migrate_vault")
    former.refresh_from_db()
    assert former.vault_url == places.here()
    [event] = migrations_of(former)
    assert event.facts["vault_version"] == former.vault_version
    assert event.facts["file_sha256"] == former.file_sha256
    assert EventDetail.objects.get(event=event).details["vault_url"] == places.here()
    settings.VAULT_FORMER_URL = ""
    assert read(former) == former.file_sha256
    lies = {"Bucket": address.bucket(url=former.vault_url).name, "Key": former.vault_key}
    head = s3_objects.client().head_object(**lies, VersionId=former.vault_version)
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == (
        "COMPLIANCE",
        custody.lock_end(document=former),
    )
    assert (address.folder(url=folder) / former.vault_key).is_file()  # nothing is removed
    call_command("migrate_vault")  # again: nothing to do
    assert len(migrations_of(former)) == 1


@pytest.mark.django_db
def test_a_lock_that_was_made_longer_stays_as_long_in_the_copy(
    s3_vault: str, s3_objects: objects.Objects, settings: Settings
) -> None:
    document = factories.document()
    until = custody.lock_end(document=document).replace(year=custody.lock_end(document=document).year + 3)
    store.open_vault().extend(key=document.vault_key, version=document.vault_version, retain_until=until)
    settings.VAULT_FORMER_URL, settings.VAULT_URL = s3_vault, s3_objects.bucket(name="second")
    call_command("migrate_vault")
    document.refresh_from_db()
    stored = store.open_vault().find(key=document.vault_key)
    assert stored is not None
    assert (stored.version, stored.retain_until) == (document.vault_version, until)


@pytest.mark.django_db(databases=["default", "denials"])
def test_the_copy_of_a_held_document_bears_the_hold_before_its_row_names_it(
    s3_vault: str, s3_objects: objects.Objects, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    officers, held, free, ended = Officers(), factories.document(), factories.document(), factories.document()
    officers.hold(held)
    officers.end(officers.hold(ended, reference="AUTO-2/2026"))
    settings.VAULT_FORMER_URL, settings.VAULT_URL = s3_vault, s3_objects.bucket(name="second")

    def status(document: Document, version: str) -> str:
        where = {"Bucket": "second", "Key": document.vault_key, "VersionId": version}
        return str(s3_objects.client().head_object(**where).get("ObjectLockLegalHoldStatus", "OFF"))

    before: dict[str, str] = {}
    name = vault_migration._name

    def named(*, document: Document, stored: store.Stored, **how: Any) -> None:
        before[document.number] = status(document, stored.version)
        name(document=document, stored=stored, **how)

    monkeypatch.setattr(vault_migration, "_name", named)
    call_command("migrate_vault")
    assert before == {held.number: "ON", free.number: "OFF", ended.number: "OFF"}
    for document in (held, free, ended):
        document.refresh_from_db()
        assert document.vault_url == places.here()
        assert status(document, document.vault_version) == before[document.number]
    assert [bool(document.hold_told_at) for document in (held, free, ended)] == [True, False, False]
    officers.end(LegalHold.objects.get(reference="AUTO-1/2026"))
    assert hold_marks.tell(now=factories.NOW) == 1
    assert status(held, held.vault_version) == "OFF"


@pytest.mark.django_db(databases=["default", "denials"])
def test_an_outage_while_the_copy_is_marked_leaves_the_row_where_it_was(
    s3_vault: str, s3_objects: objects.Objects, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = factories.document()
    Officers().hold(document)
    settings.VAULT_FORMER_URL, settings.VAULT_URL = s3_vault, s3_objects.bucket(name="third")
    with monkeypatch.context() as outage:

        def away(**_given: object) -> None:
            raise errors.WormError(code="worm_unavailable", values={"cause": "system", "doing": "h", "error": "gone"})

        outage.setattr(hold_marks, "mark", away)
        with pytest.raises(CommandError):
            call_command("migrate_vault")
    document.refresh_from_db()
    assert (document.vault_url, migrations_of(document)) == (address.canonical(url=s3_vault), [])
    call_command("migrate_vault")
    document.refresh_from_db()
    assert document.vault_url == places.here()


@pytest.mark.django_db
def test_what_lies_in_a_former_store_without_a_row_is_named_once_wherever_it_lies(
    former: Document, settings: Settings, s3_objects: objects.Objects
) -> None:
    folder, present = former.vault_url, s3_objects.bucket(name="walked")  # which no other test puts anything into
    settings.VAULT_FORMER_URL = settings.VAULT_URL = folder
    lost, copied = factories.document(), factories.document()
    stray, digest = former.vault_key.replace(former.number, "stray"), custody.sha256(STRAY)
    store.lock(key=stray, body=STRAY, retain_until=custody.lock_end(document=former), sha256=digest)
    settings.VAULT_URL = present
    forget(lost)
    call_command("migrate_vault")
    forget(copied)  # which lies in both
    found = [(finding.kind, finding.key, finding.store) for finding in reconciliation.of_keys()]
    assert sorted(found) == sorted(
        [("without_row", copied.vault_key, ""), ("without_row", lost.vault_key, folder), ("orphan", stray, folder)]
    )
    assert missing.look() == sorted([lost.number, copied.number])
    alerts = Alert.objects.filter(code=missing.CODE, severity="P1", resolved_at=None)
    assert sorted(alert.values["documents"] for alert in alerts) == sorted([[lost.number], [copied.number]])


def forget(document: Document) -> None:
    """Delete a document's row, as who owns the database can."""
    connection.check_constraints()
    with force.by_force():
        Document.objects.filter(pk=document.pk)._raw_delete("default")


@pytest.mark.django_db
def test_bytes_that_differ_are_copied_nowhere(
    former: Document, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.VAULT_FORMER_URL = former.vault_url
    taken = store.open_vault().put(
        key=former.vault_key, body=b"%PDF other", content_type=store.PDF, retain_until=factories.NOW.replace(year=2041)
    )
    with pytest.raises(SystemExit) as ended:
        call_command("migrate_vault")
    assert ended.value.code == migrate_vault.REFUSED
    assert f"{former.number}: worm_checksum_mismatch" in capsys.readouterr().out
    assert [row.version for row in store.open_vault().versions(key=former.vault_key)] == [taken.version]
    former.refresh_from_db()
    assert (former.status, read(former)) == (Status.LOCKED, former.file_sha256)  # from where it was


@pytest.mark.django_db
def test_a_document_that_is_broken_where_it_lies_is_withheld_and_not_copied(
    former: Document, settings: Settings
) -> None:
    settings.VAULT_FORMER_URL = former.vault_url
    folder = address.folder(url=former.vault_url)
    immutable.unlock_for_removal(folder=folder)
    (folder / former.vault_key).chmod(0o644)
    (folder / former.vault_key).write_bytes(b"%PDF forged")
    with pytest.raises(SystemExit):
        call_command("migrate_vault")
    former.refresh_from_db()
    assert (former.status, former.vault_url) == (Status.QUARANTINED, settings.VAULT_FORMER_URL)
    assert store.open_vault().versions(key=former.vault_key) == ()


@pytest.mark.django_db
def test_a_store_under_another_address_is_named_anew_and_an_unknown_one_is_not_looked_for(
    s3_vault: str, settings: Settings, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = factories.document()
    version = document.vault_version
    settings.VAULT_URL = s3_vault.replace("127.0.0.1", "localhost")
    call_command("migrate_vault")
    document.refresh_from_db()
    assert (document.vault_url, document.vault_version) == (places.here(), version)
    settings.VAULT_URL = f"file://{tmp_path}/vault"
    lost = factories.document()
    settings.VAULT_URL = s3_vault.replace("127.0.0.1", "localhost")
    with pytest.raises(SystemExit):
        call_command("migrate_vault")
    assert f"{lost.number}: worm_unavailable" in capsys.readouterr().out
    lost.refresh_from_db()
    assert (lost.status, lost.vault_url) == (Status.LOCKED, f"file://{tmp_path}/vault")
    immutable.unlock_for_removal(folder=tmp_path)


@pytest.mark.django_db
def test_an_outage_ends_the_command_in_a_sentence_and_changes_nothing(former: Document, settings: Settings) -> None:
    settings.VAULT_FORMER_URL = former.vault_url
    settings.VAULT_URL = f"s3://vault?endpoint=http://127.0.0.1:{servers.free_port()}"
    with pytest.raises(CommandError, match=r"worm_unavailable.*run it again"):
        call_command("migrate_vault")
    settings.VAULT_URL = former.vault_url
    with pytest.raises(CommandError, match="into a bucket"):
        call_command("migrate_vault")
    assert read(former) == former.file_sha256


def test_where_locked_bytes_lie_changes_only_whole_and_on_record(committed_db: None, former: Document) -> None:
    row = Document.objects.filter(pk=former.pk)
    for changes in ({"vault_version": "other"}, {"vault_mode": "GOVERNANCE"}, {"vault_url": "x", "vault_key": "y"}):
        with pytest.raises(IntegrityError, match="are locked"):
            row.update(**changes)
    with pytest.raises(IntegrityError, match="audit guard"):
        row.update(vault_url=places.here(), vault_version="other")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_was_cut_off_goes_on_where_it_ended(
    committed_db: None, s3_vault: str, vault_folder: pathlib.Path, settings: Settings, number: signal.Signals
) -> None:
    documents = [factories.document() for _ in range(12)]
    former = places.here()
    url = settings.VAULT_URL = s3_vault
    variables = {**env.inherited(), "VAULT_URL": url, "VAULT_FORMER_URL": former}

    def start() -> subprocess.Popen[str]:
        words = [sys.executable, "manage.py", "migrate_vault"]
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(words, cwd=env.BASE_DIR, env=variables, **pipes)

    first = start()
    while Document.objects.exclude(vault_url=former).count() < MOVED_FIRST and first.poll() is None:
        time.sleep(0.01)
    first.send_signal(number)
    first.communicate(timeout=30)
    assert first.returncode == (-number if number == signal.SIGKILL else migrate_vault.INTERRUPTED)
    moved = Document.objects.exclude(vault_url=former).count()
    assert MOVED_FIRST <= moved < len(documents)
    out, errors_said = start().communicate(timeout=60)
    assert f"✓ {len(documents) - moved} copiados" in out
    assert json.loads(errors_said.splitlines()[-1])["total"] == len(documents) - moved
    for document in documents:
        document.refresh_from_db()
        assert (document.vault_url, read(document)) == (places.here(), document.file_sha256)
        assert len(migrations_of(document)) == 1
        assert len(store.open_vault().versions(key=document.vault_key)) == 1
