"""The fault campaign finds nothing in a cell of the product as it is, and something once a fallback is taken out."""

import json
import subprocess
import sys

import pytest

from config import env

QUICK = ("--only", "redis/refuse", "--steady-s", "2", "--afresh", "--json")


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
def test_a_cell_of_the_campaign_passes_with_a_stack_of_its_own_and_leaves_nothing_behind() -> None:
    before = set((env.BASE_DIR / "var" / "fault_campaign").glob("*"))
    ran = campaign("--seed", "990", *QUICK)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
    result = json.loads(ran.stdout.strip().splitlines()[-1])
    assert (result["name"], result["findings"]) == ("redis/refuse", [])
    assert 0 < result["alert_s"] < 60
    assert set((env.BASE_DIR / "var" / "fault_campaign").glob("*")) == before


@pytest.mark.timeout(300)
def test_a_row_whose_fallback_was_taken_out_is_red() -> None:
    ran = campaign("--seed", "991", *QUICK, "--planted", "redis")
    assert ran.returncode == 1, ran.stdout + ran.stderr[-3000:]
    result = json.loads(ran.stdout.strip().splitlines()[-1])
    assert result["findings"] == ["no document has been locked meanwhile"]


def test_the_cells_can_be_listed_without_a_server() -> None:
    ran = campaign("--only", "clock", "--list")
    assert ran.stdout.split() == ["clock/jump", "clock/jump_far", "clock/jump_back", "clock/drift"]
