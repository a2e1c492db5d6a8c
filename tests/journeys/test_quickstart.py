"""docs/quickstart.md and the first calls of docs/API_CONTRACTS.md are true: their blocks run in an empty folder with two variables, against the running product."""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from django.conf import settings

from config import contracts, env
from config.simulation import sender
from tests.services import quickstart
from tests.services.live import SAMPLES, Live, live

__all__ = ["live"]
DRIVER = "drv_77A1"
PROGRAMS = {"bash": ["bash", "-s"], "python": [sys.executable, "-I", "-"], "javascript": ["node", "-"]}


@pytest.fixture(scope="module")
def key(live: Live) -> str:
    """A key of the driver of the samples, as the page makes it."""
    secrets = {service: known[0] for service, known in settings.WEBHOOK_SECRETS.items()}
    events = json.loads((SAMPLES / "es_ride.json").read_text(encoding="utf-8"))
    assert {answer.status for answer in sender.post_all(base_url=live.url, events=events, secrets=secrets)} <= {
        200,
        201,
    }
    live.await_quiet()
    scopes = [part for scope in ("read", "content", "links") for part in ("--scope", scope)]
    made = subprocess.run(
        [sys.executable, "manage.py", "keys", "create", "--party", DRIVER, "--role", "driver", *scopes],
        cwd=env.BASE_DIR,
        env=env.inherited() | live.stack.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def run(
    *, section: str, language: str, folder: pathlib.Path, page: pathlib.Path = quickstart.PAGE, **variables: str
) -> str:
    """Run the blocks of a section in a folder with these variables alone, and return what they print."""
    program = quickstart.blocks(section=section, language=language, page=page)
    assert program
    done = subprocess.run(
        PROGRAMS[language],
        input=program,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_document_is_read_and_its_bytes_are_those_that_were_locked(
    live: Live, key: str, tmp_path: pathlib.Path
) -> None:
    told = run(section="Read", language="bash", folder=tmp_path, BILLING_URL=live.url, BILLING_KEY=key)
    assert "as they were locked" in told
    assert (tmp_path / "document.pdf").read_bytes().startswith(b"%PDF-")


def test_the_contracts_alone_lead_through_pages_a_checked_download_and_a_retry(
    live: Live, key: str, tmp_path: pathlib.Path
) -> None:
    asked = {"BILLING_URL": live.url, "BILLING_KEY": key}
    run(section="Endpoints", language="bash", folder=tmp_path, page=contracts.PAGE, **asked)
    documents = (tmp_path / "ids.txt").read_text(encoding="utf-8").split()
    assert len(documents) == len(set(documents)) >= 2
    first, again = (json.loads((tmp_path / f"link-{number}.json").read_text(encoding="utf-8")) for number in (1, 2))
    assert (first["id"], first["url"][:4], again["url"]) == (again["id"], "http", None)


def test_the_payout_as_a_csv_ties_to_the_line_of_the_bank(live: Live, key: str, tmp_path: pathlib.Path) -> None:
    run(section="Read", language="python", folder=tmp_path, BILLING_URL=live.url, BILLING_KEY=key)
    with (tmp_path / "payouts.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["what"], row["amount"]) for row in rows] == [("settled", "21.88"), ("transferred", "21.88")]
    assert {(row["payout"], row["reference"]) for row in rows} == {("po_ES11", "AVT-ES11")}


def test_an_event_is_signed_with_openssl_and_answered_the_same_when_it_is_sent_again(
    live: Live, tmp_path: pathlib.Path
) -> None:
    secret = settings.WEBHOOK_SECRETS["payments"][0]
    told = run(section="Send an event", language="bash", folder=tmp_path, BILLING_URL=live.url, BILLING_SECRET=secret)
    assert "PAYMENT_RECEIPT:payment:pay_" in told


def test_a_link_is_made_once_however_often_it_is_asked_for(live: Live, key: str, tmp_path: pathlib.Path) -> None:
    program = quickstart.blocks(section="Read", language="javascript")
    assert "Idempotency-Key" in program
    if shutil.which("node"):  # the lab has it, whatever this machine has
        told = run(section="Read", language="javascript", folder=tmp_path, BILLING_URL=live.url, BILLING_KEY=key)
        assert told.startswith(f"{live.url}/l/")
