"""moto, an S3 for programmers that says it has Object Lock: the probe refuses it by the name of what goes through."""

import datetime as dt
import pathlib
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator

import botocore.exceptions
import pytest
from pytest_django import Settings

from config.embedded import object_store, servers
from documents import errors
from documents.emission import locking
from documents.models import Document, Status
from documents.resilience import breaker, calls, dependencies
from documents.vault import address, s3_full_probe, s3_probe, store
from tests.payouts import making, telling
from tests.services import objects

START_LIMIT_S = 30.0
UNTIL = dt.datetime.now(tz=dt.UTC).replace(microsecond=0) + dt.timedelta(days=2)
# What becomes of each attack on a lock: with true Object Lock all of them are refused.
BECAME = {
    "delete-version": store.BY_POLICY,
    "delete-bypassing": store.BY_POLICY,
    "delete-in-bulk": store.BY_POLICY,
    "remove-lock": store.ALLOWED,
    "shorten": store.ALLOWED,
    "weaken": store.ALLOWED,
    "suspend-versioning": store.ALLOWED,
}


@pytest.fixture(scope="module")
def moto() -> Iterator[objects.Objects]:
    """Run its server as a process of its own."""
    port = servers.free_port()
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            running = objects.Objects(endpoint=f"http://127.0.0.1:{port}", secret="any")
            _await(running)
            yield running
        finally:
            process.kill()


def _await(running: objects.Objects) -> None:
    until = time.monotonic() + START_LIMIT_S
    while True:
        try:
            running.client().list_buckets()
        except botocore.exceptions.EndpointConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def bucket(moto: objects.Objects, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of the test's own with Object Lock, as its VAULT_URL; nothing is known of any vault yet."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", object_store.ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto.secret)
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(store, "_opened", {})
    return moto.bucket(name=f"moto-{secrets.token_hex(4)}")


def test_the_probe_refuses_it_by_the_name_of_what_goes_through(bucket: str, settings: Settings) -> None:
    settings.VAULT_URL = bucket
    with pytest.raises(errors.WormError) as raised:
        store.open_vault()
    assert raised.value.code == "worm_bucket_misconfigured"
    assert raised.value.values == {"cause": "attack", "attack": "shorten"}


@pytest.mark.django_db
def test_nothing_is_numbered_for_it_and_nothing_is_locked_in_it(
    vault_folder: pathlib.Path, bucket: str, moto: objects.Objects, settings: Settings
) -> None:
    telling.issuers()
    telling.tell(making.order("ord_1"))
    document = telling.document("ORDER_FINAL_STATEMENT:order:ord_1:beneficiary")
    settings.VAULT_URL = bucket
    locking.advance(document_id=document.pk, now=telling.NOW)
    document.refresh_from_db()
    assert (document.status, document.cause) == (Status.ISSUED, "worm_bucket_misconfigured")
    assert telling.tell(making.order("ord_2")).body["status"] == "parked"
    assert Document.objects.count() == 1
    listed = moto.client().list_object_versions(Bucket=address.bucket(url=bucket).name)["Versions"]
    assert {row["Key"].startswith(s3_probe.PREFIX) for row in listed} == {True}, "more than the probe's canary"


def test_of_the_attacks_on_a_lock_four_go_through(bucket: str, moto: objects.Objects) -> None:
    client, became = moto.client(), {}
    for attack in BECAME:
        name = {"Bucket": address.bucket(url=bucket).name, "Key": f"{s3_probe.PREFIX}{secrets.token_hex(8)}"}
        lock = {"ObjectLockMode": store.COMPLIANCE, "ObjectLockRetainUntilDate": UNTIL}
        name["VersionId"] = client.put_object(**name, **lock, Body=b"attacked")["VersionId"]
        attempt = s3_full_probe._locks(client=client, name=name, until=UNTIL)[attack]
        became[attack] = s3_full_probe._became(attempt=attempt)
    assert became == BECAME
