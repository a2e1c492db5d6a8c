"""What lives for years holds only what is printed: each leaf that the line froze stands on the page that it stored."""

import datetime as dt
import hashlib
import json
import pathlib

import pytest

from config.simulation import sample_week
from documents.countries import pack
from documents.emission import locking
from documents.models import Document, Kind, Status
from documents.rendering import render
from tests.documents import pdf_reading
from tests.payouts import telling

pytestmark = pytest.mark.django_db
SAMPLES = ("es_ride", "mx_week", "co_food", "co_refund")
EXPECTED = json.loads((telling.SAMPLES / "expected.json").read_text(encoding="utf-8"))
StoredDocuments = list[tuple[Document, bytes]]
_lived: dict[str, StoredDocuments] = {}
NEVER = ("@example.com", "es-ES", "es-MX", "es-CO", "evt_")  # contact data and event ids are nobody's to print


@pytest.fixture(params=[*SAMPLES, *pack.registry()])
def stored(request: pytest.FixtureRequest, vault_folder: pathlib.Path) -> StoredDocuments:
    """Every document of one sample, or of one country's week, locked, with the bytes that lie in the vault."""
    if request.param not in _lived:  # once for all tests: they only look
        _lived[request.param] = _live(name=request.param, vault_folder=vault_folder)
    return _lived[request.param]


def _live(*, name: str, vault_folder: pathlib.Path) -> StoredDocuments:
    telling.issuers()
    if name in SAMPLES:
        telling.told(telling.sample(name))
        wanted = {row["document_key"] for row in EXPECTED[name]["documents"]}
    else:
        country = pack.required(name)
        telling.told(sample_week.week(pack=country, issuer=f"aventide-{name.lower()}"))
        wanted = {key.replace("{C}", country.country) for key in sample_week.KEYS}
    now = dt.datetime.now(tz=dt.UTC)
    for pk in locking.due(now=now).values_list("pk", flat=True):
        locking.advance(document_id=pk, now=now)
    documents = list(Document.objects.select_related("issuer").order_by("pk"))
    assert {document.document_key_id for document in documents} == wanted
    assert {document.status for document in documents} == {Status.LOCKED}
    return [(document, (vault_folder / document.vault_key).read_bytes()) for document in documents]


def test_every_leaf_of_what_was_frozen_is_printed(stored: StoredDocuments) -> None:
    for document, body in stored:
        content, text = json.loads(document.content), pdf_reading.squashed(pdf_reading.text(body))
        assert pdf_reading.unprinted(content=content, said=text) == [], document.number


def test_what_is_embedded_is_what_was_frozen_and_holds_no_contact_data(stored: StoredDocuments) -> None:
    for document, body in stored:
        assert pdf_reading.attachment(body).decode() == document.content
        assert hashlib.sha256(document.content.encode()).hexdigest() == document.content_sha256
        for word in NEVER:
            assert word not in document.content, document.number
            assert word not in pdf_reading.text(body), document.number


def test_printing_it_again_gives_the_bytes_that_lie_in_the_vault(stored: StoredDocuments) -> None:
    for document, body in stored:
        again = render.render(content=json.loads(document.content), issued_at=document.issued_at)
        assert again.pdf == body, document.number


def test_between_them_the_samples_show_every_kind() -> None:
    keys = [row["document_key"] for name in SAMPLES for row in EXPECTED[name]["documents"]]
    assert {key.partition(":")[0] for key in keys} == set(Kind)
