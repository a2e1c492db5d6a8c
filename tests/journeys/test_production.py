"""Production with all its real parts: PostgreSQL, a broker, S3 with Object Lock and SMTP; nothing embedded, no folder."""

import datetime as dt
import time
import zoneinfo
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from config import production as refusals
from config.embedded import object_store, services
from documents.vault import store
from tests.services import live, mailbox, objects

MADRID = zoneinfo.ZoneInfo("Europe/Madrid")
BUCKET = "production"
SECRETS = {name: f"{name.lower()}-of-this-test-and-of-nobody-else" for name in refusals.SECRETS}


@pytest.fixture
def inbox() -> Iterator[mailbox.Mailbox]:
    """A real SMTP server."""
    server = mailbox.Mailbox()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def production(
    stack: services.Stack,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    s3_objects: objects.Objects,
    inbox: mailbox.Mailbox,
) -> Iterator[live.Live]:
    """Web server and worker as production starts them."""
    variables = {
        "ENVIRONMENT": "production",
        "DATABASE_OWNER_URL": "",  # a process that serves has none
        "PUBLIC_URL": "https://documents.example",
        "ALLOWED_HOSTS": "documents.example 127.0.0.1",
        "MAIL_FROM": "Aventide <documentos@aventide.com>",
        "ALERT_URL": "mailto:operations@example.com",
        "MAIL_URL": inbox.url,
        "AWS_ACCESS_KEY_ID": object_store.ACCESS,
        "AWS_SECRET_ACCESS_KEY": s3_objects.secret,
        **SECRETS,
    }
    bucket = s3_objects.bucket(name=BUCKET)
    with live.running(stack=stack, blocker=django_db_blocker, vault_url=bucket, variables=variables) as started:
        yield started


def test_an_event_becomes_a_document_that_nobody_can_remove_and_a_mail(
    production: live.Live, s3_objects: objects.Objects, inbox: mailbox.Mailbox
) -> None:
    event = live.payment()
    assert production.post(event).status == 201
    key = f"PAYMENT_RECEIPT:payment:{event['data']['payment']['id']}:customer"
    (row,) = production.await_locked(keys=[key])
    assert row["vault_mode"] == store.COMPLIANCE
    version = s3_objects.client().head_object(Bucket=BUCKET, Key=row["vault_key"], VersionId=row["vault_version"])
    assert (version["ObjectLockMode"], version["ContentLength"]) == (store.COMPLIANCE, row["file_bytes"])
    end = dt.datetime.combine(row["retain_until"] + dt.timedelta(days=1), dt.time(), tzinfo=MADRID)
    assert version["ObjectLockRetainUntilDate"] == end
    until = time.monotonic() + live.PATIENCE_S
    address = event["data"]["customer"]["email"]
    while not any(mail["To"] == address for mail in inbox.messages) and time.monotonic() < until:
        time.sleep(live.LOOK_EVERY_S)
    assert address in [mail["To"] for mail in inbox.messages]  # beside alerts, if any
    ready = production.ask("GET", "/readyz")
    assert (ready.status, ready.body["dependencies"]["vault"]["detail"]) == (200, store.COMPLIANCE)
