"""While one version follows another, a process of the former tells the guards of the later from a manipulation."""

import datetime as dt
import io
from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from pytest_django import Settings

from audit import declared, enforcement, inspection, rollout, sealing
from config.embedded import services
from tests.config.test_provision import provisions
from tests.services import database

pytestmark = provisions
NAME = "trigger audit_guard_documents_document_moved of documents_document"


@pytest.fixture
def former(monkeypatch: pytest.MonkeyPatch, owner: psycopg.Connection) -> Iterator[None]:
    """Be a process of a version that another one was provisioned after: a guard of that has another body."""
    call_command("provision", verbosity=0)
    mine = declared.declaration()
    body = enforcement.body_of
    with monkeypatch.context() as later:
        later.setattr(enforcement, "body_of", lambda **about: f"{body(**about)}-- of a later version\n")
        declared.declaration.cache_clear()
        call_command("provision", "--before", verbosity=0)
        assert declared.declaration() != mine
    declared.declaration.cache_clear()
    assert declared.declaration() == mine
    yield
    declared.declaration.cache_clear()


@pytest.mark.usefixtures("former")
def test_a_former_process_takes_the_guards_of_a_later_version_for_what_they_are() -> None:
    assert inspection.weaknesses() == {}


@pytest.mark.usefixtures("former")
def test_a_former_process_still_names_what_was_changed_since(owner: psycopg.Connection) -> None:
    owner.execute("ALTER TABLE documents_document DISABLE TRIGGER audit_guard_documents_document_moved")
    owner.execute("GRANT UPDATE ON audit_event TO PUBLIC")
    weak = inspection.weaknesses()
    assert weak[NAME] == "was changed since the last provisioning"
    assert weak["table audit_event"] == "the runtime role may empty or change it"


@pytest.mark.usefixtures("former")
def test_marks_that_the_owner_rewrites_are_not_those_that_were_signed(owner: psycopg.Connection) -> None:
    owner.execute("ALTER TABLE documents_document DISABLE TRIGGER audit_guard_documents_document_moved")
    with connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM audit_guardmark")
        cursor.execute(f"INSERT INTO audit_guardmark (name, mark) {inspection._MARKS}")
    assert inspection.weaknesses()["audit_guardmark"] == "is not what the last provisioning noted"


FORGED = """
INSERT INTO audit_provisioning (at, stage, declared, marks, signature)
SELECT clock_timestamp(), '{stage}', declared, marks, signature FROM audit_provisioning WHERE stage = 'ended' ORDER BY at LIMIT 1
"""


@pytest.mark.parametrize("stage", [rollout.BEGAN, rollout.ENDED])
@pytest.mark.usefixtures("committed_db")
def test_a_note_that_the_database_writes_itself_counts_for_nothing(owner: psycopg.Connection, stage: str) -> None:
    owner.execute(FORGED.format(stage=stage).encode())
    owner.execute(
        "UPDATE audit_provisioning SET declared = repeat('0', 64) WHERE id = (SELECT max(id) FROM audit_provisioning)"
    )
    owner.execute("ALTER TABLE documents_document DISABLE TRIGGER audit_guard_documents_document_moved")
    assert inspection.weaknesses()[NAME] == "is off"


@pytest.mark.usefixtures("former")
def test_a_note_of_before_that_is_brought_back_is_as_old_as_it_says(owner: psycopg.Connection) -> None:
    """The later version's own processes see guards of before as weaknesses, whichever row is written again."""
    owner.execute(
        "INSERT INTO audit_provisioning (at, stage, declared, marks, signature)"
        " SELECT at, stage, declared, marks, signature FROM audit_provisioning WHERE stage = 'ended' ORDER BY at LIMIT 1"
    )
    with connections["owner"].cursor() as cursor:
        basis, _ = rollout.basis(cursor=cursor, declared=declared.declaration())
    assert basis is rollout.Basis.LATER


@pytest.mark.usefixtures("committed_db")
def test_a_version_that_was_never_provisioned_is_compared_to_the_letter() -> None:
    with connections["owner"].cursor() as cursor:
        assert rollout.basis(cursor=cursor, declared="0" * 64)[0] is rollout.Basis.OWN


@pytest.mark.usefixtures("committed_db")
def test_while_the_guards_are_made_nobody_judges_them_and_a_killed_provisioning_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connections["owner"].cursor() as cursor:
        rollout.note(cursor=cursor, stage=rollout.BEGAN, declared=declared.declaration())
    with pytest.raises(rollout.ProvisioningUnderWayError):
        inspection.weaknesses()
    monkeypatch.setattr(rollout, "LIMIT", dt.timedelta(0))
    assert inspection.weaknesses() == {}


@pytest.mark.usefixtures("committed_db")
def test_a_key_that_is_exchanged_is_known_while_the_former_one_is(settings: Settings) -> None:
    settings.AUDIT_KEY, settings.AUDIT_KEY_FORMER = "another-key-of-at-least-thirty-two-letters", settings.AUDIT_KEY
    with connections["owner"].cursor() as cursor:
        assert rollout.basis(cursor=cursor, declared=declared.declaration())[1] != ""
        settings.AUDIT_KEY_FORMER = ""
        assert rollout.basis(cursor=cursor, declared=declared.declaration()) == (rollout.Basis.OWN, "")


@pytest.mark.usefixtures("committed_db")
def test_a_key_that_the_log_does_not_know_is_said_by_who_provisions(settings: Settings) -> None:
    database.wait()
    sealing._noted.clear()
    said = io.StringIO()
    while sealing.seal():
        pass
    call_command("provision", verbosity=0, stderr=said)
    assert "AUDIT_KEY" not in said.getvalue()
    settings.AUDIT_KEY = "another-key-of-at-least-thirty-two-letters"
    call_command("provision", verbosity=0, stderr=said)
    assert "AUDIT_KEY: the log knows other keys" in said.getvalue()


def test_the_role_that_serves_writes_no_note(stack: services.Stack, django_db_setup: None) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as runtime:
        for statement in ("INSERT INTO audit_provisioning DEFAULT VALUES", "DELETE FROM audit_provisioning"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                runtime.execute(statement.encode())
