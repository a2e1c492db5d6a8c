"""What every store promises, over a folder and over a real S3: the same tests on both."""

import contextlib
import datetime as dt
import hashlib
import secrets
import threading
import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from pytest_django import Settings

from config import env
from config.embedded import object_store
from documents import errors
from documents.resilience import breaker, calls, dependencies
from documents.vault import address, rules, s3_client, s3_full_probe, s3_probe, store
from tests.services import objects, radosgw

BODY = b"%PDF-1.7 the bytes of a document"
SHA256 = hashlib.sha256(BODY).hexdigest()
UNTIL = dt.datetime(2033, 1, 2, 6, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


STORES = {"file": "vault_folder", "s3": "s3_vault"}
if env.text(name="VAULT_LAB"):  # make vault-lab
    STORES["radosgw"] = "radosgw_vault"


@pytest.fixture(scope="module")
def radosgw_objects() -> Iterator[objects.Objects]:
    """Another real S3, which lacks what SeaweedFS has."""
    with radosgw.running() as store_running:
        yield store_running


@pytest.fixture
def radosgw_vault(radosgw_objects: objects.Objects, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the vault into a bucket of the lab."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", object_store.ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", radosgw_objects.secret)
    settings.VAULT_URL = radosgw_objects.bucket(name="lab")


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
def vault(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> store.Vault:
    """Each store in turn, just opened."""
    request.getfixturevalue(request.param)
    settings.ENVIRONMENT = "test"
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(store, "_opened", {})
    return store.open_vault()


@pytest.fixture
def key() -> str:
    """A key of this test's own."""
    return f"es/2026/doc_{secrets.token_hex(8)}/abc.pdf"


def lock(*, key: str, body: bytes = BODY, until: dt.datetime = UNTIL) -> store.Stored:
    digest = hashlib.sha256(body).hexdigest()
    return store.lock(key=key, body=body, retain_until=until, sha256=digest, skew_s=lambda: 0.0)


def verify(*, vault: store.Vault, stored: store.Stored, **changes: Any) -> store.Stored:
    promise: dict[str, Any] = {
        "key": stored.key,
        "version": stored.version,
        "sha256": stored.sha256,
        "size": stored.size,
        "retain_until": stored.retain_until,
    }
    return vault.verify(**{**promise, **changes})


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(errors.WormError) as raised:
        work()
    return raised.value.code


def test_what_is_locked_reads_back_with_its_hash_lock_moment_and_type(vault: store.Vault, key: str) -> None:
    stored = lock(key=key)
    assert vault.read(key=key, version=stored.version) == BODY
    assert (stored.sha256, stored.size, stored.retain_until) == (SHA256, len(BODY), UNTIL)
    assert (stored.content_type, stored.mode, stored.siblings) == (store.PDF, vault.mode, ())
    assert abs(stored.stored_at - dt.datetime.now(tz=dt.UTC)) < dt.timedelta(seconds=60)
    assert vault.find(key=key) == stored
    assert verify(vault=vault, stored=stored) == stored


def test_locking_again_adopts_what_is_there_and_adds_no_version(vault: store.Vault, key: str) -> None:
    first = lock(key=key)
    assert lock(key=key) == first
    assert [version.version for version in vault.versions(key=key)] == [first.version]


def test_other_bytes_under_a_taken_key_are_refused_and_the_first_survive(vault: store.Vault, key: str) -> None:
    first = lock(key=key)
    assert refused(lambda: lock(key=key, body=b"other bytes")) == "worm_checksum_mismatch"
    assert vault.read(key=key, version=first.version) == BODY
    assert len(vault.versions(key=key)) == 1


def test_a_key_never_used_is_not_found_and_has_no_version_to_read(vault: store.Vault, key: str) -> None:
    assert vault.find(key=key) is None
    assert vault.versions(key=key) == ()
    stored = lock(key=f"{key}.longer")  # S3 lists by prefix
    assert vault.find(key=key) is None
    assert refused(lambda: vault.read(key=key, version=stored.version)) == "worm_version_missing"


@pytest.mark.parametrize("bad", ["", "/etc/passwd", "../out", "a//b", "_probe/canary", "a\nb", "ñ", "a/" * 40 + "a"])
def test_no_key_leaves_the_vault_or_reaches_its_own_objects(vault: store.Vault, bad: str) -> None:
    actions: list[Callable[[], Any]] = [
        lambda: lock(key=bad),
        lambda: vault.find(key=bad),
        lambda: vault.read(key=bad, version=SHA256),
        lambda: vault.put(key=bad, body=BODY, content_type=store.PDF, retain_until=UNTIL),
        lambda: vault.versions(key=bad),
        lambda: vault.dispose(key=bad, version=SHA256),
    ]
    for action in actions:
        with pytest.raises(ValueError, match="not a vault key"):
            action()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"retain_until": UNTIL + dt.timedelta(seconds=1)}, "worm_lock_too_short"),
        ({"size": len(BODY) - 1}, "worm_checksum_mismatch"),
        ({"sha256": "0" * 64}, "worm_checksum_mismatch"),
        ({"content_type": "text/plain"}, "worm_checksum_mismatch"),
    ],
)
def test_a_promise_that_was_not_kept_has_a_name(
    vault: store.Vault, key: str, changes: dict[str, Any], code: str
) -> None:
    stored = lock(key=key)
    assert refused(lambda: verify(vault=vault, stored=stored, **changes)) == code


def test_a_lock_grows_and_never_shrinks(vault: store.Vault, key: str) -> None:
    stored = lock(key=key)
    longer = vault.extend(key=key, version=stored.version, retain_until=UNTIL + 400 * DAY)
    assert longer.retain_until == UNTIL + 400 * DAY
    again = vault.put(key=key, body=BODY, content_type=store.PDF, retain_until=UNTIL - 400 * DAY)
    assert (again.version, again.retain_until) == (stored.version, longer.retain_until)
    with contextlib.suppress(errors.WormError):  # S3 refuses it; a folder keeps what it has
        assert vault.extend(key=key, version=stored.version, retain_until=UNTIL) == longer
    found = vault.find(key=key)
    assert found is not None
    assert found.retain_until == longer.retain_until
    vault.hold(key=key, version=stored.version, on=True)  # after either, SeaweedFS knows no type any more
    assert verify(vault=vault, stored=stored).retain_until == longer.retain_until


def test_what_must_be_kept_is_not_disposed_of(vault: store.Vault, key: str) -> None:
    stored = lock(key=key)
    assert refused(lambda: vault.dispose(key=key, version=stored.version)) == "worm_still_locked"
    assert vault.read(key=key, version=stored.version) == BODY


def test_what_has_expired_can_be_disposed_of_unless_it_is_held(vault: store.Vault, key: str) -> None:
    soon = dt.datetime.now(tz=dt.UTC).replace(microsecond=0) + dt.timedelta(seconds=3)
    stored = lock(key=key, until=soon)
    held = vault.hold(key=key, version=stored.version, on=True)
    while dt.datetime.now(tz=dt.UTC) <= soon + dt.timedelta(seconds=1):
        threading.Event().wait(0.1)
    if held:
        assert refused(lambda: vault.dispose(key=key, version=stored.version)) == "worm_still_locked"
        vault.hold(key=key, version=stored.version, on=False)
    vault.dispose(key=key, version=stored.version)
    assert vault.find(key=key) is None
    assert vault.versions(key=key) == ()


def test_the_walk_names_every_key_once_and_no_canary(vault: store.Vault, key: str) -> None:
    folder = key.rpartition("/")[0]
    names = {f"{folder}/{number}.pdf" for number in range(3)}
    for name in names:
        lock(key=name, body=name.encode())
    assert sorted(vault.keys(prefix=folder)) == sorted(names)
    assert not [name for name in vault.keys(prefix="") if "probe" in name]


def test_sixteen_writers_of_one_key_leave_one_object_and_only_identical_ones_succeed(
    vault: store.Vault, key: str
) -> None:
    outcomes: list[str] = []

    def write(number: int) -> None:
        body = BODY + bytes([number % 2])
        try:
            vault.put(key=key, body=body, content_type=store.PDF, retain_until=UNTIL)
            outcomes.append(hashlib.sha256(body).hexdigest())
        except errors.WormError as refusal:
            outcomes.append(refusal.code)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = vault.find(key=key)
    assert found is not None
    assert found.sha256 in outcomes
    if getattr(vault, "conditional", True):
        assert len(vault.versions(key=key)) == 1
        # A store may also ask to come again: then the document's row does.
        assert set(outcomes) <= {found.sha256, "worm_checksum_mismatch", "worm_unavailable"}
    else:  # S3 without If-None-Match took them all: whatever came of it, other bytes are never called locked
        assert refused(lambda: verify(vault=vault, stored=found)) == "worm_extra_version"


def test_eight_writers_of_the_same_bytes_lock_one_object(vault: store.Vault, key: str) -> None:
    locked: list[store.Stored] = []
    threads = [threading.Thread(target=lambda: locked.append(lock(key=key))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = vault.find(key=key)
    assert found is not None
    assert {stored.version for stored in locked} == {found.version}
    assert len(locked) == 8


@pytest.mark.parametrize(
    ("zone", "end"),
    [
        ("Europe/Madrid", "2033-01-01T23:00:00+00:00"),
        ("America/Mexico_City", "2033-01-02T06:00:00+00:00"),
        ("America/Bogota", "2033-01-02T05:00:00+00:00"),
    ],
)
def test_a_lock_ends_with_its_last_day_where_the_document_is_at_home(zone: str, end: str) -> None:
    assert store.lock_end(day=dt.date(2033, 1, 1), zone=zoneinfo.ZoneInfo(zone)).isoformat() == end


def test_every_store_tells_its_facts_and_its_time(vault: store.Vault) -> None:
    facts = vault.facts()
    assert facts.now is not None
    assert abs(facts.now - dt.datetime.now(tz=dt.UTC)) < dt.timedelta(seconds=rules.SKEW_MAX_S)
    assert facts.locking == (vault.mode in {store.COMPLIANCE, "LOCAL_IMMUTABLE"})
    assert facts.versioning == (vault.mode == store.COMPLIANCE)
    assert not facts.lifecycle


def test_in_full_no_attack_goes_through_and_what_the_store_lacks_is_said(
    vault: store.Vault, request: pytest.FixtureRequest
) -> None:
    if vault.mode != store.COMPLIANCE:
        assert set(vault.attempts.values()) <= {store.REFUSED}  # its probe is all that there is
        return
    running: objects.Objects = request.getfixturevalue(
        "radosgw_objects" if address.bucket(url=settings.VAULT_URL).name == "lab" else "s3_objects"
    )
    canary = address.bucket(url=running.bucket(name="canary-contract"))
    client = s3_client.connect(place=canary)
    own = address.bucket(url=settings.VAULT_URL)
    s3_full_probe.require_canary(
        client=client, bucket=canary.name, wanted=s3_full_probe.settings_of(client=client, bucket=own.name)
    )
    became = s3_full_probe.attack(client=client, bucket=canary.name)
    capabilities = {"content-md5", "sha256", s3_probe.CONDITIONAL}
    assert {became[name] for name in became.keys() - capabilities} <= {store.REFUSED, store.BY_POLICY, store.KEPT}
    assert {became[name] for name in capabilities} <= {store.HONOURED, store.IGNORED}
    assert store.HONOURED in {became["content-md5"], became["sha256"]}  # bytes that change on their way are noticed
