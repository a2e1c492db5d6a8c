"""The local vault: written once, read back, and honest about the level that it reached."""

import errno
import hashlib
import os
import pathlib
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from documents import errors
from documents.resilience import breaker, dependencies
from documents.resilience import calls as resilience_calls
from documents.vault import immutable, local_store, object_files, rules
from documents.vault import store as vault

BODY = b"%PDF-1.7 the bytes of a document"
SHA256 = hashlib.sha256(BODY).hexdigest()
READING = {"probe", "facts", "versions", "find", "read", "verify", "keys"}
UNTIL = datetime(2033, 1, 1, 23, tzinfo=UTC)
KEY = "es/2026/doc_1/abc.pdf"


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    yield tmp_path / "vault"
    immutable.unlock_for_removal(folder=tmp_path)


@pytest.fixture
def store(folder: pathlib.Path) -> local_store.LocalVault:
    return local_store.open_store(url=f"file://{folder}")


@pytest.fixture(autouse=True)
def _fresh(settings: Settings, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ENVIRONMENT = "test"
    settings.VAULT_URL = f"file://{folder}"
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(resilience_calls, "BREAKERS", fresh)


def lock(*, key: str = KEY, body: bytes = BODY, until: datetime = UNTIL, skew_s: float | None = 0.0) -> vault.Stored:
    digest = hashlib.sha256(body).hexdigest()
    return vault.lock(key=key, body=body, retain_until=until, sha256=digest, skew_s=lambda: skew_s)


def force(path: pathlib.Path, body: bytes | None) -> None:
    """What an owner or root can do by force: clear the flag, then rewrite or remove."""
    immutable.unlock_for_removal(folder=path.parent)
    path.chmod(0o644)
    if body is None:
        path.unlink()
    else:
        path.write_bytes(body)
        path.chmod(0o444)


def test_what_is_locked_reads_back_byte_for_byte_with_its_date_and_type(store: local_store.LocalVault) -> None:
    stored = lock()
    assert store.read(key=KEY, version=stored.version) == BODY
    assert (stored.sha256, stored.size, stored.retain_until, stored.content_type) == (
        SHA256,
        len(BODY),
        UNTIL,
        vault.PDF,
    )
    assert stored.mode == store.mode
    assert store.find(key=KEY) == stored


def test_locking_again_adopts_the_identical_object_and_writes_nothing(folder: pathlib.Path) -> None:
    first = lock()
    before = sorted((path.name, path.stat().st_ino) for path in folder.rglob("*"))
    assert lock() == first
    assert sorted((path.name, path.stat().st_ino) for path in folder.rglob("*")) == before


def test_other_bytes_under_a_taken_key_are_refused_and_the_first_survive(store: local_store.LocalVault) -> None:
    first = lock()
    with pytest.raises(errors.WormError) as raised:
        lock(body=b"other bytes")
    assert raised.value.code == "worm_checksum_mismatch"
    assert store.read(key=KEY, version=first.version) == BODY


def test_an_object_that_is_found_can_be_read_and_locked_as_it_is(store: local_store.LocalVault) -> None:
    store.put(key=KEY, body=BODY, content_type=vault.PDF, retain_until=UNTIL)
    found = store.find(key=KEY)
    assert found is not None
    adopted = store.read(key=KEY, version=found.version)
    assert lock(body=adopted) == found


def test_a_key_never_used_is_not_found_and_reads_as_a_missing_version(store: local_store.LocalVault) -> None:
    assert store.find(key="nothing/here.pdf") is None
    with pytest.raises(errors.WormError) as raised:
        store.read(key="nothing/here.pdf", version=SHA256)
    assert raised.value.code == "worm_version_missing"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../out",
        "a/../../out",
        "a//b",
        ".probe/canary",
        "a/.hidden",
        "a\x00b",
        "a\nb",
        "ñ",
        "x.lock",
        "a/" * 40 + "a",
        "a" * 300,
    ],
)
def test_no_key_leaves_the_vault_or_reaches_its_own_files(store: local_store.LocalVault, key: str) -> None:
    actions: list[Callable[[], Any]] = [
        lambda: lock(key=key),
        lambda: store.find(key=key),
        lambda: store.read(key=key, version=SHA256),
        lambda: store.put(key=key, body=BODY, content_type=vault.PDF, retain_until=UNTIL),
    ]
    for action in actions:
        with pytest.raises(ValueError, match="not a vault key"):
            action()


def test_a_symbolic_link_inside_the_vault_is_not_followed(
    store: local_store.LocalVault, folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "es").symlink_to(outside)
    with pytest.raises(errors.WormError):
        lock()
    assert not list(outside.iterdir())
    assert store.mode in {"LOCAL_IMMUTABLE", "LOCAL_READ_ONLY"}


def test_bytes_whose_hash_is_not_the_intended_one_are_never_written(folder: pathlib.Path) -> None:
    with pytest.raises(errors.WormError) as raised:
        vault.lock(key=KEY, body=BODY, retain_until=UNTIL, sha256="0" * 64, skew_s=lambda: 0.0)
    assert raised.value.code == "worm_checksum_mismatch"
    assert not (folder / KEY).exists()


@pytest.mark.parametrize("skew_s", [61.0, -61.0])
def test_nothing_is_locked_while_the_clock_is_off_by_more_than_a_minute(folder: pathlib.Path, skew_s: float) -> None:
    with pytest.raises(errors.WormError) as raised:
        lock(skew_s=skew_s)
    assert raised.value.code == "worm_bucket_misconfigured"
    assert not (folder / KEY).exists()


def test_changed_bytes_are_noticed_even_at_the_same_length(store: local_store.LocalVault, folder: pathlib.Path) -> None:
    stored = lock()
    force(folder / KEY, BODY.replace(b"bytes", b"lytes"))
    for check in (
        lambda: store.read(key=KEY, version=stored.version),
        lambda: store.find(key=KEY),
        lambda: verify(store=store, stored=stored),
    ):
        with pytest.raises(errors.WormError) as raised:
            check()
        assert raised.value.code == "worm_checksum_mismatch"


def test_a_removed_object_is_a_missing_version(store: local_store.LocalVault, folder: pathlib.Path) -> None:
    stored = lock()
    force(folder / KEY, None)
    with pytest.raises(errors.WormError) as raised:
        verify(store=store, stored=stored)
    assert raised.value.code == "worm_version_missing"


def verify(*, store: local_store.LocalVault, stored: vault.Stored, until: datetime = UNTIL) -> vault.Stored:
    return store.verify(
        key=stored.key, version=stored.version, sha256=stored.sha256, size=stored.size, retain_until=until
    )


def test_a_date_before_the_policys_is_too_short(store: local_store.LocalVault) -> None:
    stored = lock()
    with pytest.raises(errors.WormError) as raised:
        verify(store=store, stored=stored, until=UNTIL + timedelta(days=1))
    assert raised.value.code == "worm_lock_too_short"


def test_a_lock_cannot_be_shortened_by_putting_the_same_bytes_again(store: local_store.LocalVault) -> None:
    lock()
    again = store.put(key=KEY, body=BODY, content_type=vault.PDF, retain_until=datetime(2000, 1, 1, tzinfo=UTC))
    assert again.retain_until == UNTIL


def test_a_file_that_became_writable_has_lost_its_lock(store: local_store.LocalVault, folder: pathlib.Path) -> None:
    stored = lock()
    immutable.unlock_for_removal(folder=folder)
    (folder / KEY).chmod(0o644)
    with pytest.raises(errors.WormError) as raised:
        verify(store=store, stored=stored)
    assert raised.value.code == "worm_lock_missing"


def test_a_file_that_lost_its_immutable_flag_has_lost_its_lock_until_it_is_sealed_again(
    store: local_store.LocalVault, folder: pathlib.Path
) -> None:
    stored = lock()
    if store.mode != "LOCAL_IMMUTABLE":
        assert stored.mode == "LOCAL_READ_ONLY"  # this machine has no flag to lose
        return
    immutable.unlock_for_removal(folder=folder)
    with pytest.raises(errors.WormError) as raised:
        verify(store=store, stored=stored)
    assert raised.value.code == "worm_lock_missing"
    assert lock() == stored  # a crash between link and chattr looks exactly like this


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b'{"sha256": "x"}', b"\xff\xfe"])
def test_an_unreadable_lock_record_is_a_missing_lock(
    store: local_store.LocalVault, folder: pathlib.Path, garbage: bytes
) -> None:
    stored = lock()
    record = next((folder / KEY).parent.glob(".*.lock"))
    force(record, garbage)
    with pytest.raises(errors.WormError) as raised:
        verify(store=store, stored=stored)
    assert raised.value.code == "worm_lock_missing"


def test_bytes_without_any_lock_record_are_a_missing_lock(store: local_store.LocalVault, folder: pathlib.Path) -> None:
    lock()
    force(next((folder / KEY).parent.glob(".*.lock")), None)
    with pytest.raises(errors.WormError) as raised:
        store.find(key=KEY)
    assert raised.value.code == "worm_lock_missing"


def test_a_record_left_by_a_crash_before_the_bytes_does_not_block_other_bytes(
    folder: pathlib.Path, store: local_store.LocalVault
) -> None:
    stored = lock()
    force(folder / KEY, None)  # as if the crash came between the record and the bytes
    other = lock(body=b"rendered again by a newer engine")
    assert other.version != stored.version
    assert store.read(key=KEY, version=other.version) == b"rendered again by a newer engine"


def test_the_walk_names_every_object_and_none_of_the_vaults_own_files(store: local_store.LocalVault) -> None:
    for number in range(3):
        lock(key=f"es/{number}.pdf", body=BODY + bytes([number]))
    assert sorted(store.keys()) == ["es/0.pdf", "es/1.pdf", "es/2.pdf"]
    assert list(store.keys(prefix="mx/")) == []


def test_sixteen_writers_of_one_key_leave_one_object_and_only_identical_ones_succeed(
    store: local_store.LocalVault,
) -> None:
    outcomes: list[str] = []

    def write(number: int) -> None:
        try:
            outcomes.append(lock(body=BODY + bytes([number % 2])).sha256)
        except errors.WormError as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.find(key=KEY)
    assert found is not None
    assert sorted(outcomes) == sorted([found.sha256] * 8 + ["worm_checksum_mismatch"] * 8)


def test_nothing_removes_but_the_disposal_of_what_has_expired() -> None:
    verbs = {name for name in dir(local_store.LocalVault) if not name.startswith("_")}
    assert verbs == READING | {"put", "extend", "hold", "dispose"}
    assert not [name for name in dir(vault) if "delete" in name or "remove" in name]


def test_every_worm_code_has_severity_retry_metric_and_runbook() -> None:
    assert set(rules.RULES) == {code for code in errors.CODES if code.startswith("worm_")}
    page = pathlib.Path("docs/runbooks/worm.md").read_text(encoding="utf-8")
    for code, rule in rules.RULES.items():
        assert rule.severity in {"P1", "P2"}
        assert rule.retry
        assert rule.metric == "docs_worm_errors_total"
        assert rule.runbook == f"docs/runbooks/worm.md#{code}"
        assert f"\n## {code}\n" in page


@pytest.mark.parametrize("url", ["ftp://somewhere/vault", "file://elsewhere/vault", "file:relative"])
def test_an_address_without_a_store_is_a_named_error(settings: Settings, url: str) -> None:
    settings.VAULT_URL = url
    with pytest.raises(errors.WormError) as raised:
        lock()
    assert raised.value.code == "worm_bucket_misconfigured"


def test_in_production_a_lock_of_the_local_store_is_too_weak(settings: Settings) -> None:
    settings.ENVIRONMENT = "production"
    with pytest.raises(errors.WormError) as raised:
        lock()
    settings.ENVIRONMENT = "test"
    assert raised.value.code == "worm_mode_weak"


# --- the probe ---


def test_as_root_on_this_file_system_the_probe_says_what_the_attacks_met(
    store: local_store.LocalVault, folder: pathlib.Path
) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    able = immutable.available(folder=descriptor)
    os.close(descriptor)
    assert store.mode == ("LOCAL_IMMUTABLE" if able else "LOCAL_READ_ONLY")
    stored = lock()
    if able:
        for attack in (
            (folder / KEY).unlink,
            lambda: (folder / KEY).write_bytes(b"x"),
            lambda: (folder / KEY).rename(folder / "moved"),
            lambda: (folder / KEY).chmod(0o600),
        ):
            with pytest.raises(PermissionError):
                attack()
    assert verify(store=store, stored=stored) == stored


def test_without_the_right_to_set_the_flag_the_level_is_read_only_and_says_so(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*, descriptor: int) -> None:
        raise PermissionError(errno.EPERM, f"not permitted on {descriptor}")

    monkeypatch.setattr(immutable, "put_flag", refuse)
    store = local_store.open_store(url=f"file://{folder}")
    assert store.mode == "LOCAL_READ_ONLY"
    assert "local_read_only" in caplog.text
    monkeypatch.setattr(vault, "_opened", {f"file://{folder}": store})
    assert lock().mode == "LOCAL_READ_ONLY"
    assert (folder / KEY).stat().st_mode & 0o777 == 0o444


def test_a_flag_that_is_set_but_protects_nothing_is_found_out_by_the_attack(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(immutable, "put_flag", lambda **_: None)
    monkeypatch.setattr(immutable, "has_flag", lambda **_: True)
    assert local_store.open_store(url=f"file://{folder}").mode == "LOCAL_READ_ONLY"


def test_a_store_whose_second_put_replaces_the_first_is_no_vault(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaces(*, folder: int, name: str, body: bytes) -> bool:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, dir_fd=folder)
        os.write(descriptor, body)
        os.close(descriptor)
        return True

    monkeypatch.setattr(object_files, "link_once", replaces)
    with pytest.raises(errors.WormError) as raised:
        local_store.open_store(url=f"file://{folder}")
    assert raised.value.code == "worm_bucket_misconfigured"


def test_without_nameless_files_the_store_still_links_and_leaves_no_spare_name(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def without(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "no O_TMPFILE here")
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", without)
    stored = lock()
    assert stored.mode == "LOCAL_READ_ONLY"  # the flag is tried on a nameless file; without one nothing is claimed
    with pytest.raises(errors.WormError):
        lock(body=b"other")
    assert not list(folder.rglob(".tmp-*"))


def test_release_for_removal_is_refused_outside_demo_and_test(settings: Settings, folder: pathlib.Path) -> None:
    lock()
    for environment in ("sandbox", "production"):
        settings.ENVIRONMENT = environment
        with pytest.raises(PermissionError):
            immutable.unlock_for_removal(folder=folder)
    settings.ENVIRONMENT = "test"


def test_a_process_killed_at_any_system_call_of_a_write_leaves_nothing_or_a_whole_object(
    folder: pathlib.Path, store: local_store.LocalVault
) -> None:
    killed = finished = 0
    for at in range(1, 40):
        child = os.fork()
        if child == 0:
            die_at_call(number=at)
            store.put(key=KEY, body=BODY, content_type=vault.PDF, retain_until=UNTIL)
            os._exit(0)
        _pid, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        path = folder / KEY
        assert not path.exists() or path.read_bytes() == BODY
        assert lock().sha256 == SHA256  # what the crash left is finished
        immutable.unlock_for_removal(folder=folder / "es")
        shutil.rmtree(folder / "es")
        if not os.WIFSIGNALED(status):
            finished += 1
            break
    assert (finished, killed > 10) == (1, True)


def die_at_call(*, number: int) -> None:
    """In a forked child: SIGKILL at the n-th open, mkdir, link, chmod or ioctl."""
    calls = iter(range(1, number + 1))

    def trap(event: str, _args: object) -> None:
        if event in {"open", "os.mkdir", "os.link", "os.chmod", "fcntl.ioctl"} and next(calls, number) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(trap)
