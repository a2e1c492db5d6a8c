"""The vault's disk failing at the first, second, n-th operation, full, gone, read-only, slow, flapping."""

import errno
import fcntl
import hashlib
import os
import pathlib
import random
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from documents import errors, metrics
from documents.models import Alert
from documents.operations import checks
from documents.resilience import breaker, calls, dependencies
from documents.vault import immutable, local_store, store

BODY = b"%PDF-1.7 issued bytes" * 100
KEY = "ES/2026/doc_1.pdf"
UNTIL = datetime(2033, 1, 1, 23, tzinfo=UTC)
CALLS = ("open", "write", "fsync", "link", "mkdir", "fchmod", "fstat")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, vault_folder: pathlib.Path) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(store, "_opened", {})
    monkeypatch.setattr(checks, "QUESTIONS", {})
    monkeypatch.setattr(checks, "_looked_at", {})
    assert not vault_folder.exists()


def lock() -> store.Stored:
    digest = hashlib.sha256(BODY).hexdigest()
    return store.lock(key=KEY, body=BODY, retain_until=UNTIL, sha256=digest, skew_s=lambda: 0.0)


class FailAt:
    """Lets the n-th call into the operating system fail with one error, once."""

    def __init__(self, *, number: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number, self.code, self.calls = number, code, 0
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrap(real=getattr(os, name)))
        monkeypatch.setattr(fcntl, "ioctl", self._wrap(real=fcntl.ioctl))

    def _wrap(self, *, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == self.number:
                raise OSError(self.code, os.strerror(self.code))
            return real(*arguments, **options)

        return call


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.ESTALE])
def test_a_disk_that_fails_at_any_operation_gives_a_named_error_and_a_whole_object_or_none(
    vault_folder: pathlib.Path, code: int
) -> None:
    store.open_vault()
    failures: list[errors.WormError] = []
    for number in range(1, 80):
        with pytest.MonkeyPatch.context() as patch:
            fail = FailAt(number=number, code=code, monkeypatch=patch)
            try:
                store.open_vault().put(key=KEY, body=BODY, content_type=store.PDF, retain_until=UNTIL)
            except errors.WormError as error:
                failures.append(error)
            clean = fail.calls < number
        path = vault_folder / KEY
        assert not path.exists() or path.read_bytes() == BODY
        assert lock().size == len(BODY)  # the next try finishes what this one left
        immutable.unlock_for_removal(folder=vault_folder / "ES")
        shutil.rmtree(vault_folder / "ES")
        if clean:
            break
    assert clean
    assert len(failures) > 15
    assert all(error.row.retryable for error in failures)
    assert {error.code for error in failures} <= {"worm_unavailable", "worm_write_denied"}


def test_a_read_that_fails_at_any_operation_is_an_outage_never_a_mismatch() -> None:
    stored = lock()
    codes = []
    for number in range(1, 40):
        with pytest.MonkeyPatch.context() as patch:
            fail = FailAt(number=number, code=errno.EIO, monkeypatch=patch)
            try:
                store.open_vault().verify(
                    key=KEY, version=stored.version, sha256=stored.sha256, size=stored.size, retain_until=UNTIL
                )
            except errors.WormError as error:
                codes.append(error.code)
            if fail.calls < number:
                break
    assert fail.calls < number
    assert codes == ["worm_unavailable"] * len(codes)
    assert len(codes) > 5


@pytest.mark.django_db
def test_a_vault_whose_folder_disappears_waits_alerts_once_and_never_starts_an_empty_one(
    vault_folder: pathlib.Path,
) -> None:
    stored = lock()
    aside = vault_folder.with_name("unmounted")
    vault_folder.rename(aside)
    for _ in range(10):
        with pytest.raises(errors.WormError) as raised:
            lock()
        assert raised.value.code == "worm_unavailable"
    assert not vault_folder.exists()
    for look in (
        lambda: store.open_vault().find(key=KEY),
        lambda: store.open_vault().read(key=KEY, version=stored.version),
    ):
        with pytest.raises(errors.WormError) as raised:
            look()
        assert raised.value.code == "worm_unavailable"  # gone is not the same as never stored
    assert Alert.objects.get().dedup_key == "dependency:vault"
    aside.rename(vault_folder)
    calls.BREAKERS["vault"].opened_at -= 60
    assert lock() == stored


@pytest.mark.django_db
def test_a_full_disk_is_a_denied_write_and_what_is_there_still_reads(
    vault_folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = lock()

    def full(_descriptor: int, _body: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(errors.WormError) as raised:
            store.lock(
                key="ES/other.pdf",
                body=b"x",
                retain_until=UNTIL,
                sha256=hashlib.sha256(b"x").hexdigest(),
                skew_s=lambda: 0.0,
            )
        assert raised.value.code == "worm_write_denied"
        assert store.open_vault().read(key=KEY, version=stored.version) == BODY
    assert not list(vault_folder.rglob("other.pdf"))


def test_an_unwritable_place_for_the_vault_is_named_at_the_start(vault_folder: pathlib.Path) -> None:
    vault_folder.parent.joinpath("vault").write_text("a file stands where the folder should be", encoding="utf-8")
    with pytest.raises(errors.WormError) as raised:
        store.open_vault()
    assert raised.value.code == "worm_unavailable"
    vault_folder.unlink()
    assert store.open_vault().mode in {"LOCAL_IMMUTABLE", "LOCAL_READ_ONLY"}  # mended without a restart


@pytest.mark.django_db
def test_a_vault_that_hangs_leaves_the_answer_of_readyz_in_time_and_costs_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.open_vault()
    release = threading.Event()

    def hang(*_a: object, **_k: object) -> None:
        release.wait(20)

    monkeypatch.setattr(local_store.LocalVault, "find", hang)
    before = threading.active_count()
    for _ in range(3):
        started = time.monotonic()
        found = checks.look(wait_s=0.3)
        assert time.monotonic() - started < 1
        assert found["vault"] == checks.CheckResult(ok=False, detail="does not answer in time")
    assert threading.active_count() <= before + len(checks.CHECKS)
    release.set()


@pytest.mark.django_db
def test_a_slow_vault_keeps_what_it_locked_and_opens_the_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [1000.0]
    real = local_store.LocalVault.put

    def slow(*arguments: Any, **options: Any) -> store.Stored:
        at[0] += dependencies.DEPENDENCIES["vault"].total_s + 5
        return real(*arguments, **options)

    monkeypatch.setattr(time, "monotonic", lambda: at[0])
    monkeypatch.setattr(local_store.LocalVault, "put", slow)
    for _ in range(3):
        assert lock().size == len(BODY)
    with pytest.raises(errors.WormError) as raised:
        lock()
    assert raised.value.code == "worm_unavailable"


def test_a_flapping_vault_locks_each_document_once(vault_folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, luck = os.fsync, random.Random(7)

    def flap(descriptor: int) -> None:
        if luck.random() < 0.1:
            raise OSError(errno.EIO, "flaps")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", flap)
    locked, failed = set(), []
    for _ in range(30):
        calls.BREAKERS["vault"] = breaker.Breaker(row=dependencies.DEPENDENCIES["vault"])
        try:
            locked.add(lock())
        except errors.WormError as error:
            failed.append(error.code)
    assert len(locked) == 1
    assert set(failed) == {"worm_unavailable"}
    assert [path.name for path in (vault_folder / KEY).parent.iterdir() if not path.name.startswith(".")] == [
        "doc_1.pdf"
    ]


def test_a_broken_promise_is_counted_by_its_name(vault_folder: pathlib.Path) -> None:
    lock()
    path = vault_folder / KEY
    immutable.unlock_for_removal(folder=path.parent)
    path.chmod(0o644)
    path.write_bytes(b"forged")
    before = metrics.WORM_ERRORS.labels(code="worm_checksum_mismatch")._value.get()
    with pytest.raises(errors.WormError):
        lock()
    assert metrics.WORM_ERRORS.labels(code="worm_checksum_mismatch")._value.get() == before + 1
    assert calls.BREAKERS["vault"].state == "closed"  # the store answers: it is the bytes that are wrong
