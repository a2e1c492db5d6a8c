"""The sealed log in the vault: whoever reads it there can check it, and it is written once."""

import datetime as dt
import hashlib
import itertools
import os

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from audit import leaf, log, merkle, sealing, signing, tlog, tree
from audit.actions import Action
from audit.models import Event, TreeHead
from documents import errors, metrics
from documents.custody import log_archive, reconciliation
from documents.models import Alert, LogCommitment, LogFile
from documents.vault import store
from tests.services import database

pytestmark = pytest.mark.usefixtures("committed_db")
HOUR = dt.timedelta(hours=1)


_buckets = itertools.count(1)


@pytest.fixture(params=["vault_folder", "s3_objects"])
def vault(request: pytest.FixtureRequest, committed_db: None, settings: Settings) -> None:
    """Let a log have a vault of its own: another one's files would be in its way."""
    given = request.getfixturevalue(request.param)
    if request.param == "s3_objects":
        settings.VAULT_URL = given.bucket(name=f"log-{os.getpid()}-{next(_buckets)}")
    sealing._noted.clear()
    database.wait()


def append(number: int) -> None:
    with transaction.atomic():
        for _ in range(number):
            log.record(action=Action.ISSUER_ADDED, object_type="issuer", object_id="aventide-es", actor=log.SYSTEM)
    while sealing.seal():
        pass


def read(path: str) -> bytes:
    return log_archive.read(key=log_archive.PREFIX + path)


def assert_checked(size: int, *, note: str) -> None:
    """Check the log as one would who has nothing but the vault and the key."""
    (key,) = signing.history()
    checkpoint = tlog.read_checkpoint(note=note, keys=[key])
    assert checkpoint.size == size

    def tile(level: int, index: int) -> list[bytes]:
        width = min(256, (size >> 8 * level) - index * 256)
        body = read(tlog.tile_path(level=level, index=index, width=width))
        return [body[place : place + 32] for place in range(0, len(body), 32)]

    node = tlog.nodes(tile=tile)
    assert merkle.root(size=size, node=node) == checkpoint.root
    leaves: list[bytes] = []
    for level, index, width in tlog.tiles(size=size):
        if level == 0:
            leaves += tlog.read_bundle(body=read(tlog.tile_path(level="entries", index=index, width=width)))
    assert [merkle.leaf_hash(leaf=entry) for entry in leaves] == [node(0, index) for index in range(size)]
    assert leaves[-1] in {leaf.encode(event) for event in Event.objects.all()}


@pytest.mark.usefixtures("vault")
def test_what_lies_in_the_vault_is_a_log_that_anybody_can_check_and_is_locked_as_long_as_any_document() -> None:
    now = timezone.now()
    append(600)
    head = tree.head()
    assert head is not None
    assert log_archive.go_on(now=now) == len(list(tlog.tiles(size=head.size))) + head.size // 256 + 1 + 2
    ((size, note),) = log_archive.checkpoints()
    assert_checked(size, note=note)
    stored = store.open_vault().find(key=log_archive.checkpoint_key(size=size))
    assert stored is not None
    assert stored.retain_until >= log_archive.keep_until(now=now) - HOUR
    assert stored.retain_until.year >= now.year + 10
    assert list(reconciliation.of_keys()) == []


@pytest.mark.usefixtures("vault")
def test_full_tiles_follow_as_they_fill_and_the_others_with_a_checkpoint_once_an_hour() -> None:
    now = timezone.now()
    append(10)
    log_archive.go_on(now=now)
    assert log_archive.go_on(now=now) == 0
    append(10)
    assert log_archive.go_on(now=now) == 0
    append(300)
    assert log_archive.go_on(now=now) == 2  # a tile of leaves that is full, and its bundle
    assert log_archive.go_on(now=now + HOUR) == 2 + 1 + 2  # what is not full, of two levels; commitment and checkpoint
    *_, (size, note) = log_archive.checkpoints()
    assert_checked(size, note=note)


@pytest.mark.usefixtures("vault")
def test_once_an_hour_a_checkpoint_is_committed_to_and_what_opens_it_lies_in_the_vault() -> None:
    now = timezone.now()
    append(10)
    for hours in range(3):
        log_archive.go_on(now=now + hours * HOUR)
        log_archive.go_on(now=now + hours * HOUR)
    digests = list(LogCommitment.objects.order_by("pk").values_list("digest", flat=True))
    assert len(set(digests)) == 3  # though the log has not grown: the blind is another one
    for digest in digests:
        blind, _, note = log_archive.opening(digest=digest).partition(b"\n")
        assert hashlib.sha256(bytes.fromhex(blind.decode()) + note).hexdigest() == digest
        assert note.decode() in dict(log_archive.checkpoints()).values()


@pytest.mark.usefixtures("vault")
def test_a_vault_that_does_not_answer_is_waited_for_and_nothing_is_stored_twice(settings: Settings) -> None:
    append(300)
    there, settings.VAULT_URL = settings.VAULT_URL, "s3://nowhere?endpoint=http://127.0.0.1:9"
    with pytest.raises(errors.WormError):
        log_archive.go_on(now=timezone.now())
    assert not LogFile.objects.exists()
    assert not LogCommitment.objects.exists()
    settings.VAULT_URL = there
    head = tree.head()
    assert head is not None
    files = log_archive.archive(head=head, now=timezone.now())
    assert files == LogFile.objects.count()
    for key in LogFile.objects.values_list("key", flat=True):
        assert len(store.open_vault().versions(key=key)) == 1
    assert log_archive.archive(head=head, now=timezone.now()) == 0


@pytest.mark.usefixtures("vault")
def test_a_vault_that_holds_another_log_is_a_p1_until_it_is_this_one() -> None:
    append(5)
    (key,) = {tlog.tile_path(level=0, index=0, width=Event.objects.count())}
    body = bytes(Event.objects.count() * 32)
    store.lock(
        key=log_archive.PREFIX + key,
        body=body,
        retain_until=log_archive.keep_until(now=timezone.now()),
        sha256=hashlib.sha256(body).hexdigest(),
    )
    log_archive.tend(now=timezone.now())
    alert = Alert.objects.get(resolved_at=None)
    assert (alert.code, alert.severity, alert.object_id) == ("worm_checksum_mismatch", "P1", "audit_log")
    append(1)
    log_archive.tend(now=timezone.now())
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.usefixtures("vault")
def test_a_clock_of_ours_that_is_off_is_no_broken_promise_of_the_vault(monkeypatch: pytest.MonkeyPatch) -> None:
    append(5)
    counted = metrics.WORM_ERRORS.labels(code="worm_bucket_misconfigured")._value.get()
    with monkeypatch.context() as jump:
        jump.setitem(store.lock.__kwdefaults__ or {}, "skew_s", lambda: -90.0)
        log_archive.tend(now=timezone.now())
    assert not Alert.objects.exists()  # the clock has an incident of its own
    assert metrics.WORM_ERRORS.labels(code="worm_bucket_misconfigured")._value.get() == counted
    assert not LogFile.objects.exists()
    log_archive.tend(now=timezone.now())
    assert LogFile.objects.exists()


def test_whoever_is_cut_off_while_tiles_are_stored_leaves_none_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def note(*, level: int, index: int, width: int) -> list[log_archive.ArchivedFile]:
        assert width == log_archive.WIDTH
        return [log_archive.ArchivedFile(key=f"{level}/{index}", body=b"")]

    monkeypatch.setattr(log_archive, "_files", note)
    stored = [file.key for file in log_archive._full(head=TreeHead(size=2 * 256**2 + 300))]
    # The tiles of leaves say how far the archive is: what they stand below of is there before.
    assert stored == ["1/0", "1/1", *(f"0/{index}" for index in range(513))]
