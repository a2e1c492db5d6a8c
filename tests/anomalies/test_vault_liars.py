"""S3 that lies about one thing, or does not answer: each lie is caught under its own name, and nothing is LOCKED."""

import dataclasses
import datetime as dt
import hashlib
import re
import secrets
import time
from collections.abc import Iterator
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

import django.conf
import pytest
from pytest_django import Settings

from config.embedded import servers
from documents import errors
from documents.resilience import breaker, calls, dependencies
from documents.vault import s3_client, s3_probe, store
from tests.services import liar as liars
from tests.services import objects

BODY = b"%PDF-1.7 issued bytes" * 100
SHA256 = hashlib.sha256(BODY).hexdigest()
UNTIL = dt.datetime(2033, 1, 2, 6, tzinfo=dt.UTC)
WITHOUT_LOCKING = b"<Error><Code>ObjectLockConfigurationNotFoundError</Code><Message>none</Message></Error>"
GONE = b"<Error><Code>NoSuchVersion</Code><Message>gone</Message></Error>"
SLOW = b"<Error><Code>SlowDown</Code><Message>slow down</Message></Error>"


@pytest.fixture
def liar(
    s3_vault: str, s3_objects: objects.Objects, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[liars.Liar]:
    """A proxy between the vault and the session's store, still honest."""
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(store, "_opened", {})
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


def no_lock(exchange: liars.Exchange) -> None:
    if exchange.reads_object:
        for name in [name for name in exchange.headers if "object-lock" in name]:
            del exchange.headers[name]


def governance(exchange: liars.Exchange) -> None:
    if exchange.reads_object:
        exchange.headers["x-amz-object-lock-mode"] = "GOVERNANCE"


def day_short(exchange: liars.Exchange) -> None:
    if exchange.reads_object:
        exchange.headers["x-amz-object-lock-retain-until-date"] = (UNTIL - dt.timedelta(days=1)).isoformat()


def versioning_off(exchange: liars.Exchange) -> None:
    if exchange.path.endswith("?versioning"):
        exchange.body = exchange.body.replace(b"Enabled", b"Suspended")


def locking_off(exchange: liars.Exchange) -> None:
    if exchange.path.endswith("?object-lock"):
        exchange.status, exchange.body = 404, WITHOUT_LOCKING


def truncated(exchange: liars.Exchange) -> None:
    if exchange.reads_object:
        exchange.body = exchange.body[:-1]


def bit_flip(exchange: liars.Exchange) -> None:
    if exchange.reads_object:
        exchange.body = bytes([exchange.body[0] ^ 1]) + exchange.body[1:]


def other_version(exchange: liars.Exchange) -> None:
    if exchange.reads_object:
        exchange.headers["x-amz-version-id"] = "0" * 32


def then_404(exchange: liars.Exchange) -> None:
    if exchange.reads_object:
        exchange.status, exchange.body = 404, GONE


def stale(exchange: liars.Exchange) -> None:
    if "versions" in exchange.path and exchange.method == "GET":
        exchange.body = re.sub(rb"<Version>.*</Version>", b"", exchange.body, flags=re.DOTALL)


def clock_off(exchange: liars.Exchange) -> None:
    exchange.headers["date"] = format_datetime(dt.datetime.now(tz=dt.UTC) - dt.timedelta(days=1), usegmt=True)


LIES: dict[str, tuple[liars.Lie, str, str]] = {
    "no lock": (no_lock, "worm_lock_missing", "unlocked"),
    "GOVERNANCE": (governance, "worm_mode_weak", ""),
    "a day short": (day_short, "worm_lock_too_short", ""),
    "versioning off": (versioning_off, "worm_bucket_misconfigured", "versioning"),
    "bucket lock off": (locking_off, "worm_bucket_misconfigured", "locking"),
    "truncated": (truncated, "worm_checksum_mismatch", "size"),
    "bit flip": (bit_flip, "worm_checksum_mismatch", "bytes"),
    "other version": (other_version, "worm_checksum_mismatch", "version"),
    "200 then 404": (then_404, "worm_version_missing", "gone"),
    "stale read": (stale, "worm_version_missing", "unlisted"),
    "clock a day off": (clock_off, "worm_bucket_misconfigured", "store_clock"),
}


def caught(work: Any) -> tuple[str, Any]:
    with pytest.raises(errors.WormError) as raised:
        work()
    return raised.value.code, raised.value.values.get("cause", "")


@pytest.mark.parametrize("name", LIES)
def test_each_lie_has_its_name_between_put_and_read_back_and_of_what_is_locked(liar: liars.Liar, name: str) -> None:
    lie, *named = LIES[name]
    locked = lock(key=fresh_key())
    liar.lie = lie
    assert [*caught(lambda: lock(key=fresh_key()))] == named
    promise: dict[str, Any] = {"sha256": SHA256, "size": len(BODY), "retain_until": UNTIL}
    again = caught(lambda: store.verify(key=locked.key, version=locked.version, **promise))
    assert [*again] == named
    liar.lie = lambda _exchange: None
    assert lock(key=locked.key) == locked


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


def test_an_honest_proxy_is_believed_and_one_document_costs_six_requests(liar: liars.Liar) -> None:
    store.open_vault()
    for number in range(20):
        liar.requests.clear()
        assert lock(key=fresh_key(), body=BODY + bytes([number])).siblings == ()
    assert len(liar.requests) == 6


# -- what is no lie but an outage --


def slow_down(exchange: liars.Exchange) -> None:
    exchange.status, exchange.body = 503, SLOW
    exchange.headers["retry-after"] = "77"


def broken(exchange: liars.Exchange) -> None:
    exchange.status, exchange.body = 500, b""


def test_a_store_that_asks_to_wait_is_an_outage_and_says_for_how_long(liar: liars.Liar) -> None:
    store.open_vault()
    liar.lie = slow_down
    with pytest.raises(errors.WormError) as raised:
        lock(key=fresh_key())
    assert (raised.value.code, raised.value.values["wait_s"]) == ("worm_unavailable", 77)
    liar.lie = broken
    assert caught(lambda: lock(key=fresh_key())) == ("worm_unavailable", "system")


@pytest.mark.django_db
def test_what_fails_is_asked_once_and_three_times_open_the_breaker(liar: liars.Liar) -> None:
    store.open_vault()
    liar.hang_up = True
    liar.requests.clear()
    for _ in range(3):
        assert caught(lambda: lock(key=fresh_key()))[0] == "worm_unavailable"
    assert len(liar.requests) == 3
    assert calls.BREAKERS["vault"].state == "open"
    assert caught(lambda: lock(key=fresh_key()))[0] == "worm_unavailable"
    assert len(liar.requests) == 3


def test_a_byte_at_a_time_ends_at_the_deadline_of_the_whole_call(
    liar: liars.Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "ROW", dataclasses.replace(s3_client.ROW, total_s=1.5))
    store.open_vault()
    liar.drip_s = 0.1
    began = time.monotonic()
    assert caught(lambda: lock(key=fresh_key()))[0] == "worm_unavailable"
    assert time.monotonic() - began < 3


def test_nobody_at_the_address_is_an_outage(liar: liars.Liar, settings: Settings) -> None:
    nobody = f"http://127.0.0.1:{servers.free_port()}"
    settings.VAULT_URL = settings.VAULT_URL.replace(liar.endpoint, nobody)
    assert caught(lambda: lock(key=fresh_key())) == ("worm_unavailable", "system")


# -- what the probe finds at the start --


@pytest.mark.parametrize(
    ("lie", "cause"), [(versioning_off, "versioning"), (locking_off, "locking"), (clock_off, "store_clock")]
)
def test_a_bucket_that_is_not_what_it_must_be_is_not_opened(liar: liars.Liar, lie: liars.Lie, cause: str) -> None:
    liar.lie = lie
    assert caught(lambda: lock(key=fresh_key())) == ("worm_bucket_misconfigured", cause)
    assert not [request for request in liar.requests if request.startswith("PUT")]


@pytest.mark.parametrize(
    ("method", "part", "attack"),
    [("DELETE", "versionId", "delete-version"), ("PUT", "retention", "shorten")],
)
def test_a_store_that_lets_an_attack_through_is_no_vault(liar: liars.Liar, method: str, part: str, attack: str) -> None:
    def permissive(exchange: liars.Exchange) -> None:
        if exchange.method == method and part in exchange.path:
            exchange.status, exchange.body = 200, b""

    liar.lie = permissive
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
    assert caught(lambda: lock(key=fresh_key()))[0] == "worm_write_denied"
