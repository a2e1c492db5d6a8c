"""The fault campaign finds nothing in a cell of the product as it is, and something once a fallback is taken out."""

import dataclasses
import io
import json
import pathlib
import shutil
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from config import env
from config.embedded import machine
from config.faults import campaign as runs


def campaign(*arguments: str) -> "subprocess.CompletedProcess[str]":
    variables = {"DATABASE_URL": "", "DATABASE_OWNER_URL": "", "REDIS_URL": "", "VAULT_URL": "", "ENVIRONMENT": ""}
    return subprocess.run(
        [sys.executable, "manage.py", "fault_campaign", *arguments],
        cwd=env.BASE_DIR,
        env=env.inherited() | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)
def test_a_cell_passes_on_a_stack_of_its_own_and_is_red_once_its_fallback_was_taken_out() -> None:
    folder = env.BASE_DIR / "var" / "fault_campaign"
    before = set(folder.glob("*"))
    ran = campaign("--seed", "990", "--only", "redis/refuse", "--quick", "--json", "--then-planted", "redis")
    assert ran.returncode == 1, ran.stdout + ran.stderr[-3000:]
    whole, planted = (json.loads(line) for line in ran.stdout.strip().splitlines())
    assert (whole["name"], whole["planted"], whole["findings"]) == ("redis/refuse", "", [])
    assert 0 < whole["alert_s"] < 60
    assert (planted["name"], planted["planted"]) == ("redis/refuse", "redis")
    assert planted["findings"] == ["no document has been locked meanwhile"]
    (logs,) = set(folder.glob("*")) - before  # kept, as something was red; no process is left
    assert not machine.in_use(lock=logs / "lock")
    shutil.rmtree(logs)


def test_a_campaign_that_was_broken_off_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(machine, "VAR", tmp_path)
    monkeypatch.setenv("STAGE_FOLDER", str(tmp_path / "stage"))
    passed = runs.CellResult(name="redis/refuse", alert_s=1.0, recovery_s=40.0, findings=[])
    record = tmp_path / "fault_campaign-5.jsonl"
    record.write_text(runs.as_line(result=passed) + "\n", encoding="utf-8")
    out = io.StringIO()
    call_command("fault_campaign", seed=5, only="redis/refuse", json=True, stdout=out)  # no stack: nothing is left
    assert json.loads(out.getvalue()) == dataclasses.asdict(passed)
    assert record.exists()  # the others are still to come


def test_the_cells_can_be_listed_and_a_name_that_there_is_not_is_said() -> None:
    out = io.StringIO()
    call_command("fault_campaign", only="clock", list=True, stdout=out)
    assert out.getvalue().split() == ["clock/jump", "clock/jump_far", "clock/jump_back", "clock/drift"]
    with pytest.raises(CommandError, match="teapot"):
        call_command("fault_campaign", only="teapot", list=True)
