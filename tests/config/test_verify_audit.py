"""The command that verifies the log: it says from where it started, what is wrong, and when it cannot say."""

import datetime as dt
import io
import json
import os
import pathlib
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from audit import log, sealing, tree
from audit.actions import Action
from config.embedded import machine, services
from config.management.commands import verify_audit
from documents.custody import log_archive, sealed_files
from documents.models import Alert
from tests import factories
from tests.services import database

pytestmark = pytest.mark.usefixtures("committed_db", "vault_folder")


@pytest.fixture(autouse=True)
def _sealed(committed_db: None, vault_folder: pathlib.Path, settings: Settings) -> None:
    sealing._noted.clear()
    database.wait()
    with transaction.atomic():
        for _ in range(30):
            log.record(action=Action.ISSUER_ADDED, object_type="issuer", object_id="x", actor=log.SYSTEM)
    while sealing.seal(limit=10):
        pass


def ran(*words: str) -> tuple[int, list[dict[str, Any]], str]:
    out, said, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("verify_audit", *words, stdout=out, stderr=said)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, [json.loads(line) for line in out.getvalue().splitlines()], said.getvalue()


def test_without_a_checkpoint_outside_of_the_database_nothing_is_said_of_it(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CommandError, match="younger than 24 h"):
        ran()
    head, old = tree.head(), tmp_path / "old"
    assert head is not None
    old.write_text(head.note, encoding="utf-8")
    yesterday = (timezone.now() - dt.timedelta(hours=25)).timestamp()
    os.utime(old, (yesterday, yesterday))
    with pytest.raises(CommandError, match="younger than 24 h"):
        ran("--checkpoint", str(old))


def test_a_sound_log_ends_with_0_and_says_from_which_checkpoints(tmp_path: pathlib.Path) -> None:
    log_archive.go_on(now=timezone.now())
    head, mine = tree.head(), tmp_path / "mine"
    assert head is not None
    mine.write_text(head.note, encoding="utf-8")
    code, lines, said = ran("--checkpoint", str(mine))
    assert (code, lines) == (
        0,
        [{"object": "audit_verification", "verified": head.size, "size": head.size, "findings": 0}],
    )
    assert f"2 checkpoints ({mine}, vault)" in said
    assert ran("--checkpoint", str(mine), "--no-vault")[0] == 0


def test_a_log_that_was_changed_by_force_ends_with_2_and_names_the_row(stack: services.Stack) -> None:
    log_archive.go_on(now=timezone.now())
    with psycopg.connect(stack.database_owner_url) as owner:
        owner.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
        owner.execute("UPDATE audit_event SET actor_id = 'x' WHERE id = (SELECT max(event_id) FROM audit_treeplace)")
    code, lines, _said = ran()
    assert code == verify_audit.FOUND
    assert (lines[0]["finding"], lines[0]["row"].partition(" ")[0]) == ("changed", "event")


def test_what_ctrl_c_breaks_off_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    log_archive.go_on(now=timezone.now())
    monkeypatch.setattr(verify_audit.verification, "BATCH", 10)
    walked = verify_audit.verification._next

    def broken_off(*, start: int, using: str) -> list[tuple[Any, ...]]:
        if start == 20:
            raise KeyboardInterrupt
        return walked(start=start, using=using)

    with monkeypatch.context() as once:
        once.setattr(verify_audit.verification, "_next", broken_off)
        code, lines, said = ran()
    assert (code, lines, (machine.VAR / verify_audit.KEPT).exists()) == (verify_audit.INTERRUPTED, [], True)
    assert "20" in said
    code, lines, _said = ran("--resume")
    head = tree.head()
    assert head is not None
    assert (code, lines[0]["verified"], lines[0]["size"]) == (0, head.size - 20, head.size)
    assert not (machine.VAR / verify_audit.KEPT).exists()


def test_stored_pdfs_are_read_and_held_against_what_the_log_says_of_them(
    stack: services.Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, exchanged, gone = factories.document(), factories.document(), factories.document()
    while sealing.seal():
        pass
    log_archive.go_on(now=timezone.now())
    code, lines, _said = ran("--pdfs")
    assert (code, lines[-1]["files"], lines[-1]["findings"]) == (0, 3, 0)
    with psycopg.connect(stack.database_owner_url) as owner:  # the row names other bytes, and hashes that fit them
        owner.execute("ALTER TABLE documents_document DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE documents_document AS now SET vault_key = other.vault_key, vault_version = other.vault_version,"
            " file_sha256 = other.file_sha256 FROM documents_document AS other WHERE now.id = %s AND other.id = %s",
            [exchanged.pk, first.pk],
        )
        owner.execute("UPDATE documents_document SET vault_key = vault_key || 'x' WHERE id = %s", [gone.pk])
    code, lines, _said = ran("--pdfs")
    assert [(line["finding"], line["row"]) for line in lines[:-1]] == [
        ("file_changed", f"document {exchanged.number}"),
        ("file_missing", f"document {gone.number}"),
    ]
    assert code == verify_audit.FOUND
    assert Alert.objects.get(code="audit_broken", resolved_at=None).values["faults"] == [
        f"document {exchanged.number}: file_changed",
        f"document {gone.number}: file_missing",
    ]


def test_a_comparison_of_pdfs_that_ctrl_c_breaks_off_goes_on_and_forgets_no_finding(
    stack: services.Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [factories.document() for _ in range(3)]
    while sealing.seal():
        pass
    log_archive.go_on(now=timezone.now())
    with psycopg.connect(stack.database_owner_url) as owner:
        owner.execute("ALTER TABLE documents_document DISABLE TRIGGER USER")
        owner.execute("UPDATE documents_document SET vault_key = 'x' WHERE id = %s", [documents[0].pk])
    read = sealed_files.store.read

    def broken_off(*, url: str, key: str, version: str) -> bytes:
        if key == documents[2].vault_key:
            raise KeyboardInterrupt
        return read(url=url, key=key, version=version)

    with monkeypatch.context() as once:
        once.setattr(sealed_files.store, "read", broken_off)
        code, _lines, _said = ran("--pdfs")
    assert code == verify_audit.INTERRUPTED
    code, lines, _said = ran("--pdfs", "--resume")
    assert (code, lines[-1]["files"], lines[-1]["findings"]) == (verify_audit.FOUND, 3, 1)
