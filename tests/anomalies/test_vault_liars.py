"""S3 that lies about one thing, or does not answer: each lie is caught under its own name, and nothing is LOCKED."""

import dataclasses
import datetime as dt
import hashlib
import secrets
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import django.conf
import pytest
from pytest_django import Settings

from audit import log
from config import env
from config.embedded import servers
from documents import distribution, errors
from documents.emission import locking
from documents.models import Alert, Document, Status
from documents.resilience import breaker, calls, clock, dependencies
from documents.vault import s3_client, s3_probe, store
from tests import factories
from tests.payouts import making, telling
from tests.services import liar as liars
from tests.services import objects

BODY = b"%PDF-1.7 issued bytes" * 100
SHA256 = hashlib.sha256(BODY).hexdigest()
UNTIL = dt.datetime(2033, 1, 2, 6, tzinfo=dt.UTC)
NOW = telling.NOW
HONEST = 200  # objects of the vault
DOCUMENTS = 200 if env.text(name="VAULT_LAB") else 20  # each costs a PDF besides
ACTOR = log.Actor(kind="service", id="platform", role="finance", channel="web", request_id="req_1")


@pytest.fixture
def liar(
    s3_vault: str, s3_objects: objects.Objects, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[liars.Liar]:
    """A proxy between the vault and the session's store, still honest."""
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(store, "_opened", {})
    monkeypatch.setattr(clock, "clock_skew_s", lambda: 0.0)  # ours is right
    with liars.before(upstream=s3_objects.endpoint) as proxy:
        settings.VAULT_URL = s3_vault.replace(s3_objects.endpoint, proxy.endpoint)
        yield proxy


def lock(*, key: str, body: bytes = BODY) -> store.Stored:
    digest = hashlib.sha256(body).hexdigest()
    return store.lock(key=key, body=body, retain_until=UNTIL, sha256=digest, skew_s=lambda: 0.0)


def fresh_key() -> str:
    return f"es/2026/doc_{secrets.token_hex(8)}.pdf"


def bucket() -> str:
    return urlsplit(str(django.conf.settings.VAULT_URL)).netloc


LIES: dict[str, tuple[str, str]] = {
    "no_lock": ("worm_lock_missing", "unlocked"),
    "governance": ("worm_mode_weak", ""),
    "day_short": ("worm_lock_too_short", ""),
    "versioning_off": ("worm_bucket_misconfigured", "versioning"),
    "locking_off": ("worm_bucket_misconfigured", "locking"),
    "truncated": ("worm_checksum_mismatch", "size"),
    "bit_flip": ("worm_checksum_mismatch", "bytes"),
    "other_version": ("worm_checksum_mismatch", "version"),
    "then_404": ("worm_version_missing", "gone"),
    "stale": ("worm_version_missing", "unlisted"),
    "clock_off": ("worm_bucket_misconfigured", "store_clock"),
    "extra_version": ("worm_extra_version", ""),
    "delete_marker": ("worm_delete_marker", ""),
}
# What the answer to the one request of a download shows; the rest, which leaves the bytes what they are, a check finds.
SEEN_BY_A_READER = ("no_lock", "governance", "day_short", "truncated", "bit_flip", "other_version", "then_404")


def caught(work: Any) -> tuple[str, Any]:
    with pytest.raises(errors.WormError) as raised:
        work()
    return raised.value.code, raised.value.values.get("cause", "")


@pytest.mark.parametrize("order", ["lie", "armed"], ids=["before the put", "between put and read-back"])
@pytest.mark.parametrize("name", LIES)
def test_each_lie_has_its_name_and_nothing_is_locked(liar: liars.Liar, name: str, order: str) -> None:
    locked = lock(key=fresh_key())
    liar.obey(**{order: name})
    assert caught(lambda: lock(key=fresh_key())) == LIES[name]
    promise: dict[str, Any] = {"sha256": SHA256, "size": len(BODY), "retain_until": UNTIL}
    assert caught(lambda: store.verify(key=locked.key, version=locked.version, **promise)) == LIES[name]
    liar.obey()
    assert lock(key=locked.key) == locked


@pytest.mark.django_db
def test_a_document_of_the_line_stays_issued_whatever_the_lie(liar: liars.Liar) -> None:
    telling.issuers()
    telling.tell(making.order("ord_1"))
    document = telling.document("ORDER_FINAL_STATEMENT:order:ord_1:beneficiary")
    for name, (code, _cause) in LIES.items():
        Document.objects.filter(pk=document.pk).update(attempts=0, next_try_at=NOW)
        store.open_vault()
        liar.obey(**{"lie" if document.vault_key else "armed": name})  # the first one puts, the others adopt
        locking.advance(document_id=document.pk, now=NOW)
        document.refresh_from_db()
        assert (name, document.status, document.cause) == (name, Status.ISSUED, code)
        liar.obey()
    Document.objects.filter(pk=document.pk).update(attempts=0, next_try_at=NOW)
    locking.advance(document_id=document.pk, now=NOW)
    document.refresh_from_db()
    assert (document.status, len(store.open_vault().versions(key=document.vault_key))) == (Status.LOCKED, 1)


@pytest.mark.django_db
@pytest.mark.parametrize("name", SEEN_BY_A_READER)
def test_a_locked_document_is_withheld_from_its_reader_by_the_name_of_the_lie(liar: liars.Liar, name: str) -> None:
    document = factories.document()
    liar.obey(lie=name)
    with pytest.raises(errors.Problem) as refused:
        distribution.open(document=document, actor=ACTOR, purpose="download", now=factories.NOW)
    document.refresh_from_db()
    assert (refused.value.code, document.status) == ("document_quarantined", Status.QUARANTINED)
    assert document.cause == LIES[name][0]


def test_an_extra_version_of_other_bytes_is_none_of_ours_and_one_of_the_same_is_adopted(
    liar: liars.Liar, s3_objects: objects.Objects
) -> None:
    stored = lock(key=fresh_key())
    name = {"Bucket": bucket(), "Key": stored.key}
    same = s3_objects.client().put_object(**name, Body=BODY, ContentType=store.PDF)["VersionId"]
    assert lock(key=stored.key) == dataclasses.replace(stored, siblings=(same,))  # the oldest counts
    s3_objects.client().put_object(**name, Body=b"forged")
    assert caught(lambda: lock(key=stored.key))[0] == "worm_extra_version"
    assert store.open_vault().read(key=stored.key, version=stored.version) == BODY


def test_a_delete_marker_hides_nothing_and_is_named(liar: liars.Liar, s3_objects: objects.Objects) -> None:
    stored = lock(key=fresh_key())
    name = {"Bucket": bucket(), "Key": stored.key}
    s3_objects.client().delete_object(**name)
    assert caught(lambda: lock(key=stored.key))[0] == "worm_delete_marker"
    assert store.open_vault().read(key=stored.key, version=stored.version) == BODY


def test_an_honest_proxy_is_believed_of_200_objects_and_one_costs_six_requests(liar: liars.Liar) -> None:
    store.open_vault()
    liar.obey()
    for number in range(HONEST):
        assert lock(key=fresh_key(), body=BODY + bytes([number])).siblings == ()
    assert len(liar.obey()) == 6 * HONEST


@pytest.mark.django_db
def test_behind_an_honest_proxy_every_document_goes_from_its_event_to_locked_and_nothing_is_raised(
    liar: liars.Liar,
) -> None:
    telling.issuers()
    for number in range(DOCUMENTS):
        assert telling.tell(making.order(f"ord_{number}")).body["status"] == "processed"
    for document in Document.objects.order_by("pk"):
        locking.advance(document_id=document.pk, now=NOW)
    locked = Document.objects.filter(status=Status.LOCKED, vault_mode=store.COMPLIANCE, attempts=1)
    assert (locked.count(), Document.objects.count()) == (DOCUMENTS, DOCUMENTS)
    assert not Alert.objects.exists()
    put = [request for request in liar.obey() if request.startswith("PUT") and ".pdf" in request]
    assert len(put) == DOCUMENTS, "each was put once, and through the proxy"


# -- what is no lie but an outage --


def test_a_store_that_asks_to_wait_is_an_outage_and_says_for_how_long(liar: liars.Liar) -> None:
    store.open_vault()
    liar.obey(lie="slow_down")
    with pytest.raises(errors.WormError) as raised:
        lock(key=fresh_key())
    assert (raised.value.code, raised.value.values["wait_s"]) == ("worm_unavailable", 77)
    liar.obey(lie="broken")
    assert caught(lambda: lock(key=fresh_key())) == ("worm_unavailable", "system")


@pytest.mark.django_db
def test_what_fails_is_asked_once_and_three_times_open_the_breaker(liar: liars.Liar) -> None:
    store.open_vault()
    liar.obey(hang_up=True)
    for _ in range(3):
        assert caught(lambda: lock(key=fresh_key()))[0] == "worm_unavailable"
    assert len(liar.obey(hang_up=True)) == 3
    assert calls.BREAKERS["vault"].state == "open"
    assert caught(lambda: lock(key=fresh_key()))[0] == "worm_unavailable"
    assert liar.obey() == []


def test_a_byte_at_a_time_ends_at_the_deadline_of_the_whole_call(
    liar: liars.Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "ROW", dataclasses.replace(s3_client.ROW, total_s=1.5))
    store.open_vault()
    liar.obey(drip_s=0.1)
    began = time.monotonic()
    assert caught(lambda: lock(key=fresh_key()))[0] == "worm_unavailable"
    assert time.monotonic() - began < 3


def test_nobody_at_the_address_is_an_outage(liar: liars.Liar, settings: Settings) -> None:
    nobody = f"http://127.0.0.1:{servers.free_port()}"
    settings.VAULT_URL = settings.VAULT_URL.replace(liar.endpoint, nobody)
    assert caught(lambda: lock(key=fresh_key())) == ("worm_unavailable", "system")


# -- what the probe finds at the start --


@pytest.mark.parametrize(
    ("lie", "cause"), [("versioning_off", "versioning"), ("locking_off", "locking"), ("clock_off", "store_clock")]
)
def test_a_bucket_that_is_not_what_it_must_be_is_not_opened(liar: liars.Liar, lie: str, cause: str) -> None:
    liar.obey(lie=lie)
    assert caught(lambda: lock(key=fresh_key())) == ("worm_bucket_misconfigured", cause)
    assert not [request for request in liar.obey() if request.startswith("PUT")]


@pytest.mark.parametrize(("lie", "attack"), [("lets_remove", "delete-version"), ("lets_shorten", "shorten")])
def test_a_store_that_lets_an_attack_through_is_no_vault(liar: liars.Liar, lie: str, attack: str) -> None:
    liar.obey(lie=lie)
    with pytest.raises(errors.WormError) as raised:
        lock(key=fresh_key())
    assert (raised.value.code, raised.value.values["attack"]) == ("worm_bucket_misconfigured", attack)


def test_a_canary_is_locked_for_a_day_and_is_one_a_day(liar: liars.Liar, s3_objects: objects.Objects) -> None:
    store.open_vault()
    for _ in range(3):
        store.probe_again()
    versions = s3_objects.client().list_object_versions(Bucket=bucket(), Prefix=s3_probe.PREFIX)["Versions"]
    assert len({version["Key"] for version in versions}) == len(versions)


def test_a_bucket_that_is_not_there_or_a_wrong_key_is_named(
    liar: liars.Liar, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAULT_URL = settings.VAULT_URL.replace("s3://vault", "s3://none")
    assert caught(lambda: lock(key=fresh_key())) == ("worm_bucket_misconfigured", "bucket")
    settings.VAULT_URL = settings.VAULT_URL.replace("s3://none", "s3://vault")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(errors.WormError) as raised:
        lock(key=fresh_key())
    assert raised.value.code == "worm_write_denied"
    assert str(raised.value.values["error"]).endswith(": GetBucketVersioning")
