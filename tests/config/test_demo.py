"""What the demo changes of the settings, so that whoever tries it sees everything within minutes; and nothing else."""

import pathlib

import pytest

from config import demo, env, servers


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> dict[str, str]:
    """What a stage would put into the environment."""
    found: dict[str, str] = {}
    monkeypatch.setattr(servers, "VAR", tmp_path)
    monkeypatch.setattr(env, "put", lambda *, name, value: found.update({name: value}))
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setattr(demo, "_listening", None)
    return found


def _prepared(kind: str) -> None:
    demo.prepare(kind=kind)
    assert demo._listening is not None
    demo._listening.close()


def test_in_the_demo_finance_need_not_wait_three_days_to_see_what_it_may_do_past_the_limit(
    put: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PARKED_LIMIT_S", raising=False)
    _prepared("demo")
    assert put["PARKED_LIMIT_S"] == "60"
    monkeypatch.setenv("PARKED_LIMIT_S", "600")
    _prepared("demo")
    assert put["PARKED_LIMIT_S"] == "600"  # whoever asks for another one gets it


def test_the_crash_campaign_keeps_the_limit_and_ends_its_leases_soon(put: dict[str, str]) -> None:
    _prepared("torture")
    assert "PARKED_LIMIT_S" not in put
    assert put["LEASE_S"] == "4"
