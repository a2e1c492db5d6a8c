"""The public page behind the QR, the pages of the error codes, and that both speak English, too."""

import io
import json
import pathlib
import re
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from babel.messages import extract, mofile, pofile
from django.test import Client
from django.utils import timezone
from django.utils.translation.template import templatize

from audit import flood, log
from audit.models import Event
from documents import distribution, errors
from documents.link_pages import verification
from documents.models import Document, Status
from tests import factories

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as HttpResponse

pytestmark = pytest.mark.django_db
CATALOG = pathlib.Path("locale/en/LC_MESSAGES/django.po")


@pytest.fixture(autouse=True)
def _fresh(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(verification, "_views", flood.Throttle(window_s=60.0, single_max=1))
    yield
    log.flush_denials()


def look(document: Document, *, rest: str = "", **headers: str) -> "HttpResponse":
    """Open a document's verification page as anybody can."""
    return Client().get(f"/v/{document.verification_code}{rest}", headers=headers)


def compare(document: Document, body: bytes) -> "HttpResponse":
    """Send a file to compare."""
    file = BytesIO(body)
    file.name = "received.pdf"
    return Client().post(f"/v/{document.verification_code}", {"file": file})


def stored(document: Document) -> bytes:
    """Return a document's bytes."""
    return distribution.open(document=document, actor=log.SYSTEM, purpose="view", now=timezone.now()).body


def test_a_genuine_document_is_called_so_with_its_number_issuer_dates_and_hashes() -> None:
    document = factories.document()
    page = look(document).content.decode()
    assert "Documento auténtico" in page
    for words in (document.number, "Aventide Iberia, S.L.", "20 de noviembre de 2026", document.file_sha256):
        assert words in page
    assert document.content_sha256[:16] in page
    assert "Resguardado" in page


@pytest.mark.parametrize("status", list(Status))
def test_nothing_personal_and_no_amount_stands_on_the_page(status: Status) -> None:
    document = factories.document(status=status)
    page = look(document).content.decode()
    for words in ("Ana", "Ruiz", "12345678Z", "21,88", "21.88", "ana@", document.owner.platform_id, document.public_id):
        assert words not in page


def test_a_document_not_locked_yet_is_genuine_and_shows_no_file_hash() -> None:
    page = look(factories.document(status=Status.ISSUED)).content.decode()
    assert "se está resguardando" in page
    assert "SHA-256" not in page
    assert 'type="file"' not in page


def test_a_document_in_quarantine_is_not_called_genuine() -> None:
    page = look(factories.document(status=Status.QUARANTINED)).content.decode()
    assert "Documento en revisión" in page
    assert "auténtico" not in page


def test_a_code_is_understood_however_it_is_typed() -> None:
    document = factories.document()
    bare = document.verification_code.replace("-", "").lower()
    assert document.number in Client().get(f"/v/{bare}").content.decode()
    moved = Client().get("/v/", {"code": f" {bare[:8]} {bare[8:]} ", "lang": "en"})
    assert moved["Location"] == f"/v/{document.verification_code}?lang=en"
    assert Client().get("/v/", {"code": "nonsense"}, follow=True).status_code == 404


@pytest.mark.parametrize("code", ["ABCD-EFGH-JKLM-NPQR", "x", "%27%20OR%201=1", "A" * 3000, "é"])
def test_a_code_of_ours_that_does_not_exist_says_that_no_document_bears_it(code: str) -> None:
    response = Client().get(f"/v/{code}")
    assert response.status_code == 404
    assert "No encontramos este documento" in response.content.decode()


def test_the_very_file_is_recognised_and_any_other_is_not() -> None:
    document = factories.document()
    body = stored(document)
    assert "idéntico" in compare(document, body).content.decode()
    for other in (body + b" ", body[:-1], b"%PDF-1.7 another", body.replace(b"AES", b"AEX")):
        page = compare(document, other).content.decode()
        assert "no coincide" in page
        assert "idéntico" not in page
        assert "auténtico" not in page
        assert 'class="sign bad"' in page
        assert "Este archivo no es el documento emitido" in page


def test_an_empty_form_is_asked_again() -> None:
    document = factories.document()
    assert "Elige primero" in compare(document, b"").content.decode()
    assert "Elige primero" in Client().post(f"/v/{document.verification_code}").content.decode()


def test_a_file_over_the_limit_is_refused_without_being_read_to_its_end() -> None:
    document = factories.document()
    response = compare(document, b"x" * (verification.FILE_BYTES_MAX + 1))
    assert response.status_code == 413
    assert "supera 20 MB" in response.content.decode()
    assert "auténtico" not in response.content.decode()
    announced = Client().post(
        f"/v/{document.verification_code}",
        data=b"--x\r\n",
        content_type="multipart/form-data; boundary=x",
        headers={"content-length": str(10**12)},
    )
    assert announced.status_code == 413


def test_a_file_at_the_limit_is_compared() -> None:
    assert "no coincide" in compare(factories.document(), b"x" * verification.FILE_BYTES_MAX).content.decode()


def test_an_uploaded_file_is_kept_neither_on_disk_nor_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_what: object, **_how: object) -> None:
        raise AssertionError("a file to compare must not be kept")

    monkeypatch.setattr("django.core.files.uploadhandler.TemporaryFileUploadHandler.new_file", refuse)
    monkeypatch.setattr("django.core.files.uploadhandler.MemoryFileUploadHandler.new_file", refuse)
    assert "no coincide" in compare(factories.document(), b"x" * 4_000_000).content.decode()


@pytest.mark.parametrize("body", [b"", b"garbage", b"--x\r\n\r\n", b"--x--\r\n"])
def test_a_broken_form_is_no_500(body: bytes) -> None:
    document = factories.document()
    response = Client(raise_request_exception=False).post(
        f"/v/{document.verification_code}", data=body, content_type="multipart/form-data; boundary=x"
    )
    assert response.status_code < 500


def test_a_flood_of_looks_is_on_record_without_flooding_the_record() -> None:
    clock = [0.0]
    verification._views = flood.Throttle(window_s=60.0, single_max=1, clock=lambda: clock[0])
    document = factories.document()
    for _ in range(50):
        look(document)
    seen = Event.objects.filter(object_id=document.public_id, action="verification.viewed")
    assert seen.count() == 1
    clock[0] = 61.0
    look(document)
    assert sorted(seen.values_list("count", flat=True)) == [1, 1, 49]


def test_the_page_is_small_and_scriptless_and_speaks_english() -> None:
    document = factories.document()
    for response in (look(document), compare(document, stored(document)), Client().get("/v/"), Client().get("/v/nope")):
        assert len(response.content) < 7 * 1024
        assert b"<script" not in response.content
        assert "script-src" not in response["Content-Security-Policy"]
        assert response["Referrer-Policy"] == "no-referrer"
        assert "Set-Cookie" not in response.headers
    assert "Genuine document" in look(document, rest="?lang=en").content.decode()
    assert "Genuine document" in look(document, **{"accept-language": "en"}).content.decode()


# --- the pages of the codes ---


def test_every_code_that_is_answered_has_a_page_in_both_languages() -> None:
    for code, row in errors.CODES.items():
        for language, words in (("es", row.es), ("en", row.en)):
            response = Client().get(f"/errors/{code}/?lang={language}")
            assert response.status_code == 200, code
            assert words in response.content.decode().replace("&#x27;", "'")
    assert Client().get("/errors/no_such_code/").status_code == 404


# --- English ---


def messages() -> set[str]:
    """Return every text that the pages and mails mark for translation."""
    found: set[str] = set()
    for path in [*pathlib.Path("documents/link_pages").glob("*.py"), *pathlib.Path("documents/delivery").glob("*.py")]:
        source = path.read_bytes()
        keywords = {"_": None, "ngettext": (1, 2)}
        found |= {
            one if isinstance(one, str) else one[0]
            for _line, one, *_ in extract.extract("python", io.BytesIO(source), keywords)
        }
    for file in [*pathlib.Path("templates/web").glob("*"), *pathlib.Path("templates/email").glob("*")]:
        words = templatize(file.read_text(encoding="utf-8"))
        keywords = {"gettext": None, "_": None, "ngettext": (1, 2)}
        found |= {
            one if isinstance(one, str) else one[0]
            for _line, one, *_ in extract.extract("python", io.BytesIO(words.encode()), keywords)
        }
    return found


def test_everything_a_person_reads_here_exists_in_english() -> None:
    with CATALOG.open("rb") as file:
        catalog = pofile.read_po(file, locale="en")
    wanted = messages()
    assert len(wanted) > 100
    for text in wanted:
        assert text in catalog, text
        entry = catalog[text]
        assert all(entry.string) if isinstance(entry.string, tuple) else entry.string, text
        assert not entry.fuzzy
        spanish = " ".join(entry.id) if isinstance(entry.id, list | tuple) else entry.id
        names = set(re.findall(r"%\([a-z0-9_]+\)[sd]", spanish))
        english = " ".join(entry.string) if isinstance(entry.string, tuple) else str(entry.string)
        assert set(re.findall(r"%\([a-z0-9_]+\)[sd]", english)) <= names


def test_the_compiled_english_is_that_of_the_source() -> None:
    with CATALOG.open("rb") as file:
        source = {json.dumps(one.id): json.dumps(one.string) for one in pofile.read_po(file, locale="en") if one.id}
    with CATALOG.with_suffix(".mo").open("rb") as file:
        compiled = {json.dumps(one.id): json.dumps(one.string) for one in mofile.read_mo(file) if one.id}
    assert compiled == source
