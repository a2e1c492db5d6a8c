"""The one door for bytes: what it hands out, what it refuses, what it leaves on record."""

import concurrent.futures
import datetime as dt
import hashlib
import pathlib
from typing import Any

import pytest
from django.db import connections

from audit import log
from audit.models import Event
from documents import distribution, errors, formatting
from documents.custody import quarantine
from documents.delivery import links
from documents.models import Alert, Document, Kind, Link, Status
from documents.rendering import render
from documents.resilience import breaker, calls, dependencies
from documents.vault import immutable
from documents.vault import store as vault
from tests import cast, factories
from tests.services import force

pytestmark = pytest.mark.django_db
NOW = factories.NOW
ACTOR = log.Actor(kind="service", id="platform", role="finance", channel="web", request_id="req_1")


@pytest.fixture(autouse=True)
def _closed_breakers(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)


def fetch(document: Document, *, purpose: distribution.Purpose = "download", **more: Any) -> distribution.Opened:
    """Open a document as a member of staff does."""
    return distribution.open(document=document, actor=ACTOR, purpose=purpose, now=NOW, **more)


def told(document: Document) -> list[str]:
    """Return what the log says of a document, in order."""
    return list(Event.objects.filter(object_id=document.public_id).order_by("id").values_list("action", flat=True))


def test_a_locked_document_comes_out_as_it_went_in_by_a_name_with_its_number() -> None:
    document = factories.document()
    opened = fetch(document)
    assert hashlib.sha256(opened.body).hexdigest() == document.file_sha256 == opened.sha256
    assert opened.filename == f"Aventide-pedido-2026-11-20-{document.number}.pdf"
    assert opened.media_type == "application/pdf"


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("2026-02-16", "2026-02-22", "2026-02-16_22"),
        ("2026-02-23", "2026-03-01", "2026-02-23_03-01"),
        ("2025-12-29", "2026-01-04", "2025-12-29_2026-01-04"),
        ("2026-02-16", "2026-02-16", "2026-02-16"),
    ],
)
def test_a_payouts_file_is_named_by_issuer_kind_period_and_number(first: str, last: str, days: str) -> None:
    document = factories.document(
        kind=Kind.PAYOUT_STATEMENT,
        issued_by=factories.issuer(slug="aventide-mx", code="AMX", country_code="MX"),
        body={"period": {"from": first, "to": last}},
    )
    name = formatting.file_name(document=document)
    assert name == f"Aventide-liquidacion-{days}-AMX-PS-2026-{document.sequence:07d}"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (Kind.PAYMENT_RECEIPT, "recibo"),
        (Kind.ORDER_FINAL_STATEMENT, "pedido"),
        (Kind.PAYOUT_REVERSAL_NOTICE, "aviso-de-pago"),
        (Kind.CREDIT_NOTE, "nota-de-credito"),
    ],
)
def test_every_other_file_is_named_by_issuer_kind_day_and_number(kind: Kind, word: str) -> None:
    document = factories.document(kind=kind)
    document.issuer.legal_name = 'Óptima \u00ab/..\r\n"\u4e2d Ñandú'
    assert formatting.file_name(document=document) == f"Optima-{word}-2026-11-20-{document.number}"


@pytest.mark.parametrize(
    ("purpose", "action"),
    [("download", "document.downloaded"), ("view", "document.viewed"), ("preview", "document.previewed")],
)
def test_every_byte_that_leaves_has_its_event(purpose: distribution.Purpose, action: str) -> None:
    document = factories.document()
    fetch(document, purpose=purpose)
    fetch(document, purpose=purpose)
    assert told(document)[2:] == [action, action]
    event = Event.objects.filter(action=action).latest("id")
    assert (event.actor_id, event.role, event.request_id) == ("platform", "finance", "req_1")


@pytest.mark.parametrize("purpose", ["download", "view", "preview"])
def test_what_is_not_locked_is_never_served(purpose: distribution.Purpose) -> None:
    waiting, withheld = factories.document(status=Status.ISSUED), factories.document(status=Status.QUARANTINED)
    with pytest.raises(errors.Problem) as not_ready:
        fetch(waiting, purpose=purpose)
    assert not_ready.value.code == "document_not_ready"
    with pytest.raises(errors.Problem) as quarantined:
        fetch(withheld, purpose=purpose)
    assert quarantined.value.code == "document_quarantined"
    denied = Event.objects.using("denials").filter(object_id=withheld.public_id, outcome="denied")
    assert [one.code for one in denied] == ["document_quarantined"]


def test_a_stale_object_in_memory_does_not_open_what_is_withheld_by_now() -> None:
    document = factories.document()
    stale = Document.objects.get(pk=document.pk)
    quarantine.withhold(document=document, code="worm_checksum_mismatch", actor=ACTOR, now=NOW)
    with pytest.raises(errors.Problem):
        fetch(stale)


def tamper(folder: pathlib.Path, document: Document, *, body: bytes | None) -> None:
    """Do by force what the vault forbids: change the bytes under a key, or take them away."""
    immutable.unlock_for_removal(folder=folder)
    file = folder / document.vault_key
    file.chmod(0o644)
    if body is None:
        file.unlink()
    else:
        file.write_bytes(body)


@pytest.mark.parametrize("body", [b"%PDF forged", b"", None])
@pytest.mark.parametrize("purpose", ["download", "preview"])
def test_bytes_that_changed_in_the_vault_are_withheld_and_raise_a_p1(
    vault_folder: pathlib.Path, body: bytes | None, purpose: distribution.Purpose
) -> None:
    document = factories.document()
    tamper(vault_folder, document, body=body)
    with pytest.raises(errors.Problem) as refused:
        fetch(document, purpose=purpose)
    assert refused.value.code == "document_quarantined"
    document.refresh_from_db()
    assert document.status == Status.QUARANTINED
    alert = Alert.objects.get(object_id=document.public_id)
    assert (alert.code, alert.severity) == ("document_quarantined", "P1")
    assert told(document)[-1] == "document.quarantined"


def test_one_changed_bit_that_the_vault_overlooks_is_found_here(monkeypatch: pytest.MonkeyPatch) -> None:
    document = factories.document()
    store = vault.open_vault()
    body = store.read(key=document.vault_key, version=document.vault_version)
    flipped = body[:-1] + bytes([body[-1] ^ 1])
    monkeypatch.setattr(type(store), "read", lambda _self, **_what: flipped)
    with pytest.raises(errors.Problem):
        fetch(document)
    document.refresh_from_db()
    assert document.status == Status.QUARANTINED


def test_quarantining_twice_is_one_incident() -> None:
    document = factories.document()
    assert quarantine.withhold(document=document, code="worm_checksum_mismatch", actor=ACTOR, now=NOW)
    assert not quarantine.withhold(document=document, code="worm_checksum_mismatch", actor=ACTOR, now=NOW)
    assert told(document).count("document.quarantined") == 1


def test_a_vault_that_is_away_costs_no_download_and_accuses_nobody(vault_folder: pathlib.Path) -> None:
    document = factories.document()
    link = links.create(document=document, recipient=document.owner, delivery=None, now=NOW)
    immutable.unlock_for_removal(folder=vault_folder)
    vault_folder.rename(vault_folder.with_name("unmounted"))
    with pytest.raises(errors.WormError) as away:
        fetch(document, link=link, session="one")
    assert away.value.code == "worm_unavailable"
    document.refresh_from_db()
    link.refresh_from_db()
    assert (document.status, link.downloads) == (Status.LOCKED, 0)
    assert "document.downloaded" not in told(document)
    vault_folder.with_name("unmounted").rename(vault_folder)


def test_without_its_audit_event_no_byte_leaves_and_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    document = factories.document()
    link = links.create(document=document, recipient=document.owner, delivery=None, now=NOW)

    def fail(**_what: object) -> int:
        raise log.AuditUnavailable("the log is away")

    monkeypatch.setattr(log, "record", fail)
    with pytest.raises(log.AuditUnavailable):
        fetch(document, link=link, session="one")
    link.refresh_from_db()
    assert link.downloads == 0


def test_a_link_opens_its_own_document_and_no_other() -> None:
    document, other = factories.document(), factories.document()
    link = links.create(document=document, recipient=document.owner, delivery=None, now=NOW)
    with pytest.raises(errors.Problem) as refused:
        fetch(other, link=link, session="one")
    assert refused.value.code == "not_owner"
    alert = Alert.objects.get(code="cross_owner_read")
    assert (alert.severity, alert.object_id) == ("P1", other.public_id)
    assert told(other)[2:] == []


def test_a_door_that_asks_for_somebody_who_may_not_see_the_document_gets_nothing_and_is_a_p1() -> None:
    document = factories.document()
    member = cast.staff(name="marta", roles=["finance"], countries=["MX"])
    stranger = log.Actor(kind="user", id=f"usr_{member.user.pk}", role="finance", channel="web")
    for purpose in ("download", "view", "preview"):
        with pytest.raises(errors.Problem) as refused:
            distribution.open(document=document, actor=stranger, purpose=purpose, now=NOW)
        assert refused.value.code == "not_owner"
    [alert] = Alert.objects.filter(code="cross_owner_read")
    assert (alert.severity, alert.object_id, alert.count) == ("P1", document.public_id, 3)
    assert Event.objects.using("denials").filter(object_id=document.public_id, outcome="denied").count() == 3
    assert told(document)[2:] == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"revoked_at": NOW}, "link_revoked"),
        ({"expires_at": NOW}, "link_expired"),
        ({"downloads": 5}, "link_exhausted"),
        ({"locked_until_at": NOW + dt.timedelta(minutes=1)}, "link_locked"),
    ],
)
def test_a_dead_link_hands_out_nothing(fields: dict[str, object], code: str) -> None:
    document = factories.document()
    link = links.create(document=document, recipient=document.owner, delivery=None, now=NOW)
    stale = Link.objects.get(pk=link.pk)
    with force.by_force():
        Link.objects.filter(pk=link.pk).update(**fields)
    with pytest.raises(errors.Problem) as refused:
        fetch(document, link=stale, session="one")
    assert refused.value.code == code
    assert "document.downloaded" not in told(document)


def test_one_session_within_ten_minutes_is_one_download_and_each_is_on_record() -> None:
    document = factories.document()
    link = links.create(document=document, recipient=document.owner, delivery=None, now=NOW)

    def at(minutes: int, session: str) -> int:
        link.refresh_from_db()
        moment = NOW + dt.timedelta(minutes=minutes)
        distribution.open(document=document, actor=ACTOR, purpose="download", now=moment, link=link, session=session)
        link.refresh_from_db()
        return link.downloads

    assert [at(0, "a"), at(9, "a"), at(9, "b"), at(9, "a"), at(11, "a")] == [1, 1, 2, 2, 3]
    assert told(document).count("document.downloaded") == 5


def test_a_session_that_took_the_last_download_may_repeat_it_for_ten_minutes() -> None:
    document = factories.document()
    link = links.create(document=document, recipient=document.owner, delivery=None, now=NOW)
    with force.by_force():
        Link.objects.filter(pk=link.pk).update(downloads=4)
    link.refresh_from_db()
    fetch(document, link=link, session="a")
    link.refresh_from_db()
    fetch(document, link=link, session="a")
    with pytest.raises(errors.Problem):
        fetch(document, link=link, session="b")


def test_a_preview_is_a_picture_of_a_page_that_exists() -> None:
    document = factories.document()
    opened = fetch(document, purpose="preview", page=1)
    assert opened.body.startswith(b"\x89PNG")
    assert opened.media_type == "image/png"
    for page in (0, 2, -1):
        with pytest.raises(errors.Problem) as missing:
            fetch(document, purpose="preview", page=page)
        assert missing.value.code == "not_found"


def test_pictures_are_kept_up_to_so_many_bytes_and_the_latest_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def draw(*, pdf: bytes, page: int, width: int) -> bytes:
        assert pdf
        made.append(width)
        return bytes(page * 1000 * width)

    monkeypatch.setattr(render, "preview", draw)
    monkeypatch.setattr(distribution, "PICTURES_BYTES_MAX", 1_000_000)
    monkeypatch.setattr(distribution, "_pictures", type(distribution._pictures)())
    document = factories.document()
    for width in (400, 500, 600, 600, 400, 1001, 600):
        assert len(fetch(document, purpose="preview", width=width).body) == width * 1000
    assert made == [400, 500, 600, 400, 1001, 600], "500 gave way to 600, and what is too big alone is not kept"
    assert sum(len(picture) for picture in distribution._pictures.values()) <= 1_000_000


def test_a_kept_picture_is_not_shown_of_a_document_withheld_since() -> None:
    document = factories.document()
    fetch(document, purpose="preview")
    quarantine.withhold(document=document, code="worm_lock_missing", actor=ACTOR, now=NOW)
    with pytest.raises(errors.Problem):
        fetch(document, purpose="preview")


@pytest.mark.usefixtures("committed_db")
@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_twenty_downloads_at_once_never_exceed_the_limit() -> None:
    document = factories.document()
    link = links.create(document=document, recipient=document.owner, delivery=None, now=NOW)

    def take(number: int) -> str:
        try:
            held = Link.objects.select_related("document").get(pk=link.pk)
            fetch(held.document, link=held, session=f"session{number}")
        except errors.Problem as problem:
            return problem.code
        else:
            return "served"
        finally:
            connections.close_all()

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as threads:
        answers = list(threads.map(take, range(20)))
    link.refresh_from_db()
    assert (answers.count("served"), answers.count("link_exhausted"), link.downloads) == (5, 15, 5)
    assert told(document).count("document.downloaded") == 5
