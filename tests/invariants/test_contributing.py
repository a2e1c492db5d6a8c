"""docs/contributing.md is true: three of its lists are followed word for word on a copy, and without a step they fail.

A block under "New file" is written, one under "In ... in place of" replaces the quoted line, a block of commands is run.
"""

import concurrent.futures
import dataclasses
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from config import env
from documents.models import Alert
from tests import cast, factories
from tests.services import live

PAGE = (env.BASE_DIR / "docs" / "contributing.md").read_text(encoding="utf-8")
COPIED = ("audit", "config", "documents", "locale", "payouts", "templates")
STEP = re.compile(
    r"(?:New file `(?P<new>[^`]+)`:\n\n|In `(?P<file>[^`]+)`, in place of `(?P<line>[^`]+)`:\n\n)?"
    r" *```(?P<language>\w+)\n(?P<block>.*?)\n *```",
    re.DOTALL,
)
PROGRAM = """
import json, sys
import django
django.setup()
from django.utils import timezone
from audit import log
from documents.emission import locking
from documents.events import intake
from documents.models import Document
actor = log.Actor(kind="service", id="payments", channel="webhook")
for event in json.load(sys.stdin):
    answer = intake.receive(raw=json.dumps(event).encode(), services=["payments"], now=timezone.now(), actor=actor)
    for document in Document.objects.filter(event__event_id=event["id"]):
        locking.advance(document_id=document.pk, now=timezone.now())
    rows = Document.objects.filter(event__event_id=event["id"]).values("status", "number", "template")
    print(json.dumps({"code": answer.body.get("code"), "documents": list(rows)}))
"""
ASKING = """
import json, sys
import django
django.setup()
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.get(username="asker"), backend="django.contrib.auth.backends.ModelBackend")
answer = client.get(f"/api/v1/documents/{sys.argv[1]}/number/")
print(json.dumps([answer.status_code, answer.content.decode()]))
"""
pytestmark = pytest.mark.usefixtures("committed_db")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """One block of a list: a new file, a line that is replaced in one, or commands to type."""

    new: str | None
    file: str | None
    line: str | None
    language: str
    block: str


def steps(heading: str) -> list[Block]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert section, heading
    return [
        Block(**(found.groupdict() | {"block": textwrap.dedent(found["block"]) + "\n"}))
        for found in STEP.finditer(section)
    ]


COUNTRY, VERSION, ROUTE = steps("Add a country"), steps("Add a template version"), steps("Add a route")


class Copy:
    """A copy of the project in which a page is followed."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in COPIED:  # with what Python has compiled: a copy starts as fast as the original
            shutil.copytree(env.BASE_DIR / name, folder / name)
        shutil.copy(env.BASE_DIR / "manage.py", folder)

    def follow(self, step: Block) -> subprocess.CompletedProcess[str] | None:
        """Do what a step says; returns how its command ended, if it is one."""
        if step.new:
            (self.folder / step.new).write_text(step.block, encoding="utf-8")
        elif step.file and step.line:
            self.replace(file=step.file, line=step.line, block=step.block)
        else:
            return self.type(step.block)
        return None

    def replace(self, *, file: str, line: str, block: str) -> None:
        path = self.folder / file
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (place,) = [number for number, text in enumerate(lines) if text.strip() == line]
        indent = lines[place].partition(line)[0]
        path.write_text("".join([*lines[:place], textwrap.indent(block, indent), *lines[place + 1 :]]), "utf-8")

    def type(self, command: str) -> subprocess.CompletedProcess[str]:
        """Type a command; `make manage` is the Python of this session, the set-up of which is done."""
        words = shlex.split(command)
        if words[:2] == ["make", "manage"]:
            return self.run(["manage.py", *shlex.split(words[2].removeprefix("ARGS="))])
        assert words[0] == "cp", command
        shutil.copy(self.folder / words[1], self.folder / words[2])
        return subprocess.CompletedProcess(words, 0, "", "")

    def issue(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """Take events in and lock what they issue, in a process of the copy."""
        done = self.run(["-c", PROGRAM], stdin=json.dumps(events))
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def ask(self, document_id: str) -> tuple[int, str]:
        """Ask the route of the page for a document's number, in a process of the copy."""
        done = self.run(["-c", ASKING, document_id])
        assert done.returncode == 0, done.stderr
        status, body = json.loads(done.stdout.splitlines()[-1])
        return status, body

    def run(self, words: list[str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
        variables = env.inherited() | {
            "VAULT_URL": f"file://{self.folder / 'vault'}",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=variables,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def uruguayan(*, country: str = "UY") -> dict[str, Any]:
    event = live.payment(net="100.00", gross="122.00", country=country, issuer="aventide-uy")
    event["data"] |= {"currency": "UYU"}
    event["data"]["lines"][0] |= {"tax": "IVA22"}
    return event


def said(text: str) -> str:
    """Return words of the page, which must be on it."""
    assert f"`{text}`" in " ".join(PAGE.split()), text
    return text


def test_a_country_and_a_template_version_are_added_by_doing_what_the_page_says(tmp_path: pathlib.Path) -> None:
    copy = Copy(tmp_path / "copy")
    issuer, add_issuer = COUNTRY[-2:]
    copy.follow(issuer)
    for step in [*VERSION, *COUNTRY]:
        if "ARGS=provision" in step.block:
            early = copy.type(add_issuer.block)
            assert said("UY is not in the database yet") in early.stderr
        done = copy.follow(step)
        assert done is None or done.returncode == 0, (step, done.stderr)
    (answer,) = copy.issue(uruguayan())
    (document,) = answer["documents"]
    assert document["number"].startswith("AUY-PR-")
    assert (document["status"], document["template"]) == ("LOCKED", "pdf/payment_receipt/v2.html")


def with_holes(copy: Copy) -> None:
    """The catalog names a version whose file nobody has made, and a rate of the pack is no fraction."""
    pack, check = COUNTRY[:2]
    copy.follow(VERSION[-2])
    copy.follow(dataclasses.replace(pack, block=pack.block.replace('"0.22"', '"22"')))
    done = copy.type(check.block)
    assert done.returncode != 0
    assert said("no PDF template for PAYMENT_RECEIPT in ES, version v2") in done.stderr
    assert said("country pack UY: tax_codes.IVA22[0].rate") in done.stderr


def without_a_cell(copy: Copy) -> None:
    """A cell of the pack is left out."""
    pack, check = COUNTRY[:2]
    copy.follow(dataclasses.replace(pack, block=pack.block.replace(said('tax_id_default="RUT",'), "")))
    done = copy.type(check.block)
    assert done.returncode != 0
    assert said("documents/countries/uy.py must define PACK for country UY") in done.stderr


def without_the_catalogs_row(copy: Copy) -> None:
    """The new file is there and nothing names it; of a country without pack nothing is issued."""
    for step in VERSION[:2]:
        copy.follow(step)
    spanish, uruguay = copy.issue(live.payment(), uruguayan())
    assert [document["template"] for document in spanish["documents"]] == ["pdf/payment_receipt/v1.html"]
    assert uruguay == {"code": said("country_unsupported"), "documents": []}


def test_a_step_that_is_left_out_fails_as_the_page_says(tmp_path: pathlib.Path) -> None:
    cast.issuer()
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as threads:
        waiting = [
            threads.submit(follow, Copy(tmp_path / follow.__name__))
            for follow in (with_holes, without_a_cell, without_the_catalogs_row)
        ]
        for done in waiting:
            done.result()


def test_a_route_is_added_by_doing_what_the_page_says_and_one_that_forgets_its_event_answers_nobody(
    tmp_path: pathlib.Path, vault_folder: pathlib.Path
) -> None:
    document = factories.document()
    cast.staff(name="asker", roles=["finance"], countries=["ES"])
    copy = Copy(tmp_path / "copy")
    view, *declared, check = ROUTE
    for step in (view, *declared):
        copy.follow(step)
    assert copy.type(check.block).returncode == 0
    assert copy.ask(document.public_id) == (200, document.number)
    event = view.block[view.block.index("        with transaction") : view.block.index("        return HttpResponse")]
    copy.follow(dataclasses.replace(view, block=view.block.replace(event, "")))
    status, body = copy.ask(document.public_id)
    assert (status, document.number in body) == (500, False)
    assert Alert.objects.get().code == said("access_rule_broken")
