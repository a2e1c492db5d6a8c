"""Bytes that lie under a document's key already: only those of an intent or of a render are adopted, nothing else."""

import datetime as dt
import hashlib
import io
import json

import pikepdf
import pytest
from django.conf import settings

from documents.emission import attachments, custody, locking
from documents.models import Alert, Document, Status
from documents.rendering import render
from documents.vault import address, store
from tests.payouts import making, telling
from tests.services import objects

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("s3_vault")]


@pytest.fixture
def document() -> Document:
    """A document that is issued and not locked."""
    telling.issuers()
    telling.told([making.order("ord_1")])
    return Document.objects.select_related("issuer").get()


def rendered(document: Document, *, plain: bool = False) -> bytes:
    """Return the document's PDF."""
    return render.render(
        content=json.loads(document.content), issued_at=document.issued_at, logo=None, plain=plain, watermark=""
    ).pdf


def put(document: Document, *, body: bytes) -> store.Stored:
    """Put bytes under the document's key, as somebody does who has the vault's keys."""
    return store.lock(
        key=custody.vault_key(document=document),
        body=body,
        retain_until=custody.lock_end(document=document),
        sha256=hashlib.sha256(body).hexdigest(),
    )


def advance(document: Document) -> Document:
    """Try to lock it."""
    locking.advance(document_id=document.pk, now=dt.datetime.now(tz=dt.UTC) + dt.timedelta(minutes=1))
    document.refresh_from_db()
    return document


def forged(body: bytes) -> bytes:
    """Return another PDF that embeds the same content."""
    made = io.BytesIO()
    with pikepdf.open(io.BytesIO(body)) as pdf:
        pdf.docinfo["/Title"] = "Something else"
        pdf.save(made)
    return made.getvalue()


def test_bytes_that_equal_the_render_are_adopted(document: Document) -> None:
    stored = put(document, body=rendered(document))
    assert advance(document).status == Status.LOCKED
    assert (document.vault_version, document.file_sha256) == (stored.version, stored.sha256)


def test_the_render_of_an_earlier_try_with_the_other_template_that_came_late_is_adopted_as_what_it_is(
    document: Document,
) -> None:
    body = rendered(document, plain=True)
    put(document, body=body)
    assert advance(document).status == Status.LOCKED
    assert document.file_sha256 == hashlib.sha256(body).hexdigest()
    assert document.template.startswith("plain") or "plain" in document.template


def test_bytes_that_only_embed_the_same_content_are_never_adopted(document: Document) -> None:
    body = forged(rendered(document))
    assert attachments.content_sha256(pdf=body) == document.content_sha256
    put(document, body=body)
    advance(document)
    assert (document.status, document.cause, document.locked_at) == (Status.ISSUED, "worm_checksum_mismatch", None)
    alert = Alert.objects.get(dedup_key=f"document:{document.public_id}")
    assert (alert.severity, alert.code) == ("P1", "worm_checksum_mismatch")


def test_a_later_version_of_other_bytes_never_becomes_the_documents(
    document: Document, s3_objects: objects.Objects
) -> None:
    assert advance(document).status == Status.LOCKED
    bucket = address.bucket(url=settings.VAULT_URL).name
    s3_objects.client().put_object(Bucket=bucket, Key=document.vault_key, Body=b"forged")
    body = store.open_vault().read(key=document.vault_key, version=document.vault_version)
    assert hashlib.sha256(body).hexdigest() == document.file_sha256
