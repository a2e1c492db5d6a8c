"""What is shipped in ops/ can be read by the programs that it is for, and names what exists."""

import configparser
import os
import pathlib
import pwd
import re
import shlex
import subprocess

import pytest

from config import env, variables
from tests.deployment import pages

OPS = env.BASE_DIR / "ops"
UNITS = sorted((OPS / "systemd").glob("*.service"))
PAGES = sorted(path.name for path in pages.FOLDER.glob("*.md"))


class UnitFile(configparser.ConfigParser):
    """The file of a unit, whose names are not in small letters."""

    def optionxform(self, optionstr: str) -> str:
        """Return a name as it is written."""
        return optionstr


def unit(path: pathlib.Path) -> UnitFile:
    read = UnitFile(interpolation=None, strict=False)
    read.read(path)
    return read


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_runs_as_a_user_of_its_own_what_exists(path: pathlib.Path) -> None:
    service = unit(path)["Service"]
    program = shlex.split(service["ExecStart"])[0].removeprefix("/opt/billing-docs/")
    assert (env.BASE_DIR / program).exists()
    users = [unit(other)["Service"]["User"] for other in UNITS]
    assert users.count(service["User"]) == 1
    assert (service["Group"], service["NoNewPrivileges"], service["ProtectSystem"]) == ("billing-docs", "yes", "strict")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_only_the_migrations_have_the_owners_address(path: pathlib.Path) -> None:
    assert ("owner.env" in path.read_text(encoding="utf-8")) is (path.stem == "billing-migrate")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_sets_only_variables_that_exist(path: pathlib.Path) -> None:
    assigned = re.findall(r"^Environment=(\w+)=", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(assigned) <= variables.NAMES


def test_the_front_waits_for_nobody_and_says_who_called() -> None:
    text = (OPS / "nginx" / "billing-docs.conf").read_text(encoding="utf-8")
    assert text.count("{") == text.count("}")
    for line in (
        "proxy_request_buffering on;",
        "client_header_timeout 5s;",
        "client_body_timeout 10s;",
        "limit_conn billing_addresses",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "Strict-Transport-Security",
        "location = /metrics { return 404; }",
    ):
        assert line in text


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_says_on_which_hosts_it_is_typed(page: str) -> None:
    known = {"web1", "web2", "worker1", "worker2", "db1", "db2", "broker", "front"}
    for block in pages.blocks(page=page):
        assert set(block.hosts) <= known or block.hosts == ("every", "host"), block.script


def test_every_name_that_a_block_uses_is_among_the_names() -> None:
    given = {*pages.named(), "NAME", "FORMER", "VALUE"}
    for page in PAGES:
        for block in pages.blocks(page=page):
            used = set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", block.script))
            assert used <= given, block.script


def test_the_hosts_command_is_for_root_who_may_read_the_settings() -> None:
    nobody = pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None
    script = (OPS / "billing-docs").read_text(encoding="utf-8")
    ran = subprocess.run(["/bin/sh"], input=script, user=nobody, capture_output=True, text=True, check=False)
    assert (ran.returncode, "root types this" in ran.stderr) == (1, True)
