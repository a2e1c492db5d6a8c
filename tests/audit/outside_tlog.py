"""A log of ours as files, for others to verify: `make tlog-lab` writes them, and an outside implementation reads them.

Not a test of `make test`: it has no expectation of its own but that a log with a full tile of the second level is made.
"""

import os
import pathlib

import pytest
from django.db import transaction
from django.utils import timezone

from audit import log, sealing, signing, tlog, tree
from audit.actions import Action
from audit.models import TreeHead
from documents.custody import log_archive
from documents.vault import store
from tests.services import database

FOLDER = pathlib.Path(os.environ["TLOG_LAB"])
SIZE = 66_000  # a full tile of the second level is made of 65,536
pytestmark = [pytest.mark.usefixtures("committed_db", "vault_folder"), pytest.mark.timeout(1800)]


def test_a_log_is_written_as_others_read_it() -> None:
    sealing._noted.clear()
    database.wait()
    append(700)
    log_archive.go_on(now=timezone.now())
    append(SIZE)
    head = tree.head()
    assert head is not None
    log_archive.archive(head=head, now=timezone.now())
    for keys in store.walk(at_once=500, prefix=f"{log_archive.PREFIX}tile/"):
        for key in keys:
            write(name=f"log/{key.removeprefix(log_archive.PREFIX)}", body=log_archive.read(key=key))
    first, *_others, last = log_archive.checkpoints()
    write(name="log/checkpoint", body=last[1].encode())
    write(name="former.note", body=first[1].encode())
    (public,) = signing.history()
    write(name="keys", body=f"log {public}\n".encode())
    checkpoint = tlog.read_checkpoint(note=last[1], keys=[public])
    assert (checkpoint.size, first[0] < last[0]) == (TreeHead.objects.latest("size").size, True)
    assert checkpoint.size > 256 * 256


def append(number: int) -> None:
    entry = log.Entry(action=Action.ISSUER_ADDED, object_type="issuer", object_id="aventide-es", actor=log.SYSTEM)
    for begin in range(0, number, 1000):
        with transaction.atomic():
            log.record_many(entries=[entry] * min(1000, number - begin))
        while sealing.seal():
            pass


def write(*, name: str, body: bytes) -> None:
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
