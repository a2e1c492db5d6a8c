"""What the demo changes of the settings, and that other commands can take part in it by the lines it prints."""

import contextlib
import datetime as dt
import http.client
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from config import env
from config.embedded import machine, object_store
from config.simulation import demo, demo_keys, demo_people, outside_checker
from documents.vault import immutable
from tests.services import observed

READY_S = 240.0
DEMO_JSON = {  # a contract with programs: fields are added, never renamed
    "base_url", "admin", "webhooks", "database_url", "database_owner_url", "vault", "vault_s3", "mail", "links",
    "documents", "ready_at", "environment", "keys", "users", "metrics_token",
}  # fmt: skip
# What make and a running demo would hand on to the command.
HIDDEN = {
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "REDIS_URL",
    "VAULT_URL",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "MFLAGS",
    "DEMO",
    "DEMO_EXIT",
}


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> dict[str, str]:
    """What a stage would put into the environment."""
    found: dict[str, str] = {}
    monkeypatch.setattr(machine, "VAR", tmp_path)
    monkeypatch.setattr(env, "put", lambda *, name, value: found.update({name: value}))
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setattr(demo, "_listening", None)
    monkeypatch.setattr(demo, "_lock", None)
    monkeypatch.setattr(demo, "_put", ())
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
    _prepared("crash_campaign")
    assert "PARKED_LIMIT_S" not in put
    assert put["LEASE_S"] == "4"


@pytest.fixture
def running(put: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a demo that has told of itself and still runs."""
    _prepared("demo")
    for name, value in put.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@127.0.0.1/demo")
    demo.record()
    recorded = dict(demo.environment())
    put.clear()
    return recorded


def test_a_command_takes_part_in_the_demo_on_a_port(
    running: dict[str, str], put: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO", running["PUBLIC_URL"].rpartition(":")[2])
    demo.join()
    assert put == running
    assert put["DATABASE_URL"] == "postgresql://app@127.0.0.1/demo"
    assert {f"WEBHOOK_SECRET_{service.upper()}" for service in env.SERVICES} <= set(put)
    folder = pathlib.Path(running["STAGE_FOLDER"])
    assert (folder / demo.RECORD).stat().st_mode & 0o077 == 0  # secrets are their owner's only


def test_without_being_asked_no_command_takes_part(
    running: dict[str, str], put: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEMO", raising=False)
    demo.join()
    assert put == {}


def test_another_port_is_refused_and_the_right_one_named(
    running: dict[str, str], put: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = running["PUBLIC_URL"].rpartition(":")[2]
    monkeypatch.setenv("DEMO", "1")
    with pytest.raises(
        env.Misconfigured, match=f"no demo .* is ready on port 1: .*PORT=1 make demo, or one of DEMO={port}"
    ):
        demo.join()
    assert put == {}


def test_what_a_killed_demo_left_is_not_taken_for_a_running_one(
    running: dict[str, str], put: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert demo._lock is not None
    demo._lock.close()  # as the kernel does
    monkeypatch.setenv("DEMO", running["PUBLIC_URL"].rpartition(":")[2])
    with pytest.raises(env.Misconfigured, match=r"make demo$"):
        demo.join()


@pytest.mark.timeout(400)
def test_the_demos_last_lines_work_as_printed_and_ctrl_c_leaves_nothing(tmp_path: pathlib.Path) -> None:
    outer = {name: value for name, value in env.inherited().items() if name not in HIDDEN}
    outer |= {"ENVIRONMENT": "", "PORT": "0", "DEMO_JSON": str(tmp_path / "demo.json")}
    with (tmp_path / "said").open("wb") as said:
        served = subprocess.Popen([sys.executable, "manage.py", "demo"], cwd=env.BASE_DIR, env=outer, stdout=said)
    try:
        text = _awaited(path=tmp_path / "said", process=served)
        commands = re.findall(r"^ +(make manage .+)$", text, re.MULTILINE)
        assert len(commands) == 2
        answers = [
            subprocess.run(
                ["/bin/sh", "-c", line], cwd=env.BASE_DIR, env=outer, capture_output=True, text=True, check=False
            )
            for line in commands
        ]
        assert [(one.returncode, one.stderr[-2000:] if one.returncode else "") for one in answers] == [(0, "")] * 2
        assert json.loads(answers[0].stdout) == {"sent": 3, "answers": {"processed": 3}, "replayed": 3}
        assert "todo cuadra" in answers[1].stdout
        summary = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))
        assert set(summary) >= DEMO_JSON, "programs read these fields: they are added to and never renamed"
        _check_demo_json(summary)
        assert summary["environment"]["DATABASE_URL"] == summary["database_url"]
        assert summary["environment"]["WEBHOOK_SECRET_ORDERS"] == summary["webhooks"]["orders"]
        family = psutil.Process(served.pid).children(recursive=True)
        assert family
        served.send_signal(signal.SIGINT)
        assert served.wait(timeout=60) == 0
        assert psutil.wait_procs(family, timeout=10)[1] == []
        folder = pathlib.Path(summary["environment"]["STAGE_FOLDER"])
        immutable.unlock_for_removal(folder=folder)
        shutil.rmtree(folder)
    finally:
        with contextlib.suppress(ProcessLookupError):
            served.terminate()
        served.wait(timeout=60)


def _check_demo_json(summary: dict[str, Any]) -> None:
    """Check that what the demo tells programs is true of it, and empty where it has no such thing."""
    assert summary["base_url"] == summary["environment"]["PUBLIC_URL"]
    assert set(summary["webhooks"]) == set(env.SERVICES)
    assert summary["vault"] is None
    vault_s3 = summary["vault_s3"]
    assert (vault_s3["url"], vault_s3["access"]) == (summary["environment"]["VAULT_URL"], object_store.ACCESS)
    assert _checked_outside(summary) == ({"documents": len(summary["documents"])}, [])
    assert list(pathlib.Path(summary["mail"]).glob("*.eml"))
    assert all(url.startswith(f"{summary['base_url']}/l/") for url in summary["links"])
    assert {document["status"] for document in summary["documents"]} == {"LOCKED"}
    assert dt.datetime.fromisoformat(summary["ready_at"]).tzinfo is not None
    assert set(summary["keys"]) == {"partner", "partner_fleet", "driver_ana", "driver_beto", "finance", "auditor"}
    _check_metrics(summary)
    for name, text in summary["keys"].items():
        door = http.client.HTTPConnection(urlsplit(summary["base_url"]).netloc, timeout=10)
        door.request("GET", "/api/v1/documents/", headers={"Authorization": f"Bearer {text}"})
        owners = {row["owner"] for row in json.load(door.getresponse())["data"]}
        door.close()
        assert owners, name
        assert name not in demo_keys.OWNERS or owners == {demo_keys.OWNERS[name][0]}
    assert summary["admin"] == {"username": "admin", "password": summary["users"]["admin"]["password"]}
    _check_users(summary)
    with psycopg.connect(summary["database_owner_url"]) as owner:
        given = owner.execute(
            "SELECT (SELECT count(*) FROM auth_user_groups) + (SELECT count(*) FROM guardian_userobjectpermission),"
            " (SELECT count(*) FROM audit_event WHERE action = 'access.granted')"
        ).fetchone()
    assert given is not None
    assert given[0] == given[1] > len(demo_people.STAFF), "each role and country was given with its event"


def _check_users(summary: dict[str, Any]) -> None:
    """Check that staff of two countries, drivers and partners can sign in as the demo says."""
    staff = {login: user for login, user in summary["users"].items() if login in demo_people.STAFF}
    assert {login: user["roles"] for login, user in staff.items()} == {
        login: list(roles) for login, (roles, _countries) in demo_people.STAFF.items()
    }
    assert {country for user in staff.values() for country in user["countries"] if len(user["countries"]) == 1} == {
        "ES",
        "MX",
    }
    assert {name: user["role"] for name, user in summary["users"].items() if name not in staff} == {
        name: role for name, (_party, role) in demo_people.OWNERS.items()
    }
    assert summary["users"]["driver_ana"]["username"] == "ana@example.com"


def _check_metrics(summary: dict[str, Any]) -> None:
    """Ask for the metrics of a demo that has lived: who has the token gets them, and every series that anybody reads."""
    bearer = {"Authorization": f"Bearer {summary['metrics_token']}"}
    answers = {}
    for path, headers in (("/metrics", {}), ("/metrics", bearer), ("/readyz", {}), ("/readyz", bearer)):
        door = http.client.HTTPConnection(urlsplit(summary["base_url"]).netloc, timeout=10)
        door.request("GET", path, headers=headers)
        answer = door.getresponse()
        answers[path, bool(headers)] = (answer.status, answer.read().decode())
        door.close()
    assert answers["/metrics", False][0] == 401
    assert answers["/metrics", True][0] == 200
    assert set(json.loads(answers["/readyz", False][1])) == {"status"}
    assert "dependencies" in json.loads(answers["/readyz", True][1])
    assert observed.missing(page=answers["/metrics", True][1]) == []


def _checked_outside(summary: dict[str, Any]) -> tuple[dict[str, int], list[str]]:
    """Return how many documents the outside checker saw, and what it finds of them and of their bytes."""
    with psycopg.connect(summary["database_owner_url"]) as owner:
        keys = [key for (key,) in owner.execute("SELECT document_key FROM documents_document")]
    question = {"database_url": summary["database_owner_url"], "vault": summary["vault_s3"]["url"], "keys": keys}
    ran = subprocess.run(
        [sys.executable, "-I", outside_checker.__file__],
        input=json.dumps({**question, "mail": summary["mail"], "events": {}}).encode(),
        env=env.inherited() | summary["environment"],
        capture_output=True,
        check=False,
    )
    answer = json.loads(ran.stdout)
    return {"documents": answer["figures"]["documents"]}, answer["findings"]


def _awaited(*, path: pathlib.Path, process: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        text = path.read_text(encoding="utf-8")
        if "Ctrl-C ends" in text:
            return text
        time.sleep(0.2)
    raise AssertionError(path.read_text(encoding="utf-8")[-3000:])


def test_a_file_for_programs_that_cannot_be_written_is_said_at_once(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "absent" / "demo.json"
    ran = subprocess.run(
        [sys.executable, "manage.py", "demo"],
        cwd=env.BASE_DIR,
        env=env.inherited() | {"ENVIRONMENT": "", "PORT": "0", "DEMO_JSON": str(file)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("billing-docs: DEMO_JSON: ")
    assert "Traceback" not in ran.stderr
