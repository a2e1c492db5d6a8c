"""The record of validations is appended to whole or not at all, wherever it is asked for and whatever is away."""

import dataclasses
import os
import pathlib
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from pytest_django.plugin import DjangoDbBlocker

from config import env
from config.drills import drills, leftovers, receipts, record, registry
from config.embedded import ending
from config.management.commands import validate_operations
from documents.models import Document

TICKETS = ("", " ", "X\ny", "X`", "X|y", "`; rm", "x" * 101, "OPS 1", "OPS-\u0661", "OPS-1\n", "[a](b)")


def _gone(*_given: object, **_named: object) -> object:
    raise OperationalError("connection refused")


def _no_document(_context: registry.DrillContext) -> registry.Evidence:
    raise Document.DoesNotExist("no such document")


def _seen(_context: registry.DrillContext) -> registry.Evidence:
    return {"seen": "a | b `c`\n## Operational validation\u2028\x1b"}


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let there be no PostgreSQL, and one drill that meets an error of no kind that drills expect."""
    monkeypatch.setattr(receipts, "ready", _gone)
    monkeypatch.setattr(leftovers, "close", _gone)
    monkeypatch.setattr(record.connection, "cursor", _gone)
    monkeypatch.setattr(validate_operations.log, "record", _gone)
    monkeypatch.setattr(validate_operations.transaction, "atomic", _gone)
    monkeypatch.setattr(drills, "DRILLS", [drill(make=_no_document), drill(make=_seen)])
    with django_db_blocker.unblock():
        yield


def drill(*, make: Callable[[registry.DrillContext], registry.Evidence]) -> registry.Drill:
    """Return a drill."""
    return dataclasses.replace(drills.DRILLS[-1], make=make)


def refused(**options: object) -> str:
    """Return why the command does not begin."""
    with pytest.raises(CommandError) as refusal:
        call_command("validate_operations", **options)
    return str(refusal.value)


@pytest.mark.parametrize("ticket", TICKETS)
def test_a_ticket_that_could_write_the_entry_itself_is_refused_before_any_drill(
    ticket: str, tmp_path: pathlib.Path
) -> None:
    assert "use the name of a ticket" in refused(output=tmp_path / "record.md", ticket=ticket)
    assert list(tmp_path.iterdir()) == []


def test_a_place_without_a_regular_file_is_refused_before_any_drill(tmp_path: pathlib.Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("/dev/full")
    for place in (tmp_path, tmp_path / "none" / "record.md", pipe, link, pathlib.Path("/dev/full")):
        assert "nothing was done" in refused(output=place)
    assert (stat.S_ISFIFO(pipe.stat().st_mode), stat.S_ISCHR(pathlib.Path("/dev/full").stat().st_mode)) == (True, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


def test_an_entry_is_appended_through_a_link_with_the_mode_of_the_file_and_leaves_nothing_beside_it(
    tmp_path: pathlib.Path,
) -> None:
    kept, link = tmp_path / "kept.md", tmp_path / "link.md"
    kept.write_bytes(b"# Changes \xff")
    kept.chmod(0o640)
    link.symlink_to(kept)
    (tmp_path / ".kept.md.new").write_text("what a killed run has left", encoding="utf-8")
    record.require_writable(path=link)
    record.append(path=link, entry="\nentry\n")
    assert kept.read_bytes() == b"# Changes \xff\nentry\n"
    assert (link.is_symlink(), stat.S_IMODE(kept.stat().st_mode)) == (True, 0o640)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.md", "link.md"]


def test_what_cannot_be_written_whole_changes_nothing_and_leaves_nothing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.md"
    kept.write_bytes(b"# Changes\n")

    def full(_descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(record.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        record.append(path=kept, entry="entry")
    assert (kept.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (b"# Changes\n", ["kept.md"])


@pytest.mark.usefixtures("away")
def test_without_postgresql_and_with_any_error_of_a_drill_the_others_are_made_and_the_entry_is_written(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("validate_operations", output=tmp_path / "record.md")
    text = (tmp_path / "record.md").read_text(encoding="utf-8")
    assert ended.value.code == validate_operations.FAILED
    for part in ("1 of 2 drills hold\n", "FAILED: DoesNotExist: no such document", "PostgreSQL away"):
        assert part in text
    (row,) = [line for line in text.splitlines() if "| holds |" in line]
    assert text.count("\n## ") == 1  # its own heading
    assert " ".join(row.split()).endswith("| seen a b c ## Operational validation |")
    assert "does not show this validation" in capsys.readouterr().err


@pytest.mark.usefixtures("away")
def test_a_signal_during_a_drill_ends_the_run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_given: object, **_named: object) -> None:
        raise SystemExit(ending.INTERRUPTED)

    monkeypatch.setattr(drills, "call_command", interrupted)
    monkeypatch.setattr(drills, "DRILLS", [drill(make=drills.audit_verified)])
    with pytest.raises(SystemExit) as ended:
        call_command("validate_operations", output=tmp_path / "record.md")
    assert (ended.value.code, list(tmp_path.iterdir())) == (ending.INTERRUPTED, [])


SAY = "from config.embedded import ending; ending.speak_anywhere(); print('\u2713 clock')"


def test_a_terminal_without_a_character_ends_no_command() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    said = subprocess.run(
        [sys.executable, "-c", SAY], cwd=env.BASE_DIR, env=environment, capture_output=True, check=True, timeout=60
    )
    assert said.stdout == b"\\u2713 clock\n"


@pytest.mark.usefixtures("away")
def test_a_reader_that_has_gone_away_keeps_no_drill_from_being_made(tmp_path: pathlib.Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = validate_operations.Command(stdout=os.fdopen(writer, "w"))
    kept = os.dup(sys.stdout.fileno())
    try:
        with pytest.raises(SystemExit):
            command.execute(
                output=tmp_path / "record.md",
                ticket=record.TICKET,
                only=[],
                force_color=False,
                no_color=False,
                skip_checks=True,
            )
    finally:
        os.dup2(kept, sys.stdout.fileno())
    assert "1 of 2 drills hold" in (tmp_path / "record.md").read_text(encoding="utf-8")
