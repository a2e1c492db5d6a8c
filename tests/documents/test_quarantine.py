"""The way out of quarantine: by a person with a reason, after a fresh look, and never while anything is wrong."""

import dataclasses
import datetime as dt
import io
import json
import pathlib
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit import log
from audit.models import Event
from documents import distribution, errors
from documents.custody import quarantine
from documents.models import Alert, Document, Status
from documents.resilience import breaker, calls, dependencies
from documents.vault import immutable, store
from tests import cast, factories
from tests.documents import center

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
NOW = factories.NOW
LATER = NOW + dt.timedelta(hours=1)
REASON = "El operador restauró la réplica; huella comprobada."
ACTOR = log.Actor(kind="user", id="usr_1", role="compliance", channel="web", request_id="req_1")


@pytest.fixture(autouse=True)
def _closed_breakers(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)


@pytest.fixture
def carmen() -> cast.Member:
    """Somebody of the role compliance, for Spain."""
    return center.staff(roles=["compliance"], countries=["ES"], name="carmen")


def withheld() -> Document:
    """A document in quarantine though its bytes and their lock are as they were: a false alarm."""
    document = factories.document()
    quarantine.withhold(document=document, code="worm_checksum_mismatch", actor=log.SYSTEM, now=NOW)
    document.refresh_from_db()
    return document


def release(document: Document) -> bool:
    return quarantine.release(document=document, reason=REASON, actor=ACTOR, now=LATER)


def said(document: Document) -> list[tuple[str, str, str]]:
    """What the log says of a document from its quarantine on."""
    events = Event.objects.filter(object_id=document.public_id).order_by("id")
    rows = list(events.values_list("action", "outcome", "code"))
    return rows[[action for action, _, _ in rows].index("document.quarantined") + 1 :]


def test_a_false_alarm_ends_and_the_document_is_served_again() -> None:
    document = withheld()
    assert release(document)
    document.refresh_from_db()
    assert (document.status, document.cause, document.quarantined_at) == (Status.LOCKED, "", None)
    assert document.verified_at == LATER
    assert said(document) == [("document.verified", "ok", ""), ("document.released", "ok", "")]
    event = Event.objects.select_related("detail").get(action="document.released", object_id=document.public_id)
    assert (event.actor_id, event.role) == ("usr_1", "compliance")
    assert event.detail.details == {"cause": "worm_checksum_mismatch", "reason": REASON}
    assert Alert.objects.get(object_id=document.public_id).resolved_at is not None
    opened = distribution.open(document=document, actor=log.SYSTEM, purpose="download", now=LATER)
    assert opened.sha256 == document.file_sha256


def damage(folder: pathlib.Path, document: Document, *, how: str) -> None:
    immutable.unlock_for_removal(folder=folder)
    file = folder / document.vault_key
    record = file.with_name(f".{file.name}.{document.file_sha256[:32]}.lock")
    if how == "other bytes":
        file.chmod(0o644)
        file.write_bytes(b"%PDF forged")
    elif how == "no object":
        file.unlink()
    elif how == "no lock record":
        record.unlink()
    elif how == "writable":
        file.chmod(0o644)
    elif how == "too short":
        record.chmod(0o644)
        until = document.retain_until
        shorter = record.read_text().replace(until.isoformat(), (until - dt.timedelta(days=1)).isoformat())
        record.write_text(shorter)
        record.chmod(0o444)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("other bytes", "worm_checksum_mismatch"),
        ("no object", "worm_version_missing"),
        ("no lock record", "worm_lock_missing"),
        ("writable", "worm_lock_missing"),
        ("too short", "worm_lock_"),
    ],
)
def test_nothing_is_released_while_its_bytes_or_their_lock_are_wrong(
    vault_folder: pathlib.Path, how: str, code: str
) -> None:
    document = withheld()
    damage(vault_folder, document, how=how)
    with pytest.raises(errors.WormError, match=code):
        release(document)
    document.refresh_from_db()
    assert (document.status, document.quarantined_at) == (Status.QUARANTINED, NOW)
    [(action, outcome, noted)] = said(document)
    assert (action, outcome) == ("document.verified", "failed")
    assert noted.startswith(code)
    assert Alert.objects.get(object_id=document.public_id).resolved_at is None


def test_a_mode_weaker_than_the_one_that_was_locked_is_not_released(monkeypatch: pytest.MonkeyPatch) -> None:
    document, verify = withheld(), store.verify
    monkeypatch.setattr(store, "verify", lambda **what: dataclasses.replace(verify(**what), mode="GOVERNANCE"))
    with pytest.raises(errors.WormError, match="worm_mode_weak"):
        release(document)
    document.refresh_from_db()
    assert document.status == Status.QUARANTINED


def test_a_vault_that_is_away_releases_nothing(vault_folder: pathlib.Path) -> None:
    document = withheld()
    immutable.unlock_for_removal(folder=vault_folder)
    away = vault_folder.rename(vault_folder.with_name("unmounted"))
    with pytest.raises(errors.WormError, match="worm_unavailable"):
        release(document)
    document.refresh_from_db()
    assert document.status == Status.QUARANTINED
    away.rename(vault_folder)


def test_a_quarantine_that_began_during_the_look_is_not_ended_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    document, verify = withheld(), store.verify

    def meanwhile(**what: Any) -> store.Stored:
        stored = verify(**what)
        monkeypatch.setattr(store, "verify", verify)
        other = Document.objects.get(pk=document.pk)
        assert release(other)
        quarantine.withhold(document=other, code="worm_lock_missing", actor=log.SYSTEM, now=LATER)
        return stored

    monkeypatch.setattr(store, "verify", meanwhile)
    assert not release(document)
    document.refresh_from_db()
    assert (document.status, document.cause) == (Status.QUARANTINED, "worm_lock_missing")
    assert [action for action, _, _ in said(document)].count("document.released") == 1


def test_no_document_leaves_quarantine_without_its_event(monkeypatch: pytest.MonkeyPatch) -> None:
    document = withheld()

    def fail(**_what: object) -> int:
        raise log.AuditUnavailable("the log is away")

    with monkeypatch.context() as patch:
        patch.setattr(log, "record", fail)
        with pytest.raises(log.AuditUnavailable):
            release(document)
    document.refresh_from_db()
    assert document.status == Status.QUARANTINED


@pytest.mark.parametrize("status", [Status.ISSUED, Status.LOCKED])
def test_what_is_in_no_quarantine_is_not_released(status: Status) -> None:
    document = factories.document(status=status)
    assert not release(document)
    document.refresh_from_db()
    assert document.status == status


def test_compliance_releases_from_the_documents_page_with_a_reason(carmen: cast.Member) -> None:
    document = withheld()
    browser, page = center.client(member=carmen), center.page(document)
    assert f'href="{page}release/"' in browser.get(page).content.decode()
    asked = browser.get(f"{page}release/").content.decode()
    assert ("Comprobar y liberar" in asked, "Los bytes resguardados no coinciden" in asked) == (True, True)
    assert browser.post(f"{page}release/", {"reason": "corto"}).status_code == 400
    document.refresh_from_db()
    assert document.status == Status.QUARANTINED
    answer = browser.post(f"{page}release/", {"reason": REASON}, follow=True).content.decode()
    assert "Liberado: bytes y bloqueo comprobados ahora mismo." in answer
    assert "release/" not in answer
    document.refresh_from_db()
    assert document.status == Status.LOCKED
    assert center.said("document.released")[0].actor_id == f"usr_{carmen.user.pk}"


def test_the_page_says_why_a_document_stays_withheld(carmen: cast.Member, vault_folder: pathlib.Path) -> None:
    document = withheld()
    damage(vault_folder, document, how="other bytes")
    browser, page = center.client(member=carmen), center.page(document)
    answer = browser.post(f"{page}release/", {"reason": REASON}, follow=True).content.decode()
    assert "Sigue en cuarentena: Los bytes resguardados no coinciden." in answer
    document.refresh_from_db()
    assert document.status == Status.QUARANTINED


@pytest.mark.parametrize("role", ["support", "finance", "auditor", "admin"])
def test_nobody_but_compliance_releases(role: str) -> None:
    document = withheld()
    member = center.staff(roles=[role], countries=["ES"])
    browser, page = center.client(member=member), center.page(document)
    assert "release/" not in browser.get(page).content.decode()
    assert browser.post(f"{page}release/", {"reason": REASON}).status_code == 403
    with pytest.raises(CommandError, match="Your role does not allow"):
        call_command("release_document", document.number, "--by", member.user.username, "--reason", REASON)
    document.refresh_from_db()
    assert document.status == Status.QUARANTINED
    assert {event.code for event in center.denials()} == {"role_not_allowed"}


def command(document: Document, *, by: str, reason: str = REASON) -> str:
    out = io.StringIO()
    call_command("release_document", document.number, "--by", by, "--reason", reason, stdout=out)
    return out.getvalue()


def test_the_command_releases_in_the_name_of_the_person_who_decides(carmen: cast.Member) -> None:
    document = withheld()
    assert "released" in command(document, by="carmen")
    document.refresh_from_db()
    assert document.status == Status.LOCKED
    event = center.said("document.released")[0]
    assert (event.actor_id, event.role, event.channel) == (f"usr_{carmen.user.pk}", "compliance", "command")
    with pytest.raises(CommandError, match="is in no quarantine"):
        command(document, by="carmen")


@pytest.mark.usefixtures("carmen")
def test_the_command_says_what_it_lacks(vault_folder: pathlib.Path) -> None:
    document = withheld()
    with pytest.raises(CommandError, match="nobody has the login"):
        command(document, by="nobody")
    with pytest.raises(CommandError, match="--reason"):
        command(document, by="carmen", reason="  corto  ")
    damage(vault_folder, document, how="writable")
    with pytest.raises(CommandError, match="worm_lock_missing"):
        command(document, by="carmen")
    document.refresh_from_db()
    assert document.status == Status.QUARANTINED


def test_the_command_keeps_to_the_countries_of_the_person_who_decides() -> None:
    document = withheld()
    center.staff(roles=["compliance"], countries=["MX"], name="marta")
    with pytest.raises(CommandError, match="outside your scope"):
        command(document, by="marta")
    assert center.denials()[0].code == "country_out_of_scope"


def over_api(by: cast.Member, document: Document, *, key: str = "release-once") -> Any:
    """The answer to a release over the API."""
    return center.client(member=by).post(
        f"/api/v1/documents/{document.public_id}/release/",
        json.dumps({"reason": REASON}),
        "application/json",
        headers={"Idempotency-Key": key},
    )


def test_over_the_api_a_false_alarm_ends_once_and_the_bytes_are_read_once(carmen: cast.Member) -> None:
    document = withheld()
    first, again = (over_api(carmen, document) for _ in range(2))
    assert (first.status_code, first.json()["status"]) == (200, "LOCKED"), first.content
    assert (again["Idempotent-Replayed"], again.json()) == ("true", first.json())
    looks = [action for action, _, _ in said(document) if action.startswith("document.")]
    assert looks == ["document.verified", "document.released"]
    late = over_api(carmen, document, key="release-late")
    assert (late.status_code, late.json()["code"]) == (409, "document_not_waiting")


def test_over_the_api_a_look_that_finds_something_stays_on_record(
    vault_folder: pathlib.Path, carmen: cast.Member
) -> None:
    document = withheld()
    damage(vault_folder, document, how="other bytes")
    answer = over_api(carmen, document)
    assert (answer.status_code, answer.json()["code"]) == (500, "worm_checksum_mismatch")
    assert said(document) == [("document.verified", "failed", "worm_checksum_mismatch")]
    document.refresh_from_db()
    assert document.status == Status.QUARANTINED
