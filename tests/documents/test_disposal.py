"""What has expired is disposed of, once and on record; nothing early, nothing on hold, nothing that the store keeps."""

import datetime as dt
import io
import re
import time
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from audit import log
from audit.models import Event as LogEvent
from documents import distribution, errors, presentation
from documents.custody import disposal
from documents.emission import custody
from documents.models import Document, Status
from documents.resilience import breaker, calls, dependencies
from documents.vault import store
from tests import factories
from tests.documents import center
from tests.documents.officers import Officers

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
LOCK_S = 5


def ends(**_: object) -> dt.datetime:
    """Return when a lock of a few seconds ends; a store tells time in whole ones."""
    return timezone.now().replace(microsecond=0) + dt.timedelta(seconds=LOCK_S)


@pytest.fixture(params=["vault_folder", "s3_vault"])
def vault(request: pytest.FixtureRequest, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each store in turn, where a lock ends within seconds."""
    request.getfixturevalue(request.param)
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(store, "_opened", {})
    store.open_vault()  # its probe takes a part of those seconds
    monkeypatch.setattr(custody, "lock_end", ends)


def over(document: Document) -> dt.datetime:
    """Return when a document's last protected day is over."""
    return custody.lock_end_of(country=document.country_id, retain_until=document.retain_until)


def read(document: Document) -> bytes:
    return store.read(url=document.vault_url, key=document.vault_key, version=document.vault_version)


def _await_end(document: Document) -> None:
    """Return once the store keeps a document no longer."""
    stored = store.open_vault(url=document.vault_url).find(key=document.vault_key)
    assert stored is not None
    time.sleep(max(0.0, (stored.retain_until - timezone.now()).total_seconds()) + 0.5)


def dispose(document: Document, *, now: dt.datetime | None = None) -> bool:
    return disposal.dispose(document=document, now=now or over(document), actor=log.SYSTEM)


@pytest.mark.usefixtures("vault")
def test_an_expired_document_goes_once_its_lock_in_the_store_is_over_and_what_a_matter_holds_stays_until_its_end() -> (
    None
):
    officers, document, other = Officers(), factories.document(), factories.document()
    hold = officers.hold(other)
    with pytest.raises(errors.Problem, match="retention_active"):
        dispose(document, now=over(document) - dt.timedelta(seconds=1))
    with pytest.raises(errors.WormError, match="worm_still_locked"):
        dispose(document)
    document.refresh_from_db()
    assert (document.status, len(read(document))) == (Status.LOCKED, document.file_bytes)
    _await_end(other)
    assert [one.pk for one in disposal.expired(now=over(document))] == [document.pk]
    with pytest.raises(errors.Problem, match="legal_hold_active"):
        dispose(other)
    assert center.denials()[0].code == "legal_hold_active"
    assert (dispose(document), dispose(document)) == (True, False)
    _is_gone(document)
    assert len(read(other)) == other.file_bytes
    officers.end(hold)
    assert [one.pk for one in disposal.expired(now=over(other))] == [other.pk]
    assert dispose(other)


def _is_gone(document: Document) -> None:
    """Check that nothing is left of a document but its row, its hash and its events."""
    with pytest.raises(errors.WormError, match="worm_version_missing"):
        read(document)
    before, sha256 = document.number, document.file_sha256
    document.refresh_from_db()
    assert (document.status, document.number, document.file_sha256) == (Status.DISPOSED, before, sha256)
    assert document.disposed_at == over(document)
    event = LogEvent.objects.select_related("detail").get(action="document.disposed")
    assert (event.object_id, event.facts["file_sha256"]) == (document.public_id, sha256)
    assert event.facts["retain_until"] == document.retain_until.isoformat()
    assert (event.detail.details["method"], event.detail.details["versions"]) == (disposal.METHOD, 1)


@pytest.fixture
def disposed(vault_folder: object, db: None, monkeypatch: pytest.MonkeyPatch) -> Document:
    """A document that was disposed of."""
    monkeypatch.setattr(custody, "lock_end", lambda **_: timezone.now())
    document = factories.document()
    dispose(document)
    document.refresh_from_db()
    return document


def said(client: Client, address: str) -> str:
    return re.sub(r"<[^>]+>|\s+", " ", client.get(address).content.decode())


def test_every_door_says_that_it_was_disposed_of(disposed: Document) -> None:
    carla = center.client(member=center.staff(roles=["compliance"], countries=["ES"]))
    answer = carla.get(f"/api/v1/documents/{disposed.public_id}/content/")
    assert (answer.status_code, answer.json()["code"]) == (410, "document_disposed")
    shown: Any = presentation.document(document=disposed)
    assert (shown["status"], shown["file"]) == ("DISPOSED", None)
    assert "Eliminado tras su plazo" in said(carla, f"{center.ADMIN}documents/document/")
    page = said(carla, center.page(disposed))
    assert ("Aplicar legal hold" in page, "Bytes comprobados" in page) == (False, False)
    assert "Su archivo se eliminó al acabar el plazo de conservación" in page
    assert "Archivo eliminado tras su plazo" in page
    public = said(Client(), f"/v/{disposed.verification_code}")
    assert ("se eliminó al acabar el plazo legal" in public, disposed.file_sha256 in public) == (True, True)
    assert "was disposed of after its legal retention" in said(Client(), f"/v/{disposed.verification_code}?lang=en")
    with pytest.raises(errors.Problem, match="document_disposed"):
        distribution.open(document=disposed, actor=log.SYSTEM, purpose="download", now=timezone.now())


def test_the_state_is_the_end_and_cannot_be_written_without_its_event(disposed: Document) -> None:
    with pytest.raises(IntegrityError, match="cannot go from DISPOSED to LOCKED"), transaction.atomic():
        Document.objects.filter(pk=disposed.pk).update(status=Status.LOCKED)


def test_the_command_counts_then_disposes_and_says_what_the_store_kept(
    vault_folder: object, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = factories.document()
    monkeypatch.setattr(custody, "lock_end", lambda **_: timezone.now())
    factories.document()
    future = over(locked)
    monkeypatch.setattr(timezone, "now", lambda: future)
    out = io.StringIO()
    call_command("dispose_expired", "--dry-run", stdout=out)
    assert out.getvalue().startswith("2 documentos vencidos")
    with pytest.raises(CommandError, match="worm_still_locked: 1"):
        call_command("dispose_expired", stdout=out, stderr=io.StringIO())
    assert "✓ 1 documentos eliminados" in out.getvalue()
    assert sorted(Document.objects.values_list("status", flat=True)) == ["DISPOSED", "LOCKED"]
