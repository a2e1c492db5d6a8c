"""Old personal details of the log are erased, on record; what a matter is about keeps its own."""

import datetime as dt
import io

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from pytest_django import Settings

from audit import leaf, log
from audit.actions import Action
from audit.models import Event as LogEvent
from audit.models import EventDetail
from documents.custody import erasure
from documents.models import LegalHold
from tests import factories
from tests.documents import center
from tests.documents.officers import Officers

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "denials", "owner"]),
    pytest.mark.usefixtures("committed_db", "vault_folder"),
]
ACTOR = log.Actor(kind="user", id="usr_1", role="auditor", channel="admin", address="198.51.100.7", agent="Mozilla/5.0")


def viewed(object_id: str, *, kind: str = "document") -> int:
    """Record a look at something, with the address that it came from."""
    with transaction.atomic():
        return log.record(action=Action.DOCUMENT_VIEWED, object_type=kind, object_id=object_id, actor=ACTOR)


def aged(*, days: int) -> dt.datetime:
    """Return the moment at which what is written now is so many days old."""
    return LogEvent.objects.latest("at").at + dt.timedelta(days=days, seconds=1)


def test_details_are_erased_after_their_time_and_the_leaf_is_what_it_was(settings: Settings) -> None:
    settings.AUDIT_DETAILS_DAYS = 30
    look = viewed("doc_1")
    event = LogEvent.objects.get(pk=look)
    before, digest = leaf.encode(event), event.details_digest
    assert sum(erasure.erase(now=aged(days=29), actor=log.SYSTEM)) == 0
    now = aged(days=30)
    assert sum(erasure.erase(now=now, actor=log.SYSTEM)) == EventDetail.objects.count() + 1
    event.refresh_from_db()
    assert (leaf.encode(event), event.details_digest) == (before, digest)
    assert not EventDetail.objects.filter(event=look).exists()
    said = LogEvent.objects.get(action="audit.details_erased", object_id=str(look))
    assert said.code == "details_expired"
    assert sum(erasure.erase(now=now, actor=log.SYSTEM)) == 0


def test_what_a_matter_is_about_keeps_its_details_until_its_end(settings: Settings) -> None:
    settings.AUDIT_DETAILS_DAYS = 30
    officers, document = Officers(), factories.document()
    other = factories.document(owner=factories.party(platform_id="drv_other"))
    link = center.link(document=document)
    hold = officers.hold(document)
    about = [document.public_id, document.event.public_id, document.owner.public_id, link.public_id, hold.public_id]
    looks = {viewed(one, kind="thing") for one in about}
    unheld = viewed(other.public_id)
    list(erasure.erase(now=aged(days=30), actor=log.SYSTEM))
    left = set(EventDetail.objects.values_list("event_id", flat=True))
    assert (looks <= left, unheld in left) == (True, False)
    officers.end(LegalHold.objects.get())
    list(erasure.erase(now=aged(days=30), actor=log.SYSTEM))
    assert not looks & set(EventDetail.objects.values_list("event_id", flat=True))


def test_it_goes_on_in_transactions_of_a_few(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUDIT_DETAILS_DAYS = 1
    monkeypatch.setattr(erasure, "BATCH", 2)
    for number in range(5):
        viewed(f"doc_{number}")
    now, walk = aged(days=1), erasure.erase(now=aged(days=1), actor=log.SYSTEM)
    assert next(walk) == 2  # and there it is broken off
    assert list(erasure.erase(now=now, actor=log.SYSTEM)) == [2, 1]


def test_the_command_counts_first_and_then_erases(settings: Settings) -> None:
    settings.AUDIT_DETAILS_DAYS = 0
    viewed("doc_1")
    out = io.StringIO()
    call_command("erase_details", "--dry-run", stdout=out)
    assert out.getvalue().startswith("1 datos personales de más de 0 días")
    call_command("erase_details", stdout=out, stderr=io.StringIO())
    assert "✓ 1 datos personales" in out.getvalue()
    assert not EventDetail.objects.filter(event__object_id="doc_1").exists()


def test_the_runtimes_connection_is_told_that_it_may_not(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUDIT_DETAILS_DAYS = 0
    viewed("doc_1")
    monkeypatch.setattr(erasure, "OWNER", "default")
    with pytest.raises(CommandError, match="DATABASE_OWNER_URL"):
        call_command("erase_details", stdout=io.StringIO(), stderr=io.StringIO())
    assert EventDetail.objects.exists()
