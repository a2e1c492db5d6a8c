"""What an owner of the database or a writer of the vault does to a document is named by the next round."""

import datetime as dt
import hashlib
import io
import json
import pathlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.test import Client
from pytest_django import Settings

from audit import log
from audit.models import Event, EventDetail
from config.embedded import object_store
from documents import canonical, distribution, errors
from documents.custody import inspection, missing, quarantine, rounds
from documents.models import Alert, CustodyRound, Document, Status
from documents.operations import gauges
from documents.resilience import breaker, calls, dependencies
from documents.vault import immutable, store
from tests import factories
from tests.services import force, objects

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
NOW = factories.NOW
HOUR, MINUTE = dt.timedelta(hours=1), dt.timedelta(minutes=1)
FORGED = factories.pdf(text="forged")


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(rounds, "PAUSE_S", 0.0)
    settings.CUSTODY_ROUND_S = 60


@pytest.fixture
def local(vault_folder: pathlib.Path) -> pathlib.Path:
    """A local vault of the test's own."""
    return vault_folder


@pytest.fixture
def remote(s3_objects: objects.Objects, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket of the test's own, and a client past the product's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", object_store.ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_objects.secret)
    settings.VAULT_URL = s3_objects.bucket(name=f"custody-{secrets.token_hex(4)}")
    return s3_objects.client()


def go_round(*, after: dt.timedelta) -> CustodyRound:
    """Let one round begin and come to its end."""
    while rounds.go_on(now=NOW + after):
        pass
    return CustodyRound.objects.latest("began_at")


def opened() -> set[tuple[str, str, str]]:
    """Which incidents are open: code, severity, and what they name."""
    rows = Alert.objects.filter(resolved_at=None)
    return {
        (row.code, row.severity, str(row.values.get("document") or row.values.get("documents", [""])[0]))
        for row in rows
        if row.code in {"document_quarantined", missing.CODE}
    }


def put(*, key: str, body: bytes, until: dt.datetime) -> store.Stored:
    """Put a forger's file under lock as the product would."""
    digest = hashlib.sha256(body).hexdigest()
    return store.lock(key=key, body=body, retain_until=until, sha256=digest, skew_s=lambda: 0.0)


def change(document: Document, **columns: Any) -> None:
    """Change a row as its owner can."""
    with force.by_force():
        Document.objects.filter(pk=document.pk).update(**columns)


def wipe(gone: QuerySet[Event]) -> None:
    """Delete events of the log, its triggers off and on again."""
    tables = ("audit_event", "audit_eventdetail")
    with force.by_force(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        EventDetail.objects.filter(event__in=gone)._raw_delete("default")
        gone._raw_delete("default")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def point_at(document: Document, stored: store.Stored, **columns: Any) -> None:
    change(document, vault_version=stored.version, file_sha256=stored.sha256, file_bytes=stored.size, **columns)


# -- what an owner of the database does --


def other_owner(document: Document) -> None:
    change(document, owner=factories.party(platform_id="drv_other"))


def other_country(document: Document) -> None:
    change(document, country="MX")


def other_total(document: Document) -> None:
    change(document, total_minor=1)


def other_number(document: Document) -> None:
    change(document, number="AES-OFS-2026-0009999", sequence=9999)


def other_code(document: Document) -> None:
    change(document, verification_code="2222-2222-2222-2222")


def other_subject(document: Document) -> None:
    change(document, subject="order:ord_other")


def sooner(document: Document) -> None:
    change(document, retain_until=NOW.date())


def other_key(document: Document) -> None:
    key = document.vault_key.replace(".pdf", "-copy.pdf")
    body = store.open_vault().read(key=document.vault_key, version=document.vault_version)
    point_at(document, put(key=key, body=body, until=NOW + 4000 * dt.timedelta(days=1)), vault_key=key)


def other_version(document: Document) -> None:
    change(document, vault_version="0" * 64)


def rewritten(document: Document) -> None:
    """Rewrite the amount in the frozen content, its hash and the column."""
    stated = json.loads(document.content)
    content = canonical.encode(value=stated | {"totals": {**stated["totals"], "payable": "9999.00"}})
    sha256 = hashlib.sha256(content).hexdigest()
    change(document, content=content.decode(), content_sha256=sha256, total_minor=999900)


def unreadable(document: Document) -> None:
    content = canonical.encode(value={"kind": document.kind, "number": document.number, "forged": True})
    change(document, content=content.decode(), content_sha256=hashlib.sha256(content).hexdigest())


def rewritten_alone(document: Document) -> None:
    change(document, content=document.content.replace("Ana", "Eva"))


def unverifiable(document: Document) -> None:
    """Change the total, and say that the document was read again in a hundred years."""
    change(document, total_minor=7, verified_at=NOW + dt.timedelta(days=36500))


def never_verified(document: Document) -> None:
    change(document, total_minor=7, verified_at=None)


def exchanged_rows(document: Document) -> None:
    """Let two rows point at each other's file."""
    other = factories.document()
    columns = ("vault_key", "vault_version", "file_sha256", "file_bytes")
    mine = {name: getattr(document, name) for name in columns}
    change(document, **{name: getattr(other, name) for name in columns})
    change(other, **mine)


ROWS: Mapping[str, Callable[[Document], None]] = {
    change.__name__: change
    for change in (
        *(other_owner, other_country, other_total, other_number, other_code, other_subject, sooner, other_key),
        *(
            other_version,
            rewritten,
            rewritten_alone,
            unreadable,
            unverifiable,
            never_verified,
            exchanged_rows,
        ),
    )
}


def check_found(*, document: Document, number: str, code: str) -> None:
    """A P1 names the document, and nothing vouches for it any more."""
    document.refresh_from_db()
    assert (document.status, document.cause) == (Status.QUARANTINED, code)
    assert ("document_quarantined", "P1", number) in opened()
    with pytest.raises(errors.Problem) as refused:
        distribution.open(document=document, actor=log.SYSTEM, purpose="download", now=NOW)
    assert refused.value.code == "document_quarantined"
    page = Client().get(f"/v/{document.verification_code}").content.decode()
    assert ("Documento en revisión" in page, "auténtico" in page) == (True, False)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_was_changed_by_force_is_named_by_the_next_round(local: pathlib.Path, name: str) -> None:
    document, honest = factories.document(), factories.document()
    assert go_round(after=HOUR).findings == 0
    number = document.number
    connection.check_constraints()
    ROWS[name](document)
    assert go_round(after=HOUR + MINUTE).findings >= 1
    check_found(document=document, number=number, code="record_differs")
    honest.refresh_from_db()
    assert (honest.status, honest.verified_at) == (Status.LOCKED, NOW + HOUR + MINUTE)


def test_a_document_of_whose_locking_the_log_says_nothing_is_named(local: pathlib.Path) -> None:
    document = factories.document()
    connection.check_constraints()
    wipe(Event.objects.filter(object_id=document.public_id, action="document.locked"))
    assert go_round(after=HOUR).findings == 1
    assert opened() == {("document_quarantined", "P1", document.number)}
    assert Alert.objects.get(code="document_quarantined").values["columns"] == ["log"]


@pytest.mark.parametrize("name", ["other_owner", "rewritten", "other_version", "exchanged_rows"])
def test_the_same_is_named_where_the_vault_is_s3(remote: Any, name: str) -> None:
    document, _honest = factories.document(), factories.document()
    assert go_round(after=HOUR).findings == 0
    ROWS[name](document)
    assert go_round(after=HOUR + MINUTE).findings >= 1
    check_found(document=document, number=document.number, code="record_differs")


# -- what a writer of the vault does --


def name_of(document: Document) -> dict[str, str]:
    bucket = urlsplit(str(store.settings.VAULT_URL)).netloc
    return {"Bucket": bucket, "Key": document.vault_key}


def marked(client: Any, document: Document) -> str:
    client.delete_object(**name_of(document))
    return "worm_delete_marker"


def newer(client: Any, document: Document) -> str:
    client.put_object(**name_of(document), Body=FORGED, ContentType=store.PDF)
    return "worm_extra_version"


def forged_version(client: Any, document: Document) -> str:
    """Put another file under lock beside the first one, and let the row say that it was always that one."""
    until = NOW + dt.timedelta(days=5000)
    kept = {"ObjectLockMode": store.COMPLIANCE, "ObjectLockRetainUntilDate": until}
    put_ = client.put_object(**name_of(document), Body=FORGED, ContentType=store.PDF, **kept)
    sha256 = hashlib.sha256(FORGED).hexdigest()
    change(document, vault_version=put_["VersionId"], file_sha256=sha256, file_bytes=len(FORGED))
    return "record_differs"


@pytest.mark.parametrize("forge", [marked, newer, forged_version])
def test_what_is_put_beside_or_before_a_locked_version_is_named(
    remote: Any, forge: Callable[[Any, Document], str]
) -> None:
    document, honest = factories.document(), factories.document()
    assert go_round(after=HOUR).findings == 0
    code = forge(remote, document)
    assert go_round(after=HOUR + MINUTE).findings == 1
    check_found(document=document, number=document.number, code=code)
    honest.refresh_from_db()
    assert honest.status == Status.LOCKED


def flipped(folder: pathlib.Path, document: Document) -> str:
    file = folder / document.vault_key
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    return "worm_checksum_mismatch"


def removed(folder: pathlib.Path, document: Document) -> str:
    (folder / document.vault_key).unlink()
    return "worm_version_missing"


def unlocked(folder: pathlib.Path, document: Document) -> str:
    (folder / document.vault_key).chmod(0o644)
    return "worm_lock_missing"


def all_of_it(folder: pathlib.Path, document: Document) -> str:
    """Exchange file, lock record and the row's hash together."""
    file = folder / document.vault_key
    file.unlink()
    stored = put(key=document.vault_key, body=FORGED, until=NOW + dt.timedelta(days=5000))
    point_at(document, stored)
    return "record_differs"


def exchanged_files(folder: pathlib.Path, document: Document) -> str:
    """Let two documents' files change places, with their records."""
    other = factories.document()
    immutable.unlock_for_removal(folder=folder)
    for one, body in (
        (document, (folder / other.vault_key).read_bytes()),
        (other, (folder / document.vault_key).read_bytes()),
    ):
        (folder / one.vault_key).unlink()
        put(key=one.vault_key, body=body, until=NOW + dt.timedelta(days=5000))
    return "worm_checksum_mismatch"


@pytest.mark.parametrize("forge", [flipped, removed, unlocked, all_of_it, exchanged_files])
def test_what_is_done_to_a_file_of_the_local_vault_is_named(
    local: pathlib.Path, forge: Callable[[pathlib.Path, Document], str]
) -> None:
    document, honest = factories.document(), factories.document()
    assert go_round(after=HOUR).findings == 0
    immutable.unlock_for_removal(folder=local)
    code = forge(local, document)
    with transaction.atomic():
        found = inspection.recorded(documents=[honest])
    assert found[honest.public_id]
    go_round(after=HOUR + MINUTE)
    check_found(document=document, number=document.number, code=code)


def test_a_pdf_that_carries_other_content_is_named_although_its_hash_is_on_record(local: pathlib.Path) -> None:
    document, other = factories.document(), factories.document()
    for column in ("vault_key", "vault_version", "file_sha256", "file_bytes"):
        setattr(document, column, getattr(other, column))
    with pytest.raises(errors.WormError) as raised:
        inspection._check_bytes(document=document)
    assert (raised.value.code, raised.value.values["cause"]) == ("worm_checksum_mismatch", "content")


# -- what is gone --


@pytest.mark.parametrize("traces", [True, False], ids=["the log stays", "the log is wiped, too"])
def test_a_document_that_was_deleted_with_its_traces_is_named_by_its_number(
    local: pathlib.Path, *, traces: bool
) -> None:
    document, _honest = factories.document(), factories.document()
    assert go_round(after=HOUR).missing == 0
    connection.check_constraints()
    with force.by_force():
        Document.objects.filter(pk=document.pk)._raw_delete("default")
    if not traces:
        wipe(Event.objects.filter(object_id=document.public_id))
    assert go_round(after=HOUR + MINUTE).missing == 1
    assert opened() == {(missing.CODE, "P1", document.number)}


def test_many_missing_documents_do_not_flood_and_all_are_named(
    local: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing, "EACH_MAX", 2)
    made = [factories.document() for _ in range(4)]
    connection.check_constraints()
    with force.by_force():
        Document.objects.filter(pk__in=[one.pk for one in made])._raw_delete("default")
    for minutes in (1, 2):
        assert go_round(after=HOUR + minutes * MINUTE).missing == 4
    named = [
        each for row in Alert.objects.filter(code=missing.CODE, resolved_at=None) for each in row.values["documents"]
    ]
    assert sorted(named) == [one.number for one in made]
    assert Alert.objects.filter(code=missing.CODE).count() == 3


# -- how the rounds go --


def test_a_round_reads_the_last_day_and_a_share_of_what_is_older(
    local: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "OLDER_MIN", 2)
    old = [factories.document() for _ in range(3)]
    later = dt.timedelta(days=3)
    fresh = factories.document(now=NOW + later)
    done = go_round(after=later + HOUR)
    assert (done.verified, done.findings, done.overdue, done.oldest_at) == (3, 0, 0, NOW)
    fresh.refresh_from_db()
    assert fresh.verified_at == NOW + later + HOUR
    assert go_round(after=later + HOUR + MINUTE).verified == 3  # the fresh one again, the third, and the first one
    assert Document.objects.filter(pk__in=[each.pk for each in old], verified_at__gt=NOW).count() == 3


def test_a_batch_is_one_event_of_the_log_and_no_round_begins_before_its_time(local: pathlib.Path) -> None:
    factories.document()
    factories.document()
    first = go_round(after=HOUR)
    assert (first.verified, first.ended_at) == (2, NOW + HOUR)
    moment = (NOW + HOUR).strftime(rounds.MOMENT)
    assert Event.objects.filter(action="document.verified", object_id=moment).count() == 1
    assert go_round(after=HOUR + MINUTE / 2) == first
    assert go_round(after=HOUR + MINUTE) != first


def test_a_round_that_was_cut_off_is_ended_by_another_worker(
    local: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "BATCH", 1)
    for _ in range(3):
        factories.document()
    assert rounds.go_on(now=NOW + HOUR)  # one document; then this worker is killed
    CustodyRound.objects.update(lease=secrets.token_hex(16), lease_until_at=NOW + HOUR + MINUTE)
    assert not rounds.go_on(now=NOW + HOUR)
    assert go_round(after=HOUR + 2 * MINUTE).verified == 3


def test_an_outage_of_the_vault_withholds_nothing_and_the_round_goes_on_later(local: pathlib.Path) -> None:
    document = factories.document()
    away = local.with_name("unmounted")
    local.rename(away)
    assert not rounds.go_on(now=NOW + HOUR)
    away.rename(local)
    document.refresh_from_db()
    assert (document.status, opened()) == (Status.LOCKED, set())
    assert not rounds.go_on(now=NOW + HOUR)
    assert go_round(after=HOUR + MINUTE).verified == 1


def test_a_document_on_which_the_reading_itself_fails_keeps_no_other_from_being_read(
    local: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, honest = factories.document(), factories.document()
    check = inspection.check

    def failing(*, document: Document, said: inspection.SealedFacts) -> store.Stored:
        if document.pk == broken.pk:
            raise ZeroDivisionError
        return check(document=document, said=said)

    monkeypatch.setattr(inspection, "check", failing)
    done = go_round(after=HOUR)
    assert (done.verified, done.unread) == (1, [broken.pk])
    honest.refresh_from_db()
    assert honest.verified_at == NOW + HOUR


def test_what_is_put_right_is_released_only_when_the_record_is_right_too(local: pathlib.Path) -> None:
    document = factories.document()
    total = document.total_minor
    other_total(document)
    go_round(after=HOUR)
    asked: dict[str, Any] = {"document": document, "reason": "Restaurada de la copia.", "actor": log.SYSTEM, "now": NOW}
    with pytest.raises(errors.Problem) as refused:
        quarantine.release(**asked)
    assert (refused.value.code, refused.value.values["columns"]) == ("record_differs", ["total_minor"])
    change(document, total_minor=total)
    assert quarantine.release(**asked)


def test_the_gauge_counts_what_nobody_has_read_for_90_days(local: pathlib.Path) -> None:
    document = factories.document()

    def gauge() -> float:
        [found] = [each for each in gauges.read() if each.name == "docs_unverified"]
        return float(found.samples[0].value)

    change(document, verified_at=F("issued_at") - dt.timedelta(days=90))
    assert gauge() == 1
    go_round(after=dt.timedelta(days=30))
    assert Document.objects.get().verified_at == NOW + dt.timedelta(days=30)


# -- by command --


def told(command: str, **options: Any) -> tuple[int, list[dict[str, Any]]]:
    """Run a command; its exit code, and the lines that it prints."""
    out, code = io.StringIO(), 0
    try:
        call_command(command, stdout=out, **options)
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


def test_verify_vault_reads_all_or_a_sample_and_goes_on_where_it_was_broken_off(local: pathlib.Path) -> None:
    documents = [factories.document() for _ in range(3)]
    summary = {"object": "vault_verification", "verified": 3, "findings": 0}
    assert told("verify_vault") == (0, [summary])
    assert told("verify_vault", resume=True) == (0, [summary | {"verified": 0}])
    assert told("verify_vault", sample=2) == (0, [summary | {"verified": 2}])
    other_total(documents[0])
    code, lines = told("verify_vault")
    assert (code, lines[-1]) == (2, summary | {"verified": 2, "findings": 1})
    assert (lines[0]["finding"], lines[0]["document"]) == ("record_differs", documents[0].number)
    documents[0].refresh_from_db()
    assert documents[0].status == Status.QUARANTINED


def test_reconcile_vault_names_what_differs_both_ways_and_changes_nothing(local: pathlib.Path) -> None:
    gone, weak, other, lost, _honest = [factories.document() for _ in range(5)]
    assert told("reconcile_vault") == (0, [{"object": "vault_reconciliation", "findings": {}}])
    immutable.unlock_for_removal(folder=local)
    (local / gone.vault_key).unlink()
    unlocked(local, weak)
    flipped(local, other)
    stray = other.vault_key.replace(other.number, "stray")
    put(key=stray, body=FORGED, until=NOW + dt.timedelta(days=5000))
    connection.check_constraints()
    with force.by_force():
        Document.objects.filter(pk=lost.pk)._raw_delete("default")
    code, lines = told("reconcile_vault")
    named = {
        (line["finding"] if "finding" in line else line["kind"], line.get("number", line["key"])) for line in lines[:-1]
    }
    assert code == 2
    assert named >= {("missing", gone.number), ("exchanged", other.number), ("orphan", stray)}
    assert ("without_row", lost.number) in named
    [row] = [line for line in lines[:-1] if line["kind"] == "without_row"]
    assert row["document_key"] == json.loads(lost.content)["document_key"]
    assert not Document.objects.filter(status=Status.QUARANTINED).exists()
